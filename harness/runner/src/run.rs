//! A run: jobs from one queue, one worker thread for each board, one stream of events.

use crate::bench::{Bench, BenchError, FoundBoard, FoundBoards, MissingBoard};
use crate::cancel::{CancelToken, POLL};
use crate::events::{Events, ReporterFailure};
use crate::firmware::Firmware;
use crate::health::{Ward, quarantined};
use crate::night::{Night, NightRequest};
use crate::plan::{self, Job, Plan, Runnable};
use crate::queue::{After, Next, Queue, Turn};
use crate::scenario;
use crate::schedule::Schedule;
use hil_clock::{Instant, SharedClock};
use hil_record::{
    Again, Course, EventKind, Health, InputFile, Objects, Outcome, Quarantine, Reporter, Rescue,
    Resumption, RigInfo, RunStarted, SkipKind, Tool, Verdict,
};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    pub boards: FoundBoards,
    /// What is under test: the sets of all jobs, in the order in which reports list them.
    pub firmware: Vec<Arc<Firmware>>,
    /// The files that all of this was read from.
    pub inputs: Vec<InputFile>,
    /// What runs, in order, each with its firmware.
    pub jobs: Vec<Job>,
    /// What must pass on a board that was put into quarantine before it gets anything else: the first of them that it can
    /// run.
    pub canaries: Vec<Job>,
    /// Where evidence goes that is too long for an event: pages of flash, images as they were sent.
    pub objects: Option<Arc<Objects>>,
    /// In which order, how often and how long.
    pub schedule: Schedule,
    /// What is done in the time that the jobs leave, where the run is a night.
    pub night: Option<NightRequest>,
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
    queue: Mutex<Queue<Runnable>>,
    clock: &'a SharedClock,
    /// When the run must end.
    deadline: Option<Instant>,
    /// When nothing may go on that begins, as far as that is known.
    budget: Option<Instant>,
    night: Option<Night>,
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
        canaries,
        objects,
        schedule,
        night,
        reporters,
        clock,
        cancel,
    } = request;
    let FoundBoards { boards, missing } = boards;
    let info = RigInfo {
        name: rig,
        boards: boards.iter().map(FoundBoard::info).collect(),
    };
    let events = match schedule.resumed {
        Some(resumed) => {
            let events = Events::behind(clock.clone(), reporters, resumed.events, resumed.at_ms)
                .keeping(objects)
                .stopping(&cancel);
            events.emit(EventKind::Course(Course::Resumed(Resumption {
                resumed: started,
                at_ms: resumed.at_ms,
                tool,
                rig: info,
                left: jobs.iter().map(|job| job.variant.name.clone()).collect(),
            })));
            events
        }
        None => {
            let events = Events::new(clock.clone(), reporters)
                .keeping(objects)
                .stopping(&cancel);
            events.emit(EventKind::RunStarted(RunStarted {
                run,
                started,
                tool,
                rig: info,
                firmware: firmware.iter().map(|firmware| firmware.info()).collect(),
                planned: jobs.iter().map(|job| job.variant.name.clone()).collect(),
            }));
            events.emit(EventKind::Inputs { files: inputs });
            if let Some(shard) = schedule.shard {
                events.emit(EventKind::Course(Course::Shard(shard)));
            }
            events
        }
    };
    let mut plan = Plan::new(jobs, &boards);
    let night = night.map(|request| {
        let sweeps = Plan::new(request.sweeps, &boards).runnable;
        Night::new(sweeps, request.ledger, request.budget, request.urgent)
    });
    if let Some(night) = &night {
        night.watch(&mut plan.runnable);
    }
    let turns = plan.runnable.into_iter().map(|runnable| {
        let expected = schedule.expected.get(&runnable.job.variant.name).copied();
        let starts = runnable.job.variant.starts();
        Turn::first(runnable.clone(), runnable.boards, expected).with_starts(starts)
    });
    let turns: Vec<_> = turns.collect();
    let queue = match &night {
        Some(night) => night.queue(turns, schedule.retries, &events),
        None => Queue::new(turns, schedule.retries).at_most(
            schedule
                .boards_at_a_time
                .map_or(usize::MAX, NonZeroUsize::get),
        ),
    };
    let shared = Shared {
        queue: Mutex::new(queue),
        clock: &clock,
        budget: night.as_ref().map(|night| clock.now() + night.budget),
        night,
        deadline: schedule.deadline.map(|deadline| clock.now() + deadline),
        end: Mutex::new(RunEnd::default()),
        events: &events,
        cancel: &cancel,
    };
    for (job, reason) in plan.skipped {
        shared.skip(job, Outcome::skip(SkipKind::Needs, reason));
    }
    let (benches, missing) = shared.open(boards, missing, &canaries);
    let mut stopped = false;
    let problem = match benches.is_empty() {
        false => {
            let mut broken: Vec<String> = missing
                .iter()
                .map(|board| quarantined(&board.name, &no_answer(board)))
                .collect();
            let names: Vec<String> = benches
                .iter()
                .map(|(bench, _)| bench.name.clone())
                .collect();
            let given_up = work(&shared, benches);
            broken.extend(given_up.values().cloned());
            if let Some(night) = &shared.night {
                // What a board could have run that is well was left out for want of time, whatever became of the others.
                let well = |board: &String| names.contains(board) && !given_up.contains_key(board);
                let kept = |runnable: &Runnable| runnable.boards.iter().any(well);
                stopped = shared.leave_out(kept, night);
            }
            let left = if shared.time_is_up() {
                let reason = "the time for the run was up before its turn";
                Outcome::skip(SkipKind::NotReached, reason)
            } else if cancel.is_cancelled() {
                Outcome::skip(SkipKind::NotReached, "the run was stopped before its turn")
            } else if broken.is_empty() {
                stopped |= shared.queue().has_rest();
                let reason = "the time for the run would have been up before its end";
                Outcome::skip(SkipKind::NotReached, reason)
            } else {
                Outcome::skip(SkipKind::Blocked, broken.join("; "))
            };
            shared.skip_rest(&left);
            None
        }
        true => {
            let error = missing.into_iter().next().map(|board| board.error);
            let cause = error.as_ref().map_or_else(
                || "the rig has no board".to_owned(),
                |error| crate::trouble::error_chain(error),
            );
            shared.skip_rest(&Outcome::skip(SkipKind::Blocked, cause));
            error
        }
    };
    stopped |= cancel.is_cancelled();
    if let Some(night) = &shared.night {
        events.emit(EventKind::Course(Course::Night(night.came_to())));
    }
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

/// One worker for each board until the queue has nothing for any of them. The boards that were given up, and why.
fn work(shared: &Shared<'_>, benches: Vec<(Bench, Ward)>) -> BTreeMap<String, String> {
    let over = CancelToken::new();
    std::thread::scope(|scope| {
        if let Some(deadline) = shared.deadline {
            let over = &over;
            scope.spawn(move || {
                // Ends early when the work is done.
                if over.sleep_until(shared.clock, deadline) {
                    shared.events.note(
                        None,
                        "the time for the run is up: what runs is stopped, what waits is skipped",
                    );
                    shared.cancel.cancel();
                }
            });
        }
        let workers: Vec<_> = benches
            .into_iter()
            .map(|(mut bench, mut ward)| {
                let name = bench.name.clone();
                let worker = scope.spawn(move || {
                    let name = bench.name.clone();
                    let broken =
                        catch_unwind(AssertUnwindSafe(|| shared.worker(&mut bench, &mut ward)))
                            .unwrap_or_else(|_| {
                                Some("a worker of the harness panicked".to_owned())
                            });
                    // Nobody waits for what it was at.
                    shared.queue().gone(&name);
                    broken
                });
                (name, worker)
            })
            .collect();
        let broken = workers
            .into_iter()
            .filter_map(|(name, worker)| match worker.join() {
                Ok(broken) => Some((name, broken?)),
                Err(_) => Some((name, "a worker of the harness panicked".to_owned())),
            })
            .collect();
        over.cancel();
        broken
    })
}

/// Why a board is not there.
fn no_answer(board: &MissingBoard) -> String {
    let cause = crate::trouble::error_chain(&board.error);
    if board.is_in_use() {
        return format!("the run goes without it: {cause}");
    }
    format!("it did not answer when the run began: {cause}")
}

impl Shared<'_> {
    /// Opens the consoles of the boards. The run goes without those that do not answer; that they are missing is told.
    fn open(
        &self,
        boards: Vec<FoundBoard>,
        mut missing: Vec<MissingBoard>,
        canaries: &[Job],
    ) -> (Vec<(Bench, Ward)>, Vec<MissingBoard>) {
        let mut open = Vec::new();
        for board in boards {
            let name = board.name().to_owned();
            let canary = plan::canary(canaries, &board);
            self.tried(&name, &board.tried);
            match board.open(self.clock, self.cancel, self.events) {
                Ok(bench) => {
                    let ward = Ward::of(&bench, canary);
                    open.push((bench, ward));
                }
                Err(error) => missing.push(MissingBoard::new(name, error)),
            }
        }
        for board in &missing {
            self.tried(&board.name, &board.tried);
            self.events.emit(EventKind::Health(Health::Quarantined {
                board: board.name.clone(),
                quarantine: Quarantine {
                    failures: 0,
                    cause: no_answer(board),
                    since: None,
                },
            }));
        }
        (open, missing)
    }

    fn tried(&self, board: &str, tried: &[Rescue]) {
        for attempt in tried {
            self.events.emit(EventKind::Health(Health::Tried {
                board: board.to_owned(),
                attempt: attempt.clone(),
            }));
        }
    }

    /// Runs what the board can run; why it was given up, if it was.
    fn worker(&self, bench: &mut Bench, ward: &mut Ward) -> Option<String> {
        if let Err(given_up) = ward.admit(bench) {
            return Some(given_up);
        }
        while !self.cancel.is_cancelled() {
            let until = self.budget.or(self.deadline);
            let left = until.map(|until| until.saturating_since(self.clock.now()));
            let next = self.queue().next(&bench.name, left);
            let waits = matches!(next, Next::Wait);
            let worn = bench.wear.over_budget(&bench.name);
            // A slice on a board that is worn would come to no point.
            let slice = || {
                let night = self.night.as_ref().filter(|_| worn.is_none())?;
                night.next(&bench.name, left?)
            };
            let (runnable, slice) = match next {
                Next::Run(runnable) => (runnable, None),
                Next::Wait | Next::Nothing => match slice() {
                    Some((runnable, slice)) => (runnable, Some(slice)),
                    None if waits => {
                        self.cancel.sleep_until(self.clock, self.clock.now() + POLL);
                        continue;
                    }
                    None => {
                        if let (Some(_), Some(worn)) = (&self.night, worn) {
                            let words = format!("it gets no slices any more: {}", worn.words());
                            self.events.note(Some(&bench.name), words);
                        }
                        return None;
                    }
                },
            };
            let Runnable { job, firmware, .. } = runnable;
            let began = self.clock.now();
            let (outcome, condition) = scenario::run(bench, &firmware, &job, SCENARIO_LIMIT);
            if let (Some(night), Some(slice)) = (&self.night, slice) {
                let took = self.clock.now().saturating_since(began);
                night.ended(slice, &bench.name, &outcome, took);
            } else {
                self.ended(&bench.name, &job, &outcome);
            }
            let name = &job.variant.name;
            let goes_on = ward.ended(bench, &firmware, name, &outcome, &condition);
            self.record(&job, outcome);
            if let Err(given_up) = goes_on {
                return Some(given_up);
            }
        }
        None
    }

    /// A board has ended a job. That it gets another turn is told before any board can take it.
    fn ended(&self, board: &str, job: &Job, outcome: &Outcome) {
        let mut queue = self.queue();
        if let After::Again { attempt, limit } = queue.ended(board, outcome) {
            self.events.emit(EventKind::Course(Course::Again(Again {
                scenario: job.variant.name.clone(),
                board: board.to_owned(),
                attempt,
                limit,
            })));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Runnable>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the run must have ended by now.
    fn time_is_up(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| self.clock.now() >= deadline)
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

    /// Leaves out what had no turn and for which there is a board, where neither the end of the time nor a person stopped the
    /// run. Whether there was any.
    fn leave_out(&self, has_board: impl Fn(&Runnable) -> bool, night: &Night) -> bool {
        if self.time_is_up() || self.cancel.is_cancelled() {
            return false;
        }
        let left: Vec<Runnable> = self.queue().take_rest(has_board);
        let any = !left.is_empty();
        for runnable in left {
            let outcome = Outcome::skip(SkipKind::NotReached, night.left_out());
            self.skip(runnable.job, outcome);
        }
        any
    }

    fn skip_rest(&self, outcome: &Outcome) {
        let rest = self.queue().rest();
        for runnable in rest {
            self.skip(runnable.job, outcome.clone());
        }
    }
}
