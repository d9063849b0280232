//! Why a request did not work.

use crate::cbor::CborError;
use crate::code::Refused;
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
    #[error("upload failed")]
    Upload(#[from] UploadError),
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
            Self::Refused { refused, .. } | Self::Upload(UploadError::Refused { refused, .. }) => {
                Some(refused)
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
