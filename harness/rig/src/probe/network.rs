//! The network core's switch.
//!
//! RESET.NETWORK.FORCEOFF is 1 after every reset of the application core, and while it is, the network core's
//! access port is dead. On chips with erratum 161, releasing it once is not enough.
//!
//! Sources: nrfx `hal/nrf_reset.h` for the sequence, nrfx `bsp/stable/mdk/nrf53/nrf53_erratas.h` for the chips
//! that need it; probe-rs `probe-rs/src/vendor/nordicsemi/sequences/nrf.rs` (its main branch) does the same from a
//! debugger.

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
const HOLD: u32 = 1;
const RELEASE: u32 = 0;
/// The register of erratum 161's workaround; it has no name in the vendor's headers.
const ERRATUM_161: u32 = 0x618;

/// FICR words without a name that tell chips apart: the part and its variant.
pub(super) const FICR_PART: u32 = 0x00FF_0130;
pub(super) const FICR_PART_VARIANT: u32 = 0x00FF_0134;
pub(super) const PART_NRF53: u32 = 0x07;
/// Variants without erratum 161. All others have it, also those that are not known yet.
const UNAFFECTED: std::ops::RangeInclusive<u32> = 0x02..=0x04;

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

/// Whether the network core is held off.
pub(super) fn is_network_core_held(bus: &mut dyn Bus) -> Result<bool, ArmError> {
    let reset = reset_base(bus)?;
    Ok(bus.read(reset + FORCEOFF)? & 1 == HOLD)
}

/// Lets the network core run. One that runs is left alone: it may be in the middle of something.
pub(super) fn release_network_core(bus: &mut dyn Bus) -> Result<Release, ArmError> {
    let reset = reset_base(bus)?;
    if bus.read(reset + FORCEOFF)? & 1 == 0 {
        return Ok(Release::AlreadyRunning);
    }
    if has_erratum_161(bus)? {
        release_with_workaround(bus, reset)?;
    } else {
        switch(bus, reset, RELEASE)?;
    }
    Ok(Release::Released)
}

fn has_erratum_161(bus: &mut dyn Bus) -> Result<bool, ArmError> {
    Ok(bus.read(FICR_PART)? == PART_NRF53 && !UNAFFECTED.contains(&bus.read(FICR_PART_VARIANT)?))
}

fn release_with_workaround(bus: &mut dyn Bus, reset: u32) -> Result<(), ArmError> {
    bus.write(reset + ERRATUM_161, 1)?;
    let released = release_twice(bus, reset);
    if released.is_err() {
        // The first error is the one that counts.
        let _ = switch(bus, reset, HOLD);
    }
    // Also when releasing failed: the register is not for normal operation.
    let restored = bus.write(reset + ERRATUM_161, 0).and_then(|()| bus.flush());
    released.and(restored)
}

fn release_twice(bus: &mut dyn Bus, reset: u32) -> Result<(), ArmError> {
    switch(bus, reset, RELEASE)?;
    bus.clock().sleep(ERRATUM_161_RUN);
    switch(bus, reset, HOLD)?;
    bus.clock().sleep(ERRATUM_161_HOLD);
    switch(bus, reset, RELEASE)
}

fn switch(bus: &mut dyn Bus, reset: u32, value: u32) -> Result<(), ArmError> {
    bus.write(reset + FORCEOFF, value)?;
    bus.flush()
}

/// Holds the network core off, as it is after every reset of the application core.
pub(super) fn hold_network_core(bus: &mut dyn Bus) -> Result<(), ArmError> {
    let reset = reset_base(bus)?;
    switch(bus, reset, HOLD)
}

#[cfg(test)]
mod tests {
    use super::super::bus::recording::{Op, Recording};
    use super::*;
    use rstest::rstest;

    /// A chip that has erratum 161, with its network core held off.
    fn affected(perm: u32, reset: u32) -> Recording {
        Recording::new()
            .holding(SPU_RESET_PERM, perm)
            .holding(reset + FORCEOFF, HOLD)
            .holding(FICR_PART, PART_NRF53)
            .holding(FICR_PART_VARIANT, 0x05)
    }

    #[rstest]
    #[case::secure(SPU_PERM_SECURE, RESET_SECURE)]
    #[case::non_secure(0, RESET_NON_SECURE)]
    fn a_core_that_is_held_off_is_released_as_erratum_161_asks(
        #[case] perm: u32,
        #[case] reset: u32,
    ) {
        let mut bus = affected(perm, reset);
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

    #[rstest]
    #[case::first_unaffected(PART_NRF53, 0x02, false)]
    #[case::last_unaffected(PART_NRF53, 0x04, false)]
    #[case::affected(PART_NRF53, 0x05, true)]
    #[case::not_known_yet(PART_NRF53, 0x77, true)]
    #[case::blank_words(0xFFFF_FFFF, 0xFFFF_FFFF, false)]
    fn only_chips_with_erratum_161_get_its_workaround(
        #[case] part: u32,
        #[case] variant: u32,
        #[case] workaround: bool,
    ) {
        let mut bus = affected(SPU_PERM_SECURE, RESET_SECURE)
            .holding(FICR_PART, part)
            .holding(FICR_PART_VARIANT, variant);
        assert_eq!(release_network_core(&mut bus).unwrap(), Release::Released);
        assert_eq!(
            bus.writes().contains(&(RESET_SECURE + ERRATUM_161, 1)),
            workaround
        );
        assert!(bus.writes().contains(&(RESET_SECURE + FORCEOFF, RELEASE)));
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
    fn when_releasing_fails_the_core_is_held_and_the_workaround_register_restored() {
        let mut bus =
            affected(SPU_PERM_SECURE, RESET_SECURE).failing(RESET_SECURE + FORCEOFF, RELEASE);
        release_network_core(&mut bus).unwrap_err();
        let writes = bus.writes();
        assert_eq!(
            writes[writes.len() - 2..],
            [
                (RESET_SECURE + FORCEOFF, HOLD),
                (RESET_SECURE + ERRATUM_161, 0)
            ]
        );
    }

    #[test]
    fn holding_writes_the_switch_only() {
        let mut bus = Recording::new().holding(SPU_RESET_PERM, SPU_PERM_SECURE);
        hold_network_core(&mut bus).unwrap();
        assert_eq!(bus.writes(), [(RESET_SECURE + FORCEOFF, 1)]);
    }
}
