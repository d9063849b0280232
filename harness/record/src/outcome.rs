//! Verdicts and their causes.
//!
//! What the firmware did wrong, what the bench did wrong and what was not run are three different things, with
//! three sets of causes; an [`Outcome`] cannot mix them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How something ended, in one word.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every check ran and agreed.
    Pass,
    /// The firmware did something other than it must.
    Fail,
    /// The bench could not find out: the firmware is neither right nor wrong.
    Error,
    /// It was not run, for the reason that is given.
    Skip,
}

impl Verdict {
    /// The word for it: `pass`, `fail`, `error` or `skip`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What the firmware did wrong.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailKind {
    /// The board did not boot, or its application did not answer, in time.
    NotBooted,
    /// Another image runs than must.
    WrongImage,
    /// The right image runs, but is confirmed where it must be on test, or the other way round.
    WrongBootState,
    /// A slot holds other bytes than it must.
    SlotContents,
    /// Plain text of an encrypted image lies where it must not.
    PlainText,
    /// The board's image list says something else than it must.
    ImageState,
    /// A console text is missing, or one is there that must not be.
    Console,
    /// The network core runs other firmware than it must, or none.
    NetworkCore,
    /// The board is off the air where it must be on it, or the other way round.
    Radio,
    /// The board refused what it must accept.
    Refused,
    /// The board accepted what it must refuse.
    NotRefused,
    /// The board refused what it must refuse, but with another error.
    WrongRefusal,
    /// The board broke the SMP protocol, or stopped answering where it must not.
    Protocol,
    /// Something changed that no step asked for, found by a check after the last step.
    StandingCheck,
}

/// Why the bench could not find out.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The debug probe or what is behind it cannot be used.
    Probe,
    /// A serial port cannot be used.
    Port,
    /// A radio cannot be used.
    Radio,
    /// The power supply cannot be used.
    Power,
    /// A board of the rig is not there or could not be started.
    Board,
    /// A file that the run needs cannot be used.
    File,
    /// A power cut did not happen at the moment that the scenario asks for.
    Cut,
    /// Nothing shows that the board lost its power when it was cut, or something shows that it did not.
    Inconclusive,
    /// A page of the board's flash was erased as often as the rig file allows.
    Worn,
    /// The run was stopped before this had ended.
    Interrupted,
    /// A step took longer than the harness allows any step to take.
    Deadline,
    /// A mistake in the harness.
    Harness,
}

/// Why something was not run.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SkipKind {
    /// No board of the rig has what it needs.
    Needs,
    /// Something before it did not succeed.
    Blocked,
    /// The run was stopped before its turn.
    NotReached,
}

/// How something ended, and why.
///
/// The cause is one sentence in plain words: what was found, where, and what was expected.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Outcome {
    /// Every check ran and agreed.
    Pass,
    /// The firmware did something other than it must.
    Fail {
        /// What sort of thing.
        kind: FailKind,
        /// One sentence.
        cause: String,
    },
    /// The bench could not find out.
    Error {
        /// What sort of trouble.
        kind: ErrorKind,
        /// One sentence.
        cause: String,
        /// What a person can try.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    /// It was not run.
    Skip {
        /// What sort of reason.
        kind: SkipKind,
        /// One sentence.
        cause: String,
    },
}

impl Outcome {
    /// The firmware did something other than it must.
    #[must_use]
    pub fn fail(kind: FailKind, cause: impl Into<String>) -> Self {
        Self::Fail {
            kind,
            cause: cause.into(),
        }
    }

    /// The bench could not find out.
    #[must_use]
    pub fn error(kind: ErrorKind, cause: impl Into<String>) -> Self {
        Self::Error {
            kind,
            cause: cause.into(),
            help: None,
        }
    }

    /// It was not run.
    #[must_use]
    pub fn skip(kind: SkipKind, cause: impl Into<String>) -> Self {
        Self::Skip {
            kind,
            cause: cause.into(),
        }
    }

    /// The same with advice for the person at the bench; only trouble of the bench has any.
    #[must_use]
    pub fn with_help(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Error { kind, cause, .. } => Self::Error {
                kind,
                cause,
                help: Some(advice.into()),
            },
            Self::Pass | Self::Fail { .. } | Self::Skip { .. } => self,
        }
    }

    /// In one word.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Pass => Verdict::Pass,
            Self::Fail { .. } => Verdict::Fail,
            Self::Error { .. } => Verdict::Error,
            Self::Skip { .. } => Verdict::Skip,
        }
    }

    /// The sentence that says why; a pass has none.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail { cause, .. } | Self::Error { cause, .. } | Self::Skip { cause, .. } => {
                Some(cause)
            }
        }
    }

    /// What a person can try.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Error { help, .. } => help.as_deref(),
            Self::Pass | Self::Fail { .. } | Self::Skip { .. } => None,
        }
    }

    /// The kind of cause as it stands in files, such as `wrong-image`; a pass has none.
    #[must_use]
    pub fn kind_word(&self) -> Option<String> {
        let word = match self {
            Self::Pass => return None,
            Self::Fail { kind, .. } => serde_json::to_value(kind),
            Self::Error { kind, .. } => serde_json::to_value(kind),
            Self::Skip { kind, .. } => serde_json::to_value(kind),
        };
        word.ok()?.as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::pass(Outcome::Pass, r#"{"verdict":"pass"}"#)]
    #[case::fail(
        Outcome::fail(FailKind::WrongImage, "runs 2.0.0"),
        r#"{"verdict":"fail","kind":"wrong-image","cause":"runs 2.0.0"}"#
    )]
    #[case::error(
        Outcome::error(ErrorKind::Port, "gone").with_help("plug it in"),
        r#"{"verdict":"error","kind":"port","cause":"gone","help":"plug it in"}"#
    )]
    #[case::skip(
        Outcome::skip(SkipKind::Needs, "no power switch"),
        r#"{"verdict":"skip","kind":"needs","cause":"no power switch"}"#
    )]
    fn an_outcome_reads_back_as_it_was_written(#[case] outcome: Outcome, #[case] json: &str) {
        assert_eq!(serde_json::to_string(&outcome).unwrap(), json);
        assert_eq!(serde_json::from_str::<Outcome>(json).unwrap(), outcome);
    }

    #[test]
    fn only_a_bench_error_carries_advice() {
        let failed = Outcome::fail(FailKind::Console, "line missing").with_help("look again");
        assert_eq!(failed.help(), None);
    }

    #[test]
    fn the_kind_of_a_failure_cannot_be_read_as_an_error() {
        let json = r#"{"verdict":"error","kind":"wrong-image","cause":"x"}"#;
        assert!(serde_json::from_str::<Outcome>(json).is_err());
    }
}
