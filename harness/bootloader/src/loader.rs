//! The boot itself.

use crate::config::{Config, Keys};
use crate::flash::{Flash, FlashError};
use crate::header::Header;
use crate::io::{Io, Stop};
use crate::log::LogLine;
use crate::outcome::{BootResult, BootedImage, Outcome};
use crate::pcd::PcdBoard;

/// Runs MCUboot once on `flash`, without a network core.
///
/// # Errors
/// [`FlashError::PowerLost`] when the power failed on the way.
pub fn boot(
    config: &Config,
    keys: &Keys,
    flash: &mut dyn Flash,
    log: &mut dyn FnMut(LogLine),
) -> Result<Outcome, FlashError> {
    boot_with_network(config, keys, flash, None, log)
}

/// Runs MCUboot once on `flash`; `network` is what it reaches of the network core.
///
/// # Errors
/// [`FlashError::PowerLost`] when the power failed on the way.
pub fn boot_with_network(
    config: &Config,
    _keys: &Keys,
    flash: &mut dyn Flash,
    _network: Option<&mut dyn PcdBoard>,
    log: &mut dyn FnMut(LogLine),
) -> Result<Outcome, FlashError> {
    let mut io = Io { config, flash, log };
    io.info("Starting bootloader");
    let no_boot = |reason: &str| Outcome {
        result: BootResult::NoBoot {
            reason: reason.to_owned(),
        },
        decisions: Vec::new(),
    };
    let Some(slots) = config.images.first() else {
        return Ok(no_boot("the bootloader has no image"));
    };
    let area = slots.primary_area(0);
    let header = match io.read_bytes(area, 0) {
        Ok(Ok(bytes)) => Header::parse(&bytes),
        Ok(Err(error)) => return Ok(no_boot(&error.to_string())),
        Err(Stop::PowerLost) => return Err(FlashError::PowerLost),
        Err(Stop::Assert(what) | Stop::Hang(what)) => return Ok(no_boot(&what)),
    };
    if !header.is_image() {
        return Ok(no_boot("there is no image in the primary slot"));
    }
    Ok(Outcome {
        result: BootResult::Boot(BootedImage {
            device: area.area.device,
            offset: area.area.offset,
            header_size: u32::from(header.header_size),
            version: header.version(),
        }),
        decisions: Vec::new(),
    })
}
