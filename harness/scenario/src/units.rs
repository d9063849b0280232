//! Durations and percentages as people write them, and the durations that hold when nothing is written.

use crate::words::Core;
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// An upload of 512 KiB at 115,200 baud takes about 70 s; five minutes leave room for slow erases.
pub(crate) const fn upload_within() -> Duration {
    Duration::from_secs(300)
}

/// A swap of a full 480 KiB slot takes about 50 s on silicon, so a boot with a swap fits.
pub(crate) const fn boot_within() -> Duration {
    Duration::from_secs(120)
}

/// Long enough for a line after a reset; a swap before it needs more, which the scenario says.
pub(crate) const fn console_within() -> Duration {
    Duration::from_secs(30)
}

/// A copy of a full network core image takes about 12 s on silicon.
pub(crate) const fn net_within() -> Duration {
    Duration::from_secs(60)
}

/// Long enough for the capacitors of a DK.
pub(crate) const fn off_for() -> Duration {
    Duration::from_secs(1)
}

/// MCUboot looks at its button within 50 ms of its start and then for as long as it was built to, half a second in usual
/// builds.
pub(crate) const fn hold_for() -> Duration {
    Duration::from_secs(2)
}

/// The application core: its console is MCUboot's as well.
pub(crate) const fn app() -> Core {
    Core::App
}

/// Reads a duration such as `20s`, `1m 30s` or `500ms`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with its unit, such as `20s`, `500ms` or `1m 30s`")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text)
                .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Text)
}

/// The same where nothing may be written.
pub(crate) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A share of an image, from 1 % to 99 %.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Percent(u8);

impl Percent {
    /// `percent` out of a hundred, or `None` when that is not inside an upload.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        if percent >= 1 && percent <= 99 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// Parts of a hundred.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// This share of `total` bytes, rounded down.
    #[must_use]
    pub const fn of(self, total: u64) -> u64 {
        // Split, so that no total overflows.
        total / 100 * self.0 as u64 + total % 100 * self.0 as u64 / 100
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .and_then(Self::new)
            .ok_or_else(|| {
                D::Error::invalid_value(
                    Unexpected::Str(&text),
                    &"a share of the image from `1%` to `99%`",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nothing("0%", None)]
    #[case::least("1%", Some(1))]
    #[case::most("99%", Some(99))]
    #[case::all("100%", None)]
    #[case::no_sign("40", None)]
    #[case::negative("-1%", None)]
    fn a_percentage_is_inside_an_upload(#[case] text: &str, #[case] expected: Option<u8>) {
        let parsed: Result<Percent, _> = serde_yaml::from_value(text.into());
        assert_eq!(parsed.ok().map(Percent::get), expected);
    }

    #[test]
    fn a_share_is_rounded_down_and_does_not_overflow() {
        let share = Percent::new(40).unwrap();
        assert_eq!(share.of(1001), 400);
        assert_eq!(share.of(u64::MAX), 7_378_697_629_483_820_646);
    }
}
