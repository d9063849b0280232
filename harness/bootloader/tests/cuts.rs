//! Whatever happens to the power, the board comes back with one of its two images.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::{
    Config, Cut, DeviceId, Mode, Pending, SimFlash, boot, set_confirmed, set_pending, swap_type,
};
use proptest::prelude::*;
use rstest::rstest;

/// Boots with a cut; true when the power failed before the boot was over.
fn boot_and_cut(config: &Config, flash: &mut SimFlash, cut: Cut) -> bool {
    flash.power_up();
    flash.cut_at(cut);
    let result = boot(config, &keys(), flash, &mut |_| {});
    flash.power_up();
    result.is_err()
}

/// Flash operations of one boot.
fn operations(config: &Config, flash: &SimFlash) -> u32 {
    let mut flash = flash.clone();
    flash.power_up();
    boot(config, &keys(), &mut flash, &mut |_| {}).unwrap();
    flash.counts().ops()
}

fn pending_flash(config: &Config, pending: Pending) -> SimFlash {
    let update = if config.encryption == hil_bootloader::Encryption::None {
        image(2, 9000)
    } else {
        encrypted_image(2, 9000)
    };
    let mut flash = flash_with(config.mode, &image(1, 5000), &update);
    set_pending(config, &mut flash, 0, pending).unwrap();
    flash
}

/// The real MCUboot (mcu-tools/mcuboot 2d4bacc3) left the same flash from the same start, cut and hash: a swap-using-offset
/// that resumes before the last sector of an old image that is larger than the update does not copy that sector.
#[test]
fn a_resumed_swap_by_offset_loses_the_end_of_a_larger_old_image() {
    let config = config(Mode::SwapOffset);
    let mut flash = flash_with(Mode::SwapOffset, &image(1, 11_625), &image(2, 600));
    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();
    let mut uninterrupted = flash.clone();
    assert_eq!(booted_major(&config, &mut uninterrupted), Some(2));

    assert!(boot_and_cut(&config, &mut flash, Cut { ops: 37, torn: 4 }));
    assert_eq!(booted_major(&config, &mut flash), Some(2));

    let (cut, whole) = (
        flash.bytes(DeviceId::AppFlash),
        uninterrupted.bytes(DeviceId::AppFlash),
    );
    let different: Vec<usize> = (0..cut.len()).filter(|at| cut[*at] != whole[*at]).collect();
    assert_eq!(different, [0x1b000], "the last byte of the old image");
    assert_eq!(
        hex::encode(flash.sha256()),
        "843815624f5e0841c7277d4973d3eeeb4d7c4daa6d7eba19bdadfd67473973fc"
    );
}

#[rstest]
fn a_permanent_update_ends_the_same_wherever_the_power_is_cut(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
    #[values(0, 8, 1000)] torn: u32,
) {
    let config = config(mode);
    let start = pending_flash(&config, Pending::Permanent);
    let mut uninterrupted = start.clone();
    assert_eq!(booted_major(&config, &mut uninterrupted), Some(2));

    for ops in 0..operations(&config, &start) {
        let mut flash = start.clone();
        assert!(
            boot_and_cut(&config, &mut flash, Cut { ops, torn }),
            "{mode}: no cut at operation {ops}"
        );

        assert_eq!(
            booted_major(&config, &mut flash),
            Some(2),
            "{mode}, cut at operation {ops}"
        );
        let sectors = |flash: &SimFlash| {
            flash.bytes(DeviceId::AppFlash)[PRIMARY as usize..][..0x3000].to_vec()
        };
        assert_eq!(
            sectors(&flash),
            sectors(&uninterrupted),
            "{mode}, cut at operation {ops}"
        );
    }
}

#[rstest]
fn an_encrypted_update_is_plain_in_the_primary_and_nowhere_else(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
) {
    let config = encrypting(config(mode));
    let mut flash = pending_flash(&config, Pending::Test);
    let plain = image(2, 9000)[0x200..][..4096].to_vec();
    let holds = |flash: &SimFlash| -> Vec<usize> {
        let bytes = flash.bytes(DeviceId::AppFlash);
        (0..bytes.len() - plain.len())
            .filter(|at| bytes[*at..].starts_with(&plain))
            .collect()
    };
    assert_eq!(holds(&flash), Vec::<usize>::new());

    assert_eq!(booted_major(&config, &mut flash), Some(2));

    assert_eq!(holds(&flash), [PRIMARY as usize + 0x200]);
}

/// MCUboot starts every chunk of a copy with a fresh cipher: a chunk that begins inside a block gets the wrong key
/// stream, and the image is garbage in the primary.
#[rstest]
fn an_encrypted_payload_that_begins_inside_a_cipher_block_is_lost_in_the_copy(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
    #[values((0x200, Some(2)), (0x210, Some(2)), (0x20c, None))] header: (u16, Option<u8>),
) {
    let (header_size, boots) = header;
    let config = encrypting(config(mode));
    let update = encrypted_builder(2, 3000).header_size(header_size);
    let update = update.build(&mut rng(2)).unwrap();
    let mut flash = flash_with(mode, &image(1, 5000), &update);
    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();

    assert_eq!(booted_major(&config, &mut flash), boots);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Chains of cuts, also while an interrupted swap is resumed, torn or not, then clean boots.
    #[test]
    fn any_chain_of_cuts_leaves_a_board_that_boots(
        mode in prop::sample::select(vec![Mode::SwapMove, Mode::SwapScratch, Mode::OverwriteOnly]),
        encrypted in any::<bool>(),
        permanent in any::<bool>(),
        confirm in any::<bool>(),
        cuts in prop::collection::vec((0_u32..120, prop::sample::select(vec![0, 4, 512, 4092])), 1..4),
    ) {
        let config = if encrypted { encrypting(config(mode)) } else { config(mode) };
        let pending = if permanent { Pending::Permanent } else { Pending::Test };
        let mut flash = pending_flash(&config, pending);
        for (ops, torn) in cuts {
            boot_and_cut(&config, &mut flash, Cut { ops, torn });
        }
        let first = booted_major(&config, &mut flash);
        prop_assert!(matches!(first, Some(1 | 2)), "{mode}: {first:?}");
        if confirm {
            set_confirmed(&config, &mut flash, 0).unwrap();
        }
        // From here on every boot is clean: soon nothing is left to do.
        for _ in 0..4 {
            prop_assert!(matches!(booted_major(&config, &mut flash), Some(1 | 2)));
        }
        prop_assert_eq!(operations(&config, &flash), 0);
        if confirm && mode != Mode::OverwriteOnly {
            prop_assert_eq!(booted_major(&config, &mut flash), first, "a confirmed image was given up");
        }
    }

    /// Nothing that stands in trailers and headers makes the model panic or run for ever.
    #[test]
    fn any_bytes_in_trailers_and_headers_end_in_an_outcome(
        mode in prop::sample::select(vec![
            Mode::SwapMove, Mode::SwapOffset, Mode::SwapScratch, Mode::OverwriteOnly,
        ]),
        encrypted in any::<bool>(),
        validate in any::<bool>(),
        line in prop::sample::select(&hil_bootloader::Line::ALL),
        magics in any::<[bool; 3]>(),
        damage in prop::collection::vec((0_u32..APP_FLASH - PRIMARY, any::<[u8; 4]>()), 0..4),
        trailers in prop::collection::vec((0_usize..3, 1_u32..1700, any::<u8>()), 0..12),
        header in prop::collection::vec((0_usize..2, 0_u32..32, any::<u8>()), 0..3),
    ) {
        let mut config = if encrypted { encrypting(config(mode)) } else { config(mode) };
        config.validate_primary = validate;
        config.line = line;
        let mut flash = pending_flash(&config, Pending::Test);
        let ends = [PRIMARY + SLOT, SECONDARY + SLOT, SCRATCH + 2 * SECTOR];
        let good = [0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80];
        for (end, set) in ends.into_iter().zip(magics) {
            if set {
                flash.edit(DeviceId::AppFlash, end - 16, &good);
            }
        }
        for (area, back, byte) in trailers {
            flash.edit(DeviceId::AppFlash, ends[area] - back, &[byte]);
        }
        for (slot, at, byte) in header {
            let start = if slot == 0 { PRIMARY } else { upload_offset(mode) };
            flash.edit(DeviceId::AppFlash, start + at, &[byte]);
        }
        for (at, bytes) in damage {
            flash.edit(DeviceId::AppFlash, PRIMARY + at, &bytes);
        }
        for _ in 0..3 {
            flash.power_up();
            boot(&config, &keys(), &mut flash, &mut |_| {}).unwrap();
            swap_type(&config, &mut flash, 0).unwrap();
        }
    }
}
