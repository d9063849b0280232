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
    /// Whether a watchpoint of `core` may be met by one of the stores of an operation of its flash. Where none is, nobody can
    /// see them one by one.
    pub(crate) fn is_watched(&self, core: Core, operation: UnderWay) -> bool {
        let (UnderWay::Program { offset, .. } | UnderWay::Erase { offset }) = operation;
        let cpu = &self.cpus[index(core)];
        let modes = mode_registers(core).iter().copied();
        modes
            .chain([flash_base(core) + offset])
            .any(|address| cpu.may_meet(address))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::cpu::Run;
    use crate::chip::emulator::Emulator;
    use crate::chip::nrf5340::{ForceOffView, Gate, Power};
    use rstest::rstest;

    const DHCSR: u32 = 0xe000_edf0;
    const DEMCR: u32 = 0xe000_edfc;
    const DFSR: u32 = 0xe000_ed30;
    const COMP0: u32 = 0xe000_1020;
    const FUNCTION0: u32 = 0xe000_1028;
    const TRCENA: u32 = 1 << 24;
    const DWTTRAP: u32 = 1 << 2;
    const CONFIG: u32 = 0x5003_9504;

    fn write(chip: &mut Chip, address: u32, value: u32) {
        chip.debug_write(
            Core::App,
            address,
            &value.to_le_bytes(),
            &mut Emulator::new(Core::App),
        )
        .unwrap();
    }

    fn read(chip: &mut Chip, address: u32) -> u32 {
        let mut word = [0; 4];
        chip.debug_read(Core::App, address, &mut word, &mut Emulator::new(Core::App))
            .unwrap();
        u32::from_le_bytes(word)
    }

    /// A chip whose application core runs, with a watchpoint on NVMC.CONFIG.
    fn watched() -> Chip {
        let mut chip = Chip::new("dk1", ForceOffView::Faithful);
        let vectors = [0x2000_1000u32, 0x201].map(u32::to_le_bytes).concat();
        chip.load(Core::App, 0, &vectors).unwrap();
        chip.set_power(Power::On);
        write(&mut chip, DHCSR, 0xa05f_0001);
        write(&mut chip, DEMCR, TRCENA);
        write(&mut chip, COMP0, CONFIG);
        write(&mut chip, FUNCTION0, 0x815);
        chip
    }

    #[test]
    fn a_store_that_meets_a_watchpoint_has_happened_and_halts_the_firmware() {
        let mut chip = watched();
        let epoch = chip.epoch(Core::App);
        for number in 0..Chip::mode_stores(Core::App) {
            chip.store_mode(Core::App, number, NvmcMode::Erase);
        }
        assert_eq!(chip.gate(Core::App, epoch), Gate::Wait);
        assert_eq!(read(&mut chip, CONFIG), 2);
        assert_eq!(read(&mut chip, DFSR), DWTTRAP);
        write(&mut chip, DHCSR, 0xa05f_0001);
        assert_eq!(chip.gate(Core::App, epoch), Gate::Go);
    }

    // DDI 0553: DEMCR.TRCENA, DHCSR.C_DEBUGEN and the comparators are reset by a cold reset only.
    #[rstest]
    #[case::system_reset(|chip: &mut Chip| chip.system_reset(Core::App), true)]
    #[case::watchdog(|chip: &mut Chip| chip.watchdog_reset(Core::App), true)]
    #[case::power(|chip: &mut Chip| { chip.set_power(Power::Off); chip.set_power(Power::On) }, false)]
    fn watchpoints_stay_through_a_reset_and_go_with_the_power(
        #[case] event: fn(&mut Chip),
        #[case] stays: bool,
    ) {
        let mut chip = watched();
        event(&mut chip);
        chip.store_mode(Core::App, 1, NvmcMode::Write);
        let halted = chip.run_state(Core::App) == Run::Halted;
        assert_eq!(halted, stays);
    }

    #[rstest]
    #[case::without_halting_debug(DHCSR, 0xa05f_0000)]
    #[case::without_trace_enabled(DEMCR, 0)]
    fn a_core_that_is_not_debugged_passes_its_watchpoints(
        #[case] register: u32,
        #[case] value: u32,
    ) {
        let mut chip = watched();
        write(&mut chip, register, value);
        chip.store_mode(Core::App, 1, NvmcMode::Write);
        assert_eq!(chip.run_state(Core::App), Run::Running);
    }

    #[test]
    fn a_task_of_the_external_flash_can_be_read_from_its_registers() {
        let mut chip = watched();
        write(&mut chip, COMP0, 0x5002_b00c);
        let task = QspiTask::Erase {
            offset: 0x3_0000,
            length: 0x1_0000,
        };
        chip.store_task_setup(task);
        assert_eq!(chip.run_state(Core::App), Run::Running);
        chip.store_task(task);
        assert_eq!(chip.run_state(Core::App), Run::Halted);
        assert_eq!(read(&mut chip, 0x5002_b51c), 0x3_0000);
        assert_eq!(read(&mut chip, 0x5002_b520), 1);
        const STATUS_READY: u32 = 1 << 3;
        assert_eq!(read(&mut chip, 0x5002_b604) & STATUS_READY, 0);
        chip.end_task();
        assert_ne!(read(&mut chip, 0x5002_b604) & STATUS_READY, 0);
    }
}
