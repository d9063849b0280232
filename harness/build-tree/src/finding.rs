//! What an import or a check has to say: one thing about one file, and what to do about it.

use serde::Serialize;
use std::fmt;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; nothing is wrong.
    Note,
    /// It works, but not as most people think, or a part of the tests cannot run.
    Warning,
    /// An update with this cannot work.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing about one file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// The file that it is about, as the person named it.
    pub file: String,
    /// What was found there: a lowercase fragment.
    pub found: String,
    /// What was expected instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to try: options, files, commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    fn new(severity: Severity, file: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self {
            severity,
            file: file.to_string(),
            found: found.to_string(),
            expected: None,
            help: None,
        }
    }

    /// An update with this cannot work.
    #[must_use]
    pub fn error(file: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(Severity::Error, file, found)
    }

    /// It works, but not as most people think.
    #[must_use]
    pub fn warning(file: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(Severity::Warning, file, found)
    }

    /// Good to know.
    #[must_use]
    pub fn note(file: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(Severity::Note, file, found)
    }

    /// Adds what was expected instead.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    /// Adds what to try.
    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }
}

impl fmt::Display for Finding {
    /// `severity: file: found`, and below it what was expected and what to try.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.file, self.found)?;
        if let Some(expected) = &self.expected {
            write!(f, "\n  expected: {expected}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// The weightiest of some findings.
#[must_use]
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}
