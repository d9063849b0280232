//! The scenario library passes on virtual boards, and what the run leaves behind says what ran.

mod support;

use hil_record::{Ending, RunDirectory, RunRecord, Verdict, read_journal};
use std::fs;
use support::Desk;

/// A DK's own pace, so that the power cut in the middle of a swap comes in time on a busy machine as well.
const SPEED: u32 = 1;

/// Scenarios mostly wait, so that many boards are no burden.
const BOARDS: usize = 16;

#[test]
fn the_page_of_the_library_is_what_the_command_writes() {
    let written = Desk::empty().run(&["list", "--markdown"]).stdout;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scenarios.md");
    assert!(
        fs::read_to_string(page).unwrap() == written,
        "write it again: cargo run -- list --markdown > docs/scenarios.md"
    );
}

#[test]
fn the_library_passes_on_several_boards_and_the_reports_say_so() {
    let desk = Desk::new(BOARDS, SPEED);
    // No folder `scenarios` here: the library in the binary runs.
    let ended = desk.run(&["run", "--rig", "rig.yaml", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    let listed: serde_json::Value =
        serde_json::from_str(&desk.run(&["list", "--json"]).stdout).expect("the list is JSON");
    let rows = listed.as_array().into_iter().flatten();
    let mut expected: Vec<&str> = rows.filter_map(|row| row["scenario"].as_str()).collect();
    let mut ran: Vec<&str> = record
        .scenarios
        .iter()
        .map(|scenario| scenario.name.as_str())
        .collect();
    expected.sort_unstable();
    ran.sort_unstable();
    // How many releases there are is known when a firmware set is: the list has one of their pairs.
    ran.retain(|name| !name.starts_with("version-matrix[") || expected.contains(name));
    assert_eq!(ran, expected);
    let pairs = record.grids.iter().map(|grid| grid.cells.len());
    assert_eq!(pairs.sum::<usize>(), 9, "{:?}", record.grids);
    assert_eq!(record.ending, Ending::Complete);
    assert_eq!(record.rig.boards.len(), BOARDS);
    for board in &record.rig.boards {
        assert!(
            board.description.starts_with("virtual nRF5340 DK"),
            "{board:?}"
        );
    }
    for scenario in &record.scenarios {
        assert_eq!(scenario.outcome.verdict(), Verdict::Pass, "{scenario:?}");
        let checks: Vec<&str> = scenario
            .steps
            .iter()
            .filter(|step| step.step.line.is_none())
            .map(|step| step.step.name.as_str())
            .collect();
        assert_eq!(
            checks,
            [
                "bootloader_unchanged",
                "other_partitions_unchanged",
                "no_plain_text",
                "both_cores_alive",
                "flash_as_predicted"
            ],
            "{} has its standing checks",
            scenario.name
        );
    }

    let runs = desk.runs();
    assert_eq!(runs.len(), 1);
    let folder = RunDirectory::at(&runs[0]);
    let written: RunRecord =
        serde_json::from_str(&fs::read_to_string(folder.result()).unwrap()).unwrap();
    assert_eq!(written, record, "result.json is what was printed");
    let junit = fs::read_to_string(folder.junit()).unwrap();
    for name in expected {
        assert!(
            junit.contains(&format!("name=\"{name}\"")),
            "{name} is in junit.xml"
        );
    }
    let journal = read_journal(&folder.journal()).unwrap();
    assert!(!journal.truncated);
    let logs = fs::read_dir(folder.path().join("console")).unwrap().count();
    assert_eq!(logs, 2 * BOARDS, "each board has two cores");
}
