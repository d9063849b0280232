//! Registers as they are read, and what takes a write of one word: NVMC with flash and UICR behind it, RESET, SPU, GPIO, QSPI.

use super::map::{Place, UICR_BASE, flash_base, index, page_size};
use super::{NvmcMode, Silicon};
use crate::bus::Core;
use crate::chip::debug_log::Operation;

impl Silicon {
    pub(super) fn register(&self, core: Core, place: Place) -> u32 {
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
            Place::PinLevels => self.pins.levels(),
            Place::PinConfig(pin) => self.pins.config(pin),
            // PERIPHID[n].PERM: present, secure (bit 4), mapped both ways; probe-rs asks for RESET's.
            Place::Spu(0x800..0xc00) => 0x8000_0013,
            _ => 0,
        }
    }

    /// `None` when the place does not take the write.
    pub(super) fn write_word(&mut self, core: Core, place: Place, value: u32) -> Option<()> {
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
            (Place::PinConfig(pin), _) => self.pins.configure(pin, value),
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
