//! b0n on the network core: copies an update when the application core asks for it, else starts the firmware.
//!
//! Source: sdk-nrf `samples/nrf5340/netboot/src/main.c`, `subsys/pcd/src/pcd.c`.

use hil_bootloader::pcd::{COMMAND_LEN, PcdCommand, Status};
use hil_image::network::{FirmwareInfo, NetworkImage, NetworkRules};

use super::flash::NET_START;
use super::{Run, console, start};
use crate::bus::{BusError, CoreBus};
use crate::model::{B0nModel, ConsoleOutput};

/// `CONFIG_PCD_BUF_SIZE`, bytes: what is written at once.
const BUFFER: usize = 512;

/// A page of the network core's flash, bytes.
const PAGE: u32 = 0x800;

/// Smallest write of the flash, bytes.
const WORD: usize = 4;

/// Bytes from a payload's start in which `fw_info` may lie.
const INFO_REACH: usize = 0x1100;

/// Runs b0n, and then the firmware unless there was a command.
pub(super) fn run(bus: &mut dyn CoreBus, model: &B0nModel) -> Run {
    let mut block = [0; COMMAND_LEN];
    bus.read(model.command_address, &mut block)?;
    let command = PcdCommand::decode(&block);
    match command.status {
        Status::Copy => {
            let answer = match copy(bus, model, &command) {
                Ok(()) => Status::Done,
                Err(Refusal::Bus(BusError::Stopped(stopped))) => return Err(stopped.into()),
                Err(refusal) => {
                    say(bus, model, &refusal.to_string())?;
                    Status::Failed
                }
            };
            finish(bus, model, answer)
        }
        Status::ReadVersion => {
            let version = installed(bus, model)?.map_or(0, |info| info.version);
            // Without firmware b0n writes FAIL, and then DONE over it all the same.
            bus.write_ram(command.data, &version.to_le_bytes())?;
            finish(bus, model, Status::Done)
        }
        Status::Done | Status::Failed => match installed(bus, model)? {
            Some(info) => start(bus, info.boot_address),
            None => Err(bus.hang().into()),
        },
    }
}

/// Answers and waits to be held off.
fn finish(bus: &mut dyn CoreBus, model: &B0nModel, answer: Status) -> Run {
    bus.write_ram(model.command_address, &answer.magic().to_le_bytes())?;
    Err(bus.hang().into())
}

/// What the firmware in flash says of itself.
fn installed(bus: &mut dyn CoreBus, model: &B0nModel) -> Result<Option<FirmwareInfo>, BusError> {
    let mut start = vec![0; INFO_REACH.min(model.application_size as usize)];
    bus.read(model.application, &mut start)?;
    let info = FirmwareInfo::find(&start).ok();
    Ok(info.filter(|info| info.address == model.application))
}

/// Why an update was not done.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{length:#x} bytes at {offset:#x} are not within the application")]
    Range { offset: u32, length: u32 },
    #[error("image refused: {0}")]
    Image(#[from] hil_image::network::NetworkRefusal),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Validates the source, copies it page by page, validates the copy.
fn copy(bus: &mut dyn CoreBus, model: &B0nModel, command: &PcdCommand) -> Result<(), Refusal> {
    let &PcdCommand {
        data,
        length,
        offset,
        ..
    } = command;
    let fits = NET_START.checked_add(offset) == Some(model.application)
        && length <= model.application_size;
    if !fits {
        return Err(Refusal::Range { offset, length });
    }
    let rules = NetworkRules {
        address: model.application,
        least_version: None,
    };
    let mut payload = vec![0; length as usize];
    bus.read(data, &mut payload)?;
    NetworkImage::check(&payload, &rules)?;
    for (number, piece) in payload.chunks(BUFFER).enumerate() {
        let address = model.application + (number * BUFFER) as u32;
        if address.is_multiple_of(PAGE) {
            bus.flash_erase(address, PAGE)?;
        }
        let mut words = piece.to_vec();
        words.resize(piece.len().next_multiple_of(WORD), 0xff);
        bus.flash_write(address, &words)?;
    }
    bus.read(model.application, &mut payload)?;
    NetworkImage::check(&payload, &rules)?;
    Ok(())
}

fn say(bus: &mut dyn CoreBus, model: &B0nModel, text: &str) -> Result<(), BusError> {
    tracing::info!("b0n: {text}");
    if model.console == ConsoleOutput::Log {
        console::line(bus, format_args!("E: {text}"))?;
    }
    Ok(())
}
