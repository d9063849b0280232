//! Time that moves only when somebody waits.

use crate::{Clock, Instant};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Simulated time: starts at zero and moves to a deadline when somebody sleeps until it.
///
/// Clones share the same time.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<Mutex<Instant>>);

impl SimClock {
    /// A clock that stands at [`Instant::START`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time forward by `duration`.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = *now + duration;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, deadline: Instant) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (*now).max(deadline);
    }

    /// The simulated offset from the Unix epoch, so that reports made in tests are the same each time.
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.now().since_start()
    }

    fn block_for(&self, _deadline: Instant) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_to_the_deadline_and_never_back() {
        let clock = SimClock::new();
        clock.sleep(Duration::from_secs(600));
        assert_eq!(clock.now().since_start(), Duration::from_secs(600));
        clock.sleep_until(Instant::START);
        assert_eq!(clock.now().since_start(), Duration::from_secs(600));
    }

    #[test]
    fn clones_share_one_time() {
        let clock = SimClock::new();
        clock.clone().advance(Duration::from_millis(5));
        assert_eq!(clock.now().since_start(), Duration::from_millis(5));
    }
}
