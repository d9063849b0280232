//! The debug port and its four access ports at register level (Arm Debug Interface v5.2).
//!
//! Access ports of the nRF5340: 0 and 1 are the AHB-APs of the application and network core, 2 and 3 their
//! CTRL-APs (`probe-rs probe-rs/src/vendor/nordicsemi/sequences/nrf53.rs`).

use super::emulator::Emulator;
use super::nrf5340::{Chip, Power};
use super::silicon::index;
use crate::bus::Core;

/// DPIDR of an Arm SW-DPv2.
const DPIDR: u32 = 0x6ba0_2477;
/// TARGETID of an nRF5340: part 0x70, revision 5.
const TARGETID: u32 = 0x5007_0289;
const AHB_AP_IDR: u32 = 0x8477_0001;
const CTRL_AP_IDR: u32 = 0x1288_0000;
/// Where the CPU's ROM table is, for tools that recognise a chip by it; bits 1:0 = present, 32 bits wide.
const ROM_TABLE: u32 = 0xe00f_e003;

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
    pub(super) fn answers(&mut self, chip: &Chip) -> Result<(), NoAnswer> {
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
    pub(crate) fn read(&mut self, chip: &Chip, address: u8) -> Result<u32, NoAnswer> {
        const STICKYERR: u32 = 1 << 5;
        const READOK: u32 = 1 << 6;
        self.answers(chip)?;
        Ok(match (address, self.select & 0xf) {
            (0, _) => DPIDR,
            (4, 0) => {
                // Power-up acknowledgements follow their requests at once.
                let acknowledged = (self.control & 0x5000_0000) << 1;
                let error = if self.sticky_error { STICKYERR } else { 0 };
                self.control | acknowledged | error | READOK
            }
            (4, 1) => 0x40, // DLCR
            (4, 2) => TARGETID,
            (12, _) => self.read_buffer,
            _ => 0,
        })
    }

    /// Writes a register of the debug port.
    pub(crate) fn write(&mut self, chip: &Chip, address: u8, value: u32) -> Result<(), NoAnswer> {
        const ABORT_CLEARS: u32 = 0x1e;
        self.answers(chip)?;
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
    pub(crate) fn read_ap(
        &mut self,
        chip: &mut Chip,
        port: AccessPort,
        register: u8,
    ) -> Result<u32, NoAnswer> {
        self.answers(chip)?;
        Ok(match (port, register) {
            (AccessPort::Ahb(core), 0x00) => self.read_csw(chip, core),
            (AccessPort::Ahb(core), 0x04) => self.tar[index(core)],
            (AccessPort::Ahb(core), 0x0c) => {
                let (address, size) = self.transfer(core);
                let mut lanes = [0; 4];
                let lane = (address % 4) as usize;
                // A transfer that would leave its word is refused, as an unaligned one is.
                let bytes = lanes.get_mut(lane..lane + size).ok_or(NoAnswer::Fault)?;
                chip.debug_read(core, address, bytes, &mut self.emulators[index(core)])
                    .map_err(|_| NoAnswer::Fault)?;
                self.advance(core, size);
                u32::from_le_bytes(lanes)
            }
            (AccessPort::Ahb(_), 0xf8) => ROM_TABLE,
            (AccessPort::Ahb(_), 0xfc) => AHB_AP_IDR,
            (AccessPort::Control(_), 0xfc) => CTRL_AP_IDR,
            (AccessPort::Control(core), _) => chip.control_read(core, register),
            (AccessPort::Ahb(_) | AccessPort::Absent, _) => 0,
        })
    }

    /// Writes a register of an access port.
    pub(crate) fn write_ap(
        &mut self,
        chip: &mut Chip,
        port: AccessPort,
        register: u8,
        value: u32,
    ) -> Result<(), NoAnswer> {
        self.answers(chip)?;
        match (port, register) {
            (AccessPort::Ahb(core), 0x00) => self.csw[index(core)] = value,
            (AccessPort::Ahb(core), 0x04) => self.tar[index(core)] = value,
            (AccessPort::Ahb(core), 0x0c) => {
                let (address, size) = self.transfer(core);
                let lane = (address % 4) as usize;
                let lanes = value.to_le_bytes();
                let bytes = lanes.get(lane..lane + size).ok_or(NoAnswer::Fault)?;
                chip.debug_write(core, address, bytes, &mut self.emulators[index(core)])
                    .map_err(|_| NoAnswer::Fault)?;
                self.advance(core, size);
            }
            (AccessPort::Control(core), _) => chip.control_write(core, register, value),
            (AccessPort::Ahb(_) | AccessPort::Absent, _) => {}
        }
        Ok(())
    }

    /// Reads memory in one go; `csw` says through which AHB-AP (see `CSW_TAG_SHIFT`).
    pub(crate) fn read_memory(
        &mut self,
        chip: &mut Chip,
        csw: u32,
        address: u32,
        buffer: &mut [u8],
    ) -> Result<(), NoAnswer> {
        self.answers(chip)?;
        let core = tagged_core(csw)?;
        chip.debug_read(core, address, buffer, &mut self.emulators[index(core)])
            .map_err(|_| NoAnswer::Fault)
    }

    /// Writes memory in one go.
    pub(crate) fn write_memory(
        &mut self,
        chip: &mut Chip,
        csw: u32,
        address: u32,
        data: &[u8],
    ) -> Result<(), NoAnswer> {
        self.answers(chip)?;
        let core = tagged_core(csw)?;
        chip.debug_write(core, address, data, &mut self.emulators[index(core)])
            .map_err(|_| NoAnswer::Fault)
    }

    fn read_csw(&self, chip: &Chip, core: Core) -> u32 {
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
    use crate::chip::ForceOffView;

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
