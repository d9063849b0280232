//! The end of a run on a terminal: what did not pass first, with its cause and where to look.

use crate::grid;
use crate::junit::evidence_line;
use crate::text::{Took, attempt, count, firmware_sets, shell_word};
use hil_record::{Ending, RunRecord, ScenarioRecord, Verdict, sweep_variant};
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
    for verdict in [Verdict::Fail, Verdict::Error] {
        for scenario in with_verdict(record, verdict) {
            describe(&mut out, record, scenario);
        }
    }
    for scenario in record.scenarios.iter().filter(|one| one.is_flaky()) {
        let board = scenario.board.as_deref().unwrap_or_default();
        let _ = writeln!(
            out,
            "FLAKY {}, passed on {board} only when it was tried again",
            scenario.name
        );
        attempts(&mut out, scenario);
    }
    skips(&mut out, record);
    if !out.is_empty() {
        out.push('\n');
    }
    for grid in &record.grids {
        grid::table(&mut out, grid);
        out.push('\n');
    }
    totals(&mut out, record);
    known_issues(&mut out, record);
    for board in &record.health {
        let _ = writeln!(out, "board {}: {}", board.board, board.words());
    }
    coverage(&mut out, record);
    for note in &record.notes {
        let _ = writeln!(out, "note: {note}");
    }
    let _ = writeln!(out, "evidence: {}", context.folder.display());
    let again = to_run_again(record);
    if !again.is_empty() {
        let filters = again
            .iter()
            .map(|name| format!(" --filter {}", shell_word(name)));
        let _ = writeln!(
            out,
            "again: {}{}",
            context.command,
            filters.collect::<String>()
        );
    }
    out
}

/// The variants that did not pass, each once, by the names that a run selects by: slices of a night and parts of a sweep have names
/// that only they have.
fn to_run_again(record: &RunRecord) -> Vec<&str> {
    let mut names = Vec::new();
    for scenario in with_verdict(record, Verdict::Fail).chain(with_verdict(record, Verdict::Error))
    {
        let name = sweep_variant(&scenario.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn with_verdict(record: &RunRecord, verdict: Verdict) -> impl Iterator<Item = &ScenarioRecord> {
    record
        .scenarios
        .iter()
        .filter(move |scenario| scenario.outcome.verdict() == verdict)
}

/// What was not run, by the reason: one reason often keeps many from running.
fn skips(out: &mut String, record: &RunRecord) {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for scenario in with_verdict(record, Verdict::Skip) {
        let reason = scenario.outcome.cause().unwrap_or_default();
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(&scenario.name),
            None => by_reason.push((reason, vec![&scenario.name])),
        }
    }
    for (reason, names) in by_reason {
        let _ = match names.as_slice() {
            [only] => writeln!(out, " SKIP {only}: {reason}"),
            several => writeln!(
                out,
                " SKIP {} scenarios: {reason}\n      {}",
                several.len(),
                several.join(", ")
            ),
        };
    }
}

fn describe(out: &mut String, record: &RunRecord, scenario: &ScenarioRecord) {
    let cause = scenario.outcome.cause().unwrap_or_default();
    let label = scenario.outcome.verdict().word().to_uppercase();
    let _ = write!(out, "{label:>5} {}", scenario.name);
    if let Some(board) = &scenario.board {
        let _ = write!(out, " on {board}");
    }
    if let (Some(firmware), true) = (&scenario.firmware, record.firmware.len() > 1) {
        let _ = write!(out, " with `{}`", firmware.name);
    }
    let step = scenario.last_bad_step();
    if let Some(step) = step {
        let _ = write!(out, ", step {} `{}`", step.step.number, step.step.name);
        if let Some(line) = step.step.line {
            let _ = write!(out, " ({}:{line})", scenario.file);
        }
    }
    let _ = writeln!(out, "\n      {cause}");
    attempts(out, scenario);
    for evidence in step.iter().flat_map(|step| &step.evidence) {
        let _ = writeln!(out, "        {}", evidence_line(evidence));
    }
    if let Some(help) = scenario.outcome.help() {
        let _ = writeln!(out, "      help: {help}");
    }
}

/// What was tried before the last attempt.
fn attempts(out: &mut String, scenario: &ScenarioRecord) {
    for earlier in &scenario.earlier {
        let _ = writeln!(out, "      before: {}", attempt(earlier));
    }
}

/// How much of each sweep a night and those before it have tested.
fn coverage(out: &mut String, record: &RunRecord) {
    let Some(night) = &record.night else {
        return;
    };
    if night.coverage.is_empty() {
        return;
    }
    out.push_str("points of sweeps, tested over all nights:\n");
    let width = night.coverage.iter().map(|one| one.scenario.len()).max();
    let width = width.unwrap_or_default();
    for one in &night.coverage {
        let _ = write!(
            out,
            "  {:width$}  {}",
            one.scenario,
            one.words(record.started)
        );
        if record.firmware.len() > 1 {
            let _ = write!(out, " ({})", one.firmware.name);
        }
        out.push('\n');
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

/// The firmware sets of a run with several, and how many scenarios ran with each.
fn sets(out: &mut String, record: &RunRecord) {
    if record.firmware.len() < 2 {
        return;
    }
    let width = record.firmware.iter().map(|set| set.name.len()).max();
    let width = width.unwrap_or_default();
    for set in &record.firmware {
        let ran = record.scenarios.iter();
        let ran = ran.filter(|scenario| scenario.firmware.as_ref() == Some(set));
        let _ = writeln!(
            out,
            "  {:width$}  {}, SHA-256 {}…",
            set.name,
            count(ran.count() as u64, "scenario", "scenarios"),
            set.digest.get(..12).unwrap_or(&set.digest)
        );
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
    if totals.flaky > 0 {
        let _ = write!(out, ", {} flaky", totals.flaky);
    }
    if record.retries > 0 {
        let _ = write!(out, ", with {}", count(record.retries, "retry", "retries"));
    }
    let boards: Vec<_> = record
        .rig
        .boards
        .iter()
        .map(|board| format!("{} ({})", board.name, board.description))
        .collect();
    let _ = writeln!(
        out,
        "; {} on {}",
        firmware_sets(&record.firmware),
        boards.join(", ")
    );
    sets(out, record);
    match record.ending {
        Ending::Complete => {}
        Ending::Stopped => out.push_str("the run was stopped before its end\n"),
        Ending::Killed => out.push_str("the run was killed before its end\n"),
    }
    if record.verdict() == Verdict::Skip {
        out.push_str("nothing ran, so nothing is shown to work\n");
    }
}
