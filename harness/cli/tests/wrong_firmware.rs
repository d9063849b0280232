//! Firmware that is secretly wrong is found, by the check that is there for it, and for the right reason.
//!
//! The boards are in this process and reached as any board on a bench; the scenarios are the library's where its own
//! deadlines allow, and short ones with the same steps elsewhere.

mod support;

use hil_record::{
    Check, CoreName, ErrorKind, EventKind, FailKind, Outcome, RamPlace, ScenarioRecord, Verdict,
    read_journal,
};
use rstest::rstest;
use support::broken::{self, Fault};
use support::{Desk, forgery, library};
use virtual_dk::{Speed, VirtualDkOptions};

/// Runs a scenario of the library on a board with a fault.
fn of_library(fault: Fault, name: &str) -> ScenarioRecord {
    let board = broken::board(fault);
    let desk = Desk::empty();
    desk.rig_for(&board);
    let file = library().join(format!("{name}.yaml"));
    let ended = desk.run(&[
        "run",
        &file.to_string_lossy(),
        "--rig",
        "rig.yaml",
        "--filter",
        "[uart]",
        "--json",
    ]);
    only(&ended)
}

/// Runs a scenario of its own on a board with a fault.
fn own(fault: Fault, steps: &str) -> ScenarioRecord {
    let board = broken::board(fault);
    let desk = Desk::empty();
    desk.rig_for(&board);
    let ended = desk.run_scenario(&format!(
        "scenario: own\nsummary: Finds it.\nsteps:\n{steps}"
    ));
    only(&ended)
}

fn only(ended: &support::Ended) -> ScenarioRecord {
    let mut record = ended.record();
    assert_eq!(record.scenarios.len(), 1, "{}", ended.all());
    let scenario = record.scenarios.remove(0);
    if scenario.outcome.verdict() == Verdict::Fail {
        assert_eq!(ended.code, Some(1), "{}", ended.all());
    }
    scenario
}

/// The step that failed, why, and in which words.
fn failure(scenario: &ScenarioRecord) -> (String, FailKind, String) {
    let Outcome::Fail { kind, cause } = &scenario.outcome else {
        panic!("it must fail: {:?}", scenario.outcome);
    };
    let step = scenario.last_bad_step().expect("a failure has a step");
    (step.step.name.clone(), *kind, cause.clone())
}

#[test]
fn a_slot_that_holds_other_bytes_fails_with_the_first_of_them() {
    let (step, kind, cause) = failure(&of_library(Fault::SlotHoldsOtherBytes, "app-update"));
    assert_eq!(
        (step.as_str(), kind),
        ("expect_slot", FailKind::SlotContents)
    );
    assert!(
        cause.starts_with(
            "slot app.secondary must hold baseline.app but holds other bytes: 1 of the payload differ, the first at \
             offset 0x00001234"
        ),
        "{cause}"
    );
}

#[test]
fn an_upload_that_arrived_damaged_fails() {
    let (step, kind, cause) = failure(&of_library(Fault::UploadLosesABit, "app-update"));
    assert_eq!((step.as_str(), kind), ("upload", FailKind::SlotContents));
    assert!(
        cause.contains("SHA-256 is not that of the image"),
        "{cause}"
    );
}

#[test]
fn network_flash_that_was_not_written_fails_although_nobody_reported_an_error() {
    let (step, kind, cause) = failure(&own(
        Fault::NetworkFlashNotWritten,
        "  - program: baseline\n  - expect_boot: { app: baseline, net: baseline, within: 60s }\n  - upload: { image: update.net }\n  \
         - mark: { image: update.net, as: test }\n  - reset: smp\n  - expect_net: { release: update, within: 8s }\n",
    ));
    assert_eq!((step.as_str(), kind), ("expect_net", FailKind::NetworkCore));
    assert!(
        cause.starts_with("network core flash must hold update.net but holds other bytes"),
        "{cause}"
    );
}

#[test]
fn a_revert_that_does_not_happen_fails_with_the_image_that_runs_instead() {
    let (step, kind, cause) = failure(&own(
        Fault::RevertDoesNotHappen,
        "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: never-confirms.app }\n  \
         - mark: { image: never-confirms.app, as: test }\n  - reset: smp\n  \
         - expect_boot: { app: never-confirms, state: testing, within: 60s }\n  - reset: smp\n  \
         - expect_boot: { app: baseline, within: 8s }\n",
    ));
    assert_eq!((step.as_str(), kind), ("expect_boot", FailKind::WrongImage));
    assert!(
        cause.starts_with("the board runs never-confirms.app"),
        "{cause}"
    );
    assert!(cause.contains("expected baseline.app"), "{cause}");
}

#[test]
fn plain_text_that_is_left_behind_fails_with_its_place_and_not_with_its_bytes() {
    let (step, kind, cause) = failure(&of_library(Fault::PlainTextLeftBehind, "encrypted-app"));
    assert_eq!(
        (step.as_str(), kind),
        ("expect_plain_text", FailKind::PlainText)
    );
    assert!(
        cause.contains("of the app core, in `app.settings`"),
        "{cause}"
    );
}

/// An encrypted update behind which the power stays on: RAM has what the bootloader left.
const ENCRYPTED_UPDATE: &str = "scenario: own\nsummary: Finds it.\nneeds: { bootloader: { mode: swap, encryption: ec256 } }\nsteps:\n  \
     - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: encrypted.app }\n  \
     - mark: { image: encrypted.app, as: test }\n  - reset: smp\n  \
     - expect_boot: { app: encrypted, state: testing, within: 60s }\n";

/// What the checks behind the last step have seen of RAM.
fn seen_in_ram(scenario: &ScenarioRecord) -> Vec<(String, String)> {
    let evidence = scenario.steps.iter().flat_map(|step| &step.evidence);
    evidence
        .filter(|seen| seen.what.contains("RAM"))
        .map(|seen| (seen.what.clone(), seen.found.clone()))
        .collect()
}

#[test]
fn a_content_key_that_the_bootloader_leaves_in_ram_fails_with_its_place_and_is_replayed() {
    let board = broken::board(Fault::KeyLeftInRam);
    let desk = Desk::empty();
    desk.rig_for(&board);
    let ended = desk.run_scenario(ENCRYPTED_UPDATE);
    let scenario = only(&ended);
    let (step, kind, cause) = failure(&scenario);
    assert_eq!(
        (step.as_str(), kind),
        ("no_plain_text", FailKind::PlainText)
    );
    let place = format!(
        "lies in RAM at {:#010x} of the app core (1 place)",
        broken::BOOTLOADER_STACK
    );
    assert!(cause.contains(&place), "{cause}");
    let run = desk.runs().remove(0);
    let replayed = desk.run(&["replay", &run.to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());
    assert!(replayed.stdout.contains(&place), "{}", replayed.all());
}

#[test]
fn a_board_that_leaves_nothing_in_ram_passes_and_says_what_was_looked_for() {
    let board = broken::sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        ..VirtualDkOptions::default()
    });
    let desk = Desk::empty();
    desk.rig_for(&board);
    let ended = desk.run_scenario(ENCRYPTED_UPDATE);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    insta::assert_debug_snapshot!(seen_in_ram(&only(&ended)));

    // What is left out of the evidence, or was added to it, does not go with the verdict.
    let run = desk.runs().remove(0);
    let place = RamPlace {
        core: CoreName::App,
        address: broken::BOOTLOADER_STACK,
    };
    forgery::forge(&run, |event| {
        if let EventKind::Checked(made) = &mut event.kind
            && let Check::ContentKeyInRam { keys, .. } = &mut made.check
        {
            keys.push(place);
        }
    });
    let replayed = desk.run(&["replay", &run.to_string_lossy()]);
    assert_ne!(replayed.code, Some(0), "{}", replayed.all());
    assert!(replayed.all().contains("lies in RAM"), "{}", replayed.all());
    forgery::forge(&run, |event| {
        if let EventKind::Checked(made) = &mut event.kind
            && let Check::ContentKeyInRam { image, keys, .. } = &mut made.check
        {
            keys.clear();
            *image = "update.app".to_owned();
        }
    });
    let replayed = desk.run(&["replay", &run.to_string_lossy()]);
    assert_ne!(replayed.code, Some(0), "{}", replayed.all());
    let missed = "no look at RAM for the content key of encrypted.app";
    assert!(replayed.all().contains(missed), "{}", replayed.all());
}

/// RAM survives the reset between two scenarios, and what one left is not the other's.
#[test]
fn a_key_that_was_found_in_ram_is_cleared_before_the_board_is_programmed_next() {
    let board = broken::board(Fault::KeyLeftInRam);
    let desk = Desk::empty();
    desk.rig_for(&board);
    desk.write("leaves.yaml", ENCRYPTED_UPDATE);
    // The same image, which is never swapped in.
    let (upload_only, _) = ENCRYPTED_UPDATE
        .split_once("  - mark:")
        .expect("it marks what it sent");
    desk.write(
        "later.yaml",
        &upload_only.replace("scenario: own", "scenario: later"),
    );
    let ended = desk.run(&[
        "run",
        "leaves.yaml",
        "later.yaml",
        "--rig",
        "rig.yaml",
        "--json",
    ]);
    let record = ended.record();
    let verdict = |name: &str| {
        let scenario = record.scenarios.iter().find(|ran| ran.name == name);
        scenario.map(|ran| ran.outcome.verdict())
    };
    assert_eq!(verdict("own"), Some(Verdict::Fail), "{}", ended.all());
    assert_eq!(verdict("later"), Some(Verdict::Pass), "{}", ended.all());
    let journal = read_journal(&desk.runs()[0].join("journal.jsonl")).expect("there is one");
    let cleared = journal
        .events
        .iter()
        .any(|event| matches!(&event.kind, EventKind::Probe { action, .. } if action == "clear"));
    assert!(
        cleared,
        "the scenario that leaves it must come first: {}",
        ended.all()
    );
}

#[test]
fn ram_is_not_read_where_the_rig_file_does_not_allow_it() {
    let board = broken::board(Fault::KeyLeftInRam);
    let desk = Desk::empty();
    desk.rig_for(&board);
    let rig = std::fs::read_to_string(desk.path("rig.yaml")).expect("it was just written");
    desk.write("rig.yaml", &rig.replace("    ram-scan: allowed\n", ""));
    let ended = desk.run_scenario(ENCRYPTED_UPDATE);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(
        seen_in_ram(&only(&ended)),
        [(
            "RAM".to_owned(),
            "not searched: the rig file has no `ram-scan: allowed`".to_owned()
        )]
    );
}

#[test]
fn flash_outside_the_slots_that_changed_fails_after_the_last_step() {
    let (step, kind, cause) = failure(&own(
        Fault::PlainTextLeftBehind,
        "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: update.app }\n  \
         - mark: { image: update.app, as: test }\n  - reset: smp\n  - expect_boot: { app: update, within: 60s }\n",
    ));
    assert_eq!(
        (step.as_str(), kind),
        ("other_partitions_unchanged", FailKind::StandingCheck)
    );
    assert!(
        cause.contains("0x000fc000..0x00100000") || cause.contains("the first at 0x000fc000"),
        "{cause}"
    );
}

#[test]
fn a_bootloader_that_was_written_to_fails_after_the_last_step() {
    let (step, kind, cause) = failure(&own(
        Fault::BootloaderTouched,
        "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  - reset: smp\n  \
         - expect_boot: { app: baseline, within: 60s }\n",
    ));
    assert_eq!(
        (step.as_str(), kind),
        ("bootloader_unchanged", FailKind::StandingCheck)
    );
    assert!(cause.contains("the first at 0x0000b000"), "{cause}");
}

/// A test update, on which the board is wrong in a way that changes nothing that runs.
#[rstest]
#[case::a_trailer_field(
    Fault::TrailerFieldWrong,
    "1 byte differs at 0x0004bfd3 of the app core, primary slot of image 0 at 0x0003ffd3, trailer field \
     swap_size: found 10"
)]
#[case::the_swap_status(
    Fault::SwapStatusWrong,
    "1 byte differs at 0x0004b9bc of the app core, primary slot of image 0 at 0x0003f9bc, swap status entry \
     3: found 03"
)]
#[case::an_unused_part_of_a_slot(
    Fault::UnusedSlotTouched,
    "4 bytes differ, the first at 0x0007c000 of the app core, secondary slot of image 0 at 0x00030000"
)]
fn flash_that_no_other_check_looks_at_is_compared_with_the_prediction(
    #[case] fault: Fault,
    #[case] where_and_what: &str,
) {
    let scenario = own(
        fault,
        "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: update.app }\n  \
         - mark: { image: update.app, as: test }\n  - reset: smp\n  - expect_boot: { app: update, within: 60s }\n  \
         - expect_slot: { slot: app.primary, holds: update.app }\n  \
         - expect_slot: { slot: app.secondary, holds: baseline.app }\n",
    );
    let (step, kind, cause) = failure(&scenario);
    assert_eq!(
        (step.as_str(), kind),
        ("flash_as_predicted", FailKind::StandingCheck),
        "{cause}"
    );
    assert!(cause.contains(where_and_what), "{cause}");
    assert!(
        cause.contains("image 0: test, because secondary magic good, image_ok unset"),
        "{cause}"
    );
}

#[test]
fn flash_is_not_predicted_where_nothing_was_programmed_and_that_is_no_pass() {
    let scenario = own(
        Fault::UnusedSlotTouched,
        "  - power_cycle: { off_for: 1s }\nwaive: { both_cores_alive: Nothing runs on a blank board. }\n",
    );
    let check = scenario.steps.last().expect("it has steps");
    assert_eq!(check.step.name, "flash_as_predicted");
    let Outcome::Skip { cause, .. } = &check.outcome else {
        panic!("it must be skipped: {check:?}");
    };
    assert!(cause.starts_with("no step programmed the board"), "{cause}");
}

#[test]
fn a_network_core_that_does_not_run_fails_after_the_last_step() {
    let scenario = own(
        Fault::NetworkCoreDead,
        "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n",
    );
    let (step, kind, cause) = failure(&scenario);
    assert_eq!(
        (step.as_str(), kind),
        ("both_cores_alive", FailKind::NetworkCore)
    );
    assert_eq!(
        cause,
        "the network core does not run: nothing on its console since the board was started"
    );
}

#[test]
fn a_board_that_does_not_boot_fails_and_is_no_error_of_the_bench() {
    let (step, kind, cause) = failure(&own(
        Fault::ApplicationCoreDead,
        "  - program: baseline\n  - expect_boot: { app: baseline, within: 6s }\n",
    ));
    assert_eq!((step.as_str(), kind), ("expect_boot", FailKind::NotBooted));
    assert_eq!(
        cause,
        "the board did not boot baseline.app within 6s: no answer over SMP; the app console has shown nothing since \
         the board was started"
    );
}

#[test]
fn steps_behind_a_failure_are_blocked_and_never_pass() {
    let scenario = of_library(Fault::UploadLosesABit, "app-update");
    let failed = scenario
        .steps
        .iter()
        .position(|step| step.outcome.verdict() == Verdict::Fail)
        .expect("one step fails");
    for step in &scenario.steps[failed + 1..] {
        assert_eq!(step.outcome.verdict(), Verdict::Skip, "{step:?}");
    }
    assert!(scenario.steps.len() > failed + 1);
}

#[test]
fn a_power_cut_that_comes_too_late_is_an_error_and_not_a_failure() {
    let board = broken::board(Fault::BootloaderTouched);
    let desk = Desk::empty();
    desk.rig_for(&board);
    let ended = desk.run_scenario(
        "scenario: late\nsummary: Too late.\nsteps:\n  - program: baseline\n  - power_cut:\n      at: { console: \"Starting \
         bootloader\" }\n      delay: 5s\n      before: \"Jumping to the first image slot\"\n",
    );
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let record = ended.record();
    let Outcome::Error { kind, cause, help } = &record.scenarios[0].outcome else {
        panic!("it must be an error: {}", ended.all());
    };
    assert_eq!(*kind, ErrorKind::Cut);
    assert!(cause.contains("the power went too late"), "{cause}");
    assert!(help.is_some());
}
