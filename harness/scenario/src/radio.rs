//! What only a wireless link has: it can be lost, another central can want it too, and a board can be off the air.

use crate::step::Answer;
use crate::units::{self, Percent};
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// The loss of the link during an upload.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LinkLoss {
    /// When.
    pub at: LossPoint,
    /// How long after that.
    #[serde(default, deserialize_with = "units::duration")]
    pub delay: Duration,
    /// How long the link stays away.
    #[serde(default = "units::off_for", deserialize_with = "units::duration")]
    pub off_for: Duration,
}

/// A moment of an upload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LossPoint {
    /// The board has acknowledged this much of the image.
    Share(Percent),
    /// The last chunk was sent, and its answer is not received any more.
    LastAnswer,
}

impl fmt::Display for LossPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::LastAnswer => f.write_str("the last answer"),
        }
    }
}

impl<'de> Deserialize<'de> for LossPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "last_answer" {
            return Ok(Self::LastAnswer);
        }
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .and_then(Percent::new)
            .map(Self::Share)
            .ok_or_else(|| {
                D::Error::invalid_value(
                    Unexpected::Str(&text),
                    &"a share of the image from `1%` to `99%`, or `last_answer`",
                )
            })
    }
}

/// Another central that wants the board during an upload.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SecondCentral {
    /// How much of the image the board has acknowledged when it comes.
    pub at: Percent,
    /// `accepted`: it is connected and gets the image list. `refused`: the board cannot be connected.
    #[serde(default)]
    pub expect: Answer,
    /// How long it tries.
    #[serde(default = "second_within", deserialize_with = "units::duration")]
    pub within: Duration,
}

/// A board that can be connected is heard within 150 ms; three seconds leave room for a busy air.
const fn second_within() -> Duration {
    Duration::from_secs(3)
}

/// Where the board takes an upload up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartsAt {
    /// At this offset in bytes.
    Byte(u32),
    /// Where the upload before was broken off: not before what the board had acknowledged then, and not at 0.
    Resumed,
    /// At the end: the board has the image already.
    End,
}

impl fmt::Display for StartsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(offset) => write!(f, "from byte {offset}"),
            Self::Resumed => f.write_str("from where it was broken off"),
            Self::End => f.write_str("again, which the board has already"),
        }
    }
}

impl<'de> Deserialize<'de> for StartsAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = StartsAt;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an offset in bytes, `resumed` or `end`")
            }

            fn visit_u64<E: serde::de::Error>(self, offset: u64) -> Result<StartsAt, E> {
                u32::try_from(offset)
                    .map(StartsAt::Byte)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(offset), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StartsAt, E> {
                match text {
                    "resumed" => Ok(StartsAt::Resumed),
                    "end" => Ok(StartsAt::End),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Whether the board is on the air.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExpectRadio {
    /// `true`: it can be connected and answers. `false`: it is not heard.
    pub alive: bool,
    /// How long it may take, or how long nothing must be heard of it.
    #[serde(
        default = "units::console_within",
        deserialize_with = "units::duration"
    )]
    pub within: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::share("40%", Some(LossPoint::Share(Percent::new(40).unwrap())))]
    #[case::end("last_answer", Some(LossPoint::LastAnswer))]
    #[case::all("100%", None)]
    #[case::word("never", None)]
    fn a_link_is_lost_inside_an_upload(#[case] text: &str, #[case] expected: Option<LossPoint>) {
        let parsed: Result<LossPoint, _> = serde_yaml::from_value(text.into());
        assert_eq!(parsed.ok(), expected);
    }

    #[rstest]
    #[case::beginning("0", Some(StartsAt::Byte(0)))]
    #[case::resumed("resumed", Some(StartsAt::Resumed))]
    #[case::word("later", None)]
    #[case::share("40%", None)]
    fn an_upload_starts_somewhere(#[case] text: &str, #[case] expected: Option<StartsAt>) {
        assert_eq!(serde_yaml::from_str(text).ok(), expected);
    }
}
