//! Who prints, and by which way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A core as events name it.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum CoreName {
    /// The application core.
    App,
    /// The network core.
    Net,
}

impl fmt::Display for CoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::App => "app",
            Self::Net => "net",
        })
    }
}

/// By which way a core prints.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConsoleSource {
    /// Its serial port.
    #[default]
    Uart,
    /// SEGGER RTT: a buffer in its RAM, which the probe takes. A line has the time at which it was taken.
    Rtt,
}

impl ConsoleSource {
    pub(crate) fn is_uart(&self) -> bool {
        *self == Self::Uart
    }
}
