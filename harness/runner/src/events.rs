//! The one stream of events: everything that happens on any board, in one order.

use crate::cancel::CancelToken;
use hil_clock::{Instant, SharedClock};
use hil_image::HashAlgorithm;
use hil_record::{ConsoleSource, CoreName, Event, EventKind, Objects, Reporter};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A reporter that gave up.
#[derive(Debug)]
pub struct ReporterFailure {
    /// Its name.
    pub reporter: String,
    /// Why.
    pub error: io::Error,
}

/// Where events go in. Clones feed the same stream.
#[derive(Clone)]
pub(crate) struct Events {
    clock: SharedClock,
    stream: Arc<Mutex<Stream>>,
    objects: Option<Arc<Objects>>,
    whose: Whose,
    /// Stops the run when an essential reporter gives up.
    cancel: Option<CancelToken>,
}

/// What a handle of the stream tells of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whose {
    /// Of the run and its scenarios.
    Run,
    /// Of a board only: what is done to it is recorded, and is part of no scenario of the run.
    Board,
}

struct Stream {
    start: Instant,
    /// What happened before `start`, in milliseconds.
    offset: u64,
    next: u64,
    reporters: Vec<Box<dyn Reporter>>,
    failures: Vec<ReporterFailure>,
}

impl Events {
    /// A stream that starts now.
    pub(crate) fn new(clock: SharedClock, reporters: Vec<Box<dyn Reporter>>) -> Self {
        Self::behind(clock, reporters, 0, 0)
    }

    /// A stream that goes on behind `events` events, `at` milliseconds after its start.
    pub(crate) fn behind(
        clock: SharedClock,
        reporters: Vec<Box<dyn Reporter>>,
        events: u64,
        at: u64,
    ) -> Self {
        let start = clock.now();
        Self {
            clock,
            stream: Arc::new(Mutex::new(Stream {
                start,
                offset: at,
                next: events,
                reporters,
                failures: Vec::new(),
            })),
            objects: None,
            whose: Whose::Run,
            cancel: None,
        }
    }

    /// The same stream, which stops the run when a reporter gives up that it must not go on without.
    #[must_use]
    pub(crate) fn stopping(mut self, cancel: &CancelToken) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// The same stream for something that is done to a board and is none of the run's scenarios: what a scenario tells of
    /// itself is left out, and nothing is kept for its evidence.
    #[must_use]
    pub(crate) fn of_the_board(&self) -> Self {
        Self {
            objects: None,
            whose: Whose::Board,
            ..self.clone()
        }
    }

    /// The same stream with a store beside it for what is too long to be told.
    #[must_use]
    pub(crate) fn keeping(mut self, objects: Option<Arc<Objects>>) -> Self {
        self.objects = objects;
        self
    }

    /// Keeps bytes that are no secret in the evidence store; their SHA-256 as hex digits. A store that cannot be written
    /// is told as a reporter that gave up: the run goes on, and what it leaves is not complete.
    pub(crate) fn keep(&self, bytes: &[u8]) -> String {
        if let Some(objects) = &self.objects
            && let Err(error) = objects.put(bytes)
        {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let store = "evidence store";
            if !stream
                .failures
                .iter()
                .any(|failure| failure.reporter == store)
            {
                stream.failures.push(ReporterFailure {
                    reporter: store.to_owned(),
                    error,
                });
            }
        }
        sha256(bytes)
    }

    /// Puts an event behind all that came before it, and returns when every reporter has it.
    pub(crate) fn emit(&self, kind: EventKind) {
        if self.whose == Whose::Board && !is_of_the_board(&kind) {
            return;
        }
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that times never go back in the stream.
        let at = self.clock.now().saturating_since(stream.start);
        let event = Event {
            seq: stream.next,
            at: u64::try_from(at.as_millis())
                .unwrap_or(u64::MAX)
                .saturating_add(stream.offset),
            kind,
        };
        stream.next += 1;
        let Stream {
            reporters,
            failures,
            ..
        } = &mut *stream;
        reporters.retain_mut(|reporter| match reporter.on_event(&event) {
            Ok(()) => true,
            Err(error) => {
                if let (true, Some(cancel)) = (reporter.is_essential(), &self.cancel) {
                    cancel.cancel();
                }
                failures.push(ReporterFailure {
                    reporter: reporter.name().to_owned(),
                    error,
                });
                false
            }
        });
    }

    /// One sentence for the reader of the report.
    pub(crate) fn note(&self, board: Option<&str>, text: impl Into<String>) {
        self.emit(EventKind::Note {
            board: board.map(str::to_owned),
            text: text.into(),
        });
    }

    /// A line of a console.
    pub(crate) fn console(&self, board: &str, core: CoreName, source: ConsoleSource, text: &str) {
        self.emit(EventKind::Console {
            board: board.to_owned(),
            core,
            source,
            text: text.to_owned(),
        });
    }

    /// Ends the stream: drops the reporters, and returns those that gave up.
    pub(crate) fn close(&self) -> Vec<ReporterFailure> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.reporters.clear();
        std::mem::take(&mut stream.failures)
    }
}

/// Whether an event is of what happens to a board, whatever for.
const fn is_of_the_board(kind: &EventKind) -> bool {
    match kind {
        EventKind::Console { .. }
        | EventKind::Smp(_)
        | EventKind::LinkConnected(_)
        | EventKind::LinkEnded { .. }
        | EventKind::Power { .. }
        | EventKind::Button { .. }
        | EventKind::Probe { .. }
        | EventKind::Wear(_)
        | EventKind::Health(_)
        | EventKind::Note { .. } => true,
        EventKind::RunStarted(_)
        | EventKind::Inputs { .. }
        | EventKind::RunFinished { .. }
        | EventKind::Course(_)
        | EventKind::ScenarioStarted(_)
        | EventKind::ScenarioFinished { .. }
        | EventKind::StepStarted { .. }
        | EventKind::StepFinished { .. }
        | EventKind::TransportFault(_)
        | EventKind::Flash(_)
        | EventKind::Checked(_)
        | EventKind::Done(_)
        | EventKind::SweepPlanned(_)
        | EventKind::SweepPoint(_)
        | EventKind::SweepFinished(_)
        | EventKind::UploadProgress { .. }
        | EventKind::Retry { .. } => false,
    }
}

/// SHA-256 as hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(HashAlgorithm::Sha256.digest(bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;

    struct Kept(Arc<Mutex<Vec<Event>>>);

    impl Reporter for Kept {
        fn name(&self) -> &str {
            "kept"
        }

        fn on_event(&mut self, event: &Event) -> io::Result<()> {
            self.0.lock().unwrap().push(event.clone());
            Ok(())
        }
    }

    struct Full;

    impl Reporter for Full {
        fn name(&self) -> &str {
            "journal"
        }

        fn is_essential(&self) -> bool {
            true
        }

        fn on_event(&mut self, _event: &Event) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_reporter_that_fails_does_not_keep_the_others_from_listening() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let clock = SimClock::new();
        let cancel = CancelToken::new();
        let events = Events::new(
            Arc::new(clock.clone()),
            vec![Box::new(Full), Box::new(Kept(Arc::clone(&kept)))],
        )
        .stopping(&cancel);
        assert!(!cancel.is_cancelled());
        events.note(None, "one");
        clock.advance(std::time::Duration::from_millis(30));
        events.note(None, "two");

        assert!(cancel.is_cancelled(), "a run without a journal ends");
        let failures = events.close();
        assert_eq!(
            failures.len(),
            1,
            "a reporter that failed is not asked again"
        );
        assert_eq!(failures[0].reporter, "journal");
        let seen: Vec<(u64, u64)> = kept.lock().unwrap().iter().map(|e| (e.seq, e.at)).collect();
        assert_eq!(seen, [(0, 0), (1, 30)]);
    }
}
