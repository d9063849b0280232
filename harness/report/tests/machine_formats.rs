//! CTRF and Markdown of a run in which everything is hostile.

mod support;

use hil_record::{Journal, RunDirectory, read_journal};
use hil_report::{ctrf, junit, markdown, write};
use serde_json::{Value, json};
use support::{hostile, large, record};

/// What the specification asks of a report, as far as we use it (`ctrf-io/ctrf schema/ctrf.schema.json`). The reference
/// implementation is asked in `ctrf_reference.rs`.
fn schema() -> Value {
    let status = json!({ "enum": ["passed", "failed", "skipped", "pending", "other"] });
    json!({
        "type": "object",
        "required": ["results", "reportFormat", "specVersion"],
        "properties": {
            "reportFormat": { "const": "CTRF" },
            "specVersion": { "type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$" },
            "timestamp": { "type": "string", "format": "date-time" },
            "generatedBy": { "type": "string" },
            "results": {
                "type": "object",
                "required": ["tool", "summary", "tests"],
                "additionalProperties": false,
                "properties": {
                    "tool": { "type": "object", "required": ["name"] },
                    "environment": { "type": "object" },
                    "summary": {
                        "type": "object",
                        "required": ["tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"],
                        "additionalProperties": { "type": "integer" }
                    },
                    "tests": { "type": "array", "items": {
                        "type": "object",
                        "required": ["name", "status", "duration"],
                        "properties": {
                            "name": { "type": "string", "minLength": 1 },
                            "status": status,
                            "duration": { "type": "integer" },
                            "start": { "type": "integer" },
                            "stop": { "type": "integer" },
                            "suite": { "type": "array", "minItems": 1, "items": { "type": "string" } },
                            "steps": { "type": "array", "items": {
                                "type": "object",
                                "required": ["name", "status"],
                                "properties": { "name": { "type": "string" }, "status": status },
                                "additionalProperties": false
                            } },
                            "tags": { "type": "array", "items": { "type": "string" } },
                            "extra": { "type": "object" }
                        }
                    } }
                }
            }
        },
        "additionalProperties": false
    })
}

/// Three chunks of scenarios, from two journals of the same events: a hash map in between would show in some order of its own.
#[test]
fn all_five_reports_are_the_same_bytes_when_they_are_made_again_from_the_journal() {
    let events = large(250);
    let root = tempfile::tempdir().unwrap();
    let made: Vec<_> = ["first", "again"]
        .into_iter()
        .map(|name| {
            let directory = RunDirectory::at(root.path().join(name));
            std::fs::create_dir(directory.path()).unwrap();
            let mut journal = Journal::create(&directory.journal()).unwrap();
            for event in &events {
                journal.append(event).unwrap();
            }
            let events = read_journal(&directory.journal()).unwrap().events;
            write(&record(&events), &events, &directory).unwrap();
            [
                directory.html(),
                directory.result(),
                directory.junit(),
                directory.ctrf(),
                directory.markdown(),
            ]
            .map(|path| std::fs::read(path).unwrap())
        })
        .collect();
    for (number, (first, again)) in made[0].iter().zip(&made[1]).enumerate() {
        assert!(!first.is_empty() && first == again, "report {number}");
    }
}

#[test]
fn ctrf_is_what_the_specification_asks_for() {
    let report: Value = serde_json::from_str(&ctrf(&record(&hostile()))).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema())
        .unwrap();
    let mistakes: Vec<_> = validator
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(mistakes, Vec::<String>::new());
}

#[test]
fn ctrf_tells_trouble_of_the_bench_from_a_failure() {
    let report: Value = serde_json::from_str(&ctrf(&record(&hostile()))).unwrap();
    let found: Vec<_> = report["results"]["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| {
            let word = |key: &str| test[key].as_str().unwrap_or_default().to_owned();
            (word("name"), word("status"), word("rawStatus"))
        })
        .collect();
    let expected = [
        ("no-power", "skipped", "skip"),
        ("good[uart]", "passed", "pass"),
        ("bad[ble]", "failed", "fail"),
        ("bench[uart]", "other", "error"),
        ("<b>evil</b>[uart]", "failed", "fail"),
        ("issue[uart]", "passed", "pass"),
    ]
    .map(|(name, status, raw)| (name.to_owned(), status.to_owned(), raw.to_owned()));
    assert_eq!(found, expected);
    let summary = &report["results"]["summary"];
    assert_eq!(
        ["passed", "failed", "skipped", "other", "tests"].map(|key| summary[key].as_u64().unwrap()),
        [2, 2, 1, 1, 6]
    );
}

#[test]
fn markdown_of_a_run() {
    insta::assert_snapshot!(markdown(&record(&hostile())));
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    for format in [ctrf, markdown, junit] {
        assert_eq!(format(&record(&hostile())), format(&record(&hostile())));
    }
}
