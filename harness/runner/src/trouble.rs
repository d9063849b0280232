//! Why a step or a check did not pass: the firmware is wrong, or the bench is.
//!
//! The two are told apart where the trouble is met, by type, and nobody above decides it again from a text.

use hil_record::{ErrorKind, FailKind, Outcome, SkipKind};
use std::error::Error;
use std::fmt;

/// Why a step or a check did not pass. Sentences are lowercase, without a full stop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// The firmware did something wrong: the verdict is *fail*.
    Fail(FailKind, String),
    /// The bench could not do its part: the verdict is *error*, and says nothing of the firmware.
    Error(ErrorKind, String, Option<String>),
    /// A wireless link was lost or could not be made, which may be the board's doing: whoever asked may try again. Where
    /// nobody does, the board did not answer, and the verdict is *fail*.
    Lost(String),
    /// It cannot be made here, for this reason: a check behind the steps is left out, which is recorded and is no pass.
    NotPossible(String),
    /// The run was told to stop: the verdict is *error*, since the scenario has no result.
    Cancelled,
}

/// What a step or a check returns.
pub(crate) type Checked<T = ()> = Result<T, Trouble>;

impl Trouble {
    /// What it says, for who is not at a bench.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Fail(_, words)
            | Self::Error(_, words, _)
            | Self::Lost(words)
            | Self::NotPossible(words) => words,
            Self::Cancelled => "the run was stopped".to_owned(),
        }
    }

    /// The firmware did something wrong.
    pub(crate) fn fail(kind: FailKind, sentence: impl fmt::Display) -> Self {
        Self::Fail(kind, sentence.to_string())
    }

    /// The bench could not do its part.
    pub(crate) fn error(kind: ErrorKind, sentence: impl fmt::Display) -> Self {
        Self::Error(kind, sentence.to_string(), None)
    }

    /// Adds what a person can try next; only trouble of the bench carries advice.
    pub(crate) fn with_help(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Error(kind, sentence, _) => Self::Error(kind, sentence, Some(advice.into())),
            Self::Fail(..) | Self::Lost(_) | Self::NotPossible(_) | Self::Cancelled => self,
        }
    }

    /// Adds a part to its sentence.
    pub(crate) fn adding(self, part: &str) -> Self {
        let more = |sentence: String| format!("{sentence}; {part}");
        match self {
            Self::Fail(kind, sentence) => Self::Fail(kind, more(sentence)),
            Self::Error(kind, sentence, help) => Self::Error(kind, more(sentence), help),
            Self::Lost(sentence) => Self::Lost(more(sentence)),
            Self::NotPossible(_) | Self::Cancelled => self,
        }
    }

    /// What it is to a step of the scenario, which must be made: a scenario that passes without it would not have shown what
    /// it says. Only checks behind the steps can be left out.
    pub(crate) fn of_a_step(self) -> Self {
        match self {
            Self::NotPossible(reason) => Self::error(ErrorKind::Inconclusive, reason),
            other => other,
        }
    }

    /// The verdict that it leads to.
    pub(crate) fn into_outcome(self) -> Outcome {
        match self {
            Self::Fail(kind, sentence) => Outcome::fail(kind, sentence),
            Self::Lost(sentence) => Outcome::fail(FailKind::Protocol, sentence),
            Self::Error(kind, sentence, None) => Outcome::error(kind, sentence),
            Self::Error(kind, sentence, Some(help)) => {
                Outcome::error(kind, sentence).with_help(help)
            }
            Self::NotPossible(reason) => Outcome::skip(SkipKind::Blocked, reason),
            Self::Cancelled => Outcome::error(
                ErrorKind::Interrupted,
                "the run was stopped before this had ended",
            ),
        }
    }
}

/// An error and its causes in one line, each cause once.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_record::Verdict;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("port `{name}` cannot be opened")]
    struct Outer {
        name: &'static str,
        #[source]
        source: io::Error,
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        let error = Outer {
            name: "ttyACM1",
            source: io::Error::other("resource busy"),
        };
        assert_eq!(
            error_chain(&error),
            "port `ttyACM1` cannot be opened: resource busy"
        );
    }

    #[test]
    fn being_stopped_is_not_a_failure_of_the_firmware() {
        assert_eq!(Trouble::Cancelled.into_outcome().verdict(), Verdict::Error);
    }
}
