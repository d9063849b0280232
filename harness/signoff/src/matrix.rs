//! Which requirement is covered by what, and the other way round.

use crate::requirements::Requirement;
use hil_scenario::RequirementId;
use serde::Serialize;
use std::collections::BTreeMap;

/// The matrix, both ways.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Matrix {
    /// Every requirement with the scenario variants that name it.
    pub requirements: Vec<Covered>,
    /// Every scenario variant with the requirements that it names.
    pub scenarios: BTreeMap<String, Vec<String>>,
    /// Requirements that a scenario names and the file has not, with the scenario.
    pub unknown: Vec<(String, String)>,
}

/// A requirement and what covers it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Covered {
    /// The requirement.
    pub requirement: Requirement,
    /// The scenario variants that name it, and whether what they found counts.
    pub by: Vec<(String, bool)>,
}

impl Covered {
    /// Whether something that counts covers it.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.by.iter().any(|(_, counts)| *counts)
    }
}

impl Matrix {
    /// Of requirements and scenario variants: name, requirements, and whether what it found counts.
    #[must_use]
    pub fn new<'a>(
        requirements: &[Requirement],
        scenarios: impl IntoIterator<Item = (&'a str, &'a [RequirementId], bool)>,
    ) -> Self {
        let mut matrix = Self {
            requirements: requirements
                .iter()
                .map(|requirement| Covered {
                    requirement: requirement.clone(),
                    by: Vec::new(),
                })
                .collect(),
            ..Self::default()
        };
        for (name, ids, counts) in scenarios {
            let listed = ids.iter().map(ToString::to_string).collect();
            matrix.scenarios.insert(name.to_owned(), listed);
            for id in ids {
                let mut rows = matrix.requirements.iter_mut();
                match rows.find(|row| row.requirement.id == *id) {
                    Some(row) => row.by.push((name.to_owned(), counts)),
                    None => matrix.unknown.push((id.to_string(), name.to_owned())),
                }
            }
        }
        matrix
    }

    /// Requirements that nothing that counts covers.
    pub fn uncovered(&self) -> impl Iterator<Item = &Covered> {
        self.requirements.iter().filter(|row| !row.is_covered())
    }

    /// Scenario variants that cover no requirement.
    pub fn without_requirement(&self) -> impl Iterator<Item = &str> {
        let scenarios = self.scenarios.iter();
        scenarios
            .filter(|(_, ids)| ids.is_empty())
            .map(|(name, _)| name.as_str())
    }
}
