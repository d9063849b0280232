//! What a board makes of the harness's central, and of a second one next to it.

mod support;

use hil_record::{ErrorKind, FailKind, Outcome};
use rstest::rstest;
use support::broken::{self, Fault};
use support::{Desk, bare};
use virtual_dk::model::{ApplicationModel, BlePermission, Link, SmpModel};
use virtual_dk::{Speed, VirtualDkOptions};

/// A scenario that wants nothing of a board but its SMP server over Bluetooth.
const UPLOAD: &str = "scenario: upload\nsummary: An upload over BLE.\nmatrix: { transport: [ble] }\nsteps:\n  \
                      - upload: { image: update.app, over: ble, within: 60s }\n";

/// A board that runs an application without a bootloader, built with this permission on its SMP characteristic.
fn board(permission: BlePermission) -> broken::Board {
    bare::board(ApplicationModel {
        smp: SmpModel {
            ble_permission: permission,
            ..SmpModel::default()
        },
        ..bare::application("locked", Link::Ble)
    })
}

fn upload(permission: BlePermission) -> support::Ended {
    let board = board(permission);
    let desk = Desk::empty();
    desk.rig_for(&board);
    desk.run_scenario(UPLOAD)
}

#[rstest]
#[case::encryption(BlePermission::Encrypted)]
#[case::authentication(BlePermission::Authenticated)]
fn a_server_that_wants_a_paired_central_is_trouble_of_the_bench_with_what_to_do(
    #[case] permission: BlePermission,
) {
    let ended = upload(permission);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let record = ended.record();
    let Outcome::Error { kind, cause, help } = &record.scenarios[0].outcome else {
        panic!("it must be an error: {}", ended.all());
    };
    assert_eq!(*kind, ErrorKind::Radio);
    let help = help.as_deref().unwrap_or_default();
    insta::allow_duplicates! {
        insta::assert_snapshot!(cause, @"board `dk`: E0:E0:4C:77:BB:6A wants an encrypted or paired link for switching notifications on: Not paired");
        insta::assert_snapshot!(help, @"pair the board once with `bluetoothctl pair ADDRESS`, or build the application under test with CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW=y");
    }
}

#[test]
fn an_open_server_takes_the_same_request() {
    let ended = upload(BlePermission::Open);
    let record = ended.record();
    let Outcome::Fail { kind, cause } = &record.scenarios[0].outcome else {
        panic!("it answers that it has no images: {}", ended.all());
    };
    assert_eq!(*kind, FailKind::Refused, "{cause}");
}

/// An upload with a second central in its middle that must get in.
fn second_gets_in(fault: Option<Fault>) -> support::Ended {
    let board = match fault {
        Some(fault) => broken::board(fault),
        None => broken::sound_board(VirtualDkOptions {
            speed: Speed::Factor(20.0),
            ..VirtualDkOptions::default()
        }),
    };
    let desk = Desk::empty();
    desk.rig_for(&board);
    desk.run_scenario(
        "scenario: second\nsummary: A second central gets in.\nmatrix: { transport: [ble] }\nsteps:\n  - program: \
         baseline\n  - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: update.app, over: ble, \
         second_central: { at: 50%, expect: accepted, within: 5s } }\n",
    )
}

#[test]
fn a_second_central_that_must_get_in_and_does_is_in_the_evidence() {
    // The board has one connection. It loses the first in a reset, and is on the air again for the second.
    let ended = second_gets_in(Some(Fault::ForgetsAnIdleCentral));
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    let seen = record.scenarios[0]
        .steps
        .iter()
        .flat_map(|step| &step.evidence);
    let found: Vec<String> = seen
        .filter(|evidence| evidence.what == "second central")
        .map(|evidence| evidence.found.clone())
        .collect();
    assert!(
        matches!(&found[..], [how] if how.contains("on hci1") && how.ends_with("listed 1 images")),
        "{found:?}"
    );
}

#[test]
fn a_second_central_that_must_get_in_and_is_kept_out_fails() {
    let ended = second_gets_in(None);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let record = ended.record();
    let Outcome::Fail { kind, cause } = &record.scenarios[0].outcome else {
        panic!("it must fail: {}", ended.all());
    };
    assert_eq!(*kind, FailKind::Radio);
    assert!(
        cause.starts_with("a second central must get in, but did not: ")
            && cause.contains("was not heard on adapter `hci1`"),
        "{cause}"
    );
}
