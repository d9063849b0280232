//! The record of a run from its events: whole, stopped, and killed after any event.

use hil_record::{
    BoardInfo, ConsoleSource, CoreName, Ending, ErrorKind, Event, EventKind, Evidence, FailKind,
    FirmwareInfo, Outcome, RecordError, RigInfo, RunRecord, RunStarted, ScenarioStarted, SkipKind,
    StepInfo, Tool, Verdict,
};

fn firmware(name: &str) -> FirmwareInfo {
    FirmwareInfo {
        name: name.to_owned(),
        digest: "ab".repeat(32),
    }
}

fn sample() -> Vec<Event> {
    let scenario = |name: &str| {
        EventKind::ScenarioStarted(ScenarioStarted {
            scenario: name.to_owned(),
            summary: format!("Shows {name}."),
            file: format!("scenarios/{name}.yaml"),
            requirements: vec!["DFU-APP-1".to_owned()],
            known_issue: None,
            board: "dk1".to_owned(),
            firmware: Some(firmware("demo-external")),
        })
    };
    let step = |scenario: &str, number, name: &str| EventKind::StepStarted {
        scenario: scenario.to_owned(),
        step: StepInfo {
            number,
            name: name.to_owned(),
            text: format!("{name} something"),
            line: Some(number + 6),
        },
    };
    let step_end = |scenario: &str, number, outcome, evidence| EventKind::StepFinished {
        scenario: scenario.to_owned(),
        number,
        outcome,
        evidence,
    };
    let end = |scenario: &str, board: Option<&str>, outcome| EventKind::ScenarioFinished {
        scenario: scenario.to_owned(),
        board: board.map(str::to_owned),
        outcome,
    };
    let console = |text: &str| EventKind::Console {
        board: "dk1".to_owned(),
        core: CoreName::App,
        source: ConsoleSource::Uart,
        text: text.to_owned(),
    };
    let wrong = || Outcome::fail(FailKind::WrongImage, "app core runs 1.0.0, expected 2.0.0");
    let kinds = vec![
        EventKind::RunStarted(RunStarted {
            run: "20260802T101530Z-01".to_owned(),
            started: "2026-08-02T10:15:30Z".parse().expect("the date is one"),
            tool: Tool {
                name: "dfu-hil".to_owned(),
                version: "0.1.0".to_owned(),
                commit: None,
            },
            rig: RigInfo {
                name: "virtual".to_owned(),
                boards: vec![BoardInfo {
                    name: "dk1".to_owned(),
                    description: "virtual nRF5340 DK".to_owned(),
                    identity: None,
                }],
            },
            firmware: vec![firmware("demo"), firmware("demo-external")],
            planned: ["good", "bad", "no-power", "late"]
                .map(str::to_owned)
                .to_vec(),
        }),
        end(
            "no-power",
            None,
            Outcome::skip(SkipKind::Needs, "needs a power switch"),
        ),
        scenario("good"),
        step("good", 1, "program"),
        console("*** Booting ***"),
        step_end("good", 1, Outcome::Pass, vec![Evidence::seen("files", "2")]),
        end("good", Some("dk1"), Outcome::Pass),
        scenario("bad"),
        step("bad", 1, "expect_boot"),
        console("Swap type: none"),
        EventKind::Retry {
            board: "dk1".to_owned(),
            what: "read image state".to_owned(),
            attempt: 2,
            limit: 3,
            cause: "no answer in 1 s".to_owned(),
        },
        step_end(
            "bad",
            1,
            wrong(),
            vec![Evidence::compared("version", "1.0.0", "2.0.0")],
        ),
        end("bad", Some("dk1"), wrong()),
        scenario("late"),
        EventKind::Note {
            board: Some("dk1".to_owned()),
            text: "the clock of the board is slow".to_owned(),
        },
        end("late", Some("dk1"), Outcome::Pass),
        EventKind::RunFinished { stopped: false },
    ];
    (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: seq * 100,
            kind,
        })
        .collect()
}

#[test]
fn result_json_of_a_whole_run() {
    let record = RunRecord::from_events(&sample()).unwrap();
    let json = serde_json::to_string_pretty(&record).unwrap();
    insta::assert_snapshot!(json);
    assert_eq!(serde_json::from_str::<RunRecord>(&json).unwrap(), record);
}

/// As journals and results were before a run could have several firmware sets.
fn as_of_format_1(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(first) = json["firmware"].as_array().and_then(|sets| sets.first()) {
        json["firmware"] = first.clone();
    }
    if json["type"] == "scenario-started" {
        json.as_object_mut()
            .expect("it is an object")
            .remove("firmware");
    }
    json
}

#[test]
fn an_older_journal_is_read_and_its_scenarios_ran_with_its_only_set() {
    let events: Vec<Event> = sample()
        .iter()
        .map(|event| as_of_format_1(serde_json::to_value(event).unwrap()))
        .map(|json| serde_json::from_value(json).unwrap())
        .collect();
    let record = RunRecord::from_events(&events).unwrap();
    assert_eq!(record.firmware, [firmware("demo")]);
    for scenario in &record.scenarios {
        let expected = scenario.started_ms.map(|_| firmware("demo"));
        assert_eq!(scenario.firmware, expected, "{}", scenario.name);
    }
}

#[test]
fn an_older_result_is_read() {
    let record = RunRecord::from_events(&sample()).unwrap();
    let json = as_of_format_1(serde_json::to_value(&record).unwrap());
    let read: RunRecord = serde_json::from_value(json).unwrap();
    assert_eq!(read.firmware, [firmware("demo")]);
}

#[test]
fn a_run_that_was_killed_after_any_event_never_passes_what_had_not_ended() {
    let events = sample();
    let whole = RunRecord::from_events(&events).unwrap();
    for length in 1..events.len() {
        let record = RunRecord::from_events(&events[..length]).unwrap();
        assert_eq!(record.ending, Ending::Killed, "after {length} events");
        assert_eq!(
            record.totals.all(),
            whole.totals.all(),
            "after {length} events"
        );
        for scenario in &record.scenarios {
            let ended = events[..length].iter().any(|event| {
                matches!(&event.kind, EventKind::ScenarioFinished { scenario: name, .. } if *name == scenario.name)
            });
            if !ended {
                assert_ne!(
                    scenario.outcome.verdict(),
                    Verdict::Pass,
                    "{} after {length} events",
                    scenario.name
                );
            }
        }
    }
}

#[test]
fn a_killed_run_says_at_which_step() {
    let events = sample();
    let record = RunRecord::from_events(&events[..10]).unwrap();
    let causes: Vec<_> = record
        .scenarios
        .iter()
        .map(|scenario| {
            let cause = scenario.outcome.cause().unwrap_or("-");
            format!("{}: {} {cause}", scenario.name, scenario.outcome.verdict())
        })
        .collect();
    insta::assert_snapshot!(causes.join("\n"), @r"
    no-power: skip needs a power switch
    good: pass -
    bad: error the run was killed during step 1 `expect_boot`
    late: skip the run was killed before its turn
    ");
    let bad = &record.scenarios[2];
    assert_eq!(
        bad.console.len(),
        1,
        "the console of what was running is kept"
    );
    assert!(matches!(
        bad.steps[0].outcome,
        Outcome::Error {
            kind: ErrorKind::Interrupted,
            ..
        }
    ));
}

#[test]
fn a_run_that_was_stopped_skips_what_had_no_turn() {
    let mut events = sample();
    events.truncate(13);
    events.push(Event {
        seq: 13,
        at: 1300,
        kind: EventKind::RunFinished { stopped: true },
    });
    let record = RunRecord::from_events(&events).unwrap();
    assert_eq!(record.ending, Ending::Stopped);
    let late = record.scenarios.last().unwrap();
    assert_eq!(
        late.outcome,
        Outcome::skip(SkipKind::NotReached, "the run ended before its turn")
    );
}

#[test]
fn events_without_a_start_are_no_run() {
    assert_eq!(
        RunRecord::from_events(&sample()[1..]),
        Err(RecordError::NoStart)
    );
    assert_eq!(RunRecord::from_events(&[]), Err(RecordError::NoStart));
}

#[test]
fn nothing_that_ran_is_not_a_pass() {
    let events = &sample()[..2];
    let record = RunRecord::from_events(events).unwrap();
    assert_eq!(record.totals.verdict(), Verdict::Skip);
}
