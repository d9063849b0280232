//! Steps, and what they saw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which step of a scenario.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct StepInfo {
    /// Its number, from 1. Numbers above those in the file are the checks that follow every scenario.
    pub number: u32,
    /// Its name, such as `expect_slot`.
    pub name: String,
    /// What it does, in words.
    pub text: String,
    /// Its line in the scenario file, from 1; none for the checks that follow every scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Something that a step saw.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Evidence {
    /// What it is, such as `running version` or `app.secondary SHA-256`.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What was expected, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl Evidence {
    /// What evidence is called that says at how many points the power was cut: a whole number, which a sign-off counts.
    pub const CUT_POINTS: &str = "cut points";

    /// Something that was seen and is recorded for the reader.
    #[must_use]
    pub fn seen(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            found: found.into(),
            expected: None,
        }
    }

    /// Something that was compared.
    #[must_use]
    pub fn compared(
        what: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            found: found.into(),
            expected: Some(expected.into()),
        }
    }
}
