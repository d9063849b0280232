//! Why a run has no manifest that could be used, and what to try.

use std::io;
use std::path::PathBuf;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The run has none.
    #[error("run `{run}` has no manifest in `{path}`")]
    Missing {
        /// Identifier of the run.
        run: String,
        /// The folder of the run.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("`{path}` cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The file is no manifest.
    #[error("`{path}` is no manifest of a run: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ManifestError {
    /// What to try.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some(
                "it is written when a run ends: was the run killed, or made by an older version? run it again",
            ),
            Self::Io { .. } => None,
            Self::Damaged { .. } => {
                Some("bring the folder of the run back from where it was kept, or run again")
            }
        }
    }
}
