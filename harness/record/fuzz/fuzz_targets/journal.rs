//! Any bytes as a journal: no panic, a record of what can be read, and what was read is written and read again.
#![no_main]

use hil_record::{RunRecord, parse_journal};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(contents) = parse_journal(Path::new("journal.jsonl"), bytes) else {
        return;
    };
    let mut again = b"{\"journal\":1}\n".to_vec();
    for event in &contents.events {
        again.extend(serde_json::to_vec(event).expect("an event can be written"));
        again.push(b'\n');
    }
    let read = parse_journal(Path::new("journal.jsonl"), &again).expect("what was written can be read");
    assert_eq!(read.events, contents.events);
    if let Ok(record) = RunRecord::from_events(&contents.events) {
        assert!(record.totals.all() as usize == record.scenarios.len());
    }
});
