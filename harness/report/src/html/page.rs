//! The HTML that shows without scripts, and the frame of the rest.

use super::payload::Data;
use crate::display::visible;
use crate::requirements::{Row, matrix};
use crate::text::{Took, count};
use hil_record::{Ending, Evidence, RunRecord, ScenarioRecord, Totals, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;

/// How many scenarios that did not pass are told in full; the list has all of them.
const TOLD: usize = 100;

/// How many scenarios a cell of the matrix names.
const NAMED: usize = 12;

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
                    (requirements(record))
                    (known_issues(record))
                    (log())
                    (bench(record))
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
    match record.totals.verdict() {
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
                @if record.retries > 0 { ", with " (count(record.retries, "retry", "retries")) }
                "."
            }
            @match record.ending {
                Ending::Complete => {}
                Ending::Stopped => { p class="warning" { "The run was stopped before all scenarios had their turn." } }
                Ending::Killed => { p class="warning" { "The run was killed: its journal has no end." } }
            }
            @for note in &record.notes { p class="note" { "Note: " (visible(note)) } }
        }
    }
}

/// What did not pass: failures of the firmware first, then trouble of the bench, then what was not run by its reason.
struct Bad<'a> {
    told: Vec<&'a ScenarioRecord>,
    skipped: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Bad<'a> {
    fn of(record: &'a RunRecord) -> Self {
        let with = |verdict| {
            record
                .scenarios
                .iter()
                .filter(move |scenario| scenario.outcome.verdict() == verdict)
        };
        let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for scenario in with(Verdict::Skip) {
            let cause = scenario.outcome.cause().unwrap_or_default();
            skipped.entry(cause).or_default().push(&scenario.name);
        }
        Self {
            told: with(Verdict::Fail).chain(with(Verdict::Error)).collect(),
            skipped,
        }
    }

    fn is_empty(&self) -> bool {
        self.told.is_empty() && self.skipped.is_empty()
    }

    fn markup(&self) -> Markup {
        html! {
            @if !self.is_empty() {
                section id="bad" aria-labelledby="bad-title" {
                    h2 id="bad-title" { "What did not pass" }
                    @for scenario in self.told.iter().take(TOLD) { (failure(scenario)) }
                    @if self.told.len() > TOLD {
                        p { "… and " (self.told.len() - TOLD) " more: choose a verdict in the list below." }
                    }
                    @for (cause, names) in self.skipped.iter().take(TOLD) {
                        article class="bad skip" {
                            h3 { (badge(Verdict::Skip)) " " (count(names.len() as u64, "scenario", "scenarios")) }
                            p class="cause" { (visible(cause)) }
                            p { (names_of(names.iter().copied())) }
                        }
                    }
                    @if self.skipped.len() > TOLD {
                        p { "… and " (self.skipped.len() - TOLD) " more reasons: choose a verdict in the list below." }
                    }
                }
            }
        }
    }
}

fn failure(scenario: &ScenarioRecord) -> Markup {
    let step = scenario.last_bad_step();
    let verdict = scenario.outcome.verdict();
    html! {
        article class={ "bad " (verdict.word()) } {
            h3 {
                (badge(verdict)) " " (visible(&scenario.name))
                @if let Some(board) = &scenario.board { " on " (visible(board)) }
                @if let Some(set) = &scenario.firmware { " with " (visible(&set.name)) }
            }
            p class="cause" { (visible(scenario.outcome.cause().unwrap_or_default())) }
            @if let Some(help) = scenario.outcome.help() { p class="help" { "Try: " (visible(help)) } }
            @if let Some(step) = step {
                p {
                    "Step " (step.step.number) ": " (visible(&step.step.text))
                    @if let Some(line) = step.step.line {
                        " (" code { (visible(&scenario.file)) ":" (line) } ")"
                    }
                }
                @if !step.evidence.is_empty() { (evidence(&step.evidence)) }
            }
            @if !scenario.console.is_empty() {
                details {
                    summary { "Last " (count(scenario.console.len() as u64, "line", "lines")) " of the consoles" }
                    pre tabindex="0" {
                        @for line in &scenario.console {
                            (seconds(line.at_ms)) " " (format!("{:<3}", line.core.to_string())) " " (visible(&line.text)) "\n"
                        }
                    }
                }
            }
        }
    }
}

fn evidence(evidence: &[Evidence]) -> Markup {
    html! {
        div class="wide" {
            table {
                caption { "What was seen" }
                thead { tr { th scope="col" { "what" } th scope="col" { "found" } th scope="col" { "expected" } } }
                tbody {
                    @for one in evidence {
                        tr {
                            th scope="row" { (visible(&one.what)) }
                            td { (visible(&one.found)) }
                            td { @if let Some(expected) = &one.expected { (visible(expected)) } }
                        }
                    }
                }
            }
        }
    }
}

fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "badge " (verdict.word()) } { (verdict.word()) } }
}

fn seconds(at: u64) -> String {
    format!("{:>6}.{:03}", at / 1000, at % 1000)
}

/// The first names, and how many more there are.
fn names_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Markup {
    let left = names.len().saturating_sub(NAMED);
    let names: Vec<_> = names.take(NAMED).map(visible).collect();
    html! {
        (names.join(", "))
        @if left > 0 { " … and " (left) " more" }
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

fn requirements(record: &RunRecord) -> Markup {
    let matrix = matrix(record);
    html! {
        section id="requirements" aria-labelledby="requirements-title" {
            h2 id="requirements-title" { "Requirements" }
            @if matrix.is_empty() {
                p { "No scenario of this run names a requirement." }
            } @else {
                div class="wide" {
                    table class="matrix" {
                        thead { tr {
                            th scope="col" { "requirement" } th scope="col" { "verdict" } th scope="col" { "scenarios" }
                        } }
                        tbody { @for row in &matrix { (requirement(row)) } }
                    }
                }
            }
        }
    }
}

fn requirement(row: &Row<'_>) -> Markup {
    let all = [Verdict::Fail, Verdict::Error, Verdict::Skip, Verdict::Pass];
    html! {
        tr {
            th scope="row" { (visible(row.requirement)) }
            td { (badge(row.totals.verdict())) }
            td {
                @for verdict in all {
                    @let names: Vec<_> = row
                        .scenarios
                        .iter()
                        .filter(|scenario| scenario.outcome.verdict() == verdict)
                        .map(|scenario| scenario.name.as_str())
                        .collect();
                    @if !names.is_empty() {
                        p { (badge(verdict)) " " (of(row.totals, verdict)) ": " (names_of(names.into_iter())) }
                    }
                }
            }
        }
    }
}

const fn of(totals: Totals, verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Pass => totals.pass,
        Verdict::Fail => totals.fail,
        Verdict::Error => totals.error,
        Verdict::Skip => totals.skip,
    }
}

fn known_issues(record: &RunRecord) -> Markup {
    let mut issues: BTreeMap<&str, Vec<&ScenarioRecord>> = BTreeMap::new();
    for scenario in &record.scenarios {
        if let Some(issue) = &scenario.known_issue {
            issues.entry(issue).or_default().push(scenario);
        }
    }
    html! {
        section id="issues" aria-labelledby="issues-title" {
            h2 id="issues-title" { "Known issues" }
            @if issues.is_empty() {
                p { "No scenario of this run is about a known issue." }
            } @else {
                div class="wide" {
                    table {
                        caption { "Defects of released firmware. A pass shows that the defect is there." }
                        thead { tr { th scope="col" { "issue" } th scope="col" { "in this firmware" } th scope="col" { "scenarios" } } }
                        tbody {
                            @for (issue, scenarios) in &issues {
                                tr {
                                    th scope="row" { (visible(issue)) }
                                    td { (presence(scenarios)) }
                                    td { (names_of(scenarios.iter().map(|scenario| scenario.name.as_str()))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn presence(scenarios: &[&ScenarioRecord]) -> &'static str {
    let has = |verdict| {
        scenarios
            .iter()
            .any(|scenario| scenario.outcome.verdict() == verdict)
    };
    if has(Verdict::Pass) {
        "there"
    } else if has(Verdict::Fail) {
        "not as described"
    } else {
        "not known"
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

fn bench(record: &RunRecord) -> Markup {
    html! {
        section id="bench" aria-labelledby="bench-title" {
            h2 id="bench-title" { "Bench and firmware" }
            p {
                "Run by " (visible(&record.tool.name)) " " (visible(&record.tool.version))
                " on rig " (visible(&record.rig.name)) "."
            }
            div class="wide" {
                table {
                    caption { "Boards" }
                    thead { tr {
                        th scope="col" { "board" } th scope="col" { "what it is" }
                        th scope="col" { "scenarios" } th scope="col" { "busy" }
                    } }
                    tbody {
                        @for board in &record.rig.boards {
                            @let ran: Vec<_> = record
                                .scenarios
                                .iter()
                                .filter(|scenario| scenario.board.as_ref() == Some(&board.name))
                                .collect();
                            tr {
                                th scope="row" { (visible(&board.name)) }
                                td { (visible(&board.description)) }
                                td { (ran.len()) }
                                td { (Took(ran.iter().map(|scenario| scenario.duration_ms).sum())) }
                            }
                        }
                    }
                }
            }
            div class="wide" {
                table {
                    caption { "Firmware sets" }
                    thead { tr { th scope="col" { "set" } th scope="col" { "scenarios" } th scope="col" { "SHA-256" } } }
                    tbody {
                        @for set in &record.firmware {
                            @let ran = record
                                .scenarios
                                .iter()
                                .filter(|scenario| scenario.firmware.as_ref() == Some(set))
                                .count();
                            tr {
                                th scope="row" { (visible(&set.name)) }
                                td { (ran) }
                                td { code { (visible(&set.digest)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
