//! Starting a board anew, and what a hand does meanwhile: `reset` and `power_cycle`.

use crate::fault::TransportFault;
use crate::step::Answer;
use crate::units;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// How a board is restarted with the power staying on. In a file also just the way: `reset: smp`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reset {
    /// The way.
    pub by: ResetBy,
    /// A button that is held meanwhile.
    pub holding: Option<Button>,
    /// How long the button is held after the start.
    pub hold_for: Duration,
    /// Whether the board has to do it. Only an SMP server can refuse.
    pub expect: Answer,
    /// What goes wrong on the link meanwhile.
    pub transport_faults: Vec<TransportFault>,
}

impl Reset {
    /// A plain reset.
    #[must_use]
    pub const fn by(by: ResetBy) -> Self {
        Self {
            by,
            holding: None,
            hold_for: units::hold_for(),
            expect: Answer::Accepted,
            transport_faults: Vec::new(),
        }
    }
}

/// The way of a [`Reset`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ResetBy {
    /// The SMP reset command, as an update client sends it.
    Smp,
    /// Through the debug probe.
    Probe,
    /// With the reset pin.
    Pin,
}

/// A button of the board, by what it is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Button {
    /// The one that the bootloader looks at: held at the start, it stays in serial recovery.
    Recovery,
}

impl fmt::Display for Button {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recovery => "recovery",
        })
    }
}

/// Takes the power away and gives it back.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PowerCycle {
    /// How long the power stays away.
    #[serde(default = "units::off_for", deserialize_with = "units::duration")]
    pub off_for: Duration,
    /// A button that is held when the power comes back.
    pub holding: Option<Button>,
    /// How long the button is held after that.
    #[serde(default = "units::hold_for", deserialize_with = "units::duration")]
    pub hold_for: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    by: ResetBy,
    holding: Option<Button>,
    #[serde(default = "units::hold_for", deserialize_with = "units::duration")]
    hold_for: Duration,
    #[serde(default)]
    expect: Answer,
    #[serde(default)]
    transport_faults: Vec<TransportFault>,
}

impl<'de> Deserialize<'de> for Reset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Reset;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`smp`, `probe` or `pin`, or a map with `by`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Reset, E> {
                match text {
                    "smp" => Ok(Reset::by(ResetBy::Smp)),
                    "probe" => Ok(Reset::by(ResetBy::Probe)),
                    "pin" => Ok(Reset::by(ResetBy::Pin)),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reset, A::Error> {
                let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Reset {
                    by: fields.by,
                    holding: fields.holding,
                    hold_for: fields.hold_for,
                    expect: fields.expect,
                    transport_faults: fields.transport_faults,
                })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_word("probe", Some(Reset::by(ResetBy::Probe)))]
    #[case::a_map("{ by: smp, expect: refused }", Some(Reset { expect: Answer::Refused(None), ..Reset::by(ResetBy::Smp) }))]
    #[case::a_button(
        "{ by: pin, holding: recovery, hold_for: 3s }",
        Some(Reset { holding: Some(Button::Recovery), hold_for: Duration::from_secs(3), ..Reset::by(ResetBy::Pin) })
    )]
    #[case::no_way("{ holding: recovery }", None)]
    #[case::no_such_button("{ by: pin, holding: button1 }", None)]
    #[case::no_such_way("hammer", None)]
    fn a_reset_is_a_word_or_says_more(#[case] text: &str, #[case] expected: Option<Reset>) {
        assert_eq!(serde_yaml::from_str(text).ok(), expected);
    }
}
