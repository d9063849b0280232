//! What did not pass, told in full: the first thing that somebody looks for.

use super::parts::{badge, names_of};
use crate::display::visible;
use crate::text::{attempt, count};
use hil_record::{Evidence, RunRecord, ScenarioRecord, Verdict};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// How many scenarios that did not pass are told in full; the list has all of them.
const TOLD: usize = 100;

/// What did not pass: failures of the firmware first, then trouble of the bench, then what was not run by its reason.
pub(crate) struct Bad<'a> {
    told: Vec<&'a ScenarioRecord>,
    /// What passed only when it was tried again.
    flaky: Vec<&'a ScenarioRecord>,
    skipped: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Bad<'a> {
    pub(crate) fn of(record: &'a RunRecord) -> Self {
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
            flaky: with(Verdict::Pass).filter(|one| one.is_flaky()).collect(),
            skipped,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty() && self.flaky.is_empty() && self.skipped.is_empty()
    }

    pub(crate) fn markup(&self) -> Markup {
        html! {
            @if !self.is_empty() {
                section id="bad" aria-labelledby="bad-title" {
                    h2 id="bad-title" { "What did not pass" }
                    @for scenario in self.told.iter().take(TOLD) { (failure(scenario)) }
                    @if self.told.len() > TOLD {
                        p { "… and " (self.told.len() - TOLD) " more: choose a verdict in the list below." }
                    }
                    @for scenario in self.flaky.iter().take(TOLD) {
                        article class="bad error" {
                            h3 { span class="badge error" { "flaky" } " " (visible(&scenario.name)) }
                            p class="cause" {
                                "Passed on " (visible(scenario.board.as_deref().unwrap_or_default()))
                                " only when it was tried again."
                            }
                            (earlier(scenario))
                        }
                    }
                    @if self.flaky.len() > TOLD {
                        p { "… and " (self.flaky.len() - TOLD) " more: choose flaky in the list below." }
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
            (earlier(scenario))
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
                            (seconds(line.at_ms)) " " (format!("{:<3}", line.whose())) " " (visible(&line.text)) "\n"
                        }
                    }
                }
            }
        }
    }
}

/// The attempts before the last one.
fn earlier(scenario: &ScenarioRecord) -> Markup {
    html! {
        @for (number, one) in (1..).zip(&scenario.earlier) {
            p { "Attempt " (number) ": " (visible(&attempt(one))) }
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

fn seconds(at: u64) -> String {
    format!("{:>6}.{:03}", at / 1000, at % 1000)
}
