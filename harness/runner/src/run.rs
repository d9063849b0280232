//! A run: jobs from one queue, one worker thread for each board, one stream of events.

use crate::bench::{Bench, BenchError, FoundBoard};
use crate::cancel::CancelToken;
use crate::events::{Events, ReporterFailure};
use crate::firmware::Firmware;
use crate::plan::{Job, Plan, Runnable};
use crate::scenario::{self, Condition};
use hil_clock::SharedClock;
use hil_record::{
    EventKind, InputFile, Objects, Outcome, Reporter, RigInfo, RunStarted, SkipKind, Tool, Verdict,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest that one scenario may take. We chose it: far more than any scenario needs on silicon, and short enough
/// that a night's run ends in the morning.
pub const SCENARIO_LIMIT: Duration = Duration::from_secs(45 * 60);

/// All that a run needs.
pub struct RunRequest {
    /// Identifier of the run.
    pub run: String,
    /// When it starts.
    pub started: jiff::Timestamp,
    /// What runs it.
    pub tool: Tool,
    /// Name of the rig.
    pub rig: String,
    /// The boards, found and powered.
    pub boards: Vec<FoundBoard>,
    /// What is under test: the sets of all jobs, in the order in which reports list them.
    pub firmware: Vec<Arc<Firmware>>,
    /// The files that all of this was read from.
    pub inputs: Vec<InputFile>,
    /// What runs, in order, each with its firmware.
    pub jobs: Vec<Job>,
    /// Where evidence goes that is too long for an event: pages of flash, images as they were sent.
    pub objects: Option<Arc<Objects>>,
    /// Who listens.
    pub reporters: Vec<Box<dyn Reporter>>,
    /// The time.
    pub clock: SharedClock,
    /// Stops it.
    pub cancel: CancelToken,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct RunEnd {
    /// How each job ended, by its name.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Whether it was stopped before all jobs had their turn.
    pub stopped: bool,
    /// Reporters that gave up on the way: what they write is not complete.
    pub reporter_failures: Vec<ReporterFailure>,
}

impl RunEnd {
    /// How many jobs ended with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.outcomes
            .values()
            .filter(|outcome| outcome.verdict() == verdict)
            .count()
    }
}

/// What the workers share.
struct Shared<'a> {
    queue: Mutex<Vec<Runnable>>,
    end: Mutex<RunEnd>,
    events: &'a Events,
    cancel: &'a CancelToken,
}

/// Runs all jobs. Returns when every board is as it was found.
///
/// # Errors
///
/// A console of a board cannot be opened: nothing was run, and the events say so.
pub fn run(request: RunRequest) -> Result<RunEnd, BenchError> {
    let RunRequest {
        run,
        started,
        tool,
        rig,
        boards,
        firmware,
        inputs,
        jobs,
        objects,
        reporters,
        clock,
        cancel,
    } = request;
    let events = Events::new(clock.clone(), reporters).keeping(objects);
    let planned = jobs.iter().map(|job| job.variant.name.clone()).collect();
    events.emit(EventKind::RunStarted(RunStarted {
        run,
        started,
        tool,
        rig: RigInfo {
            name: rig,
            boards: boards.iter().map(FoundBoard::info).collect(),
        },
        firmware: firmware.iter().map(|firmware| firmware.info()).collect(),
        planned,
    }));
    events.emit(EventKind::Inputs { files: inputs });
    let plan = Plan::new(jobs, &boards);
    let shared = Shared {
        queue: Mutex::new(plan.runnable),
        end: Mutex::new(RunEnd::default()),
        events: &events,
        cancel: &cancel,
    };
    for (job, reason) in plan.skipped {
        shared.skip(job, Outcome::skip(SkipKind::Needs, reason));
    }
    let opened: Result<Vec<Bench>, BenchError> = boards
        .into_iter()
        .map(|board| board.open(&clock, &cancel, &events))
        .collect();
    let problem = match opened {
        Ok(benches) => {
            let broken = work(&shared, benches);
            let left = if cancel.is_cancelled() {
                Outcome::skip(SkipKind::NotReached, "the run was stopped before its turn")
            } else {
                Outcome::skip(SkipKind::Blocked, broken.join("; "))
            };
            shared.skip_rest(&left);
            None
        }
        Err(error) => {
            let cause = crate::trouble::error_chain(&error);
            shared.skip_rest(&Outcome::skip(SkipKind::Blocked, cause));
            Some(error)
        }
    };
    let stopped = cancel.is_cancelled();
    events.emit(EventKind::RunFinished { stopped });
    let mut end = shared
        .end
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    end.stopped = stopped;
    end.reporter_failures = events.close();
    match problem {
        None => Ok(end),
        Some(error) => Err(error),
    }
}

/// One worker for each board until the queue has nothing for any of them. Why boards were given up, if any were.
fn work(shared: &Shared<'_>, benches: Vec<Bench>) -> Vec<String> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = benches
            .into_iter()
            .map(|mut bench| scope.spawn(move || shared.worker(&mut bench)))
            .collect();
        workers
            .into_iter()
            .filter_map(|worker| match worker.join() {
                Ok(broken) => broken,
                Err(_) => Some("a worker of the harness panicked".to_owned()),
            })
            .collect()
    })
}

impl Shared<'_> {
    /// Runs what the board can run; why it was given up, if it was.
    fn worker(&self, bench: &mut Bench) -> Option<String> {
        while !self.cancel.is_cancelled() {
            let Runnable { job, firmware, .. } = self.next_for(&bench.name)?;
            let (outcome, condition) = scenario::run(bench, &firmware, &job, SCENARIO_LIMIT);
            self.record(&job, outcome);
            if let Condition::Broken { cause } = condition {
                return Some(format!("board `{}` was given up: {cause}", bench.name));
            }
        }
        None
    }

    fn next_for(&self, board: &str) -> Option<Runnable> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let index = queue
            .iter()
            .position(|runnable| runnable.boards.iter().any(|name| name == board))?;
        Some(queue.remove(index))
    }

    fn record(&self, job: &Job, outcome: Outcome) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.outcomes.insert(job.variant.name.clone(), outcome);
    }

    fn skip(&self, job: Job, outcome: Outcome) {
        self.record(&job, outcome.clone());
        self.events.emit(EventKind::ScenarioFinished {
            scenario: job.variant.name,
            board: None,
            outcome,
        });
    }

    fn skip_rest(&self, outcome: &Outcome) {
        let rest = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        for runnable in rest {
            self.skip(runnable.job, outcome.clone());
        }
    }
}
