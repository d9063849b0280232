//! The judgement: runs held against terms at a time. A function of these three and of nothing else.

mod refusal;
mod run;
mod scenario;
mod waivers;

pub use refusal::{Refusal, Rule};

use crate::evidence::Evidence;
use crate::matrix::Matrix;
use crate::policy::{Terms, Waiver};
use jiff::Timestamp;
use serde::Serialize;
use waivers::Waivers;

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Judgement {
    /// When it was judged.
    pub at: Timestamp,
    /// Why the release is not signed off; empty when it is.
    pub refusals: Vec<Refusal>,
    /// What a reader of the sign-off should know.
    pub warnings: Vec<String>,
    /// Every scenario variant of the terms and what was found, by name.
    pub scenarios: Vec<Found>,
    /// The requirements and what covers them.
    pub matrix: Matrix,
    /// The waivers without which it would have been refused.
    pub waived: Vec<Waiver>,
}

/// What the runs say of a scenario variant.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What it comes to.
    pub standing: Standing,
    /// How often it passed, where it counts.
    pub passes: u32,
    /// The boards on which it did.
    pub boards: Vec<String>,
    /// The runs in which it did.
    pub runs: Vec<String>,
}

/// What a scenario variant comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It passed as the terms ask.
    Passed,
    /// It passed, and a reader should know what of.
    Warned,
    /// It did not pass, or not as the terms ask, and somebody answers for that.
    Waived,
    /// It did not pass, or not as the terms ask.
    Refused,
}

impl Judgement {
    /// Whether the release can be signed off.
    #[must_use]
    pub fn is_signed_off(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// Holds `runs` against `terms`, as of `at`.
#[must_use]
pub fn judge(terms: &Terms, runs: &[Evidence], at: Timestamp) -> Judgement {
    let mut waivers = Waivers::new(&terms.waivers, at);
    let mut refusals = run::judge(terms, runs, at);
    let mut warnings = Vec::new();
    let mut scenarios = Vec::new();
    let mut counts = Vec::new();
    for wanted in &terms.scenarios {
        let mut verdict = scenario::judge(wanted, terms, runs, &mut waivers);
        refusals.append(&mut verdict.refusals);
        warnings.append(&mut verdict.warnings);
        counts.push((
            wanted.name.as_str(),
            wanted.requirements.as_slice(),
            verdict.covers,
        ));
        scenarios.push(verdict.found);
    }
    let matrix = Matrix::new(&terms.requirements, counts);
    refusals.extend(coverage(&matrix, &mut waivers));
    warnings.extend(waivers.unused());
    Judgement {
        at,
        refusals,
        warnings,
        scenarios,
        matrix,
        waived: waivers.used(),
    }
}

/// Requirements without a scenario that passed, and scenarios without a requirement.
fn coverage(matrix: &Matrix, waivers: &mut Waivers<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for row in matrix.uncovered() {
        let id = &row.requirement.id;
        let named: Vec<&str> = row.by.iter().map(|(name, _)| name.as_str()).collect();
        let text = if named.is_empty() {
            format!("requirement `{id}` is in no scenario")
        } else {
            format!(
                "requirement `{id}` is covered by nothing that passed; {} should",
                list(&named)
            )
        };
        refusals.extend(waivers.uncovered(id, || {
            Refusal::new(
                Rule::Requirement,
                text,
                format!("write a scenario with `requirements: [{id}]`, or waive it with `uncovered: {id}`"),
            )
        }));
    }
    for name in matrix.without_requirement() {
        refusals.push(Refusal::new(
            Rule::Requirement,
            format!("scenario `{name}` covers no requirement"),
            "say in its `requirements` what it shows, or exclude it with a reason",
        ));
    }
    for (id, name) in &matrix.unknown {
        refusals.push(Refusal::new(
            Rule::Requirement,
            format!("scenario `{name}` covers `{id}`, which is not in the requirements file"),
            "is the id misspelt? otherwise add the requirement",
        ));
    }
    refusals
}

/// Names for a sentence.
fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
