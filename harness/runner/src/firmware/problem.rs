//! Why a firmware set that was read cannot be used.

use std::path::PathBuf;

/// Why a firmware set that was read cannot be used. The command line or a file is wrong, not the bench.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareProblem {
    /// The key that images are encrypted for cannot be read.
    #[error("decryption key `{path}` cannot be read")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key that images are signed for cannot be read, or is none.
    #[error("signing key `{path}` cannot be used: {reason}")]
    SigningKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is no such key.
    #[error("decryption key `{path}` is not usable")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: hil_image::KeyError,
    },
    /// A file to program is damaged, or not for this chip.
    #[error("release `{release}` cannot be programmed")]
    Program {
        /// The release.
        release: String,
        /// Why.
        #[source]
        source: hil_rig::ImageError,
    },
}

impl FirmwareProblem {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::KeyFile { .. } => {
                Some("check `keys.encryption` in the firmware set; paths are relative to its file")
            }
            Self::SigningKey { .. } => Some(
                "check `keys.signing` in the firmware set: the PEM of a public key; paths are relative to its file",
            ),
            Self::Key { source, .. } => source.help(),
            Self::Program { source, .. } => Some(source.help()),
        }
    }
}
