//! The history of a bench: what came of every run, in one SQLite file.
//!
//! A run leaves a folder; this keeps the few facts of it that are compared over runs: verdicts, durations, throughput of
//! uploads, which attempts it took, which points of sweeps were visited, and what was under test. From them follow the [`Overview`] (trends, flaky scenarios and
//! boards, the last good run of each scenario) and how long a scenario is
//! [expected to take](History::expected_duration).
//!
//! The file can be lost without loss: the folders of the runs are the evidence, and adding them again makes the same
//! history. So nothing of a run depends on it, and everything that is wrong with it is a [`HistoryError`] with a sentence.

mod entry;
mod error;
mod overview;
mod schema;
mod store;
mod sweeps;
mod trend;

pub use entry::{ResultEntry, RunEntry, UploadEntry};
pub use error::HistoryError;
pub use overview::{BoardTrend, Overview, RunRow, ScenarioTrend, Seen};
pub use store::{Filter, History, LastResult};
pub use sweeps::{Pace, SweepEntry, SweepSeen, VisitEntry};
pub use trend::{median, trend};
