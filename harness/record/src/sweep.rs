//! A start of a board that is interrupted at many points: what was planned, and what came of each point, as it happens.
//!
//! A run that is stopped can be taken up from these: a point that has an event was visited.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A sweep begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SweepPlan {
    /// Name of the variant.
    pub scenario: String,
    /// Name of the board.
    pub board: String,
    /// How the board is interrupted and how a point is met, in words.
    pub method: String,
    /// Flash operations of the start when nobody interrupts it, by class, such as `app-erase`.
    pub operations: BTreeMap<String, u32>,
    /// SHA-256 over the list of these operations, in hex digits: a list that differs in anything has another one.
    pub digest: String,
    /// Whether the board was seen to do these operations. Otherwise they are what the model of the bootloader foretells.
    pub seen: bool,
    /// The strategy, such as `sample:12`.
    pub strategy: String,
    /// What the sampling began with.
    pub seed: u64,
    /// How many points are to be visited; not known before the end when halving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
    /// How many points there are altogether; older journals do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<u32>,
    /// Of those to be visited, how many were visited by the run that this one takes up.
    #[serde(default)]
    pub visited_before: u32,
}

/// A point was visited.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Name of the variant.
    pub scenario: String,
    /// Name of the board.
    pub board: String,
    /// Name of the point, or of several in a row: `boot.app-erase.37.before`.
    pub cut: String,
    /// What the board came to: `boots update, flash as without the cut`.
    pub came_to: String,
    /// What is wrong with it, when something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How long it took, restoring included, in milliseconds.
    pub took_ms: u64,
}

impl SweepPoint {
    /// What a point comes to where the clock was too late for it. That is no failure, and shows nothing.
    pub const MISSED: &str = "missed: the start was over before";

    /// Whether the board was interrupted at it, and came to what it must.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problem.is_none() && self.came_to != Self::MISSED
    }
}

/// A sweep has ended, well or not: what it came to altogether.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SweepTotals {
    /// Name of the variant.
    pub scenario: String,
    /// Name of the board.
    pub board: String,
    /// Flash operations of the start that was interrupted.
    pub operations: u32,
    /// Points that were visited, those of a run before not counted.
    pub visited: u32,
    /// How many of them were bad.
    pub bad: u32,
    /// How long the points took altogether, in milliseconds.
    pub took_ms: u64,
}

impl SweepTotals {
    /// Points that were visited in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        f64::from(self.visited) * 1000.0 / (self.took_ms.max(1) as f64)
    }
}

impl fmt::Display for SweepTotals {
    /// `476 points of 476 flash operations in 61.2 s, 7.78 per second, all good`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} point{} of {} flash operations in {:.1} s, {:.2} per second",
            self.visited,
            if self.visited == 1 { "" } else { "s" },
            self.operations,
            self.took_ms as f64 / 1000.0,
            self.per_second(),
        )?;
        match (self.visited, self.bad) {
            (0, _) => Ok(()),
            (_, 0) => f.write_str(", all good"),
            (_, bad) => write!(f, ", {bad} bad"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::all(
        476,
        0,
        61_200,
        "476 points of 476 flash operations in 61.2 s, 7.78 per second, all good"
    )]
    #[case::bad(
        1,
        1,
        500,
        "1 point of 476 flash operations in 0.5 s, 2.00 per second, 1 bad"
    )]
    #[case::nothing(0, 0, 0, "0 points of 476 flash operations in 0.0 s, 0.00 per second")]
    fn a_sweep_is_told_in_one_line(
        #[case] visited: u32,
        #[case] bad: u32,
        #[case] took_ms: u64,
        #[case] expected: &str,
    ) {
        let totals = SweepTotals {
            scenario: "swap".to_owned(),
            board: "dk".to_owned(),
            operations: 476,
            visited,
            bad,
            took_ms,
        };
        assert_eq!(totals.to_string(), expected);
    }
}
