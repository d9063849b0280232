//! The whole chip: two cores on their silicon, power, resets, and who may reach what.

mod debugger;
mod firmware;
mod observed;
mod target;
mod watched;

pub(crate) use watched::{NvmcMode, QspiTask};

use crate::bus::Core;
use crate::chip::cpu::{Cpu, Run};
use crate::chip::debug_log::{Operation, Recorder};
use crate::chip::external::{ExternalFlash, ExternalWear};
use crate::chip::flash::FlashWear;
use crate::chip::protection::Protection;
use crate::chip::silicon::{Fault, Silicon, XIP_BASE, flash_base, index};
use crate::chip::torn::{Tearing, Torn, UnderWay};
use std::time::Duration;

/// Instructions that a program in RAM gets each time the debugger asks how it is doing. Enough for a page of
/// flash in two or three polls, and about 20 ms of host time at worst.
const INSTRUCTIONS_PER_POLL: u64 = 200_000;

/// RESETREAS bits (register descriptions of both cores).
mod reason {
    pub(super) const PIN: u32 = 1 << 0;
    pub(super) const WATCHDOG_0: u32 = 1 << 1;
    pub(super) const CTRL_AP: u32 = 1 << 2;
    pub(super) const SOFT: u32 = 1 << 3;
    pub(super) const NET_SOFT: u32 = 1 << 16;
    pub(super) const NET_WATCHDOG: u32 = 1 << 18;
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

/// Whether the board has an external flash.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ExternalPart {
    /// MX25R6435F, as on a DK.
    #[default]
    Mx25r64,
    /// None is fitted.
    None,
}

/// The buttons of a DK, each between its pin and ground (zephyr `boards/nordic/nrf5340dk/nrf5340_cpuapp_common.dtsi`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Button {
    /// `SW1`: MCUboot's `mcuboot-button0`.
    One,
    /// `SW2`.
    Two,
    /// `SW3`.
    Three,
    /// `SW4`.
    Four,
}

impl Button {
    /// By the number that is printed beside it.
    #[must_use]
    pub const fn numbered(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            3 => Some(Self::Three),
            4 => Some(Self::Four),
            _ => None,
        }
    }

    /// Its pin of port 0.
    const fn pin(self) -> usize {
        match self {
            Self::One => 23,
            Self::Two => 24,
            Self::Three => 8,
            Self::Four => 9,
        }
    }
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
    /// What model firmware has begun on each core's flash.
    under_way: [Option<UnderWay>; 2],
    /// Where operations are torn when the power fails.
    tearing: Option<Tearing>,
    /// Something that firmware may be waiting for has changed.
    changed: bool,
    /// What debuggers do, and what it does.
    recorder: Recorder,
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
            under_way: [None; 2],
            tearing: None,
            changed: false,
            recorder: Recorder::off(),
        }
    }

    /// Takes the external flash off the board, or leaves it there.
    pub(crate) fn fit_external(&mut self, part: ExternalPart) {
        if part == ExternalPart::None {
            self.silicon.take_external();
        }
    }

    /// From now on operations are torn when the power fails.
    pub(crate) fn tear_operations(&mut self, torn: Torn) {
        self.tearing = Some(Tearing::new(torn));
    }

    // ---- Buttons ----

    /// Presses a button of the DK, or lets go of it.
    pub(crate) fn set_button(&mut self, button: Button, pressed: bool) {
        self.silicon.ground_pin(button.pin(), pressed);
    }

    /// Whether a button is pressed.
    pub(crate) fn button(&self, button: Button) -> bool {
        self.silicon.is_grounded(button.pin())
    }

    // ---- Time ----

    /// The board's time since power-up: what takes time goes on.
    pub(crate) fn set_now(&mut self, now: Duration) {
        self.silicon.set_now(now);
    }

    /// When the QSPI peripheral and the external flash will have nothing left to do, as far as is known now.
    pub(crate) fn external_idle_at(&self) -> Duration {
        self.silicon.qspi().idle_at()
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
        self.recorder.operation(|| Operation::Power(power));
        self.observed(|chip| chip.switch(power));
    }

    fn switch(&mut self, power: Power) {
        self.power = power;
        if power == Power::Off {
            self.tear();
        }
        self.silicon.reset_reasons = [0; 2];
        self.silicon.force_off = true;
        self.erasing = [false; 2];
        self.silicon.qspi_mut().lose_power();
        for core in [Core::App, Core::Net] {
            self.cpus[index(core)].lose_power();
            self.silicon.clear_ram(core);
            self.silicon.reset_peripherals(core);
        }
        if power == Power::On {
            self.power_ups += 1;
            self.read_anew(Core::App);
            self.read_anew(Core::Net);
            self.protection = Protection::at_hard_reset(&mut self.silicon);
            if !self.in_pin_reset {
                self.leave_reset(Core::App);
            }
        }
        self.settle();
    }

    /// What is under way is torn, where it is.
    fn tear(&mut self) {
        let under_way = std::mem::take(&mut self.under_way);
        let Some(tearing) = &mut self.tearing else {
            return;
        };
        for core in [Core::App, Core::Net] {
            if let Some(operation) = under_way[index(core)] {
                self.silicon.flash_mut(core).tear(operation, tearing);
            }
        }
        if let Some(flash) = self.silicon.qspi_mut().flash_mut() {
            flash.tear(tearing);
        }
    }

    fn read_anew(&mut self, core: Core) {
        if let Some(tearing) = &mut self.tearing {
            self.silicon.flash_mut(core).read_anew(tearing);
        }
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
        self.recorder.operation(|| Operation::PinReset { asserted });
        self.observed(|chip| chip.drive_pin_reset(asserted));
    }

    fn drive_pin_reset(&mut self, asserted: bool) {
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
        let reason = match core {
            Core::App => reason::SOFT,
            Core::Net => reason::NET_SOFT,
        };
        self.reset_because(core, reason);
    }

    /// The watchdog of `core` was not fed in time.
    pub(crate) fn watchdog_reset(&mut self, core: Core) {
        let reason = match core {
            Core::App => reason::WATCHDOG_0,
            Core::Net => reason::NET_WATCHDOG,
        };
        self.reset_because(core, reason);
    }

    fn reset_because(&mut self, core: Core, reason: u32) {
        if self.power == Power::Off || self.in_pin_reset {
            return;
        }
        self.hold(core);
        self.silicon.reset_reasons[index(core)] |= reason;
        self.leave_reset(core);
        self.settle();
    }

    /// A reset of the application core is one of both, and leaves the network core held off.
    fn hold(&mut self, core: Core) {
        match core {
            Core::App => self.hold_both(),
            Core::Net => {
                self.read_anew(Core::Net);
                self.under_way[1] = None;
                self.cpus[1].hold();
                self.silicon.reset_peripherals(Core::Net);
            }
        }
    }

    fn hold_both(&mut self) {
        for core in [Core::App, Core::Net] {
            self.read_anew(core);
            self.under_way[index(core)] = None;
            self.cpus[index(core)].hold();
            self.silicon.reset_peripherals(core);
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
            self.under_way[1] = None;
            self.cpus[1].hold();
            self.silicon.reset_peripherals(Core::Net);
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

    /// Puts bytes into `core`'s flash or UICR, whatever protects them, or into the external flash. Says whether all of
    /// them fit.
    pub(crate) fn load(&mut self, core: Core, address: u32, data: &[u8]) -> Result<(), Fault> {
        let last = address.wrapping_add(data.len().saturating_sub(1) as u32);
        let offset = address.wrapping_sub(XIP_BASE);
        if core == Core::App && ExternalFlash::contains(offset, data.len()) {
            let flash = self.silicon.qspi_mut().flash_mut();
            let flash = flash.ok_or(Fault { address })?;
            flash.array_mut().load(offset, data);
            return Ok(());
        }
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

    /// What has been done to the external flash; nothing where there is none.
    pub(crate) fn external_wear(&self) -> ExternalWear {
        let flash = self.silicon.qspi().flash();
        flash.map_or_else(ExternalWear::default, |flash| flash.array().wear())
    }

    pub(crate) fn run_state(&self, core: Core) -> Run {
        self.cpus[index(core)].run
    }
}

#[cfg(test)]
mod tests;
