//! A night while it runs: slices for boards that find nothing left, and what came of it all.

use super::fill::Slice;
use super::ledger::SliceEnd;
use super::library::{self, Load};
use super::{Ledger, NightOrders, SharedLedger, SweepKey};
use crate::events::Events;
use crate::plan::Runnable;
use crate::queue::{Queue, Turn};
use hil_record::{Outcome, Verdict, slice_name};
use std::time::Duration;

/// A night, of which all boards have the same.
pub(crate) struct Night {
    pub(crate) budget: Duration,
    sweeps: Vec<(SweepKey, Runnable)>,
    ledger: SharedLedger,
    urgent: Vec<String>,
}

impl Night {
    pub(crate) fn new(
        sweeps: Vec<Runnable>,
        ledger: Ledger,
        budget: Duration,
        urgent: Vec<String>,
    ) -> Self {
        let keyed = sweeps.into_iter().map(|sweep| (key(&sweep), sweep));
        Self {
            budget,
            sweeps: keyed.collect(),
            ledger: SharedLedger::new(ledger),
            urgent,
        }
    }

    /// Has the ledger told what the jobs of the library visit.
    pub(crate) fn watch(&self, jobs: &mut [Runnable]) {
        for runnable in jobs {
            runnable.job.sweep.night = Some(NightOrders {
                ledger: self.ledger.clone(),
                slice: None,
            });
        }
    }

    /// The library in its order: the longest first where all of it fits into the budget, the most urgent first where it does not.
    pub(crate) fn queue(
        &self,
        mut turns: Vec<Turn<Runnable>>,
        retries: u32,
        events: &Events,
    ) -> Queue<Runnable> {
        let loads: Vec<Load<'_>> = turns
            .iter()
            .map(|turn| Load {
                boards: &turn.boards,
                expected: turn.expected,
            })
            .collect();
        match library::takes(&loads) {
            Some(takes) if takes > self.budget => {
                events.note(
                    None,
                    format!(
                        "the library takes about {}, more than the budget of {}: what did not pass last time or had no turn for \
                         the longest time goes first",
                        words(takes),
                        words(self.budget)
                    ),
                );
                let place = |turn: &Turn<Runnable>| {
                    let name = &turn.job.job.variant.name;
                    self.urgent.iter().position(|urgent| urgent == name)
                };
                // What nobody has placed was never run.
                turns.sort_by_key(place);
                Queue::in_order(turns, retries)
            }
            Some(_) | None => Queue::new(turns, retries),
        }
    }

    /// Why a scenario of the library had no turn.
    pub(crate) fn left_out(&self) -> String {
        format!(
            "left out: the budget of {} would have been over before its end",
            words(self.budget)
        )
    }

    /// The slice that a free board begins; none when none fits into the time.
    pub(crate) fn next(&self, board: &str, left: Duration) -> Option<(Runnable, Slice)> {
        let can = |(_, runnable): &&(SweepKey, Runnable)| {
            runnable.boards.iter().any(|name| name == board)
        };
        let able: Vec<(usize, &SweepKey)> = (0..)
            .zip(&self.sweeps)
            .filter(|(_, sweep)| can(sweep))
            .map(|(place, (key, _))| (place, key))
            .collect();
        let slice = self.ledger.lock().next(&able, board, left)?;
        let (_, runnable) = self.sweeps.get(slice.sweep)?;
        let mut runnable = runnable.clone();
        runnable.job.variant.name = slice_name(&runnable.job.variant.name, slice.number);
        runnable.job.sweep.night = Some(NightOrders {
            ledger: self.ledger.clone(),
            slice: Some(slice),
        });
        Some((runnable, slice))
    }

    /// A slice has ended.
    pub(crate) fn ended(&self, slice: Slice, board: &str, outcome: &Outcome, took: Duration) {
        if let Some((key, _)) = self.sweeps.get(slice.sweep) {
            let end = SliceEnd {
                number: slice.number,
                board,
                failed: outcome.verdict() == Verdict::Fail,
                took,
            };
            self.ledger.lock().ended(key, &end);
        }
    }

    /// What it came to besides the verdicts.
    pub(crate) fn came_to(&self) -> hil_record::Night {
        let ledger = self.ledger.lock();
        let coverage = self
            .sweeps
            .iter()
            .map(|(key, sweep)| ledger.coverage(key, sweep.firmware.info()));
        hil_record::Night {
            budget_ms: u64::try_from(self.budget.as_millis()).unwrap_or(u64::MAX),
            coverage: coverage.collect(),
        }
    }
}

fn key(sweep: &Runnable) -> SweepKey {
    SweepKey {
        scenario: sweep.job.variant.name.clone(),
        firmware: sweep.firmware.info().digest,
    }
}

/// `6h`, `1h 5m`: to the second, as budgets are given.
fn words(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match (minutes / 60, minutes % 60, duration.as_secs() % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}
