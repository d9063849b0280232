//! Where a run leaves what it found: one folder for each run.
//!
//! ```text
//! reports/runs/20260802T101530Z-01/
//!   journal.jsonl          every event, as it happened
//!   result.json            the record of the run
//!   junit.xml              the same for a CI server
//!   ctrf.json              the same in the Common Test Report Format
//!   summary.md             the same for the page of a CI job
//!   report.html            the same for people, with all logs
//!   console/dk1-app.log    what each core printed
//!   console/dk1-app-rtt.log  and over RTT
//!   smp.pcapng             every SMP packet, for Wireshark
//!   objects/9f/86d0…       pages of flash, images and files by SHA-256
//!   manifest.json          the digests of all of these, and of what the run was made from
//! ```

use crate::event::{ConsoleSource, CoreName};
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// More runs than this in one second mean that something else is wrong.
const MOST_IN_A_SECOND: u32 = 99;

/// The folder of one run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunDirectory {
    id: String,
    path: PathBuf,
}

/// Why a folder for a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunDirectoryError {
    /// The file system refused.
    #[error("folder `{path}` cannot be made")]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// All names of this second are taken.
    #[error("folder `{path}` has {MOST_IN_A_SECOND} runs of the same second already")]
    Full {
        /// The folder of all runs.
        path: PathBuf,
    },
    /// The date is none that a name can be made from.
    #[error("the clock shows no date that a run can be named after")]
    Date,
}

impl RunDirectoryError {
    /// What to try.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Create { .. } => Some("is the disk full, or the folder somebody else's?"),
            Self::Full { .. } => None,
            Self::Date => Some("set the date of this machine"),
        }
    }
}

impl RunDirectory {
    /// Makes a new folder in `root` (which is made as well), named after `now`.
    ///
    /// The name is the UTC date and time with a number that makes it unique, also among programs that start at the
    /// same moment: whoever makes the folder has the name.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub fn create(root: &Path, now: SystemTime) -> Result<Self, RunDirectoryError> {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            |source| RunDirectoryError::Create { path, source }
        };
        let now = Timestamp::try_from(now).map_err(|_| RunDirectoryError::Date)?;
        std::fs::create_dir_all(root).map_err(cannot(root))?;
        for number in 1..=MOST_IN_A_SECOND {
            let id = format!("{}-{number:02}", now.strftime("%Y%m%dT%H%M%SZ"));
            let path = root.join(&id);
            match std::fs::create_dir(&path) {
                Ok(()) => {
                    let console = path.join("console");
                    std::fs::create_dir(&console).map_err(cannot(&console))?;
                    return Ok(Self { id, path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot(&path)(error)),
            }
        }
        Err(RunDirectoryError::Full {
            path: root.to_owned(),
        })
    }

    /// The folder of a run that was made before. Nothing is looked at.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let id = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { id, path }
    }

    /// Identifier of the run.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The record of the run.
    #[must_use]
    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// The record for a CI server.
    #[must_use]
    pub fn junit(&self) -> PathBuf {
        self.path.join("junit.xml")
    }

    /// The record in the Common Test Report Format.
    #[must_use]
    pub fn ctrf(&self) -> PathBuf {
        self.path.join("ctrf.json")
    }

    /// The record for the page of a CI job.
    #[must_use]
    pub fn markdown(&self) -> PathBuf {
        self.path.join("summary.md")
    }

    /// The record for people, with all logs.
    #[must_use]
    pub fn html(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// The SMP packets of the run.
    #[must_use]
    pub fn capture(&self) -> PathBuf {
        self.path.join("smp.pcapng")
    }

    /// The digests of all files of the run.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// What a core of a board printed.
    #[must_use]
    pub fn console(&self, board: &str, core: CoreName, source: ConsoleSource) -> PathBuf {
        let way = match source {
            ConsoleSource::Uart => "",
            ConsoleSource::Rtt => "-rtt",
        };
        self.path
            .join("console")
            .join(format!("{}-{core}{way}.log", file_name(board)))
    }
}

/// A name of a board as part of a file's name. Different names stay different: what no file should be called is
/// written as `%` and its code.
fn file_name(board: &str) -> String {
    let mut name = String::new();
    for byte in board.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::time::Duration;

    #[test]
    fn runs_of_the_same_second_get_folders_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let runs = root.path().join("reports/runs");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_785_665_730);
        let first = RunDirectory::create(&runs, now).unwrap();
        let second = RunDirectory::create(&runs, now).unwrap();
        assert_eq!(first.id(), "20260802T101530Z-01");
        assert_eq!(second.id(), "20260802T101530Z-02");
        assert!(second.path().join("console").is_dir());
        assert_eq!(RunDirectory::at(second.path()), second);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = RunDirectory::create(&file, SystemTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("folder `{}` cannot be made", file.display())
        );
        assert!(error.help().is_some());
    }

    #[rstest]
    #[case::plain("dk-left_2", "console/dk-left_2-app.log")]
    #[case::path("../dk", "console/%2e%2e%2fdk-app.log")]
    #[case::looks_escaped("%2fdk", "console/%252fdk-app.log")]
    fn a_console_log_stays_in_its_folder(#[case] board: &str, #[case] expected: &str) {
        let path = RunDirectory::at("run").console(board, CoreName::App, ConsoleSource::Uart);
        assert_eq!(path, Path::new("run").join(expected));
    }
}
