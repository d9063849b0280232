//! Updates from every release to every other one, as a grid.
//!
//! What belongs into one is seen from the records themselves: variants of one scenario of which some did `expect_update`.
//! Their names carry the releases, `version-matrix[v1.5.0,v2.1.0]`, also of those that never ran.

use crate::outcome::Verdict;
use crate::run::ScenarioRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The step that makes a cell, and what its evidence calls the outcome.
const STEP: &str = "expect_update";
const OUTCOME: &str = "update";

/// What became of updates from some releases to some others.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Grid {
    /// Name of the scenario.
    pub scenario: String,
    /// The releases that boards were programmed with, in order.
    pub from: Vec<String>,
    /// The releases that were sent, in order.
    pub to: Vec<String>,
    /// One for each variant.
    pub cells: Vec<GridCell>,
}

/// What became of one update.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct GridCell {
    /// What the board was programmed with.
    pub from: String,
    /// What was sent to it.
    pub to: String,
    /// How the scenario ended. A refusal that must be is a pass.
    pub verdict: Verdict,
    /// What it came to, where that was seen: `updated` or `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_to: Option<String>,
}

impl Grid {
    /// The grids in the record of a run, in the order of their first variants.
    pub(crate) fn all(scenarios: &[ScenarioRecord]) -> Vec<Self> {
        let mut grids: Vec<Self> = Vec::new();
        for record in scenarios {
            let Some((scenario, from, to)) = pair(&record.name) else {
                continue;
            };
            let known = grids.iter().position(|grid| grid.scenario == scenario);
            let index = known.unwrap_or_else(|| {
                grids.push(Self {
                    scenario: scenario.to_owned(),
                    from: Vec::new(),
                    to: Vec::new(),
                    cells: Vec::new(),
                });
                grids.len() - 1
            });
            let grid = &mut grids[index];
            for (names, name) in [(&mut grid.from, from), (&mut grid.to, to)] {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            grid.cells.push(GridCell {
                from: from.to_owned(),
                to: to.to_owned(),
                verdict: record.outcome.verdict(),
                came_to: came_to(record),
            });
        }
        grids.retain(|grid| {
            let of_grid = |record: &&ScenarioRecord| {
                pair(&record.name).is_some_and(|(scenario, ..)| scenario == grid.scenario)
            };
            let mut steps = scenarios
                .iter()
                .filter(of_grid)
                .flat_map(|record| &record.steps);
            steps.any(|step| step.step.name == STEP)
        });
        for grid in &mut grids {
            // Boards finish in any order.
            grid.from.sort();
            grid.to.sort();
            grid.cells
                .sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        }
        grids
    }

    /// The cell of an update, if it was to be tried.
    #[must_use]
    pub fn cell(&self, from: &str, to: &str) -> Option<&GridCell> {
        self.cells
            .iter()
            .find(|cell| cell.from == from && cell.to == to)
    }
}

/// Scenario and the two values of a variant's name, `scenario[from,to]`.
fn pair(name: &str) -> Option<(&str, &str, &str)> {
    let (scenario, values) = name.strip_suffix(']')?.split_once('[')?;
    let (from, to) = values.split_once(',')?;
    (!to.contains(',')).then_some((scenario, from, to))
}

/// The last word of what was seen of the update.
fn came_to(record: &ScenarioRecord) -> Option<String> {
    let step = record.steps.iter().find(|step| step.step.name == STEP)?;
    let seen = step.evidence.iter().find(|seen| seen.what == OUTCOME)?;
    Some(seen.found.rsplit_once(": ")?.1.to_owned())
}
