//! A thread that does what may hang, and somebody who notices.
//!
//! The probe library blocks, in places without any deadline: a probe that stalls would take the run with it.
//! So it lives on a thread of its own, every request has a deadline, and a thread that misses one is given
//! up. It cannot be stopped from outside; it ends by itself when the library returns, and until then it counts
//! as hanging. So that a dead probe does not collect threads, a few that hang are the limit.

use hil_clock::{Instant, SharedClock};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many threads may hang before no new one is started.
const MOST_LOST: usize = 3;

/// A job for the thread; it owns everything that it needs.
type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Keeps a state `S` on a thread of its own, and makes a new one after the thread was lost.
#[derive(Debug)]
pub(super) struct Keeper<S> {
    name: String,
    clock: SharedClock,
    threads: Mutex<Threads<S>>,
}

#[derive(Debug)]
struct Threads<S> {
    current: Option<(mpsc::Sender<Job<S>>, JoinHandle<()>)>,
    lost: Vec<JoinHandle<()>>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    /// The deadline passed. The thread has been given up.
    Stuck {
        /// How long it was waited for.
        waited: Duration,
    },
    /// This many threads hang already.
    TooMany(usize),
    /// The job panicked with this message; its state is gone.
    Panicked(String),
}

/// What comes back from a job.
enum Reply<T, P> {
    Progress(P),
    Done(T),
    Panicked(String),
}

impl<S: Default + 'static> Keeper<S> {
    pub(super) fn new(name: String, clock: SharedClock) -> Self {
        Self {
            name,
            clock,
            threads: Mutex::new(Threads {
                current: None,
                lost: Vec::new(),
            }),
        }
    }

    /// Runs `job` on the thread and waits for it until `deadline`; what the job reports on its way goes to
    /// `progress`. Requests of several callers follow each other.
    pub(super) fn request<T, P>(
        &self,
        deadline: Instant,
        progress: &mut dyn FnMut(P),
        job: impl FnOnce(&mut S, &mut dyn FnMut(P)) -> T + Send + 'static,
    ) -> Result<T, Lost>
    where
        T: Send + 'static,
        P: Send + 'static,
    {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        self.run(threads, deadline, progress, job)
    }

    /// The same for what can wait: `None`, at once, when another request is under way.
    pub(super) fn request_if_idle<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Option<Result<T, Lost>> {
        let threads = match self.threads.try_lock() {
            Ok(threads) => threads,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(
            self.run(threads, deadline, &mut |(): ()| {}, move |state, _| {
                job(state)
            }),
        )
    }

    fn run<T, P>(
        &self,
        mut threads: MutexGuard<'_, Threads<S>>,
        deadline: Instant,
        progress: &mut dyn FnMut(P),
        job: impl FnOnce(&mut S, &mut dyn FnMut(P)) -> T + Send + 'static,
    ) -> Result<T, Lost>
    where
        T: Send + 'static,
        P: Send + 'static,
    {
        let started = self.clock.now();
        threads.lost.retain(|thread| !thread.is_finished());
        let (sender, receiver) = mpsc::channel();
        let job: Job<S> = Box::new(move |state| {
            let mut report = |step| {
                // Nobody listens any more when the deadline has passed.
                let _ = sender.send(Reply::Progress(step));
            };
            let result = catch_unwind(AssertUnwindSafe(|| job(&mut *state, &mut report)));
            let reply = result.map_or_else(
                |payload| {
                    // Dropping what panicked may panic again.
                    let broken = std::mem::take(state);
                    let _ = catch_unwind(AssertUnwindSafe(move || drop(broken)));
                    Reply::Panicked(message(&*payload))
                },
                Reply::Done,
            );
            let _ = sender.send(reply);
        });
        self.hand_over(&mut threads, job)?;
        loop {
            match receiver.recv_timeout(self.clock.block_for(deadline)) {
                Ok(Reply::Progress(step)) => progress(step),
                Ok(Reply::Done(result)) => return Ok(result),
                Ok(Reply::Panicked(message)) => return Err(Lost::Panicked(message)),
                Err(reason) => {
                    if reason == RecvTimeoutError::Timeout {
                        self.clock.sleep_until(deadline);
                    }
                    if let Some((_, thread)) = threads.current.take() {
                        threads.lost.push(thread);
                    }
                    let waited = self.clock.now() - started;
                    return Err(Lost::Stuck { waited });
                }
            }
        }
    }

    fn hand_over(&self, threads: &mut Threads<S>, job: Job<S>) -> Result<(), Lost> {
        let job = match &threads.current {
            Some((sender, _)) => match sender.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        threads.current = None;
        if threads.lost.len() >= MOST_LOST {
            return Err(Lost::TooMany(threads.lost.len()));
        }
        let (sender, jobs) = mpsc::channel::<Job<S>>();
        let thread = std::thread::Builder::new()
            .name(self.name.clone())
            .spawn(move || {
                let mut state = S::default();
                while let Ok(job) = jobs.recv() {
                    job(&mut state);
                }
            })
            .map_err(|error| Lost::Panicked(format!("no thread could be started: {error}")))?;
        // The thread receives until its sender is dropped.
        let _ = sender.send(job);
        threads.current = Some((sender, thread));
        Ok(())
    }
}

impl<S> Drop for Keeper<S> {
    /// Lets the thread finish what it does and give its state back (a probe is closed properly).
    fn drop(&mut self) {
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((sender, thread)) = threads.current.take() {
            drop(sender);
            let deadline = self.clock.now() + Duration::from_secs(2);
            while !thread.is_finished() && self.clock.now() < deadline {
                self.clock.sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The text of a panic.
fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::{Clock, SimClock, SystemClock};
    use std::sync::Arc;

    const LONG: Duration = Duration::from_secs(600);

    fn keeper(clock: impl Clock + 'static) -> (Keeper<u32>, SharedClock) {
        let clock: SharedClock = Arc::new(clock);
        (Keeper::new("probe".to_owned(), Arc::clone(&clock)), clock)
    }

    fn add(keeper: &Keeper<u32>, deadline: Instant, amount: u32) -> Result<u32, Lost> {
        keeper.request(deadline, &mut |(): ()| {}, move |state, _| {
            *state += amount;
            *state
        })
    }

    #[test]
    fn the_state_stays_from_request_to_request() {
        let (keeper, clock) = keeper(SystemClock::new());
        let deadline = clock.now() + LONG;
        assert_eq!(add(&keeper, deadline, 2), Ok(2));
        assert_eq!(add(&keeper, deadline, 3), Ok(5));
    }

    #[test]
    fn progress_arrives_in_order_before_the_result() {
        let (keeper, clock) = keeper(SystemClock::new());
        let mut seen = Vec::new();
        let result = keeper.request(
            clock.now() + LONG,
            &mut |step: u32| seen.push(step),
            |_, report| {
                (0..3).for_each(report);
                "done"
            },
        );
        assert_eq!(result, Ok("done"));
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn a_thread_that_misses_its_deadline_is_given_up_and_the_next_request_gets_a_new_one() {
        let (keeper, clock) = keeper(SimClock::new());
        let (release, blocked) = mpsc::channel::<()>();
        let deadline = clock.now() + Duration::from_secs(5);
        let stuck = keeper.request(deadline, &mut |(): ()| {}, move |state: &mut u32, _| {
            *state = 99;
            blocked.recv()
        });
        assert_eq!(
            stuck.unwrap_err(),
            Lost::Stuck {
                waited: Duration::from_secs(5)
            }
        );
        let threads = keeper.threads.lock().unwrap();
        assert!(threads.current.is_none());
        assert_eq!(threads.lost.len(), 1);
        drop(threads);
        drop(release);
    }

    #[test]
    fn what_can_wait_is_not_done_while_another_request_is_under_way() {
        let (keeper, clock) = keeper(SystemClock::new());
        let deadline = clock.now() + LONG;
        let mut meanwhile = Vec::new();
        let result = keeper.request(
            deadline,
            &mut |(): ()| meanwhile.push(keeper.request_if_idle(deadline, |state| *state)),
            |state, report| {
                *state = 7;
                report(());
            },
        );
        assert_eq!((result, meanwhile), (Ok(()), vec![None]));
        let afterwards = keeper.request_if_idle(deadline, |state| *state);
        assert_eq!(afterwards, Some(Ok(7)));
    }

    #[test]
    fn threads_that_hang_are_limited() {
        let (keeper, clock) = keeper(SimClock::new());
        let mut releases = Vec::new();
        for _ in 0..MOST_LOST {
            let (release, blocked) = mpsc::channel::<()>();
            releases.push(release);
            let result = keeper.request(clock.now(), &mut |(): ()| {}, move |_: &mut u32, _| {
                blocked.recv()
            });
            assert!(matches!(result, Err(Lost::Stuck { .. })));
        }
        assert_eq!(add(&keeper, clock.now(), 1), Err(Lost::TooMany(MOST_LOST)));
    }

    #[test]
    fn a_panic_is_reported_and_the_state_starts_anew() {
        let (keeper, clock) = keeper(SystemClock::new());
        let deadline = clock.now() + LONG;
        add(&keeper, deadline, 7).unwrap();
        let result: Result<(), Lost> = keeper.request(deadline, &mut |(): ()| {}, |_, _| {
            panic!("no such register")
        });
        assert_eq!(result, Err(Lost::Panicked("no such register".to_owned())));
        assert_eq!(add(&keeper, deadline, 1), Ok(1));
    }
}
