//! One Cortex-M33 as a debugger sees it: registers, DHCSR and its relatives, breakpoints, watchpoints.
//!
//! A core runs in one of two ways. With its program counter in RAM it is emulated, instruction by instruction
//! (flash algorithms). With its program counter in its own flash, model firmware runs on a host thread; the
//! registers then stand at the reset vector, and a halt takes effect at the firmware's next bus access. Its stores to
//! flash and to the registers that control flash are shown to the watchpoints, which halt it in the middle of an operation.

use super::dwt::{Access, Dwt};
use super::silicon::{Silicon, index};
use crate::bus::Core;
use armagnac::registers::CoreRegisters;
use std::collections::BTreeMap;

/// Address that a core fetches from after its vector table was blank: 0xFFFF_FFFF without the Thumb bit.
const BLANK_VECTOR: u32 = 0xffff_fffe;
/// Where an Armv8-M core stands in lock-up after a fault in a fault handler.
const LOCKUP_ADDRESS: u32 = 0xefff_fffe;

const C_DEBUGEN: u32 = 1 << 0;
const C_HALT: u32 = 1 << 1;
const C_STEP: u32 = 1 << 2;
const VC_CORERESET: u32 = 1 << 0;
const DFSR_HALTED: u32 = 1 << 0;
const DFSR_BKPT: u32 = 1 << 1;
const DFSR_DWTTRAP: u32 = 1 << 2;
const DFSR_VCATCH: u32 = 1 << 3;
/// DEMCR.TRCENA: the watchpoints work.
const TRCENA: u32 = 1 << 24;
/// The T bit: always set, the core knows no other state.
const XPSR_T: u32 = 1 << 24;
/// Hardware breakpoints of the Cortex-M33 of an nRF5340 (FP_CTRL.NUM_CODE).
const BREAKPOINTS: usize = 8;

/// What a core is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Run {
    /// Held in reset, held off, or without power.
    Held,
    /// Stopped by the debugger.
    Halted,
    /// Executing.
    Running,
    /// In WFI or WFE.
    Asleep,
    /// In lock-up.
    LockedUp,
}

/// Registers and debug state of one core.
#[derive(Debug)]
pub(super) struct Cpu {
    core: Core,
    pub(super) run: Run,
    pub(super) registers: CoreRegisters,
    /// Which start of the core this is. Firmware of an earlier one is gone.
    pub(super) epoch: u64,
    /// Model firmware was started for this epoch.
    pub(super) firmware_started: bool,
    /// The firmware of this epoch has entered lock-up: resuming it does not help.
    pub(super) firmware_locked_up: bool,
    /// FPU and security registers, which nothing here uses but debuggers save and restore.
    other_registers: BTreeMap<u8, u32>,
    /// DHCSR.C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS.
    control: u32,
    /// DHCSR.S_RESET_ST: sticky, cleared by reading.
    was_reset: bool,
    /// DHCSR.S_RETIRE_ST: sticky, cleared by reading.
    has_retired: bool,
    dfsr: u32,
    demcr: u32,
    dcrdr: u32,
    breakpoints_enabled: bool,
    breakpoints: [u32; BREAKPOINTS],
    pub(super) watchpoints: Dwt,
}

impl Cpu {
    pub(super) fn new(core: Core) -> Self {
        Self {
            core,
            run: Run::Held,
            registers: CoreRegisters::new(),
            epoch: 0,
            firmware_started: false,
            firmware_locked_up: false,
            other_registers: BTreeMap::new(),
            control: 0,
            was_reset: true,
            has_retired: false,
            dfsr: 0,
            demcr: 0,
            dcrdr: 0,
            breakpoints_enabled: false,
            breakpoints: [0; BREAKPOINTS],
            watchpoints: Dwt::default(),
        }
    }

    /// The core stops being: its firmware is gone. Debug registers survive, as on silicon.
    pub(super) fn hold(&mut self) {
        self.run = Run::Held;
        self.epoch += 1;
        self.firmware_started = false;
        self.firmware_locked_up = false;
        self.was_reset = true;
        self.control &= C_DEBUGEN;
    }

    /// Power is gone: debug registers too.
    pub(super) fn lose_power(&mut self) {
        let epoch = self.epoch;
        *self = Self::new(self.core);
        self.epoch = epoch;
        self.hold();
    }

    /// Leaves reset with the vector table's stack pointer and entry.
    ///
    /// VC_CORERESET halts even when C_DEBUGEN is still 0, and sets it: probe-rs arms it in that order when it
    /// attaches under reset, and expects it to work, as it does on the silicon it was tried on.
    pub(super) fn leave_reset(&mut self, stack_pointer: u32, entry: u32) {
        self.registers = CoreRegisters::new();
        self.registers.msp = stack_pointer & !3;
        self.registers.pc = entry & !1;
        self.registers.lr = u32::MAX;
        self.registers.psr.set(XPSR_T);
        self.other_registers.clear();
        self.was_reset = true;
        if self.demcr & VC_CORERESET != 0 {
            self.control |= C_DEBUGEN | C_HALT;
            self.dfsr |= DFSR_VCATCH;
            self.run = Run::Halted;
        } else if self.control & C_HALT != 0 {
            self.dfsr |= DFSR_HALTED;
            self.run = Run::Halted;
        } else {
            self.go();
        }
    }

    /// The debugger wants to stop the core at its next reset.
    pub(super) fn catches_reset(&self) -> bool {
        self.demcr & VC_CORERESET != 0
    }

    /// Starts executing at the program counter, or locks up when nothing can be executed there.
    fn go(&mut self) {
        let pc = self.registers.pc;
        let has_firmware = Silicon::is_own_flash(self.core, pc) && !self.firmware_locked_up;
        if has_firmware || Silicon::is_ram(self.core, pc) {
            self.run = Run::Running;
            return;
        }
        if pc == BLANK_VECTOR {
            tracing::debug!(core = ?self.core, "flash is blank: lock-up");
        }
        self.run = Run::LockedUp;
    }

    /// Instructions come from RAM: the emulator's job.
    pub(super) fn runs_from_ram(&self) -> bool {
        self.run == Run::Running && Silicon::is_ram(self.core, self.registers.pc)
    }

    /// Model firmware's job.
    pub(super) fn runs_firmware(&self) -> bool {
        self.run == Run::Running && !Silicon::is_ram(self.core, self.registers.pc)
    }

    /// The emulated program did what the core cannot get out of by itself.
    pub(super) fn lock_up(&mut self) {
        self.run = Run::LockedUp;
    }

    /// Model firmware locked up, and stays so until the next reset.
    pub(super) fn lock_up_firmware(&mut self) {
        self.firmware_locked_up = true;
        self.registers.pc = LOCKUP_ADDRESS;
        if self.run != Run::Halted {
            self.run = Run::LockedUp;
        }
    }

    /// A breakpoint, or a BKPT instruction. Without a debugger a BKPT is a fault.
    pub(super) fn break_in(&mut self) {
        if self.control & C_DEBUGEN == 0 {
            return self.lock_up();
        }
        self.run = Run::Halted;
        self.dfsr |= DFSR_BKPT;
        self.control |= C_HALT;
    }

    /// Emulation ends with this program counter; the core goes on there if it can.
    pub(super) fn retired(&mut self, registers: CoreRegisters) {
        self.registers = registers;
        self.has_retired = true;
        if self.run == Run::Running {
            self.go();
        }
    }

    pub(super) fn has_breakpoints(&self) -> bool {
        self.breakpoints_enabled
            && self
                .breakpoints
                .iter()
                .any(|comparator| comparator & 1 == 1)
    }

    pub(super) fn is_breakpoint(&self, pc: u32) -> bool {
        self.breakpoints_enabled
            && self
                .breakpoints
                .iter()
                .any(|comparator| comparator & 1 == 1 && comparator & !1 == pc)
    }

    /// Whether data accesses have to be shown to the watchpoints.
    pub(super) fn is_watched(&self) -> bool {
        self.demcr & TRCENA != 0 && self.watchpoints.watches_data()
    }

    /// Whether a store to the word at `address` has to be shown to the watchpoints.
    pub(super) fn may_meet(&self, address: u32) -> bool {
        self.demcr & TRCENA != 0 && self.watchpoints.may_match(address)
    }

    /// The core makes this access. A watchpoint that it meets halts it behind the access, with halting debug enabled.
    pub(super) fn access(&mut self, access: Access) {
        if self.demcr & TRCENA != 0 && self.watchpoints.access(access) {
            self.trap();
        }
    }

    /// DHCSR.C_DEBUGEN.
    pub(super) fn has_halting_debug(&self) -> bool {
        self.control & C_DEBUGEN != 0
    }

    /// A watchpoint was met. Unlike a BKPT it is nothing to a core without a debugger.
    pub(super) fn trap(&mut self) {
        if self.has_halting_debug() && self.run == Run::Running {
            self.run = Run::Halted;
            self.dfsr |= DFSR_DWTTRAP;
            self.control |= C_HALT;
        }
    }

    /// A single step was asked for and has not been done.
    pub(super) fn wants_step(&self) -> bool {
        self.run == Run::Running && self.control & C_STEP != 0 && self.control & C_HALT == 0
    }

    /// The step is done; halts unless the instruction stopped the core in another way.
    pub(super) fn stepped(&mut self) {
        if self.run == Run::Running {
            self.run = Run::Halted;
            self.dfsr |= DFSR_HALTED;
        }
        if self.run == Run::Halted {
            self.control |= C_HALT;
        }
    }

    fn dhcsr(&mut self) -> u32 {
        const S_REGRDY: u32 = 1 << 16;
        const S_HALT: u32 = 1 << 17;
        const S_SLEEP: u32 = 1 << 18;
        const S_LOCKUP: u32 = 1 << 19;
        const S_SDE: u32 = 1 << 20;
        const S_RETIRE_ST: u32 = 1 << 24;
        const S_RESET_ST: u32 = 1 << 25;
        let state = match self.run {
            Run::Held | Run::Running => 0,
            Run::Halted => S_HALT,
            Run::Asleep => S_SLEEP,
            Run::LockedUp => S_LOCKUP,
        };
        let mut value = self.control | S_REGRDY | S_SDE | state;
        if self.was_reset {
            value |= S_RESET_ST;
        }
        if self.has_retired || self.runs_firmware() {
            value |= S_RETIRE_ST;
        }
        self.was_reset = self.run == Run::Held;
        self.has_retired = false;
        value
    }

    /// `in_pin_reset`: a halt asked for then happens when the core leaves reset.
    fn write_dhcsr(&mut self, value: u32, in_pin_reset: bool) {
        const DBGKEY: u32 = 0xa05f;
        if value >> 16 != DBGKEY {
            return;
        }
        self.control = if value & C_DEBUGEN == 0 {
            0
        } else {
            value & 0xf
        };
        if self.run == Run::Held && in_pin_reset {
            return;
        }
        if self.control & C_HALT != 0 {
            if self.run != Run::Halted {
                self.run = Run::Halted;
                self.dfsr |= DFSR_HALTED;
            }
        } else if self.run == Run::Halted {
            self.go();
            if self.wants_step() && !self.runs_from_ram() {
                // One instruction of model firmware is nothing.
                self.stepped();
            }
        }
    }

    /// Reads a register of the private peripheral bus; `address` is a multiple of 4.
    pub(super) fn read_scs(&mut self, address: u32) -> u32 {
        match address {
            0xe000_edf0 => self.dhcsr(),
            0xe000_edf8 => self.dcrdr,
            0xe000_edfc => self.demcr,
            0xe000_ed30 => self.dfsr,
            0xe000_ed00 => 0x410f_d214, // CPUID: Cortex-M33 r0p4
            0xe000_ed0c => 0xfa05_0000, // AIRCR, little-endian
            // MVFR0 and ID_PFR1: the application core has an FPU and TrustZone.
            0xe000_ef40 => [0x1011_0021, 0][index(self.core)],
            0xe000_ed44 => [0x210, 0x200][index(self.core)],
            // FP_CTRL: version 2, NUM_CODE.
            0xe000_2000 => {
                0x1000_0000 | (BREAKPOINTS as u32) << 4 | u32::from(self.breakpoints_enabled)
            }
            0xe000_2008..=0xe000_2027 => self.breakpoints[(address as usize - 0xe000_2008) / 4],
            _ if Dwt::is_register(address) => {
                if self.demcr & TRCENA == 0 {
                    return 0;
                }
                self.watchpoints.read(address)
            }
            // CPU's ROM table: Nordic (JEP106 bank 2, 0x44), part 0x340 as debuggers know the nRF5340.
            0xe00f_efd0 => 0x02,
            0xe00f_efe0 => 0x40,
            0xe00f_efe4 => 0x43,
            0xe00f_efe8 => 0x0c,
            0xe00f_eff0 => 0x0d,
            0xe00f_eff4 => 0x10,
            0xe00f_eff8 => 0x05,
            0xe00f_effc => 0xb1,
            _ => 0,
        }
    }

    /// Writes a register of the private peripheral bus. Says whether a system reset was asked for.
    pub(super) fn write_scs(
        &mut self,
        address: u32,
        value: u32,
        in_pin_reset: bool,
    ) -> SystemReset {
        const VECTKEY: u32 = 0x05fa;
        const SYSRESETREQ: u32 = 1 << 2;
        match address {
            0xe000_edf0 => self.write_dhcsr(value, in_pin_reset),
            0xe000_edf4 => {
                let selector = (value & 0x7f) as u8;
                if value & 1 << 16 == 0 {
                    self.dcrdr = self.register(selector);
                } else if let Some((selector, value)) = self.register_to_set(value) {
                    self.set_register(selector, value);
                }
            }
            0xe000_edf8 => self.dcrdr = value,
            0xe000_edfc => self.demcr = value,
            0xe000_ed30 => self.dfsr &= !value,
            0xe000_ed0c if value >> 16 == VECTKEY && value & SYSRESETREQ != 0 => {
                return SystemReset::Requested;
            }
            0xe000_2000 if value & 2 != 0 => self.breakpoints_enabled = value & 1 != 0,
            0xe000_2008..=0xe000_2027 => {
                self.breakpoints[(address as usize - 0xe000_2008) / 4] = value;
            }
            _ if Dwt::is_register(address) && self.demcr & TRCENA != 0 => {
                self.watchpoints.write(address, value);
            }
            _ => {}
        }
        SystemReset::NotRequested
    }

    /// The register, by DCRSR's numbers, and the value that a write of `value` to DCRSR puts there; `None` where it puts none.
    pub(super) fn register_to_set(&self, value: u32) -> Option<(u8, u32)> {
        let sets = value & 1 << 16 != 0 && self.run == Run::Halted;
        sets.then_some(((value & 0x7f) as u8, self.dcrdr))
    }

    /// DCRSR's numbering of the registers (Armv8-M reference manual, DCRSR.REGSEL).
    fn register(&self, selector: u8) -> u32 {
        let r = &self.registers;
        match selector {
            0 => r.r0,
            1 => r.r1,
            2 => r.r2,
            3 => r.r3,
            4 => r.r4,
            5 => r.r5,
            6 => r.r6,
            7 => r.r7,
            8 => r.r8,
            9 => r.r9,
            10 => r.r10,
            11 => r.r11,
            12 => r.r12,
            13 => r.sp(),
            14 => r.lr,
            15 => r.pc,
            16 => r.psr.get() | XPSR_T,
            17 => r.msp,
            18 => r.psp,
            other => self.other_registers.get(&other).copied().unwrap_or(0),
        }
    }

    fn set_register(&mut self, selector: u8, value: u32) {
        let r = &mut self.registers;
        match selector {
            0 => r.r0 = value,
            1 => r.r1 = value,
            2 => r.r2 = value,
            3 => r.r3 = value,
            4 => r.r4 = value,
            5 => r.r5 = value,
            6 => r.r6 = value,
            7 => r.r7 = value,
            8 => r.r8 = value,
            9 => r.r9 = value,
            10 => r.r10 = value,
            11 => r.r11 = value,
            12 => r.r12 = value,
            13 => *r.sp_mut() = value & !3,
            14 => r.lr = value,
            15 => r.pc = value & !1,
            16 => r.psr.set(value | XPSR_T),
            17 => r.msp = value & !3,
            18 => r.psp = value & !3,
            other => {
                self.other_registers.insert(other, value);
            }
        }
    }
}

/// Whether a write to AIRCR asked for a system reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SystemReset {
    Requested,
    NotRequested,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DHCSR: u32 = 0xe000_edf0;
    const S_HALT: u32 = 1 << 17;
    const S_LOCKUP: u32 = 1 << 19;
    const S_RESET_ST: u32 = 1 << 25;

    fn running() -> Cpu {
        let mut cpu = Cpu::new(Core::App);
        cpu.leave_reset(0x2000_1000, 0x0000_0201);
        cpu
    }

    #[test]
    fn a_write_to_dhcsr_without_its_key_does_nothing() {
        let mut cpu = running();
        cpu.write_scs(DHCSR, 0x0000_0003, false);
        assert_eq!(cpu.run, Run::Running);
        cpu.write_scs(DHCSR, 0xa05f_0003, false);
        assert_eq!(cpu.run, Run::Halted);
    }

    #[test]
    fn the_reset_bit_is_read_once() {
        let mut cpu = running();
        assert_ne!(cpu.read_scs(DHCSR) & S_RESET_ST, 0);
        assert_eq!(cpu.read_scs(DHCSR) & S_RESET_ST, 0);
    }

    #[test]
    fn a_halt_gets_a_locked_up_core_out_of_lock_up_and_resuming_puts_it_back() {
        let mut cpu = Cpu::new(Core::App);
        cpu.leave_reset(u32::MAX, u32::MAX);
        assert_eq!(cpu.registers.pc, BLANK_VECTOR);
        assert_ne!(cpu.read_scs(DHCSR) & S_LOCKUP, 0);
        cpu.write_scs(DHCSR, 0xa05f_0003, false);
        let status = cpu.read_scs(DHCSR);
        assert_eq!((status & S_HALT, status & S_LOCKUP), (S_HALT, 0));
        cpu.write_scs(DHCSR, 0xa05f_0001, false);
        assert_eq!(cpu.run, Run::LockedUp);
    }

    #[test]
    fn vector_catch_halts_at_the_entry_and_survives_the_reset() {
        let mut cpu = running();
        cpu.write_scs(0xe000_edfc, VC_CORERESET, false);
        cpu.hold();
        cpu.leave_reset(0x2000_1000, 0x0000_0401);
        assert_eq!((cpu.run, cpu.registers.pc), (Run::Halted, 0x400));
        assert_ne!(cpu.read_scs(0xe000_ed30) & DFSR_VCATCH, 0);
    }

    #[test]
    fn every_reset_is_a_new_epoch() {
        let mut cpu = running();
        let before = cpu.epoch;
        cpu.hold();
        assert!(cpu.epoch > before);
        let held = cpu.epoch;
        cpu.lose_power();
        assert!(cpu.epoch > held);
    }

    #[test]
    fn locked_up_firmware_does_not_come_back_by_resuming() {
        let mut cpu = running();
        cpu.lock_up_firmware();
        cpu.write_scs(DHCSR, 0xa05f_0003, false);
        cpu.set_register(15, 0x200);
        cpu.write_scs(DHCSR, 0xa05f_0001, false);
        assert_eq!(cpu.run, Run::LockedUp);
    }
}
