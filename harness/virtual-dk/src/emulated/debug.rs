//! The debug registers of a Cortex-M0, answered from QEMU's GDB stub.
//!
//! QEMU executes the core and has no debug registers of it. What they hold is kept here, and what writing them does is done
//! through the stub: halting, going on, resetting, data watchpoints, core registers. Source: Armv6-M Architecture Reference Manual
//! (DDI 0419), C1.6 (DHCSR, DCRSR, DEMCR, DFSR) and C1.8 (DWT). The nRF51's core has two watchpoints (nRF51 Series
//! Reference Manual 3.0, CPU).
//!
//! Not modelled: S_SLEEP, breakpoints (BPU), and S_RESET_ST for a reset that firmware asks for.

use super::gdb::Stop;
use super::machine::{EmulatorError, Machine};

const AIRCR: u32 = 0xe000_ed0c;
const DFSR: u32 = 0xe000_ed30;
const DHCSR: u32 = 0xe000_edf0;
const DCRSR: u32 = 0xe000_edf4;
const DCRDR: u32 = 0xe000_edf8;
const DEMCR: u32 = 0xe000_edfc;
const DWT_CTRL: u32 = 0xe000_1000;
const DWT_FIRST: u32 = 0xe000_1020;
const DWT_STEP: u32 = 0x10;
const WATCHPOINTS: usize = 2;

const KEY: u32 = 0xa05f_0000;
const C_DEBUGEN: u32 = 1 << 0;
const C_HALT: u32 = 1 << 1;
const S_REGRDY: u32 = 1 << 16;
const S_HALT: u32 = 1 << 17;
const S_LOCKUP: u32 = 1 << 19;
const S_RESET_ST: u32 = 1 << 25;
const VC_CORERESET: u32 = 1 << 0;
const DWTENA: u32 = 1 << 24;
const DFSR_HALTED: u32 = 1 << 0;
const DFSR_DWTTRAP: u32 = 1 << 2;
const DFSR_VCATCH: u32 = 1 << 3;
const SYSRESETREQ: u32 = 0x05fa_0004;
/// DWT_FUNCTIONn: a store is watched, alone or with reads; what else there is cannot be had here.
const ON_WRITE: u32 = 0b0110;
const MATCHED: u32 = 1 << 24;
/// The longest mask that the architecture has (C1.8.10).
const LONGEST_MASK: u32 = 31;

/// GDB's number of xPSR; the core registers have the architecture's.
const GDB_XPSR: u32 = 25;
const REGSEL_XPSR: u32 = 16;

/// One data watchpoint.
#[derive(Clone, Copy, Debug, Default)]
struct Comparator {
    comp: u32,
    mask: u32,
    function: u32,
    matched: bool,
}

impl Comparator {
    /// The bytes that it watches, where it does.
    fn watched(&self) -> Option<(u32, u32)> {
        (self.function & 0xf == ON_WRITE).then(|| {
            let length = 1u32 << self.mask.min(LONGEST_MASK);
            (self.comp & !(length - 1), length)
        })
    }
}

/// What of the core is a debugger's.
#[derive(Debug, Default)]
pub(super) struct DebugUnit {
    /// C_DEBUGEN and C_HALT.
    control: u32,
    demcr: u32,
    dfsr: u32,
    dcrdr: u32,
    was_reset: bool,
    /// The vector table was blank at the last reset: the core locks up at once (Armv6-M, B1.5.16). QEMU would end, so it is not
    /// let go.
    cannot_start: bool,
    /// The core stands for a debugger.
    halted: bool,
    comparators: [Comparator; WATCHPOINTS],
    /// What QEMU watches now.
    set: Vec<(u32, u32)>,
}

/// Whether a word belongs to the debug registers.
pub(super) const fn is_debug(address: u32) -> bool {
    matches!(
        address,
        AIRCR | DFSR | DHCSR | DCRSR | DCRDR | DEMCR | DWT_CTRL..=0xe000_1fff
    )
}

impl DebugUnit {
    /// The machine has got power and stands at its reset vector: the core runs.
    pub(super) fn power_up(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        *self = Self::default();
        self.start(machine)
    }

    pub(super) fn read(
        &mut self,
        machine: &mut Machine,
        address: u32,
    ) -> Result<u32, EmulatorError> {
        self.look(machine)?;
        Ok(match address {
            DHCSR => {
                let mut value = self.control | S_REGRDY;
                if self.halted {
                    value |= S_HALT;
                } else if self.cannot_start {
                    value |= S_LOCKUP;
                }
                if std::mem::take(&mut self.was_reset) {
                    value |= S_RESET_ST;
                }
                value
            }
            DFSR => self.dfsr,
            DCRDR => self.dcrdr,
            DEMCR => self.demcr,
            DWT_CTRL => (WATCHPOINTS as u32) << 28,
            AIRCR => machine.bus.read_word(address)?,
            _ => match self.comparator(address) {
                Some((comparator, 0x0)) => comparator.comp,
                Some((comparator, 0x4)) => comparator.mask,
                Some((comparator, 0x8)) => {
                    let matched = std::mem::take(&mut comparator.matched);
                    comparator.function | if matched { MATCHED } else { 0 }
                }
                _ => 0,
            },
        })
    }

    pub(super) fn write(
        &mut self,
        machine: &mut Machine,
        address: u32,
        value: u32,
    ) -> Result<(), EmulatorError> {
        self.look(machine)?;
        match address {
            DHCSR if value & 0xffff_0000 == KEY => {
                let debugging = value & C_DEBUGEN;
                self.control = debugging | (value & C_HALT & (debugging << 1));
                self.follow_control(machine)
            }
            DFSR => {
                self.dfsr &= !value;
                Ok(())
            }
            DCRDR => {
                self.dcrdr = value;
                Ok(())
            }
            DCRSR => self.transfer(machine, value),
            DEMCR => {
                self.demcr = value & (VC_CORERESET | DWTENA);
                self.follow_watchpoints(machine)
            }
            AIRCR if value & SYSRESETREQ == SYSRESETREQ => self.reset(machine),
            _ => match self.comparator(address) {
                Some((comparator, register)) => {
                    match register {
                        0x0 => comparator.comp = value,
                        0x4 => comparator.mask = value & 0x1f,
                        0x8 => comparator.function = value & 0xf,
                        _ => {}
                    }
                    self.follow_watchpoints(machine)
                }
                None => Ok(()),
            },
        }
    }

    /// A reset of the whole chip, as SYSRESETREQ and the reset pin make it.
    pub(super) fn reset(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        machine.core.halt()?;
        machine.core.reset()?;
        self.was_reset = true;
        self.halted = false;
        // A core that stood goes on, unless the reset is caught.
        self.control &= !C_HALT;
        let debugging = self.control & C_DEBUGEN != 0;
        if debugging && self.demcr & VC_CORERESET != 0 {
            self.stand(DFSR_VCATCH);
        }
        self.start(machine)
    }

    /// Lets a core run that stands at its reset vector, unless it is to stand there.
    fn start(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        let stack = machine.bus.read_word(0)?;
        let entry = machine.bus.read_word(4)?;
        // An entry without the Thumb bit is a fault at the first instruction.
        self.cannot_start = stack == u32::MAX || entry & 1 == 0;
        self.follow_watchpoints(machine)?;
        self.go_on(machine)
    }

    /// Lets the core execute, if it can and may.
    fn go_on(&self, machine: &mut Machine) -> Result<(), EmulatorError> {
        if self.halted || self.cannot_start {
            return Ok(());
        }
        machine.core.go_on()
    }

    /// The core stands, for this reason. Whatever that is, C_HALT says so (C1.6.3): a debugger that writes back what it has read
    /// does not let it go.
    fn stand(&mut self, reason: u32) {
        self.dfsr |= reason;
        self.halted = true;
        self.control |= C_HALT;
    }

    /// Notes that the core has come to stand by itself.
    fn look(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        match machine.core.stopped()? {
            Some(stop) => self.note(machine, stop),
            None => Ok(()),
        }
    }

    fn note(&mut self, machine: &mut Machine, stop: Stop) -> Result<(), EmulatorError> {
        match stop {
            Stop::Watchpoint(address) => {
                for comparator in &mut self.comparators {
                    let watched = comparator.watched();
                    comparator.matched |= watched.is_some_and(|(first, _)| first == address);
                }
                self.stand(DFSR_DWTTRAP);
                // Flash and registers are devices to QEMU, and in front of a store to one it stops again and again without
                // making it. A Cortex-M0 halts behind it.
                self.forget_watchpoints(machine)?;
                machine.core.step()
            }
            // Nothing of ours: as if it had not been.
            Stop::Asked | Stop::Other => self.go_on(machine),
        }
    }

    /// Halts or lets go, as C_HALT says.
    fn follow_control(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        let halt = self.control & C_HALT != 0;
        if halt && !self.halted {
            if let Some(Stop::Watchpoint(address)) = machine.core.halt()? {
                self.note(machine, Stop::Watchpoint(address))?;
            }
            self.stand(DFSR_HALTED);
        } else if !halt && self.halted {
            self.halted = false;
            self.follow_watchpoints(machine)?;
            return self.go_on(machine);
        }
        self.follow_watchpoints(machine)
    }

    /// Makes QEMU watch what the comparators do.
    fn follow_watchpoints(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        let active = self.demcr & DWTENA != 0 && self.control & C_DEBUGEN != 0;
        let wanted: Vec<(u32, u32)> = self
            .comparators
            .iter()
            .filter(|_| active)
            .filter_map(Comparator::watched)
            .collect();
        // A core that stands watches nothing; what it is to watch is set when it goes on.
        if wanted == self.set || self.halted {
            return Ok(());
        }
        // The stub takes commands only while the machine stands.
        let ran = machine.core.runs();
        if let Some(stop @ Stop::Watchpoint(_)) = machine.core.halt()? {
            return self.note(machine, stop);
        }
        self.forget_watchpoints(machine)?;
        for (address, length) in wanted {
            machine.core.watch(address, length)?;
            self.set.push((address, length));
        }
        if ran {
            self.go_on(machine)?;
        }
        Ok(())
    }

    /// Makes QEMU watch nothing, until the core goes on.
    fn forget_watchpoints(&mut self, machine: &mut Machine) -> Result<(), EmulatorError> {
        for (address, length) in std::mem::take(&mut self.set) {
            machine.core.forget(address, length)?;
        }
        Ok(())
    }

    /// DCRSR: a core register from or to DCRDR.
    fn transfer(&mut self, machine: &mut Machine, request: u32) -> Result<(), EmulatorError> {
        const TO_CORE: u32 = 1 << 16;
        let number = match request & 0x1f {
            REGSEL_XPSR => GDB_XPSR,
            number @ 0..=15 => number,
            _ => return Ok(()),
        };
        if !self.halted {
            return Ok(());
        }
        if request & TO_CORE != 0 {
            machine.core.set_register(number, self.dcrdr)
        } else {
            self.dcrdr = machine.core.register(number)?;
            Ok(())
        }
    }

    /// The comparator that a register belongs to, and which of its registers it is.
    fn comparator(&mut self, address: u32) -> Option<(&mut Comparator, u32)> {
        let offset = address.checked_sub(DWT_FIRST)?;
        let comparator = self.comparators.get_mut((offset / DWT_STEP) as usize)?;
        Some((comparator, offset % DWT_STEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_core_that_was_caught_stays_when_its_control_is_written_back() {
        let mut unit = DebugUnit {
            control: C_DEBUGEN,
            ..DebugUnit::default()
        };
        unit.stand(DFSR_VCATCH);
        assert_eq!(unit.control, C_DEBUGEN | C_HALT);
        assert_eq!(unit.dfsr, DFSR_VCATCH);
    }

    #[rstest]
    #[case::off(0x2_2400, 2, 0, None)]
    #[case::word(0x2_2400, 2, 6, Some((0x2_2400, 4)))]
    #[case::all_flash(0x100, 18, 6, Some((0, 0x4_0000)))]
    #[case::program_counter(0x100, 2, 4, None)]
    fn a_comparator_watches_stores_below_its_mask(
        #[case] comp: u32,
        #[case] mask: u32,
        #[case] function: u32,
        #[case] expected: Option<(u32, u32)>,
    ) {
        let comparator = Comparator {
            comp,
            mask,
            function,
            matched: false,
        };
        assert_eq!(comparator.watched(), expected);
    }
}
