//! Boards that make trouble: they are helped, counted, put into quarantine, and let out again when a canary has passed.
//!
//! Only trouble of the bench counts. What firmware did is a verdict, and a board that gave one works. So a count is of
//! scenarios in a row that the bench could not decide, over all runs: it is kept beside the wear of the boards.

mod ladder;

pub(crate) use ladder::{AtStart, Patient, climb};

use crate::bench::Bench;
use crate::firmware::Firmware;
use crate::plan::Runnable;
use crate::queue::may_be_the_board;
use crate::run::SCENARIO_LIMIT;
use crate::scenario::{self, Condition};
use crate::trouble::{Trouble, error_chain};
use hil_clock::SharedClock;
use hil_record::{Canary, ErrorKind, EventKind, Health, Outcome, Quarantine, SkipKind, Verdict};
use hil_rig::{BoardHealth, Failure, HealthFile, Quarantined};
use jiff::Timestamp;
use ladder::InUse;

/// The health of one board in a run.
pub(crate) struct Ward {
    file: Option<HealthFile>,
    health: BoardHealth,
    /// How many failures in a row put the board into quarantine.
    after: u32,
    /// What must pass on it then, or why there is nothing.
    canary: Result<Runnable, String>,
    clock: SharedClock,
}

/// A board that gets nothing any more in this run, and why.
pub(crate) type GivenUp = String;

impl Ward {
    /// What is known of a board. A file that cannot be read is told, and left alone.
    pub(crate) fn of(bench: &Bench, canary: Result<Runnable, String>) -> Self {
        let mut file = bench.health_file();
        let health = match file.as_ref().map(HealthFile::load) {
            None => BoardHealth::default(),
            Some(Ok(health)) => health,
            Some(Err(error)) => {
                file = None;
                bench.events.note(
                    Some(&bench.name),
                    format!(
                        "whether it is in quarantine is not known: {}",
                        error_chain(&error)
                    ),
                );
                BoardHealth::default()
            }
        };
        Self {
            file,
            health,
            after: bench.quarantine_after(),
            canary,
            clock: bench.clock.clone(),
        }
    }

    /// A board that was put into quarantine by an earlier run has its canary first.
    pub(crate) fn admit(&mut self, bench: &mut Bench) -> Result<(), GivenUp> {
        let Some(Quarantined { since, cause, .. }) = &self.health.quarantined else {
            return Ok(());
        };
        let quarantine = Quarantine {
            failures: self.failures(),
            cause: cause.clone(),
            since: Some(*since),
        };
        self.tell(bench, quarantine);
        self.run_canary(bench)
    }

    /// A scenario has ended. Returns when the board can have another one.
    pub(crate) fn ended(
        &mut self,
        bench: &mut Bench,
        firmware: &Firmware,
        scenario: &str,
        outcome: &Outcome,
        condition: &Condition,
    ) -> Result<(), GivenUp> {
        let cause = match condition {
            Condition::Worn { cause } => return Err(given_up(&bench.name, cause)),
            Condition::Broken { cause } => cause.clone(),
            // The next scenario on it finds its budget spent; nothing can be helped.
            Condition::Usable if is_worn(outcome) => return Ok(()),
            Condition::Usable if may_be_the_board(outcome) => {
                outcome.cause().unwrap_or_default().to_owned()
            }
            Condition::Usable => {
                // The bench has decided something, so it works. A skip and a stop decide nothing.
                if matches!(outcome.verdict(), Verdict::Pass | Verdict::Fail) {
                    self.health.failures.clear();
                    self.keep(bench);
                }
                return Ok(());
            }
        };
        if bench.cancel.is_cancelled() {
            return match condition {
                Condition::Broken { .. } => Err(given_up(&bench.name, &cause)),
                _ => Ok(()),
            };
        }
        let failure = Failure::new(self.now(), scenario, &cause);
        self.health.failures.push(failure);
        self.keep(bench);
        let answers = self.help(bench, firmware);
        if bench.cancel.is_cancelled() {
            return answers.map_err(|problem| given_up(&bench.name, &problem));
        }
        match answers {
            Err(problem) => {
                let cause =
                    format!("it does not answer, whatever was tried after `{scenario}`: {problem}");
                self.put(bench, &cause);
                Err(quarantined(&bench.name, &cause))
            }
            Ok(()) if self.failures() >= self.after => {
                let cause = format!(
                    "the bench failed in {} in a row, the last time in `{scenario}`: {cause}",
                    scenarios(self.failures())
                );
                self.put(bench, &cause);
                self.run_canary(bench)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Tries to have the board answer again.
    fn help(&self, bench: &mut Bench, firmware: &Firmware) -> Result<(), String> {
        let (events, cancel, name) = (
            bench.events.clone(),
            bench.cancel.clone(),
            bench.name.clone(),
        );
        let mut patient = InUse { bench, firmware };
        let climbed = climb(&mut patient, &cancel, &mut |attempt| {
            events.emit(EventKind::Health(Health::Tried {
                board: name.clone(),
                attempt,
            }));
        });
        // Also behind a climb in vain: as much as can be done is.
        let left = bench.put_back().map_err(Trouble::words);
        bench.wear.settle(&bench.events, &bench.name);
        climbed.and(left)
    }

    fn put(&mut self, bench: &Bench, cause: &str) {
        self.health.quarantined = Some(Quarantined::new(self.now(), cause));
        self.keep(bench);
        let quarantine = Quarantine {
            failures: self.failures(),
            cause: cause.to_owned(),
            since: None,
        };
        self.tell(bench, quarantine);
    }

    fn tell(&self, bench: &Bench, quarantine: Quarantine) {
        bench.events.emit(EventKind::Health(Health::Quarantined {
            board: bench.name.clone(),
            quarantine,
        }));
    }

    /// Runs the canary: what it does to the board is in the journal, and the run has no scenario more.
    fn run_canary(&mut self, bench: &mut Bench) -> Result<(), GivenUp> {
        let (name, outcome, usable) = match &self.canary {
            Err(reason) => (None, Outcome::skip(SkipKind::Needs, reason.clone()), true),
            Ok(Runnable { job, firmware, .. }) => {
                let events = bench.events.clone();
                bench.events = events.of_the_board();
                let (outcome, condition) = scenario::run(bench, firmware, job, SCENARIO_LIMIT);
                bench.events = events;
                let usable = condition == Condition::Usable;
                (Some(job.variant.name.clone()), outcome, usable)
            }
        };
        let canary = Canary {
            canary: name,
            outcome,
        };
        let words = canary.to_string();
        let passed = canary.outcome == Outcome::Pass && usable;
        bench.events.emit(EventKind::Health(Health::Canary {
            board: bench.name.clone(),
            canary,
        }));
        if !passed {
            return Err(quarantined(&bench.name, &words));
        }
        self.health = BoardHealth::default();
        self.keep(bench);
        bench.events.emit(EventKind::Health(Health::Released {
            board: bench.name.clone(),
        }));
        Ok(())
    }

    fn keep(&self, bench: &Bench) {
        let Some(file) = &self.file else {
            return;
        };
        if let Err(error) = file.save(&self.health) {
            bench.events.note(Some(&bench.name), error_chain(&error));
        }
    }

    fn failures(&self) -> u32 {
        u32::try_from(self.health.failures.len()).unwrap_or(u32::MAX)
    }

    fn now(&self) -> Timestamp {
        // A clock without a date is told when the run begins.
        self.clock
            .wall()
            .try_into()
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Whether a sweep has come to the budget of the board's wear.
const fn is_worn(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Error {
            kind: ErrorKind::Worn,
            ..
        }
    )
}

/// `1 scenario`, `2 scenarios`.
fn scenarios(count: u32) -> String {
    match count {
        1 => "1 scenario".to_owned(),
        count => format!("{count} scenarios"),
    }
}

fn given_up(board: &str, cause: &str) -> GivenUp {
    format!("board `{board}` was given up: {cause}")
}

pub(crate) fn quarantined(board: &str, cause: &str) -> GivenUp {
    format!("board `{board}` is in quarantine: {cause}")
}
