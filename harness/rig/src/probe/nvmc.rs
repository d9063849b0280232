//! The non-volatile memory controller, driven through the debugger.
//!
//! Erasing pages and programming single words needs no flash algorithm: the debugger writes the same registers
//! and addresses that the algorithm would, as Black Magic Debug `src/target/nrf91.c` does on the nRF91, which has
//! the same controller. Whole pages of data go through the algorithm, which waits for each word without the
//! probe.
//!
//! Registers: nRF5340 product specification, NVMC.

use super::bus::{Bus, SequenceFault};
use crate::core::Core;
use crate::silicon::Silicon;
use probe_rs::architecture::arm::ArmError;
use std::time::Duration;

const READY: u32 = 0x400;
const CONFIG: u32 = 0x504;
const CONFIG_READ: u32 = 0;
const CONFIG_WRITE: u32 = 1;
const CONFIG_ERASE: u32 = 2;
/// The nRF51 is told the page in a register (nRF51 Series Reference Manual 3.0, NVMC, ERASEPAGE).
pub(super) const NRF51_ERASEPAGE: u32 = 0x508;

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
        let silicon = bus.silicon();
        for &page in pages {
            match silicon {
                Silicon::Nrf5340 => bus.write(page, 0xFFFF_FFFF)?,
                Silicon::Nrf51 => bus.write(silicon.nvmc(core) + NRF51_ERASEPAGE, page)?,
            }
            wait_ready(bus, core, ERASE_WITHIN, || {
                format!("erasing the page at {page:#010x}")
            })?;
            progress(silicon.page_size(core));
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

/// Programs a page of the core's flash that is blank, in one go: while a word is written, the next access waits for it
/// (product specification, NVMC). A few pages are written sooner so than a flash algorithm is loaded.
pub(super) fn write_page(
    bus: &mut dyn Bus,
    core: Core,
    address: u32,
    bytes: &[u8],
) -> Result<(), ArmError> {
    configured(bus, core, CONFIG_WRITE, |bus| {
        bus.write_bytes(address, bytes)?;
        wait_ready(bus, core, WRITE_WITHIN, || {
            format!("programming the page at {address:#010x}")
        })
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
    let config = bus.silicon().nvmc(core) + CONFIG;
    bus.write(config, mode)?;
    let done = job(bus);
    let restored = bus.write(config, CONFIG_READ).and_then(|()| bus.flush());
    done.and(restored)
}

/// What the controller is set to.
pub(super) fn mode(bus: &mut dyn Bus, core: Core) -> Result<u32, ArmError> {
    bus.read(bus.silicon().nvmc(core) + CONFIG)
}

/// Sets the controller as firmware had it.
pub(super) fn set_mode(bus: &mut dyn Bus, core: Core, mode: u32) -> Result<(), ArmError> {
    bus.write(bus.silicon().nvmc(core) + CONFIG, mode)?;
    bus.flush()
}

/// Waits until the controller has ended what firmware has begun. The core stands.
pub(super) fn wait_until_ready(bus: &mut dyn Bus, core: Core) -> Result<(), ArmError> {
    wait_ready(bus, core, ERASE_WITHIN, || {
        "the end of what the flash does".to_owned()
    })
}

fn wait_ready(
    bus: &mut dyn Bus,
    core: Core,
    within: Duration,
    what: impl Fn() -> String,
) -> Result<(), ArmError> {
    let deadline = bus.clock().now() + within;
    while bus.read(bus.silicon().nvmc(core) + READY)? & 1 == 0 {
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

#[cfg(test)]
mod tests {
    use super::super::bus::recording::Recording;
    use super::*;
    use rstest::rstest;

    fn fault(error: &ArmError) -> String {
        SequenceFault::below(error)
            .expect("our own fault")
            .to_string()
    }

    const APP: u32 = 0x5003_9000;
    const NET: u32 = 0x4108_0000;

    #[rstest]
    #[case::app(Core::App, APP, &[0x3000, 0x5000])]
    #[case::net(Core::Net, NET, &[0x0100_0800])]
    fn pages_are_erased_in_erase_mode_and_the_mode_is_put_back(
        #[case] core: Core,
        #[case] nvmc: u32,
        #[case] pages: &[u32],
    ) {
        let mut bus = Recording::new().holding(nvmc + READY, 1);
        let mut erased = 0;
        erase_pages(&mut bus, core, pages, &mut |bytes| erased += bytes).unwrap();
        let mut expected = vec![(nvmc + 0x504, 2)];
        expected.extend(pages.iter().map(|&page| (page, 0xFFFF_FFFF)));
        expected.push((nvmc + 0x504, 0));
        assert_eq!(bus.writes(), expected);
        assert_eq!(erased, pages.len() as u32 * core.page_size());
    }

    #[test]
    fn an_nrf51_is_told_the_page_in_a_register() {
        const NRF51: u32 = 0x4001_E000;
        let mut bus = Recording::new()
            .of(Silicon::Nrf51)
            .holding(NRF51 + READY, 1);
        let mut erased = 0;
        erase_pages(&mut bus, Core::App, &[0x8000], &mut |bytes| erased += bytes).unwrap();
        assert_eq!(
            bus.writes(),
            [
                (NRF51 + CONFIG, 2),
                (NRF51 + 0x508, 0x8000),
                (NRF51 + CONFIG, 0)
            ]
        );
        assert_eq!(erased, 0x400);
    }

    #[test]
    fn a_page_that_is_never_ready_is_given_up_and_the_mode_is_put_back() {
        let mut bus = Recording::new().holding(APP + READY, 0);
        let error = erase_pages(&mut bus, Core::App, &[0x7000], &mut |_| {}).unwrap_err();
        assert_eq!(
            fault(&error),
            "erasing the page at 0x00007000 did not happen within 1s"
        );
        assert_eq!(bus.writes().last(), Some(&(APP + CONFIG, CONFIG_READ)));
    }

    #[test]
    fn words_that_keep_debug_access_open_are_written_once() {
        let mut bus = Recording::new()
            .holding(APP + READY, 1)
            .holding(APP_APPROTECT, UNPROTECTED)
            .holding(APP_SECURE_APPROTECT, 0xFFFF_FFFF);
        keep_open(&mut bus, Core::App).unwrap();
        assert_eq!(
            bus.writes(),
            [
                (APP + CONFIG, 1),
                (APP_SECURE_APPROTECT, 0x50FA_50FA),
                (APP + CONFIG, 0)
            ]
        );
    }
}
