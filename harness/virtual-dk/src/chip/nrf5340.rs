//! The whole chip: two cores on their silicon, power, resets, and who may reach what.

use super::cpu::{Cpu, Run, SystemReset};
use super::emulator::Emulator;
use super::external::{EXTERNAL_SECTOR, ExternalFlash};
use super::flash::FlashWear;
use super::protection::Protection;
use super::silicon::{Fault, Silicon, flash_base, index, page_size};
use crate::bus::Core;

/// Instructions that a program in RAM gets each time the debugger asks how it is doing. Enough for a page of
/// flash in two or three polls, and about 20 ms of host time at worst.
const INSTRUCTIONS_PER_POLL: u64 = 200_000;

/// RESETREAS bits (register descriptions of both cores).
mod reason {
    pub(super) const PIN: u32 = 1 << 0;
    pub(super) const CTRL_AP: u32 = 1 << 2;
    pub(super) const SOFT: u32 = 1 << 3;
    pub(super) const NET_SOFT: u32 = 1 << 16;
    pub(super) const NET_FORCE_OFF: u32 = 1 << 23;
    pub(super) const NET_CTRL_AP: u32 = 1 << 27;
}

/// What the debugger finds at the network core's access port while FORCEOFF holds the core.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ForceOffView {
    /// Nothing, as on silicon: the port is dead until FORCEOFF is released.
    #[default]
    Faithful,
    /// A port that works, for tools that do not release FORCEOFF after they have reset the application core.
    Lenient,
}

/// Whether the chip is supplied.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Power {
    /// Supplied.
    #[default]
    On,
    /// Not supplied.
    Off,
}

/// Whether firmware of a given start of its core may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gate {
    Go,
    /// Halted by the debugger, or the debugger runs something else on the core.
    Wait,
    /// The core was reset or lost power.
    Stopped,
}

/// Model firmware has to be started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Start {
    pub(crate) core: Core,
    pub(crate) epoch: u64,
}

/// An nRF5340 with the external flash of its DK.
#[derive(Debug)]
pub(crate) struct Chip {
    silicon: Silicon,
    cpus: [Cpu; 2],
    power: Power,
    /// How often power came; the debug port loses its state in between.
    power_ups: u64,
    in_pin_reset: bool,
    protection: Protection,
    view: ForceOffView,
    /// ERASEALL was started and its status not read yet.
    erasing: [bool; 2],
    starts: Vec<Start>,
    /// Something that firmware may be waiting for has changed.
    changed: bool,
}

impl Chip {
    /// A chip as delivered on a DK, without power. `board` decides its device id.
    pub(crate) fn new(board: &str, view: ForceOffView) -> Self {
        Self {
            silicon: Silicon::new(board),
            cpus: [Cpu::new(Core::App), Cpu::new(Core::Net)],
            power: Power::Off,
            power_ups: 0,
            in_pin_reset: false,
            protection: Protection::default(),
            view,
            erasing: [false; 2],
            starts: Vec::new(),
            changed: false,
        }
    }

    // ---- Power and resets ----

    pub(crate) fn power(&self) -> Power {
        self.power
    }

    pub(crate) fn power_ups(&self) -> u64 {
        self.power_ups
    }

    pub(crate) fn set_power(&mut self, power: Power) {
        if power == self.power {
            return;
        }
        self.power = power;
        self.silicon.reset_reasons = [0; 2];
        self.silicon.force_off = true;
        self.erasing = [false; 2];
        for core in [Core::App, Core::Net] {
            self.cpus[index(core)].lose_power();
            self.silicon.clear_ram(core);
            self.silicon.reset_nvmc(core);
        }
        if power == Power::On {
            self.power_ups += 1;
            self.protection = Protection::at_hard_reset(&mut self.silicon);
            if !self.in_pin_reset {
                self.leave_reset(Core::App);
            }
        }
        self.settle();
    }

    /// nRESET as the debug probe drives it.
    ///
    /// While it is asserted registers still take what the debugger writes. A FORCEOFF that is released then
    /// opens the network core's port at once and starts the core with the other one. Whether silicon does so
    /// is not established; debuggers that attach under reset count on it.
    pub(crate) fn set_pin_reset(&mut self, asserted: bool) {
        if asserted == self.in_pin_reset {
            return;
        }
        self.in_pin_reset = asserted;
        if self.power == Power::Off {
            return;
        }
        if asserted {
            self.hold_both();
            self.protection = Protection::at_hard_reset(&mut self.silicon);
            self.silicon.reset_reasons[0] |= reason::PIN;
        } else {
            self.leave_reset(Core::App);
            self.leave_reset(Core::Net);
        }
        self.settle();
    }

    /// SYSRESETREQ of `core`.
    pub(crate) fn system_reset(&mut self, core: Core) {
        if self.power == Power::Off || self.in_pin_reset {
            return;
        }
        self.hold(core);
        self.silicon.reset_reasons[index(core)] |= match core {
            Core::App => reason::SOFT,
            Core::Net => reason::NET_SOFT,
        };
        self.leave_reset(core);
        self.settle();
    }

    /// A reset of the application core is one of both, and leaves the network core held off.
    fn hold(&mut self, core: Core) {
        match core {
            Core::App => self.hold_both(),
            Core::Net => {
                self.cpus[1].hold();
                self.silicon.reset_nvmc(Core::Net);
            }
        }
    }

    fn hold_both(&mut self) {
        for core in [Core::App, Core::Net] {
            self.cpus[index(core)].hold();
            self.silicon.reset_nvmc(core);
        }
        self.silicon.force_off = true;
        self.silicon.force_off_writes.clear();
    }

    /// Lets `core` run from its vector table; the network core only when nothing holds it off.
    fn leave_reset(&mut self, core: Core) {
        let cpu = &mut self.cpus[index(core)];
        if core == Core::Net && self.silicon.force_off {
            // In the lenient view a debugger may drive a core that is held off: it can stop it at reset.
            if self.view == ForceOffView::Faithful || !cpu.catches_reset() {
                return;
            }
        }
        let base = flash_base(core);
        let word = |address| self.silicon.read_word(core, address).unwrap_or(u32::MAX);
        cpu.leave_reset(word(base), word(base + 4));
    }

    /// Acts on what registers were written, and finds out what firmware has to be told or started.
    fn settle(&mut self) {
        for force_off in std::mem::take(&mut self.silicon.force_off_writes) {
            self.cpus[1].hold();
            self.silicon.reset_nvmc(Core::Net);
            if !force_off {
                self.silicon.reset_reasons[1] |= reason::NET_FORCE_OFF;
                if !self.in_pin_reset {
                    self.leave_reset(Core::Net);
                }
            }
        }
        for core in [Core::App, Core::Net] {
            let held_off = core == Core::Net && self.silicon.force_off;
            let cpu = &mut self.cpus[index(core)];
            if cpu.runs_firmware() && !cpu.firmware_started && !held_off {
                cpu.firmware_started = true;
                self.starts.push(Start {
                    core,
                    epoch: cpu.epoch,
                });
            }
        }
        self.changed = true;
    }

    /// The firmware to start since the last call.
    pub(crate) fn take_starts(&mut self) -> Vec<Start> {
        std::mem::take(&mut self.starts)
    }

    /// Whether something has changed since the last call that firmware may be waiting for.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What the DK draws, in milliamperes: plausible figures of our own, for the power supply's display.
    pub(crate) fn current(&self) -> f64 {
        if self.power == Power::Off {
            return 0.0;
        }
        let running = |core, when_running| match self.cpus[index(core)].run {
            Run::Running | Run::LockedUp | Run::Halted => when_running,
            Run::Asleep | Run::Held => 0.0,
        };
        0.6 + running(Core::App, 3.6) + running(Core::Net, 2.1)
    }

    // ---- What a programmer in a factory does ----

    /// Puts bytes into `core`'s flash or UICR, whatever protects them. Says whether all of them fit.
    pub(crate) fn load(&mut self, core: Core, address: u32, data: &[u8]) -> Result<(), Fault> {
        let last = address.wrapping_add(data.len().saturating_sub(1) as u32);
        if Silicon::is_own_flash(core, address) && Silicon::is_own_flash(core, last) {
            let offset = (address - flash_base(core)) as usize;
            self.silicon.flash_mut(core).load(offset, data);
            return Ok(());
        }
        match (
            Silicon::uicr_offset(core, address),
            Silicon::uicr_offset(core, last),
        ) {
            (Some(offset), Some(_)) => {
                self.silicon.load_uicr(core, offset, data);
                Ok(())
            }
            _ => Err(Fault { address }),
        }
    }

    pub(crate) fn flash_wear(&self, core: Core) -> FlashWear {
        self.silicon.flash(core).wear()
    }

    pub(crate) fn run_state(&self, core: Core) -> Run {
        self.cpus[index(core)].run
    }

    // ---- The debugger's side ----

    /// DeviceEn of `core`'s AHB-AP.
    pub(super) fn port_is_open(&self, core: Core) -> bool {
        let dead =
            core == Core::Net && self.silicon.force_off && self.view == ForceOffView::Faithful;
        self.power == Power::On && !self.protection.is_closed(core) && !dead
    }

    /// SPIDEN of `core`'s AHB-AP.
    pub(super) fn port_is_secure(&self, core: Core) -> bool {
        self.port_is_open(core) && !self.protection.is_secure_closed(core)
    }

    /// A read over `core`'s AHB-AP. Reading DHCSR lets a program in RAM go on.
    pub(super) fn debug_read(
        &mut self,
        core: Core,
        address: u32,
        buffer: &mut [u8],
        emulator: &mut Emulator,
    ) -> Result<(), Fault> {
        if !self.may_access(core, address) {
            return Err(Fault { address });
        }
        if address < SCS_START {
            return self.silicon.read(core, address, buffer);
        }
        let mut address = address;
        let mut rest = buffer;
        while !rest.is_empty() {
            if address & !3 == DHCSR && self.cpus[index(core)].runs_from_ram() {
                self.emulate(core, INSTRUCTIONS_PER_POLL, emulator);
            }
            let word = self.cpus[index(core)].read_scs(address & !3).to_le_bytes();
            let within = (address % 4) as usize;
            let length = rest.len().min(4 - within);
            rest[..length].copy_from_slice(&word[within..within + length]);
            rest = &mut rest[length..];
            address = address.wrapping_add(length as u32);
        }
        Ok(())
    }

    /// A write over `core`'s AHB-AP.
    pub(super) fn debug_write(
        &mut self,
        core: Core,
        address: u32,
        data: &[u8],
        emulator: &mut Emulator,
    ) -> Result<(), Fault> {
        if !self.may_access(core, address) {
            return Err(Fault { address });
        }
        if address < SCS_START {
            let result = self.silicon.write(core, address, data);
            if !self.silicon.force_off_writes.is_empty() {
                self.settle();
            }
            return result;
        }
        if !address.is_multiple_of(4) || !data.len().is_multiple_of(4) {
            return Err(Fault { address });
        }
        for (offset, word) in (0..).step_by(4).zip(data.chunks_exact(4)) {
            let value = word
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u32::from(byte));
            let register = address.wrapping_add(offset);
            let cpu = &mut self.cpus[index(core)];
            match cpu.write_scs(register, value, self.in_pin_reset) {
                SystemReset::Requested => self.system_reset(core),
                SystemReset::NotRequested if register == DHCSR => {
                    if self.cpus[index(core)].wants_step() {
                        self.emulate(core, 1, emulator);
                        self.cpus[index(core)].stepped();
                    }
                    self.settle();
                }
                SystemReset::NotRequested => {}
            }
        }
        Ok(())
    }

    fn may_access(&self, core: Core, address: u32) -> bool {
        // The debug registers themselves answer a non-secure debugger too.
        self.port_is_secure(core) || (self.port_is_open(core) && address >= SCS_START)
    }

    fn emulate(&mut self, core: Core, limit: u64, emulator: &mut Emulator) {
        emulator.run(&mut self.cpus[index(core)], &mut self.silicon, limit);
        self.settle();
    }

    /// A register of `core`'s CTRL-AP, which answers whatever protects the core.
    pub(super) fn control_read(&mut self, core: Core, register: u8) -> u32 {
        match register {
            ERASEALLSTATUS => u32::from(std::mem::take(&mut self.erasing[index(core)])),
            _ => 0,
        }
    }

    pub(super) fn control_write(&mut self, core: Core, register: u8, value: u32) {
        match register {
            CONTROL_RESET if value & 1 == 1 => self.hold(core),
            CONTROL_RESET if self.cpus[index(core)].run == Run::Held && !self.in_pin_reset => {
                self.silicon.reset_reasons[index(core)] |= match core {
                    Core::App => reason::CTRL_AP,
                    Core::Net => reason::NET_CTRL_AP,
                };
                self.leave_reset(core);
            }
            ERASEALL if value & 1 == 1 => self.erase_all(core),
            _ => {}
        }
        self.settle();
    }

    /// ERASEALL of a CTRL-AP: flash, UICR and RAM of that core are gone and its port is open. That of the
    /// network core takes the application core's flash too (`zephyr` pull request 63448).
    fn erase_all(&mut self, core: Core) {
        if self.silicon.erase_protected[index(core)] {
            return;
        }
        self.erasing[index(core)] = true;
        self.silicon.wipe(core);
        self.protection.open(core);
        if core == Core::Net && !self.silicon.erase_protected[0] {
            self.silicon.flash_mut(Core::App).erase_all();
        }
        self.hold(core);
        if !self.in_pin_reset {
            self.leave_reset(core);
        }
    }

    // ---- The firmware's side ----

    pub(crate) fn gate(&self, core: Core, epoch: u64) -> Gate {
        let cpu = &self.cpus[index(core)];
        if cpu.epoch != epoch {
            Gate::Stopped
        } else if cpu.runs_firmware() && !cpu.firmware_locked_up {
            Gate::Go
        } else {
            Gate::Wait
        }
    }

    pub(crate) fn epoch(&self, core: Core) -> u64 {
        self.cpus[index(core)].epoch
    }

    pub(crate) fn read(&self, core: Core, address: u32, buffer: &mut [u8]) -> Result<(), Fault> {
        self.silicon.read(core, address, buffer)
    }

    /// Writes RAM, and nothing else.
    pub(crate) fn write_ram(&mut self, core: Core, address: u32, data: &[u8]) -> Result<(), Fault> {
        let last = address.wrapping_add(data.len().saturating_sub(1) as u32);
        for address in [address, last] {
            if !Silicon::is_ram(core, address) {
                return Err(Fault { address });
            }
        }
        self.silicon.write(core, address, data)
    }

    /// Whether `address..address + length` lies in `core`'s own flash.
    pub(crate) fn is_own_flash(core: Core, address: u32, length: u32) -> bool {
        length == 0
            || Silicon::is_own_flash(core, address)
                && address
                    .checked_add(length - 1)
                    .is_some_and(|last| Silicon::is_own_flash(core, last))
    }

    /// Programs a word that the caller has checked with [`is_own_flash`](Self::is_own_flash).
    pub(crate) fn program_word(&mut self, core: Core, address: u32, value: u32) {
        let offset = address.wrapping_sub(flash_base(core)) as usize;
        self.silicon.flash_mut(core).program(offset, value);
    }

    /// Erases the page that holds `address`, checked as above.
    pub(crate) fn erase_page(&mut self, core: Core, address: u32) {
        let offset = address.wrapping_sub(flash_base(core)) & !(page_size(core) - 1);
        self.silicon.flash_mut(core).erase_page(offset as usize);
    }

    pub(crate) fn set_flash_busy(&mut self, core: Core, busy: bool) {
        self.silicon.set_nvmc_busy(core, busy);
    }

    /// Whether the external flash has `offset..offset + length`.
    pub(crate) fn is_external(offset: u32, length: usize) -> bool {
        ExternalFlash::contains(offset, length)
    }

    pub(crate) fn program_external(&mut self, offset: u32, data: &[u8]) {
        self.silicon.external_mut().program(offset, data);
    }

    pub(crate) fn erase_external_sector(&mut self, offset: u32) {
        self.silicon
            .external_mut()
            .erase_sector(offset / EXTERNAL_SECTOR * EXTERNAL_SECTOR);
    }

    pub(crate) fn set_force_off(&mut self, force_off: bool) {
        if force_off != self.silicon.force_off {
            self.silicon.force_off = force_off;
            self.silicon.force_off_writes.push(force_off);
            self.settle();
        }
    }

    pub(crate) fn reset_reasons(&self, core: Core) -> u32 {
        self.silicon.reset_reasons[index(core)]
    }

    pub(crate) fn clear_reset_reasons(&mut self, core: Core) {
        self.silicon.reset_reasons[index(core)] = 0;
    }

    pub(crate) fn lock_up_firmware(&mut self, core: Core) {
        self.cpus[index(core)].lock_up_firmware();
        self.settle();
    }
}

/// Everything from here up is the core's private peripheral bus: debug registers and ROM table.
const SCS_START: u32 = 0xe000_0000;
const DHCSR: u32 = 0xe000_edf0;
const CONTROL_RESET: u8 = 0x00;
const ERASEALL: u8 = 0x04;
const ERASEALLSTATUS: u8 = 0x08;

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const FORCEOFF: u32 = 0x5000_5614;

    /// A powered chip with something that looks like firmware in both flashes.
    fn chip(view: ForceOffView) -> Chip {
        let mut chip = Chip::new("dk1", view);
        let vectors = |base: u32| {
            [0x2000_1000u32, base + 0x201]
                .map(u32::to_le_bytes)
                .concat()
        };
        chip.load(Core::App, 0, &vectors(0)).unwrap();
        chip.load(Core::Net, 0x0100_0000, &vectors(0x0100_0000))
            .unwrap();
        chip.set_power(Power::On);
        chip
    }

    fn write(chip: &mut Chip, core: Core, address: u32, value: u32) -> Result<(), Fault> {
        chip.debug_write(
            core,
            address,
            &value.to_le_bytes(),
            &mut Emulator::new(core),
        )
    }

    fn read(chip: &mut Chip, core: Core, address: u32) -> Result<u32, Fault> {
        let mut word = [0; 4];
        chip.debug_read(core, address, &mut word, &mut Emulator::new(core))?;
        Ok(u32::from_le_bytes(word))
    }

    fn starts(chip: &mut Chip) -> Vec<Core> {
        chip.take_starts().iter().map(|start| start.core).collect()
    }

    #[test]
    fn power_starts_the_application_core_and_force_off_the_network_core() {
        let mut chip = chip(ForceOffView::Faithful);
        assert_eq!(starts(&mut chip), [Core::App]);
        assert_eq!(chip.run_state(Core::Net), Run::Held);
        chip.set_force_off(false);
        assert_eq!(starts(&mut chip), [Core::Net]);
        assert_eq!(chip.reset_reasons(Core::Net), reason::NET_FORCE_OFF);
        chip.set_force_off(false);
        assert_eq!(starts(&mut chip), [], "it runs already");
    }

    #[test]
    fn blank_flash_locks_up_and_starts_no_firmware() {
        let mut chip = Chip::new("dk1", ForceOffView::Faithful);
        chip.set_power(Power::On);
        assert_eq!(chip.run_state(Core::App), Run::LockedUp);
        assert_eq!(starts(&mut chip), []);
    }

    #[test]
    fn an_application_reset_holds_the_network_core_off() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.set_force_off(false);
        let before = (chip.epoch(Core::App), chip.epoch(Core::Net));
        chip.take_starts();
        chip.system_reset(Core::App);
        assert_eq!(starts(&mut chip), [Core::App]);
        assert_eq!(chip.run_state(Core::Net), Run::Held);
        assert_eq!(chip.gate(Core::App, before.0), Gate::Stopped);
        assert_eq!(chip.gate(Core::Net, before.1), Gate::Stopped);
    }

    #[test]
    fn a_network_reset_leaves_the_application_core_alone() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.set_force_off(false);
        let app = chip.epoch(Core::App);
        chip.take_starts();
        chip.system_reset(Core::Net);
        assert_eq!(starts(&mut chip), [Core::Net]);
        assert_eq!(chip.gate(Core::App, app), Gate::Go);
        assert_eq!(
            chip.reset_reasons(Core::Net),
            reason::NET_FORCE_OFF | reason::NET_SOFT
        );
    }

    #[rstest]
    #[case::faithful(ForceOffView::Faithful, false)]
    #[case::lenient(ForceOffView::Lenient, true)]
    fn the_network_port_of_a_core_held_off(#[case] view: ForceOffView, #[case] open: bool) {
        let mut chip = chip(view);
        assert_eq!(chip.port_is_open(Core::Net), open);
        write(&mut chip, Core::App, FORCEOFF, 0).unwrap();
        assert!(chip.port_is_open(Core::Net));
        chip.system_reset(Core::App);
        assert_eq!(chip.port_is_open(Core::Net), open);
    }

    #[test]
    fn reset_reasons_accumulate_until_power_is_lost() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.system_reset(Core::App);
        chip.set_pin_reset(true);
        chip.set_pin_reset(false);
        assert_eq!(chip.reset_reasons(Core::App), reason::SOFT | reason::PIN);
        chip.set_power(Power::Off);
        chip.set_power(Power::On);
        assert_eq!(chip.reset_reasons(Core::App), 0);
    }

    #[test]
    fn ram_survives_a_reset_and_not_a_power_cycle() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.write_ram(Core::App, 0x2000_0000, &[1, 2, 3, 4])
            .unwrap();
        chip.system_reset(Core::App);
        assert_eq!(read(&mut chip, Core::App, 0x2000_0000), Ok(0x0403_0201));
        chip.set_power(Power::Off);
        chip.set_power(Power::On);
        assert_eq!(read(&mut chip, Core::App, 0x2000_0000), Ok(0));
    }

    #[test]
    fn a_part_with_erased_uicr_is_closed_after_a_power_cycle_and_erase_all_opens_it() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.load(Core::App, 0x00ff_8000, &[0xff; 4]).unwrap();
        chip.system_reset(Core::App);
        assert!(chip.port_is_open(Core::App), "a soft reset does not look");
        chip.set_power(Power::Off);
        chip.set_power(Power::On);
        assert!(!chip.port_is_open(Core::App));
        assert_eq!(read(&mut chip, Core::App, 0), Err(Fault { address: 0 }));

        chip.control_write(Core::App, ERASEALL, 1);
        assert_eq!(chip.control_read(Core::App, ERASEALLSTATUS), 1, "busy");
        assert_eq!(chip.control_read(Core::App, ERASEALLSTATUS), 0, "done");
        assert_eq!(read(&mut chip, Core::App, 0), Ok(u32::MAX));
        assert_eq!(chip.run_state(Core::App), Run::LockedUp);
    }

    #[test]
    fn erasing_the_network_core_takes_the_application_flash_with_it() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.control_write(Core::Net, ERASEALL, 1);
        assert_eq!(read(&mut chip, Core::App, 4), Ok(u32::MAX));
    }

    #[test]
    fn erase_protection_refuses_erase_all() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.load(Core::App, 0x00ff_8020, &[0; 4]).unwrap();
        chip.set_pin_reset(true);
        chip.set_pin_reset(false);
        chip.control_write(Core::App, ERASEALL, 1);
        assert_eq!(read(&mut chip, Core::App, 4), Ok(0x201));
    }

    #[test]
    fn secure_protection_leaves_the_debug_registers_only() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.load(Core::App, 0x00ff_801c, &[0xff; 4]).unwrap();
        chip.set_power(Power::Off);
        chip.set_power(Power::On);
        assert!(chip.port_is_open(Core::App));
        assert!(!chip.port_is_secure(Core::App));
        assert_eq!(read(&mut chip, Core::App, 0), Err(Fault { address: 0 }));
        assert!(read(&mut chip, Core::App, DHCSR).is_ok());
    }

    #[test]
    fn a_halt_makes_firmware_wait_and_resuming_lets_the_same_one_go_on() {
        let mut chip = chip(ForceOffView::Faithful);
        let epoch = chip.epoch(Core::App);
        assert_eq!(starts(&mut chip), [Core::App]);
        write(&mut chip, Core::App, DHCSR, 0xa05f_0003).unwrap();
        assert_eq!(chip.gate(Core::App, epoch), Gate::Wait);
        write(&mut chip, Core::App, DHCSR, 0xa05f_0001).unwrap();
        assert_eq!(chip.gate(Core::App, epoch), Gate::Go);
        assert_eq!(starts(&mut chip), []);
    }

    #[test]
    fn a_core_stopped_at_its_reset_starts_its_firmware_when_it_is_resumed() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.take_starts();
        write(&mut chip, Core::App, 0xe000_edfc, 1).unwrap();
        write(&mut chip, Core::App, 0xe000_ed0c, 0x05fa_0004).unwrap();
        assert_eq!(chip.run_state(Core::App), Run::Halted);
        assert_eq!(starts(&mut chip), []);
        write(&mut chip, Core::App, DHCSR, 0xa05f_0001).unwrap();
        assert_eq!(starts(&mut chip), [Core::App]);
    }

    #[test]
    fn nothing_runs_in_pin_reset_but_debug_registers_answer() {
        let mut chip = chip(ForceOffView::Faithful);
        chip.set_pin_reset(true);
        write(&mut chip, Core::App, 0xe000_edfc, 1).unwrap();
        assert_eq!(chip.run_state(Core::App), Run::Held);
        chip.set_pin_reset(false);
        assert_eq!(chip.run_state(Core::App), Run::Halted, "vector catch");
    }

    #[test]
    fn without_power_nothing_answers() {
        let mut chip = chip(ForceOffView::Lenient);
        chip.set_power(Power::Off);
        assert!(!chip.port_is_open(Core::App) && !chip.port_is_open(Core::Net));
        assert!(chip.current() == 0.0);
    }
}
