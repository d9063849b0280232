//! Console lines and explanations, as a person reads them.

mod common;

use common::*;
use hil_bootloader::{DeviceId, DowngradePrevention, Mode, Pending, set_confirmed, set_pending};

#[test]
fn a_test_update_prints_mcuboots_lines_and_says_why() {
    let config = signed(config(Mode::SwapMove));
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    let (outcome, console) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
    I: Boot source: none
    I: Image index: 0, Swap type: test
    I: Starting swap using move algorithm.
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v2.0.0
    I: Jumping to the first image slot
    ");
    insta::assert_snapshot!(lines(&outcome.decisions), @"image 0: test, because secondary magic good, image_ok unset");
    insta::assert_snapshot!(outcome.result.to_string(), @"boots 2.0.0 at 0x00008000 of app-flash");
}

#[test]
fn an_unconfirmed_image_is_reverted_with_mcuboots_lines() {
    let config = config(Mode::SwapMove);
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
    boot_with_console(&config, &mut flash);

    let (outcome, console) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Primary image: magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3
    I: Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Boot source: none
    I: Image index: 0, Swap type: revert
    I: Starting swap using move algorithm.
    I: Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v1.0.0
    I: Jumping to the first image slot
    ");
    insta::assert_snapshot!(lines(&outcome.decisions), @"image 0: revert, because primary magic good, copy_done set, image_ok unset: never confirmed");
}

#[test]
fn a_confirmed_image_stays() {
    let config = config(Mode::SwapMove);
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
    boot_with_console(&config, &mut flash);
    set_confirmed(&config, &mut flash, 0).unwrap();

    let (outcome, _) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&outcome.decisions), @"image 0: none, because secondary magic unset, image_ok unset; primary magic good, copy_done set, image_ok set");
    assert_eq!(booted_major(&config, &mut flash), Some(2));
}

#[test]
fn an_overwrite_prints_mcuboots_lines() {
    let config = config(Mode::OverwriteOnly);
    let mut flash = flash_with(Mode::OverwriteOnly, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    let (_, console) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Image index: 0, Swap type: test
    I: Image 0 upgrade secondary slot -> primary slot
    I: Erasing the primary slot
    I: Image 0 copying the secondary slot to the primary slot: 0x1a08 bytes
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v2.0.0
    I: Jumping to the first image slot
    ");
}

#[test]
fn a_tampered_update_is_refused_with_its_reason() {
    let config = signed(config(Mode::SwapMove));
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    flash.edit(DeviceId::AppFlash, SECONDARY + 0x300, &[0x5a; 4]);
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    let (outcome, console) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
    I: Boot source: none
    I: Image index: 0, Swap type: test
    E: Image in the secondary slot is not valid!
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v1.0.0
    I: Jumping to the first image slot
    ");
    insta::assert_snapshot!(lines(&outcome.decisions), @r"
    image 0: test, because secondary magic good, image_ok unset
    image 0: secondary slot erased, because its SHA-256 TLV is not the hash of the image
    ");
}

#[test]
fn an_encrypted_update_for_a_bootloader_without_encryption_says_so() {
    let config = signed(config(Mode::SwapMove));
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &encrypted_image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    let (outcome, _) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&outcome.decisions), @r"
    image 0: test, because secondary magic good, image_ok unset
    image 0: secondary slot erased, because it is encrypted, and this bootloader was built without encryption
    ");
}

#[test]
fn a_downgrade_is_refused_with_both_versions() {
    let mut config = config(Mode::SwapMove);
    config.downgrade_prevention = DowngradePrevention::Version;
    let mut flash = flash_with(Mode::SwapMove, &image(2, 5000), &image(1, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();

    let (outcome, console) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
    I: Boot source: none
    I: Image index: 0, Swap type: test
    I: Image 0 in slot 1 erased due to downgrade prevention
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v2.0.0
    I: Jumping to the first image slot
    ");
    insta::assert_snapshot!(lines(&outcome.decisions), @r"
    image 0: test, because secondary magic good, image_ok unset
    image 0: secondary slot erased, because its version 1.0.0 is below 2.0.0
    ");
}

#[test]
fn an_empty_board_does_not_boot_and_says_why() {
    let config = config(Mode::SwapMove);
    let (outcome, console) = boot_with_console(&config, &mut flash());

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Boot source: none
    W: Failed reading image headers; Image=0
    E: Unable to find bootable image
    ");
    insta::assert_snapshot!(outcome.result.to_string(), @"does not boot: the primary slot of image 0 holds no valid image");
}

#[test]
fn an_interrupted_swap_says_where_it_goes_on() {
    let config = config(Mode::SwapMove);
    let mut flash = flash_with(Mode::SwapMove, &image(1, 5000), &image(2, 6000));
    set_pending(&config, &mut flash, 0, Pending::Test).unwrap();
    flash.power_up();
    flash.cut_at(hil_bootloader::Cut { ops: 30, torn: 0 });
    assert!(hil_bootloader::boot(&config, &keys(), &mut flash, &mut |_| {}).is_err());
    flash.power_up();

    let (outcome, console) = boot_with_console(&config, &mut flash);

    insta::assert_snapshot!(lines(&console), @r"
    I: Starting bootloader
    I: Primary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
    I: Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
    I: Boot source: primary slot
    I: Starting swap using move algorithm.
    I: Bootloader chainload address offset: 0x8000
    I: Image version: v2.0.0
    I: Jumping to the first image slot
    ");
    insta::assert_snapshot!(lines(&outcome.decisions), @"image 0: interrupted test swap resumed, because the status words of the trailer end at step 2.1");
}
