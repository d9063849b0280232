//! The secondary slot in the external flash: the scenarios of the library run on it, with the checks that follow them.

mod support;

use hil_record::{FailKind, Outcome, RunRecord, Verdict};
use rstest::rstest;
use std::fs;
use support::broken::{self, Fault};
use support::{Desk, Ended, library};
use virtual_dk::{ExternalPart, VirtualDkOptions};

/// The demo firmware whose secondary slot lies there.
const FIRMWARE: &str = "fw/firmware.yaml";

/// A rig file with one virtual board that has what `board` says.
fn desk(board: &str) -> Desk {
    let desk = Desk::empty();
    desk.write(
        "rig.yaml",
        &format!("rig: test\nboards:\n  - name: dk\n    virtual: {{ speed: 20 }}\n{board}"),
    );
    with_firmware(desk)
}

fn with_firmware(desk: Desk) -> Desk {
    let made = desk.run(&["demo-firmware", "fw", "--variant", "swap-move-external"]);
    assert_eq!(made.code, Some(0), "{}", made.all());
    desk
}

/// Runs a scenario of the library with less patience.
fn run(desk: &Desk, name: &str) -> Ended {
    let text =
        fs::read_to_string(library().join(format!("{name}.yaml"))).expect("the library has it");
    desk.write("one.yaml", &text.replace("within: 60s", "within: 30s"));
    desk.run(&[
        "run",
        "one.yaml",
        "--rig",
        "rig.yaml",
        "--firmware",
        FIRMWARE,
        "--json",
    ])
}

/// Outcomes of the standing checks, by name.
fn checks(record: &RunRecord) -> Vec<(&str, Verdict)> {
    record.scenarios[0]
        .steps
        .iter()
        .filter(|step| step.step.line.is_none())
        .map(|step| (step.step.name.as_str(), step.outcome.verdict()))
        .collect()
}

#[rstest]
#[case::swapped_and_confirmed("app-update")]
#[case::encrypted_on_its_way("encrypted-app")]
#[case::taken_back("revert-unconfirmed")]
fn a_scenario_of_the_library_passes_with_every_check(#[case] name: &str) {
    let ended = run(&desk(""), name);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    let expected = [
        "bootloader_unchanged",
        "other_partitions_unchanged",
        "no_plain_text",
        "both_cores_alive",
        "flash_as_predicted",
    ];
    assert_eq!(
        checks(&record),
        expected.map(|check| (check, Verdict::Pass))
    );
    assert!(
        ended
            .stdout
            .contains("flash of both cores and external flash"),
        "the prediction covers it: {}",
        ended.stdout
    );
}

#[rstest]
#[case::a_partition_is_touched(
    "app-update",
    Fault::ExternalStorageTouched,
    FailKind::StandingCheck
)]
#[case::plain_text_is_left_there(
    "encrypted-app",
    Fault::PlainTextLeftInExternalFlash,
    FailKind::PlainText
)]
#[case::the_image_swapped_out_is_damaged(
    "app-update",
    Fault::ExternalSlotHoldsOtherBytes,
    FailKind::SlotContents
)]
fn what_goes_wrong_in_the_external_flash_is_found(
    #[case] name: &str,
    #[case] fault: Fault,
    #[case] expected: FailKind,
) {
    let board = broken::board(fault);
    let desk = Desk::empty();
    desk.rig_for(&board);
    let ended = run(&with_firmware(desk), name);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let record = ended.record();
    let Outcome::Fail { kind, cause } = &record.scenarios[0].outcome else {
        panic!("it must fail: {:?}", record.scenarios[0].outcome);
    };
    assert_eq!(*kind, expected, "{cause}");
    if expected != FailKind::SlotContents {
        assert!(cause.contains("external flash"), "{cause}");
    }
}

#[test]
fn a_board_without_external_flash_skips_what_needs_it_with_the_reason() {
    let desk = desk("    external-flash: none\n");
    let ended = run(&desk, "app-update");
    let record = ended.record();
    let Outcome::Skip { cause, .. } = &record.scenarios[0].outcome else {
        panic!("it must be skipped: {}", ended.all());
    };
    insta::assert_snapshot!(cause, @"the firmware set has a slot in the external flash, board `dk` has none");
    let needs = "scenario: needs-it\nsummary: One that says so.\nneeds: { board: [external_flash] }\nsteps:\n  - program: baseline\n";
    let ended = desk.run_scenario(needs);
    let record = ended.record();
    let Outcome::Skip { cause, .. } = &record.scenarios[0].outcome else {
        panic!("it must be skipped: {}", ended.all());
    };
    insta::assert_snapshot!(cause, @"needs an external flash, board `dk` has none");
}

#[test]
fn a_board_that_only_claims_to_have_one_is_bench_trouble() {
    let board = broken::sound_board(VirtualDkOptions {
        external: ExternalPart::None,
        ..VirtualDkOptions::default()
    });
    let desk = Desk::empty();
    desk.rig_for(&board);
    let ended = run(&with_firmware(desk), "app-update");
    let record = ended.record();
    let Outcome::Error { cause, .. } = &record.scenarios[0].outcome else {
        panic!("it must be an error: {}", ended.all());
    };
    assert!(
        cause.contains("the external flash of board `dk` did not answer within 5s"),
        "{cause}"
    );
}
