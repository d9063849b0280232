//! Time for the harness: one clock that is read and waited on, real or simulated.
//!
//! Everything that waits in the harness takes a [`Clock`], so that a deadline of two minutes costs a test
//! nothing: with a [`SimClock`] time moves only when somebody waits. An [`Instant`] counts from an arbitrary
//! zero (the start of the clock), so that logs show offsets which mean the same on every machine.
//!
//! This is the only crate that reads the operating system's time.

mod instant;
mod reported;
mod sim;
mod system;

pub use instant::Instant;
pub use reported::ReportedClock;
pub use sim::SimClock;
pub use system::SystemClock;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where the harness reads the time and where it waits.
pub trait Clock: Debug + Send + Sync {
    /// The time since the clock was started. Never goes back.
    fn now(&self) -> Instant;

    /// Returns at `deadline`, or at once when that has passed.
    fn sleep_until(&self, deadline: Instant);

    /// The date and time of day, for reports and file names; durations come from [`now`](Self::now).
    fn wall(&self) -> SystemTime;

    /// How long a blocking call on a channel or a port may last, so that waiting with this clock until
    /// `deadline` stays right: the remaining time with a real clock, zero with a simulated one, which is
    /// moved to the deadline by the caller with [`sleep_until`](Self::sleep_until) when nothing came.
    fn block_for(&self, deadline: Instant) -> Duration;

    /// Returns `duration` from now.
    fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration);
    }
}

/// A clock that several owners share.
pub type SharedClock = Arc<dyn Clock>;
