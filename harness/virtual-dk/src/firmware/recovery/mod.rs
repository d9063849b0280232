//! MCUboot's recovery server, without I/O: packets in, packets out, flash below.
//!
//! It is not the application's server: one request at a time, errors always as `rc`, no hash, no resume and no check of
//! what is uploaded. Image numbers mean primary slots, or slots in builds with direct upload. Behaviour is that of
//! sdk-mcuboot `boot/boot_serial/src/boot_serial.c` and `boot_serial_encryption.c`, where not said otherwise.

mod images;
#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;
mod upload;

use hil_bootloader::pcd::{self, PcdBoard};
use hil_bootloader::{Config, Encryption, Flash, FlashError, Keys, LogLine, Mode, SerialRecovery};
use hil_smp::{HEADER_LEN, Lengths, Map, RawHeader};

use super::smp::Arguments;
use upload::Upload;

/// `MGMT_ERR_*` that it uses.
mod rc {
    pub(super) const INVALID: u32 = 3;
    pub(super) const NO_ENTRY: u32 = 5;
    pub(super) const NOT_SUPPORTED: u32 = 8;
    pub(super) const BUSY: u32 = 10;
}

const READ: u8 = 0;
const WRITE: u8 = 2;

/// What is to be done when the answer is on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// Nothing.
    Wait,
    /// The primary slot has just got its last byte: [`Recovery::decrypt`]. Nobody is told how that ends.
    Decrypt,
    /// Reset, after 250 ms.
    Reset,
}

/// What came of a packet.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Answer {
    /// The answering packet.
    pub(super) packet: Vec<u8>,
    pub(super) after: After,
}

/// What the server reaches of the board.
pub(super) struct RecoveryBoard<'a> {
    pub(super) flash: &'a mut dyn Flash,
    /// The way to b0n, where there is a network core.
    pub(super) network: Option<&'a mut dyn PcdBoard>,
    /// The console.
    pub(super) log: &'a mut dyn FnMut(LogLine),
}

/// The server. Its state is gone with a reset.
pub(super) struct Recovery<'a> {
    config: &'a Config,
    build: &'a SerialRecovery,
    keys: &'a Keys,
    /// What the slot information tells, when a boot was tried before.
    max_image_size: Option<u32>,
    upload: Upload,
}

/// A refusal, or the end of everything.
enum Failure {
    Rc(u32),
    /// An error of Zephyr that is passed on as it is: a negative `rc`.
    Errno(i32),
    Flash(FlashError),
}

impl From<FlashError> for Failure {
    fn from(error: FlashError) -> Self {
        Self::Flash(error)
    }
}

impl<'a> Recovery<'a> {
    pub(super) fn new(config: &'a Config, build: &'a SerialRecovery, keys: &'a Keys) -> Self {
        Self {
            config,
            build,
            keys,
            max_image_size: None,
            upload: Upload::default(),
        }
    }

    /// Carries out one request. `None`: it is not one, and gets no answer.
    ///
    /// # Errors
    /// The core is gone.
    pub(super) fn handle(
        &mut self,
        packet: &[u8],
        board: &mut RecoveryBoard<'_>,
    ) -> Result<Option<Answer>, FlashError> {
        let Some(header) = RawHeader::read(packet) else {
            return Ok(None);
        };
        let payload = &packet[HEADER_LEN..];
        let is_request = matches!(header.op, READ | WRITE);
        if !is_request || usize::from(header.payload_len) < payload.len() {
            return Ok(None);
        }
        let mut after = After::Wait;
        let body = match self.dispatch(&header, payload, board, &mut after) {
            Ok(body) => body,
            Err(Failure::Rc(code)) => Map::new().with("rc", code),
            Err(Failure::Errno(error)) => Map::new().with("rc", -error),
            Err(Failure::Flash(FlashError::PowerLost)) => return Err(FlashError::PowerLost),
            Err(Failure::Flash(_)) => Map::new().with("rc", rc::INVALID),
        };
        let body = body.encode(Lengths::Indefinite);
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        let packet = header
            .response(length)
            .packet(&body)
            .expect("the header was made for this body");
        Ok(Some(Answer { packet, after }))
    }

    fn dispatch(
        &mut self,
        header: &RawHeader,
        payload: &[u8],
        board: &mut RecoveryBoard<'_>,
        after: &mut After,
    ) -> Result<Map, Failure> {
        match (header.group, header.command) {
            (1, 0) if header.op == READ => self.list(board.flash),
            (1, 0) if self.build.image_state => self.mark(payload, board.flash),
            (1, 1) => {
                let body = self.take_chunk(payload, board)?;
                if self.upload.is_complete()
                    && self.config.encryption != Encryption::None
                    && self.takes_primary()
                {
                    *after = After::Decrypt;
                }
                Ok(body)
            }
            (1, 6) if header.op == READ && self.build.slot_info => Ok(self.slot_info()),
            (0, 0) if self.build.echo => {
                let arguments = Arguments::parse(payload).map_err(|_| Failure::Rc(rc::INVALID))?;
                match arguments.text("d") {
                    Ok(Some(text)) => Ok(Map::new().with("r", text)),
                    _ => Err(Failure::Rc(rc::INVALID)),
                }
            }
            // Console echo control: nothing to control.
            (0, 1) => Ok(Map::new().with("rc", 0)),
            (0, 5) => {
                // `boot_reset_request_hook`: b0n still copies.
                if self.build.reaches_network_core(self.config)
                    && let Some(network) = &mut board.network
                    && pcd::is_copying(*network)?
                {
                    return Err(Failure::Rc(rc::BUSY));
                }
                *after = After::Reset;
                Ok(Map::new().with("rc", 0))
            }
            (0, 6) if self.build.params => Ok(Map::new()
                .with("buf_size", self.build.buf_size)
                .with("buf_count", 1)),
            _ => Err(Failure::Rc(rc::NOT_SUPPORTED)),
        }
    }

    /// Whether the upload goes to the primary slot of the first image.
    fn takes_primary(&self) -> bool {
        let first = self.config.images.first();
        let target = self.build.target(self.config, self.upload.image());
        first.map(|slots| slots.primary) == target.map(|(area, _)| area)
    }

    /// Where an image begins in a secondary slot: one sector up with swap-offset, but for one that was swapped out.
    fn first_sector(&self) -> u32 {
        match self.config.mode {
            Mode::SwapOffset => self.config.sector_size,
            Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => 0,
        }
    }
}
