//! Everything that answers on a core's bus below 0xE000_0000: memories, NVMC, RESET, SPU.
//!
//! Debugger, emulated flash algorithms and model firmware all come through here, so they meet the same flash.
//! A register that is not modelled reads zero and swallows writes; an address where nothing is faults.

use super::debug_log::{Operation, Recorder};
use super::external::EXTERNAL_FLASH_SIZE;
use super::flash::Flash;
use super::info::{self, INFO_SIZE};
use super::mx25r::Mx25r;
use super::qspi::Qspi;
use crate::bus::Core;
use std::time::Duration;

/// Where the external flash can be read by the application core (QSPI window).
pub(crate) const XIP_BASE: u32 = 0x1000_0000;

/// GPIO PIN_CNF after reset: input, its buffer disconnected.
const PIN_CONFIG_RESET: u32 = 2;
/// PIN_CNF.INPUT: the buffer is disconnected.
const INPUT_DISCONNECTED: u32 = 1 << 1;
/// PIN_CNF.PULL, and its value for a pull-up.
const PULL: u32 = 3 << 2;
const PULL_UP: u32 = 3 << 2;

const RAM_BASE: [u32; 2] = [0x2000_0000, 0x2100_0000];
const RAM_SIZE: [usize; 2] = [512 << 10, 64 << 10];
const FLASH_SIZE: [usize; 2] = [1 << 20, 256 << 10];
const FICR_BASE: [u32; 2] = [0x00ff_0000, 0x01ff_0000];
const UICR_BASE: [u32; 2] = [0x00ff_8000, 0x01ff_8000];

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

/// Nothing answered, or not to this kind of access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The first address that did not answer.
    pub(crate) address: u32,
}

/// What lies at an address, with the offset into it.
#[derive(Clone, Copy, Debug)]
enum Place {
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
    /// GPIO port 0, PIN_CNF.
    pin_config: [u32; 32],
    /// Pins of port 0 that something on the board pulls to ground: buttons.
    grounded: u32,
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
        Self {
            memories: [memories(Core::App), memories(Core::Net)],
            qspi: Qspi::new(Some(Mx25r::new())),
            pin_config: [PIN_CONFIG_RESET; 32],
            grounded: 0,
            force_off: true,
            force_off_workaround: 0,
            reset_reasons: [0; 2],
            erase_protected: [false; 2],
            force_off_writes: Vec::new(),
            recorder: Recorder::off(),
        }
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
        Self {
            memories: [memories(), memories()],
            qspi: Qspi::new(None),
            pin_config: [PIN_CONFIG_RESET; 32],
            grounded: 0,
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
            self.pin_config = [PIN_CONFIG_RESET; 32];
        }
    }

    /// A button between a pin of port 0 and ground is pressed, or is not any more.
    pub(super) fn ground_pin(&mut self, pin: usize, grounded: bool) {
        let bit = 1 << pin;
        if grounded {
            self.grounded |= bit;
        } else {
            self.grounded &= !bit;
        }
    }

    /// Whether something grounds a pin.
    pub(super) const fn is_grounded(&self, pin: usize) -> bool {
        self.grounded & 1 << pin != 0
    }

    /// Makes a pin of port 0 an input with a pull-up, as a driver for a button does, and reads its level.
    pub(super) fn read_input(&mut self, pin: usize) -> bool {
        self.pin_config[pin] = PULL_UP;
        self.pin_levels() & 1 << pin != 0
    }

    /// IN of port 0. A pin is read high when its input buffer is connected and its pull-up on, and nothing grounds it; the
    /// buttons of the DK have no pull-ups of their own, so that without one a pin floats (read as low here).
    fn pin_levels(&self) -> u32 {
        let pulled_up = |config: u32| config & (INPUT_DISCONNECTED | PULL) == PULL_UP;
        let levels = (0..32)
            .filter(|&pin| pulled_up(self.pin_config[pin]))
            .fold(0, |levels, pin| levels | 1 << pin);
        levels & !self.grounded
    }

    pub(super) fn set_nvmc_busy(&mut self, core: Core, busy: bool) {
        self.memories[index(core)].busy = busy;
    }

    /// Start and size of `core`'s RAM.
    pub(super) const fn ram_range(core: Core) -> (u32, u32) {
        (RAM_BASE[index(core)], RAM_SIZE[index(core)] as u32)
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

    /// Whether the core would fetch instructions from RAM at `address`.
    pub(super) fn is_ram(core: Core, address: u32) -> bool {
        matches!(locate(core, address), Some((Place::Ram(..), _)))
    }

    /// Whether a register is at `address`, and no memory.
    pub(super) fn is_register(core: Core, address: u32) -> bool {
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
    pub(super) fn uicr_offset(core: Core, address: u32) -> Option<usize> {
        match locate(core, address) {
            Some((Place::Uicr(offset), _)) => Some(offset),
            _ => None,
        }
    }

    /// Whether `address` is in the core's own flash.
    pub(super) fn is_own_flash(core: Core, address: u32) -> bool {
        matches!(locate(core, address), Some((Place::Flash(owner, _), _)) if owner == core)
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

    fn register(&self, core: Core, place: Place) -> u32 {
        let own = &self.memories[index(core)];
        match place {
            // READY and READYNEXT.
            Place::Nvmc(0x400 | 0x408) => u32::from(!own.busy),
            Place::Nvmc(0x504 | 0x584) => match own.nvmc {
                NvmcMode::Read => 0,
                NvmcMode::Write => 1,
                NvmcMode::Erase => 2,
            },
            Place::Reset(0x400) => self.reset_reasons[index(core)],
            Place::Reset(0x614) if core == Core::App => u32::from(self.force_off),
            Place::Reset(0x618) if core == Core::App => self.force_off_workaround,
            // CLOCK is at the same address: HFCLK192MCTRL.
            Place::Reset(0x5b8) if core == Core::App => self.qspi.clock_control,
            Place::Qspi(register) => self.qspi.read_register(register),
            Place::PinLevels => self.pin_levels(),
            Place::PinConfig(pin) => self.pin_config[pin],
            // PERIPHID[n].PERM: present, secure (bit 4), mapped both ways; probe-rs asks for RESET's.
            Place::Spu(0x800..0xc00) => 0x8000_0013,
            _ => 0,
        }
    }

    /// `None` when the place does not take the write.
    fn write_word(&mut self, core: Core, place: Place, value: u32) -> Option<()> {
        let own = &mut self.memories[index(core)];
        match (place, own.nvmc) {
            (Place::Flash(owner, offset), NvmcMode::Write) if owner == core => {
                own.flash.program(offset, value);
                self.recorder
                    .operation(|| programmed(core, flash_base(core), offset, value));
            }
            // In erase mode a page is erased by writing ones to one of its words.
            (Place::Flash(owner, offset), NvmcMode::Erase)
                if owner == core && value == u32::MAX =>
            {
                own.flash.erase_page(offset);
                let page = page_size(core);
                self.recorder.operation(|| Operation::Erased {
                    core,
                    address: flash_base(core) + (offset as u32 & !(page - 1)),
                    length: page,
                });
            }
            (Place::Uicr(offset), NvmcMode::Write) => {
                for (byte, new) in own.uicr[offset..offset + 4]
                    .iter_mut()
                    .zip(value.to_le_bytes())
                {
                    *byte &= new;
                }
                self.recorder
                    .operation(|| programmed(core, UICR_BASE[index(core)], offset, value));
            }
            // UICR goes with ERASEALL only.
            (Place::Uicr(_), NvmcMode::Erase) if value == u32::MAX => {}
            (Place::Nvmc(0x504 | 0x584), _) => {
                own.nvmc = match value & 7 {
                    1 => NvmcMode::Write,
                    2 => NvmcMode::Erase,
                    _ => NvmcMode::Read,
                };
            }
            (Place::Nvmc(0x50c), NvmcMode::Erase) if value & 1 == 1 => {
                if !self.erase_protected[index(core)] {
                    own.flash.erase_all();
                    own.uicr.fill(0xff);
                    self.recorder.operation(|| Operation::ErasedAll { core });
                }
            }
            (Place::Reset(0x400), _) => self.reset_reasons[index(core)] &= !value,
            (Place::Reset(0x614), _) if core == Core::App => {
                let force_off = value & 1 == 1;
                if force_off != self.force_off {
                    self.force_off = force_off;
                    self.force_off_writes.push(force_off);
                }
            }
            (Place::Reset(0x618), _) if core == Core::App => self.force_off_workaround = value,
            (Place::Reset(0x5b8), _) if core == Core::App => self.qspi.clock_control = value & 3,
            (Place::Qspi(register), _) => self.qspi.write_register(register, value),
            (Place::PinConfig(pin), _) => self.pin_config[pin] = value,
            (
                Place::Nvmc(_)
                | Place::Reset(_)
                | Place::Spu(_)
                | Place::PinLevels
                | Place::OtherPeripheral,
                _,
            ) => {}
            (
                Place::Flash(..)
                | Place::Uicr(_)
                | Place::Ficr(_)
                | Place::External(_)
                | Place::Ram(..),
                _,
            ) => return None,
        }
        Some(())
    }
}

/// A word of flash or UICR, which begins at `base`, is programmed.
fn programmed(core: Core, base: u32, offset: usize, value: u32) -> Operation {
    Operation::Programmed {
        core,
        address: base + offset as u32,
        data: value.to_le_bytes().to_vec(),
    }
}

/// What `core` finds at `address`, and how many bytes of it follow from there.
///
/// The network core sees the application core's flash and RAM too (b0n reads updates there). The reverse
/// path does not exist on the chip.
fn locate(core: Core, address: u32) -> Option<(Place, usize)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const NVMC: [u32; 2] = [0x5003_9000, 0x4108_0000];

    fn write(silicon: &mut Silicon, core: Core, address: u32, value: u32) -> Result<(), Fault> {
        silicon.write(core, address, &value.to_le_bytes())
    }

    #[rstest]
    #[case::app(Core::App)]
    #[case::net(Core::Net)]
    fn flash_takes_words_only_in_write_mode(#[case] core: Core) {
        let mut silicon = Silicon::new("dk1");
        let address = flash_base(core) + 0x1004;
        let config = NVMC[index(core)] + 0x504;
        assert_eq!(
            write(&mut silicon, core, address, 0),
            Err(Fault { address }),
            "read mode"
        );
        write(&mut silicon, core, config, 1).unwrap();
        write(&mut silicon, core, address, 0x1234_5678).unwrap();
        assert_eq!(silicon.read_word(core, address), Ok(0x1234_5678));
        assert_eq!(
            silicon.write(core, address, &[0, 0]),
            Err(Fault { address }),
            "half a word"
        );
        write(&mut silicon, core, config, 2).unwrap();
        write(&mut silicon, core, address, u32::MAX).unwrap();
        assert_eq!(silicon.read_word(core, address), Ok(u32::MAX));
    }

    #[rstest]
    #[case::app(Core::App, 4096)]
    #[case::net(Core::Net, 2048)]
    fn a_page_erase_takes_one_page_of_that_core(#[case] core: Core, #[case] page: u32) {
        let mut silicon = Silicon::new("dk1");
        silicon.flash_mut(core).load(0, &[0; 0x4000]);
        write(&mut silicon, core, NVMC[index(core)] + 0x504, 2).unwrap();
        write(&mut silicon, core, flash_base(core) + page, u32::MAX).unwrap();
        let blank = silicon.flash(core).bytes()[..0x4000]
            .iter()
            .filter(|&&byte| byte == 0xff)
            .count();
        assert_eq!(blank, page as usize);
    }

    #[test]
    fn erase_all_takes_uicr_with_it_unless_protected() {
        let mut silicon = Silicon::new("dk1");
        silicon.erase_protected[0] = true;
        write(&mut silicon, Core::App, 0x5003_9504, 2).unwrap();
        write(&mut silicon, Core::App, 0x5003_950c, 1).unwrap();
        assert_eq!(
            silicon.read_word(Core::App, 0x00ff_8000),
            Ok(info::APPROTECT_OPEN)
        );
        silicon.erase_protected[0] = false;
        write(&mut silicon, Core::App, 0x5003_950c, 1).unwrap();
        assert_eq!(silicon.read_word(Core::App, 0x00ff_8000), Ok(u32::MAX));
    }

    #[test]
    fn only_the_network_core_reaches_across() {
        let silicon = Silicon::new("dk1");
        let mut byte = [0; 1];
        assert_eq!(silicon.read(Core::Net, 0x0004_c000, &mut byte), Ok(()));
        assert_eq!(silicon.read(Core::Net, 0x2000_0000, &mut byte), Ok(()));
        for address in [0x0100_0000, 0x2100_0000] {
            assert_eq!(
                silicon.read(Core::App, address, &mut byte),
                Err(Fault { address })
            );
        }
    }

    #[test]
    fn an_access_that_runs_over_the_end_names_the_first_bad_address() {
        let silicon = Silicon::new("dk1");
        let mut buffer = [0; 16];
        assert_eq!(
            silicon.read(Core::App, 0x000f_fff8, &mut buffer),
            Err(Fault {
                address: 0x0010_0000
            })
        );
    }

    /// P0.IN, in the secure and the non-secure view.
    const PIN_LEVELS: [u32; 2] = [0x5084_2510, 0x4084_2510];

    #[test]
    fn a_button_is_seen_where_its_pin_has_a_pull_up() {
        let mut silicon = Silicon::new("dk1");
        let levels = |silicon: &Silicon| silicon.read_word(Core::App, PIN_LEVELS[1]).unwrap();
        assert_eq!(levels(&silicon), 0, "no input is connected after reset");
        write(&mut silicon, Core::App, 0x5084_2700 + 4 * 23, 0b1100).unwrap();
        assert_eq!(levels(&silicon), 1 << 23);
        silicon.ground_pin(23, true);
        assert_eq!(levels(&silicon), 0);
        silicon.ground_pin(23, false);
        assert_eq!(silicon.read_word(Core::App, PIN_LEVELS[0]), Ok(1 << 23));
        write(&mut silicon, Core::App, PIN_LEVELS[0], 0).unwrap();
        assert_eq!(levels(&silicon), 1 << 23, "IN takes no writes");
    }

    #[test]
    fn a_finger_stays_on_its_button_when_the_chip_is_reset() {
        let mut silicon = Silicon::new("dk1");
        assert!(silicon.read_input(23));
        silicon.ground_pin(23, true);
        silicon.reset_peripherals(Core::App);
        assert!(!silicon.read_input(23));
        assert!(silicon.read_input(24));
    }

    #[test]
    fn reset_reasons_fall_where_ones_are_written() {
        let mut silicon = Silicon::new("dk1");
        silicon.reset_reasons = [0b1101, 1 << 23];
        write(&mut silicon, Core::App, 0x5000_5400, 0b0101).unwrap();
        assert_eq!(silicon.read_word(Core::App, 0x4000_5400), Ok(0b1000));
        assert_eq!(silicon.read_word(Core::Net, 0x4100_5400), Ok(1 << 23));
    }
}
