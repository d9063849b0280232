//! b0n on the network core: copies an update when the application core asks for it, else starts the firmware.

use std::cell::RefCell;

use hil_bootloader::b0n::{self, B0nConfig, B0nOutcome, VersionCommand};
use hil_bootloader::{FlashError, NetworkSlot};
use hil_image::network::{NetworkImage, NetworkRefusal, NetworkRules};

use super::flash::{BusFlash, SharedBus};
use super::{Run, console, start};
use crate::bus::{BusError, CoreBus, Stopped};
use crate::model::{B0nModel, ConsoleOutput, Feature, Model, NetworkModel};

/// Runs b0n, and then the firmware unless there was a command.
pub(super) fn run(bus: &mut dyn CoreBus, model: &B0nModel) -> Run {
    match boot(bus, model)? {
        B0nOutcome::Boot { vector_table } => {
            if let Err(refusal) = whole(bus, model)? {
                tracing::info!("b0n starts firmware that is not whole: {refusal}");
                return Err(bus.lock_up().into());
            }
            start(
                bus,
                vector_table,
                Some(Model::Network(NetworkModel::ordinary())),
            )
        }
        // The answer is in the command block; the application core holds this core off when it has seen it.
        B0nOutcome::Done(_) => Err(bus.hang().into()),
        B0nOutcome::Failed { reason } => {
            tracing::info!("b0n did not carry out its command: {reason}");
            Err(bus.hang().into())
        }
        B0nOutcome::Fault => Err(bus.lock_up().into()),
    }
}

/// Whether all of the firmware is there that was built. b0n does not look when it starts it (sdk-nrf
/// `samples/nrf5340/netboot/src/main.c`), and code of which a part is missing faults sooner or later: here at once.
fn whole(bus: &mut dyn CoreBus, model: &B0nModel) -> Result<Result<(), NetworkRefusal>, BusError> {
    let mut bytes = vec![0; model.application_size as usize];
    bus.read(model.application, &mut bytes)?;
    let rules = NetworkRules {
        address: model.application,
        least_version: None,
    };
    Ok(NetworkImage::check(&bytes, &rules).map(drop))
}

fn boot(bus: &mut dyn CoreBus, model: &B0nModel) -> Result<B0nOutcome, BusError> {
    let config = B0nConfig {
        slot: NetworkSlot {
            address: model.application,
            size: model.application_size,
        },
        least_version: model.least_version,
        version_command: match model.version_command {
            Feature::On => VersionCommand::Answered,
            Feature::Off => VersionCommand::Ignored,
        },
    };
    let shared: SharedBus<'_> = RefCell::new(bus);
    let mut stopped = None;
    let mut log = |line: &str| {
        if model.console == ConsoleOutput::Log && stopped.is_none() {
            stopped = console::line(*shared.borrow_mut(), line).err();
        }
    };
    let mut flash = BusFlash::new(&shared);
    let mut memory = BusFlash::new(&shared);
    let outcome = b0n::run(&config, &mut flash, &mut memory, &mut log);
    if let Some(stopped) = stopped {
        return Err(stopped.into());
    }
    match outcome {
        Ok(outcome) => Ok(outcome),
        Err(FlashError::PowerLost) => Err(Stopped.into()),
        Err(error) => {
            tracing::warn!("b0n cannot reach what it needs: {error}");
            Err(shared.borrow_mut().lock_up().into())
        }
    }
}
