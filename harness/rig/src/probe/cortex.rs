//! Resetting and halting a Cortex-M33 through its debug registers, without a debug session.
//!
//! Source: Armv8-M Architecture Reference Manual (DDI 0553), chapter D1.2: DHCSR, DEMCR, AIRCR.

use super::bus::{Bus, wait_for};
use probe_rs::architecture::arm::ArmError;
use std::time::Duration;

pub(super) const DHCSR: u32 = 0xE000_EDF0;
pub(super) const DHCSR_KEY: u32 = 0xA05F_0000;
pub(super) const DHCSR_C_DEBUGEN: u32 = 1 << 0;
const DHCSR_C_HALT: u32 = 1 << 1;
pub(super) const DHCSR_S_HALT: u32 = 1 << 17;
pub(super) const DHCSR_S_RESET_ST: u32 = 1 << 25;
/// What stopped the core. Bits stay until ones are written to them, beyond a reset.
pub(super) const DFSR: u32 = 0xE000_ED30;
pub(super) const DFSR_ALL: u32 = 0x1F;
pub(super) const DEMCR: u32 = 0xE000_EDFC;
const DEMCR_VC_CORERESET: u32 = 1 << 0;
const AIRCR: u32 = 0xE000_ED0C;
const AIRCR_SYSRESETREQ: u32 = 0x05FA_0004;

/// How long a reset may take; probe-rs waits as long.
const RESET_WITHIN: Duration = Duration::from_millis(600);
/// How long a core may take to halt. A host-side limit: a core halts within an instruction.
const HALT_WITHIN: Duration = Duration::from_millis(500);

/// Whether a core stops at its first instruction after a reset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AfterReset {
    /// It runs, and nothing of the debugger is left behind.
    Run,
    /// It stands at its first instruction.
    Halt,
}

/// Resets the core through AIRCR; on the application core that resets the whole chip.
pub(super) fn reset(bus: &mut dyn Bus, after: AfterReset) -> Result<(), ArmError> {
    match after {
        AfterReset::Run => bus.write(DEMCR, 0)?,
        AfterReset::Halt => {
            // A core that stands must not go on before the reset: it may stand in front of what it must not do.
            let stands = bus.read(DHCSR)? & DHCSR_S_HALT != 0;
            let halt = if stands { DHCSR_C_HALT } else { 0 };
            // The catch works only with halting debug enabled (Armv8-M Architecture Reference Manual, DEMCR).
            bus.write(DHCSR, DHCSR_KEY | DHCSR_C_DEBUGEN | halt)?;
            bus.write(DEMCR, DEMCR_VC_CORERESET)?;
            // A breakpoint noted long ago would be taken for the reason of this halt.
            bus.write(DFSR, DFSR_ALL)?;
        }
    }
    request_reset(bus)?;
    match after {
        AfterReset::Run => let_go(bus),
        AfterReset::Halt => {
            wait_for(
                bus,
                "halting at the reset vector",
                HALT_WITHIN,
                DHCSR,
                |dhcsr| dhcsr & DHCSR_S_HALT != 0,
            )?;
            bus.write(DEMCR, 0)
        }
    }
}

/// Asks for a reset and waits until it is over.
pub(super) fn request_reset(bus: &mut dyn Bus) -> Result<(), ArmError> {
    // The flag stays set until it is read: from here on it means this reset.
    bus.read(DHCSR)?;
    bus.write(AIRCR, AIRCR_SYSRESETREQ)?;
    bus.flush()?;
    wait_for(bus, "the reset", RESET_WITHIN, DHCSR, |dhcsr| {
        dhcsr & DHCSR_S_RESET_ST != 0
    })?;
    wait_for(bus, "the end of the reset", RESET_WITHIN, DHCSR, |dhcsr| {
        dhcsr & DHCSR_S_RESET_ST == 0
    })
}

/// Takes halting debug away from a core, so that it runs as if no debugger had ever been there.
pub(super) fn let_go(bus: &mut dyn Bus) -> Result<(), ArmError> {
    bus.write(DEMCR, 0)?;
    bus.write(DHCSR, DHCSR_KEY)?;
    bus.flush()
}

/// Halts a core where it is.
pub(super) fn halt(bus: &mut dyn Bus) -> Result<(), ArmError> {
    bus.write(DFSR, DFSR_ALL)?;
    bus.write(DHCSR, DHCSR_KEY | DHCSR_C_DEBUGEN | DHCSR_C_HALT)?;
    bus.flush()?;
    wait_for(bus, "halting", HALT_WITHIN, DHCSR, |dhcsr| {
        dhcsr & DHCSR_S_HALT != 0
    })
}

#[cfg(test)]
mod tests {
    use super::super::bus::SequenceFault;
    use super::super::bus::recording::Recording;
    use super::*;

    fn fault(error: &ArmError) -> String {
        SequenceFault::below(error)
            .expect("our own fault")
            .to_string()
    }

    #[test]
    fn a_reset_into_running_takes_halting_debug_away() {
        let mut bus = Recording::new().answering(DHCSR, &[0, 0, DHCSR_S_RESET_ST, 0]);
        reset(&mut bus, AfterReset::Run).unwrap();
        assert_eq!(
            bus.writes(),
            [
                (DEMCR, 0),
                (AIRCR, 0x05FA_0004),
                (DEMCR, 0),
                (DHCSR, 0xA05F_0000)
            ]
        );
    }

    #[test]
    fn a_reset_into_halting_catches_the_core_with_halting_debug_enabled() {
        let mut bus = Recording::new().answering(DHCSR, &[0, 0, DHCSR_S_RESET_ST, 0, DHCSR_S_HALT]);
        reset(&mut bus, AfterReset::Halt).unwrap();
        assert_eq!(
            bus.writes(),
            [
                (DHCSR, 0xA05F_0001),
                (DEMCR, 1),
                (DFSR, 0x1F),
                (AIRCR, 0x05FA_0004),
                (DEMCR, 0)
            ]
        );
    }

    #[test]
    fn a_core_that_stands_does_not_go_on_before_it_is_reset() {
        let stands = DHCSR_S_HALT;
        let mut bus =
            Recording::new().answering(DHCSR, &[stands, stands, DHCSR_S_RESET_ST, stands, stands]);
        reset(&mut bus, AfterReset::Halt).unwrap();
        assert_eq!(bus.writes()[0], (DHCSR, 0xA05F_0003));
    }

    #[test]
    fn a_core_that_does_not_reset_is_not_waited_for_without_end() {
        let mut bus = Recording::new().answering(DHCSR, &[0]);
        let error = reset(&mut bus, AfterReset::Run).unwrap_err();
        assert_eq!(fault(&error), "the reset did not happen within 600ms");
    }

    #[test]
    fn a_core_that_does_not_halt_is_not_waited_for_without_end() {
        let mut bus = Recording::new().answering(DHCSR, &[0]);
        let error = halt(&mut bus).unwrap_err();
        assert_eq!(fault(&error), "halting did not happen within 500ms");
    }
}
