//! b0n, the immutable bootloader of the network core: answers the command that MCUboot left in shared RAM, or starts
//! the network core's application.
//!
//! Source: sdk-nrf `samples/nrf5340/netboot/src/main.c`, `subsys/pcd/src/pcd.c`,
//! `subsys/bootloader/bl_validation/bl_validation.c`; Zephyr `subsys/storage/stream/stream_flash.c`.

use hil_image::network::{FirmwareInfo, NetworkImage, NetworkRules};

use crate::config::NetworkSlot;
use crate::flash::{DeviceId, Flash, FlashError};
use crate::network::NETWORK_FLASH;
use crate::pages::ERASED;
use crate::pcd::{COMMAND_ADDRESS, COMMAND_LEN, PcdCommand, Status};

/// How a b0n was built, as far as it changes what it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct B0nConfig {
    /// Where the network core's application lies, in that core's addresses.
    pub slot: NetworkSlot,
    /// The least `fw_info` version that is accepted: the monotonic counter, in builds that have one.
    pub least_version: Option<u32>,
    /// Whether the command that reads the version is known (`PCD_READ_NETCORE_APP_VERSION`).
    pub version_command: VersionCommand,
}

impl Default for B0nConfig {
    /// The usual slot, no counter, no version command.
    fn default() -> Self {
        Self {
            slot: NetworkSlot::default(),
            least_version: None,
            version_command: VersionCommand::Ignored,
        }
    }
}

/// What becomes of the command that reads the version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VersionCommand {
    /// It is answered.
    Answered,
    /// It is none: the application is started.
    Ignored,
}

/// Page of the network core's flash, in bytes.
const PAGE: u32 = 2048;
/// Length of the network core's flash, in bytes.
const FLASH_SIZE: u32 = 0x4_0000;
/// b0n's stream buffer (`CONFIG_PCD_BUF_SIZE`), in bytes.
const BUFFER: usize = 512;
/// The flash is written in words.
const WRITE_SIZE: usize = 4;

/// The application core's memory (flash and RAM) as the network core reaches it, by the application core's addresses.
pub trait AppMemory {
    /// Reads `buffer.len()` bytes at `address`.
    ///
    /// # Errors
    /// [`FlashError::PowerLost`] when the network core was held off or lost power; another variant when nothing
    /// answers there.
    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), FlashError>;

    /// Writes RAM.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn write(&mut self, address: u32, data: &[u8]) -> Result<(), FlashError>;
}

/// What b0n came to. Except for [`Boot`](Self::Boot) it then does nothing until it is held off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum B0nOutcome {
    /// The network core's application starts.
    Boot {
        /// Address of its vector table.
        vector_table: u32,
    },
    /// The command was carried out; the answer is in the command block.
    Done(PcdCommand),
    /// The command failed, and the answer says so.
    Failed {
        /// Why, as a lowercase fragment.
        reason: String,
    },
    /// There was no command and there is no application: b0n follows a null pointer.
    Fault,
}

/// Runs b0n once on the network core's flash.
///
/// `log` is given what b0n prints, line by line.
///
/// # Errors
/// [`FlashError::PowerLost`] when the core was stopped on the way; what `memory` reports when the command block cannot
/// be read or answered.
pub fn run(
    config: &B0nConfig,
    flash: &mut dyn Flash,
    memory: &mut dyn AppMemory,
    log: &mut dyn FnMut(&str),
) -> Result<B0nOutcome, FlashError> {
    let mut block = [0; COMMAND_LEN];
    memory.read(COMMAND_ADDRESS, &mut block)?;
    let command = PcdCommand::decode(&block);
    let mut core = NetworkCore {
        config,
        flash,
        memory,
    };
    let done = match command.status {
        Status::Copy => core.copy(&command)?,
        Status::ReadVersion if config.version_command == VersionCommand::Answered => {
            let answer = core.read_version(&command, log)?;
            core.memory.write(COMMAND_ADDRESS, &answer.encode())?;
            return Ok(B0nOutcome::Done(answer));
        }
        Status::ReadVersion | Status::Done | Status::Failed => return core.start_application(),
    };
    match done {
        Ok(answer) => {
            core.memory.write(COMMAND_ADDRESS, &answer.encode())?;
            Ok(B0nOutcome::Done(answer))
        }
        Err(failure) => {
            log(&failure.line);
            core.memory
                .write(COMMAND_ADDRESS, &Status::Failed.magic().to_le_bytes())?;
            Ok(B0nOutcome::Failed {
                reason: failure.reason,
            })
        }
    }
}

/// Why a command was not carried out, and what b0n prints about it.
struct Failure {
    line: String,
    reason: String,
}

struct NetworkCore<'a> {
    config: &'a B0nConfig,
    flash: &'a mut dyn Flash,
    memory: &'a mut dyn AppMemory,
}

impl NetworkCore<'_> {
    fn rules(&self) -> NetworkRules {
        NetworkRules {
            address: self.config.slot.address,
            least_version: self.config.least_version,
        }
    }

    /// Validates what lies where the command says, copies it, and validates the copy.
    fn copy(&mut self, command: &PcdCommand) -> Result<Result<PcdCommand, Failure>, FlashError> {
        let unfit = |address: u32, reason: String| Failure {
            line: format!("Unable to find valid firmware inside {address:#x}"),
            reason,
        };
        let source = self.firmware_at(command.data)?;
        if let Err(refusal) = NetworkImage::check(&source, &self.rules()) {
            return Ok(Err(unfit(
                command.data,
                format!("b0n refuses the image: {refusal}"),
            )));
        }
        if let Err(reason) = self.transfer(command)? {
            let line = format!("Failed to transfer image: {}", reason.code);
            return Ok(Err(Failure {
                line,
                reason: reason.text,
            }));
        }
        let slot = self.config.slot.address;
        let copy = self.slot_bytes()?;
        if let Err(refusal) = NetworkImage::check(&copy, &self.rules()) {
            return Ok(Err(unfit(
                slot,
                format!("the copy is not valid: {refusal}"),
            )));
        }
        Ok(Ok(PcdCommand {
            status: Status::Done,
            ..*command
        }))
    }

    /// Firmware in application memory, as much as the slot takes and as is there: b0n does not look at the length that
    /// the command gives when it validates.
    fn firmware_at(&mut self, address: u32) -> Result<Vec<u8>, FlashError> {
        let mut bytes = vec![0; self.config.slot.size as usize];
        let mut done = 0;
        for chunk in bytes.chunks_mut(BUFFER) {
            let at = address.wrapping_add(u32::try_from(done).unwrap_or(u32::MAX));
            match self.memory.read(at, chunk) {
                Ok(()) => done += chunk.len(),
                Err(FlashError::PowerLost) => return Err(FlashError::PowerLost),
                Err(_) => break,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn slot_bytes(&mut self) -> Result<Vec<u8>, FlashError> {
        let slot = self.config.slot;
        let mut bytes = vec![0; slot.size as usize];
        let read = self.flash.read(
            DeviceId::NetFlash,
            slot.address.wrapping_sub(NETWORK_FLASH),
            &mut bytes,
        );
        match read {
            Err(FlashError::PowerLost) => Err(FlashError::PowerLost),
            Err(_) => Ok(Vec::new()),
            Ok(()) => Ok(bytes),
        }
    }

    /// `stream_flash_buffered_write`: buffer by buffer, each page erased just before its first buffer is written.
    fn transfer(&mut self, command: &PcdCommand) -> Result<Result<(), TransferError>, FlashError> {
        let end = command.offset.checked_add(command.length);
        if end.is_none_or(|end| end > FLASH_SIZE) {
            return Ok(Err(TransferError {
                code: -12,
                text: "the image does not fit the flash".to_owned(),
            }));
        }
        let mut erased_page = None;
        let mut done = 0;
        while done < command.length {
            let length = (command.length - done).min(u32::try_from(BUFFER).unwrap_or(u32::MAX));
            let mut buffer = vec![0; length as usize];
            self.memory
                .read(command.data.wrapping_add(done), &mut buffer)?;
            let offset = command.offset + done;
            let last = offset + length - 1;
            let page = last - last % PAGE;
            if erased_page != Some(page) {
                if let Err(error) = self.flash.erase(DeviceId::NetFlash, page, PAGE) {
                    return TransferError::from_flash(error);
                }
                erased_page = Some(page);
            }
            buffer.resize(buffer.len().next_multiple_of(WRITE_SIZE), ERASED);
            if let Err(error) = self.flash.write(DeviceId::NetFlash, offset, &buffer) {
                return TransferError::from_flash(error);
            }
            done += length;
        }
        Ok(Ok(()))
    }

    /// `pcd_find_fw_version`: puts the version of the application where the command says. Where there is none, the answer
    /// that says so is overwritten at once by the one that all is well, and nothing is put anywhere.
    fn read_version(
        &mut self,
        command: &PcdCommand,
        log: &mut dyn FnMut(&str),
    ) -> Result<PcdCommand, FlashError> {
        let slot = self.slot_bytes()?;
        let length = match FirmwareInfo::find(&slot) {
            Ok(info) => {
                self.memory
                    .write(command.data, &info.version.to_le_bytes())?;
                4
            }
            Err(_) => {
                log("Unable to find valid firmware version -14");
                command.length
            }
        };
        Ok(PcdCommand {
            status: Status::Done,
            length,
            ..*command
        })
    }

    /// Nothing is validated here: what was copied was validated then.
    fn start_application(&mut self) -> Result<B0nOutcome, FlashError> {
        let slot = self.slot_bytes()?;
        Ok(match FirmwareInfo::find(&slot) {
            Ok(info) => B0nOutcome::Boot {
                vector_table: info.boot_address,
            },
            Err(_) => B0nOutcome::Fault,
        })
    }
}

/// Why the copy was given up.
struct TransferError {
    /// The errno that b0n prints.
    code: i32,
    text: String,
}

impl TransferError {
    fn from_flash(error: FlashError) -> Result<Result<(), Self>, FlashError> {
        match error {
            FlashError::PowerLost => Err(FlashError::PowerLost),
            other => Ok(Err(Self {
                code: -5,
                text: other.to_string(),
            })),
        }
    }
}
