//! Ways into serial recovery and out of it, on a board in memory.

use std::time::Duration;

use hil_bootloader::{Config, RecoveryButton, SerialRecovery};
use hil_image::Image;
use hil_smp::Map;
use rstest::rstest;

use super::client;
use super::sim::{Ended, SimBoard};
use crate::demo::hex_file::segments;
use crate::demo::{DemoSet, Variant};
use crate::model::{Binary, ConsoleOutput, McubootModel, Model};

const VARIANT: Variant = Variant::SWAP_MOVE_ECDSA_EC256;
const ENTERED: &str = "I: Enter the serial recovery mode";

fn programmed(file: &str) -> (DemoSet, SimBoard) {
    let set = DemoSet::generate(VARIANT);
    let board = SimBoard::new();
    for file in [file, "baseline/merged_CPUNET.hex"] {
        let text = String::from_utf8_lossy(set.file(file).expect("the demo set has it"));
        for (address, bytes) in segments(&text).expect("the generator wrote it") {
            board.program(address, &bytes);
        }
    }
    (set, board)
}

/// Puts a bootloader on the board that has this recovery.
fn with_recovery(set: &DemoSet, board: &SimBoard, recovery: SerialRecovery) {
    let key = set.file("keys/signing.pub.pem").expect("the set has it");
    let model = McubootModel {
        version: "v2.1.0".to_owned(),
        config: Config {
            serial_recovery: Some(recovery),
            ..VARIANT.bootloader()
        },
        signing_keys: vec![String::from_utf8_lossy(key).into_owned()],
        encryption_key: None,
        console: ConsoleOutput::Log,
        undescribed: None,
    };
    board.program(0, &Binary::new(Model::Mcuboot(model), 0, 0x9000).build());
}

fn reset_into(mode: u32) -> Vec<u8> {
    client::request(2, 0, 5, &Map::new().with("boot_mode", mode))
}

#[test]
fn an_image_that_is_sent_to_a_board_without_one_runs_after_a_reset() {
    let (set, board) = programmed("no-app/mcuboot.hex");
    let image = set.file("update/app_update.bin").expect("the set has it");
    // Chunks that fit the bootloader's buffer, as a client sends them that has asked for it.
    let mut requests: Vec<Vec<u8>> = image
        .chunks(960)
        .enumerate()
        .map(|(number, data)| {
            let chunk = Map::new()
                .with("off", (number * 960) as u32)
                .with("data", data.to_vec())
                .with_some("len", (number == 0).then_some(image.len() as u32));
            client::request(2, 1, 1, &chunk)
        })
        .collect();
    requests.extend([client::list(), client::reset()]);
    let boot = board.boot(&requests);
    assert_eq!(boot.ended, Ended::Reset, "{:?}", boot.console);
    assert!(boot.shows("E: Unable to find bootable image"));
    assert!(boot.shows(ENTERED));
    let listed = client::listed(&boot.packets[boot.packets.len() - 2]);
    assert_eq!(listed, ["0 2.0.0 bootable confirmed active"]);
    let boot = board.boot(&[client::list()]);
    assert!(!boot.shows(ENTERED));
    assert!(
        boot.shows("dfu-hil demo app 2.0.0 (update)"),
        "{:?}",
        boot.console
    );
}

#[test]
fn the_application_can_ask_for_it_with_its_reset_and_gets_it_once() {
    let (_, board) = programmed("baseline/merged.hex");
    let boot = board.boot(&[reset_into(1)]);
    assert_eq!(boot.ended, Ended::Reset);
    let boot = board.boot(&[client::list(), client::reset()]);
    assert!(boot.shows(ENTERED), "{:?}", boot.console);
    assert_eq!(
        client::listed(&boot.packets[0]),
        ["0 1.0.0 bootable confirmed active"]
    );
    assert_eq!(boot.packets[0][8], 0xbf, "the bootloader's own server");
    assert_eq!(client::error(&client::body(&boot.packets[1])), "rc 0");
    let boot = board.boot(&[client::list()]);
    assert!(!boot.shows(ENTERED));
    assert!(boot.shows("dfu-hil demo app 1.0.0 (baseline)"));
}

#[test]
fn a_loss_of_power_forgets_what_the_application_asked_for() {
    let (_, board) = programmed("baseline/merged.hex");
    board.boot(&[reset_into(1)]);
    board.power_cycle();
    assert!(!board.boot(&[client::list()]).shows(ENTERED));
}

#[test]
fn a_build_without_it_ignores_what_the_application_asks_for() {
    let (set, board) = programmed("baseline/merged.hex");
    with_recovery(
        &set,
        &board,
        SerialRecovery {
            on_boot_mode: false,
            ..SerialRecovery::default()
        },
    );
    board.boot(&[reset_into(1)]);
    assert!(!board.boot(&[client::list()]).shows(ENTERED));
}

#[test]
fn a_request_in_the_window_before_the_boot_keeps_the_bootloader() {
    let (set, board) = programmed("baseline/merged.hex");
    with_recovery(
        &set,
        &board,
        SerialRecovery {
            wait_ms: 500,
            ..SerialRecovery::default()
        },
    );
    let before = board.now();
    let boot = board.start();
    assert!(
        boot.shows("dfu-hil demo app 1.0.0 (baseline)"),
        "nobody asked"
    );
    assert!(board.now() - before >= Duration::from_millis(500));
    // Any request does, also one that is refused.
    let boot = board.boot(&[client::erase(), client::list(), client::reset()]);
    assert_eq!(boot.ended, Ended::Reset);
    assert!(!boot.shows("dfu-hil demo app"), "{:?}", boot.console);
    assert_eq!(client::error(&client::body(&boot.packets[0])), "rc 8");
    assert_eq!(client::listed(&boot.packets[1]), ["0 1.0.0"]);
}

/// A board whose bootloader looks at button 1, as `button` says.
fn with_button(delay_ms: u32) -> SimBoard {
    let (set, board) = programmed("baseline/merged.hex");
    let button = RecoveryButton {
        delay_ms,
        ..RecoveryButton::default()
    };
    with_recovery(
        &set,
        &board,
        SerialRecovery {
            button: Some(button),
            ..SerialRecovery::default()
        },
    );
    board
}

#[test]
fn a_button_that_is_held_keeps_the_bootloader_before_it_looks_at_any_slot() {
    let board = with_button(0);
    assert!(board.start().shows("dfu-hil demo app 1.0.0"));
    board.hold_button(Some(Duration::from_secs(3600)));
    let boot = board.boot(&[client::list()]);
    assert_eq!(boot.console[3..], ["I: Starting bootloader", ENTERED]);
    assert_eq!(client::listed(&boot.packets[0]), ["0 1.0.0"]);
    board.hold_button(None);
    assert!(!board.start().shows(ENTERED));
}

#[rstest]
#[case::just_too_short(499, false)]
#[case::long_enough(551, true)]
fn a_button_must_be_held_for_as_long_as_the_build_wants(#[case] held_ms: u64, #[case] stays: bool) {
    let board = with_button(500);
    board.hold_button(Some(Duration::from_millis(held_ms)));
    let boot = board.start();
    assert_eq!(boot.shows(ENTERED), stays, "{:?}", boot.console);
    assert_eq!(boot.shows("dfu-hil demo app 1.0.0"), !stays);
}

#[test]
fn an_update_that_is_pending_waits_until_recovery_is_over() {
    let (set, board) = programmed("baseline/merged.hex");
    let image = set.file("update/app_update.bin").expect("the set has it");
    board.program(0x4_C000, image);
    let hash = Image::parse(image).expect("it is one").stored_hash();
    let hash = hash.expect("it has a hash").1.value.to_vec();
    board.boot(&[client::test(&hash), client::reset()]);
    board.hold_button(Some(Duration::from_secs(3600)));
    let boot = board.boot(&[client::list(), client::reset()]);
    assert!(!boot.shows("Starting swap"), "{:?}", boot.console);
    assert_eq!(
        client::listed(&boot.packets[0]),
        ["0 1.0.0 bootable confirmed", "1 2.0.0 bootable pending"]
    );
    board.hold_button(None);
    assert!(board.start().shows("dfu-hil demo app 2.0.0 (update)"));
}

/// Sends an image to recovery under this number, in chunks that fit the bootloader's buffer.
fn upload(image: &[u8], number: u32) -> Vec<Vec<u8>> {
    image
        .chunks(960)
        .enumerate()
        .map(|(index, data)| {
            let first = index == 0;
            let chunk = Map::new()
                .with("off", (index * 960) as u32)
                .with("data", data.to_vec())
                .with_some("len", first.then_some(image.len() as u32))
                .with_some("image", first.then_some(number));
            client::request(2, 1, 1, &chunk)
        })
        .collect()
}

#[test]
fn an_image_for_the_network_core_goes_through_ram_and_is_copied_before_it_is_acknowledged() {
    let (set, board) = programmed("no-app/mcuboot.hex");
    let image = set
        .file("update/net_core_app_update.bin")
        .expect("the set has it");
    let before = board.flash(0xC000, 0x8_0000);
    let began = board.now();
    let boot = board.boot(&upload(image, 3));
    assert_eq!(
        client::error(&client::body(boot.packets.last().unwrap())),
        "rc 0"
    );
    assert!(
        board.now() - began > Duration::from_secs(1),
        "it waits a second"
    );
    assert!(
        boot.shows("I: Turned on network core"),
        "{:?}",
        boot.console
    );
    assert_eq!(
        boot.net_ended,
        Some(Ended::Hang),
        "b0n waits to be held off"
    );
    assert_eq!(
        board.flash(0xC000, 0x8_0000),
        before,
        "no slot of the application is touched"
    );
    assert_eq!(board.flash(0x0100_8800, 0x4000), image[0x200..0x4200]);
}

#[rstest]
#[case::an_application("update/app_update.bin", 3, "rc -61")]
#[case::no_such_slot("update/net_core_app_update.bin", 4, "rc 3")]
#[case::the_applications_slot("update/net_core_app_update.bin", 1, "rc 0")]
fn what_is_not_for_the_network_core_is_not_copied_there(
    #[case] file: &str,
    #[case] number: u32,
    #[case] answer: &str,
) {
    let (set, board) = programmed("no-app/mcuboot.hex");
    let image = set.file(file).expect("the set has it");
    let before = board.flash(0x0100_8800, 0x3_7800);
    let boot = board.boot(&upload(image, number));
    assert_eq!(
        client::error(&client::body(boot.packets.last().unwrap())),
        answer
    );
    assert!(!boot.shows("Turned on network core"));
    assert_eq!(board.flash(0x0100_8800, 0x3_7800), before);
}

#[test]
fn a_reset_is_refused_for_as_long_as_the_network_core_copies() {
    let (set, board) = programmed("no-app/mcuboot.hex");
    let image = set
        .file("update/net_core_app_update.bin")
        .expect("the set has it");
    board.stall_network(true);
    let mut requests = upload(image, 3);
    requests.push(client::reset());
    let boot = board.boot(&requests);
    assert_eq!(
        client::error(&client::body(boot.packets.last().unwrap())),
        "rc 10"
    );
    assert_eq!(boot.ended, Ended::Idle);
}
