//! The page over all runs of a bench: `reports/index.html`.
//!
//! One file like the report of a run, with its style, and without any script: tables, and small pictures that say in words
//! what they show. It is made from the history alone, so it is the same again when it is made from the same history.

mod spark;

use crate::display::visible;
use crate::html::{STYLE, hash};
use crate::text::{Took, count};
use hil_history::{BoardTrend, Overview, RunRow, ScenarioTrend};
use hil_record::{Ending, Totals, Verdict};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::path::Path;

/// How many scenarios are told; a browser opens a table of some thousand rows at once.
const TOLD: usize = 3000;

/// The page over the runs of a history. `place` is the folder that it will lie in: runs beneath it are linked.
#[must_use]
pub fn index(overview: &Overview, place: &Path) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE)
    );
    let look: Vec<&ScenarioTrend> = overview
        .scenarios
        .iter()
        .filter(|one| one.is_flaky() || last_is_bad(one))
        .collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Runs" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="to-main" href="#main" { "Skip to the runs" }
                header {
                    h1 { "Runs" }
                    nav aria-label="Parts of the page" {
                        a href="#look" { "What needs a look" }
                        a href="#runs" { "Runs" }
                        a href="#scenarios" { "Scenarios" }
                        a href="#boards" { "Boards" }
                    }
                }
                main id="main" tabindex="-1" {
                    (needs_a_look(&look, &overview.boards))
                    (runs(&overview.runs, place))
                    (scenarios(&overview.scenarios))
                    (boards(&overview.boards))
                }
                footer { p { "Made from " code { "history.db" } "; the evidence is in the folders of the runs." } }
            }
        }
    }
    .into_string()
}

fn last_is_bad(one: &ScenarioTrend) -> bool {
    let last = one.seen.last().map(|seen| seen.verdict);
    matches!(last, Some(Verdict::Fail | Verdict::Error))
}

fn needs_a_look(scenarios: &[&ScenarioTrend], boards: &[BoardTrend]) -> Markup {
    let boards: Vec<&BoardTrend> = boards.iter().filter(|board| board.is_flaky()).collect();
    html! {
        section id="look" aria-labelledby="look-title" {
            h2 id="look-title" { "What needs a look" }
            @if scenarios.is_empty() && boards.is_empty() {
                p { "Nothing: every scenario passed in its last run, and none was flaky." }
            }
            @for one in scenarios.iter().take(TOLD) {
                @let last = one.seen.last();
                article class={ "bad " (last.map_or("skip", |seen| seen.verdict.word())) } {
                    h3 {
                        @if let Some(last) = last { (badge(last.verdict)) " " }
                        (visible(&one.name))
                    }
                    @if let Some(cause) = last.and_then(|seen| seen.cause.as_ref()) {
                        p class="cause" { (visible(cause)) }
                    }
                    @if one.is_flaky() { p { "Flaky: " (flaky(one)) "." } }
                    p {
                        @match &one.last_good {
                            Some(run) => { "Passed last in run " (visible(run)) "." }
                            None => { "Never passed." }
                        }
                    }
                }
            }
            @for board in boards {
                article class="bad error" {
                    h3 { "board " (visible(&board.rig)) "/" (visible(&board.board)) }
                    p {
                        (count(board.alone, "attempt", "attempts")) " of " (board.attempts)
                        " did not pass here, while another board passed the same scenario with the same firmware."
                    }
                }
            }
        }
    }
}

/// Why a scenario is flaky, in words.
pub(crate) fn flaky(one: &ScenarioTrend) -> String {
    let mut words = Vec::new();
    if one.passed_on_retry > 0 {
        let times = count(one.passed_on_retry, "time", "times");
        words.push(format!("passed only when it was tried again, {times}"));
    }
    if one.flips > 0 {
        let times = count(one.flips, "time", "times");
        words.push(format!(
            "another verdict with the same firmware, scenario file and tool, {times}"
        ));
    }
    words.join("; ")
}

fn runs(runs: &[RunRow], place: &Path) -> Markup {
    let durations: Vec<u64> = runs.iter().rev().map(|run| run.duration_ms).collect();
    html! {
        section id="runs" aria-labelledby="runs-title" {
            h2 id="runs-title" { "Runs" }
            @if runs.is_empty() { p { "There is none." } } @else {
                p { (spark::line("how long the runs took", &durations, |ms| Took(ms).to_string())) }
                div class="wide" {
                    table {
                        caption { "The latest first; dates are UTC." }
                        thead { tr {
                            @for head in ["run", "verdict", "began", "rig", "firmware"] { th scope="col" { (head) } }
                            @for head in ["passed", "flaky", "failed", "could not be decided", "skipped", "took"] {
                                th scope="col" class="right" { (head) }
                            }
                        } }
                        tbody { @for run in runs { (run_row(run, place)) } }
                    }
                }
            }
        }
    }
}

fn run_row(run: &RunRow, place: &Path) -> Markup {
    let Totals {
        pass,
        fail,
        error,
        skip,
        flaky,
    } = run.totals;
    html! {
        tr {
            th scope="row" {
                @match link(run, place) {
                    Some(link) => { a href=(link) { (visible(&run.run)) } }
                    None => { (visible(&run.run)) }
                }
            }
            td {
                (badge(run.totals.verdict()))
                @match run.ending {
                    Ending::Complete => {}
                    Ending::Stopped => { " stopped" }
                    Ending::Killed => { " killed" }
                }
            }
            td class="keep" { (date(run.started_ms)) }
            td { (visible(&run.rig)) }
            td { (visible(&run.firmware.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", "))) }
            @for number in [pass, flaky, fail, error, skip] { td class="right" { (number) } }
            td class="right" { (Took(run.duration_ms)) }
        }
    }
}

/// The report of a run, as seen from the page; none where the run's folder lies elsewhere.
fn link(run: &RunRow, place: &Path) -> Option<String> {
    let folder = Path::new(&run.folder).strip_prefix(place).ok()?;
    let mut parts = Vec::new();
    for part in folder.components() {
        parts.push(percent(part.as_os_str().to_str()?));
    }
    (!parts.is_empty()).then(|| format!("{}/report.html", parts.join("/")))
}

/// A name as part of an address.
fn percent(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let mut out = String::new();
    for byte in name.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn scenarios(all: &[ScenarioTrend]) -> Markup {
    html! {
        section id="scenarios" aria-labelledby="scenarios-title" {
            h2 id="scenarios-title" { "Scenarios" }
            div class="wide" {
                table {
                    caption { "Verdicts, durations of passes and throughput of uploads, the oldest on the left" }
                    thead { tr {
                        @for head in ["scenario", "last", "verdicts", "duration", "throughput", "last good run"] {
                            th scope="col" { (head) }
                        }
                    } }
                    tbody { @for one in all.iter().take(TOLD) { (scenario(one)) } }
                }
            }
            @if all.len() > TOLD { p { "… and " (all.len() - TOLD) " more: " code { "dfu-hil history --scenario NAME" } } }
        }
    }
}

fn scenario(one: &ScenarioTrend) -> Markup {
    html! {
        tr {
            th scope="row" { (visible(&one.name)) @if one.is_flaky() { " (flaky)" } }
            td { @if let Some(last) = one.seen.last() { (badge(last.verdict)) } }
            td { (spark::verdicts(&one.seen)) }
            td { (spark::line("duration", &one.durations(), |ms| Took(ms).to_string())) }
            td { (spark::line("throughput", &one.throughputs(), rate)) }
            td class="keep" { @match &one.last_good { Some(run) => { (visible(run)) } None => { "none" } } }
        }
    }
}

fn boards(boards: &[BoardTrend]) -> Markup {
    html! {
        section id="boards" aria-labelledby="boards-title" {
            h2 id="boards-title" { "Boards" }
            div class="wide" {
                table {
                    caption { "Attempts, with those before the last one" }
                    thead { tr {
                        th scope="col" { "board" }
                        @for head in ["attempts", "trouble of the bench", "only here not passed"] {
                            th scope="col" class="right" { (head) }
                        }
                    } }
                    tbody {
                        @for board in boards {
                            tr {
                                th scope="row" { (visible(&board.rig)) "/" (visible(&board.board)) }
                                @for number in [board.attempts, board.errors, board.alone] {
                                    td class="right" { (number) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn badge(verdict: Verdict) -> Markup {
    crate::html::badge(verdict)
}

/// `2026-08-02 10:15`, UTC.
fn date(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "no date".to_owned(),
        |date| date.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

/// Bytes per second as people say them.
fn rate(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B/s"),
        _ => format!("{}.{} kB/s", bytes / 1000, bytes % 1000 / 100),
    }
}
