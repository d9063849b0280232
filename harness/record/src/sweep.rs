//! A start of a board that is interrupted at many points: what was planned, and what came of each point, as it happens.
//!
//! A run that is stopped can be taken up from these: a point that has an event was visited.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Of these, how many were visited by the run that this one takes up.
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
