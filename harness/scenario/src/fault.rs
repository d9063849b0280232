//! `transport_faults` of a step: what the link does to the packets of the step, and to which.

use crate::units::{self, Percent};
use crate::words::Transport;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// One thing that goes wrong on the link of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TransportFault {
    /// What.
    pub kind: FaultKind,
    /// To requests or to answers.
    pub of: FaultWay,
    /// To which of them.
    pub when: FaultWhen,
    /// Decides what the rest leaves open: which packets of a `chance`, which byte.
    pub seed: u64,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultKind {
    /// It is lost.
    Drop,
    /// It comes twice.
    Duplicate,
    /// The one behind it comes first.
    Reorder,
    /// It comes so much later.
    Delay(Duration),
    /// A bit of this byte on the wire is another one.
    Corrupt {
        /// Counted from 0. Not given: the seed decides.
        byte: Option<u32>,
    },
    /// It ends early on the wire.
    Truncate {
        /// So many bytes get through. Not given: the seed decides.
        keep: Option<u32>,
    },
}

/// The direction of a [`TransportFault`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum FaultWay {
    /// From the client to the board.
    Request,
    /// From the board to the client.
    Answer,
}

/// Which packets a [`TransportFault`] meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultWhen {
    /// The first so many at a place, repetitions included. The step is an error of the bench when there are fewer.
    At {
        /// Where.
        place: FaultPlace,
        /// How many.
        times: u32,
    },
    /// So many of a hundred.
    Chance(Percent),
}

/// A request of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultPlace {
    /// The step's own, of a step that has only one.
    Only,
    /// The first chunk of an upload.
    First,
    /// The chunk with the byte that is so far in the image.
    Share(Percent),
    /// The last chunk.
    Last,
}

impl TransportFault {
    /// Why it means nothing on a link; `None` when it does.
    #[must_use]
    pub fn not_over(&self, over: Transport) -> Option<&'static str> {
        match (self.kind, over) {
            (FaultKind::Corrupt { .. }, Transport::Ble) => {
                Some("the radio drops a packet whose bits are wrong, so nobody ever gets one")
            }
            _ => None,
        }
    }
}

/// As a file says it. One of the kinds is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    drop: Option<FaultWay>,
    duplicate: Option<FaultWay>,
    reorder: Option<FaultWay>,
    delay: Option<FaultWay>,
    corrupt: Option<FaultWay>,
    truncate: Option<FaultWay>,
    at: Option<FaultPlace>,
    times: Option<u32>,
    chance: Option<Percent>,
    #[serde(default, deserialize_with = "units::some_duration")]
    by: Option<Duration>,
    byte: Option<u32>,
    keep: Option<u32>,
    #[serde(default)]
    seed: Seed,
}

/// A number, also as text: a matrix puts text in.
#[derive(Clone, Copy, Debug, Default)]
struct Seed(u64);

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl serde::de::Visitor<'_> for Either {
            type Value = Seed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0")
            }

            fn visit_u64<E: serde::de::Error>(self, seed: u64) -> Result<Seed, E> {
                Ok(Seed(seed))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Seed, E> {
                text.parse()
                    .map(Seed)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for TransportFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let kinds = [
            ("drop", fields.drop, FaultKind::Drop),
            ("duplicate", fields.duplicate, FaultKind::Duplicate),
            ("reorder", fields.reorder, FaultKind::Reorder),
            (
                "delay",
                fields.delay,
                FaultKind::Delay(fields.by.unwrap_or_default()),
            ),
            (
                "corrupt",
                fields.corrupt,
                FaultKind::Corrupt { byte: fields.byte },
            ),
            (
                "truncate",
                fields.truncate,
                FaultKind::Truncate { keep: fields.keep },
            ),
        ];
        let mut given = kinds
            .into_iter()
            .filter_map(|(name, way, kind)| Some((name, way?, kind)));
        let (Some((name, of, kind)), None) = (given.next(), given.next()) else {
            return Err(D::Error::custom(
                "a fault has one of `drop`, `duplicate`, `reorder`, `delay`, `corrupt` and `truncate`, each with `request` or \
                 `answer`",
            ));
        };
        let belongs = [
            ("by", fields.by.is_some(), "delay"),
            ("byte", fields.byte.is_some(), "corrupt"),
            ("keep", fields.keep.is_some(), "truncate"),
        ];
        for (key, there, to) in belongs {
            if there && name != to {
                return Err(D::Error::custom(format_args!(
                    "`{key}` belongs to `{to}`, not to `{name}`"
                )));
            }
        }
        if kind == FaultKind::Delay(Duration::ZERO) {
            return Err(D::Error::custom("`delay` needs `by`, such as `by: 7s`"));
        }
        if fields.times == Some(0) {
            return Err(D::Error::custom("`times: 0` is no fault"));
        }
        let when = match (fields.chance, fields.at, fields.times) {
            (Some(chance), None, None) => FaultWhen::Chance(chance),
            (Some(_), _, _) => {
                return Err(D::Error::custom(
                    "`chance` is for packets anywhere: it has neither `at` nor `times`",
                ));
            }
            (None, place, times) => FaultWhen::At {
                place: place.unwrap_or(FaultPlace::Only),
                times: times.unwrap_or(1),
            },
        };
        Ok(Self {
            kind,
            of,
            when,
            seed: fields.seed.0,
        })
    }
}

impl<'de> Deserialize<'de> for FaultPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "first" => return Ok(Self::First),
            "last" => return Ok(Self::Last),
            _ => {}
        }
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .and_then(Percent::new)
            .map(Self::Share)
            .ok_or_else(|| {
                D::Error::invalid_value(
                    Unexpected::Str(&text),
                    &"`first`, `last` or a share of the image from `1%` to `99%`",
                )
            })
    }
}

impl fmt::Display for TransportFault {
    /// What it does, such as `drop the answer to the last chunk twice`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FaultKind::Drop => "drop",
            FaultKind::Duplicate => "duplicate",
            FaultKind::Reorder => "reorder",
            FaultKind::Delay(_) => "delay",
            FaultKind::Corrupt { .. } => "corrupt",
            FaultKind::Truncate { .. } => "truncate",
        })?;
        match (self.when, self.of) {
            (FaultWhen::Chance(chance), FaultWay::Request) => {
                write!(f, " {chance} of the requests")?;
            }
            (FaultWhen::Chance(chance), FaultWay::Answer) => write!(f, " {chance} of the answers")?,
            (FaultWhen::At { place, times }, way) => {
                match (place, way) {
                    (FaultPlace::Only, FaultWay::Request) => f.write_str(" the request")?,
                    (FaultPlace::Only, FaultWay::Answer) => f.write_str(" the answer")?,
                    (place, FaultWay::Request) => write!(f, " {place}")?,
                    (place, FaultWay::Answer) => write!(f, " the answer to {place}")?,
                }
                if times > 1 {
                    write!(f, " {times} times")?;
                }
            }
        }
        match self.kind {
            FaultKind::Delay(by) => write!(f, " by {}", humantime::format_duration(by)),
            FaultKind::Corrupt { byte: Some(byte) } => write!(f, " in byte {byte}"),
            FaultKind::Truncate { keep: Some(keep) } => write!(f, " after {keep} bytes"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for FaultPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("the request"),
            Self::First => f.write_str("the first chunk"),
            Self::Share(share) => write!(f, "the chunk at {share}"),
            Self::Last => f.write_str("the last chunk"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("{ drop: request, at: first }", "drop the first chunk")]
    #[case("{ drop: answer }", "drop the answer")]
    #[case(
        "{ drop: answer, at: last, times: 2 }",
        "drop the answer to the last chunk 2 times"
    )]
    #[case(
        "{ delay: answer, at: 40%, by: 7s }",
        "delay the answer to the chunk at 40% by 7s"
    )]
    #[case(
        "{ corrupt: request, at: last, byte: 30 }",
        "corrupt the last chunk in byte 30"
    )]
    #[case(
        "{ truncate: request, chance: 3%, seed: '7' }",
        "truncate 3% of the requests"
    )]
    #[case("{ reorder: request, at: 50% }", "reorder the chunk at 50%")]
    fn a_fault_is_said_in_words(#[case] text: &str, #[case] expected: &str) {
        let fault: TransportFault = serde_yaml::from_str(text).unwrap();
        assert_eq!(fault.to_string(), expected);
    }

    #[rstest]
    #[case::none("{ at: first }")]
    #[case::two("{ drop: request, delay: answer, by: 1s }")]
    #[case::no_way("{ drop: both }")]
    #[case::no_delay("{ delay: answer }")]
    #[case::not_its_own("{ drop: answer, byte: 3 }")]
    #[case::chance_at("{ drop: answer, chance: 3%, at: last }")]
    #[case::never("{ drop: answer, times: 0 }")]
    #[case::nowhere("{ drop: answer, at: end }")]
    #[case::no_seed("{ drop: answer, chance: 3%, seed: x }")]
    fn what_is_no_fault_is_not_read(#[case] text: &str) {
        let read: Result<TransportFault, _> = serde_yaml::from_str(text);
        assert!(read.is_err(), "{read:?}");
    }
}
