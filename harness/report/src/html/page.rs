//! The HTML that shows without scripts, and the frame of the rest.

use super::bad::Bad;
use super::payload::Data;
use super::tables;
use crate::display::visible;
use crate::text::{Took, count};
use hil_record::{Ending, RunRecord, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The whole page.
pub(crate) fn page(
    record: &RunRecord,
    data: &Data,
    policy: &str,
    style: &str,
    script: &str,
) -> String {
    let bad = Bad::of(record);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (overall(record).0) ": " (visible(&record.run)) }
                style { (PreEscaped(style)) }
            }
            body {
                a class="to-main" href="#main" { "Skip to the report" }
                header {
                    h1 { "Run " (visible(&record.run)) }
                    nav aria-label="Parts of the report" {
                        @if !bad.is_empty() { a href="#bad" { "What did not pass" } }
                        a href="#scenarios" { "Scenarios" }
                        @if !record.grids.is_empty() { a href="#grids" { "Release to release" } }
                        @if record.night.is_some() { a href="#coverage" { "Points of sweeps" } }
                        a href="#requirements" { "Requirements" }
                        a href="#issues" { "Known issues" }
                        a href="#log" { "Log" }
                        a href="#bench" { "Bench and firmware" }
                    }
                }
                main id="main" tabindex="-1" {
                    (overview(record))
                    (bad.markup())
                    (scenarios(record))
                    (tables::grids(record))
                    (tables::coverage(record))
                    (tables::requirements(record))
                    (tables::known_issues(record))
                    (log())
                    (tables::bench(record))
                }
                footer {
                    p {
                        (visible(&record.tool.name)) " " (visible(&record.tool.version))
                        ". Made from the journal of the run; everything that happened is in "
                        code { "journal.jsonl" } " beside this file."
                    }
                }
                script type="text/plain" id="data-index" { (PreEscaped(&data.index)) }
                @for (number, chunk) in data.chunks.iter().enumerate() {
                    script type="text/plain" id={ "data-" (number) } { (PreEscaped(chunk)) }
                }
                script type="text/plain" id="data-outside" { (PreEscaped(&data.outside)) }
                script { (PreEscaped(script)) }
            }
        }
    }
    .into_string()
}
/// The verdict on the run in words, and the class that colours it.
fn overall(record: &RunRecord) -> (&'static str, &'static str) {
    match record.verdict() {
        Verdict::Pass if record.ending != Ending::Complete => ("Not complete", "error"),
        Verdict::Pass => ("Passed", "pass"),
        Verdict::Fail => ("Failed", "fail"),
        Verdict::Error => ("Could not be decided", "error"),
        Verdict::Skip => ("Nothing ran", "skip"),
    }
}

fn overview(record: &RunRecord) -> Markup {
    let (words, class) = overall(record);
    let totals = record.totals;
    let tiles = [
        ("pass", "passed", totals.pass),
        ("fail", "failed", totals.fail),
        ("error", "could not be decided", totals.error),
        ("skip", "skipped", totals.skip),
    ];
    html! {
        section aria-labelledby="verdict" {
            h2 id="verdict" class={ "verdict " (class) } { (words) }
            ul class="tiles" {
                @for (class, word, number) in tiles {
                    li class={ "tile " @if number > 0 { (class) } @else { "none" } } {
                        span class="number" { (number) } " " (word)
                    }
                }
            }
            p {
                "Began " time datetime=(record.started.strftime("%Y-%m-%dT%H:%M:%SZ")) {
                    (record.started.strftime("%Y-%m-%d %H:%M:%S")) " UTC"
                }
                ", took " (Took(record.duration_ms))
                @if totals.flaky > 0 { ", " (count(totals.flaky, "pass", "passes")) " only when tried again" }
                @if record.retries > 0 { ", with " (count(record.retries, "retry", "retries")) }
                "."
            }
            @match record.ending {
                Ending::Complete => {}
                Ending::Stopped => { p class="warning" { "The run was stopped before all scenarios had their turn." } }
                Ending::Killed => { p class="warning" { "The run was killed: its journal has no end." } }
            }
            @for resumed in &record.resumed {
                p class="note" { "Went on at " (resumed.resumed.strftime("%Y-%m-%d %H:%M:%S")) " UTC, after it had been stopped or killed." }
            }
            @if let Some(shard) = &record.shard {
                p class="note" { "Part " (shard.index) " of " (shard.count) " of " (shard.variants) " scenarios." }
            }
            @if !record.parts.is_empty() {
                p class="note" {
                    "Put together of " (count(record.parts.len() as u64, "run", "runs")) ": "
                    (visible(&record.parts.iter().map(|part| part.run.as_str()).collect::<Vec<_>>().join(", "))) "."
                }
            }
            @for board in &record.health {
                p class="warning" { "Board " (visible(&board.board)) " " (visible(&board.words())) "." }
            }
            @for note in &record.notes { p class="note" { "Note: " (visible(note)) } }
        }
    }
}

fn scenarios(record: &RunRecord) -> Markup {
    html! {
        section id="scenarios" aria-labelledby="scenarios-title" {
            h2 id="scenarios-title" { "Scenarios" }
            noscript { p class="warning" { "The list of scenarios and the log need scripts; " code { "result.json" } " has the same." } }
            form id="list-filter" class="filter" hidden {
                label { "Name, cause or requirement " input type="search" name="text" autocomplete="off"; }
                label { "Verdict " select name="verdict" {
                    option value="" { "all" }
                    option value="bad" { "fail or error" }
                    @if record.totals.flaky > 0 { option value="flaky" { "flaky" } }
                    @for verdict in ["pass", "fail", "error", "skip"] { option { (verdict) } }
                } }
                label { "Board " select name="board" {
                    option value="" { "all" }
                    @for board in &record.rig.boards { option { (visible(&board.name)) } }
                } }
                label { "Order " select name="order" {
                    option value="" { "what did not pass first" }
                    option value="time" { "as they ran" }
                    option value="name" { "name" }
                    option value="took" { "longest first" }
                } }
            }
            p id="list-count" role="status" {}
            div id="list" {}
        }
    }
}

fn log() -> Markup {
    html! {
        section id="log" aria-labelledby="log-title" {
            h2 id="log-title" { "Log of all boards" }
            p { "Consoles of both cores, SMP packets, power, probe and links in one order." }
            p { button type="button" id="open-log" hidden { "Show the log" } }
            div id="log-panel" {}
        }
    }
}
