//! The record of a run in which a scenario was tried again, or that was gone on with.

use hil_record::{
    Again, Attempt, BoardInfo, Course, Ending, ErrorKind, Event, EventKind, FailKind, MergePart,
    Outcome, Resumption, RigInfo, RunRecord, RunStarted, ScenarioStarted, Shard, SkipKind,
    StepInfo, Tool, Verdict, merge,
};
use rstest::rstest;

fn rig() -> RigInfo {
    let board = |name: &str| BoardInfo {
        name: name.to_owned(),
        description: "virtual nRF5340 DK".to_owned(),
        identity: None,
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
        commit: None,
    }
}

fn start(planned: &[&str]) -> EventKind {
    EventKind::RunStarted(RunStarted {
        run: "20260802T101530Z-01".to_owned(),
        started: "2026-08-02T10:15:30Z"
            .parse()
            .expect("the test makes it so"),
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

fn resumed(at_ms: u64, left: &[&str]) -> EventKind {
    EventKind::Course(Course::Resumed(Resumption {
        resumed: "2026-08-02T11:00:00Z"
            .parse()
            .expect("the test makes it so"),
        at_ms,
        tool: tool(),
        rig: rig(),
        left: left.iter().map(|&name| name.to_owned()).collect(),
    }))
}

fn no_probe() -> Outcome {
    Outcome::error(ErrorKind::Probe, "the probe is silent")
}

/// Events every 100 ms.
fn record(kinds: impl IntoIterator<Item = EventKind>) -> RunRecord {
    RunRecord::from_events(&events(kinds)).expect("the test makes it so")
}

fn events(kinds: impl IntoIterator<Item = EventKind>) -> Vec<Event> {
    (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: seq * 100,
            kind,
        })
        .collect()
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
    kinds.push(resumed(700, &["running", "later"]));
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
    kinds.push(resumed(700, &["running", "later"]));
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

/// A shard of a run: its scenarios all pass on board `left`, at ten past for the second.
fn shard(index: u32, names: &[&str], cut: &str) -> MergePart {
    let mut kinds = vec![start(names)];
    if let EventKind::RunStarted(start) = &mut kinds[0] {
        start.run = format!("shard-{index}");
        start.started = format!("2026-08-02T10:{index}0:00Z")
            .parse()
            .expect("the test makes it so");
    }
    kinds.push(EventKind::Course(Course::Shard(Shard {
        index,
        count: 2,
        variants: 3,
        cut: cut.to_owned(),
    })));
    for name in names {
        kinds.extend(begins(name, "left"));
        kinds.extend(ends(name, "left", Outcome::Pass));
    }
    kinds.push(EventKind::RunFinished { stopped: false });
    MergePart {
        events: events(kinds),
        manifest: Some(format!("{index}").repeat(64)),
    }
}

#[test]
fn shards_merged_are_one_complete_run_with_every_board_under_a_name_of_its_own() {
    let parts = vec![shard(2, &["c"], "cut"), shard(1, &["a", "b"], "cut")];
    let merged = RunRecord::from_events(&merge("whole", parts).unwrap()).unwrap();
    assert_eq!(
        (merged.ending, merged.totals.pass, merged.totals.all()),
        (Ending::Complete, 3, 3)
    );
    let where_ran: Vec<_> = merged
        .scenarios
        .iter()
        .map(|one| {
            (
                one.name.as_str(),
                one.board.as_deref().unwrap(),
                one.started_ms.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        where_ran,
        [
            ("a", "left", 200),
            ("b", "left", 600),
            ("c", "left@shard-2", 600_200)
        ]
    );
    let boards: Vec<_> = merged
        .rig
        .boards
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(boards, ["left", "right", "left@shard-2", "right@shard-2"]);
    let parts: Vec<_> = merged
        .parts
        .iter()
        .map(|part| {
            (
                part.run.as_str(),
                part.shard.as_ref().unwrap().index,
                part.started_ms,
            )
        })
        .collect();
    assert_eq!(parts, [("shard-1", 1, 0), ("shard-2", 2, 600_000)]);
}

#[test]
fn a_merge_with_a_killed_shard_is_no_complete_run() {
    let mut killed = shard(2, &["c"], "cut");
    killed.events.pop();
    let parts = vec![shard(1, &["a", "b"], "cut"), killed];
    let merged = RunRecord::from_events(&merge("whole", parts).unwrap()).unwrap();
    assert_eq!(merged.ending, Ending::Killed);
}

#[rstest]
#[case::missing(vec![shard(2, &["c"], "cut")], "only 1 of 3 scenarios are there: shards 1/2 are missing")]
#[case::twice(
    vec![shard(1, &["a", "b"], "cut"), shard(2, &["b"], "cut")],
    "scenario `b` is in both `shard-1` and `shard-2`"
)]
#[case::other_cut(
    vec![shard(1, &["a", "b"], "cut"), shard(2, &["c"], "other")],
    "`shard-1` and `shard-2` are shards of different cuts: their scenarios or their histories were not the same"
)]
#[case::nothing(vec![], "there is no run to merge")]
fn what_is_no_whole_is_not_merged(#[case] parts: Vec<MergePart>, #[case] said: &str) {
    let error = merge("whole", parts).unwrap_err();
    assert_eq!(error.to_string(), said);
    assert!(!error.help().is_empty());
}
