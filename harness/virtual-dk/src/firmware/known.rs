//! Bootloaders that carry no description, known by their bytes.
//!
//! A real MCUboot or b0n in flash is opaque to a virtual core: nothing in its code says how it was built. Whoever starts
//! the board may say it: *a binary with these bytes is this model*. It stays true that only flash decides what runs, for
//! a board without those bytes in its flash does not behave so, and another binary is unknown again.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{StockFirmware, read_model, start};
use crate::bus::{BusError, Core, CoreBus, Firmware, Stopped};
use crate::model::{Model, ModelError};

/// A binary at the start of a core's flash, and what it is.
#[derive(Clone, Debug)]
pub struct KnownBinary {
    core: Core,
    length: u32,
    digest: [u8; 32],
    model: Model,
}

impl KnownBinary {
    /// The binary with these bytes, from the start of its core's flash, is `model`.
    #[must_use]
    pub fn new(bytes: &[u8], model: Model) -> Self {
        Self {
            core: model.core(),
            // No flash is as large as 4 GiB; what is longer is never found.
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            digest: Sha256::digest(bytes).into(),
            model,
        }
    }
}

/// Firmware that behaves as the binaries in flash say, and as was said of those that say nothing.
#[derive(Clone, Debug, Default)]
pub struct KnownFirmware {
    known: Arc<[KnownBinary]>,
}

impl KnownFirmware {
    /// Knows these binaries.
    #[must_use]
    pub fn new(known: Vec<KnownBinary>) -> Self {
        Self {
            known: known.into(),
        }
    }

    /// What the binary at the start of the core's flash is, if it is known.
    fn recognise(&self, bus: &mut dyn CoreBus) -> Result<Option<Model>, BusError> {
        let core = bus.core();
        for known in self.known.iter().filter(|known| known.core == core) {
            let mut bytes = vec![0; known.length as usize];
            bus.read(core.flash_start(), &mut bytes)?;
            if <[u8; 32]>::from(Sha256::digest(&bytes)) == known.digest {
                return Ok(Some(known.model.clone()));
            }
        }
        Ok(None)
    }
}

impl Firmware for KnownFirmware {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        let base = bus.core().flash_start();
        let found = match read_model(bus, base) {
            Ok(Err(ModelError::Undescribed { .. })) => self.recognise(bus),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        let ran = match found {
            Ok(Some(model)) => start(bus, base, Some(model)),
            Ok(None) => return StockFirmware.run(bus),
            Err(error) => Err(error),
        };
        match ran {
            Ok(never) => match never {},
            Err(BusError::Stopped(stopped)) => stopped,
            Err(BusError::Fault { .. }) => bus.lock_up(),
        }
    }
}
