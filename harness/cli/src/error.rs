//! What a command says when it cannot do what was asked: one message, its causes, advice, and an exit code.

use crate::exit::Exit;
use std::fmt;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct CliError {
    exit: Exit,
    message: String,
    help: Option<String>,
}

impl CliError {
    /// The command line or a file is wrong.
    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// The bench, or the machine that it hangs on, failed.
    pub(crate) fn bench(error: impl fmt::Display) -> Self {
        Self::new(Exit::BenchError, error)
    }

    /// There is nothing to do.
    pub(crate) fn nothing_ran(error: impl fmt::Display) -> Self {
        Self::new(Exit::NothingRan, error)
    }

    fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self {
            exit,
            message: error.to_string(),
            help: None,
        }
    }

    /// Adds what a person can try next; `None` leaves it as it is.
    pub(crate) fn with_help(mut self, help: Option<impl Into<String>>) -> Self {
        if let Some(help) = help {
            self.help = Some(help.into());
        }
        self
    }

    /// The code that the process ends with.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for CliError {
    /// `error: …`, and on the next line `help: …` when there is advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_advice_on_a_line_of_its_own() {
        let error = CliError::usage("file `rig.yaml` cannot be read: permission denied")
            .with_help(Some("check the file's mode"));
        insta::assert_snapshot!(error, @r"
        error: file `rig.yaml` cannot be read: permission denied
        help: check the file's mode
        ");
        assert_eq!(error.exit(), Exit::Usage);
    }
}
