//! What is asked of each scenario variant.

use super::refusal::{Refusal, Rule};
use super::waivers::Waivers;
use super::{Found, Standing};
use crate::evidence::{Evidence, passed};
use crate::policy::{KnownIssues, ScenarioTerms, Terms, VirtualBoards};
use hil_record::{InputRole, Outcome, ScenarioRecord};
use std::collections::BTreeSet;

/// What came of one variant.
pub(super) struct Verdict {
    pub(super) found: Found,
    /// Whether its requirements are covered by it.
    pub(super) covers: bool,
    pub(super) refusals: Vec<Refusal>,
    pub(super) warnings: Vec<String>,
}

/// A record of the variant, and the run it is of.
#[derive(Clone, Copy)]
struct Ran<'a> {
    run: &'a Evidence,
    record: &'a ScenarioRecord,
}

pub(super) fn judge(
    wanted: &ScenarioTerms,
    terms: &Terms,
    runs: &[Evidence],
    waivers: &mut Waivers<'_>,
) -> Verdict {
    let name = &wanted.name;
    let all: Vec<Ran<'_>> = runs
        .iter()
        .flat_map(|run| {
            run.record
                .scenarios
                .iter()
                .map(move |record| Ran { run, record })
        })
        .filter(|ran| ran.record.name == *name)
        .collect();
    let mut judging = Judging {
        wanted,
        terms,
        refusals: Vec::new(),
        warnings: Vec::new(),
        waived: false,
    };
    let counted: Vec<Ran<'_>> = all
        .iter()
        .filter(|ran| passed(ran.record))
        .filter(|ran| judging.counts(**ran, waivers))
        .copied()
        .collect();
    judging.bad_ends(&all, !counted.is_empty(), waivers);
    let boards: BTreeSet<String> = counted
        .iter()
        .filter_map(|ran| ran.run.board(ran.record))
        .collect();
    judging.enough(&all, &counted, waivers);
    let known = judging.known_issue(&counted);
    let standing = if !judging.refusals.is_empty() {
        Standing::Refused
    } else if counted.is_empty() {
        Standing::Waived
    } else if known || judging.waived {
        Standing::Warned
    } else {
        Standing::Passed
    };
    Verdict {
        covers: !counted.is_empty() && !known,
        found: Found {
            name: name.clone(),
            standing,
            passes: u32::try_from(counted.len()).unwrap_or(u32::MAX),
            boards: boards.into_iter().collect(),
            runs: counted
                .iter()
                .map(|ran| ran.run.record.run.clone())
                .collect(),
        },
        refusals: judging.refusals,
        warnings: judging.warnings,
    }
}

struct Judging<'a> {
    wanted: &'a ScenarioTerms,
    terms: &'a Terms,
    refusals: Vec<Refusal>,
    warnings: Vec<String>,
    /// Something about a pass was waived.
    waived: bool,
}

impl Judging<'_> {
    fn refuse(&mut self, rule: Rule, text: String, help: &str) {
        self.refusals.push(Refusal::new(rule, text, help));
    }

    /// Whether a pass counts.
    fn counts(&mut self, ran: Ran<'_>, waivers: &mut Waivers<'_>) -> bool {
        let (name, id) = (&self.wanted.name, &ran.run.record.run);
        let board = ran.record.board.as_deref().unwrap_or_default();
        let file = ran.run.inputs(InputRole::Scenario, None);
        let file = file.get(ran.record.file.as_str()).copied();
        if file != Some(self.wanted.file.to_string().as_str()) {
            let text = match file {
                Some(_) => format!(
                    "scenario `{name}` ran in `{id}` from `{}`, which is not the library's any more",
                    ran.record.file
                ),
                None => format!("run `{id}` does not say from which file scenario `{name}` ran"),
            };
            self.refuse(Rule::ScenarioFile, text, "run the library as it is now");
            return false;
        }
        if self.terms.virtual_boards == VirtualBoards::Refuse && ran.run.is_virtual(board) {
            self.refuse(
                Rule::Board,
                format!(
                    "scenario `{name}` passed in `{id}` on `{board}`, which is a virtual board"
                ),
                "run it on a real one, or write `virtual_boards: allow` in the policy",
            );
            return false;
        }
        if !self.wanted.on.is_empty() && !self.wanted.on.iter().any(|wanted| wanted == board) {
            return false;
        }
        let again = again(ran.record);
        let Some(again) = again else { return true };
        let refusal = waivers.retry(name, || {
            Refusal::new(
                Rule::Retry,
                format!(
                    "scenario `{name}` passed in `{id}` on `{board}` only after {again}"
                ),
                "find out what had to be tried again (`journal.jsonl`, events `retry`), and run again",
            )
        });
        self.waived |= refusal.is_none();
        if refusal.is_none() {
            self.warnings.push(format!(
                "scenario `{name}` passed in `{id}` after {again}, which is waived"
            ));
        }
        self.refusals.extend(refusal);
        true
    }

    /// A failure is never outweighed by a pass; trouble of the bench is, as a retry.
    fn bad_ends(&mut self, all: &[Ran<'_>], passed: bool, waivers: &mut Waivers<'_>) {
        let name = &self.wanted.name;
        for ran in all {
            let id = &ran.run.record.run;
            match &ran.record.outcome {
                Outcome::Pass | Outcome::Skip { .. } => {}
                Outcome::Fail { cause, .. } => self.refusals.push(Refusal::new(
                    Rule::Passed,
                    format!("scenario `{name}` failed in `{id}`: {cause}"),
                    "the firmware does not do what it must: repair it, and run again",
                )),
                Outcome::Error { cause, .. } if passed => {
                    let refusal = waivers.retry(name, || {
                        Refusal::new(
                            Rule::Retry,
                            format!(
                                "scenario `{name}` passed only when it was run again: in `{id}` the bench failed: {cause}"
                            ),
                            "repair the bench, and run again",
                        )
                    });
                    self.waived |= refusal.is_none();
                    self.refusals.extend(refusal);
                }
                Outcome::Error { cause, .. } => self.refusals.push(Refusal::new(
                    Rule::Passed,
                    format!(
                        "scenario `{name}` was not judged in `{id}`, the bench failed: {cause}"
                    ),
                    "repair the bench, and run again",
                )),
            }
        }
    }

    /// As often, on as many boards, with as many cuts as asked for; or skipped by somebody's leave.
    fn enough(&mut self, all: &[Ran<'_>], counted: &[Ran<'_>], waivers: &mut Waivers<'_>) {
        let wanted = self.wanted;
        let name = &wanted.name;
        if counted.is_empty() {
            if !self.refusals.is_empty() {
                return;
            }
            let skipped = all.iter().find_map(|ran| match &ran.record.outcome {
                Outcome::Skip { cause, .. } => Some((&ran.run.record.run, cause)),
                _ => None,
            });
            let (text, help) = match skipped {
                Some((id, cause)) => (
                    format!("scenario `{name}` was skipped in `{id}`: {cause}"),
                    "run it on a bench that has what it needs, or waive it",
                ),
                None if all.is_empty() => (
                    format!("scenario `{name}` was not run"),
                    "run it: `dfu-hil run --filter NAME`, and give that run as well",
                ),
                None => (
                    format!(
                        "scenario `{name}` passed on none of the boards {}",
                        super::list(&wanted.on.iter().map(String::as_str).collect::<Vec<_>>())
                    ),
                    "run it there",
                ),
            };
            self.refusals
                .extend(waivers.skip(name, || Refusal::new(Rule::Skipped, text, help)));
            return;
        }
        let passes = counted.len();
        if passes < wanted.passes as usize {
            let text = format!(
                "scenario `{name}` passed {passes} times, the policy asks for {}",
                wanted.passes
            );
            self.refuse(
                Rule::Passed,
                text,
                "run it more often, and give these runs as well",
            );
        }
        // A board that has another name in another rig file is still the same.
        let boards: BTreeSet<String> = counted
            .iter()
            .filter_map(|ran| ran.run.chip(ran.record))
            .collect();
        if boards.len() < wanted.boards as usize {
            let text = format!(
                "scenario `{name}` passed on {} boards, the policy asks for {}",
                boards.len(),
                wanted.boards
            );
            self.refuse(Rule::Board, text, "run it on more boards");
        }
        // The same point again shows nothing new.
        let cuts: BTreeSet<_> = counted
            .iter()
            .flat_map(|ran| ran.run.cuts(ran.record))
            .collect();
        let cuts = cuts.len() as u64;
        if cuts < wanted.cut_points {
            let text = format!(
                "scenario `{name}` cut the power at {cuts} different points, the policy asks for {}",
                wanted.cut_points
            );
            self.refuse(Rule::CutPoints, text, "run a longer sweep");
        }
    }

    /// Whether its passing says that a known defect is there.
    fn known_issue(&mut self, counted: &[Ran<'_>]) -> bool {
        let Some(issue) = counted
            .iter()
            .find_map(|ran| ran.record.known_issue.as_deref())
        else {
            return false;
        };
        let text = format!(
            "scenario `{}` shows that the release has the known defect {issue}",
            self.wanted.name
        );
        match self.terms.known_issues {
            KnownIssues::Warn => self.warnings.push(text),
            KnownIssues::Refuse => self.refuse(
                Rule::KnownIssue,
                text,
                "take the repair, or write `known_issues: warn` in the policy",
            ),
        }
        true
    }
}

/// What had to be tried again for a pass, in words; none when nothing had.
fn again(record: &ScenarioRecord) -> Option<String> {
    let before = record.earlier.iter().find(|one| one.is_bench_trouble());
    match before {
        Some(before) => Some(format!(
            "an attempt on `{}` in which the bench failed: {}",
            before.board.as_deref().unwrap_or_default(),
            before.outcome.cause().unwrap_or_default()
        )),
        None if record.retries > 0 => Some(format!("{} retries", record.retries)),
        None => None,
    }
}
