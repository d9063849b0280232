//! Firmware sets: what a good one says, and what people read about a bad one.

mod common;

use common::SetFolder;
use hil_bootloader::DeviceId;
use hil_scenario::{Core, ImageRef, Slot};

#[test]
fn roles_lead_to_images_with_their_version_and_encryption() {
    let set = SetFolder::new().load().unwrap();
    let roles: Vec<_> = set
        .roles()
        .map(|(role, image)| {
            let how = if image.encrypted {
                "encrypted"
            } else {
                "plain"
            };
            format!("{role} {} {how}", image.version)
        })
        .collect();
    insta::assert_snapshot!(roles.join("\n"), @r"
    baseline.app 1.0.0 plain
    baseline.net 1.0.0 plain
    crashes.app 2.0.0 plain
    downgrade.app 0.9.0 plain
    encrypted.app 2.0.0 encrypted
    net-other-ipc.net 2.0.0 plain
    never-confirms.app 2.0.0 plain
    tampered.app 2.0.0 plain
    update.app 2.0.0 plain
    update.net 2.0.0 plain
    wrong-key.app 2.0.0 plain
    ");
}

#[test]
fn the_bootloader_gets_its_slots_from_the_layout() {
    let set = SetFolder::new().load().unwrap();
    let slots = set.bootloader.images[0];
    assert_eq!(slots.secondary.device, DeviceId::AppFlash);
    assert_eq!(slots.secondary.offset, 0x4C000);
    assert_eq!(set.bootloader.network_slot.address, 0x0100_8800);
    assert_eq!(
        set.layout.slot(Slot::NetPrimary).unwrap().area().offset,
        0x8800
    );
}

#[test]
fn the_digest_changes_with_any_byte_of_any_file() {
    let folder = SetFolder::new();
    let before = folder.load().unwrap();
    assert_eq!(before.digest, folder.load().unwrap().digest);

    let hex = folder.folder().join("merged.hex");
    std::fs::write(&hex, ":00000001ff\n").unwrap();
    let file_changed = folder.load().unwrap();
    assert_ne!(before.digest, file_changed.digest);

    let text_changed = folder
        .with("firmware: sample", "firmware: other")
        .load()
        .unwrap();
    assert_ne!(file_changed.digest, text_changed.digest);
}

#[test]
fn an_unknown_role_names_the_nearest() {
    let set = SetFolder::new().load().unwrap();
    let error = set.image(&ImageRef::new("updat", Core::App)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "firmware set `sample` has no release `updat`"
    );
    assert_eq!(error.help().as_deref(), Some("did you mean `update`?"));

    let error = set.image(&ImageRef::new("crashes", Core::Net)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "firmware set `sample` has no image `crashes.net`"
    );
    assert_eq!(error.help().as_deref(), Some("did you mean `crashes.app`?"));
}

#[test]
fn partitions_that_overlap() {
    let set = SetFolder::new().with("0x0004C000", "0x0004B000");
    insta::assert_snapshot!(set.mistake(), @r"
    sample.yaml:5:41: `app.secondary` lies over `app.primary`
      |
    5 |   app.secondary:  { core: app, address: 0x0004B000, size: 0x40000 }
      |                                         ^^^^^^^^^^
    ");
}

#[test]
fn partition_outside_the_flash_of_a_smaller_chip() {
    let on_nrf51 = || SetFolder::new().with("firmware: sample", "firmware: sample\nchip: nrf51");
    let mistake = on_nrf51().mistake();
    assert!(
        mistake.contains("`app.primary` ends at 0x0004c000, behind the end of the flash of an nRF51 at 0x00040000"),
        "{mistake}"
    );
    let mistake = on_nrf51()
        .with(
            "address: 0x0000C000, size: 0x40000",
            "address: 0x0000C000, size: 0x10000",
        )
        .with(
            "address: 0x0004C000, size: 0x40000",
            "address: 0x0001C000, size: 0x10000",
        )
        .mistake();
    assert!(
        mistake.contains("lies in the network flash, which an nRF51 does not have"),
        "{mistake}"
    );
}

#[test]
fn partition_outside_its_flash() {
    insta::assert_snapshot!(SetFolder::new().with("core: net, address: 0x01008800", "core: net, address: 0x8800").mistake(), @r"
    sample.yaml:6:41: `net.primary` starts at 0x00008800, outside the network flash (0x01000000 to 0x0103ffff)
      |
    6 |   net.primary:    { core: net, address: 0x8800, size: 0x37800 }
      |                                         ^^^^^^
    ");
    insta::assert_snapshot!(SetFolder::new().with("0x37800", "0x38000").mistake(), @r"
    sample.yaml:6:59: `net.primary` ends at 0x01040800, behind the end of the network flash at 0x01040000
      |
    6 |   net.primary:    { core: net, address: 0x01008800, size: 0x38000 }
      |                                                           ^^^^^^^
    ");
}

#[test]
fn partition_off_the_pages() {
    insta::assert_snapshot!(SetFolder::new().with("size: 0xC000", "size: 0xB800").mistake(), @r"
    sample.yaml:3:59: size 0x0000b800 of `app.bootloader` is not a multiple of the application flash's page size 0x1000
      |
    3 |   app.bootloader: { core: app, address: 0x00000000, size: 0xB800 }
      |                                                           ^^^^^^
    ");
    insta::assert_snapshot!(SetFolder::new().with("size: 0xC000", "size: 0").mistake(), @r"
    sample.yaml:3:59: `app.bootloader` has no bytes
      |
    3 |   app.bootloader: { core: app, address: 0x00000000, size: 0 }
      |                                                           ^
    ");
}

#[test]
fn slots_that_do_not_fit_the_mode() {
    let set = SetFolder::new().with("0x0004C000, size: 0x40000", "0x0004C000, size: 0x42000");
    insta::assert_snapshot!(set.mistake(), @r"
    sample.yaml:5:59: `app.primary` has 64 pages and `app.secondary` has 66
      |
    5 |   app.secondary:  { core: app, address: 0x0004C000, size: 0x42000 }
      |                                                           ^^^^^^^
      = help: swap-move needs a primary slot as large as the secondary or one page larger
    ");
}

#[test]
fn layout_without_a_slot() {
    let set = SetFolder::new().with("app.secondary:", "app.staging:");
    insta::assert_snapshot!(set.mistake(), @r"
    sample.yaml:2:1: `layout` has no `app.secondary`
      |
    2 | layout:
      | ^^^^^^
    ");
}

#[test]
fn address_that_is_no_number() {
    insta::assert_snapshot!(SetFolder::new().with("0x0004C000", "4C000h").mistake(), @r"
    sample.yaml:5:41: found `4C000h`, expected a whole number, 0 or more
      |
    5 |   app.secondary:  { core: app, address: 4C000h, size: 0x40000 }
      |                                         ^^^^^^
    ");
}

#[test]
fn unknown_bootloader_setting() {
    insta::assert_snapshot!(SetFolder::new().with("mode: swap-move", "mode: swap_move").mistake(), @r"
    sample.yaml:8:9: unknown word `swap_move`
      |
    8 |   mode: swap_move
      |         ^^^^^^^^^
      = allowed: swap-move, swap-offset, swap-scratch, overwrite-only, single-slot
      = help: did you mean `swap-move`?
    ");
    insta::assert_snapshot!(SetFolder::new().with("network-core", "network_core").mistake(), @r"
    sample.yaml:12:3: unknown key `network_core`
       |
    12 |   network_core: pcd
       |   ^^^^^^^^^^^^
       = allowed: mode, signature, encryption, content-key, save-enctlv, downgrade-prevention, compare-build-number, validate-primary, max-sectors, write-size, sector-size, max-align, line, address-check, network-core, network-slot, network-version-check, b0n, images, scratch, serial-recovery, defect
       = help: did you mean `network-core`?
    ");
}

#[test]
fn swap_offset_of_a_line_that_has_none() {
    let set = SetFolder::new().with("mode: swap-move", "mode: swap-offset\n  line: nordic-2.9");
    insta::assert_snapshot!(set.mistake(), @r"
    sample.yaml:8:9: MCUboot of SDK 2.9 has no swap-offset
      |
    8 |   mode: swap-offset
      |         ^^^^^^^^^^^
      = help: `line: nordic-3.0` is the first of the SDK that has it
    ");
}

#[test]
fn file_that_is_not_there() {
    insta::assert_snapshot!(SetFolder::new().with("crashes.bin", "crash.bin").mistake(), @r"
    sample.yaml:31:20: file `crash.bin` cannot be read: No such file or directory (os error 2)
       |
    31 |       app: { file: crash.bin }
       |                    ^^^^^^^^^
    ");
}

#[test]
fn file_outside_the_folder() {
    insta::assert_snapshot!(SetFolder::new().with("crashes.bin", "../crashes.bin").mistake(), @r"
    sample.yaml:31:20: file `../crashes.bin` does not lie in the firmware set's folder
       |
    31 |       app: { file: ../crashes.bin }
       |                    ^^^^^^^^^^^^^^
    ");
}

#[test]
fn file_that_is_no_image() {
    insta::assert_snapshot!(SetFolder::new().with("crashes.bin", "merged.hex").mistake(), @r"
    sample.yaml:31:20: file `merged.hex` is no MCUboot image: header at offset 0x0000 needs 32 bytes, 12 are there
       |
    31 |       app: { file: merged.hex }
       |                    ^^^^^^^^^^
       = help: this is too short to be an image: was the file copied completely?
    ");
}

#[test]
fn truncated_image() {
    let set = SetFolder::new();
    let path = set.folder().join("crashes.bin");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..700]).unwrap();
    insta::assert_snapshot!(set.mistake(), @r"
    sample.yaml:31:20: file `crashes.bin` is no MCUboot image: unprotected TLV area at offset 0x05e8 needs 4 bytes for its info header, the data ends at 0x02bc
       |
    31 |       app: { file: crashes.bin }
       |                    ^^^^^^^^^^^
       = help: the file is shorter than its header says: was it copied completely?
    ");
}

#[test]
fn release_without_anything() {
    let set = SetFolder::new().with("\n    images:\n      app: { file: crashes.bin }", " {}");
    insta::assert_snapshot!(set.mistake(), @r"
    sample.yaml:29:3: release `crashes` has nothing to program and nothing to send
       |
    29 |   crashes: {}
       |   ^^^^^^^
       = help: give it `program` or `images`
    ");
}
