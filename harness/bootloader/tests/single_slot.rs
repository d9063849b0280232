//! A bootloader with one slot: what it starts and what not, that it writes nothing, and where recovery puts what comes in.

mod common;

use common::*;
use hil_bootloader::predict::{Comparison, Forecast, Sent};
use hil_bootloader::{
    BootResult, Config, DeviceId, ImageSlots, Line, MarkError, Mode, Pending, SerialRecovery,
    SimFlash, SwapType, set_pending, swap_type,
};
use hil_image::ImageVersion;
use rstest::rstest;

const APP: DeviceId = DeviceId::AppFlash;

fn single() -> Config {
    Config {
        serial_recovery: Some(recovery()),
        ..config(Mode::SingleSlot).with_images(vec![ImageSlots::single(area(PRIMARY, SLOT))])
    }
}

fn recovery() -> SerialRecovery {
    SerialRecovery {
        direct_upload: true,
        network_core: true,
        ..SerialRecovery::default()
    }
}

fn holding(image: &[u8]) -> SimFlash {
    let mut flash = flash();
    flash.edit(APP, PRIMARY, image);
    flash
}

#[test]
fn the_image_in_the_slot_starts_and_nothing_is_written() {
    let config = signed(single());
    let mut flash = holding(&image(3, 9000));
    let before = flash.clone();
    let (outcome, console) = boot_with_console(&config, &mut flash);
    assert!(
        matches!(outcome.result, BootResult::Boot(image) if image.version == ImageVersion::new(3, 0, 0))
    );
    assert!(flash.holds_same(&before));
    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v3.0.0
    I: Jumping to the first image slot
    ");
}

/// What lies behind the slot, and its trailer, are nobody's business.
#[test]
fn a_request_in_the_trailer_means_nothing() {
    let config = single();
    let mut flash = holding(&image(3, 9000));
    flash.edit(APP, PRIMARY + SLOT - 16, &[0x77, 0xc2, 0x95, 0xf3]);
    assert_eq!(booted_major(&config, &mut flash), Some(3));
    assert_eq!(swap_type(&config, &mut flash, 0), Ok(SwapType::None));
    assert_eq!(
        set_pending(&config, &mut flash, 0, Pending::Test),
        Err(MarkError::NoSecondary)
    );
}

#[rstest]
#[case::erased(Line::Nordic, flash(), "E: Bad image magic 0xffffffff")]
#[case::not_bootable(Line::Nordic, with_byte(0x10, 0x10), "E: Image not bootable")]
#[case::too_large(
    Line::Nordic,
    with_byte(0x0e, 0x7f),
    "E: Image size bigger than designated area: 8332584 > 65536"
)]
#[case::too_large_up_to_sdk_3_0(
    Line::Nordic30,
    with_byte(0x0e, 0x7f),
    "E: Unable to find bootable image"
)]
#[case::tampered(Line::Nordic, with_byte(0x300, 0), "E: Unable to find bootable image")]
fn what_is_no_good_image_does_not_start(
    #[case] line: Line,
    #[case] mut flash: SimFlash,
    #[case] complaint: &str,
) {
    let config = Config { line, ..single() };
    let (outcome, console) = boot_with_console(&config, &mut flash);
    assert!(matches!(outcome.result, BootResult::NoBoot { .. }));
    let complaints = lines(&console);
    let first = complaints.lines().nth(1);
    assert_eq!(first, Some(complaint), "{complaints}");
}

/// A good image with another value in one byte.
fn with_byte(at: u32, value: u8) -> SimFlash {
    let mut flash = holding(&image(3, 9000));
    flash.edit(APP, PRIMARY + at, &[value]);
    flash
}

/// Its header says that it is encrypted for good.
#[rstest]
#[case::as_it_came(false, None)]
#[case::decrypted_where_it_lies(true, Some(3))]
fn an_encrypted_image_starts_when_it_was_decrypted(
    #[case] decrypted: bool,
    #[case] started: Option<u8>,
) {
    let config = signed(encrypting(single()));
    let mut stored = encrypted_image(3, 9008);
    if decrypted {
        let plain = image(3, 9008);
        stored[0x200..0x200 + 9008].copy_from_slice(&plain[0x200..0x200 + 9008]);
    }
    assert_eq!(booted_major(&config, &mut holding(&stored)), started);
}

#[rstest]
#[case::default_is_the_slot(0, true, Some((APP, false)))]
#[case::the_slot(1, true, Some((APP, false)))]
#[case::there_is_no_secondary(2, true, None)]
#[case::network_core_in_ram(3, true, Some((DeviceId::RamFlash, false)))]
#[case::without_the_network_core(3, false, None)]
fn an_upload_goes_into_the_slot_or_into_ram(
    #[case] number: u32,
    #[case] network_core: bool,
    #[case] expected: Option<(DeviceId, bool)>,
) {
    let build = SerialRecovery {
        network_core,
        ..recovery()
    };
    let target = build.target(&single(), number);
    let found = target.map(|(area, is_secondary)| (area.device, is_secondary));
    assert_eq!(found, expected);
}

#[rstest]
#[case::assigned(1, 3, true)]
#[case::other_upload(1, 1, false)]
#[case::nobody_assigned_it(-1, 3, false)]
fn only_the_upload_with_the_network_cores_number_is_handed_over(
    #[case] network_image: i32,
    #[case] upload: u32,
    #[case] expected: bool,
) {
    let build = SerialRecovery {
        network_image,
        ..recovery()
    };
    assert_eq!(build.hands_over(&single(), upload), expected);
}

#[rstest]
#[case::sdk_3_0(Line::Nordic30, Mode::SingleSlot, Some(0xF000))]
#[case::sdk_3_1(Line::Nordic31, Mode::SingleSlot, None)]
#[case::two_slots(Line::Nordic31, Mode::SwapMove, Some(0xF000))]
fn the_last_sector_is_erased_where_there_is_a_trailer_or_the_line_is_old(
    #[case] line: Line,
    #[case] mode: Mode,
    #[case] expected: Option<u32>,
) {
    let config = Config {
        line,
        mode,
        ..single()
    };
    assert_eq!(config.trailer_sector(area(PRIMARY, SLOT)), expected);
}

/// The board had so many bytes when the power went, and perhaps a chunk more.
#[rstest]
#[case::what_was_acknowledged(5000, true)]
#[case::a_chunk_more(5200, true)]
#[case::less(4900, false)]
fn of_a_recovery_that_was_cut_short_only_the_end_is_open(
    #[case] written: usize,
    #[case] allowed: bool,
) {
    let config = single();
    let (old, new) = (image(1, 9000), image(2, 9000));
    let mut forecast = Forecast::new(&config, keys(), holding(&old));
    forecast.boot(Some(1..=1)).unwrap();
    let sent = Sent::Part { acknowledged: 5000 };
    forecast.recovered(0, &new, None, sent).unwrap();
    let mut flash = holding(&old);
    let end = written.next_multiple_of(SECTOR as usize);
    flash.edit(APP, PRIMARY, &vec![0xff; end]);
    flash.edit(APP, PRIMARY, &new[..written]);
    let same = matches!(forecast.compare(&flash, &[]), Comparison::Same(_));
    assert_eq!(same, allowed);
    assert_eq!(booted_major(&config, &mut flash), None);

    // And then all of it.
    forecast.boot(Some(1..=1)).unwrap();
    forecast.recovered(0, &new, None, Sent::Whole).unwrap();
    let end = new.len().next_multiple_of(SECTOR as usize);
    flash.edit(APP, PRIMARY, &vec![0xff; end]);
    flash.edit(APP, PRIMARY, &new);
    assert!(matches!(forecast.compare(&flash, &[]), Comparison::Same(_)));
}
