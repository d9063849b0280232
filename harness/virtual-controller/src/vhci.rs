//! The controller behind `/dev/vhci` of Linux (module `hci_vhci`): each read gives a packet of the host, each write
//! is one of the controller. The controller may also be in another process than the one that has the device open, with
//! a stream between the two: that is how one is given to the kernel of a VM.

use crate::Controller;
use hil_clock::{SharedClock, SystemClock};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use virtual_radio::{Address, AirCommand, AirHandle};

/// Makes a primary controller (`linux drivers/bluetooth/hci_vhci.c`).
const MAKE: [u8; 2] = [0xff, 0x00];
/// No packet of the kernel is longer: `HCI_MAX_FRAME_SIZE` (1028), rounded up.
const LONGEST: usize = 2048;

/// Why there is no controller.
#[derive(Debug, thiserror::Error)]
pub enum VhciError {
    /// The device could not be opened or does not make a controller.
    #[error("cannot make a controller with `{device}`")]
    Device {
        /// Its path.
        device: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The stream between the kernel and its controller.
    #[error("the link between /dev/vhci and its controller broke")]
    Link(#[source] io::Error),
    /// A thread could not be started.
    #[error("cannot start a thread for the controller")]
    Thread(#[source] io::Error),
}

enum Input {
    Host(Vec<u8>),
    Board(AirCommand),
}

/// Makes a controller with this public address for this kernel, which lasts until the process ends; boards are attached to the
/// air that is returned.
///
/// # Errors
///
/// When `device` cannot be used (root may, and the module has to be there), or without threads.
pub fn start(device: &Path, address: Address) -> Result<AirHandle, VhciError> {
    let (from_host, to_host) = open(device)?;
    run(from_host, to_host, address, Arc::new(SystemClock::new()))
}

/// The same for a kernel that is elsewhere, with [`relay`] at the other end of `link`, and with its time on `clock`.
///
/// # Errors
///
/// Without threads.
pub fn start_at(
    link: TcpStream,
    address: Address,
    clock: SharedClock,
) -> Result<AirHandle, VhciError> {
    link.set_nodelay(true).map_err(VhciError::Link)?;
    let from_host = link.try_clone().map_err(VhciError::Link)?;
    run(Framed(from_host), Framed(link), address, clock)
}

/// Passes on what this kernel and a controller that is [elsewhere](start_at) say to each other, until one of the two ends.
///
/// # Errors
///
/// When `device` cannot be used, or the link breaks.
pub fn relay(device: &Path, link: TcpStream) -> Result<(), VhciError> {
    link.set_nodelay(true).map_err(VhciError::Link)?;
    let (mut from_host, mut to_host) = open(device)?;
    let mut to_controller = Framed(link.try_clone().map_err(VhciError::Link)?);
    let mut from_controller = Framed(link);
    thread::Builder::new()
        .name("vhci-read".to_owned())
        .spawn(move || {
            // The thread below tells how it ends.
            let _ = pass_on(&mut from_host, &mut to_controller);
            let _ = to_controller.0.shutdown(Shutdown::Both);
        })
        .map_err(VhciError::Thread)?;
    pass_on(&mut from_controller, &mut to_host).map_err(VhciError::Link)
}

fn open(device: &Path) -> Result<(File, File), VhciError> {
    let unusable = |source| VhciError::Device {
        device: device.display().to_string(),
        source,
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(device)
        .map_err(unusable)?;
    file.write_all(&MAKE).map_err(unusable)?;
    Ok((file.try_clone().map_err(unusable)?, file))
}

/// What HCI packets come from and go to, one by one.
trait Packets: Send + 'static {
    /// The next packet, which is in the front of `buffer` then; of length 0 at the end.
    fn receive(&mut self, buffer: &mut [u8; LONGEST]) -> io::Result<usize>;
    /// One of at most [`LONGEST`] bytes.
    fn send(&mut self, packet: &[u8]) -> io::Result<()>;
}

/// `/dev/vhci`: each read gives a packet, each write takes one.
impl Packets for File {
    fn receive(&mut self, buffer: &mut [u8; LONGEST]) -> io::Result<usize> {
        self.read(buffer)
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.write_all(packet)
    }
}

/// Packets on a stream: before each its length, in two bytes, the low one first.
#[derive(Debug)]
struct Framed<S>(S);

impl<S: Read + Write + Send + 'static> Packets for Framed<S> {
    fn receive(&mut self, buffer: &mut [u8; LONGEST]) -> io::Result<usize> {
        let mut length = [0; 2];
        match self.0.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
        let length = usize::from(u16::from_le_bytes(length));
        let packet = buffer
            .get_mut(..length)
            .ok_or_else(|| io::Error::other(format!("an HCI packet of {length} bytes")))?;
        self.0.read_exact(packet)?;
        Ok(length)
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let length = u16::try_from(packet.len())
            .map_err(|_| io::Error::other(format!("an HCI packet of {} bytes", packet.len())))?;
        // In one go: a packet is small, and each write wakes the other end.
        self.0.write_all(&[&length.to_le_bytes(), packet].concat())
    }
}

/// Until there is nothing more to pass on.
fn pass_on(from: &mut impl Packets, to: &mut impl Packets) -> io::Result<()> {
    let mut buffer = [0; LONGEST];
    loop {
        match from.receive(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.send(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A controller between these two.
fn run(
    mut from_host: impl Packets,
    to_host: impl Packets,
    address: Address,
    clock: SharedClock,
) -> Result<AirHandle, VhciError> {
    let (inputs, inbox) = mpsc::channel();
    let boards = inputs.clone();
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(run).map(drop).map_err(VhciError::Thread)
    };
    spawn("vhci-read", Box::new(move || read(&mut from_host, &inputs)))?;
    spawn(
        "virtual-controller",
        Box::new(move || {
            if let Err(error) = serve(to_host, Controller::new(address), &inbox, &clock) {
                tracing::error!(%error, "the controller is gone");
            }
        }),
    )?;
    Ok(AirHandle::driven_by(move |command| {
        // It fails when the controller is gone: then there is nobody to hear it.
        let _ = boards.send(Input::Board(command));
    }))
}

fn read(from_host: &mut impl Packets, inputs: &Sender<Input>) {
    let mut buffer = [0; LONGEST];
    loop {
        match from_host.receive(&mut buffer) {
            Ok(length) if length > 0 => {
                let packet = buffer[..length].to_vec();
                if inputs.send(Input::Host(packet)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "nothing comes from the host any more");
                return;
            }
        }
    }
}

fn serve(
    mut to_host: impl Packets,
    mut controller: Controller,
    inbox: &Receiver<Input>,
    clock: &SharedClock,
) -> io::Result<()> {
    loop {
        let input = match controller.poll_timeout() {
            Some(due) => match inbox.recv_timeout(clock.block_for(due)) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            },
            None => match inbox.recv() {
                Ok(input) => Some(input),
                Err(mpsc::RecvError) => return Ok(()),
            },
        };
        let now = clock.now();
        match input {
            Some(Input::Host(packet)) => controller.handle_packet(&packet, now),
            Some(Input::Board(command)) => controller.handle_board(command),
            None => {}
        }
        controller.handle_timeout(now);
        for packet in controller.take_packets() {
            to_host.send(&packet)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Two ends of a stream.
    fn link() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn packets_keep_their_ends_on_a_stream() {
        let (near, far) = link();
        let (mut near, mut far) = (Framed(near), Framed(far));
        let longest = vec![7; LONGEST];
        for packet in [&[1, 3, 12, 0][..], &[4], &longest] {
            near.send(packet).unwrap();
        }
        drop(near);
        let mut buffer = [0; LONGEST];
        assert_eq!(far.receive(&mut buffer).unwrap(), 4);
        assert_eq!(buffer[..4], [1, 3, 12, 0]);
        assert_eq!(far.receive(&mut buffer).unwrap(), 1);
        assert_eq!(far.receive(&mut buffer).unwrap(), LONGEST);
        assert_eq!(buffer, longest[..]);
        assert_eq!(far.receive(&mut buffer).unwrap(), 0, "the end");
    }

    #[test]
    fn a_length_that_no_packet_has_breaks_the_link() {
        let (near, far) = link();
        (&near).write_all(&[0xff, 0xff]).unwrap();
        let error = Framed(far).receive(&mut [0; LONGEST]).unwrap_err();
        assert_eq!(error.to_string(), "an HCI packet of 65535 bytes");
    }

    #[test]
    fn a_controller_at_the_other_end_of_a_link_answers_the_host() {
        let (near, far) = link();
        let _air = start_at(
            far,
            Address::new([0, 0, 0x5e, 0, 0x53, 1]),
            Arc::new(SystemClock::new()),
        )
        .unwrap();
        let mut host = Framed(near);
        // HCI_Reset, and its Command Complete without an error.
        host.send(&[1, 0x03, 0x0c, 0]).unwrap();
        let mut buffer = [0; LONGEST];
        let length = host.receive(&mut buffer).unwrap();
        assert_eq!(buffer[..length], [4, 0x0e, 4, 1, 0x03, 0x0c, 0]);
    }
}
