//! Sweeps of cut points: which points of a start were visited, and which of them are bad.
//!
//! A point names itself, `boot.app-erase.37.before`: the class of the flash operation and its number among all flash operations
//! of the start. Of several in a row, joined by `+`, the first says where it is shown. A name that is none of these is told
//! where it is bad, and has no place in the map.

use hil_record::{SweepPlan, SweepPoint};
use std::collections::BTreeMap;

/// A sweep of one scenario.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) method: String,
    pub(crate) strategy: String,
    /// Flash operations of the start by class.
    pub(crate) operations: BTreeMap<String, u32>,
    /// How many points were to be visited, and how many of them before, by a run that this one goes on with.
    pub(crate) planned: Option<u32>,
    pub(crate) before: u32,
    pub(crate) points: Vec<Point>,
}

/// A point that was visited.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Point {
    /// Its class and the number of its operation; of several in a row those of the first.
    pub(crate) place: Option<(String, u32)>,
    /// Whether it is the first of several in a row.
    pub(crate) several: bool,
    /// Its name and what is wrong with it, when something is.
    pub(crate) bad: Option<(String, String)>,
}

impl Sweep {
    pub(crate) fn planned(plan: &SweepPlan) -> Self {
        Self {
            method: plan.method.clone(),
            strategy: plan.strategy.clone(),
            operations: plan.operations.clone(),
            planned: plan.points,
            before: plan.visited_before,
            points: Vec::new(),
        }
    }
}

impl Point {
    pub(crate) fn visited(point: &SweepPoint) -> Self {
        Self {
            place: place(&point.cut),
            several: point.cut.contains('+'),
            bad: point
                .problem
                .as_ref()
                .map(|problem| (point.cut.clone(), problem.clone())),
        }
    }
}

/// Class and number of the first point of a name.
fn place(cut: &str) -> Option<(String, u32)> {
    let mut parts = cut.split('+').next()?.split('.');
    let (_phase, class, index, _edge) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    parts
        .next()
        .is_none()
        .then(|| Some((class.to_owned(), index.parse().ok()?)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::one("boot.app-erase.37.before", Some(("app-erase", 37)))]
    #[case::in_a_row("boot.net-write.4.inside-8+boot.app-write.9.after", Some(("net-write", 4)))]
    #[case::no_number("boot.app-erase.x.before", None)]
    #[case::too_long("boot.app-erase.37.before.that", None)]
    #[case::nothing("", None)]
    fn a_point_says_where_it_is(#[case] cut: &str, #[case] expected: Option<(&str, u32)>) {
        let expected = expected.map(|(class, index)| (class.to_owned(), index));
        assert_eq!(place(cut), expected);
    }
}
