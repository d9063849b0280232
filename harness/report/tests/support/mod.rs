//! Runs that reports are made of.

use hil_history::{Filter, History, Overview, RunEntry};
use hil_record::{
    Again, BoardInfo, Course, ErrorKind, Event, EventKind, Outcome, RigInfo, RunRecord, RunStarted,
    ScenarioStarted, SweepPlan, SweepPoint, Tool,
};

/// A run with every verdict on two boards, in which everything that a board or a file can say tries to be more than text.
#[allow(dead_code, reason = "not all tests need it")]
pub(crate) fn hostile() -> Vec<Event> {
    include_str!("../data/hostile.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("the file holds events"))
        .collect()
}

/// A run of `count` scenarios: those of [`hostile`] that ran, again and again, each under a name of its own and with bytes and
/// lines of its own, so that packing them is no easier than packing real ones.
#[allow(dead_code, reason = "not all tests need a large run")]
pub(crate) fn large(count: usize) -> Vec<Event> {
    let run = hostile();
    let is_start = |event: &Event| matches!(event.kind, EventKind::ScenarioStarted(_));
    let first = run.iter().position(is_start).expect("a scenario runs");
    let last = run.len() - 2;
    let scenarios: Vec<&[Event]> = run[first..last]
        .chunk_by(|_, next| !is_start(next))
        .collect();
    let mut events = run[..first].to_vec();
    for number in 0..count {
        for event in scenarios[number % scenarios.len()] {
            let mut event = event.clone();
            event.at += 6000 * number as u64;
            rename(&mut event.kind, number);
            vary(&mut event.kind, number, event.seq);
            events.push(event);
        }
    }
    let mut end = run[last + 1].clone();
    end.at = 6000 * (count as u64 + 1);
    events.push(end);
    for (seq, event) in (0..).zip(&mut events) {
        event.seq = seq;
    }
    if let EventKind::RunStarted(start) = &mut events[0].kind {
        start.planned.clear();
    }
    events
}

fn rename(kind: &mut EventKind, number: usize) {
    let name = match kind {
        EventKind::ScenarioStarted(started) => &mut started.scenario,
        EventKind::ScenarioFinished { scenario, .. }
        | EventKind::StepStarted { scenario, .. }
        | EventKind::StepFinished { scenario, .. } => scenario,
        EventKind::Flash(snapshot) => &mut snapshot.scenario,
        _ => return,
    };
    *name = format!("{name}#{number}");
}

/// Other bytes and lines for each scenario, the same every time.
fn vary(kind: &mut EventKind, number: usize, seq: u64) {
    let seed = format!("{number} {seq}");
    match kind {
        EventKind::Console { text, .. } => {
            text.push(' ');
            text.push_str(&digits(&seed)[..16]);
        }
        EventKind::Smp(packet) => packet.hex.push_str(&digits(&seed)),
        EventKind::Flash(snapshot) => {
            let pages = snapshot
                .memories
                .iter_mut()
                .flat_map(|memory| &mut memory.changed);
            for page in pages {
                let seed = format!("{seed} {}", page.address);
                page.found = page.found.as_ref().map(|_| digits(&seed));
            }
        }
        _ => {}
    }
}

/// 64 hex digits that look random.
fn digits(seed: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(seed)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The record of a run.
#[allow(dead_code, reason = "not all tests need it")]
pub(crate) fn record(events: &[Event]) -> RunRecord {
    RunRecord::from_events(events).expect("the events are those of a run")
}

#[allow(dead_code, reason = "not all tests need it")]
fn no_probe() -> Outcome {
    Outcome::error(ErrorKind::Probe, "probe `0501` <silent>").with_help("is it in?")
}

/// A run in which `passes` passes on its second board, and `never` on none.
#[allow(dead_code, reason = "not all tests need it")]
pub(crate) fn tried_again() -> Vec<Event> {
    let board = |name: &str| BoardInfo {
        name: name.to_owned(),
        description: "virtual nRF5340 DK".to_owned(),
        identity: None,
    };
    let mut kinds = vec![EventKind::RunStarted(RunStarted {
        run: "20260802T101530Z-01".to_owned(),
        started: "2026-08-02T10:15:30Z"
            .parse()
            .expect("the test makes it so"),
        tool: Tool {
            name: "dfu-hil".to_owned(),
            version: "0.1.0".to_owned(),
            commit: None,
        },
        rig: RigInfo {
            name: "rack".to_owned(),
            boards: vec![board("dk1"), board("dk2")],
        },
        firmware: Vec::new(),
        planned: vec!["passes".to_owned(), "never".to_owned()],
    })];
    for (scenario, last) in [("passes", Outcome::Pass), ("never", no_probe())] {
        for (board, outcome) in [("dk1", no_probe()), ("dk2", last)] {
            kinds.push(EventKind::ScenarioStarted(ScenarioStarted {
                scenario: scenario.to_owned(),
                summary: String::new(),
                file: format!("{scenario}.yaml"),
                requirements: Vec::new(),
                known_issue: None,
                board: board.to_owned(),
                firmware: None,
            }));
            kinds.push(EventKind::Note {
                board: Some(board.to_owned()),
                text: format!("{scenario} is on {board}"),
            });
            kinds.push(EventKind::ScenarioFinished {
                scenario: scenario.to_owned(),
                board: Some(board.to_owned()),
                outcome,
            });
            if board == "dk1" {
                kinds.push(EventKind::Course(Course::Again(Again {
                    scenario: scenario.to_owned(),
                    board: board.to_owned(),
                    attempt: 2,
                    limit: 2,
                })));
            }
        }
    }
    kinds.push(EventKind::RunFinished { stopped: false });
    (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: seq * 100,
            kind,
        })
        .collect()
}

/// A history of two runs, the second of which is the first on another day.
#[allow(dead_code, reason = "not all tests need it")]
pub(crate) fn overview() -> Overview {
    let folder = tempfile::tempdir().expect("the test makes it so");
    let mut history =
        History::open(&folder.path().join("history.db")).expect("the test makes it so");
    let events = hostile();
    let mut first = RunEntry::of(&record(&events), &events, "/bench/reports/runs/one");
    history.add(&first).expect("the test makes it so");
    first.run = "20260803T101530Z-01".to_owned();
    first.folder = "/elsewhere/two".to_owned();
    first.started_ms += 86_400_000;
    for result in &mut first.results {
        result.flaky = result.scenario == "good[uart]";
    }
    history.add(&first).expect("the test makes it so");
    history
        .overview(&Filter::default())
        .expect("the test makes it so")
}

/// [`tried_again`] with a sweep of 2,000 points in the attempt that passed.
#[allow(dead_code, reason = "not all tests need it")]
pub(crate) fn swept() -> Vec<Event> {
    const POINTS: u32 = 2000;
    let mut kinds: Vec<EventKind> = tried_again().into_iter().map(|event| event.kind).collect();
    let place = kinds.iter().rposition(
        |kind| matches!(kind, EventKind::ScenarioStarted(started) if started.scenario == "passes"),
    );
    let place = place.expect("it is run") + 1;
    let text = |text: &str| text.to_owned();
    let mut sweep = vec![EventKind::SweepPlanned(SweepPlan {
        scenario: text("passes"),
        board: text("dk2"),
        method: text("by flash operation"),
        operations: [(text("app-erase"), 80), (text("app-write"), POINTS - 80)].into(),
        digest: "ab".repeat(32),
        seen: true,
        strategy: text("every"),
        seed: 1,
        points: Some(POINTS),
        all: None,
        visited_before: 0,
    })];
    for index in 0..POINTS {
        let class = if index % 25 == 12 {
            "app-erase"
        } else {
            "app-write"
        };
        let mut cut = format!("boot.{class}.{index}.before");
        if index == 900 {
            cut.push_str("+boot.app-write.3.after");
        }
        let bad = index == 37 || index == 900;
        sweep.push(EventKind::SweepPoint(SweepPoint {
            scenario: text("passes"),
            board: text("dk2"),
            cut,
            came_to: text("boots update"),
            problem: bad.then(|| text("nothing boots any more")),
            took_ms: 3,
        }));
    }
    kinds.splice(place..place, sweep);
    (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event { seq, at: seq, kind })
        .collect()
}
