//! The debug port and its access ports at register level (Arm Debug Interface v5.2).
//!
//! Access ports of the nRF5340: 0 and 1 are the AHB-APs of the application and network core, 2 and 3 their
//! CTRL-APs (`probe-rs probe-rs/src/vendor/nordicsemi/sequences/nrf53.rs`). What is behind them is a [`Target`]: one
//! with a single core has port 0 alone.

use super::debug_log::{Access, OFF, Recorder};
use super::dwt::Direction;
use super::emulator::Emulator;
use super::nrf5340::Power;
use super::silicon::{Fault, index};
use crate::bus::Core;

/// IDR of Nordic's CTRL-AP.
const CTRL_AP_IDR: u32 = 0x1288_0000;

const CSW_DEVICE_EN: u32 = 1 << 6;
const CSW_SPIDEN: u32 = 1 << 23;
/// Reserved bits of CSW. We answer the number of the access port in them: probe-rs 0.32.0 sends CSW with each
/// accelerated memory access as it read it, and always 0 as the access port's number.
const CSW_TAG_SHIFT: u32 = 8;
const CSW_TAG_MASK: u32 = 0xf << CSW_TAG_SHIFT;
const CSW_AFTER_RESET: u32 = 0x0300_0002;

/// Why the port did not do what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoAnswer {
    /// The chip has no power.
    NoTarget,
    /// The access port reported a fault.
    Fault,
}

/// An access port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AccessPort {
    /// A core's bus.
    Ahb(Core),
    /// A core's CTRL-AP.
    Control(Core),
    /// A number that the chip does not have: reads as zero.
    Absent,
}

impl From<u8> for AccessPort {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Ahb(Core::App),
            1 => Self::Ahb(Core::Net),
            2 => Self::Control(Core::App),
            3 => Self::Control(Core::Net),
            _ => Self::Absent,
        }
    }
}

/// What a debug port and its access ports say that they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identification {
    /// DPIDR.
    pub(crate) dpidr: u32,
    /// TARGETID; 0 where the port is too old for one.
    pub(crate) target_id: u32,
    /// IDR of the AHB-APs.
    pub(crate) ahb_ap_idr: u32,
    /// BASE of the AHB-APs: where the CPU's ROM table is, for tools that recognise a chip by it; bits 1:0 = present, 32 bits
    /// wide.
    pub(crate) rom_table: u32,
}

/// What is behind a debug port: a chip with its power, its buses and its locks.
pub(crate) trait Target {
    /// What it is.
    const IDENTIFICATION: Identification;

    fn power(&self) -> Power;
    /// How often it has got power: registers of the port do not outlive it.
    fn power_ups(&self) -> u64;
    fn set_pin_reset(&mut self, asserted: bool);
    /// Whether it has this access port.
    fn has_port(&self, port: AccessPort) -> bool;
    /// Whether a core's access port is alive and lets a debugger in.
    fn port_is_open(&self, core: Core) -> bool;
    fn port_is_secure(&self, core: Core) -> bool;
    /// Reads on a core's bus. `emulator` is for targets whose cores run programs only while a debugger looks.
    fn debug_read(
        &mut self,
        core: Core,
        address: u32,
        buffer: &mut [u8],
        emulator: &mut Emulator,
    ) -> Result<(), Fault>;
    fn debug_write(
        &mut self,
        core: Core,
        address: u32,
        data: &[u8],
        emulator: &mut Emulator,
    ) -> Result<(), Fault>;
    fn control_read(&mut self, core: Core, register: u8) -> u32;
    fn control_write(&mut self, core: Core, register: u8, value: u32);
    /// Where it is written down what debuggers do.
    fn recorder(&self) -> &Recorder {
        &OFF
    }
}

/// The debug port's registers, and the emulators that run what its owner puts into RAM.
pub(crate) struct DebugPort {
    select: u32,
    control: u32,
    read_buffer: u32,
    sticky_error: bool,
    /// CSW and TAR of the AHB-APs.
    csw: [u32; 2],
    tar: [u32; 2],
    /// Which power-up of the chip these registers are from.
    power_up: u64,
    emulators: [Emulator; 2],
}

impl DebugPort {
    pub(crate) fn new() -> Self {
        Self {
            select: 0,
            control: 0,
            read_buffer: 0,
            sticky_error: false,
            csw: [CSW_AFTER_RESET; 2],
            tar: [0; 2],
            power_up: 0,
            emulators: [Emulator::new(Core::App), Emulator::new(Core::Net)],
        }
    }

    /// Whether the port answers at all; forgets its registers when power was away.
    pub(super) fn answers<T: Target>(&mut self, chip: &T) -> Result<(), NoAnswer> {
        if chip.power() == Power::Off {
            return Err(NoAnswer::NoTarget);
        }
        if self.power_up != chip.power_ups() {
            self.power_up = chip.power_ups();
            self.select = 0;
            self.control = 0;
            self.read_buffer = 0;
            self.sticky_error = false;
            self.csw = [CSW_AFTER_RESET; 2];
            self.tar = [0; 2];
        }
        Ok(())
    }

    pub(super) fn has_sticky_error(&self) -> bool {
        self.sticky_error
    }

    pub(super) fn set_sticky_error(&mut self) {
        self.sticky_error = true;
    }

    /// The access port and register that SELECT and the address bits of a raw transfer mean.
    pub(super) fn selected(&self, address: u8) -> (AccessPort, u8) {
        let port = AccessPort::from((self.select >> 24) as u8);
        (port, (self.select & 0xf0) as u8 | address)
    }

    /// What the last posted read left in RDBUFF; a new one takes its place.
    pub(super) fn exchange_read_buffer(&mut self, value: u32) -> u32 {
        std::mem::replace(&mut self.read_buffer, value)
    }

    /// Reads a register of the debug port; `address` is 0, 4, 8 or 12.
    pub(crate) fn read<T: Target>(&mut self, chip: &T, address: u8) -> Result<u32, NoAnswer> {
        const STICKYERR: u32 = 1 << 5;
        const READOK: u32 = 1 << 6;
        self.answers(chip)?;
        let value = match (address, self.select & 0xf) {
            (0, _) => T::IDENTIFICATION.dpidr,
            (4, 0) => {
                // Power-up acknowledgements follow their requests at once.
                let acknowledged = (self.control & 0x5000_0000) << 1;
                let error = if self.sticky_error { STICKYERR } else { 0 };
                self.control | acknowledged | error | READOK
            }
            (4, 1) => 0x40, // DLCR
            (4, 2) => T::IDENTIFICATION.target_id,
            (12, _) => self.read_buffer,
            _ => 0,
        };
        self.record(chip, Direction::Read, address, value);
        Ok(value)
    }

    fn record<T: Target>(&self, chip: &T, direction: Direction, address: u8, value: u32) {
        chip.recorder().access(|| Access::Dp {
            direction,
            address,
            bank: (self.select & 0xf) as u8,
            value,
        });
    }

    /// Writes a register of the debug port.
    pub(crate) fn write<T: Target>(
        &mut self,
        chip: &T,
        address: u8,
        value: u32,
    ) -> Result<(), NoAnswer> {
        const ABORT_CLEARS: u32 = 0x1e;
        self.answers(chip)?;
        self.record(chip, Direction::Write, address, value);
        match address {
            0 if value & ABORT_CLEARS != 0 => self.sticky_error = false,
            // The two power-up requests, TRNMODE, MASKLANE and ORUNDETECT are kept.
            4 if self.select & 0xf == 0 => self.control = value & 0x5000_0f01,
            8 => self.select = value,
            _ => {}
        }
        Ok(())
    }

    /// Reads a register of an access port.
    pub(crate) fn read_ap<T: Target>(
        &mut self,
        chip: &mut T,
        port: AccessPort,
        register: u8,
    ) -> Result<u32, NoAnswer> {
        self.answers(chip)?;
        let port = present(chip, port);
        let value = match (port, register) {
            (AccessPort::Ahb(core), 0x00) => self.read_csw(chip, core),
            (AccessPort::Ahb(core), 0x04) => self.tar[index(core)],
            (AccessPort::Ahb(core), 0x0c) => {
                let (address, size) = self.transfer(core);
                let mut lanes = [0; 4];
                let lane = (address % 4) as usize;
                // A transfer that would leave its word is refused, as an unaligned one is.
                let bytes = lanes.get_mut(lane..lane + size).ok_or(NoAnswer::Fault)?;
                self.read_bus(chip, core, address, bytes)?;
                self.advance(core, size);
                return Ok(u32::from_le_bytes(lanes));
            }
            (AccessPort::Ahb(_), 0xf8) => T::IDENTIFICATION.rom_table,
            (AccessPort::Ahb(_), 0xfc) => T::IDENTIFICATION.ahb_ap_idr,
            (AccessPort::Control(_), 0xfc) => CTRL_AP_IDR,
            (AccessPort::Control(core), _) => chip.control_read(core, register),
            (AccessPort::Ahb(_) | AccessPort::Absent, _) => 0,
        };
        chip.recorder().access(|| Access::Ap {
            direction: Direction::Read,
            port,
            register,
            value,
        });
        Ok(value)
    }

    /// Writes a register of an access port.
    pub(crate) fn write_ap<T: Target>(
        &mut self,
        chip: &mut T,
        port: AccessPort,
        register: u8,
        value: u32,
    ) -> Result<(), NoAnswer> {
        self.answers(chip)?;
        let port = present(chip, port);
        if !matches!((port, register), (AccessPort::Ahb(_), 0x0c)) {
            chip.recorder().access(|| Access::Ap {
                direction: Direction::Write,
                port,
                register,
                value,
            });
        }
        match (port, register) {
            (AccessPort::Ahb(core), 0x00) => self.csw[index(core)] = value,
            (AccessPort::Ahb(core), 0x04) => self.tar[index(core)] = value,
            (AccessPort::Ahb(core), 0x0c) => {
                let (address, size) = self.transfer(core);
                let lane = (address % 4) as usize;
                let lanes = value.to_le_bytes();
                let bytes = lanes.get(lane..lane + size).ok_or(NoAnswer::Fault)?;
                self.write_bus(chip, core, address, bytes)?;
                self.advance(core, size);
            }
            (AccessPort::Control(core), _) => chip.control_write(core, register, value),
            (AccessPort::Ahb(_) | AccessPort::Absent, _) => {}
        }
        Ok(())
    }

    /// Reads memory in one go; `csw` says through which AHB-AP (see `CSW_TAG_SHIFT`).
    pub(crate) fn read_memory<T: Target>(
        &mut self,
        chip: &mut T,
        csw: u32,
        address: u32,
        buffer: &mut [u8],
    ) -> Result<(), NoAnswer> {
        self.answers(chip)?;
        let core = tagged_core(csw)?;
        if present(chip, AccessPort::Ahb(core)) == AccessPort::Absent {
            return Err(NoAnswer::Fault);
        }
        self.read_bus(chip, core, address, buffer)
    }

    /// Writes memory in one go.
    pub(crate) fn write_memory<T: Target>(
        &mut self,
        chip: &mut T,
        csw: u32,
        address: u32,
        data: &[u8],
    ) -> Result<(), NoAnswer> {
        self.answers(chip)?;
        let core = tagged_core(csw)?;
        if present(chip, AccessPort::Ahb(core)) == AccessPort::Absent {
            return Err(NoAnswer::Fault);
        }
        self.write_bus(chip, core, address, data)
    }

    /// Reads on a core's bus, on whichever way.
    fn read_bus<T: Target>(
        &mut self,
        chip: &mut T,
        core: Core,
        address: u32,
        buffer: &mut [u8],
    ) -> Result<(), NoAnswer> {
        let emulator = &mut self.emulators[index(core)];
        let answer = chip
            .debug_read(core, address, buffer, emulator)
            .map_err(|_| NoAnswer::Fault);
        chip.recorder()
            .access(|| Access::memory(Direction::Read, core, address, buffer, answer));
        answer
    }

    fn write_bus<T: Target>(
        &mut self,
        chip: &mut T,
        core: Core,
        address: u32,
        data: &[u8],
    ) -> Result<(), NoAnswer> {
        let emulator = &mut self.emulators[index(core)];
        // Before what it does: that is where it stands in the log.
        let access = |answer| Access::memory(Direction::Write, core, address, data, answer);
        chip.recorder().access(|| access(Ok(())));
        let answer = chip
            .debug_write(core, address, data, emulator)
            .map_err(|_| NoAnswer::Fault);
        if answer.is_err() {
            chip.recorder().access(|| access(answer));
        }
        answer
    }

    fn read_csw<T: Target>(&self, chip: &T, core: Core) -> u32 {
        let mut value = self.csw[index(core)] & !(CSW_TAG_MASK | CSW_DEVICE_EN | CSW_SPIDEN);
        value |= (index(core) as u32) << CSW_TAG_SHIFT;
        if chip.port_is_open(core) {
            value |= CSW_DEVICE_EN;
        }
        if chip.port_is_secure(core) {
            value |= CSW_SPIDEN;
        }
        value
    }

    /// Address and bytes of the next transfer through DRW.
    fn transfer(&self, core: Core) -> (u32, usize) {
        let size = match self.csw[index(core)] & 7 {
            0 => 1,
            1 => 2,
            _ => 4,
        };
        (self.tar[index(core)], size)
    }

    /// TAR's auto-increment, which wraps at 1 KiB.
    fn advance(&mut self, core: Core, size: usize) {
        const SINGLE: u32 = 1;
        if self.csw[index(core)] >> 4 & 3 == SINGLE {
            let tar = &mut self.tar[index(core)];
            *tar = *tar & !0x3ff | tar.wrapping_add(size as u32) & 0x3ff;
        }
    }
}

/// The port, where the target has it.
fn present<T: Target>(chip: &T, port: AccessPort) -> AccessPort {
    if chip.has_port(port) {
        port
    } else {
        AccessPort::Absent
    }
}

fn tagged_core(csw: u32) -> Result<Core, NoAnswer> {
    match (csw & CSW_TAG_MASK) >> CSW_TAG_SHIFT {
        0 => Ok(Core::App),
        1 => Ok(Core::Net),
        _ => Err(NoAnswer::Fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{Chip, ForceOffView};

    const AHB_AP_IDR: u32 = Chip::IDENTIFICATION.ahb_ap_idr;

    fn powered() -> (DebugPort, Chip) {
        let mut chip = Chip::new("dk1", ForceOffView::Faithful);
        chip.set_power(Power::On);
        (DebugPort::new(), chip)
    }

    #[test]
    fn four_access_ports_and_no_fifth() {
        let (mut port, mut chip) = powered();
        let idrs: Vec<_> = (0..6)
            .map(|ap| port.read_ap(&mut chip, AccessPort::from(ap), 0xfc).unwrap())
            .collect();
        assert_eq!(
            idrs,
            [AHB_AP_IDR, AHB_AP_IDR, CTRL_AP_IDR, CTRL_AP_IDR, 0, 0]
        );
    }

    #[test]
    fn csw_says_whose_it_is_and_whether_the_port_is_open() {
        let (mut port, mut chip) = powered();
        let app = port
            .read_ap(&mut chip, AccessPort::Ahb(Core::App), 0)
            .unwrap();
        let net = port
            .read_ap(&mut chip, AccessPort::Ahb(Core::Net), 0)
            .unwrap();
        assert_eq!(app & (CSW_TAG_MASK | CSW_DEVICE_EN), CSW_DEVICE_EN);
        assert_eq!(
            net & (CSW_TAG_MASK | CSW_DEVICE_EN),
            1 << CSW_TAG_SHIFT,
            "held off"
        );
    }

    #[test]
    fn the_address_register_wraps_at_a_kibibyte() {
        let (mut port, mut chip) = powered();
        let ahb = AccessPort::Ahb(Core::App);
        port.write_ap(&mut chip, ahb, 0x00, 0x0300_0012).unwrap();
        port.write_ap(&mut chip, ahb, 0x04, 0x2000_03fc).unwrap();
        port.write_ap(&mut chip, ahb, 0x0c, 0x1122_3344).unwrap();
        assert_eq!(port.read_ap(&mut chip, ahb, 0x04), Ok(0x2000_0000));
    }

    #[test]
    fn a_power_cycle_forgets_the_power_up_requests() {
        let (mut port, mut chip) = powered();
        port.write(&chip, 4, 0x5000_0000).unwrap();
        assert_eq!(port.read(&chip, 4).unwrap() >> 28, 0xf);
        chip.set_power(Power::Off);
        assert_eq!(port.read(&chip, 0), Err(NoAnswer::NoTarget));
        chip.set_power(Power::On);
        assert_eq!(port.read(&chip, 4).unwrap() >> 28, 0);
    }
}
