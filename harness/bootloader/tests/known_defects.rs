//! What released bootloaders get wrong and can only be shown with a cut at one flash operation, or with bytes that no upload
//! leaves: each with the lines that have it and those that do not. What needs neither is among the scenarios.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::{
    BootResult, Config, Cut, DeviceId, DowngradePrevention, ImageSlots, Line, Mode, Pending,
    SimFlash, SwapType, boot, set_confirmed, set_pending, swap_type,
};
use hil_image::{ImageVersion, StoredPayload};
use rstest::rstest;

const MAGIC: [u8; 16] = [
    0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
];

fn of(line: Line, config: Config) -> Config {
    Config { line, ..config }
}

fn operations(config: &Config, flash: &SimFlash) -> u32 {
    let mut flash = flash.clone();
    flash.power_up();
    boot(config, &keys(), &mut flash, &mut |_| {}).unwrap();
    flash.counts().ops()
}

/// Boots with the power failing at an operation.
fn boot_and_cut(config: &Config, flash: &mut SimFlash, ops: u32) {
    flash.power_up();
    flash.cut_at(Cut { ops, torn: 0 });
    let _power_lost = boot(config, &keys(), flash, &mut |_| {});
    flash.power_up();
}

/// Image 2 runs on trial, image 1 waits to be gone back to.
fn on_trial(config: &Config) -> SimFlash {
    let mut flash = flash_with(config.mode, &image(1, 5000), &image(2, 6000));
    set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    assert_eq!(booted_major(config, &mut flash), Some(2));
    flash
}

/// mcuboot#1966, fixed in SDK 3.0 (mcuboot pull request 2100): the power goes while the magic of a request is written, and
/// the image on trial is not taken back any more.
#[rstest]
#[case::sdk_2_3(Line::Nordic23, 2)]
#[case::sdk_2_5(Line::Nordic25, 2)]
#[case::sdk_2_7(Line::Nordic27, 2)]
#[case::sdk_2_9(Line::Nordic29, 2)]
#[case::sdk_3_0(Line::Nordic30, 1)]
#[case::sdk_3_1(Line::Nordic31, 1)]
#[case::newest(Line::Nordic, 1)]
fn half_a_magic_in_the_secondary_slot_loses_the_revert_up_to_sdk_2_9(
    #[case] line: Line,
    #[case] runs: u8,
    #[values(Mode::SwapMove, Mode::SwapScratch)] mode: Mode,
) {
    let config = of(line, config(mode));
    let mut flash = on_trial(&config);

    flash.edit(DeviceId::AppFlash, SECONDARY + SLOT - 16, &MAGIC[..8]);

    assert_eq!(booted_major(&config, &mut flash), Some(runs));
    assert_eq!(booted_major(&config, &mut flash), Some(runs));
}

/// A revert with swap-using-move first makes itself look like a permanent update. Cut then, downgrade prevention takes the old
/// image for a downgrade and erases it: what was on trial stays for good, unconfirmed. All lines that compare versions before
/// permanent updates have it; SDK 2.3 does not compare, and reverts.
#[rstest]
#[case::sdk_2_3(Line::Nordic23, &[])]
#[case::sdk_2_4(Line::Nordic24, &[])]
#[case::sdk_2_5(Line::Nordic25, &[4, 5, 6, 7, 8, 9])]
#[case::sdk_2_9(Line::Nordic29, &[4, 5, 6, 7, 8, 9])]
#[case::newest(Line::Nordic, &[4, 5, 6, 7, 8, 9])]
#[case::upstream(Line::Upstream, &[4, 5, 6, 7, 8, 9])]
fn a_revert_cut_early_is_refused_as_a_downgrade(#[case] line: Line, #[case] lost_at: &[u32]) {
    let config = Config {
        downgrade_prevention: DowngradePrevention::Version,
        ..of(line, config(Mode::SwapMove))
    };
    let trial = on_trial(&config);

    let lost: Vec<u32> = (0..operations(&config, &trial))
        .filter(|ops| {
            let mut flash = trial.clone();
            boot_and_cut(&config, &mut flash, *ops);
            booted_major(&config, &mut flash) == Some(2)
        })
        .collect();

    assert_eq!(lost, lost_at);
}

/// The words of a permanent request are written one after the other: without `image_ok` it is a request for a test.
#[rstest]
fn a_permanent_request_cut_behind_its_magic_is_a_test(
    #[values(Line::Nordic23, Line::Nordic29, Line::Nordic, Line::Upstream)] line: Line,
) {
    let config = of(line, config(Mode::SwapMove));
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    flash.cut_at(Cut { ops: 1, torn: 0 });
    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap_err();
    flash.power_up();

    assert_eq!(swap_type(&config, &mut flash, 0), Ok(SwapType::Test));
    assert_eq!(booted_major(&config, &mut flash), Some(2));
    assert_eq!(booted_major(&config, &mut flash), Some(1));
}

/// The operations of the last group of a swap by way of scratch, and of what follows it.
const SCRATCH_CUTS: [u32; 22] = [
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
];

/// Cuts of a permanent update after which the next boot starts nothing, and after which no later boot does either.
fn cuts_without_boot(config: &Config, start: &SimFlash) -> [Vec<u32>; 2] {
    let (mut at_once, mut never) = (Vec::new(), Vec::new());
    for ops in 0..operations(config, start) {
        let mut flash = start.clone();
        boot_and_cut(config, &mut flash, ops);
        if booted_major(config, &mut flash).is_none() {
            at_once.push(ops);
        }
        match booted_major(config, &mut flash) {
            Some(major) => assert_eq!(major, 2, "cut at {ops}"),
            None => never.push(ops),
        }
    }
    [at_once, never]
}

/// mcuboot#829, zephyr#28933: a primary slot that was flashed with `imgtool --pad --confirm` has a trailer already. mcuboot#1588:
/// SDK 2.3 forgets during a reset where the swap is to end. Between the erasing of the first sector and the first write
/// to it, it looks for the header there, and the device is lost: nothing boots any more.
///
/// SDK 2.9 looks for the headers in the wrong slots when it has just finished a swap by way of scratch that was interrupted in
/// its last group. It starts nothing, once: another reset helps.
#[rstest]
#[case::sdk_2_3(Line::Nordic23, Mode::SwapMove, &[19], &[19])]
#[case::sdk_2_4(Line::Nordic24, Mode::SwapMove, &[], &[])]
#[case::sdk_2_5(Line::Nordic25, Mode::SwapMove, &[], &[])]
#[case::sdk_2_7(Line::Nordic27, Mode::SwapMove, &[], &[])]
#[case::sdk_2_9(Line::Nordic29, Mode::SwapMove, &[], &[])]
#[case::newest(Line::Nordic, Mode::SwapMove, &[], &[])]
#[case::scratch_sdk_2_3(Line::Nordic23, Mode::SwapScratch, &[], &[])]
#[case::scratch_sdk_2_7(Line::Nordic27, Mode::SwapScratch, &[], &[])]
#[case::scratch_sdk_2_9(Line::Nordic29, Mode::SwapScratch, &SCRATCH_CUTS, &[])]
#[case::scratch_sdk_3_0(Line::Nordic30, Mode::SwapScratch, &[], &[])]
#[case::scratch_newest(Line::Nordic, Mode::SwapScratch, &[], &[])]
fn cuts_of_a_swap_after_which_nothing_boots(
    #[case] line: Line,
    #[case] mode: Mode,
    #[case] at_once: &[u32],
    #[case] never: &[u32],
) {
    let config = of(line, config(mode));
    let mut start = flash_with(mode, &image(1, 5000), &image(2, 6000));
    start.edit(DeviceId::AppFlash, PRIMARY + SLOT - 16, &MAGIC);
    start.edit(DeviceId::AppFlash, PRIMARY + SLOT - 24, &[1]);
    set_pending(&config, &mut start, 0, Pending::Permanent).unwrap();

    let found = cuts_without_boot(&config, &start);

    assert_eq!(found, [at_once.to_vec(), never.to_vec()]);
}

/// mcuboot pull request 2283: the slots are as large as an image can be, and the update takes a sector more than what runs.
/// Erasing the trailer must not reach into either image.
#[rstest]
fn images_up_to_the_limit_swap_and_revert_whichever_is_larger(
    #[values(
        Line::Nordic23,
        Line::Nordic27,
        Line::Nordic29,
        Line::Nordic31,
        Line::Nordic
    )]
    line: Line,
    #[values((3, 13), (13, 3))] sectors: (u32, u32),
    #[values(Mode::SwapMove, Mode::SwapScratch)] mode: Mode,
) {
    let config = of(line, config(mode));
    let largest = |sectors: u32| sectors * SECTOR - 0x200 - 0x100;
    let (running, update) = (image(1, largest(sectors.0)), image(2, largest(sectors.1)));
    let mut flash = flash_with(mode, &running, &update);
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    assert_eq!(booted_major(&config, &mut flash), Some(2));
    assert_eq!(booted_major(&config, &mut flash), Some(1));
    let found = flash.bytes_at(DeviceId::AppFlash, SECONDARY as usize, update.len());
    assert!(found == update, "the update is as it was uploaded");
}

/// Two application images, where image 0 of version 2 wants image 1 to be of version 2 too.
fn two_images(line: Line) -> (Config, SimFlash) {
    let mut config = of(line, config(Mode::SwapMove));
    let slots = |start: u32| ImageSlots {
        primary: area(start, 8 * SECTOR),
        secondary: area(start + 8 * SECTOR, 8 * SECTOR),
    };
    config.images = vec![slots(PRIMARY), slots(PRIMARY + 16 * SECTOR)];
    let needs = builder(2, 3000)
        .dependency(1, ImageVersion::new(2, 0, 0))
        .build(&mut rng(9))
        .unwrap();
    // What waits for image 1 is new, but not new enough.
    let newer = builder(1, 2000)
        .version(ImageVersion::new(1, 5, 0))
        .build(&mut rng(9))
        .unwrap();
    let mut flash = flash();
    for (number, image) in [image(1, 3000), needs, image(1, 2000), newer]
        .iter()
        .enumerate()
    {
        flash.edit(
            DeviceId::AppFlash,
            PRIMARY + 8 * SECTOR * number as u32,
            image,
        );
    }
    (config, flash)
}

/// In Nordic's lines an unsatisfied dependency holds its own image back, and the other image's update goes ahead; upstream
/// updates nothing.
#[rstest]
#[case::sdk_2_3(Line::Nordic23, [1, 5])]
#[case::sdk_2_9(Line::Nordic29, [1, 5])]
#[case::newest(Line::Nordic, [1, 5])]
#[case::upstream(Line::Upstream, [1, 0])]
fn an_unsatisfied_dependency_lets_the_other_images_update_go_ahead(
    #[case] line: Line,
    #[case] major_of_0_and_minor_of_1: [u8; 2],
) {
    let (config, mut flash) = two_images(line);
    for image in [0, 1] {
        set_pending(&config, &mut flash, image, Pending::Test).unwrap();
    }

    let major = booted_major(&config, &mut flash);

    let minor = flash.bytes_at(
        DeviceId::AppFlash,
        (PRIMARY + 16 * SECTOR + 0x15) as usize,
        1,
    );
    assert_eq!([major.unwrap(), minor[0]], major_of_0_and_minor_of_1);
}

/// Up to SDK 2.7 the scratch area holds the update in plain text while it goes through, and keeps the last group of it.
#[rstest]
#[case::sdk_2_3(Line::Nordic23, true)]
#[case::sdk_2_7(Line::Nordic27, true)]
#[case::sdk_2_9(Line::Nordic29, false)]
#[case::newest(Line::Nordic, false)]
fn the_scratch_area_holds_plain_text_up_to_sdk_2_7(#[case] line: Line, #[case] plain: bool) {
    let config = encrypting(of(line, config(Mode::SwapScratch)));
    let update = encrypted_image(2, 6000);
    let mut flash = flash_with(Mode::SwapScratch, &image(1, 5000), &update);
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
    assert_eq!(booted_major(&config, &mut flash), Some(2));

    let scratch = flash.bytes_at(DeviceId::AppFlash, SCRATCH as usize, 2 * SECTOR as usize);
    let secret = &builder(2, 6000).build(&mut rng(2)).unwrap()[0x200..0x220];

    assert_eq!(scratch.windows(32).any(|bytes| bytes == secret), plain);
}

/// A request that stands is left as it is, also when it was of the other kind: no error, and no change.
#[rstest]
fn a_permanent_request_behind_one_for_a_test_changes_nothing(
    #[values(Line::Nordic23, Line::Nordic29, Line::Nordic, Line::Upstream)] line: Line,
) {
    let config = of(line, config(Mode::SwapMove));
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
    let asked = flash.sha256();

    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();

    assert_eq!(flash.sha256(), asked);
}

/// The power goes behind the last operation of a test update: the next boot takes it for one that never confirmed itself.
/// A confirmation after that is too late.
#[rstest]
fn an_update_that_was_cut_before_it_ran_is_reverted(
    #[values(Line::Nordic23, Line::Nordic29, Line::Nordic)] line: Line,
) {
    let config = of(line, config(Mode::SwapMove));
    let mut flash = on_trial(&config);

    assert_eq!(booted_major(&config, &mut flash), Some(1));
    set_confirmed(&config, &mut flash, 0).unwrap();
    assert_eq!(booted_major(&config, &mut flash), Some(1));
}

/// mcuboot pull request 2198, zephyr pull request 107102: a client or server that does not know of swap-using-offset puts the
/// update into the first sector. It is refused and erased.
#[rstest]
fn an_update_in_the_first_sector_is_erased_with_swap_using_offset(
    #[values(
        Line::Nordic30,
        Line::Nordic31,
        Line::Nordic34,
        Line::Nordic,
        Line::Upstream
    )]
    line: Line,
) {
    let config = of(line, config(Mode::SwapOffset));
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    assert_eq!(booted_major(&config, &mut flash), Some(1));
    let slot = flash.bytes_at(DeviceId::AppFlash, SECONDARY as usize, SLOT as usize);
    assert!(slot.iter().all(|byte| *byte == hil_bootloader::ERASED));
}

/// An image that is encrypted for a bootloader without encryption, and cleared: up to SDK 2.7 nobody looks at the flag.
#[rstest]
#[case::sdk_2_7(Line::Nordic27, 2)]
#[case::sdk_2_9(Line::Nordic29, 1)]
fn a_cleared_image_passes_without_encryption_up_to_sdk_2_7(#[case] line: Line, #[case] runs: u8) {
    let config = of(line, config(Mode::SwapMove));
    let cleared = encrypted_builder(2, 6000)
        .stored_payload(StoredPayload::Clear)
        .build(&mut rng(102))
        .unwrap();
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &cleared);
    set_pending(&config, &mut flash, 0, Pending::Permanent).unwrap();

    assert_eq!(booted_major(&config, &mut flash), Some(runs));
    assert!(matches!(
        boot(&config, &keys(), &mut flash, &mut |_| {})
            .unwrap()
            .result,
        BootResult::Boot(_)
    ));
}
