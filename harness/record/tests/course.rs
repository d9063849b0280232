//! The record of a run in which a scenario was tried again, or that was gone on with.

use hil_record::{
    Again, Attempt, BoardInfo, Course, Ending, ErrorKind, Event, EventKind, FailKind, Outcome,
    Resumption, RigInfo, RunRecord, RunStarted, ScenarioStarted, SkipKind, StepInfo, Tool, Verdict,
};
use rstest::rstest;

fn rig() -> RigInfo {
    let board = |name: &str| BoardInfo {
        name: name.to_owned(),
        description: "virtual nRF5340 DK".to_owned(),
    };
    RigInfo {
        name: "rack".to_owned(),
        boards: vec![board("left"), board("right")],
    }
}

fn tool() -> Tool {
    Tool {
        name: "dfu-hil".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn start(planned: &[&str]) -> EventKind {
    EventKind::RunStarted(RunStarted {
        run: "20260802T101530Z-01".to_owned(),
        started: "2026-08-02T10:15:30Z".parse().unwrap(),
        tool: tool(),
        rig: rig(),
        firmware: Vec::new(),
        planned: planned.iter().map(|&name| name.to_owned()).collect(),
    })
}

fn begins(scenario: &str, board: &str) -> [EventKind; 2] {
    [
        EventKind::ScenarioStarted(ScenarioStarted {
            scenario: scenario.to_owned(),
            summary: String::new(),
            file: format!("{scenario}.yaml"),
            requirements: Vec::new(),
            known_issue: None,
            board: board.to_owned(),
            firmware: None,
        }),
        EventKind::StepStarted {
            scenario: scenario.to_owned(),
            step: StepInfo {
                number: 1,
                name: "program".to_owned(),
                text: "program baseline".to_owned(),
                line: Some(4),
            },
        },
    ]
}

fn ends(scenario: &str, board: &str, outcome: Outcome) -> [EventKind; 2] {
    [
        EventKind::StepFinished {
            scenario: scenario.to_owned(),
            number: 1,
            outcome: outcome.clone(),
            evidence: Vec::new(),
        },
        EventKind::ScenarioFinished {
            scenario: scenario.to_owned(),
            board: Some(board.to_owned()),
            outcome,
        },
    ]
}

fn again(scenario: &str, board: &str) -> EventKind {
    EventKind::Course(Course::Again(Again {
        scenario: scenario.to_owned(),
        board: board.to_owned(),
        attempt: 2,
        limit: 2,
    }))
}

fn resumed(at_ms: u64) -> EventKind {
    EventKind::Course(Course::Resumed(Resumption {
        at: "2026-08-02T11:00:00Z".parse().unwrap(),
        at_ms,
        tool: tool(),
        rig: rig(),
    }))
}

fn no_probe() -> Outcome {
    Outcome::error(ErrorKind::Probe, "the probe is silent")
}

/// Events every 100 ms.
fn record(kinds: impl IntoIterator<Item = EventKind>) -> RunRecord {
    let events: Vec<Event> = (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: seq * 100,
            kind,
        })
        .collect();
    RunRecord::from_events(&events).unwrap()
}

fn twice(second: Outcome) -> RunRecord {
    let mut kinds = vec![start(&["update", "revert"])];
    kinds.extend(begins("update", "left"));
    kinds.extend(ends("update", "left", no_probe()));
    kinds.push(again("update", "left"));
    kinds.extend(begins("revert", "right"));
    kinds.extend(ends("revert", "right", Outcome::Pass));
    kinds.extend(begins("update", "right"));
    kinds.extend(ends("update", "right", second));
    kinds.push(EventKind::RunFinished { stopped: false });
    record(kinds)
}

#[test]
fn a_pass_on_another_board_after_bench_trouble_is_one_flaky_pass() {
    let record = twice(Outcome::Pass);
    let totals = record.totals;
    assert_eq!((totals.pass, totals.error, totals.flaky), (2, 0, 1));
    assert_eq!(record.retries, 1);
    let names: Vec<_> = record.scenarios.iter().map(|one| &one.name).collect();
    assert_eq!(
        names,
        ["update", "revert"],
        "in the place of its first attempt"
    );
    let update = &record.scenarios[0];
    assert!(update.is_flaky());
    assert_eq!(update.board.as_deref(), Some("right"));
    assert_eq!(update.started_ms, Some(1000), "of the last attempt");
    assert_eq!(
        (
            update.earlier[0].board.as_deref(),
            &update.earlier[0].outcome
        ),
        (Some("left"), &no_probe())
    );
    assert_eq!(update.earlier[0].steps.len(), 1, "its steps are kept");
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<RunRecord>(&json).unwrap(), record);
}

#[rstest]
#[case::fails(Outcome::fail(FailKind::WrongImage, "runs 1.0.0"))]
#[case::no_bench_works(no_probe())]
fn what_does_not_pass_on_the_second_attempt_is_not_flaky(#[case] second: Outcome) {
    let record = twice(second.clone());
    assert_eq!(record.totals.flaky, 0);
    assert_eq!(record.scenarios[0].outcome, second);
    assert_eq!(record.scenarios[0].earlier.len(), 1);
}

#[test]
fn an_attempt_that_nobody_had_time_to_repeat_keeps_its_outcome() {
    let mut kinds = vec![start(&["update"])];
    kinds.extend(begins("update", "left"));
    kinds.extend(ends("update", "left", no_probe()));
    kinds.push(again("update", "left"));
    kinds.push(EventKind::RunFinished { stopped: true });
    let record = record(kinds);
    assert_eq!(record.scenarios.len(), 1);
    assert_eq!(record.scenarios[0].outcome, no_probe());
    assert_eq!(record.scenarios[0].earlier, Vec::<Attempt>::new());
}

#[test]
fn a_killed_run_that_went_on_is_complete_and_nothing_in_it_is_flaky() {
    let mut kinds = vec![start(&["done", "running", "later"])];
    kinds.extend(begins("done", "left"));
    kinds.extend(ends("done", "left", Outcome::Pass));
    kinds.extend(begins("running", "left"));
    kinds.push(resumed(700));
    for name in ["running", "later"] {
        kinds.extend(begins(name, "right"));
        kinds.extend(ends(name, "right", Outcome::Pass));
    }
    kinds.push(EventKind::RunFinished { stopped: false });
    let record = record(kinds);
    assert_eq!(record.ending, Ending::Complete);
    assert_eq!(
        (record.totals.pass, record.totals.all(), record.totals.flaky),
        (3, 3, 0)
    );
    let before = &record.scenarios[1].earlier[0];
    insta::assert_snapshot!(before.outcome.cause().unwrap(), @"the run was killed during step 1 `program`");
    assert_eq!(
        (before.started_ms, before.duration_ms),
        (500, 100),
        "until the last event before"
    );
    assert_eq!(record.resumed.len(), 1);
}

#[test]
fn a_stopped_run_that_went_on_gives_skipped_and_interrupted_scenarios_their_turn() {
    let stopped = Outcome::error(ErrorKind::Interrupted, "the run was stopped");
    let skip = |name: &str, kind| EventKind::ScenarioFinished {
        scenario: name.to_owned(),
        board: None,
        outcome: Outcome::skip(kind, "not now"),
    };
    let mut kinds = vec![start(&["no-power", "running", "later"])];
    kinds.push(skip("no-power", SkipKind::Needs));
    kinds.extend(begins("running", "left"));
    kinds.extend(ends("running", "left", stopped));
    kinds.push(skip("later", SkipKind::NotReached));
    kinds.push(EventKind::RunFinished { stopped: true });
    kinds.push(resumed(700));
    kinds.extend(begins("running", "left"));
    kinds.extend(ends("running", "left", Outcome::Pass));
    let killed_again = record(kinds.clone());
    assert_eq!(killed_again.ending, Ending::Killed);
    let verdicts = |record: &RunRecord| -> Vec<(String, Verdict)> {
        let all = record.scenarios.iter();
        all.map(|one| (one.name.clone(), one.outcome.verdict()))
            .collect()
    };
    let named = |name: &str, verdict| (name.to_owned(), verdict);
    assert_eq!(
        verdicts(&killed_again),
        [
            named("no-power", Verdict::Skip),
            named("running", Verdict::Pass),
            named("later", Verdict::Skip)
        ]
    );
    kinds.extend(begins("later", "left"));
    kinds.extend(ends("later", "left", Outcome::Pass));
    kinds.push(EventKind::RunFinished { stopped: false });
    let whole = record(kinds);
    assert_eq!(whole.ending, Ending::Complete);
    assert_eq!(
        verdicts(&whole),
        [
            named("no-power", Verdict::Skip),
            named("running", Verdict::Pass),
            named("later", Verdict::Pass)
        ]
    );
}
