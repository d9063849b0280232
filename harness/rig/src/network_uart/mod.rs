//! A serial port on the network, as a pseudo-terminal of this host.
//!
//! Everything above opens serial ports by path. So a port that somebody offers by TCP (raw, or by RFC 2217) is given one: a
//! thread carries bytes between the two until one of them is closed. When the connection ends the pseudo-terminal goes with it,
//! and whoever has it open sees what he sees of a port that was unplugged.

mod carrier;

use carrier::{Carrier, Wire};
use hil_clock::SharedClock;
use hil_pty::Pty;
use hil_rfc2217::{Client, Refusal, State};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How bytes are carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    /// As they are: nothing can be set.
    Raw,
    /// Telnet with RFC 2217.
    Rfc2217,
}

/// A serial port on the network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NetworkPort {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) baud: u32,
}

impl fmt::Display for NetworkPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Raw => "raw TCP",
            Protocol::Rfc2217 => "RFC 2217",
        };
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            write!(f, "[{host}]:{port} ({protocol})")
        } else {
            write!(f, "{host}:{port} ({protocol})")
        }
    }
}

/// Why there is no such port.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkPortError {
    /// No address answers.
    #[error("{0}")]
    Connect(io::Error),
    /// It says nothing that has to do with RFC 2217.
    #[error(
        "it did not agree to RFC 2217 within {0:?}; a port that offers bytes as they are has `protocol: raw`"
    )]
    Silent(Duration),
    /// The connection ended in the negotiation.
    #[error("it closed the connection; it may be in use by somebody else")]
    Closed,
    /// It refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no pseudo-terminal.
    #[error("this host gives no pseudo-terminal: {0}")]
    Pty(io::Error),
}

/// A port that is open. Dropping it closes the connection and takes the pseudo-terminal away.
#[derive(Debug)]
pub(crate) struct NetworkUart {
    path: PathBuf,
    carries: Arc<AtomicBool>,
    /// Closing it ends the thread.
    life_line: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl NetworkUart {
    /// Opens it. The connection has to come about, and the server to agree to RFC 2217, within `within` each.
    pub(crate) fn open(
        port: &NetworkPort,
        within: Duration,
        clock: &SharedClock,
    ) -> Result<Self, NetworkPortError> {
        let mut stream = connect(port, within).map_err(NetworkPortError::Connect)?;
        // Packets of SMP are answered one by one: none is to wait for another.
        stream
            .set_nodelay(true)
            .map_err(NetworkPortError::Connect)?;
        let mut early = Vec::new();
        let wire = match port.protocol {
            Protocol::Raw => Wire::Raw,
            Protocol::Rfc2217 => Wire::Rfc2217(negotiate(
                &mut stream,
                port.baud,
                within,
                clock,
                &mut early,
            )?),
        };
        stream
            .set_nonblocking(true)
            .map_err(NetworkPortError::Connect)?;
        let pty = Pty::open().map_err(NetworkPortError::Pty)?;
        let path = pty.path().to_owned();
        let (life_line, ended) = UnixStream::pair().map_err(NetworkPortError::Pty)?;
        let carries = Arc::new(AtomicBool::new(true));
        let carrier = Carrier::new(stream, wire, pty, ended, early);
        let still = Arc::clone(&carries);
        let thread = std::thread::Builder::new()
            .name("network uart".to_owned())
            .spawn(move || {
                carrier.run();
                still.store(false, Ordering::Release);
            })
            .map_err(NetworkPortError::Pty)?;
        Ok(Self {
            path,
            carries,
            life_line: Some(life_line),
            thread: Some(thread),
        })
    }

    /// What a serial program opens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the connection is still there.
    pub(crate) fn is_open(&self) -> bool {
        self.carries.load(Ordering::Acquire)
    }
}

impl Drop for NetworkUart {
    fn drop(&mut self) {
        drop(self.life_line.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell, and a panic of it was printed.
            let _ = thread.join();
        }
    }
}

/// Connects to the first address of the host that takes it.
fn connect(port: &NetworkPort, within: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in (port.host.as_str(), port.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, within) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Agrees on RFC 2217 and the speed. What the line sent meanwhile is appended to `early`.
fn negotiate(
    stream: &mut TcpStream,
    baud: u32,
    within: Duration,
    clock: &SharedClock,
    early: &mut Vec<u8>,
) -> Result<Client, NetworkPortError> {
    let mut client = Client::new(baud);
    let deadline = clock.now() + within;
    let mut buffer = [0; 1024];
    loop {
        stream
            .write_all(&client.take_outgoing())
            .map_err(NetworkPortError::Connect)?;
        match client.state() {
            State::Open => return Ok(client),
            State::Refused(why) => return Err(why.into()),
            State::Negotiating => {}
        }
        let left = deadline.saturating_since(clock.now());
        if left.is_zero() {
            return Err(NetworkPortError::Silent(within));
        }
        stream
            .set_read_timeout(Some(left))
            .map_err(NetworkPortError::Connect)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(NetworkPortError::Closed),
            Ok(length) => client.receive(&buffer[..length], early),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => {}
                io::ErrorKind::ConnectionReset => return Err(NetworkPortError::Closed),
                _ => return Err(NetworkPortError::Connect(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests;
