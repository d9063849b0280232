//! Why a release is not signed off.

use crate::evidence::EvidenceError;
use serde::Serialize;
use std::fmt;

/// One reason, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Which rule it breaks.
    pub rule: Rule,
    /// What was found and what was expected.
    pub text: String,
    /// What to do.
    pub help: String,
}

/// The rules of a sign-off.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A run is whole, and nobody has changed it.
    Evidence,
    /// A run is not too old.
    Age,
    /// What ran are the release's files.
    Firmware,
    /// What ran are the library's scenarios.
    ScenarioFile,
    /// Boards are real ones.
    Board,
    /// A scenario passed, as often and on as many boards as asked for.
    Passed,
    /// A scenario was run.
    Skipped,
    /// A scenario passed at the first attempt.
    Retry,
    /// The power was cut at as many points as asked for.
    CutPoints,
    /// The release has no defect that is known.
    KnownIssue,
    /// Every requirement is covered, and every scenario covers one.
    Requirement,
    /// A waiver holds until its last day.
    Waiver,
}

impl Rule {
    /// Its word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Age => "age",
            Self::Firmware => "firmware",
            Self::ScenarioFile => "scenario-file",
            Self::Board => "board",
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Retry => "retry",
            Self::CutPoints => "cut-points",
            Self::KnownIssue => "known-issue",
            Self::Requirement => "requirement",
            Self::Waiver => "waiver",
        }
    }
}

impl Refusal {
    /// A run that cannot even be read.
    #[must_use]
    pub fn unreadable(error: &EvidenceError) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self::new(Rule::Evidence, text, error.help())
    }

    pub(crate) fn new(rule: Rule, text: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            rule,
            text: text.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "refused ({}): {}\n   help: {}",
            self.rule.word(),
            self.text,
            self.help
        )
    }
}
