//! Every scenario of the library fails, for the right reason, on firmware that breaks what the scenario is about.
//!
//! The scenarios are the library's own, with less patience: what is wrong here does not become right by waiting.

mod support;

use hil_record::{FailKind, Outcome};
use rstest::rstest;
use std::collections::BTreeSet;
use std::fs;
use support::broken::{self, Fault};
use support::{Desk, Ended, library};

/// What is wrong with the firmware.
enum Wrong {
    /// The board does not do what its firmware says.
    Board(Fault),
    /// The same, at a DK's own pace: the power cut has to come in the middle of a swap.
    SlowBoard(Fault),
    /// The image of the first release is secretly that of the second.
    Image(&'static str, &'static str),
    /// The same with the network core's images.
    NetworkImage(&'static str, &'static str),
}

/// The scenarios and what breaks each.
const LIBRARY: &[(&str, Wrong, FailKind)] = &[
    (
        "app-confirm-only",
        Wrong::Board(Fault::ConfirmationLost),
        FailKind::ImageState,
    ),
    (
        "app-then-net",
        Wrong::Board(Fault::NetworkFlashNotWritten),
        FailKind::NetworkCore,
    ),
    (
        "app-update",
        Wrong::Board(Fault::SlotHoldsOtherBytes),
        FailKind::SlotContents,
    ),
    (
        "ble-last-answer-lost",
        Wrong::Board(Fault::UploadLosesABit),
        FailKind::SlotContents,
    ),
    (
        "ble-link-lost",
        Wrong::Board(Fault::ResetsWhenTheLinkIsLost),
        FailKind::Protocol,
    ),
    (
        "ble-net-ipc-mismatch",
        Wrong::NetworkImage("net-other-ipc", "update"),
        FailKind::Radio,
    ),
    (
        "ble-reset-while-connected",
        Wrong::Board(Fault::RadioDeadAfterReset),
        FailKind::NotBooted,
    ),
    (
        "ble-second-central",
        Wrong::Board(Fault::ForgetsAnIdleCentral),
        FailKind::NotRefused,
    ),
    (
        "ble-upload-continued-over-uart",
        Wrong::Board(Fault::ResetsWhenTheLinkIsLost),
        FailKind::Protocol,
    ),
    (
        "encrypted-app",
        Wrong::Board(Fault::PlainTextLeftBehind),
        FailKind::PlainText,
    ),
    (
        "interrupted-swap",
        Wrong::SlowBoard(Fault::SlotHoldsOtherBytes),
        FailKind::SlotContents,
    ),
    (
        "interrupted-upload",
        Wrong::Board(Fault::SlotHoldsOtherBytes),
        FailKind::SlotContents,
    ),
    (
        "net-update",
        Wrong::Board(Fault::NetworkFlashNotWritten),
        FailKind::NetworkCore,
    ),
    (
        "refuse-downgrade",
        Wrong::Image("downgrade", "update"),
        FailKind::WrongImage,
    ),
    (
        "refuse-tampered",
        Wrong::Image("tampered", "update"),
        FailKind::WrongImage,
    ),
    (
        "refuse-wrong-key",
        Wrong::Image("wrong-key", "update"),
        FailKind::WrongImage,
    ),
    (
        "revert-after-crash",
        Wrong::Image("crashes", "update"),
        FailKind::WrongImage,
    ),
    (
        "revert-unconfirmed",
        Wrong::Board(Fault::RevertDoesNotHappen),
        FailKind::WrongImage,
    ),
    (
        "serial-recovery",
        Wrong::Board(Fault::RecoveryLosesABit),
        FailKind::SlotContents,
    ),
    (
        "serial-recovery-encrypted",
        Wrong::Board(Fault::PlainTextLeftBehind),
        FailKind::PlainText,
    ),
];

/// Runs a scenario of the library with less patience.
fn run(desk: &Desk, name: &str, firmware: Option<&str>) -> Ended {
    let text =
        fs::read_to_string(library().join(format!("{name}.yaml"))).expect("the library has it");
    let patience = text
        .replace("within: 120s", "within: 15s")
        .replace("within: 60s", "within: 15s");
    desk.write("impatient.yaml", &patience);
    // What is wrong is wrong over every link: one variant is enough, over the wire where there is one.
    let variant = if text.contains("transport: [uart, ble]") {
        format!("{name}[uart]")
    } else {
        name.to_owned()
    };
    let mut args = vec!["run", "impatient.yaml", "--rig", "rig.yaml", "--json"];
    args.extend(["--filter", &variant]);
    if let Some(firmware) = firmware {
        args.extend(["--firmware", firmware]);
    }
    desk.run(&args)
}

fn with_wrong(wrong: &Wrong, name: &str) -> Ended {
    match wrong {
        Wrong::Board(fault) | Wrong::SlowBoard(fault) => {
            let speed = if matches!(wrong, Wrong::SlowBoard(_)) {
                1.0
            } else {
                20.0
            };
            let board = broken::board_at(*fault, speed);
            let desk = Desk::empty();
            desk.rig_for(&board);
            run(&desk, name, None)
        }
        Wrong::Image(release, secretly) | Wrong::NetworkImage(release, secretly) => {
            let file = match wrong {
                Wrong::NetworkImage(..) => "net_core_app_update.bin",
                _ => "app_update.bin",
            };
            let desk = Desk::new(1, 20);
            let made = desk.run(&["demo-firmware", "fw"]);
            assert_eq!(made.code, Some(0), "{}", made.all());
            let image = |release: &str| desk.path(&format!("fw/{release}/{file}"));
            fs::copy(image(secretly), image(release)).expect("both are there");
            run(&desk, name, Some("fw/firmware.yaml"))
        }
    }
}

#[rstest]
fn a_scenario_fails_when_the_firmware_is_wrong(
    #[values(
        "app-confirm-only",
        "app-then-net",
        "app-update",
        "ble-last-answer-lost",
        "ble-link-lost",
        "ble-net-ipc-mismatch",
        "ble-reset-while-connected",
        "ble-second-central",
        "ble-upload-continued-over-uart",
        "encrypted-app",
        "interrupted-swap",
        "interrupted-upload",
        "net-update",
        "refuse-downgrade",
        "refuse-tampered",
        "refuse-wrong-key",
        "revert-after-crash",
        "revert-unconfirmed",
        "serial-recovery",
        "serial-recovery-encrypted"
    )]
    scenario: &str,
) {
    let (name, wrong, expected) = LIBRARY
        .iter()
        .find(|(name, ..)| *name == scenario)
        .expect("what is wrong is in the table");
    let ended = with_wrong(wrong, name);
    assert_eq!(ended.code, Some(1), "{name}: {}", ended.all());
    let record = ended.record();
    let Outcome::Fail { kind, cause } = &record.scenarios[0].outcome else {
        panic!("{name} must fail: {:?}", record.scenarios[0].outcome);
    };
    assert_eq!(kind, expected, "{name}: {cause}");
}

#[test]
fn no_scenario_of_the_library_is_left_out() {
    let files: BTreeSet<String> = fs::read_dir(library())
        .expect("the library is there")
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    let tried: BTreeSet<String> = LIBRARY
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    assert_eq!(tried, files);
    assert_eq!(LIBRARY.len(), 20, "as many as the test above has values");
}
