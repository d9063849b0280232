//! Nights on the virtual rig. How much a night does is bounded by counts of points and by what the history says of scenarios,
//! never by how long anything takes here.

mod support;

use hil_history::{History, ResultEntry, RunEntry};
use hil_record::{
    Ending, ErrorKind, EventKind, Outcome, RunDirectory, RunRecord, SkipKind, SweepPoint, Verdict,
    read_journal, slice_of,
};
use jiff::{Span, Timestamp};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use support::broken::{Board, sound_board};
use support::{Desk, Ended, wait_for_line};
use virtual_dk::{Endpoints, Speed, VirtualDkOptions};

const ONE_BOARD: &str = "rig: test\nboards: [{ name: dk, virtual: { speed: 100 } }]\n";

const SWEEP: &str = "\
scenario: swap
summary: A swap is finished wherever it is interrupted.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 60s }
  - upload: { image: update.app }
  - mark: { image: update.app, as: test }
  - sweep: { cuts: { sample: 2 }, boots: [update] }
";

fn boots(name: &str) -> String {
    format!(
        "scenario: {name}\nsummary: Boots.\nsteps:\n  - program: baseline\n  - expect_boot: {{ app: baseline, within: 60s }}\n"
    )
}

/// A desk with these scenarios.
fn desk(rig: &str, scenarios: &[(&str, &str)]) -> Desk {
    let desk = Desk::empty();
    desk.write("rig.yaml", rig);
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    for (name, text) in scenarios {
        desk.write(&format!("mine/{name}.yaml"), text);
    }
    desk
}

const NIGHT: [&str; 6] = ["nightly", "mine", "--rig", "rig.yaml", "--budget", "6h"];

fn night(desk: &Desk, more: &[&str]) -> Ended {
    desk.run(&[&NIGHT[..], more].concat())
}

/// The points that a run visited.
fn points(run: &Path) -> impl Iterator<Item = SweepPoint> {
    let journal = read_journal(&RunDirectory::at(run).journal()).expect("the run left a journal");
    let events = journal.events.into_iter();
    events.filter_map(|event| match event.kind {
        EventKind::SweepPoint(point) => Some(point),
        _ => None,
    })
}

/// Those of its slices.
fn sliced(run: &Path) -> Vec<String> {
    let of_slices = points(run).filter(|point| slice_of(&point.scenario).is_some());
    of_slices.map(|point| point.cut).collect()
}

/// Has a run begun some days earlier than it did, also in the history.
fn days_earlier(desk: &Desk, run: &Path, days: i64) {
    let journal = RunDirectory::at(run).journal();
    let text = fs::read_to_string(&journal).expect("the run left a journal");
    let (before, rest) = text.split_once("\"started\":\"").expect("it began");
    let (started, after) = rest.split_once('"').expect("it is text");
    let started: Timestamp = started.parse().expect("it is a time");
    let earlier = started - Span::new().hours(24 * days);
    fs::write(
        &journal,
        format!("{before}\"started\":\"{earlier}\"{after}"),
    )
    .expect("it is ours");
    let added = desk.run(&["history", "add", &run.to_string_lossy()]);
    assert_eq!(added.code, Some(0), "{}", added.all());
}

#[test]
fn two_nights_test_other_points_and_a_third_tells_what_is_left() {
    let desk = desk(ONE_BOARD, &[("swap", SWEEP)]);
    let few = ["--sweep-points", "3"];
    for number in 1..=2 {
        let ended = night(&desk, &few);
        assert_eq!(ended.code, Some(0), "night {number}: {}", ended.all());
    }
    let nights: Vec<Vec<String>> = desk.runs().iter().map(|run| sliced(run)).collect();
    let all: BTreeSet<&String> = nights.iter().flatten().collect();
    assert_eq!(all.len(), 6, "three new points in each: {nights:?}");
    for (run, days) in desk.runs().iter().zip([3, 1]) {
        days_earlier(&desk, run, days);
    }

    let third = night(&desk, &["--sweep-points", "0"]);
    assert_eq!(third.code, Some(0), "{}", third.all());
    // The library's own two are the same in each night.
    assert!(
        third
            .stdout
            .contains("swap  8 of 188 points tested, oldest 3 nights ago\n"),
        "{}",
        third.all()
    );
    let page = fs::read_to_string(RunDirectory::at(&desk.runs()[2]).html()).expect("it is there");
    assert!(page.contains("8 of 188 points tested, oldest 3 nights ago"));
    let last = desk.runs().pop().expect("there is one");
    let replayed = desk.run(&["replay", &last.to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());
}

#[test]
fn what_a_killed_night_visited_is_known_to_the_next() {
    let desk = desk(ONE_BOARD, &[("swap", SWEEP)]);
    let mut child = desk
        .command(&NIGHT)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(wait_for_line(&mut child, "swap#slice-1 begins on dk"));
    child.kill().expect("it runs");
    child.wait().expect("it has ended");

    let killed = RunDirectory::at(&desk.runs()[0]).id().to_owned();
    let next = night(&desk, &["--sweep-points", "1"]);
    assert_eq!(next.code, Some(0), "{}", next.all());
    assert!(
        next.stderr.contains(&format!(
            "run `{killed}` was not in the history, and is now"
        )),
        "{}",
        next.all()
    );
    let record = record(&desk.runs()[1]);
    let coverage = &record.night.expect("it was a night").coverage[0];
    assert_eq!((coverage.tested, coverage.new), (3, 1), "{coverage:?}");
}

/// The record of a run that has ended.
fn record(run: &Path) -> RunRecord {
    let record = fs::read_to_string(RunDirectory::at(run).result()).expect("it ended");
    serde_json::from_str(&record).expect("it is a record")
}

#[test]
fn a_slice_ends_where_its_board_is_worn_and_its_other_points_are_left_to_the_next_night() {
    let rig = |budget: u32| {
        ONE_BOARD.replace(
            "boards",
            &format!("wear: {{ ledger: wear, budget: {budget} }}\nboards"),
        )
    };
    // The library's part is 11 erases of the page that is erased most, a slice 3 and 4 for each of its points.
    let desk = desk(&rig(20), &[("swap", SWEEP)]);
    let worn = night(&desk, &["--sweep-points", "40"]);
    assert_eq!(worn.code, Some(3), "{}", worn.all());
    let first = record(&desk.runs()[0]);
    let outcomes: Vec<(&str, Option<ErrorKind>)> = first
        .scenarios
        .iter()
        .map(|one| match &one.outcome {
            Outcome::Error { kind, .. } => (one.name.as_str(), Some(*kind)),
            _ => (one.name.as_str(), None),
        })
        .collect();
    assert_eq!(
        outcomes,
        [("swap", None), ("swap#slice-1", Some(ErrorKind::Worn))],
        "it is not tried again, and no other begins"
    );
    let told =
        |note: &String| note.contains("it gets no slices any more: flash of board `dk` is worn");
    assert!(first.notes.iter().any(told), "{:?}", first.notes);
    let visited = sliced(&desk.runs()[0]);
    assert!((1..8).contains(&visited.len()), "{visited:?}");
    let coverage = &first.night.expect("it was a night").coverage[0];
    assert_eq!(coverage.tested, 2 + visited.len() as u64, "{coverage:?}");

    desk.write("rig.yaml", &rig(1000));
    let next = night(&desk, &["--sweep-points", "3"]);
    assert_eq!(next.code, Some(0), "{}", next.all());
    let after = sliced(&desk.runs()[1]);
    let all: BTreeSet<&String> = visited.iter().chain(&after).collect();
    assert_eq!(
        all.len(),
        visited.len() + 3,
        "new points: {visited:?}, {after:?}"
    );
}

#[test]
fn hosts_that_share_a_night_visit_other_points_and_make_one_run() {
    let desk = desk(ONE_BOARD, &[("other", &boots("other")), ("swap", SWEEP)]);
    let parts = ["1/2", "2/2"].map(|part| {
        // Each host has reports, and so a history, of its own.
        let reports = format!("part-{}", &part[..1]);
        let ended = night(
            &desk,
            &[
                "--sweep-points",
                "3",
                "--shard",
                part,
                "--reports",
                &reports,
            ],
        );
        assert_eq!(ended.code, Some(0), "{part}: {}", ended.all());
        let runs: Vec<_> = fs::read_dir(desk.path(&reports).join("runs"))
            .expect("it left a run")
            .map(|entry| entry.expect("it can be read").path())
            .collect();
        let [run] = runs.as_slice() else {
            panic!("one run for each part: {runs:?}");
        };
        run.clone()
    });
    let of_slices = parts.each_ref().map(|run| sliced(run));
    let all: BTreeSet<&String> = of_slices.iter().flatten().collect();
    assert_eq!(all.len(), 6, "three of each host's own: {of_slices:?}");

    let [one, two] = parts.each_ref().map(|run| run.to_string_lossy());
    let merged = desk.run(&["merge", &one, &two]);
    assert_eq!(merged.code, Some(0), "{}", merged.all());
    let whole = record(&desk.runs()[0]);
    let mut names: Vec<&str> = whole
        .scenarios
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["other", "swap", "swap#slice-1", "swap#slice-2"]);
    let night = whole.night.expect("it was a night");
    let [coverage] = night.coverage.as_slice() else {
        panic!("one sweep: {night:?}");
    };
    let visited: BTreeSet<String> = parts
        .iter()
        .flat_map(|run| points(run).map(|point| point.cut))
        .collect();
    assert_eq!(
        (coverage.points, coverage.tested, coverage.tonight),
        (188, visited.len() as u64, 8),
        "{coverage:?} of {visited:?}"
    );
}

/// A run of the rig of these tests that the history has.
fn known(day: i64, results: &[(&str, Verdict, u64)]) -> RunEntry {
    let entry = |(scenario, verdict, seconds): &(&str, Verdict, u64)| ResultEntry {
        scenario: (*scenario).to_owned(),
        board: Some("dk".to_owned()),
        verdict: *verdict,
        kind: None,
        cause: None,
        duration_ms: seconds * 1000,
        retries: 0,
        attempt: 1,
        last: true,
        flaky: false,
        basis: String::new(),
    };
    RunEntry {
        run: format!("day-{day}"),
        rig: "test".to_owned(),
        folder: String::new(),
        started_ms: day * 86_400_000,
        duration_ms: 60_000,
        ending: Ending::Complete,
        tool: "dfu-hil 0.1.0".to_owned(),
        firmware: Vec::new(),
        results: results.iter().map(entry).collect(),
        uploads: Vec::new(),
        sweeps: Vec::new(),
    }
}

#[test]
fn a_library_that_does_not_fit_has_what_failed_last_first_and_tells_what_was_left_out() {
    let names = ["daily", "huge", "old", "shaky"];
    let texts = names.map(boots);
    let scenarios: Vec<(&str, &str)> = names
        .into_iter()
        .zip(texts.iter().map(String::as_str))
        .collect();
    let desk = desk(ONE_BOARD, &scenarios);
    fs::create_dir(desk.path("reports")).expect("the folder is ours");
    let mut history = History::open(&desk.path("reports/history.db")).expect("it can be made");
    for entry in [
        known(
            1,
            &[("old", Verdict::Pass, 1), ("huge", Verdict::Pass, 36_000)],
        ),
        known(2, &[("shaky", Verdict::Pass, 1)]),
        known(
            3,
            &[("daily", Verdict::Pass, 1), ("shaky", Verdict::Fail, 1)],
        ),
    ] {
        history.add(&entry).expect("it can be written");
    }
    drop(history);

    let ended = night(&desk, &["--json"]);
    assert_eq!(
        ended.code,
        Some(3),
        "a part of it is no pass: {}",
        ended.all()
    );
    let record = ended.record();
    let mut ran: Vec<(u64, &str)> = record
        .scenarios
        .iter()
        .filter_map(|one| Some((one.started_ms?, one.name.as_str())))
        .collect();
    ran.sort_unstable();
    let order: Vec<&str> = ran.into_iter().map(|(_, name)| name).collect();
    assert_eq!(order, ["shaky", "old", "daily"]);
    let left_out = record.scenarios.iter().find(|one| one.name == "huge");
    let outcome = &left_out.expect("it is told").outcome;
    assert!(
        matches!(
            outcome,
            Outcome::Skip {
                kind: SkipKind::NotReached,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(
        outcome.cause(),
        Some("left out: the budget of 6 h would have been over before its end")
    );
    assert!(
        record.notes[0].contains("the library takes about 10 h, more than the budget of 6 h"),
        "{:?}",
        record.notes
    );
}

/// Two boards that somebody else runs, in one rig file.
fn rack() -> (Desk, [Board; 2]) {
    let boards = [(); 2].map(|()| {
        sound_board(VirtualDkOptions {
            speed: Speed::Factor(100.0),
            ..VirtualDkOptions::default()
        })
    });
    let mut rig = "rig: rack\nboards:\n".to_owned();
    for (board, name) in boards.iter().zip(["left", "right"]) {
        let Endpoints {
            probe, uart, power, ..
        } = board.endpoints();
        rig.push_str(&format!(
            "  - name: {name}\n    recover: allowed\n    probe: {{ selector: \"{probe}\" }}\n    uart:\n      app: {{ path: \"{}\" }}\n      \
             net: {{ path: \"{}\" }}\n    power: {{ scpi: {{ address: \"{power}\" }} }}\n",
            uart.app.display(),
            uart.net.display()
        ));
    }
    (
        desk(&rig, &[("one", &boots("one")), ("two", &boots("two"))]),
        boards,
    )
}

#[test]
fn a_board_that_somebody_else_has_is_told_and_the_night_goes_on_with_the_others() {
    let (desk, _boards) = rack();
    let mut hold = desk
        .command(&[
            "rig",
            "hold",
            "left",
            "--rig",
            "rig.yaml",
            "--reason",
            "soldering",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut said = BufReader::new(hold.stdout.take().expect("it is piped")).lines();
    said.next()
        .expect("it says that it has it")
        .expect("it is text");
    let ended = night(&desk, &["--json"]);
    let refused = desk.run(&["run", "mine", "--rig", "rig.yaml"]);
    hold.kill().expect("it runs");
    hold.wait().expect("it has ended");
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    assert_eq!(record.totals.pass, 2);
    let on: BTreeSet<_> = record
        .scenarios
        .iter()
        .filter_map(|one| one.board.as_deref())
        .collect();
    assert_eq!(on, ["right"].into());
    let [left] = record.health.as_slice() else {
        panic!("one board was away: {:?}", record.health);
    };
    assert!(
        left.words().contains("the run goes without it: ") && left.words().contains("soldering"),
        "{}",
        left.words()
    );
    assert_eq!(
        refused.code,
        Some(3),
        "who is no night wants all: {}",
        refused.all()
    );
}
