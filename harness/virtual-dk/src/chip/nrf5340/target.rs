//! The nRF5340 behind a debug port.

use super::{Chip, Power};
use crate::bus::Core;
use crate::chip::Recorder;
use crate::chip::debug_port::{AccessPort, Identification, Target};
use crate::chip::emulator::Emulator;
use crate::chip::silicon::Fault;

impl Target for Chip {
    const IDENTIFICATION: Identification = Identification {
        // An Arm SW-DPv2.
        dpidr: 0x6ba0_2477,
        // Part 0x70, revision 5.
        target_id: 0x5007_0289,
        ahb_ap_idr: 0x8477_0001,
        rom_table: 0xe00f_e003,
    };

    fn power(&self) -> Power {
        self.power()
    }

    fn power_ups(&self) -> u64 {
        self.power_ups()
    }

    fn set_pin_reset(&mut self, asserted: bool) {
        self.set_pin_reset(asserted);
    }

    fn has_port(&self, port: AccessPort) -> bool {
        port != AccessPort::Absent
    }

    fn port_is_open(&self, core: Core) -> bool {
        self.port_is_open(core)
    }

    fn port_is_secure(&self, core: Core) -> bool {
        self.port_is_secure(core)
    }

    fn debug_read(
        &mut self,
        core: Core,
        address: u32,
        buffer: &mut [u8],
        emulator: &mut Emulator,
    ) -> Result<(), Fault> {
        self.observed(|chip| chip.debug_read(core, address, buffer, emulator))
    }

    fn debug_write(
        &mut self,
        core: Core,
        address: u32,
        data: &[u8],
        emulator: &mut Emulator,
    ) -> Result<(), Fault> {
        self.observed(|chip| chip.debug_write(core, address, data, emulator))
    }

    fn control_read(&mut self, core: Core, register: u8) -> u32 {
        self.control_read(core, register)
    }

    fn control_write(&mut self, core: Core, register: u8, value: u32) {
        self.observed(|chip| chip.control_write(core, register, value));
    }

    fn recorder(&self) -> &Recorder {
        self.recorder()
    }
}
