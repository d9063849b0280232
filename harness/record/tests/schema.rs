//! The published schema is that of the types, and describes what is written.

use hil_record::{Event, RunRecord};
use serde_json::Value;
use std::path::PathBuf;

fn published() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reports/schema/result.schema.json")
}

/// With `DFU_HIL_WRITE_SCHEMA` set it writes the file instead.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let mut text = serde_json::to_string_pretty(&RunRecord::schema()).unwrap();
    text.push('\n');
    if std::env::var_os("DFU_HIL_WRITE_SCHEMA").is_some() {
        std::fs::write(published(), &text).unwrap();
    }
    let there = std::fs::read_to_string(published()).unwrap_or_default();
    assert_eq!(
        there, text,
        "reports/schema/result.schema.json is out of date: run this test with DFU_HIL_WRITE_SCHEMA=1"
    );
}

/// The record of a run with a pass, a failure, trouble of the bench, a skip and something that never began.
fn record() -> Value {
    let events: Vec<Event> = include_str!("data/every-verdict.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("the line is an event"))
        .collect();
    let record = RunRecord::from_events(&events).expect("the events are those of a run");
    serde_json::to_value(record).expect("a record is JSON")
}

#[test]
fn a_record_with_every_verdict_is_valid() {
    let validator = jsonschema::validator_for(&RunRecord::schema()).unwrap();
    let record = record();
    let verdicts: Vec<_> = record["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scenario| scenario["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["pass", "fail", "error", "skip", "skip"]);
    let mistakes: Vec<_> = validator
        .iter_errors(&record)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(mistakes, Vec::<String>::new());
}

#[rstest::rstest]
#[case::no_verdict("/scenarios/0/verdict", Value::Null)]
#[case::kind_of_another_verdict("/scenarios/1/kind", "port".into())]
#[case::date("/started", "yesterday".into())]
#[case::negative("/totals/pass", (-1).into())]
#[case::ending("/ending", "well".into())]
fn a_damaged_record_is_not_valid(#[case] pointer: &str, #[case] value: Value) {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&RunRecord::schema())
        .unwrap();
    let mut record = record();
    assert!(validator.is_valid(&record));
    *record.pointer_mut(pointer).unwrap() = value;
    assert!(!validator.is_valid(&record));
}
