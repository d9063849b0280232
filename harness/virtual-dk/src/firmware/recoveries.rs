//! Ways into serial recovery and out of it, on a board in memory.

use std::time::Duration;

use hil_bootloader::{Config, SerialRecovery};
use hil_smp::Map;

use super::client;
use super::sim::{Ended, SimBoard};
use crate::demo::{DemoSet, Variant};
use crate::model::{Binary, ConsoleOutput, McubootModel, Model};

const VARIANT: Variant = Variant::SWAP_MOVE_ECDSA_EC256;
const ENTERED: &str = "I: Enter the serial recovery mode";

fn programmed(file: &str) -> (DemoSet, SimBoard) {
    let set = DemoSet::generate(VARIANT);
    let board = SimBoard::new();
    for file in [file, "baseline/merged_CPUNET.hex"] {
        let text = String::from_utf8_lossy(set.file(file).expect("the demo set has it"));
        for (address, bytes) in crate::demo::hex_segments(&text) {
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
