//! What a history says after runs were added to it, and what it does with a file that is none.

use hil_history::{Filter, History, HistoryError, ResultEntry, RunEntry, UploadEntry};
use hil_record::{Ending, FirmwareInfo, Verdict};
use rstest::rstest;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Duration;

/// A folder for a history.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("the test makes it so");
    let path = folder.path().join("history.db");
    (folder, path)
}

fn result(scenario: &str, board: &str, verdict: Verdict, duration_ms: u64) -> ResultEntry {
    ResultEntry {
        scenario: scenario.to_owned(),
        board: Some(board.to_owned()),
        verdict,
        kind: None,
        cause: None,
        duration_ms,
        retries: 0,
        attempt: 1,
        last: true,
        flaky: false,
        basis: "firmware file tool".to_owned(),
    }
}

/// A run of a day in August.
fn run(day: u32, results: Vec<ResultEntry>) -> RunEntry {
    RunEntry {
        run: format!("202608{day:02}T020000Z-01"),
        rig: "rack".to_owned(),
        folder: format!("reports/runs/202608{day:02}T020000Z-01"),
        started_ms: 1_785_000_000_000 + i64::from(day) * 86_400_000,
        duration_ms: 60_000,
        ending: Ending::Complete,
        tool: "dfu-hil 0.1.0".to_owned(),
        firmware: vec![FirmwareInfo {
            name: "demo".to_owned(),
            digest: "ab".repeat(32),
        }],
        results,
        uploads: Vec::new(),
        sweeps: Vec::new(),
    }
}

#[test]
fn a_run_that_is_added_twice_is_there_once_with_its_latest_contents() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history
        .add(&run(1, vec![result("update", "dk1", Verdict::Error, 10)]))
        .unwrap();
    history
        .add(&run(1, vec![result("update", "dk1", Verdict::Pass, 20)]))
        .unwrap();
    let seen = history.overview(&Filter::default()).unwrap();
    assert_eq!(seen.runs.len(), 1);
    assert_eq!(
        (seen.runs[0].totals.pass, seen.runs[0].totals.error),
        (1, 0)
    );
    assert_eq!(seen.scenarios[0].durations(), [20]);
}

#[test]
fn what_was_added_is_there_for_the_next_program() {
    let (_folder, path) = place();
    let entry = run(1, vec![result("update", "dk1", Verdict::Pass, 20)]);
    History::open(&path).unwrap().add(&entry).unwrap();
    let seen = History::read(&path).unwrap();
    let seen = seen.overview(&Filter::default()).unwrap();
    assert_eq!(seen.runs[0].run, entry.run);
    assert_eq!(seen.runs[0].ending, Ending::Complete);
    assert_eq!(seen.runs[0].firmware, entry.firmware);
}

#[rstest]
#[case::by_board("update", "rack", Some("dk2"), Some(320))]
#[case::of_the_rig_for_a_new_board("update", "rack", Some("dk9"), Some(100))]
#[case::of_all_for_a_new_rig("update", "desk", Some("dk"), Some(100))]
#[case::never_passed("revert", "rack", Some("dk1"), None)]
#[case::unknown("new", "rack", None, None)]
fn the_expected_duration_is_the_middle_of_the_nearest_passes(
    #[case] scenario: &str,
    #[case] rig: &str,
    #[case] board: Option<&str>,
    #[case] expected: Option<u64>,
) {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    for (day, slow) in [(1, 300), (2, 320), (3, 340)] {
        history
            .add(&run(
                day,
                vec![
                    result("update", "dk1", Verdict::Pass, 100),
                    result("update", "dk2", Verdict::Pass, slow),
                    // How long a failure takes says nothing.
                    result("revert", "dk1", Verdict::Fail, 5),
                ],
            ))
            .unwrap();
    }
    let found = history.expected_duration(scenario, rig, board).unwrap();
    assert_eq!(found, expected.map(Duration::from_millis));
}

#[test]
fn other_verdicts_from_the_same_things_make_a_scenario_flaky_and_the_board_that_was_alone() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history
        .add(&run(
            1,
            vec![
                result("update", "dk1", Verdict::Pass, 10),
                result("revert", "dk1", Verdict::Pass, 10),
            ],
        ))
        .unwrap();
    history
        .add(&run(
            2,
            vec![
                result("update", "dk2", Verdict::Fail, 10),
                result("revert", "dk1", Verdict::Pass, 10),
            ],
        ))
        .unwrap();
    let seen = history.overview(&Filter::default()).unwrap();
    let flaky: Vec<_> = seen
        .scenarios
        .iter()
        .filter(|one| one.is_flaky())
        .map(|one| (one.name.as_str(), one.flips))
        .collect();
    assert_eq!(flaky, [("update", 1)]);
    assert_eq!(
        seen.scenarios[1].last_good.as_deref(),
        Some("20260801T020000Z-01"),
        "the last good run of what failed last"
    );
    let boards: Vec<_> = seen
        .boards
        .iter()
        .map(|one| (one.board.as_str(), one.attempts, one.alone))
        .collect();
    assert_eq!(boards, [("dk1", 3, 0), ("dk2", 1, 1)]);
}

#[test]
fn a_repair_with_other_firmware_is_not_flaky() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    for (day, verdict) in [(1, Verdict::Fail), (2, Verdict::Pass)] {
        let mut one = result("update", "dk1", verdict, 10);
        one.basis = format!("firmware-{day} file tool");
        history.add(&run(day, vec![one])).unwrap();
    }
    let seen = history.overview(&Filter::default()).unwrap();
    assert!(!seen.scenarios[0].is_flaky());
}

#[test]
fn a_pass_on_retry_is_flaky_and_its_first_attempt_counts_for_the_board_that_it_was_on() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let mut first = result("update", "dk1", Verdict::Error, 10);
    first.last = false;
    let mut second = result("update", "dk2", Verdict::Pass, 10);
    (second.attempt, second.flaky) = (2, true);
    history.add(&run(1, vec![first, second])).unwrap();
    let seen = history.overview(&Filter::default()).unwrap();
    assert_eq!(
        (seen.runs[0].totals.all(), seen.runs[0].totals.flaky),
        (1, 1)
    );
    assert_eq!(seen.scenarios[0].passed_on_retry, 1);
    let boards: Vec<_> = seen
        .boards
        .iter()
        .map(|one| (one.board.as_str(), one.errors, one.is_flaky()))
        .collect();
    assert_eq!(boards, [("dk1", 1, true), ("dk2", 0, false)]);
}

#[rstest]
#[case::scenario(Filter { scenario: Some("upd".to_owned()), ..Filter::default() }, &["update"], 2)]
#[case::board(Filter { board: Some("rack/dk2".to_owned()), ..Filter::default() }, &["revert"], 1)]
#[case::board_by_name(Filter { board: Some("dk2".to_owned()), ..Filter::default() }, &["revert"], 1)]
#[case::last(Filter { runs: 1, ..Filter::default() }, &["update"], 1)]
#[case::nothing(Filter { scenario: Some("none".to_owned()), ..Filter::default() }, &[], 0)]
fn a_filter_lets_through_what_it_names(
    #[case] filter: Filter,
    #[case] scenarios: &[&str],
    #[case] runs: usize,
) {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let first = vec![
        result("update", "dk1", Verdict::Pass, 10),
        result("revert", "dk2", Verdict::Pass, 10),
    ];
    history.add(&run(1, first)).unwrap();
    history
        .add(&run(2, vec![result("update", "dk1", Verdict::Pass, 10)]))
        .unwrap();
    let seen = history.overview(&filter).unwrap();
    let names: Vec<_> = seen.scenarios.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, scenarios);
    assert_eq!(seen.runs.len(), runs);
}

#[test]
fn throughput_is_over_all_uploads_of_a_result() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let mut entry = run(1, vec![result("update", "dk1", Verdict::Pass, 10)]);
    let upload = |bytes, duration_ms| UploadEntry {
        scenario: "update".to_owned(),
        board: "dk1".to_owned(),
        image: "update.app".to_owned(),
        bytes,
        duration_ms,
    };
    entry.uploads = vec![upload(60_000, 1000), upload(20_000, 1000)];
    history.add(&entry).unwrap();
    let seen = history.overview(&Filter::default()).unwrap();
    assert_eq!(seen.scenarios[0].throughputs(), [40_000]);
}

/// Each has a connection of its own, as separate programs have; the file is new for all of them.
#[test]
fn runs_that_are_added_at_once_are_all_there() {
    const WRITERS: u32 = 4;
    const RUNS: u32 = 20;
    let (_folder, path) = place();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let path = &path;
            scope.spawn(move || {
                for number in 0..RUNS {
                    let mut entry = run(1, vec![result("update", "dk1", Verdict::Pass, 10)]);
                    entry.run = format!("{writer}-{number}");
                    History::open(path).unwrap().add(&entry).unwrap();
                }
            });
        }
    });
    let all = Filter {
        runs: 1000,
        ..Filter::default()
    };
    let seen = History::read(&path).unwrap().overview(&all).unwrap();
    assert_eq!(seen.runs.len(), (WRITERS * RUNS) as usize);
    assert_eq!(seen.scenarios[0].seen.len(), (WRITERS * RUNS) as usize);
}

/// One that looks while another makes the tables sees a history or an empty file, never a foreign one in between.
#[test]
fn a_new_file_that_several_open_at_once_is_a_history_for_all_of_them() {
    const OPENERS: usize = 4;
    const FILES: usize = 100;
    let (folder, _path) = place();
    let together = Barrier::new(OPENERS);
    let open_all = || -> Vec<_> {
        let opened = (0..FILES).map(|file| {
            together.wait();
            History::open(&folder.path().join(format!("{file}.db"))).map(drop)
        });
        opened.filter_map(Result::err).collect()
    };
    // Looked at after all have ended: a panic in one would leave the others waiting.
    let refusals = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS).map(|_| scope.spawn(open_all)).collect();
        let ended = openers.into_iter().map(|opener| opener.join().unwrap());
        ended.flatten().collect::<Vec<_>>()
    });
    assert!(refusals.is_empty(), "{refusals:?}");
}

/// What is in the place of a history, and what is said of it.
#[rstest]
#[case::no_database("hello, this is no database at all", "is damaged")]
#[case::html("<!DOCTYPE html>", "is damaged")]
fn a_file_that_is_no_history_is_refused_and_left_alone(#[case] text: &str, #[case] said: &str) {
    let (_folder, path) = place();
    std::fs::write(&path, text.repeat(100)).unwrap();
    let error = History::open(&path).unwrap_err();
    assert!(error.to_string().ends_with(said), "{error}");
    assert!(!error.help().is_empty());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text.repeat(100));
}

#[test]
fn a_damaged_page_is_told_and_no_panic() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    for day in 1..20 {
        let results = (0..50).map(|number| result(&format!("s{number}"), "dk1", Verdict::Pass, 10));
        history.add(&run(day, results.collect())).unwrap();
    }
    drop(history);
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0xA5;
    }
    std::fs::write(&path, bytes).unwrap();
    let read = History::read(&path).and_then(|history| history.overview(&Filter::default()));
    assert!(
        matches!(read, Err(HistoryError::Damaged { .. })),
        "{read:?}"
    );
}

#[test]
fn a_history_of_a_later_version_is_left_alone() {
    let (_folder, path) = place();
    drop(History::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let error = History::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Newer {
                found: 99,
                known: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let (_folder, path) = place();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    drop(db);
    let error = History::open(&path).unwrap_err();
    assert!(matches!(error, HistoryError::Foreign { .. }), "{error}");
}

#[test]
fn reading_a_history_that_is_not_there_makes_none() {
    let (_folder, path) = place();
    let error = History::read(&path).unwrap_err();
    assert!(matches!(error, HistoryError::Missing { .. }), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_history_of_the_version_before_has_its_runs_and_takes_sweeps() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history
        .add(&run(1, vec![result("update", "dk1", Verdict::Pass, 20)]))
        .unwrap();
    drop(history);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("DROP TABLE visits; DROP TABLE sweeps; PRAGMA user_version = 1")
        .unwrap();
    drop(db);
    let mut history = History::open(&path).unwrap();
    let seen = history.overview(&Filter::default()).unwrap();
    assert_eq!(seen.runs.len(), 1);
    history.add(&run(2, Vec::new())).unwrap();
}
