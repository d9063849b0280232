//! What runs on the virtual cores: whatever the flash holds.
//!
//! [`StockFirmware`] looks at the flash of its core as the CPU does after reset and becomes what it finds there
//! (see [`model`](crate::model)): MCUboot, an application, b0n, network firmware, or nothing that runs. It keeps
//! no state between two starts of a core.

mod application;
mod b0n;
mod ble;
mod console;
mod flash;
mod images;
mod known;
mod mcuboot;
mod network;
mod recovery;
mod rtt;
mod smp;

#[cfg(test)]
mod client;
#[cfg(test)]
mod corpus_images;
#[cfg(test)]
mod on_air;
#[cfg(test)]
mod on_chip;
#[cfg(test)]
mod recoveries;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod updates;

pub use known::{KnownBinary, KnownFirmware};

use std::convert::Infallible;

use crate::bus::{BusError, CoreBus, Firmware, Stopped};
use crate::model::{Model, ModelError, Symptom};

/// Where the network core tells which interface it speaks, in application RAM: start of the RAM that the two cores
/// share (`zephyr dts/common/nordic/nrf5340_shared_sram_partition.dtsi`).
const IPC_ADDRESS: u32 = 0x2007_0000;

/// Where an application leaves which firmware its reset is to start (ours; the SDK has it in a GPREGRET register, which
/// like RAM survives a reset and no loss of power).
const BOOT_MODE_ADDRESS: u32 = 0x2006_FFFC;

/// Begins what the network core leaves at [`IPC_ADDRESS`] (ours); a version of 4 bytes follows.
const IPC_MAGIC: [u8; 4] = *b"HIPC";

/// Firmware that behaves as the binaries in flash say.
#[derive(Clone, Copy, Debug, Default)]
pub struct StockFirmware;

/// A run of firmware never ends by itself: the core stops, or it faults.
type Run = Result<Infallible, BusError>;

impl Firmware for StockFirmware {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        let base = bus.core().flash_start();
        match start(bus, base, None) {
            Ok(never) => match never {},
            Err(BusError::Stopped(stopped)) => stopped,
            Err(BusError::Fault { .. }) => bus.lock_up(),
        }
    }
}

/// Runs the binary whose vector table lies at `base`.
///
/// `ordinary` is what a binary is taken for that has a vector table but no description: firmware that a bootloader
/// accepted and starts does run on a board, whoever built it. Without it such a binary shows nothing.
fn start(bus: &mut dyn CoreBus, base: u32, ordinary: Option<Model>) -> Run {
    let found = match (read_model(bus, base)?, ordinary) {
        (Err(error @ ModelError::Undescribed { .. }), Some(model)) => {
            tracing::info!("{error}: runs as ordinary firmware");
            Ok(model)
        }
        (found, _) => found,
    };
    match found {
        Ok(Model::Mcuboot(model)) => mcuboot::run(bus, &model),
        Ok(Model::Application(model)) => application::run(bus, &model),
        Ok(Model::B0n(model)) => b0n::run(bus, &model),
        Ok(Model::Network(model)) => network::run(bus, &model),
        Err(error) => {
            tracing::warn!("{error}");
            Err(match error.symptom() {
                Symptom::LockUp => bus.lock_up(),
                Symptom::Hang => bus.hang(),
            }
            .into())
        }
    }
}

fn read_model(bus: &mut dyn CoreBus, base: u32) -> Result<Result<Model, ModelError>, BusError> {
    Model::read_at(bus.core(), base, |address, buffer| {
        bus.read(address, buffer)
    })
}
