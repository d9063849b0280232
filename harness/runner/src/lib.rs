//! Runs scenarios on boards: which board runs what, step after step, with deadlines, evidence and one verdict each.
//!
//! Give [`run`] the boards that were [found](FoundBoard), the [jobs](Job) with the [firmware](Firmware) that
//! each runs with; it
//! tells [reporters](hil_record::Reporter) everything that happens as one stream of events, and returns how each job ended. Boards
//! are reached through `hil-rig` and `hil-smp` only, so that nothing here can know what they are made of.
//!
//! What the firmware does wrong (*fail*) and what the bench does wrong (*error*) are different types from the place where
//! they are met up to the verdict.

mod bench;
mod cancel;
mod console;
mod context;
mod damaged;
mod events;
mod faults;
mod firmware;
mod foretold;
mod fuse;
mod health;
mod history;
mod holding;
mod link;
mod night;
mod outage;
mod plaintext;
mod plan;
mod predicted;
mod proof;
mod queue;
mod radio;
mod ram;
mod replay;
mod run;
mod scenario;
mod schedule;
mod sets;
mod snapshot;
mod standing;
mod step;
mod sweep;
mod trouble;
mod wear;

pub use bench::{BenchError, FoundBoard, FoundBoards, MissingBoard};
pub use cancel::CancelToken;
pub use events::ReporterFailure;
pub use firmware::{Firmware, FirmwareProblem};
pub use foretold::{Foretold, foretell};
pub use night::{
    Ledger, NightLimits, NightOrders, NightRequest, Pace, PointVisit, SweepKey, SweepKnown,
};
pub use plan::{Choice, Job};
pub use replay::{ReplayRequest, ScenarioReplay, StepReplay, replay};
pub use run::{RunEnd, RunRequest, SCENARIO_LIMIT, run};
pub use schedule::{Resumed, Schedule};
pub use sets::{Chosen, SetSource, choose};
pub use sweep::{Share, SweepOrders, Visited};
pub use trouble::error_chain;
