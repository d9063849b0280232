//! Stopping a run from outside: a flag that every wait of the runner looks at.

use hil_clock::{Instant, SharedClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest that a wait goes on after a cancellation. We chose it: a person does not notice it, and a wait
/// costs next to nothing.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Tells a run to stop: clones share the flag, which is set once and stays set.
///
/// A signal handler may set the flag directly: see [`CancelToken::flag`].
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everybody who holds a clone to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the run was told to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for `signal_hook::flag::register`.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Waits until `deadline` or until the run is cancelled; `true` when the deadline was reached.
    pub(crate) fn sleep_until(&self, clock: &SharedClock, deadline: Instant) -> bool {
        loop {
            if self.is_cancelled() {
                return false;
            }
            let now = clock.now();
            if now >= deadline {
                return true;
            }
            clock.sleep_until(deadline.min(now + POLL));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::SimClock;

    #[test]
    fn a_cancelled_wait_ends_before_its_deadline() {
        let clock: SharedClock = Arc::new(SimClock::new());
        let token = CancelToken::new();
        assert!(token.sleep_until(&clock, Instant::START + Duration::from_secs(1)));
        token.clone().cancel();
        assert!(!token.sleep_until(&clock, Instant::START + Duration::from_secs(60)));
        assert_eq!(clock.now(), Instant::START + Duration::from_secs(1));
    }
}
