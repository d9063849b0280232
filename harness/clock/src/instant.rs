//! A point in time as an offset from the start of its clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: how long after the start of its [`Clock`](crate::Clock).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(Duration);

impl Instant {
    /// The start of the clock.
    pub const START: Self = Self(Duration::ZERO);

    /// The point that lies `offset` after the start of the clock.
    #[must_use]
    pub const fn from_start(offset: Duration) -> Self {
        Self(offset)
    }

    /// How long after the start of the clock this is.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Display for Instant {
    /// Seconds and milliseconds since the start: `12.345s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0.as_secs(), self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_never_goes_below_zero() {
        let early = Instant::START + Duration::from_secs(1);
        let late = Instant::START + Duration::from_secs(3);
        assert_eq!(late - early, Duration::from_secs(2));
        assert_eq!(early - late, Duration::ZERO);
    }

    #[test]
    fn adding_the_longest_duration_saturates() {
        let end = Instant::START + Duration::from_secs(1) + Duration::MAX;
        assert_eq!(end.since_start(), Duration::MAX);
    }

    #[test]
    fn shows_seconds_and_milliseconds() {
        assert_eq!(
            Instant::from_start(Duration::from_micros(12_345_678)).to_string(),
            "12.345s"
        );
    }
}
