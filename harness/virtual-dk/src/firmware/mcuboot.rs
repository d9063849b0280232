//! MCUboot on the application core.

use std::cell::RefCell;

use hil_bootloader::{
    Area, BootResult, BootedImage, Flash as _, FlashError, Keys, LogLine, boot_with_network,
};
use hil_image::{DecryptionKey, KeyError, PublicKey};

use super::flash::{BusFlash, SharedBus, run_address};
use super::{Run, console, start};
use crate::bus::{BusError, CoreBus, Stopped};
use crate::model::{ApplicationModel, ConsoleOutput, McubootModel, Model};

/// Runs MCUboot, and then what it starts.
pub(super) fn run(bus: &mut dyn CoreBus, model: &McubootModel) -> Run {
    if model.console == ConsoleOutput::Log {
        console::line(
            bus,
            format_args!("*** Booting MCUboot {} ***", model.version),
        )?;
        console::line(bus, "*** Using nRF Connect SDK v2.9.0 ***")?;
        console::line(bus, "*** Using Zephyr OS v3.7.99 ***")?;
    }
    let keys = match keys(model) {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!("MCUboot model has a key that cannot be used: {error}");
            return Err(bus.hang().into());
        }
    };
    let result = boot(bus, model, &keys)?;
    match result {
        BootResult::Boot(image) => jump(bus, model, image),
        BootResult::NoBoot { reason } => {
            tracing::info!("MCUboot does not boot: {reason}");
            Err(bus.hang().into())
        }
        BootResult::Hang { what } => {
            tracing::info!("MCUboot hangs: {what}");
            Err(bus.hang().into())
        }
        BootResult::Assert { what } => {
            tracing::info!("MCUboot stops on an assertion: {what}");
            Err(bus.hang().into())
        }
    }
}

fn keys(model: &McubootModel) -> Result<Keys, KeyError> {
    let signing = model
        .signing_keys
        .iter()
        .map(|pem| PublicKey::from_pem(pem))
        .collect::<Result<_, _>>()?;
    let encryption = model
        .encryption_key
        .as_ref()
        .map(|key| {
            let text = key.reveal();
            if text.contains("-----BEGIN") {
                DecryptionKey::from_pem(text)
            } else {
                DecryptionKey::from_base64(text)
            }
        })
        .transpose()?;
    Ok(Keys {
        signing,
        encryption,
    })
}

fn boot(bus: &mut dyn CoreBus, model: &McubootModel, keys: &Keys) -> Result<BootResult, BusError> {
    let shared: SharedBus<'_> = RefCell::new(bus);
    let mut stopped = None;
    let mut log = |line: LogLine| {
        if model.console == ConsoleOutput::Log && stopped.is_none() {
            stopped = console::line(*shared.borrow_mut(), line).err();
        }
    };
    let mut flash = BusFlash::new(&shared);
    let mut network = BusFlash::new(&shared);
    if let Some(Area {
        device,
        offset,
        size,
    }) = model.config.virtual_primary()
    {
        // The flash simulator erases its RAM when it starts.
        match flash.erase(device, offset, size) {
            Ok(()) => {}
            Err(FlashError::PowerLost) => return Err(Stopped.into()),
            Err(error) => tracing::warn!("MCUboot cannot simulate a slot in RAM: {error}"),
        }
    }
    let outcome = boot_with_network(
        &model.config,
        keys,
        &mut flash,
        Some(&mut network),
        &mut log,
    );
    if let Some(stopped) = stopped {
        return Err(stopped.into());
    }
    match outcome {
        Ok(outcome) => {
            for decision in &outcome.decisions {
                tracing::debug!("MCUboot: {decision}");
            }
            Ok(outcome.result)
        }
        Err(FlashError::PowerLost) => Err(Stopped.into()),
        Err(error) => {
            tracing::warn!("MCUboot cannot use its flash: {error}");
            Err(shared.borrow_mut().hang().into())
        }
    }
}

/// Starts the image; the lines that MCUboot prints about it are the boot's own.
fn jump(bus: &mut dyn CoreBus, model: &McubootModel, image: BootedImage) -> Run {
    match run_address(image.device, image.offset + image.header_size) {
        Ok(address) => {
            let ordinary = ApplicationModel::ordinary(image.version, model.config.clone());
            start(bus, address, Some(Model::Application(ordinary)))
        }
        Err(error) => {
            tracing::warn!("MCUboot starts what is not in the core's map: {error}");
            Err(bus.lock_up().into())
        }
    }
}
