//! The operating system's time.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's time and really sleeps"
)]

use crate::{Clock, Instant};
use std::time::{Duration, SystemTime};

/// The operating system's monotonic clock, counted from when this was made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::from_start(self.start.elapsed())
    }

    fn sleep_until(&self, deadline: Instant) {
        let remaining = self.block_for(deadline);
        if !remaining.is_zero() {
            std::thread::sleep(remaining);
        }
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn block_for(&self, deadline: Instant) -> Duration {
        deadline.saturating_since(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_until_the_past_returns_and_time_goes_on() {
        let clock = SystemClock::new();
        let before = clock.now();
        clock.sleep_until(Instant::START);
        clock.sleep(Duration::from_millis(1));
        assert!(clock.now() >= before + Duration::from_millis(1));
    }
}
