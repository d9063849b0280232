//! Nights: what the library leaves of the time goes to the points of sweeps that were tested least.
//!
//! A night is a run. Its library has its turns first; a board that finds nothing left gets a *slice*: a sweep of the library with
//! a few points that are chosen when it begins, by what the history and this night know of all points. Three questions are
//! answered here, by pure functions of what is known and a seed:
//!
//! * [`library`]: does the library fit into the time, and what comes first where it does not?
//! * [`fill`]: of which sweep does a free board get a slice, and how large?
//! * [`choose`]: which points does the slice have?
//!
//! The [`Ledger`] has what is known of points; all boards of the night share it.

mod book;
mod choose;
mod fill;
mod ledger;
mod library;
mod running;
#[cfg(test)]
mod tests;

pub use book::{Pace, PointVisit, SweepKnown};
pub use ledger::{Ledger, SweepKey};

pub(crate) use book::Came;
pub(crate) use fill::Slice;
pub(crate) use running::Night;

use crate::context::Context;
use crate::plan::Job;
use crate::sweep::Share;
use hil_record::{SweepPoint, sweep_variant};
use hil_scenario::CutList;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a run does beyond its jobs, where it is a night.
#[derive(Debug)]
pub struct NightRequest {
    /// Nothing begins that would, by the history, end later than this after the start of the run.
    pub budget: Duration,
    /// The sweeps whose points fill what time is left; also those that the jobs of the run have.
    pub sweeps: Vec<Job>,
    /// What is known of their points.
    pub ledger: Ledger,
    /// The variants of the run, with what should have its turn first where not all of them fit into the budget.
    pub urgent: Vec<String>,
}

/// How points of a night are chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct NightLimits {
    /// The same seed and history give the same points.
    pub seed: u64,
    /// How many points slices visit altogether; as many as there is time for when not given.
    pub points: Option<u64>,
    /// Which part of the points this run has, where several hosts share a night.
    pub share: Option<Share>,
}

/// The ledger of a night, which all boards share.
#[derive(Clone, Debug)]
pub(crate) struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a night wants of a sweep.
#[derive(Clone, Debug)]
pub struct NightOrders {
    pub(crate) ledger: SharedLedger,
    /// The points are those that the ledger chooses; none: those that the file says, and the ledger is told.
    pub(crate) slice: Option<Slice>,
}

/// The sweep that a scenario has.
pub(crate) fn key(context: &Context<'_>) -> SweepKey {
    SweepKey {
        scenario: sweep_variant(&context.scenario).to_owned(),
        firmware: context.firmware.info().digest,
    }
}

/// Tells the ledger of a night that a board has begun a sweep, whose points these are.
pub(crate) fn planned(context: &Context<'_>, operations: &str, all: &[CutList]) {
    let Some(night) = &context.orders.night else {
        return;
    };
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    night
        .ledger
        .lock()
        .planned(&key(context), operations, &names);
}

/// Tells the ledger of a night what came of a point.
pub(crate) fn visited(context: &Context<'_>, point: &SweepPoint) {
    let Some(night) = &context.orders.night else {
        return;
    };
    let came = match (&point.problem, point.is_good()) {
        (Some(_), _) => Came::Bad,
        (None, true) => Came::Good,
        (None, false) => Came::Missed,
    };
    let now =
        jiff::Timestamp::try_from(context.clock.wall()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let visit = PointVisit {
        cut: point.cut.clone(),
        board: point.board.clone(),
        good: came == Came::Good,
        at_ms: now.as_millisecond(),
    };
    let took = Duration::from_millis(point.took_ms);
    night
        .ledger
        .lock()
        .visited(&key(context), &visit, came, took);
}
