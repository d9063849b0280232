//! The non-volatile memory controller, driven through the debugger.
//!
//! Erasing pages and programming single words needs no flash algorithm: the debugger writes the same registers
//! and addresses that the algorithm would (as OpenOCD `src/flash/nor/nrf5.c` does for this family). Whole pages
//! of data go through the algorithm, which waits for each word without the probe.
//!
//! Registers: nRF5340 product specification, NVMC.

use super::sequence::{Bus, SequenceFault};
use crate::core::Core;
use probe_rs::architecture::arm::ArmError;
use std::time::Duration;

const READY: u32 = 0x400;
const CONFIG: u32 = 0x504;
const CONFIG_READ: u32 = 0;
const CONFIG_WRITE: u32 = 1;
const CONFIG_ERASE: u32 = 2;

/// A page takes at most 89.7 ms (Zephyr `soc/nordic/nrf53/soc.h`); we chose more than ten times that.
const ERASE_WITHIN: Duration = Duration::from_secs(1);
/// A word takes at most 43 us (product specification).
const WRITE_WITHIN: Duration = Duration::from_millis(100);
/// How often READY is looked at; the way to the chip takes longer than a word.
const POLL: Duration = Duration::from_micros(500);

/// UICR words that leave debug access open, and their value (product specification, UICR; nrfx
/// `nrf5340_application_bitfields.h`, `UICR_APPROTECT_PALL_Unprotected`).
const APP_APPROTECT: u32 = 0x00FF_8000;
const APP_SECURE_APPROTECT: u32 = 0x00FF_801C;
const NET_APPROTECT: u32 = 0x01FF_8000;
const UNPROTECTED: u32 = 0x50FA_50FA;

/// Erases pages of the core's flash, reporting each one. The core is halted.
pub(super) fn erase_pages(
    bus: &mut dyn Bus,
    core: Core,
    pages: &[u32],
    progress: &mut dyn FnMut(u32),
) -> Result<(), ArmError> {
    configured(bus, core, CONFIG_ERASE, |bus| {
        for &page in pages {
            bus.write(page, 0xFFFF_FFFF)?;
            wait_ready(bus, core, ERASE_WITHIN, || {
                format!("erasing the page at {page:#010x}")
            })?;
            progress(core.page_size());
        }
        Ok(())
    })
}

/// Programs words of the core's flash or UICR.
pub(super) fn write_words(
    bus: &mut dyn Bus,
    core: Core,
    words: &[(u32, u32)],
) -> Result<(), ArmError> {
    configured(bus, core, CONFIG_WRITE, |bus| {
        for &(address, value) in words {
            bus.write(address, value)?;
            wait_ready(bus, core, WRITE_WITHIN, || {
                format!("programming the word at {address:#010x}")
            })?;
        }
        Ok(())
    })
}

/// Writes the UICR words that keep the core's debug access open beyond the next reset.
pub(super) fn keep_open(bus: &mut dyn Bus, core: Core) -> Result<(), ArmError> {
    let addresses: &[u32] = match core {
        Core::App => &[APP_APPROTECT, APP_SECURE_APPROTECT],
        Core::Net => &[NET_APPROTECT],
    };
    let mut words = Vec::new();
    for &address in addresses {
        if bus.read(address)? != UNPROTECTED {
            words.push((address, UNPROTECTED));
        }
    }
    write_words(bus, core, &words)
}

/// Runs `job` in a mode of the controller and puts it back to reading, also when `job` fails.
fn configured(
    bus: &mut dyn Bus,
    core: Core,
    mode: u32,
    job: impl FnOnce(&mut dyn Bus) -> Result<(), ArmError>,
) -> Result<(), ArmError> {
    let config = core.nvmc() + CONFIG;
    bus.write(config, mode)?;
    let done = job(bus);
    let restored = bus.write(config, CONFIG_READ).and_then(|()| bus.flush());
    done.and(restored)
}

fn wait_ready(
    bus: &mut dyn Bus,
    core: Core,
    within: Duration,
    what: impl Fn() -> String,
) -> Result<(), ArmError> {
    let deadline = bus.clock().now() + within;
    while bus.read(core.nvmc() + READY)? & 1 == 0 {
        if bus.clock().now() >= deadline {
            return Err(SequenceFault::Timeout {
                what: what(),
                within,
            }
            .into());
        }
        bus.clock().sleep(POLL);
    }
    Ok(())
}
