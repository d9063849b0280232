//! Why a request did not work.

use crate::cbor::CborError;
use crate::code::{ManagementCode, Refused};
use crate::header::HeaderError;
use crate::transport::TransportError;
use crate::upload::UploadError;

/// Why a request did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The link, not the board.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Nobody answered.
    #[error(
        "no answer to {command} on {link}: {attempts} tries in {waited_ms} ms, {strays} other packets came"
    )]
    Timeout {
        /// What was asked.
        command: &'static str,
        /// Over which link.
        link: String,
        /// Transmissions.
        attempts: u32,
        /// From the first transmission.
        waited_ms: u128,
        /// Packets that arrived meanwhile.
        strays: u32,
    },
    /// The server said no.
    #[error("server refused {command}: {refused}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// Its words.
        refused: Refused,
    },
    /// The answer makes no sense.
    #[error("answer to {command} cannot be read")]
    Answer {
        /// What was asked.
        command: &'static str,
        /// What is wrong with it.
        #[source]
        source: CborError,
    },
    /// The request cannot be made.
    #[error("request for {command} cannot be made")]
    Request {
        /// What was asked.
        command: &'static str,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// The request does not fit what the server announced.
    #[error("request for {command} has {len} bytes, the server takes {limit}")]
    TooLong {
        /// What was asked.
        command: &'static str,
        /// Bytes of the packet.
        len: usize,
        /// Bytes that the server takes.
        limit: usize,
    },
    /// The upload did not get through.
    #[error("upload over {link} failed")]
    Upload {
        /// The link in words.
        link: String,
        /// Why.
        #[source]
        source: UploadError,
    },
    /// The caller stopped the upload.
    #[error("upload was stopped at offset {offset} of {total}")]
    Stopped {
        /// How far the server was, in bytes.
        offset: u64,
        /// Bytes of the image.
        total: u64,
    },
}

impl ClientError {
    /// The server's refusal, when that is what it is.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused { refused, .. }
            | Self::Upload {
                source: UploadError::Refused { refused, .. },
                ..
            } => Some(refused),
            _ => None,
        }
    }

    /// Something to try.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Transport(error) => error.help(),
            Self::Timeout { .. } => Some(
                "does the running application have an SMP server on this link? its console log shows what runs",
            ),
            Self::Upload {
                source: UploadError::Stuck { .. },
                ..
            } => Some(
                "try again with one request at a time and smaller packets; bytes get lost where a server is slow to read",
            ),
            Self::Upload {
                source: UploadError::Lost { .. },
                ..
            } => {
                Some("look for resets in the console log, and for another client that uploads too")
            }
            Self::Refused { refused, .. } if refused.is(ManagementCode::NOT_SUPPORTED) => {
                Some("the firmware was built without this command")
            }
            _ => None,
        }
    }

    /// Whether the bench is to blame, and not the firmware.
    #[must_use]
    pub const fn is_bench_trouble(&self) -> bool {
        matches!(self, Self::Transport(_))
    }
}
