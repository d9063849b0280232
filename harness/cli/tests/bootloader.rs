//! `dfu-hil bootloader`: what the real MCUboot was recorded doing comes out of the command.

#![expect(clippy::expect_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Desk, Ended};

/// The recordings of the project.
fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bootloader/tests/data/golden")
}

/// A recorded case.
fn case(id: &str) -> Value {
    let text = fs::read_to_string(recordings().join("cases.jsonl")).expect("it is in the project");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("every line is a case"))
        .find(|case| case["id"] == id)
        .expect("there is such a case")
}

/// A desk with a folder `recordings` that holds these cases and all that they refer to.
fn desk_with(cases: &[Value]) -> Desk {
    let desk = Desk::empty();
    let folder = desk.path("recordings");
    for part in ["blobs", "keys"] {
        fs::create_dir_all(folder.join(part)).expect("the folder is ours");
        for entry in fs::read_dir(recordings().join(part)).expect("it is in the project") {
            let entry = entry.expect("it can be listed");
            fs::copy(entry.path(), folder.join(part).join(entry.file_name()))
                .expect("there is room");
        }
    }
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    fs::write(folder.join("cases.jsonl"), lines).expect("the folder is ours");
    desk
}

fn golden(desk: &Desk) -> Ended {
    desk.run(&["bootloader", "golden", "recordings", "--jobs", "2"])
}

#[test]
fn recordings_that_the_model_agrees_with_pass() {
    let desk = desk_with(&[
        case("move-ec256/test-revert"),
        case("offset-ec256/test-revert"),
    ]);
    let ended = golden(&desk);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(
        ended.stdout.lines().last(),
        Some("2 cases, 2 passed, 0 failed"),
        "{}",
        ended.all()
    );
}

#[test]
fn a_difference_is_told_and_is_a_failure() {
    let mut changed = case("move-ec256/test-revert");
    changed["steps"][0]["expect"]["trace"][1][2] = 131_040.into();
    let ended = golden(&desk_with(&[changed, case("offset-ec256/test-revert")]));
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    assert!(
        ended
            .stdout
            .contains("step 0: operation 1: recorded W app.primary+0x1ffe0"),
        "{}",
        ended.all()
    );
    assert_eq!(
        ended.stdout.lines().last(),
        Some("2 cases, 1 passed, 1 failed"),
        "{}",
        ended.all()
    );
}

#[test]
fn recordings_that_cannot_be_read_are_a_mistake_of_the_command_line() {
    let ended = golden(&Desk::empty());
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    insta::assert_snapshot!(ended.stderr, @r"
    error: recordings `recordings`: cannot read recordings/cases.jsonl: No such file or directory (os error 2)
    help: the folder must hold `cases.jsonl`, `blobs` and `keys`, as `harness/bootloader/tests/data/golden` does
    ");
}

#[test]
fn recordings_without_a_case_are_never_a_pass() {
    let ended = golden(&desk_with(&[]));
    assert_eq!(ended.code, Some(4), "{}", ended.all());
}
