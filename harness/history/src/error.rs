//! What can be wrong with a history, in sentences.

use rusqlite::{Error, ErrorCode};
use std::path::{Path, PathBuf};

/// Why a history cannot be used. The runs themselves are in their folders, whatever it is.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is none yet.
    #[error("there is no history in `{path}`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error("history `{path}` has format {found}, this program knows formats up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// It is a database of something else.
    #[error("`{path}` is a database, but not a history of runs")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error("history `{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// Somebody else is writing, for longer than anybody should.
    #[error("history `{path}` is being written by another program")]
    Busy {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
    /// The file system or SQLite refused.
    #[error("history `{path}` cannot be used")]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Error,
    },
}

impl HistoryError {
    /// Says which file it was.
    pub(crate) fn of(path: &Path, source: Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, source }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, source }
            }
            // A table or a column of another type than it was made with.
            None => Self::Damaged { path, source },
            Some(_) => Self::Other { path, source },
        }
    }

    /// What to try.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "it is made by `dfu-hil run`, or from the folders of runs: `dfu-hil history add reports/runs/*`"
            }
            Self::Newer { .. } => {
                "use the version of dfu-hil that wrote it, or a later one; or name another file with --history"
            }
            Self::Foreign { .. } => "name another file with --history",
            Self::Damaged { .. } => {
                "move it away and make it again from the runs: `dfu-hil history add reports/runs/*`"
            }
            Self::Busy { .. } => "add the run later: `dfu-hil history add RUN`",
            Self::Other { .. } => "is the disk full, or the folder somebody else's?",
        }
    }
}
