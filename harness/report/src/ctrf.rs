//! CTRF, the Common Test Report Format: one JSON form that dashboards and CI actions of several makers read.
//!
//! The types are ours: the format is small, and the crate for it was documented to a third and gives every report a random
//! identifier, where ours must come out the same each time. Written is specification version 0.0.0, as the reference
//! implementation takes it (`ctrf-io/ctrf schema/ctrf.schema.json`); a test has that implementation check it.
//!
//! Trouble of the bench is `other` with `rawStatus` `error`: it is no failure of the firmware, and no pass.

use crate::display::visible;
use crate::junit::evidence_line;
use hil_record::{Attempt, RunRecord, ScenarioRecord, Verdict};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The version of the specification that is written.
const SPEC_VERSION: &str = "0.0.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    report_format: &'static str,
    spec_version: &'static str,
    timestamp: String,
    generated_by: String,
    results: Results,
}

#[derive(Serialize)]
struct Results {
    tool: Tool,
    summary: Summary,
    tests: Vec<Test>,
    environment: Environment,
}

#[derive(Serialize)]
struct Tool {
    name: String,
    version: String,
}

/// Counts, and times in milliseconds since 1970.
#[derive(Serialize)]
struct Summary {
    tests: u64,
    passed: u64,
    failed: u64,
    skipped: u64,
    pending: u64,
    other: u64,
    flaky: u64,
    start: i64,
    stop: i64,
    duration: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    name: String,
    status: &'static str,
    raw_status: &'static str,
    duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<i64>,
    suite: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    file_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flaky: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_attempts: Vec<RetryAttempt>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stdout: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extra: Map<String, Value>,
}

/// An attempt before the last one, from 1.
#[derive(Serialize)]
struct RetryAttempt {
    attempt: usize,
    status: &'static str,
    duration: u64,
    start: i64,
    stop: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    extra: Map<String, Value>,
}

#[derive(Serialize)]
struct Step {
    name: String,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    report_name: String,
    app_name: String,
    test_environment: String,
    extra: Map<String, Value>,
}

/// The record as CTRF JSON.
#[must_use]
pub fn ctrf(record: &RunRecord) -> String {
    let start = record.started.as_millisecond();
    let totals = record.totals;
    let sets = &record.firmware;
    let firmware: Map<String, Value> = sets
        .iter()
        .map(|set| (set.name.clone(), set.digest.clone().into()))
        .collect();
    let names: Vec<_> = sets.iter().map(|set| set.name.as_str()).collect();
    let boards: Map<String, Value> = record
        .rig
        .boards
        .iter()
        .map(|board| (board.name.clone(), board.description.clone().into()))
        .collect();
    let mut extra = Map::new();
    extra.insert("run".to_owned(), record.run.clone().into());
    extra.insert("boards".to_owned(), boards.into());
    extra.insert("firmwareSha256".to_owned(), firmware.into());
    let report = Report {
        report_format: "CTRF",
        spec_version: SPEC_VERSION,
        timestamp: record.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        generated_by: format!("{} {}", record.tool.name, record.tool.version),
        results: Results {
            tool: Tool {
                name: record.tool.name.clone(),
                version: record.tool.version.clone(),
            },
            summary: Summary {
                tests: totals.all(),
                passed: totals.pass,
                failed: totals.fail,
                skipped: totals.skip,
                pending: 0,
                other: totals.error,
                flaky: totals.flaky,
                start,
                stop: start.saturating_add_unsigned(record.duration_ms),
                duration: record.duration_ms,
            },
            tests: record
                .scenarios
                .iter()
                .map(|scenario| test(record, scenario))
                .collect(),
            environment: Environment {
                report_name: record.run.clone(),
                app_name: names.join(", "),
                test_environment: record.rig.name.clone(),
                extra,
            },
        },
    };
    let mut text = serde_json::to_string_pretty(&report)
        .expect("a report has text keys only, and nothing else can fail in memory");
    text.push('\n');
    text
}

fn test(record: &RunRecord, scenario: &ScenarioRecord) -> Test {
    let start = scenario
        .started_ms
        .map(|at| record.started.as_millisecond().saturating_add_unsigned(at));
    let bad = scenario.last_bad_step();
    let mut extra = Map::new();
    if let Some(kind) = scenario.outcome.kind_word() {
        extra.insert("kind".to_owned(), kind.into());
    }
    if let Some(set) = &scenario.firmware {
        extra.insert("firmware".to_owned(), set.name.clone().into());
    }
    if let Some(issue) = &scenario.known_issue {
        extra.insert("knownIssue".to_owned(), issue.clone().into());
    }
    if scenario.retries > 0 {
        extra.insert("retriesWithin".to_owned(), scenario.retries.into());
    }
    let verdict = scenario.outcome.verdict();
    Test {
        name: scenario.name.clone(),
        status: status(verdict),
        raw_status: verdict.word(),
        duration: scenario.duration_ms,
        start,
        stop: start.map(|start| start.saturating_add_unsigned(scenario.duration_ms)),
        suite: vec![record.rig.name.clone()],
        message: scenario
            .outcome
            .cause()
            .map(|cause| visible(cause).into_owned()),
        trace: bad.map(|_| trace(scenario)),
        line: bad.and_then(|step| step.step.line),
        tags: scenario.requirements.clone(),
        file_path: scenario.file.clone(),
        device: scenario.board.clone(),
        retries: Some(scenario.earlier.len()).filter(|number| *number > 0),
        flaky: scenario.is_flaky(),
        retry_attempts: (1..)
            .zip(&scenario.earlier)
            .map(|(number, one)| attempt(record, number, one))
            .collect(),
        stdout: scenario
            .console
            .iter()
            .map(|line| format!("{} {}", line.whose(), visible(&line.text)))
            .collect(),
        steps: scenario
            .steps
            .iter()
            .map(|step| Step {
                name: format!("{} {}", step.step.number, step.step.text),
                status: status(step.outcome.verdict()),
            })
            .collect(),
        extra,
    }
}

fn attempt(record: &RunRecord, number: usize, one: &Attempt) -> RetryAttempt {
    let run = record.started.as_millisecond();
    let start = run.saturating_add_unsigned(one.started_ms);
    let mut extra = Map::new();
    if let Some(board) = &one.board {
        extra.insert("device".to_owned(), board.clone().into());
    }
    if let Some(kind) = one.outcome.kind_word() {
        extra.insert("kind".to_owned(), kind.into());
    }
    let cause = one.outcome.cause();
    RetryAttempt {
        attempt: number,
        status: status(one.outcome.verdict()),
        duration: one.duration_ms,
        start,
        stop: start.saturating_add_unsigned(one.duration_ms),
        message: cause.map(|cause| visible(cause).into_owned()),
        extra,
    }
}

const fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Error => "other",
        Verdict::Skip => "skipped",
    }
}

/// Where it ended, and what was seen there.
fn trace(scenario: &ScenarioRecord) -> String {
    let mut out = String::new();
    if let Some(step) = scenario.last_bad_step() {
        let _ = write!(out, "step {}: {}", step.step.number, step.step.text);
        if let Some(line) = step.step.line {
            let _ = write!(out, " ({}:{line})", scenario.file);
        }
        for evidence in &step.evidence {
            let _ = write!(out, "\n  {}", visible(&evidence_line(evidence)));
        }
    }
    if let Some(help) = scenario.outcome.help() {
        let _ = write!(out, "\nhelp: {}", visible(help));
    }
    out
}
