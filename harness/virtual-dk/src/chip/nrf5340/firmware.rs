//! What model firmware reaches, and whether it may go on at all.

use super::{Chip, Gate};
use crate::bus::Core;
use crate::chip::external::ExternalFlash;
use crate::chip::mx25r::ExternalOperation;
use crate::chip::silicon::{Fault, Silicon, XIP_BASE, flash_base, index, page_size};
use crate::chip::torn::UnderWay;
use std::time::Duration;

impl Chip {
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

    /// Reads as model firmware does. It has a driver for the external flash, so the window is open to it whatever state
    /// the QSPI peripheral is in.
    pub(crate) fn read(&self, core: Core, address: u32, buffer: &mut [u8]) -> Result<(), Fault> {
        let offset = address.wrapping_sub(XIP_BASE);
        match self.silicon.qspi().flash() {
            Some(flash) if core == Core::App && ExternalFlash::contains(offset, buffer.len()) => {
                flash.array().read(offset, buffer);
                Ok(())
            }
            _ => self.silicon.read(core, address, buffer),
        }
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

    /// What the flash of `core` is doing, if anything, for a loss of power in the middle of it.
    pub(crate) fn set_under_way(&mut self, core: Core, operation: Option<UnderWay>) {
        self.under_way[index(core)] = operation;
    }

    pub(crate) fn set_flash_busy(&mut self, core: Core, busy: bool) {
        self.silicon.set_nvmc_busy(core, busy);
    }

    /// Whether the external flash has `offset..offset + length`.
    pub(crate) fn is_external(offset: u32, length: usize) -> bool {
        ExternalFlash::contains(offset, length)
    }

    /// Whether the board has one.
    pub(crate) fn has_external(&self) -> bool {
        self.silicon.qspi().flash().is_some()
    }

    /// Has the external flash do something, as soon as it has ended what it does. Says when that will be done.
    pub(crate) fn start_external(&mut self, operation: ExternalOperation) -> Duration {
        match self.silicon.qspi_mut().flash_mut() {
            Some(flash) => flash.operate(operation),
            None => Duration::ZERO,
        }
    }

    /// Makes a pin of port 0 an input with a pull-up and reads it; `true` is high.
    pub(crate) fn read_input(&mut self, pin: u8) -> bool {
        self.silicon.read_input(usize::from(pin % 32))
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
