//! The tables of the page: updates from release to release, requirements, known issues, boards and firmware sets.

use super::parts::{badge, names_of};
use crate::display::visible;
use crate::grid::word;
use crate::requirements::{Row, matrix};
use crate::text::Took;
use hil_record::{BoardInfo, Grid, RunRecord, ScenarioRecord, Totals, Verdict, WearRecord};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Updates from every release to every other one, where scenarios tried them.
pub(crate) fn grids(record: &RunRecord) -> Markup {
    html! {
        @if !record.grids.is_empty() {
            section id="grids" aria-labelledby="grids-title" {
                h2 id="grids-title" { "Updates from release to release" }
                @for grid in &record.grids { (one_grid(grid)) }
            }
        }
    }
}

fn one_grid(grid: &Grid) -> Markup {
    html! {
        div class="wide" {
            table {
                caption { (visible(&grid.scenario)) ": a row for what was programmed, a column for what was sent" }
                thead { tr {
                    th scope="col" { "from" }
                    @for to in &grid.to { th scope="col" { (visible(to)) } }
                } }
                tbody {
                    @for from in &grid.from {
                        tr {
                            th scope="row" { (visible(from)) }
                            @for to in &grid.to {
                                @let cell = grid.cell(from, to);
                                @let class = cell.map_or("none", |cell| cell.verdict.word());
                                td class=(class) { (visible(word(cell))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn requirements(record: &RunRecord) -> Markup {
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

/// How much of each sweep a night and those before it have tested.
pub(crate) fn coverage(record: &RunRecord) -> Markup {
    let Some(night) = &record.night else {
        return html! {};
    };
    html! {
        section id="coverage" aria-labelledby="coverage-title" {
            h2 id="coverage-title" { "Points of sweeps" }
            p { "Where boards were interrupted over all nights with this firmware, and how much is left." }
            table {
                thead { tr { th scope="col" { "sweep" } th scope="col" { "firmware" } th scope="col" { "tested" } } }
                tbody {
                    @for one in &night.coverage {
                        tr {
                            th scope="row" { (visible(&one.scenario)) }
                            td { (visible(&one.firmware.name)) }
                            td { (one.words(record.started)) }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn known_issues(record: &RunRecord) -> Markup {
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

/// How many pages were erased in a run, one by one.
fn erases(wear: Option<&WearRecord>) -> String {
    match wear {
        None => "not known".to_owned(),
        Some(wear) if wear.complete => wear.erases.to_string(),
        Some(wear) => format!("{} or more", wear.erases),
    }
}

/// The page that counts for how long a board lasts.
fn most_worn(wear: Option<&WearRecord>) -> String {
    let Some((wear, most)) = wear.and_then(|wear| Some((wear, wear.most.as_ref()?))) else {
        return "not known".to_owned();
    };
    let of = wear
        .budget
        .map(|budget| format!(" of {budget} that its rig file allows"));
    format!(
        "{:#010x}: {} erases{}",
        most.address,
        most.erases,
        of.unwrap_or_default()
    )
}

pub(crate) fn bench(record: &RunRecord) -> Markup {
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
                        th scope="col" { "debug probe" }
                        th scope="col" { "scenarios" } th scope="col" { "busy" }
                        th scope="col" { "erases of pages" } th scope="col" { "most worn page" }
                    } }
                    tbody {
                        @for board in &record.rig.boards {
                            @let wear = record.wear.iter().find(|wear| wear.board == board.name);
                            @let ran: Vec<_> = record
                                .scenarios
                                .iter()
                                .filter(|scenario| scenario.board.as_ref() == Some(&board.name))
                                .collect();
                            tr {
                                th scope="row" { (visible(&board.name)) }
                                td { (visible(&board.description)) }
                                td { (visible(&probe(board))) }
                                td { (ran.len()) }
                                td { (Took(ran.iter().map(|scenario| scenario.duration_ms).sum())) }
                                td { (erases(wear)) }
                                td { (most_worn(wear)) }
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

/// The probe of a board and its firmware, as far as they are known.
fn probe(board: &BoardInfo) -> String {
    let Some(identity) = &board.identity else {
        return "not known".to_owned();
    };
    match &identity.probe_firmware {
        Some(firmware) => format!("{}, firmware: {firmware}", identity.probe),
        None => format!("{}, firmware not known", identity.probe),
    }
}
