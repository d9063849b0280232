//! What whoever starts a run wants of its sweeps, other than their files say.

use crate::night::NightOrders;
use hil_scenario::{CutList, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// What is wanted of the sweeps of a job.
#[derive(Clone, Debug, Default)]
pub struct SweepOrders {
    /// This point and no other.
    pub only: Option<CutList>,
    /// A strategy other than the file's.
    pub strategy: Option<Strategy>,
    /// A seed other than the file's.
    pub seed: Option<u64>,
    /// Stop the board by the clock, also where it could be stopped at flash operations.
    pub by_time: bool,
    /// A part of the points; all when not given.
    pub share: Option<Share>,
    /// What the run that is taken up has visited.
    pub visited: Visited,
    /// What a night wants of it, where the run is one.
    pub night: Option<NightOrders>,
    /// The command that runs the same again, to which the name of a point can be added.
    pub command: String,
}

/// One of several parts of the points of a sweep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    /// Which, from 0.
    pub number: usize,
    /// Of how many; more than `number`.
    pub of: usize,
}

impl Share {
    /// Whether it has the point with this index. Neighbours are in different parts, so that all take equally long.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        index % self.of == self.number
    }

    /// What a variant is called of which this is the part, such as `swap#1/4`.
    #[must_use]
    pub fn name(self, variant: &str) -> String {
        format!("{variant}#{}/{}", self.number + 1, self.of)
    }
}

/// Points that were visited and found good, by variant and by the digest of the list of operations that they are points of.
#[derive(Clone, Debug, Default)]
pub struct Visited(BTreeMap<(String, String), BTreeSet<String>>);

impl Visited {
    /// Notes a point.
    pub fn add(&mut self, scenario: &str, digest: &str, cut: &str) {
        let key = (scenario.to_owned(), digest.to_owned());
        self.0.entry(key).or_default().insert(cut.to_owned());
    }

    /// Adds those of another run.
    pub fn and(&mut self, other: Self) {
        for (sweep, cuts) in other.0 {
            self.0.entry(sweep).or_default().extend(cuts);
        }
    }

    /// Whether a point was visited.
    #[must_use]
    pub fn has(&self, scenario: &str, digest: &str, cut: &str) -> bool {
        let key = (scenario.to_owned(), digest.to_owned());
        self.0.get(&key).is_some_and(|cuts| cuts.contains(cut))
    }

    /// Collects the points of a run from its events. Of a sweep whose plan changed only those of the last plan count.
    pub fn of_events<'a>(events: impl IntoIterator<Item = &'a hil_record::EventKind>) -> Self {
        let mut visited = Self::default();
        let mut digests: BTreeMap<&str, &str> = BTreeMap::new();
        for event in events {
            match event {
                hil_record::EventKind::SweepPlanned(plan) => {
                    digests.insert(plan.scenario.as_str(), plan.digest.as_str());
                }
                hil_record::EventKind::SweepPoint(point) if point.problem.is_none() => {
                    if let Some(digest) = digests.get(point.scenario.as_str()) {
                        visited.add(&point.scenario, digest, &point.cut);
                    }
                }
                _ => {}
            }
        }
        visited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_record::{EventKind, SweepPlan, SweepPoint, sweep_variant};

    #[test]
    fn the_parts_of_a_sweep_have_each_point_once() {
        let of = 3;
        for index in 0..10 {
            let parts = (0..of).filter(|number| {
                Share {
                    number: *number,
                    of,
                }
                .has(index)
            });
            assert_eq!(parts.count(), 1, "{index}");
        }
    }

    #[test]
    fn a_part_is_called_after_its_variant() {
        let name = Share { number: 1, of: 4 }.name("swap[uart]");
        assert_eq!(name, "swap[uart]#2/4");
        assert_eq!(sweep_variant(&name), "swap[uart]");
    }

    fn planned(digest: &str) -> EventKind {
        EventKind::SweepPlanned(SweepPlan {
            scenario: "swap".to_owned(),
            board: "dk".to_owned(),
            method: String::new(),
            operations: BTreeMap::new(),
            digest: digest.to_owned(),
            seen: true,
            strategy: "every".to_owned(),
            seed: 1,
            points: Some(3),
            all: None,
            visited_before: 0,
        })
    }

    fn visited(cut: &str, problem: Option<&str>) -> EventKind {
        EventKind::SweepPoint(SweepPoint {
            scenario: "swap".to_owned(),
            board: "dk".to_owned(),
            cut: cut.to_owned(),
            came_to: String::new(),
            problem: problem.map(str::to_owned),
            took_ms: 1,
        })
    }

    #[test]
    fn what_was_visited_and_good_need_not_be_visited_again() {
        let events = [
            planned("a"),
            visited("one", None),
            visited("two", Some("bricked")),
        ];
        let seen = Visited::of_events(&events);
        assert!(seen.has("swap", "a", "one"));
        assert!(!seen.has("swap", "a", "two"), "what failed is tried again");
        assert!(!seen.has("swap", "b", "one"), "another list of operations");
        assert!(!seen.has("revert", "a", "one"));
    }
}
