//! Everything that answers on a core's bus below 0xE000_0000: memories, NVMC, RESET, SPU.
//!
//! Debugger, emulated flash algorithms and model firmware all come through here, so they meet the same flash.
//! A register that is not modelled reads zero and swallows writes; an address where nothing is faults.

mod map;
mod pins;
mod registers;
#[cfg(test)]
mod tests;

pub(crate) use map::{XIP_BASE, flash_base, index, page_size};

use self::map::{FLASH_SIZE, Place, RAM_BASE, RAM_SIZE, locate};
use self::pins::Pins;
use super::debug_log::Recorder;
use super::flash::Flash;
use super::info;
use super::mx25r::Mx25r;
use super::qspi::Qspi;
use crate::bus::Core;
use std::time::Duration;

/// Nothing answered, or not to this kind of access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The first address that did not answer.
    pub(crate) address: u32,
}

/// NVMC.CONFIG.WEN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum NvmcMode {
    #[default]
    Read,
    Write,
    Erase,
}

/// One core's memories and the registers of its NVMC.
#[derive(Debug)]
struct Memories {
    flash: Flash,
    ram: Vec<u8>,
    ficr: Vec<u8>,
    uicr: Vec<u8>,
    nvmc: NvmcMode,
    /// Model firmware has started an operation that has not ended: READY reads 0.
    busy: bool,
}

/// The buses of both cores with all that answers on them.
#[derive(Debug)]
pub(super) struct Silicon {
    memories: [Memories; 2],
    qspi: Qspi,
    pins: Pins,
    /// RESET.NETWORK.FORCEOFF: the network core is held off.
    pub(super) force_off: bool,
    /// The register beside FORCEOFF that the sequence for erratum 161 writes.
    force_off_workaround: u32,
    /// RESET.RESETREAS of each core.
    pub(super) reset_reasons: [u32; 2],
    /// UICR.ERASEPROTECT as it was at the last hard reset: ERASEALL does nothing.
    pub(super) erase_protected: [bool; 2],
    /// Changes of FORCEOFF that the chip has not acted on yet, in order.
    pub(super) force_off_writes: Vec<bool>,
    /// What debuggers do, and the programs that they put into RAM.
    pub(super) recorder: Recorder,
}

impl Silicon {
    /// A chip as delivered on a DK: flash blank, access ports open.
    pub(super) fn new(board: &str) -> Self {
        let memories = |core: Core| Memories {
            flash: Flash::new(FLASH_SIZE[index(core)], page_size(core) as usize),
            ram: vec![0; RAM_SIZE[index(core)]],
            ficr: info::ficr(core, board),
            uicr: info::delivered_uicr(core),
            nvmc: NvmcMode::Read,
            busy: false,
        };
        Self::of(
            [memories(Core::App), memories(Core::Net)],
            Qspi::new(Some(Mx25r::new())),
        )
    }

    /// What stands in while the real one is lent to the emulator: nothing answers but registers.
    pub(super) fn absent() -> Self {
        let memories = || Memories {
            flash: Flash::new(0, 1),
            ram: Vec::new(),
            ficr: Vec::new(),
            uicr: Vec::new(),
            nvmc: NvmcMode::Read,
            busy: false,
        };
        Self::of([memories(), memories()], Qspi::new(None))
    }

    /// These memories, and everything else as it is when power comes.
    fn of(memories: [Memories; 2], qspi: Qspi) -> Self {
        Self {
            memories,
            qspi,
            pins: Pins::new(),
            force_off: true,
            force_off_workaround: 0,
            reset_reasons: [0; 2],
            erase_protected: [false; 2],
            force_off_writes: Vec::new(),
            recorder: Recorder::off(),
        }
    }

    pub(super) fn flash(&self, core: Core) -> &Flash {
        &self.memories[index(core)].flash
    }

    pub(super) fn flash_mut(&mut self, core: Core) -> &mut Flash {
        &mut self.memories[index(core)].flash
    }

    pub(super) fn qspi(&self) -> &Qspi {
        &self.qspi
    }

    pub(super) fn qspi_mut(&mut self) -> &mut Qspi {
        &mut self.qspi
    }

    /// The board is one without external flash.
    pub(super) fn take_external(&mut self) {
        self.qspi = Qspi::new(None);
    }

    /// The board's time; what depends on it goes on.
    pub(super) fn set_now(&mut self, now: Duration) {
        self.qspi.advance(now, &mut self.memories[0].ram);
    }

    pub(super) fn uicr(&self, core: Core) -> &[u8] {
        &self.memories[index(core)].uicr
    }

    pub(super) fn load_uicr(&mut self, core: Core, offset: usize, data: &[u8]) {
        let uicr = &mut self.memories[index(core)].uicr;
        for (byte, &new) in uicr.iter_mut().skip(offset).zip(data) {
            *byte = new;
        }
    }

    /// Flash and UICR of `core` become blank and its RAM is cleared, as ERASEALL of its CTRL-AP does.
    pub(super) fn wipe(&mut self, core: Core) {
        let memories = &mut self.memories[index(core)];
        memories.flash.erase_all();
        memories.uicr.fill(0xff);
        memories.ram.fill(0);
    }

    /// RAM does not survive a loss of power.
    pub(super) fn clear_ram(&mut self, core: Core) {
        // A new allocation rather than a fill: memory that nobody has written since costs the host nothing.
        let size = RAM_SIZE[index(core)];
        self.memories[index(core)].ram = vec![0; size];
    }

    /// What a reset of `core` does to its peripherals. The external flash goes on with what it does.
    pub(super) fn reset_peripherals(&mut self, core: Core) {
        let memories = &mut self.memories[index(core)];
        memories.nvmc = NvmcMode::Read;
        memories.busy = false;
        if core == Core::App {
            self.qspi.reset();
            self.pins.reset();
        }
    }

    /// A button between a pin of port 0 and ground is pressed, or is not any more.
    pub(super) fn ground_pin(&mut self, pin: usize, grounded: bool) {
        self.pins.ground(pin, grounded);
    }

    /// Whether something grounds a pin.
    pub(super) const fn is_grounded(&self, pin: usize) -> bool {
        self.pins.is_grounded(pin)
    }

    /// Makes a pin of port 0 an input with a pull-up, as a driver for a button does, and reads its level.
    pub(super) fn read_input(&mut self, pin: usize) -> bool {
        self.pins.read_input(pin)
    }

    pub(super) fn set_nvmc_busy(&mut self, core: Core, busy: bool) {
        self.memories[index(core)].busy = busy;
    }

    /// Two bytes of a RAM that `core` can execute from; `None` elsewhere.
    pub(super) fn ram_halfword(&self, core: Core, address: u32) -> Option<u16> {
        if let Some(offset) = address.checked_sub(RAM_BASE[index(core)]) {
            let ram = &self.memories[index(core)].ram;
            if let Some(bytes) = ram.get(offset as usize..offset as usize + 2) {
                return bytes.try_into().ok().map(u16::from_le_bytes);
            }
        }
        let Some((Place::Ram(owner, offset), _)) = locate(core, address) else {
            return None;
        };
        let bytes = self.memories[index(owner)].ram.get(offset..offset + 2)?;
        bytes.try_into().ok().map(u16::from_le_bytes)
    }

    pub(super) fn read(&self, core: Core, address: u32, buffer: &mut [u8]) -> Result<(), Fault> {
        let mut address = address;
        let mut rest = buffer;
        while !rest.is_empty() {
            let fault = Fault { address };
            let (place, remaining) = locate(core, address).ok_or(fault)?;
            let own = &self.memories[index(core)];
            let memory: Option<(&[u8], usize)> = match place {
                Place::Flash(owner, offset) => {
                    Some((self.memories[index(owner)].flash.bytes(), offset))
                }
                Place::Ram(owner, offset) => Some((&self.memories[index(owner)].ram, offset)),
                Place::Ficr(offset) => Some((&own.ficr, offset)),
                Place::Uicr(offset) => Some((&own.uicr, offset)),
                Place::External(_)
                | Place::Nvmc(_)
                | Place::Reset(_)
                | Place::Spu(_)
                | Place::Qspi(_)
                | Place::PinLevels
                | Place::PinConfig(_)
                | Place::OtherPeripheral => None,
            };
            let length = match (memory, place) {
                (Some((bytes, offset)), _) => {
                    let length = rest.len().min(remaining);
                    rest[..length].copy_from_slice(&bytes[offset..offset + length]);
                    length
                }
                (None, Place::External(offset)) => {
                    let length = rest.len().min(remaining);
                    self.qspi
                        .read_window(offset, &mut rest[..length])
                        .ok_or(fault)?;
                    length
                }
                (None, _) => {
                    // A register: its word, or the bytes of it that were asked for.
                    let word = self.register(core, place).to_le_bytes();
                    let within = (address % 4) as usize;
                    let length = rest.len().min(4 - within);
                    rest[..length].copy_from_slice(&word[within..within + length]);
                    length
                }
            };
            rest = &mut rest[length..];
            address = address.wrapping_add(length as u32);
        }
        Ok(())
    }

    /// A word; `address` is a multiple of 4.
    pub(super) fn read_word(&self, core: Core, address: u32) -> Result<u32, Fault> {
        let mut word = [0; 4];
        self.read(core, address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// RAM takes any width; flash and registers take whole words only.
    pub(super) fn write(&mut self, core: Core, address: u32, data: &[u8]) -> Result<(), Fault> {
        if let Some(offset) = address.checked_sub(RAM_BASE[index(core)]) {
            let ram = &mut self.memories[index(core)].ram;
            if let Some(bytes) = ram.get_mut(offset as usize..offset as usize + data.len()) {
                bytes.copy_from_slice(data);
                return Ok(());
            }
        }
        let mut address = address;
        let mut rest = data;
        while !rest.is_empty() {
            let fault = Fault { address };
            let (place, remaining) = locate(core, address).ok_or(fault)?;
            let length = if let Place::Ram(owner, offset) = place {
                let length = rest.len().min(remaining);
                self.memories[index(owner)].ram[offset..offset + length]
                    .copy_from_slice(&rest[..length]);
                length
            } else {
                let (Some(word), true) = (rest.first_chunk(), address.is_multiple_of(4)) else {
                    return Err(fault);
                };
                self.write_word(core, place, u32::from_le_bytes(*word))
                    .ok_or(fault)?;
                4
            };
            rest = &rest[length..];
            address = address.wrapping_add(length as u32);
        }
        Ok(())
    }
}
