//! What a debugger reaches: memory over the AHB-APs, and the CTRL-APs that erase and reset.

use super::{Chip, ForceOffView, INSTRUCTIONS_PER_POLL, Power, reason};
use crate::bus::Core;
use crate::chip::cpu::{Run, SystemReset};
use crate::chip::debug_log::Operation;
use crate::chip::emulator::Emulator;
use crate::chip::silicon::{Fault, Silicon, flash_base, index};

impl Chip {
    /// DeviceEn of `core`'s AHB-AP.
    pub(in crate::chip) fn port_is_open(&self, core: Core) -> bool {
        let dead =
            core == Core::Net && self.silicon.force_off && self.view == ForceOffView::Faithful;
        self.power == Power::On && !self.protection.is_closed(core) && !dead
    }

    /// SPIDEN of `core`'s AHB-AP.
    pub(in crate::chip) fn port_is_secure(&self, core: Core) -> bool {
        self.port_is_open(core) && !self.protection.is_secure_closed(core)
    }

    /// A read over `core`'s AHB-AP. Reading DHCSR lets a program in RAM go on.
    pub(in crate::chip) fn debug_read(
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
    pub(in crate::chip) fn debug_write(
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
            if result.is_ok() {
                self.record_write(core, address, data);
            }
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
            self.record_store(core, register, value);
            let cpu = &mut self.cpus[index(core)];
            match cpu.write_scs(register, value, self.in_pin_reset) {
                SystemReset::Requested => self.system_reset(core),
                SystemReset::NotRequested if register == DHCSR => {
                    if self.cpus[index(core)].wants_step() {
                        self.emulate(core, 1, emulator);
                        self.recorder.operation(|| Operation::Step { core });
                        self.cpus[index(core)].stepped();
                    }
                    self.settle();
                }
                SystemReset::NotRequested => {}
            }
        }
        Ok(())
    }

    /// A write below the private peripheral bus. What it programs or erases the silicon writes down itself.
    fn record_write(&self, core: Core, address: u32, data: &[u8]) {
        if Silicon::is_ram(core, address) {
            self.recorder.operation(|| Operation::Ram {
                core,
                address,
                data: data.to_vec(),
            });
        } else if self.recorder.is_on() && Silicon::is_register(core, address) {
            for (at, word) in (address..).step_by(4).zip(data.as_chunks::<4>().0) {
                self.recorder.operation(|| Operation::Store {
                    core,
                    address: at,
                    value: u32::from_le_bytes(*word),
                });
            }
        }
    }

    /// A write to the private peripheral bus. Through DCRDR and DCRSR it is a core register that is written, or none.
    fn record_store(&self, core: Core, address: u32, value: u32) {
        match address {
            DCRDR => {}
            DCRSR => {
                if let Some(register) = self.cpus[index(core)].register_to_set(value) {
                    self.recorder.operation(|| Operation::Registers {
                        core,
                        set: vec![register],
                    });
                }
            }
            _ => self.recorder.operation(|| Operation::Store {
                core,
                address,
                value,
            }),
        }
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
    pub(in crate::chip) fn control_read(&mut self, core: Core, register: u8) -> u32 {
        match register {
            ERASEALLSTATUS => u32::from(std::mem::take(&mut self.erasing[index(core)])),
            _ => 0,
        }
    }

    pub(in crate::chip) fn control_write(&mut self, core: Core, register: u8, value: u32) {
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
        self.recorder.operation(|| Operation::ErasedAll { core });
        self.silicon.wipe(core);
        self.protection.open(core);
        if core == Core::Net && !self.silicon.erase_protected[0] {
            self.silicon.flash_mut(Core::App).erase_all();
            self.recorder.operation(|| Operation::Erased {
                core: Core::App,
                address: flash_base(Core::App),
                length: self.silicon.flash(Core::App).bytes().len() as u32,
            });
        }
        self.hold(core);
        if !self.in_pin_reset {
            self.leave_reset(core);
        }
    }
}

/// Everything from here up is the core's private peripheral bus: debug registers and ROM table.
pub(super) const SCS_START: u32 = 0xe000_0000;
pub(super) const DHCSR: u32 = 0xe000_edf0;
const DCRSR: u32 = 0xe000_edf4;
const DCRDR: u32 = 0xe000_edf8;
pub(super) const CONTROL_RESET: u8 = 0x00;
pub(super) const ERASEALL: u8 = 0x04;
pub(super) const ERASEALLSTATUS: u8 = 0x08;
