//! JUnit XML, as CI servers read it.
//!
//! What was tried again after trouble of the bench has its attempts as Maven Surefire writes them, which Jenkins shows and
//! GitLab leaves aside: `flakyError` where it passed then, `rerunError` where it did not.
//!
//! One test suite for the run, one test case for each scenario variant: a failure of the firmware is a `failure`,
//! trouble of the bench an `error`, and what was not run is `skipped` with its reason.

use crate::text::firmware_sets;
use hil_record::{
    Attempt, ConsoleLine, Evidence, FirmwareInfo, Outcome, RunRecord, ScenarioRecord, StepRecord,
};
use quick_junit::{
    NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};
use std::fmt::Write as _;
use std::time::Duration;

/// The record as JUnit XML.
#[must_use]
pub fn junit(record: &RunRecord) -> String {
    let under_test = match record.firmware.as_slice() {
        [only] => only.name.clone(),
        several => firmware_sets(several),
    };
    let mut suite = TestSuite::new(format!("{under_test} on {}", record.rig.name));
    suite.set_time(Duration::from_millis(record.duration_ms));
    // As text: the type that quick-junit takes would need another date library.
    suite.extra.insert(
        "timestamp".into(),
        record
            .started
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
            .into(),
    );
    // quick-junit counts skipped cases as `disabled`; Jenkins and GitLab look for `skipped`.
    suite
        .extra
        .insert("skipped".into(), record.totals.skip.to_string().into());
    let boards: Vec<_> = record
        .rig
        .boards
        .iter()
        .map(|board| format!("{} ({})", board.name, board.description))
        .collect();
    let ending = serde_json::to_value(record.ending)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default();
    for (name, value) in [
        ("run", record.run.clone()),
        ("ending", ending),
        (
            "tool",
            format!("{} {}", record.tool.name, record.tool.version),
        ),
        ("rig", record.rig.name.clone()),
        ("boards", boards.join(", ")),
        ("retries", record.retries.to_string()),
        ("flaky", record.totals.flaky.to_string()),
    ] {
        suite.add_property(Property::new(name, value));
    }
    for set in &record.firmware {
        for property in firmware_properties(set) {
            suite.add_property(property);
        }
    }
    suite.add_test_cases(
        record
            .scenarios
            .iter()
            .map(|scenario| test_case(record, scenario)),
    );

    let mut report = Report::new(record.tool.name.clone());
    report.set_time(Duration::from_millis(record.duration_ms));
    report.add_test_suite(suite);
    report
        .to_string()
        .expect("XML written to memory meets no error: text that XML cannot hold was replaced")
}

fn firmware_properties(set: &FirmwareInfo) -> [Property; 2] {
    [
        Property::new("firmware", set.name.clone()),
        Property::new("firmware-sha256", set.digest.clone()),
    ]
}

fn test_case(record: &RunRecord, scenario: &ScenarioRecord) -> TestCase {
    let mut case = TestCase::new(scenario.name.clone(), status(scenario));
    case.set_classname(format!("{}.{}", record.tool.name, record.rig.name));
    case.set_time(Duration::from_millis(scenario.duration_ms));
    if !scenario.file.is_empty() {
        case.extra
            .insert("file".into(), scenario.file.clone().into());
    }
    for requirement in &scenario.requirements {
        case.add_property(Property::new("requirement", requirement.clone()));
    }
    if let Some(issue) = &scenario.known_issue {
        case.add_property(Property::new("known-issue", issue.clone()));
    }
    if let Some(board) = &scenario.board {
        case.add_property(Property::new("board", board.clone()));
    }
    for property in scenario.firmware.iter().flat_map(firmware_properties) {
        case.add_property(property);
    }
    if scenario.retries > 0 {
        case.add_property(Property::new("retries", scenario.retries.to_string()));
    }
    if !scenario.console.is_empty() {
        case.set_system_out(last_lines(&scenario.console));
    }
    case
}

fn last_lines(console: &[ConsoleLine]) -> String {
    let mut out = String::from("last console lines:\n");
    for line in console {
        let _ = writeln!(
            out,
            "[{:>6}.{:03}] {} {}",
            line.at_ms / 1000,
            line.at_ms % 1000,
            line.whose(),
            line.text
        );
    }
    out
}

/// An attempt before the last one.
fn rerun(scenario: &ScenarioRecord, attempt: &Attempt) -> TestRerun {
    let mut rerun = TestRerun::new(NonSuccessKind::Error);
    let outcome = &attempt.outcome;
    let mut text = description(outcome, attempt.last_bad_step(), &scenario.file);
    if let Some(board) = &attempt.board {
        let _ = write!(text, "\nboard {board}");
    }
    rerun
        .set_message(outcome.cause().unwrap_or_default())
        .set_type(outcome.kind_word().unwrap_or_default())
        .set_time(Duration::from_millis(attempt.duration_ms))
        .set_stack_trace(text);
    if !attempt.console.is_empty() {
        rerun.set_system_out(last_lines(&attempt.console));
    }
    rerun
}

fn status(scenario: &ScenarioRecord) -> TestCaseStatus {
    let mut status = match &scenario.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::Fail { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Error { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
        Outcome::Skip { .. } => TestCaseStatus::skipped(),
    };
    if scenario.outcome != Outcome::Pass {
        status.set_message(scenario.outcome.cause().unwrap_or_default());
        status.set_type(scenario.outcome.kind_word().unwrap_or_default());
    }
    if matches!(
        scenario.outcome,
        Outcome::Fail { .. } | Outcome::Error { .. }
    ) {
        status.set_description(description(
            &scenario.outcome,
            scenario.last_bad_step(),
            &scenario.file,
        ));
    }
    let troubles = scenario.earlier.iter().filter(|one| one.is_bench_trouble());
    status.add_reruns(troubles.map(|attempt| rerun(scenario, attempt)));
    status
}

/// What somebody needs who reads only this.
fn description(outcome: &Outcome, step: Option<&StepRecord>, file: &str) -> String {
    let mut out = outcome.cause().unwrap_or_default().to_owned();
    if let Some(help) = outcome.help() {
        let _ = write!(out, "\nhelp: {help}");
    }
    if let Some(step) = step {
        let _ = write!(out, "\nstep {}: {}", step.step.number, step.step.text);
        if let Some(line) = step.step.line {
            let _ = write!(out, " ({file}:{line})");
        }
        for evidence in &step.evidence {
            let _ = write!(out, "\n  {}", evidence_line(evidence));
        }
    }
    out
}

/// `version: 1.0.0, expected 2.0.0`.
pub(crate) fn evidence_line(evidence: &Evidence) -> String {
    match &evidence.expected {
        Some(expected) => format!("{}: {}, expected {expected}", evidence.what, evidence.found),
        None => format!("{}: {}", evidence.what, evidence.found),
    }
}
