//! Why the worker, or a link in it, cannot be used.

use crate::failure::Failure;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why Bluetooth cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BleError {
    /// The worker cannot be started.
    #[error("the Bluetooth worker `{program}` cannot be started: {message}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The program is not the one that this one expects.
    #[error("the Bluetooth worker speaks version {found} of the protocol, expected {expected}")]
    Version {
        /// The worker's version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The worker is gone.
    #[error("the Bluetooth worker has ended by itself: {cause}")]
    Gone {
        /// How it ended, in words.
        cause: String,
    },
    /// The worker does not react, and has been killed.
    #[error("the Bluetooth worker has not reacted for {waited:?} while {doing}, and was killed")]
    Hung {
        /// What it was asked for.
        doing: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// What the worker found out.
    #[error(transparent)]
    Link(#[from] Failure),
    /// The link was closed on this side.
    #[error("the link is not connected")]
    NotConnected,
    /// The caller did not want to wait any longer.
    #[error("connecting was stopped")]
    Stopped,
}

impl BleError {
    pub(super) fn start(program: PathBuf, error: &io::Error) -> Self {
        Self::Start {
            program,
            message: error.to_string(),
        }
    }

    /// Whether the board may be the cause: it is off, resets, or its firmware has no radio. All else is the bench.
    #[must_use]
    pub const fn may_be_the_board(&self) -> bool {
        matches!(self, Self::Link(failure) if failure.may_be_the_board())
    }

    /// Something to try.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Start { .. } | Self::Version { .. } => {
                "was the program replaced while it runs? start it again"
            }
            Self::Gone { .. } | Self::Hung { .. } => {
                "see whether the system's Bluetooth still works (`bluetoothctl show`); DFU_HIL_LOG=debug shows what the \
                 worker did"
            }
            Self::Link(failure) => failure.help(),
            Self::NotConnected | Self::Stopped => return None,
        })
    }
}
