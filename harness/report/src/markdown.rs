//! Markdown for the summary page of a CI job: the verdict, what did not pass with its cause, and the requirements.
//!
//! CI servers limit such a page to a megabyte, so the lists are cut, and say so. Text from boards cannot make links,
//! mentions or HTML.

use crate::display::visible;
use crate::junit::evidence_line;
use crate::requirements::matrix;
use crate::text::{Took, attempt, count};
use hil_record::{Ending, RunRecord, ScenarioRecord, Verdict};
use std::fmt::Write as _;

/// How many scenarios that did not pass are told in full.
const TOLD: usize = 50;

/// How many lines of a table.
const ROWS: usize = 200;

/// The record as Markdown.
#[must_use]
pub fn markdown(record: &RunRecord) -> String {
    let mut out = String::new();
    let totals = record.totals;
    let verdict = match record.verdict() {
        Verdict::Pass if record.ending != Ending::Complete => "Not complete",
        Verdict::Pass => "Passed",
        Verdict::Fail => "Failed",
        Verdict::Error => "Could not be decided",
        Verdict::Skip => "Nothing ran",
    };
    let _ = writeln!(out, "## {verdict}: run {}\n", text(&record.run));
    out.push_str(
        "| passed | failed | could not be decided | skipped | took |\n|---:|---:|---:|---:|---:|\n",
    );
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} |\n",
        totals.pass,
        totals.fail,
        totals.error,
        totals.skip,
        Took(record.duration_ms)
    );
    match record.ending {
        Ending::Complete => {}
        Ending::Stopped => out.push_str("The run was **stopped** before its end.\n\n"),
        Ending::Killed => out.push_str("The run was **killed** before its end.\n\n"),
    }
    if record.retries > 0 {
        let _ = writeln!(out, "With {}.\n", count(record.retries, "retry", "retries"));
    }
    bench(&mut out, record);
    health(&mut out, record);
    bad(&mut out, record);
    flaky(&mut out, record);
    skipped(&mut out, record);
    coverage(&mut out, record);
    known_issues(&mut out, record);
    requirements(&mut out, record);
    for note in &record.notes {
        let _ = writeln!(out, "> {}\n", text(note));
    }
    out
}

/// Boards that made trouble: a rack with half of its boards in quarantine tests half as much.
fn health(out: &mut String, record: &RunRecord) {
    for board in &record.health {
        let _ = writeln!(
            out,
            "- board {} {}",
            text(&board.board),
            text(&board.words())
        );
    }
    if !record.health.is_empty() {
        out.push('\n');
    }
}

fn bench(out: &mut String, record: &RunRecord) {
    for set in &record.firmware {
        let digest = set.digest.get(..16).unwrap_or(&set.digest);
        let _ = writeln!(
            out,
            "- firmware set {}, SHA-256 `{}…`",
            text(&set.name),
            code(digest)
        );
    }
    for board in &record.rig.boards {
        let _ = writeln!(
            out,
            "- board {}: {}",
            text(&board.name),
            text(&board.description)
        );
    }
    out.push('\n');
}

fn with(record: &RunRecord, verdict: Verdict) -> Vec<&ScenarioRecord> {
    record
        .scenarios
        .iter()
        .filter(|scenario| scenario.outcome.verdict() == verdict)
        .collect()
}

fn bad(out: &mut String, record: &RunRecord) {
    let mut bad = with(record, Verdict::Fail);
    bad.extend(with(record, Verdict::Error));
    if bad.is_empty() {
        return;
    }
    out.push_str("### What did not pass\n\n");
    for scenario in bad.iter().take(TOLD) {
        let _ = write!(
            out,
            "- **{}** {}",
            scenario.outcome.verdict().word().to_uppercase(),
            text(&scenario.name)
        );
        if let Some(board) = &scenario.board {
            let _ = write!(out, " on {}", text(board));
        }
        if let (Some(set), true) = (&scenario.firmware, record.firmware.len() > 1) {
            let _ = write!(out, " with {}", text(&set.name));
        }
        if let Some(step) = scenario.last_bad_step() {
            let _ = write!(
                out,
                ", step {} `{}`",
                step.step.number,
                code(&step.step.name)
            );
            if let Some(line) = step.step.line {
                let _ = write!(out, " (`{}:{line}`)", code(&scenario.file));
            }
        }
        let _ = writeln!(
            out,
            "  \n  {}",
            text(scenario.outcome.cause().unwrap_or_default())
        );
        for evidence in scenario
            .last_bad_step()
            .iter()
            .flat_map(|step| &step.evidence)
        {
            let _ = writeln!(out, "  - {}", text(&evidence_line(evidence)));
        }
        if let Some(help) = scenario.outcome.help() {
            let _ = writeln!(out, "  - help: {}", text(help));
        }
    }
    left_out(out, bad.len(), TOLD);
    out.push('\n');
}

/// A pass on retry is a pass of the firmware, and says that the bench is not well.
fn flaky(out: &mut String, record: &RunRecord) {
    let flaky: Vec<_> = record
        .scenarios
        .iter()
        .filter(|one| one.is_flaky())
        .collect();
    if flaky.is_empty() {
        return;
    }
    out.push_str("### Passed only when tried again\n\n");
    for scenario in flaky.iter().take(TOLD) {
        let board = scenario.board.as_deref().unwrap_or_default();
        let _ = writeln!(out, "- {}, then on {}", text(&scenario.name), text(board));
        for earlier in &scenario.earlier {
            let _ = writeln!(out, "  - {}", text(&attempt(earlier)));
        }
    }
    left_out(out, flaky.len(), TOLD);
    out.push('\n');
}

fn skipped(out: &mut String, record: &RunRecord) {
    let skipped = with(record, Verdict::Skip);
    if skipped.is_empty() {
        return;
    }
    out.push_str("### Not run\n\n");
    for scenario in skipped.iter().take(TOLD) {
        let cause = scenario.outcome.cause().unwrap_or_default();
        let _ = writeln!(out, "- {}: {}", text(&scenario.name), text(cause));
    }
    left_out(out, skipped.len(), TOLD);
    out.push('\n');
}

/// How much of each sweep a night and those before it have tested.
fn coverage(out: &mut String, record: &RunRecord) {
    let Some(night) = record
        .night
        .as_ref()
        .filter(|night| !night.coverage.is_empty())
    else {
        return;
    };
    out.push_str("### Points of sweeps, tested over all nights\n\n");
    for one in night.coverage.iter().take(ROWS) {
        let _ = writeln!(
            out,
            "- {}, {}: {}",
            text(&one.scenario),
            text(&one.firmware.name),
            one.words(record.started)
        );
    }
    left_out(out, night.coverage.len(), ROWS);
    out.push('\n');
}

fn known_issues(out: &mut String, record: &RunRecord) {
    let there: Vec<_> = with(record, Verdict::Pass)
        .into_iter()
        .filter_map(|scenario| Some((scenario, scenario.known_issue.as_ref()?)))
        .collect();
    if there.is_empty() {
        return;
    }
    out.push_str("### Known issues in this firmware\n\n");
    for (scenario, issue) in there.iter().take(ROWS) {
        let _ = writeln!(out, "- {} ({})", text(issue), text(&scenario.name));
    }
    left_out(out, there.len(), ROWS);
    out.push('\n');
}

fn requirements(out: &mut String, record: &RunRecord) {
    let matrix = matrix(record);
    if matrix.is_empty() {
        return;
    }
    out.push_str("### Requirements\n\n| requirement | verdict | passed | failed | could not be decided | skipped |\n");
    out.push_str("|---|---|---:|---:|---:|---:|\n");
    for row in matrix.iter().take(ROWS) {
        let totals = row.totals;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            text(row.requirement),
            totals.verdict(),
            totals.pass,
            totals.fail,
            totals.error,
            totals.skip
        );
    }
    left_out(out, matrix.len(), ROWS);
    out.push('\n');
}

fn left_out(out: &mut String, there: usize, told: usize) {
    if there > told {
        let _ = writeln!(out, "\n… and {} more, in the full report", there - told);
    }
}

/// Text that Markdown takes as it is: what could begin a link, an emphasis, HTML or a mention is escaped.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A zero-width space would hide; an entity is no mention.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // `www.` and `http:` would become links.
            ':' => out.push_str("&#58;"),
            c => out.push(c),
        }
    }
    out
}

/// Text inside backticks.
fn code(text: &str) -> String {
    visible(text).replace('`', "'").replace('|', "¦")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_board_makes_no_markup() {
        assert_eq!(
            text("<img src=x> [a](http://b) @all `c` **d** | \u{1b}[31m\u{7}"),
            r"&lt;img src=x&gt; \[a\](http&#58;//b) &#64;all \`c\` \*\*d\*\* \| ␇"
        );
        assert_eq!(code("a`|b"), "a'¦b");
    }
}
