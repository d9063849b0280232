//! The network core's switch.
//!
//! RESET.NETWORK.FORCEOFF is 1 after every reset of the application core, and while it is, the network core's
//! access port is dead. Releasing it takes the sequence of erratum 161.
//!
//! Sources: probe-rs `probe-rs/src/vendor/nordicsemi/sequences/nrf.rs`; Zephyr `soc/nordic/nrf53/soc.c` and
//! nrfx `nrf53_errata.h` for erratum 161.

use super::bus::Bus;
use probe_rs::architecture::arm::ArmError;
use std::time::Duration;

/// SPU.PERIPHID[5].PERM, whose bit 4 says whether the RESET peripheral is mapped secure.
const SPU_RESET_PERM: u32 = 0x5000_3814;
const SPU_PERM_SECURE: u32 = 1 << 4;
/// RESET as seen from the secure and from the non-secure side.
const RESET_SECURE: u32 = 0x5000_5000;
const RESET_NON_SECURE: u32 = 0x4000_5000;
/// RESET.NETWORK.FORCEOFF: 1 holds the network core off, 0 lets it run.
const FORCEOFF: u32 = 0x614;
/// The register of erratum 161's workaround; it has no name in the vendor's headers.
const ERRATUM_161: u32 = 0x618;

/// Erratum 161: how long the core runs, and then is held, before it is finally released.
const ERRATUM_161_RUN: Duration = Duration::from_micros(5);
const ERRATUM_161_HOLD: Duration = Duration::from_micros(1);

/// Whether the network core was held off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Release {
    /// It was held and now runs.
    Released,
    /// It ran already and was left alone.
    AlreadyRunning,
}

/// Which memory the RESET peripheral is mapped to.
fn reset_base(bus: &mut dyn Bus) -> Result<u32, ArmError> {
    let secure = bus.read(SPU_RESET_PERM)? & SPU_PERM_SECURE != 0;
    Ok(if secure {
        RESET_SECURE
    } else {
        RESET_NON_SECURE
    })
}

/// Lets the network core run, with erratum 161's sequence. One that runs is left alone: it may be in the middle
/// of something.
pub(super) fn release_network_core(bus: &mut dyn Bus) -> Result<Release, ArmError> {
    let reset = reset_base(bus)?;
    if bus.read(reset + FORCEOFF)? & 1 == 0 {
        return Ok(Release::AlreadyRunning);
    }
    bus.write(reset + ERRATUM_161, 1)?;
    let released = release_twice(bus, reset);
    // Also when releasing failed: the register is not for normal operation.
    let restored = bus.write(reset + ERRATUM_161, 0).and_then(|()| bus.flush());
    released.and(restored).map(|()| Release::Released)
}

fn release_twice(bus: &mut dyn Bus, reset: u32) -> Result<(), ArmError> {
    for (value, pause) in [
        (0, Some(ERRATUM_161_RUN)),
        (1, Some(ERRATUM_161_HOLD)),
        (0, None),
    ] {
        bus.write(reset + FORCEOFF, value)?;
        bus.flush()?;
        if let Some(pause) = pause {
            bus.clock().sleep(pause);
        }
    }
    Ok(())
}

/// Holds the network core off, as it is after every reset of the application core.
pub(super) fn hold_network_core(bus: &mut dyn Bus) -> Result<(), ArmError> {
    let reset = reset_base(bus)?;
    bus.write(reset + FORCEOFF, 1)?;
    bus.flush()
}

#[cfg(test)]
mod tests {
    use super::super::bus::recording::{Op, Recording};
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::secure(SPU_PERM_SECURE, RESET_SECURE)]
    #[case::non_secure(0, RESET_NON_SECURE)]
    fn a_core_that_is_held_off_is_released_as_erratum_161_asks(
        #[case] perm: u32,
        #[case] reset: u32,
    ) {
        let mut bus = Recording::new()
            .holding(SPU_RESET_PERM, perm)
            .holding(reset + FORCEOFF, 1);
        assert_eq!(release_network_core(&mut bus).unwrap(), Release::Released);
        assert_eq!(
            bus.ops(),
            [
                Op::Write(reset + 0x618, 1),
                Op::Write(reset + 0x614, 0),
                Op::Flush,
                Op::Sleep(Duration::from_micros(5)),
                Op::Write(reset + 0x614, 1),
                Op::Flush,
                Op::Sleep(Duration::from_micros(1)),
                Op::Write(reset + 0x614, 0),
                Op::Flush,
                Op::Write(reset + 0x618, 0),
                Op::Flush,
            ]
        );
    }

    #[test]
    fn a_core_that_runs_is_neither_restarted_nor_written_to() {
        let mut bus = Recording::new().holding(SPU_RESET_PERM, SPU_PERM_SECURE);
        assert_eq!(
            release_network_core(&mut bus).unwrap(),
            Release::AlreadyRunning
        );
        assert_eq!(bus.ops(), []);
    }

    #[test]
    fn the_workaround_register_is_restored_when_releasing_fails() {
        let mut bus = Recording::new()
            .holding(SPU_RESET_PERM, SPU_PERM_SECURE)
            .holding(RESET_SECURE + FORCEOFF, 1)
            .failing(RESET_SECURE + FORCEOFF, 0);
        release_network_core(&mut bus).unwrap_err();
        assert_eq!(bus.writes().last(), Some(&(RESET_SECURE + ERRATUM_161, 0)));
    }

    #[test]
    fn holding_writes_the_switch_only() {
        let mut bus = Recording::new().holding(SPU_RESET_PERM, SPU_PERM_SECURE);
        hold_network_core(&mut bus).unwrap();
        assert_eq!(bus.writes(), [(RESET_SECURE + FORCEOFF, 1)]);
    }
}
