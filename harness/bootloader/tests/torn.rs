//! Power that fails inside a flash operation: half of it is done, and the word or page in the middle holds some of the bits that change and
//! not the others. Each operation of each way to install is tried with several choices of these bits.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{config, flash_with, image, keys};
use hil_bootloader::predict::{Action, Board};
use hil_bootloader::sweep::{Campaign, Followed, Interruption, TornBytes};
use hil_bootloader::{
    BootResult, Config, Cut, DowngradePrevention, Mode, Operation, OperationKind, Pending,
    SimFlash, set_pending,
};
use rstest::rstest;

/// Bits that have changed, of those that do.
const CHOICES: [u8; 4] = [0x55, 0xAA, 0x0F, 0xF0];

/// Words are programmed and pages erased one by one (nRF5340 product specification, NVMC).
const WORD: u32 = 4;
const PAGE: u32 = 0x1000;

fn to_be_tested(config: &Config) -> SimFlash {
    let mut flash = flash_with(config.mode, &image(1, 9000), &image(2, 13000));
    set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    flash
}

fn to_be_reverted(config: &Config) -> SimFlash {
    let mut board = Board::new(config, keys(), to_be_tested(config));
    board.apply(&Action::Reset).unwrap();
    board.flash()
}

/// The middle of an operation, of which these bits are done.
fn inside(
    campaign: &mut Campaign<'_>,
    number: u32,
    operation: &Operation,
    bits: u8,
) -> Interruption {
    let unit = match operation.kind {
        OperationKind::Write => WORD,
        OperationKind::Erase => PAGE,
    };
    let done = operation.length / unit / 2 * unit;
    let (device, offset) = (operation.device, operation.offset + done);
    let mut bytes = |torn| {
        let cut = Cut { ops: number, torn };
        let left = campaign.left(&[cut]).unwrap().unwrap();
        left.bytes_at(device, offset as usize, unit as usize)
    };
    let (before, after) = (bytes(done), bytes(done + unit));
    let pairs = before.iter().zip(&after);
    let bytes = pairs.map(|(before, after)| before ^ ((before ^ after) & bits));
    let torn = TornBytes {
        device,
        offset,
        bytes: bytes.collect(),
    };
    Interruption {
        cut: Cut {
            ops: number,
            torn: done,
        },
        torn: Some(torn),
    }
}

/// What comes of each operation and each choice of bits.
fn followed(config: &Config, flash: &SimFlash) -> Vec<(u32, Operation, u8, Followed)> {
    let mut campaign = Campaign::plan(config, keys(), flash).unwrap();
    let operations = campaign.first().operations().to_vec();
    (0..)
        .zip(operations)
        .flat_map(|(number, operation)| CHOICES.map(|bits| (number, operation, bits)))
        .map(|(number, operation, bits)| {
            let interruption = inside(&mut campaign, number, &operation, bits);
            let followed = campaign.follow(&[interruption]).unwrap().unwrap();
            (number, operation, bits, followed)
        })
        .collect()
}

fn boots(followed: &Followed) -> bool {
    let outcome = followed.step.outcome.as_ref();
    outcome.is_some_and(|outcome| matches!(outcome.result, BootResult::Boot(_)))
}

#[rstest]
fn a_word_or_page_that_is_half_done_does_not_keep_a_board_from_booting(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
) {
    let config = config(mode);
    for (number, operation, bits, followed) in followed(&config, &to_be_tested(&config)) {
        assert!(boots(&followed), "{number} {operation:?} {bits:#04x}");
    }
}

#[rstest]
fn a_revert_goes_on_behind_a_word_or_page_that_is_half_done(
    #[values(Mode::SwapMove, Mode::SwapOffset, Mode::SwapScratch)] mode: Mode,
) {
    let config = config(mode);
    for (number, operation, bits, followed) in followed(&config, &to_be_reverted(&config)) {
        assert!(boots(&followed), "{number} {operation:?} {bits:#04x}");
    }
}

/// An overwrite erases the old image's header first. Half erased, it may have a version with more bits than the update's. MCUboot
/// compares unless the header is erased to its last bit (mcuboot `boot/bootutil/src/loader.c`, `boot_validate_slot` with
/// `MCUBOOT_OVERWRITE_ONLY` and `MCUBOOT_DOWNGRADE_PREVENTION`), takes the update for a downgrade and erases it. Nothing is left
/// then that boots. Without downgrade prevention nothing is compared.
#[rstest]
#[case::versions_are_compared(DowngradePrevention::Version, true)]
#[case::nothing_is_compared(DowngradePrevention::None, false)]
fn a_half_erased_header_costs_the_update_where_an_overwrite_compares_versions(
    #[case] downgrade_prevention: DowngradePrevention,
    #[case] bricks: bool,
) {
    let config = Config {
        downgrade_prevention,
        ..config(Mode::OverwriteOnly)
    };
    let all = followed(&config, &to_be_tested(&config));
    let bricked: Vec<u32> = all
        .iter()
        .filter(|(.., followed)| !boots(followed))
        .map(|(number, ..)| *number)
        .collect();
    assert_eq!(!bricked.is_empty(), bricks, "{bricked:?}");
    assert!(bricked.iter().all(|number| *number == 0), "{bricked:?}");
}
