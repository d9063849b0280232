//! The end of a run on a terminal: what did not pass first, with its cause and where to look.

use crate::junit::evidence_line;
use crate::text::{Took, count, shell_word};
use hil_record::{Ending, Outcome, RunRecord, ScenarioRecord, Verdict};
use std::fmt::Write as _;
use std::path::Path;

/// What the summary points to.
#[derive(Clone, Copy, Debug)]
pub struct SummaryContext<'a> {
    /// The folder of the run.
    pub folder: &'a Path,
    /// The command that made the run, without filters, such as `dfu-hil run --rig rigs/one-dk.yaml`.
    pub command: &'a str,
}

/// The end of a run for people; several lines, with the last line's end.
#[must_use]
pub fn summary(record: &RunRecord, context: &SummaryContext<'_>) -> String {
    let mut out = String::new();
    for verdict in [Verdict::Fail, Verdict::Error, Verdict::Skip] {
        for scenario in with_verdict(record, verdict) {
            describe(&mut out, scenario);
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    totals(&mut out, record);
    known_issues(&mut out, record);
    for note in &record.notes {
        let _ = writeln!(out, "note: {note}");
    }
    let _ = writeln!(out, "evidence: {}", context.folder.display());
    let again: Vec<_> = with_verdict(record, Verdict::Fail)
        .chain(with_verdict(record, Verdict::Error))
        .map(|scenario| format!(" --filter {}", shell_word(&scenario.name)))
        .collect();
    if !again.is_empty() {
        let _ = writeln!(out, "again: {}{}", context.command, again.concat());
    }
    out
}

fn with_verdict(record: &RunRecord, verdict: Verdict) -> impl Iterator<Item = &ScenarioRecord> {
    record
        .scenarios
        .iter()
        .filter(move |scenario| scenario.outcome.verdict() == verdict)
}

fn describe(out: &mut String, scenario: &ScenarioRecord) {
    let cause = scenario.outcome.cause().unwrap_or_default();
    let label = scenario.outcome.verdict().word().to_uppercase();
    if matches!(scenario.outcome, Outcome::Skip { .. }) {
        let _ = writeln!(out, "{label:>5} {}: {cause}", scenario.name);
        return;
    }
    let _ = write!(out, "{label:>5} {}", scenario.name);
    if let Some(board) = &scenario.board {
        let _ = write!(out, " on {board}");
    }
    let step = scenario.last_bad_step();
    if let Some(step) = step {
        let _ = write!(out, ", step {} `{}`", step.step.number, step.step.name);
        if let Some(line) = step.step.line {
            let _ = write!(out, " ({}:{line})", scenario.file);
        }
    }
    let _ = writeln!(out, "\n      {cause}");
    for evidence in step.iter().flat_map(|step| &step.evidence) {
        let _ = writeln!(out, "        {}", evidence_line(evidence));
    }
    if let Some(help) = scenario.outcome.help() {
        let _ = writeln!(out, "      help: {help}");
    }
}

/// A pass of these is no good news: the defect is there.
fn known_issues(out: &mut String, record: &RunRecord) {
    let there: Vec<_> = with_verdict(record, Verdict::Pass)
        .filter_map(|scenario| Some((&scenario.name, scenario.known_issue.as_ref()?)))
        .collect();
    if there.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "{} in this firmware:",
        count(there.len() as u64, "known issue", "known issues")
    );
    for (scenario, issue) in there {
        let _ = writeln!(out, "  {issue} ({scenario})");
    }
}

fn totals(out: &mut String, record: &RunRecord) {
    let totals = record.totals;
    let parts = [
        (totals.pass, "passed"),
        (totals.fail, "failed"),
        (totals.error, "could not be decided"),
        (totals.skip, "skipped"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let counted = match parts.as_slice() {
        [] => "nothing to run".to_owned(),
        parts => parts.join(", "),
    };
    let _ = write!(out, "{counted} in {}", Took(record.duration_ms));
    if record.retries > 0 {
        let _ = write!(out, ", with {}", count(record.retries, "retry", "retries"));
    }
    let boards: Vec<_> = record
        .rig
        .boards
        .iter()
        .map(|board| format!("{} ({})", board.name, board.description))
        .collect();
    let _ = writeln!(out, "; {} on {}", record.firmware.name, boards.join(", "));
    match record.ending {
        Ending::Complete => {}
        Ending::Stopped => out.push_str("the run was stopped before its end\n"),
        Ending::Killed => out.push_str("the run was killed before its end\n"),
    }
    if totals.verdict() == Verdict::Skip {
        out.push_str("nothing ran, so nothing is shown to work\n");
    }
}
