//! A virtual DK as the host's USB sees it: the functions put together, and the threads behind them.
//!
//! The device itself works on one thread, which is the only one that writes to the kernel; one reads what the kernel asks, one each
//! reads what a UART has to say. All end when the kernel closes the connection or the cable is pulled.

use crate::acm::{Open, SerialPort};
use crate::dap::{self, CmsisDap};
use crate::descriptor::Identity;
use crate::device::Device;
use crate::jlink::{self, JLink};
use crate::pipe::{Framing, Pipe};
use crate::socket::Socket;
use crate::usbip::{self, Command, Data, Reply};
use serialport::{SerialPort as _, TTYPort};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use virtual_dk::{DebugHeader, Sampling, VirtualDk};

/// Bytes that a serial port keeps for a host that is slow.
const SERIAL_ROOM: usize = 64 << 10;
/// Bytes of answers that a probe keeps; a host fetches each before it asks again.
const PROBE_ROOM: usize = 64 << 10;
/// How soon a thread that reads a UART notices that it is to end.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Which probe the board has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProbeKind {
    /// A J-Link, as on every DK.
    JLink,
    /// CMSIS-DAP, version 2.
    CmsisDap,
}

impl ProbeKind {
    /// What the device says that it is.
    #[must_use]
    pub fn identity(self, serial: &str) -> Identity {
        let (vendor, product, manufacturer, name) = match self {
            Self::JLink => (0x1366, 0x1051, "SEGGER", "J-Link"),
            // pid.codes keeps this one for devices that are not sold.
            Self::CmsisDap => (0x1209, 0x0001, "dfu-hil", "Virtual nRF5340 DK CMSIS-DAP"),
        };
        Identity {
            vendor,
            product,
            version: 0x0100,
            manufacturer: manufacturer.to_owned(),
            name: name.to_owned(),
            serial: serial.to_owned(),
        }
    }
}

/// What is needed of a board to plug it in, any number of times.
#[derive(Clone, Debug)]
pub struct UsbDk {
    kind: ProbeKind,
    serial: String,
    header: DebugHeader,
    /// Of the network core and of the application core: the order of a DK's ports.
    uarts: [PathBuf; 2],
}

/// Why a board is not on the bus.
#[derive(Debug, thiserror::Error)]
pub enum PlugError {
    /// One of its serial ports.
    #[error("the UART at {} cannot be opened", path.display())]
    Uart {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: serialport::Error,
    },
    /// A thread or a socket.
    #[error("the USB device has no thread or socket")]
    System(#[from] io::Error),
}

enum Event {
    Host(Command),
    Uart(usize, Vec<u8>),
    Gone,
}

impl UsbDk {
    /// The USB side of `board`, under this serial number.
    #[must_use]
    pub fn of(board: &VirtualDk, kind: ProbeKind, serial: &str) -> Self {
        let uart = &board.endpoints().uart;
        Self {
            kind,
            serial: serial.to_owned(),
            header: board.debug_header(),
            uarts: [uart.net.clone(), uart.app.clone()],
        }
    }

    /// Connects the device to whoever speaks USB/IP at the other end of `host`.
    ///
    /// # Errors
    ///
    /// The board's UARTs cannot be opened, or there are no threads.
    pub fn plug_in(&self, host: impl Into<Socket>) -> Result<Cable, PlugError> {
        let host = host.into();
        let (events, received) = mpsc::channel();
        let mut threads = Vec::new();
        let mut ports = Vec::new();
        for (number, path) in self.uarts.iter().enumerate() {
            let open = Open::default();
            let uart = open_uart(path)?;
            let reader = uart.try_clone_native().map_err(|source| PlugError::Uart {
                path: path.clone(),
                source,
            })?;
            ports.push((uart, open.clone()));
            let events = events.clone();
            threads.push(spawn(
                format!("{}-usb-uart-{number}", self.serial),
                move || {
                    read_uart(reader, &open, number, &events);
                },
            )?);
        }
        let mut asking = host.try_clone()?;
        let answering = host.try_clone()?;
        let received_bytes = Arc::new(Received::default());
        threads.push(spawn(format!("{}-usb-host", self.serial), {
            let events = events.clone();
            let received = received_bytes.clone();
            move || read_host(&mut asking, &received, &events)
        })?);
        let dk = self.clone();
        threads.push(spawn(format!("{}-usb", self.serial), move || {
            serve(dk.device(ports), &received, answering);
        })?);
        Ok(Cable {
            host,
            received: received_bytes,
            events,
            threads,
        })
    }

    /// On the thread it works on: what runs flash algorithms stays where it was made.
    fn device(&self, ports: Vec<(TTYPort, Open)>) -> Device {
        let mut device = Device::builder(&self.kind.identity(&self.serial));
        for (number, (uart, open)) in ports.into_iter().enumerate() {
            device = device.serial_port(
                &format!("VCOM{number}"),
                Pipe::new(Framing::Stream, SERIAL_ROOM),
                Box::new(SerialPort::new(uart, open)),
            );
        }
        let pipe = Pipe::new(Framing::Messages, PROBE_ROOM);
        match self.kind {
            ProbeKind::JLink => {
                let pins = self.header.plug_in(Sampling::AfterEdge);
                let probe = Box::new(JLink::new(pins));
                device.probe("BULK interface", jlink::CLASS, false, pipe, probe)
            }
            ProbeKind::CmsisDap => {
                let pins = self.header.plug_in(Sampling::AtEdge);
                let probe = CmsisDap::new(pins, &self.serial);
                device.probe("CMSIS-DAP v2", dap::CLASS, true, pipe, Box::new(probe))
            }
        }
        .build()
    }
}

/// What of a board has an endpoint of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The debug probe.
    Probe,
    /// The application core's UART.
    AppUart,
}

impl Part {
    /// Of its data: they are numbered in the order in which the device is built, with one for the notifications of each port.
    const fn endpoint(self) -> u8 {
        match self {
            Self::AppUart => 4,
            Self::Probe => 5,
        }
    }
}

/// Bytes from the host, for each endpoint.
type Received = [AtomicU64; 16];

/// A device that is plugged in. Dropping it pulls the cable.
#[derive(Debug)]
pub struct Cable {
    host: Socket,
    received: Arc<Received>,
    events: Sender<Event>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host(_) => "Host",
            Self::Uart(..) => "Uart",
            Self::Gone => "Gone",
        })
    }
}

impl Cable {
    /// Bytes that this part has got from the host through this cable.
    #[must_use]
    pub fn received(&self, part: Part) -> u64 {
        self.received[usize::from(part.endpoint())].load(Ordering::Relaxed)
    }

    /// Whether the host has let go of the device.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Gone);
        let _ = self.host.shutdown();
        for thread in self.threads.drain(..) {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(work)
}

fn open_uart(path: &Path) -> Result<TTYPort, PlugError> {
    let builder = serialport::new(path.to_string_lossy(), 115_200).timeout(LOOK_UP);
    TTYPort::open(&builder).map_err(|source| PlugError::Uart {
        path: path.to_owned(),
        source,
    })
}

/// Passes on what the kernel asks for, until it does not any more.
fn read_host(host: &mut Socket, received: &Received, events: &Sender<Event>) {
    loop {
        let event = match usbip::read(host) {
            Ok(Some(command)) => {
                if let Command::Submit(urb) = &command
                    && let Data::Out(data) = &urb.data
                {
                    // A transfer of an endpoint that USB cannot have is refused by the parser.
                    received[usize::from(urb.endpoint % 16)]
                        .fetch_add(data.len() as u64, Ordering::Relaxed);
                }
                Event::Host(command)
            }
            Ok(None) => Event::Gone,
            Err(error) => {
                tracing::warn!(%error, "USB/IP");
                Event::Gone
            }
        };
        let is_end = matches!(event, Event::Gone);
        if events.send(event).is_err() || is_end {
            break;
        }
    }
}

/// Passes on what the board sends while somebody listens, until nobody takes it any more.
fn read_uart(mut uart: TTYPort, open: &Open, number: usize, events: &Sender<Event>) {
    let mut bytes = [0; 4096];
    loop {
        let data = match uart.read(&mut bytes) {
            Ok(0) => break,
            Ok(length) if open.get() => bytes[..length].to_vec(),
            Ok(_) => continue,
            // Looks whether there is still a device.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                Vec::new()
            }
            Err(error) => {
                tracing::debug!(uart = ?uart.name(), %error, "the UART is gone");
                break;
            }
        };
        if events.send(Event::Uart(number, data)).is_err() {
            break;
        }
    }
}

fn serve(mut device: Device, events: &Receiver<Event>, mut host: Socket) {
    while let Ok(event) = events.recv() {
        let replies = match event {
            Event::Host(command) => device.handle(command),
            Event::Uart(number, data) => device.push(number, data),
            Event::Gone => break,
        };
        let bytes: Vec<u8> = replies.iter().flat_map(Reply::to_bytes).collect();
        if let Err(error) = host.write_all(&bytes) {
            tracing::debug!(%error, "the host is gone");
            break;
        }
    }
    let _ = host.shutdown();
}

#[cfg(test)]
#[path = "dk_tests.rs"]
mod tests;
