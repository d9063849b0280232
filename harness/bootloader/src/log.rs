//! MCUboot's own console lines.

use std::fmt;

/// How loud a line is. MCUboot's debug lines are not modelled: release builds leave them out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// `E:`
    Error,
    /// `W:`
    Warning,
    /// `I:`
    Info,
}

/// One line as MCUboot prints it on its console, without end of line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// How loud it is.
    pub level: Level,
    /// The text, without prefix.
    pub text: String,
}

impl fmt::Display for LogLine {
    /// As Zephyr's minimal log mode prints it: `I: Starting bootloader`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.level {
            Level::Error => 'E',
            Level::Warning => 'W',
            Level::Info => 'I',
        };
        write!(f, "{prefix}: {}", self.text)
    }
}
