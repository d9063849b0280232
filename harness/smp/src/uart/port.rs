//! The port as its owner sees it.

use super::ConsoleSink;
use super::threads::{Reader, Shared, Writer};
use crate::fault::{ConsoleWire, Wire, WireTransport};
use crate::frame;
use crate::transport::{Capabilities, Transport, TransportError};
use hil_clock::{Instant, SharedClock};
use serialport::{ErrorKind, SerialPort};
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a reading thread looks whether it should end, and how long text has to stop to be a prompt. It does not
/// delay anything that arrives.
const READ_TIMEOUT: Duration = Duration::from_millis(50);
/// How long to wait between two tries to open a port again.
const REOPEN_EVERY: Duration = Duration::from_millis(100);

/// How to use a serial port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UartOptions {
    /// Bits per second; 8 data bits, no parity, one stop bit, as every DK has it.
    pub baud: u32,
    /// Pause between two lines of a frame. Zephyr's driver has two line buffers: over a port that is faster than a UART (a
    /// pseudo-terminal, USB) a server that is slow to read loses the third line. None by default.
    pub line_gap: Duration,
    /// How long a packet may wait for the port to take bytes.
    pub write_timeout: Duration,
    /// Bytes to take for the server's buffer while it has not told (`CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE`).
    pub default_buf_size: usize,
}

impl Default for UartOptions {
    fn default() -> Self {
        Self {
            baud: 115_200,
            line_gap: Duration::ZERO,
            write_timeout: Duration::from_secs(5),
            default_buf_size: 384,
        }
    }
}

/// An open serial port: console and SMP.
pub struct UartPort {
    path: String,
    options: UartOptions,
    clock: SharedClock,
    sink: Arc<Mutex<ConsoleSink>>,
    shared: Arc<Shared>,
    threads: Option<Threads>,
}

struct Threads {
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl UartPort {
    /// Opens the port at `path` for this process alone, and starts to read it.
    ///
    /// # Errors
    ///
    /// When there is no such port, another program has it, or it cannot be opened.
    pub fn open(
        path: &str,
        options: UartOptions,
        clock: SharedClock,
        sink: ConsoleSink,
    ) -> Result<Self, TransportError> {
        let mut port = Self {
            path: path.to_owned(),
            options,
            clock,
            sink: Arc::new(Mutex::new(sink)),
            shared: Arc::new(Shared::default()),
            threads: None,
        };
        port.start()?;
        Ok(port)
    }

    /// The port's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the port has gone away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.shared.gone().is_some()
    }

    /// The SMP half of the port. Packets that arrived before are forgotten. There can be several, but each packet comes
    /// out of one only.
    #[must_use]
    pub fn transport(&self) -> UartTransport {
        self.shared.forget_packets();
        UartTransport {
            path: self.path.clone(),
            options: self.options,
            clock: self.clock.clone(),
            shared: self.shared.clone(),
        }
    }

    /// Types `text` into the console, for a shell.
    ///
    /// # Errors
    ///
    /// When the port is gone or takes no bytes.
    pub fn type_text(&self, text: &[u8]) -> Result<(), TransportError> {
        self.shared.write(
            &self.path,
            &self.clock,
            self.options.write_timeout,
            text.to_vec(),
        )
    }

    /// Opens the port again, after it went away or the board was switched off and on; tries until `deadline`.
    /// Transports of this port work again then.
    ///
    /// # Errors
    ///
    /// The last reason for which it could not be opened.
    pub fn reopen(&mut self, deadline: Instant) -> Result<(), TransportError> {
        self.stop();
        self.shared.reset();
        loop {
            match self.start() {
                Ok(()) => return Ok(()),
                Err(error) if self.clock.now() >= deadline => {
                    self.shared.set_gone(&error.to_string());
                    return Err(error);
                }
                Err(_) => {
                    let next = self.clock.now() + REOPEN_EVERY;
                    self.clock.sleep_until(next.min(deadline));
                }
            }
        }
    }

    /// Closes the port: its transports find it gone until it is opened again.
    pub fn close(&mut self) {
        self.stop();
        self.shared.set_gone("it was closed");
    }

    /// As [`reopen`](Self::reopen), for a port that has another path now.
    ///
    /// # Errors
    ///
    /// As [`reopen`](Self::reopen).
    pub fn reopen_as(&mut self, path: &str, deadline: Instant) -> Result<(), TransportError> {
        path.clone_into(&mut self.path);
        self.reopen(deadline)
    }

    fn start(&mut self) -> Result<(), TransportError> {
        let port = serialport::new(&self.path, self.options.baud)
            .timeout(READ_TIMEOUT)
            .open()
            .map_err(|error| self.open_error(error))?;
        let mut for_writing = port.try_clone().map_err(|error| self.open_error(error))?;
        for_writing
            .set_timeout(self.options.write_timeout)
            .map_err(|error| self.open_error(error))?;
        let reader = Reader {
            port,
            clock: self.clock.clone(),
            sink: self.sink.clone(),
            shared: self.shared.clone(),
        };
        let writer = Writer {
            port: for_writing,
            line_gap: self.options.line_gap,
            clock: self.clock.clone(),
            shared: self.shared.clone(),
        };
        let named = |what: &str| std::thread::Builder::new().name(format!("uart-{what}"));
        let not_started = |source| TransportError::Open {
            port: self.path.clone(),
            source,
        };
        let reader = named("read")
            .spawn(move || reader.run())
            .map_err(not_started)?;
        let writer = named("write").spawn(move || writer.run());
        let writer = match writer {
            Ok(writer) => writer,
            Err(source) => {
                self.shared.stop();
                let _ = reader.join();
                return Err(not_started(source));
            }
        };
        self.threads = Some(Threads { reader, writer });
        Ok(())
    }

    fn stop(&mut self) {
        self.shared.stop();
        if let Some(threads) = self.threads.take() {
            let _ = threads.reader.join();
            // A writer that is stuck in the system ends when the port goes away; nobody can wait for that.
            if !self.shared.is_writing() {
                let _ = threads.writer.join();
            }
        }
    }

    fn open_error(&self, error: serialport::Error) -> TransportError {
        let port = self.path.clone();
        let kind = error.kind();
        let source = io::Error::from(error);
        match kind {
            // Only a lock that somebody else holds has this kind.
            ErrorKind::NoDevice => TransportError::Busy { port, source },
            ErrorKind::Io(io::ErrorKind::NotFound) => TransportError::NotFound { port, source },
            _ => TransportError::Open { port, source },
        }
    }
}

impl Drop for UartPort {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for UartPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UartPort")
            .field("path", &self.path)
            .field("options", &self.options)
            .field("gone", &self.shared.gone())
            .finish_non_exhaustive()
    }
}

/// The SMP half of a [`UartPort`]. It works as long as the port is open; it does not keep it open.
#[derive(Debug)]
pub struct UartTransport {
    path: String,
    options: UartOptions,
    clock: SharedClock,
    shared: Arc<Shared>,
}

impl Transport for UartTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            link: format!("serial port `{}`", self.path),
            overhead: frame::OVERHEAD,
            default_buf_size: self.options.default_buf_size,
        }
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        let wire = frame::encode(packet).map_err(|too_long| TransportError::TooLong {
            link: self.capabilities().link,
            len: too_long.found,
        })?;
        self.shared
            .write(&self.path, &self.clock, self.options.write_timeout, wire)
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        self.shared.packet(&self.path, &self.clock, deadline)
    }
}

impl WireTransport for UartTransport {
    fn wire(&self) -> Result<Box<dyn Wire>, TransportError> {
        Ok(Box::new(ConsoleWire::default()))
    }

    fn send_pieces(&mut self, _packet: &[u8], pieces: Vec<Vec<u8>>) -> Result<(), TransportError> {
        let timeout = self.options.write_timeout;
        self.shared
            .write(&self.path, &self.clock, timeout, pieces.concat())
    }
}

/// The system's handle, for both threads.
pub(super) type Handle = Box<dyn SerialPort>;
