//! What is known of a board's health over runs: how often in a row the bench failed on it, and whether it is in quarantine.
//!
//! One file for each board, named after the serial number of its probe as its lease is: a board that does not answer cannot
//! tell which chip it has. Whoever holds the lease writes it; anybody may look, and a person may clear it.

use crate::lease::file_name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A scenario that the bench could not decide on a board.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// When it ended.
    pub at: Timestamp,
    /// The scenario.
    pub scenario: String,
    /// Why, in one sentence.
    pub cause: String,
}

impl Failure {
    /// A failure at this time.
    #[must_use]
    pub fn new(at: Timestamp, scenario: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            at,
            scenario: scenario.into(),
            cause: cause.into(),
        }
    }
}

/// A board that gets no scenarios.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// Since when.
    pub since: Timestamp,
    /// Why, in one sentence.
    pub cause: String,
}

impl Quarantined {
    /// In quarantine since this time.
    #[must_use]
    pub fn new(since: Timestamp, cause: impl Into<String>) -> Self {
        Self {
            since,
            cause: cause.into(),
        }
    }
}

/// What is known of a board's health.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BoardHealth {
    /// Scenarios in a row that the bench could not decide on it, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Whether it is in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Quarantined>,
}

impl BoardHealth {
    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.failures.is_empty() && self.quarantined.is_none()
    }
}

/// The file with the health of one board.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthFile(PathBuf);

/// Why the health of a board is not known or could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("the health of the board in `{path}` cannot be {what}")]
pub struct HealthError {
    /// The file.
    pub path: PathBuf,
    /// `read`, `written` or `cleared`.
    pub what: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl HealthFile {
    /// The file of the board whose probe has this serial number.
    #[must_use]
    pub fn of(folder: &Path, serial: &str) -> Self {
        Self(folder.join(format!("{}.json", file_name(serial))))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> HealthError {
        let path = self.0.clone();
        move |source| HealthError { path, what, source }
    }

    /// What is known; nothing of a board that never made trouble.
    ///
    /// # Errors
    /// The file is there and cannot be read or understood.
    pub fn load(&self) -> Result<BoardHealth, HealthError> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(io::Error::from)
                .map_err(self.error("read")),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(BoardHealth::default()),
            Err(error) => Err(self.error("read")(error)),
        }
    }

    /// Keeps what is known, on disk when this returns. A kill leaves the old file or the new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, health: &BoardHealth) -> Result<(), HealthError> {
        if health.is_good() {
            return self.clear().map(drop);
        }
        let write = || {
            if let Some(folder) = self.0.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let beside = self.0.with_extension("json.new");
            let file = std::fs::File::create(&beside)?;
            serde_json::to_writer_pretty(&file, health)?;
            file.sync_data()?;
            std::fs::rename(&beside, &self.0)
        };
        write().map_err(self.error("written"))
    }

    /// Forgets what is known; whether there was anything.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub fn clear(&self) -> Result<bool, HealthError> {
        match std::fs::remove_file(&self.0) {
            Ok(()) => Ok(true),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.error("cleared")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad() -> BoardHealth {
        BoardHealth {
            failures: vec![Failure::new(
                Timestamp::UNIX_EPOCH,
                "app-update[uart]",
                "the probe is silent",
            )],
            quarantined: Some(Quarantined::new(
                Timestamp::UNIX_EPOCH,
                "it was silent twice",
            )),
        }
    }

    #[test]
    fn what_is_known_of_a_board_reads_back_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let file = HealthFile::of(&folder.path().join("deep"), "001050012345");
        assert_eq!(file.load().unwrap(), BoardHealth::default());
        file.save(&bad()).unwrap();
        assert_eq!(file.load().unwrap(), bad());
        assert!(file.clear().unwrap());
        assert!(!file.clear().unwrap());
        assert!(file.load().unwrap().is_good());
    }

    #[test]
    fn a_board_without_trouble_has_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = HealthFile::of(folder.path(), "1");
        file.save(&bad()).unwrap();
        file.save(&BoardHealth::default()).unwrap();
        assert!(!file.path().exists());
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = HealthFile::of(folder.path(), "1");
        std::fs::write(file.path(), "nonsense").unwrap();
        let error = file.load().unwrap_err().to_string();
        assert!(error.contains("1.json` cannot be read"), "{error}");
    }
}
