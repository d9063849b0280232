//! What is below the client: a link that carries whole packets to one board.

use hil_clock::Instant;
use std::io;

/// A link that carries whole SMP packets to one board.
///
/// Framing and reassembly happen below this trait; retries, and pairing an answer with its request, happen above it.
/// Silence is not an error: a board that resets is silent for a while. [`Traced`](crate::Traced) and
/// [`Faulty`](crate::Faulty) wrap a transport and are transports themselves.
pub trait Transport {
    /// What the link can carry; the client sizes its packets from this.
    fn capabilities(&self) -> Capabilities;

    /// Sends one packet. `Ok` means handed over, not delivered.
    ///
    /// # Errors
    ///
    /// When the link itself is gone or cannot carry the packet.
    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError>;

    /// Waits for the next packet; `Ok(None)` means that `deadline` passed and the link is healthy.
    ///
    /// # Errors
    ///
    /// When the link itself is gone.
    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        (**self).send(packet)
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        (**self).recv(deadline)
    }
}

/// What a link can carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// The link in words for messages, such as ``serial port `/dev/ttyACM0` ``.
    pub link: String,
    /// Bytes of the server's buffer that the framing needs beside the packet: 4 on the console framing.
    pub overhead: usize,
    /// Bytes to take for the server's buffer while it has not told: Zephyr's default for the link.
    pub default_buf_size: usize,
}

/// Why a link cannot be used. This is trouble of the bench, never of the firmware, but for [`Self::Lost`].
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Another program has it.
    #[error("serial port `{port}` is in use by another program")]
    Busy {
        /// The port's path.
        port: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such port.
    #[error("there is no serial port `{port}`")]
    NotFound {
        /// The port's path.
        port: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It exists, but cannot be opened.
    #[error("serial port `{port}` cannot be opened")]
    Open {
        /// The port's path.
        port: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It was open and is gone: unplugged, or the board was switched off.
    #[error("serial port `{port}` is gone")]
    Gone {
        /// The port's path.
        port: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Bytes do not go out.
    #[error("serial port `{port}` took no bytes for {waited_ms} ms")]
    Stalled {
        /// The port's path.
        port: String,
        /// How long it was tried.
        waited_ms: u128,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The framing cannot announce so much.
    #[error("packet of {len} bytes does not fit {link}")]
    TooLong {
        /// The link in words.
        link: String,
        /// Bytes of the packet.
        len: usize,
    },
    /// Anything else that a link knows about itself.
    #[error("{link} failed")]
    Link {
        /// The link in words.
        link: String,
        /// Something to try, when the link knows.
        help: Option<&'static str>,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A link that ends by itself has ended, or the board cannot be heard: it may be the board's doing (a reset, a crash, a
    /// radio that is off), and connecting anew may help.
    #[error("{link} is not there")]
    Lost {
        /// The link in words.
        link: String,
        /// Something to try, when the link knows.
        help: Option<&'static str>,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TransportError {
    /// Something to try.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Busy { .. } => {
                "close the terminal program or the other run that has the port open; `fuser PORT` names it"
            }
            Self::NotFound { .. } => {
                "is the board switched on, with its USB cable in the debugger's port?"
            }
            Self::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "add yourself to the group that owns the port (often `dialout`) and log in again"
            }
            Self::Gone { .. } => "check the cable and the board's power",
            Self::Stalled { .. } => "switch hardware flow control off, or connect its lines",
            Self::Link { help, .. } | Self::Lost { help, .. } => return *help,
            Self::Open { .. } | Self::TooLong { .. } => return None,
        })
    }
}
