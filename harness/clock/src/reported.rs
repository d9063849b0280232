//! The time of somebody else, who reports it again and again.

use crate::{Clock, Instant, SystemClock};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The least that somebody who waits is told to: time that stands still would have him ask all the while. Our choice.
const SHORTEST_BLOCK: Duration = Duration::from_micros(500);

/// A clock that goes as another one does, in a machine that may be slower than this one: between two reports it goes on at this
/// machine's pace, but not further than by its lead; then it stands still until the next one. A report that is later than it thought
/// moves it there at once; it never goes back.
///
/// Clones share the same time.
#[derive(Clone, Debug)]
pub struct ReportedClock {
    lead: Duration,
    host: SystemClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What was reported last, and when that was here.
    reported: Instant,
    arrived: Instant,
    /// The latest time that somebody was told.
    told: Instant,
}

impl ReportedClock {
    /// A clock that stands at [`Instant::START`], and goes at most `lead` ahead of what was reported last.
    #[must_use]
    pub fn new(lead: Duration) -> Self {
        let host = SystemClock::new();
        Self {
            lead,
            host,
            state: Arc::new(Mutex::new(State {
                reported: Instant::START,
                arrived: host.now(),
                told: Instant::START,
            })),
        }
    }

    /// The other clock stands at `time`.
    pub fn report(&self, time: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reported = state.reported.max(time);
        state.arrived = self.host.now();
    }
}

impl Clock for ReportedClock {
    fn now(&self) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.host.now().saturating_since(state.arrived);
        state.told = state.told.max(state.reported + since.min(self.lead));
        state.told
    }

    /// Lasts until the time has been reported, however long that takes.
    fn sleep_until(&self, deadline: Instant) {
        loop {
            let remaining = self.block_for(deadline);
            if remaining.is_zero() {
                return;
            }
            self.host.sleep(remaining);
        }
    }

    fn wall(&self) -> SystemTime {
        self.host.wall()
    }

    /// Whoever blocks for so long has to ask again: it may not be time yet.
    fn block_for(&self, deadline: Instant) -> Duration {
        let remaining = deadline.saturating_since(self.now());
        if remaining.is_zero() {
            remaining
        } else {
            remaining.max(SHORTEST_BLOCK)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn without_a_lead_it_stands_where_it_was_reported() {
        let clock = ReportedClock::new(Duration::ZERO);
        assert_eq!(clock.now(), Instant::START);
        clock.report(at(7));
        assert_eq!(clock.clone().now(), at(7));
        clock.sleep_until(at(7));
    }

    #[test]
    fn it_goes_on_by_itself_for_its_lead() {
        let lead = Duration::from_millis(2);
        let clock = ReportedClock::new(lead);
        clock.report(at(7));
        clock.sleep_until(at(7) + lead);
        assert_eq!(clock.now(), at(7) + lead);
        assert!(!clock.block_for(at(7) + lead + lead).is_zero());
    }

    #[test]
    fn it_never_goes_back() {
        let clock = ReportedClock::new(HOUR);
        clock.report(at(7));
        let first = clock.now();
        clock.report(at(3));
        assert!(clock.now() >= first);
    }

    #[test]
    fn who_waits_asks_again_after_a_while() {
        let clock = ReportedClock::new(Duration::ZERO);
        assert_eq!(clock.block_for(Instant::START), Duration::ZERO);
        let soon = Instant::START + Duration::from_nanos(1);
        assert_eq!(clock.block_for(soon), SHORTEST_BLOCK);
        assert_eq!(clock.block_for(Instant::START + HOUR), HOUR);
    }
}
