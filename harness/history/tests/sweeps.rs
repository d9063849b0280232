//! What the history tells a night of the points of sweeps.

use hil_history::{History, Pace, RunEntry, SweepEntry, VisitEntry};
use hil_record::{
    Ending, Event, EventKind, FirmwareInfo, Outcome, RigInfo, RunRecord, RunStarted,
    ScenarioStarted, SweepPlan, SweepPoint, Tool,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("the test makes it so");
    let path = folder.path().join("history.db");
    (folder, path)
}

const DAY_MS: i64 = 86_400_000;

fn visit(cut: &str, good: bool, at_ms: i64) -> VisitEntry {
    VisitEntry {
        cut: cut.to_owned(),
        good,
        at_ms,
        took_ms: 400,
    }
}

fn sweep(firmware: &str, operations: &str, visits: &[VisitEntry]) -> SweepEntry {
    SweepEntry {
        scenario: "swap".to_owned(),
        firmware: firmware.to_owned(),
        operations: operations.to_owned(),
        board: "dk-1".to_owned(),
        points: Some(12),
        overhead_ms: Some(5_000),
        visits: visits.to_vec(),
    }
}

fn run(day: i64, rig: &str, sweeps: Vec<SweepEntry>) -> RunEntry {
    RunEntry {
        run: format!("day-{day}"),
        rig: rig.to_owned(),
        folder: String::new(),
        started_ms: day * DAY_MS,
        duration_ms: 60_000,
        ending: Ending::Complete,
        tool: "dfu-hil 0.1.0".to_owned(),
        firmware: Vec::new(),
        results: Vec::new(),
        uploads: Vec::new(),
        sweeps,
    }
}

#[test]
fn points_are_those_of_a_rig_a_firmware_and_the_list_of_operations_that_it_had_last() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let (a, b) = (visit("a", true, DAY_MS), visit("b", false, 2 * DAY_MS));
    for entry in [
        run(
            1,
            "rack",
            vec![sweep("old", "list", &[visit("x", true, 1)])],
        ),
        run(
            2,
            "rack",
            vec![sweep("new", "other list", &[visit("y", true, 2)])],
        ),
        run(
            3,
            "rack",
            vec![sweep("new", "list", std::slice::from_ref(&a))],
        ),
        run(
            4,
            "desk",
            vec![sweep("new", "list", &[visit("z", true, 3)])],
        ),
        run(
            5,
            "rack",
            vec![sweep("new", "list", std::slice::from_ref(&b))],
        ),
    ] {
        history.add(&entry).unwrap();
    }
    let seen = history.sweep("swap", "rack", "new").unwrap().unwrap();
    assert_eq!(seen.operations, "list");
    assert_eq!(seen.points, Some(12));
    let board = "dk-1".to_owned();
    assert_eq!(seen.visits, [(board.clone(), a), (board, b)]);
    assert_eq!(history.sweep("swap", "rack", "third").unwrap(), None);
    assert_eq!(history.sweep("revert", "rack", "new").unwrap(), None);
}

#[test]
fn the_pace_of_a_sweep_is_the_middle_of_its_points_whatever_the_firmware() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    assert_eq!(history.pace("swap", "rack").unwrap(), None);
    let visits = [visit("a", true, 1), visit("b", true, 2)];
    history
        .add(&run(1, "rack", vec![sweep("old", "list", &visits)]))
        .unwrap();
    let pace = Pace {
        per_point: Duration::from_millis(400),
        besides: Duration::from_secs(5),
    };
    assert_eq!(history.pace("swap", "rack").unwrap(), Some(pace));
    assert_eq!(history.pace("swap", "desk").unwrap(), None);
}

#[test]
fn a_run_that_is_added_again_has_its_points_once() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let entry = run(
        1,
        "rack",
        vec![sweep("new", "list", &[visit("a", true, 1)])],
    );
    history.add(&entry).unwrap();
    history.add(&entry).unwrap();
    let seen = history.sweep("swap", "rack", "new").unwrap().unwrap();
    assert_eq!(seen.visits.len(), 1);
    assert!(history.has("day-1").unwrap());
    assert!(!history.has("day-2").unwrap());
}

const FIRMWARE: &str = "f1";

/// A slice on a board with two points, one of which was missed, and what comes behind it.
fn night(rest: Vec<(u64, EventKind)>) -> Vec<Event> {
    let firmware = FirmwareInfo {
        name: "demo".to_owned(),
        digest: FIRMWARE.to_owned(),
    };
    let scenario = "swap#slice-1".to_owned();
    let point = |cut: &str, came_to: &str| {
        EventKind::SweepPoint(SweepPoint {
            scenario: scenario.clone(),
            board: "dk-1".to_owned(),
            cut: cut.to_owned(),
            came_to: came_to.to_owned(),
            problem: None,
            took_ms: 300,
        })
    };
    let mut events = vec![
        (
            0,
            EventKind::RunStarted(RunStarted {
                run: "one".to_owned(),
                started: Timestamp::from_millisecond(DAY_MS).expect("it is a time"),
                tool: Tool {
                    name: "dfu-hil".to_owned(),
                    version: "0.1.0".to_owned(),
                    commit: None,
                },
                rig: RigInfo {
                    name: "rack".to_owned(),
                    boards: Vec::new(),
                },
                firmware: vec![firmware.clone()],
                planned: Vec::new(),
            }),
        ),
        (
            1_000,
            EventKind::ScenarioStarted(ScenarioStarted {
                scenario: scenario.clone(),
                summary: String::new(),
                file: String::new(),
                requirements: Vec::new(),
                known_issue: None,
                board: "dk-1".to_owned(),
                firmware: Some(firmware),
            }),
        ),
        (
            3_000,
            EventKind::SweepPlanned(SweepPlan {
                scenario: scenario.clone(),
                board: "dk-1".to_owned(),
                method: String::new(),
                operations: BTreeMap::new(),
                digest: "list".to_owned(),
                seen: true,
                strategy: "slice:2".to_owned(),
                seed: 1,
                points: Some(2),
                all: Some(12),
                visited_before: 0,
            }),
        ),
        (3_300, point("a", "boots update")),
        (3_600, point("b", SweepPoint::MISSED)),
    ];
    events.extend(rest);
    (0..)
        .zip(events)
        .map(|(seq, (at, kind))| Event { seq, at, kind })
        .collect()
}

fn entry(events: &[Event]) -> RunEntry {
    let record = RunRecord::from_events(events).expect("it is a run");
    RunEntry::of(&record, events, "")
}

#[test]
fn a_slice_is_kept_as_its_sweep_without_what_was_missed() {
    let events = night(vec![(
        4_000,
        EventKind::ScenarioFinished {
            scenario: "swap#slice-1".to_owned(),
            board: Some("dk-1".to_owned()),
            outcome: Outcome::Pass,
        },
    )]);
    let [sweep] = entry(&events).sweeps.try_into().unwrap();
    assert_eq!(
        (sweep.scenario.as_str(), sweep.firmware.as_str()),
        ("swap", FIRMWARE)
    );
    assert_eq!(sweep.points, Some(12));
    assert_eq!(sweep.overhead_ms, Some(3_000 - 600));
    let [point] = sweep.visits.try_into().unwrap();
    assert_eq!((point.cut.as_str(), point.good), ("a", true));
    assert_eq!(point.at_ms, DAY_MS + 3_300);
}

#[test]
fn what_a_run_visited_before_it_was_killed_is_kept() {
    let events = night(Vec::new());
    let entry = entry(&events);
    assert_eq!(entry.ending, Ending::Killed);
    assert_eq!(entry.sweeps[0].visits.len(), 1);
    assert_eq!(entry.sweeps[0].overhead_ms, None);
}
