//! What of a run goes into the history.

use hil_history::RunEntry;
use hil_record::{Event, RunRecord, Verdict};

/// A run of the report's tests: two boards, every verdict.
fn hostile() -> Vec<Event> {
    include_str!("../../report/tests/data/hostile.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("the test makes it so"))
        .collect()
}

#[test]
fn every_result_and_every_finished_upload_of_a_run_is_kept() {
    let events = hostile();
    let record = RunRecord::from_events(&events).unwrap();
    let entry = RunEntry::of(&record, &events, "reports/runs/one");
    assert_eq!(entry.run, record.run);
    assert_eq!(entry.results.len(), record.scenarios.len());
    assert!(entry.results.iter().all(|one| one.last && one.attempt == 1));
    let skipped: Vec<_> = entry
        .results
        .iter()
        .filter(|one| one.verdict == Verdict::Skip)
        .collect();
    assert!(skipped.iter().all(|one| one.board.is_none()));
    let upload = &entry.uploads[0];
    assert_eq!(
        (upload.image.as_str(), upload.duration_ms),
        ("update.app", 320)
    );
    assert!(upload.bytes > 0);
    let without = RunEntry::of(&record, [], "reports/runs/one");
    assert!(without.uploads.is_empty());
}
