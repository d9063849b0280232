//! The stores with which model firmware drives its flash, as the core's watchpoints and a debugger's reads see them.
//!
//! A driver puts the NVMC into a mode, stores a word and puts the mode back, for each word and each page: nrfx
//! `drivers/src/nrfx_nvmc.c` (`nrfx_nvmc_word_write`, `nrfx_nvmc_page_erase`) below zephyr
//! `drivers/flash/soc_flash_nrf.c`. In firmware on the secure side the mode is set in CONFIGNS and then in CONFIG.
//! The external flash gets one QSPI task for each write and each erase of a sector or a block of 64 KiB: zephyr
//! `drivers/flash/nrf_qspi_nor.c`, nrfx `drivers/src/nrfx_qspi.c`.

use super::Chip;
use crate::bus::Core;
use crate::chip::dwt::Access;
use crate::chip::silicon::{flash_base, index};
use crate::chip::torn::UnderWay;

/// NVMC.CONFIG.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NvmcMode {
    Read,
    Write,
    Erase,
}

impl NvmcMode {
    /// What an operation needs.
    pub(crate) const fn of(operation: UnderWay) -> Self {
        match operation {
            UnderWay::Program { .. } => Self::Write,
            UnderWay::Erase { .. } => Self::Erase,
        }
    }

    const fn value(self) -> u32 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Erase => 2,
        }
    }
}

/// A task of the QSPI peripheral.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum QspiTask {
    /// WRITESTART.
    Write { offset: u32, length: u32 },
    /// ERASESTART of 4 KiB, of 64 KiB or of everything.
    Erase { offset: u32, length: u32 },
}

/// The registers that set the mode, in the order in which they are written.
const fn mode_registers(core: Core) -> &'static [u32] {
    match core {
        Core::App => &[0x5003_9584, 0x5003_9504],
        Core::Net => &[0x4108_0504],
    }
}

const QSPI: u32 = 0x5002_b000;

impl Chip {
    /// Whether a watchpoint of `core` looks at data.
    pub(crate) fn is_watched(&self, core: Core) -> bool {
        self.cpus[index(core)].is_watched()
    }

    /// How many stores it takes to set a mode.
    pub(crate) fn mode_stores(core: Core) -> usize {
        mode_registers(core).len()
    }

    /// Model firmware does one of the stores that set the NVMC's mode.
    pub(crate) fn store_mode(&mut self, core: Core, number: usize, mode: NvmcMode) {
        if let Some(&register) = mode_registers(core).get(number) {
            self.store(core, register, mode.value());
        }
    }

    /// Model firmware does the store that starts an operation of its flash.
    pub(crate) fn store_operation(&mut self, core: Core, operation: UnderWay) {
        let (offset, value) = match operation {
            UnderWay::Program { offset, value } => (offset, value),
            UnderWay::Erase { offset } => (offset, u32::MAX),
        };
        let cpu = &mut self.cpus[index(core)];
        cpu.access(Access::store(flash_base(core) + offset, value));
    }

    /// Model firmware does one of the stores in front of a task: where, what from, how much.
    pub(crate) fn store_task_setup(&mut self, task: QspiTask) {
        // nrfx wants the data in RAM; where it is there tells nobody anything.
        const BUFFER: u32 = 0x2000_0000;
        let registers: [(u32, u32); 3] = match task {
            QspiTask::Write { offset, length } => {
                [(0x510, offset), (0x514, BUFFER), (0x518, length)]
            }
            QspiTask::Erase { offset, length } => {
                let length = match length {
                    0x1000 => 0,
                    0x1_0000 => 1,
                    _ => 2,
                };
                [(0x100, 0), (0x51c, offset), (0x520, length)]
            }
        };
        for (register, value) in registers {
            self.store(Core::App, QSPI + register, value);
        }
    }

    /// Model firmware does the store that starts a task. The peripheral is busy with it until
    /// [`end_task`](Self::end_task), also when the core is halted.
    pub(crate) fn store_task(&mut self, task: QspiTask) {
        let register = match task {
            QspiTask::Write { .. } => 0x008,
            QspiTask::Erase { .. } => 0x00c,
        };
        // Model firmware drives the flash itself: the task is shown, not started.
        self.silicon.qspi_mut().set_driven(true);
        let cpu = &mut self.cpus[index(Core::App)];
        cpu.access(Access::store(QSPI + register, 1));
    }

    pub(crate) fn end_task(&mut self) {
        self.silicon.qspi_mut().set_driven(false);
    }

    /// Model firmware of the application core holds the network core off, or lets it run.
    pub(crate) fn store_force_off(&mut self, off: bool) {
        const FORCEOFF: u32 = 0x5000_5614;
        self.set_force_off(off);
        self.cpus[index(Core::App)].access(Access::store(FORCEOFF, u32::from(off)));
    }

    fn store(&mut self, core: Core, address: u32, value: u32) {
        // Registers take every word.
        let _ = self.silicon.write(core, address, &value.to_le_bytes());
        self.cpus[index(core)].access(Access::store(address, value));
    }
}
