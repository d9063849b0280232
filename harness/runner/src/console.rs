//! What the cores of a board have printed, kept for the whole run and waited on by steps.
//!
//! The board's serial ports are opened once; every line goes into a [`ConsoleLog`] as it arrives, whether a
//! step looks at it or not. A step takes a [`Mark`] before it does something, and then looks at the lines
//! after the mark, so that a line of an earlier boot is never taken for one of this boot.

use crate::cancel::{CancelToken, POLL};
use hil_clock::{Instant, SharedClock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A line that a core printed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Line {
    /// When it was complete.
    pub(crate) at: Instant,
    /// The text, without the line end.
    pub(crate) text: String,
}

/// A place in a console log: between two lines.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Mark(usize);

impl Mark {
    /// How many lines there are before it.
    pub(crate) const fn line(self) -> u64 {
        self.0 as u64
    }

    /// The place behind so many lines.
    pub(crate) const fn behind(lines: u64) -> Self {
        Self(lines as usize)
    }
}

/// How a wait for a line ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Waited {
    /// The line came, and the mark behind it.
    Found(Line, Mark),
    /// The deadline passed, or nothing more comes.
    TimedOut,
    /// The run is being stopped.
    Cancelled,
}

/// All lines of one core's console since the run began. Clones share the lines.
#[derive(Clone, Debug)]
pub(crate) struct ConsoleLog {
    clock: SharedClock,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    arrived: Condvar,
    /// Nothing more comes for now: whoever waits need not.
    ended: AtomicBool,
}

impl ConsoleLog {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            shared: Arc::default(),
        }
    }

    /// Takes a line that arrived.
    pub(crate) fn push(&self, at: Instant, text: impl Into<String>) {
        self.lines().push(Line {
            at,
            text: text.into(),
        });
        self.shared.arrived.notify_all();
    }

    /// Nothing more comes, as the port is gone or the console floods: who waits has waited long enough.
    pub(crate) fn end(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Who is about to wait has the lock.
        drop(self.lines());
        self.shared.arrived.notify_all();
    }

    /// Lines come again.
    pub(crate) fn begin(&self) {
        self.shared.ended.store(false, Ordering::SeqCst);
    }

    /// The place behind the last line so far.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.lines().len())
    }

    /// The last line, if there was one after `mark`.
    pub(crate) fn last_since(&self, mark: Mark) -> Option<Line> {
        self.lines().get(mark.0..).and_then(<[Line]>::last).cloned()
    }

    /// The lines from `from` up to `to`, or up to the last so far.
    pub(crate) fn between(&self, from: Mark, to: Option<Mark>) -> Vec<Line> {
        let lines = self.lines();
        let end = to.map_or(lines.len(), |to| to.0);
        lines.get(from.0..end).unwrap_or_default().to_vec()
    }

    /// The first line after `mark` that satisfies `wanted`, without waiting.
    pub(crate) fn find(&self, mark: Mark, wanted: impl Fn(&str) -> bool) -> Option<(Line, Mark)> {
        find(&self.lines(), mark, &wanted)
    }

    /// Waits until `deadline` for a line after `mark` that satisfies `wanted`.
    pub(crate) fn wait_for(
        &self,
        mark: Mark,
        deadline: Instant,
        cancel: &CancelToken,
        wanted: impl Fn(&str) -> bool,
    ) -> Waited {
        let mut lines = self.lines();
        let mut from = mark;
        loop {
            if let Some((line, behind)) = find(&lines, from, &wanted) {
                return Waited::Found(line, behind);
            }
            from = Mark(lines.len().max(mark.0));
            if cancel.is_cancelled() {
                return Waited::Cancelled;
            }
            let now = self.clock.now();
            if now >= deadline || self.shared.ended.load(Ordering::SeqCst) {
                return Waited::TimedOut;
            }
            let slice_end = deadline.min(now + POLL);
            let waited = self
                .shared
                .arrived
                .wait_timeout(lines, self.clock.block_for(slice_end))
                .unwrap_or_else(PoisonError::into_inner);
            lines = waited.0;
            if lines.len() <= from.0 {
                self.clock.sleep_until(slice_end);
            }
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.shared
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(lines: &[Line], mark: Mark, wanted: &impl Fn(&str) -> bool) -> Option<(Line, Mark)> {
    lines
        .iter()
        .enumerate()
        .skip(mark.0)
        .find(|(_, line)| wanted(&line.text))
        .map(|(index, line)| (line.clone(), Mark(index + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;
    use std::time::Duration;

    fn log() -> ConsoleLog {
        ConsoleLog::new(Arc::new(SimClock::new()))
    }

    #[test]
    fn a_line_before_the_mark_is_not_found() {
        let log = log();
        log.push(Instant::START, "I: Starting bootloader");
        let mark = log.mark();
        let waited = log.wait_for(
            mark,
            Instant::START + Duration::from_secs(5),
            &CancelToken::new(),
            |line| line.contains("Starting"),
        );
        assert_eq!(waited, Waited::TimedOut);
    }

    #[test]
    fn the_mark_behind_a_line_leads_to_the_next_one() {
        let log = log();
        for text in ["boot 1", "noise", "boot 2"] {
            log.push(Instant::START, text);
        }
        let (first, behind) = log
            .find(Mark::default(), |line| line.starts_with("boot"))
            .expect("it was pushed");
        let (second, _) = log
            .find(behind, |line| line.starts_with("boot"))
            .expect("it was pushed");
        assert_eq!(
            (first.text.as_str(), second.text.as_str()),
            ("boot 1", "boot 2")
        );
        assert_eq!(
            log.last_since(behind).map(|line| line.text),
            Some("boot 2".to_owned())
        );
    }

    #[test]
    fn a_line_from_another_thread_ends_the_wait() {
        let clock: SharedClock = Arc::new(hil_clock::SystemClock::new());
        let log = ConsoleLog::new(Arc::clone(&clock));
        let writer = log.clone();
        let thread = std::thread::spawn(move || writer.push(writer.clock.now(), "hello"));
        let waited = log.wait_for(
            Mark::default(),
            clock.now() + Duration::from_secs(600),
            &CancelToken::new(),
            |line| line == "hello",
        );
        thread.join().expect("the writer does not panic");
        assert!(matches!(waited, Waited::Found(_, Mark(1))), "{waited:?}");
    }

    #[test]
    fn cancelling_ends_the_wait() {
        let cancel = CancelToken::new();
        cancel.cancel();
        let deadline = Instant::START + Duration::from_secs(5);
        assert_eq!(
            log().wait_for(Mark::default(), deadline, &cancel, |_| true),
            Waited::Cancelled
        );
    }
}
