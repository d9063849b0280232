//! What holds for every life of a board: uploads, requests, confirmations, cuts and boots in any order that an application
//! can bring about.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::{
    BootResult, Config, Cut, DeviceId, Encryption, Line, Mode, Pending, SimFlash, boot,
    set_confirmed, set_pending,
};
use hil_image::{ContentKey, DecryptionKey, Image};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Versions that are ever uploaded.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=4;

#[derive(Clone, Copy, Debug)]
enum Deed {
    Upload {
        version: u8,
        size: u32,
    },
    Request(Pending),
    Confirm,
    Boot,
    /// The power fails at an operation, perhaps inside it.
    CutBoot(Cut),
}

fn a_cut() -> impl Strategy<Value = Cut> {
    (
        0_u32..110,
        prop::sample::select(vec![0, 4, 512, 1020, 4092]),
    )
        .prop_map(|(ops, torn)| Cut { ops, torn })
}

fn a_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => (VERSIONS, 600_u32..14_000)
            .prop_map(|(version, size)| Deed::Upload { version, size }),
        3 => prop::sample::select(vec![Pending::Test, Pending::Permanent]).prop_map(Deed::Request),
        2 => Just(Deed::Confirm),
        3 => Just(Deed::Boot),
        4 => a_cut().prop_map(Deed::CutBoot),
    ]
}

fn a_build() -> impl Strategy<Value = Config> {
    let modes = vec![
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly,
    ];
    let lines = vec![Line::Upstream, Line::Nordic];
    (
        prop::sample::select(modes),
        prop::sample::select(lines),
        any::<[bool; 2]>(),
    )
        .prop_map(|(mode, line, [encrypted, saved])| {
            let mut config = config(mode);
            config.line = line;
            if encrypted {
                config.encryption = Encryption::Ec256;
                config.save_enctlv = saved;
            }
            config
        })
}

fn update(config: &Config, version: u8, size: u32) -> Vec<u8> {
    match config.encryption {
        Encryption::None => image(version, size),
        _ => encrypted_image(version, size),
    }
}

/// How one boot ended; `None` when the power failed first.
fn ended(config: &Config, flash: &mut SimFlash) -> Option<BootResult> {
    let outcome = boot(config, &keys(), flash, &mut |_| {});
    flash.power_up();
    outcome.ok().map(|outcome| outcome.result)
}

/// Puts an update where uploads go, after the slot was erased.
fn upload(config: &Config, flash: &mut SimFlash, image: &[u8]) {
    flash.edit(
        DeviceId::AppFlash,
        SECONDARY,
        &vec![hil_bootloader::ERASED; SLOT as usize],
    );
    flash.edit(DeviceId::AppFlash, upload_offset(config.mode), image);
}

/// Content key of an encrypted image.
fn content_key(image: &[u8]) -> ContentKey {
    let key: DecryptionKey = keys().encryption.unwrap();
    let image = Image::parse(image).unwrap();
    let tlv = image.encryption().unwrap().key_tlv.unwrap();
    key.unwrap_content_key(tlv.kind, tlv.value).unwrap()
}

fn places(flash: &SimFlash, what: &[u8]) -> Vec<u32> {
    flash
        .bytes(DeviceId::AppFlash)
        .windows(what.len())
        .zip(0..)
        .filter(|(window, _)| *window == what)
        .map(|(_, at)| at)
        .collect()
}

fn is_in_primary(at: u32) -> bool {
    (PRIMARY..SECONDARY).contains(&at)
}

fn seed() -> RngSeed {
    let chosen = std::env::var("PROPTEST_RNG_SEED").ok();
    RngSeed::Fixed(chosen.and_then(|text| text.parse().ok()).unwrap_or(5340))
}

proptest! {
    // The same lives at every run, so that no change is blamed for what it did not do; others with PROPTEST_RNG_SEED.
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: seed(), ..ProptestConfig::default() })]

    /// An application that runs can upload, ask and confirm; the power can fail in any boot. Whatever they do, the
    /// board comes back with an image that was uploaded. Only swap-using-offset has its known ways to a dead board
    /// (`docs/bootloader.md`), and they are for ever.
    #[test]
    fn any_life_of_a_board_ends_in_an_uploaded_image_or_a_known_refusal(
        config in a_build(),
        deeds in prop::collection::vec(a_deed(), 1..14),
    ) {
        let mut flash = flash_with(config.mode, &image(1, 5000), &update(&config, 2, 9000));
        let mut runs = true;
        for deed in deeds {
            match deed {
                Deed::Upload { version, size } if runs => {
                    upload(&config, &mut flash, &update(&config, version, size));
                }
                Deed::Request(pending) if runs => {
                    set_pending(&config, &mut flash, 0, pending).unwrap();
                }
                Deed::Confirm if runs => set_confirmed(&config, &mut flash, 0).unwrap(),
                Deed::Upload { .. } | Deed::Request(_) | Deed::Confirm => {}
                Deed::Boot | Deed::CutBoot(_) => {
                    if let Deed::CutBoot(cut) = deed {
                        flash.cut_at(cut);
                    }
                    let result = ended(&config, &mut flash);
                    runs = match result {
                        Some(BootResult::Boot(image)) => {
                            prop_assert!(VERSIONS.contains(&image.version.major), "{}", image.version);
                            true
                        }
                        None => false,
                        Some(dead) => {
                            prop_assert_eq!(config.mode, Mode::SwapOffset, "{}", dead);
                            prop_assert_eq!(ended(&config, &mut flash), Some(dead));
                            return Ok(());
                        }
                    };
                }
            }
        }
    }

    /// No boot of such a life asks for a bit that was written to become 1 again, nor for a write that the flash refuses.
    #[test]
    fn no_boot_writes_over_what_was_written(
        config in a_build(),
        pending in prop::sample::select(vec![Pending::Test, Pending::Permanent]),
        cuts in prop::collection::vec(a_cut(), 0..4),
    ) {
        let mut flash = flash_with(config.mode, &image(1, 5000), &update(&config, 2, 9000));
        set_pending(&config, &mut flash, 0, pending).unwrap();
        let mut boots: Vec<Option<Cut>> = cuts.into_iter().map(Some).collect();
        boots.extend([None, None, None]);
        for cut in boots {
            flash.power_up();
            if let Some(cut) = cut {
                flash.cut_at(cut);
            }
            let _a_cut_is_a_result = boot(&config, &keys(), &mut flash, &mut |_| {});
            prop_assert_eq!(flash.counts().dirty_writes, 0);
            prop_assert_eq!(flash.counts().misaligned_writes, 0);
        }
    }

    /// A permanent swap that is cut, resumed, cut again, and so on, leaves the very flash that an uninterrupted one does.
    /// With swap-using-offset only in the primary slot, unless both images take as many sectors.
    #[test]
    fn a_permanent_swap_with_cuts_leaves_the_same_flash_as_one_without(
        mode in prop::sample::select(vec![Mode::SwapMove, Mode::SwapOffset, Mode::SwapScratch]),
        line in prop::sample::select(vec![Line::Upstream, Line::Nordic]),
        encrypted in any::<bool>(),
        sizes in (600_u32..14_000, 600_u32..14_000),
        cuts in prop::collection::vec(a_cut(), 1..4),
    ) {
        // Cuts of an encrypted swap-using-offset can end in an assertion: another test's.
        let encrypted = encrypted && mode != Mode::SwapOffset;
        let mut config = if encrypted { encrypting(config(mode)) } else { config(mode) };
        config.line = line;
        let mut flash = flash_with(mode, &image(1, sizes.0), &update(&config, 2, sizes.1));
        set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();
        let mut uninterrupted = flash.clone();
        prop_assert_eq!(booted_major(&config, &mut uninterrupted), Some(2));

        for cut in cuts {
            flash.power_up();
            flash.cut_at(cut);
            let _a_cut_is_a_result = boot(&config, &keys(), &mut flash, &mut |_| {});
        }

        prop_assert_eq!(booted_major(&config, &mut flash), Some(2));
        let sectors = |image: Vec<u8>| image.len().div_ceil(SECTOR as usize);
        let as_large = sectors(image(1, sizes.0)) == sectors(update(&config, 2, sizes.1));
        let end = if mode == Mode::SwapOffset && !as_large {
            // A resumed swap-using-offset may leave the end of a larger old image out of the secondary slot: see
            // `tests/cuts.rs`.
            SECONDARY
        } else {
            SCRATCH
        };
        let slots = PRIMARY as usize..end as usize;
        prop_assert!(
            flash.bytes(DeviceId::AppFlash)[slots.clone()]
                == uninterrupted.bytes(DeviceId::AppFlash)[slots],
            "the slots differ"
        );
    }

    /// Plain text of an encrypted update is never outside the primary slot; its bare content key only in trailers of the
    /// primary slot and of the scratch area, and nowhere when the trailer keeps the TLVs. A revert of swap-using-offset
    /// writes it into the secondary's trailer too, until it is done.
    #[test]
    fn plain_text_and_keys_stay_where_mcuboot_puts_them(
        mode in prop::sample::select(vec![
            Mode::SwapMove, Mode::SwapOffset, Mode::SwapScratch, Mode::OverwriteOnly,
        ]),
        line in prop::sample::select(vec![Line::Upstream, Line::Nordic]),
        saved in any::<bool>(),
        cuts in prop::collection::vec(a_cut(), 0..3),
    ) {
        let mut config = encrypting(config(mode));
        config.line = line;
        config.save_enctlv = saved;
        let update = update(&config, 2, 9000);
        let key = content_key(&update);
        let plain = image(2, 9000)[0x200..][..64].to_vec();
        let mut flash = flash_with(mode, &image(1, 5000), &update);
        set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
        let mut boots: Vec<Option<Cut>> = cuts.into_iter().map(Some).collect();
        boots.extend([None, None]);

        for cut in boots {
            flash.power_up();
            if let Some(cut) = cut {
                flash.cut_at(cut);
            }
            let _a_cut_is_a_result = boot(&config, &keys(), &mut flash, &mut |_| {});

            let seen = places(&flash, &plain);
            prop_assert!(seen.iter().all(|at| is_in_primary(*at)), "plain text at {:x?}", seen);
            let seen = places(&flash, key.expose());
            let mut trailers = vec![SECONDARY - SECTOR..SECONDARY, SCRATCH..SCRATCH + 2 * SECTOR];
            if mode == Mode::SwapOffset {
                trailers.push(SCRATCH - SECTOR..SCRATCH);
            }
            let bare_keys = !saved && mode != Mode::OverwriteOnly;
            prop_assert!(
                seen.iter().all(|at| bare_keys && trailers.iter().any(|area| area.contains(at))),
                "key at {:x?}",
                seen
            );
        }
    }
}
