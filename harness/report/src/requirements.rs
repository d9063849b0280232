//! Which requirement is covered by which scenarios, and what came of it.

use hil_record::{RunRecord, ScenarioRecord, Totals, Verdict};
use std::collections::BTreeMap;

/// A requirement with the scenarios that cover it.
pub(crate) struct Row<'a> {
    pub(crate) requirement: &'a str,
    /// In the order of the record.
    pub(crate) scenarios: Vec<&'a ScenarioRecord>,
    pub(crate) totals: Totals,
}

/// All requirements that a scenario of the run covers, by name. Scenarios that never began name none.
pub(crate) fn matrix(record: &RunRecord) -> Vec<Row<'_>> {
    let mut rows: BTreeMap<&str, Vec<&ScenarioRecord>> = BTreeMap::new();
    for scenario in &record.scenarios {
        for requirement in &scenario.requirements {
            rows.entry(requirement).or_default().push(scenario);
        }
    }
    rows.into_iter()
        .map(|(requirement, scenarios)| Row {
            requirement,
            totals: totals(&scenarios),
            scenarios,
        })
        .collect()
}

fn totals(scenarios: &[&ScenarioRecord]) -> Totals {
    let mut totals = Totals::default();
    for scenario in scenarios {
        match scenario.outcome.verdict() {
            Verdict::Pass => totals.pass += 1,
            Verdict::Fail => totals.fail += 1,
            Verdict::Error => totals.error += 1,
            Verdict::Skip => totals.skip += 1,
        }
    }
    totals
}
