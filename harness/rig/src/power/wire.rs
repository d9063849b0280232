//! Lines to power supplies: TCP or a serial port, which are used alike from here on.

use crate::error::{Purpose, RigError};
use crate::file::UartSpec;
use crate::uart;
use hil_clock::{Clock, Instant};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection and a write may take. Bench supplies answer within tens of milliseconds; we chose
/// two seconds to leave room for their relays.
pub(super) const WITHIN: Duration = Duration::from_secs(2);

/// Where a supply is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// On the network.
    Tcp(SocketAddr),
    /// On a serial port.
    Serial(UartSpec),
}

/// An open line.
pub(super) enum Wire {
    Tcp(TcpStream),
    Serial(Box<dyn serialport::SerialPort>),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Wire::Tcp",
            Self::Serial(_) => "Wire::Serial",
        })
    }
}

/// Nothing came in time, or nothing will come any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missed {
    Silent,
    Closed,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Serial(spec) => spec.port.fmt(f),
        }
    }
}

impl Place {
    /// Opens a line to what serves `board`.
    pub(super) fn open(&self, board: &str, purpose: Purpose) -> Result<Wire, RigError> {
        let error = |source: io::Error| RigError::InstrumentConnect {
            board: board.to_owned(),
            purpose,
            address: self.to_string(),
            source,
        };
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, WITHIN).map_err(error)?;
                stream.set_nodelay(true).map_err(error)?;
                stream.set_write_timeout(Some(WITHIN)).map_err(error)?;
                Ok(Wire::Tcp(stream))
            }
            Self::Serial(spec) => {
                let path = uart::locate(spec).map_err(|missing| RigError::PowerPort {
                    board: board.to_owned(),
                    problem: missing.to_string(),
                })?;
                serialport::new(path.to_string_lossy(), spec.baud)
                    .timeout(WITHIN)
                    .open()
                    .map(Wire::Serial)
                    .map_err(|source| error(source.into()))
            }
        }
    }
}

impl Wire {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Missed> {
        let written = match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Serial(port) => port
                .set_timeout(WITHIN)
                .map_err(io::Error::from)
                .and_then(|()| port.write_all(bytes))
                .and_then(|()| port.flush()),
        };
        written.map_err(|_| Missed::Closed)
    }

    /// At least one byte before `deadline`; how many.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
        clock: &dyn Clock,
    ) -> Result<usize, Missed> {
        loop {
            let wait = clock.block_for(deadline);
            if wait.is_zero() {
                return Err(Missed::Silent);
            }
            let read = match self {
                // Fails only for a zero duration.
                Self::Tcp(stream) => {
                    let _ = stream.set_read_timeout(Some(wait));
                    stream.read(buffer)
                }
                Self::Serial(port) => {
                    let _ = port.set_timeout(wait);
                    port.read(buffer)
                }
            };
            match read {
                Ok(0) => return Err(Missed::Closed),
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(Missed::Silent);
                }
                Err(_) => return Err(Missed::Closed),
            }
        }
    }
}
