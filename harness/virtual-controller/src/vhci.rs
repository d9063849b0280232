//! The controller behind `/dev/vhci` of Linux (module `hci_vhci`): each read gives a packet of the host, each write
//! is one of the controller.

use crate::Controller;
use hil_clock::{Clock as _, SystemClock};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
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
    /// A thread could not be started.
    #[error("cannot start a thread for the controller")]
    Thread(#[source] io::Error),
}

enum Input {
    Host(Vec<u8>),
    Board(AirCommand),
}

/// Makes a controller with this public address, which lasts until the process ends; boards are attached to the air
/// that is returned.
///
/// # Errors
///
/// When `device` cannot be used (root may, and the module has to be there), or without threads.
pub fn start(device: &Path, address: Address) -> Result<AirHandle, VhciError> {
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
    let from_host = file.try_clone().map_err(unusable)?;
    let (inputs, inbox) = mpsc::channel();
    let boards = inputs.clone();
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(run).map(drop).map_err(VhciError::Thread)
    };
    spawn("vhci-read", Box::new(move || read(from_host, &inputs)))?;
    spawn(
        "virtual-controller",
        Box::new(move || {
            if let Err(error) = serve(file, Controller::new(address), &inbox) {
                tracing::error!(%error, "the controller is gone");
            }
        }),
    )?;
    Ok(AirHandle::driven_by(move |command| {
        // It fails when the controller is gone: then there is nobody to hear it.
        let _ = boards.send(Input::Board(command));
    }))
}

fn read(mut file: File, inputs: &Sender<Input>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        match file.read(&mut buffer) {
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

fn serve(mut file: File, mut controller: Controller, inbox: &Receiver<Input>) -> io::Result<()> {
    let clock = SystemClock::new();
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
            file.write_all(&packet)?;
        }
    }
}
