//! What lies where on the buses of the two cores (nRF5340 product specification, memory maps of both cores).

use super::Silicon;
use crate::bus::Core;
use crate::chip::external::EXTERNAL_FLASH_SIZE;
use crate::chip::info::INFO_SIZE;

/// Where the external flash can be read by the application core (QSPI window).
pub(crate) const XIP_BASE: u32 = 0x1000_0000;

pub(super) const RAM_BASE: [u32; 2] = [0x2000_0000, 0x2100_0000];
pub(super) const RAM_SIZE: [usize; 2] = [512 << 10, 64 << 10];
pub(super) const FLASH_SIZE: [usize; 2] = [1 << 20, 256 << 10];
const FICR_BASE: [u32; 2] = [0x00ff_0000, 0x01ff_0000];
pub(super) const UICR_BASE: [u32; 2] = [0x00ff_8000, 0x01ff_8000];

/// Where `core`'s flash starts on its bus.
pub(crate) const fn flash_base(core: Core) -> u32 {
    match core {
        Core::App => 0,
        Core::Net => 0x0100_0000,
    }
}

/// Bytes of a page of `core`'s flash (`zephyr soc/nordic/nrf53/soc.h`).
pub(crate) const fn page_size(core: Core) -> u32 {
    match core {
        Core::App => 4096,
        Core::Net => 2048,
    }
}

/// The place of `core` in arrays of two.
pub(crate) const fn index(core: Core) -> usize {
    match core {
        Core::App => 0,
        Core::Net => 1,
    }
}

/// What lies at an address, with the offset into it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Flash(Core, usize),
    Ram(Core, usize),
    Ficr(usize),
    Uicr(usize),
    External(u32),
    Nvmc(u32),
    Reset(u32),
    Spu(u32),
    Qspi(u32),
    /// IN of port 0.
    PinLevels,
    /// PIN_CNF of a pin of port 0.
    PinConfig(usize),
    OtherPeripheral,
}

impl Silicon {
    /// Start and size of `core`'s RAM.
    pub(in crate::chip) const fn ram_range(core: Core) -> (u32, u32) {
        (RAM_BASE[index(core)], RAM_SIZE[index(core)] as u32)
    }

    /// Whether the core would fetch instructions from RAM at `address`.
    pub(in crate::chip) fn is_ram(core: Core, address: u32) -> bool {
        matches!(locate(core, address), Some((Place::Ram(..), _)))
    }

    /// Whether a register is at `address`, and no memory.
    pub(in crate::chip) fn is_register(core: Core, address: u32) -> bool {
        !matches!(
            locate(core, address),
            None | Some((
                Place::Flash(..)
                    | Place::Ram(..)
                    | Place::Ficr(_)
                    | Place::Uicr(_)
                    | Place::External(_),
                _
            ))
        )
    }

    /// Where in UICR `address` is.
    pub(in crate::chip) fn uicr_offset(core: Core, address: u32) -> Option<usize> {
        match locate(core, address) {
            Some((Place::Uicr(offset), _)) => Some(offset),
            _ => None,
        }
    }

    /// Whether `address` is in the core's own flash.
    pub(in crate::chip) fn is_own_flash(core: Core, address: u32) -> bool {
        matches!(locate(core, address), Some((Place::Flash(owner, _), _)) if owner == core)
    }
}

/// What `core` finds at `address`, and how many bytes of it follow from there.
///
/// The network core sees the application core's flash and RAM too (b0n reads updates there). The reverse
/// path does not exist on the chip.
pub(super) fn locate(core: Core, address: u32) -> Option<(Place, usize)> {
    let within = |base: u32, size: usize| {
        let offset = address.checked_sub(base)? as usize;
        (offset < size).then(|| (offset, size - offset))
    };
    let own = index(core);
    if let Some((offset, rest)) = within(RAM_BASE[own], RAM_SIZE[own]) {
        return Some((Place::Ram(core, offset), rest));
    }
    if let Some((offset, rest)) = within(flash_base(core), FLASH_SIZE[own]) {
        return Some((Place::Flash(core, offset), rest));
    }
    if let Some((offset, rest)) = within(FICR_BASE[own], INFO_SIZE) {
        return Some((Place::Ficr(offset), rest));
    }
    if let Some((offset, rest)) = within(UICR_BASE[own], INFO_SIZE) {
        return Some((Place::Uicr(offset), rest));
    }
    match core {
        Core::App => {
            if let Some((offset, rest)) = within(XIP_BASE, EXTERNAL_FLASH_SIZE as usize) {
                return Some((Place::External(offset as u32), rest));
            }
        }
        Core::Net => {
            if let Some((offset, rest)) = within(RAM_BASE[0], RAM_SIZE[0]) {
                return Some((Place::Ram(Core::App, offset), rest));
            }
            if let Some((offset, rest)) = within(flash_base(Core::App), FLASH_SIZE[0]) {
                return Some((Place::Flash(Core::App, offset), rest));
            }
        }
    }
    let register = address & 0xfff & !3;
    let place = match (core, address & !0xfff) {
        (Core::App, 0x5003_9000 | 0x4003_9000) | (Core::Net, 0x4108_0000) => Place::Nvmc(register),
        (Core::App, 0x5000_5000 | 0x4000_5000) | (Core::Net, 0x4100_5000) => Place::Reset(register),
        (Core::App, 0x5000_3000) => Place::Spu(register),
        (Core::App, 0x5002_b000 | 0x4002_b000) => Place::Qspi(register),
        (Core::App, 0x5084_2000 | 0x4084_2000) if register == 0x510 => Place::PinLevels,
        (Core::App, 0x5084_2000 | 0x4084_2000) if (0x700..0x780).contains(&register) => {
            Place::PinConfig((register as usize - 0x700) / 4)
        }
        (_, 0x4000_0000..0x6000_0000) => Place::OtherPeripheral,
        _ => return None,
    };
    Some((place, 4))
}
