//! What a debugger's access or a switched supply made of the cores, for the log.

use super::Chip;
use crate::bus::Core;
use crate::chip::debug_log::{DebugLog, Operation, Recorder};
use crate::chip::silicon::index;

impl Chip {
    /// From now on the log is kept; what it held is gone.
    pub(crate) fn start_debug_log(&mut self) {
        self.keep_log(Recorder::on());
    }

    /// What was written down; it is not kept any more.
    pub(crate) fn take_debug_log(&mut self) -> DebugLog {
        let log = self.recorder.log();
        self.keep_log(Recorder::off());
        log
    }

    fn keep_log(&mut self, recorder: Recorder) {
        self.silicon.recorder = recorder.clone();
        self.recorder = recorder;
    }

    pub(in crate::chip) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Does something, and writes down what became of the cores.
    pub(super) fn observed<R>(&mut self, action: impl FnOnce(&mut Self) -> R) -> R {
        if !self.recorder.is_on() {
            return action(self);
        }
        let states = |chip: &Self| chip.cpus.each_ref().map(|cpu| (cpu.epoch, cpu.run));
        let before = states(self);
        let result = action(self);
        let after = states(self);
        for core in [Core::App, Core::Net] {
            let (epoch, run) = after[index(core)];
            if before[index(core)].0 != epoch {
                self.recorder
                    .operation(|| Operation::Reset { core, then: run });
            } else if before[index(core)].1 != run {
                self.recorder.operation(|| Operation::State { core, run });
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::emulator::Emulator;
    use crate::chip::{ForceOffView, Power, Target};

    const NVMC_CONFIG: u32 = 0x5003_9504;

    fn powered() -> Chip {
        let mut chip = Chip::new("dk1", ForceOffView::Faithful);
        chip.set_power(Power::On);
        chip
    }

    fn store(chip: &mut Chip, address: u32, value: u32) {
        let mut emulator = Emulator::new(Core::App);
        Target::debug_write(
            chip,
            Core::App,
            address,
            &value.to_le_bytes(),
            &mut emulator,
        )
        .unwrap();
    }

    #[test]
    fn what_a_debugger_programs_and_erases_is_in_the_log_as_flash_operations() {
        let mut chip = powered();
        chip.start_debug_log();
        store(&mut chip, NVMC_CONFIG, 2);
        store(&mut chip, 0x1000, u32::MAX);
        store(&mut chip, 0x2000, u32::MAX);
        store(&mut chip, NVMC_CONFIG, 1);
        store(&mut chip, 0x1ff8, 0x1234_5678);
        store(&mut chip, 0x1ffc, 0x1234_5678);
        let expected = "app store NVMC.CONFIG 0x00000002\n\
            app flash 0x00001000..0x00003000 erased\n\
            app store NVMC.CONFIG 0x00000001\n\
            app flash 0x00001ff8..0x00002000 programmed, CRC 0x51705056\n";
        assert_eq!(chip.take_debug_log().to_string(), expected);
    }

    #[test]
    fn what_firmware_does_by_itself_is_not_in_the_log() {
        let mut chip = powered();
        chip.start_debug_log();
        chip.erase_page(Core::App, 0x1000);
        chip.program_word(Core::App, 0x1000, 0);
        chip.set_force_off(false);
        assert_eq!(chip.take_debug_log().to_string(), "");
    }

    #[test]
    fn the_net_ctrl_ap_erases_both_cores_flash() {
        let mut chip = powered();
        chip.start_debug_log();
        Target::control_write(&mut chip, Core::Net, 0x04, 1);
        let expected = "net flash and UICR erased\n\
            app flash 0x00000000..0x00100000 erased\n\
            net is reset and is held in reset\n";
        assert_eq!(chip.take_debug_log().to_string(), expected);
    }

    #[test]
    fn a_supply_that_comes_and_goes_takes_the_cores_with_it() {
        let mut chip = powered();
        chip.start_debug_log();
        chip.set_power(Power::Off);
        chip.set_power(Power::On);
        let expected = "power off\n\
            app is reset and is held in reset\n\
            net is reset and is held in reset\n\
            power on\n\
            app is reset and is in lock-up\n\
            net is reset and is held in reset\n";
        assert_eq!(chip.take_debug_log().to_string(), expected);
    }

    #[test]
    fn without_a_start_nothing_is_kept() {
        let mut chip = powered();
        store(&mut chip, 0x2000_0000, 1);
        assert_eq!(chip.take_debug_log().to_string(), "");
    }
}
