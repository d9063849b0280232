//! Following a core from halt to halt, with as few round trips as can be.
//!
//! Two accesses make a halt: DHCSR is read until S_HALT is set, and written to let the core go on. Everything else is
//! asked for once, at the halt that somebody waits for.

use super::super::bus::{Bus, POLL, SequenceFault};
use super::super::cortex::{
    DFSR, DHCSR, DHCSR_C_DEBUGEN, DHCSR_KEY, DHCSR_S_HALT, DHCSR_S_RESET_ST,
};
use super::watch::CoreState;
use hil_clock::Instant;
use probe_rs::architecture::arm::ArmError;
use std::time::Duration;

const DHCSR_S_SLEEP: u32 = 1 << 18;
const DHCSR_S_LOCKUP: u32 = 1 << 19;
const DFSR_DWTTRAP: u32 = 1 << 2;
const DCRSR: u32 = 0xE000_EDF4;
const DCRDR: u32 = 0xE000_EDF8;
/// DCRSR.REGSEL of the program counter.
const PC: u32 = 15;

/// How often DHCSR is read without a pause: a core that runs from one word to the next halts within microseconds.
const EAGER: u32 = 64;
/// How long the chip may be out of reach while it resets; as long as a reset may take.
pub(super) const OUT_OF_REACH: Duration = Duration::from_millis(600);

/// What came of it.
#[derive(Debug)]
pub(super) struct Pursuit {
    /// Halts on the way, with the last one.
    pub(super) halts: u64,
    pub(super) resets: u32,
    pub(super) end: End,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// The core stands at the halt that was asked for.
    Stands,
    /// The deadline is over, and the core does this instead.
    Missed(CoreState),
    /// The core is out of reach.
    Lost(ArmError),
}

/// Lets the core go on until it has halted `count` times more, or `deadline` is over. `stands` says whether it stands now.
pub(super) fn pursue(
    bus: &mut dyn Bus,
    stands: bool,
    count: u64,
    deadline: Instant,
    patience: Duration,
) -> Pursuit {
    let mut pursuit = Pursuit {
        halts: 0,
        resets: 0,
        end: End::Stands,
    };
    if let Err(error) = follow(bus, stands, count, deadline, patience, &mut pursuit) {
        pursuit.end = End::Lost(error);
    }
    pursuit
}

fn follow(
    bus: &mut dyn Bus,
    mut stands: bool,
    count: u64,
    deadline: Instant,
    patience: Duration,
    pursuit: &mut Pursuit,
) -> Result<(), ArmError> {
    while pursuit.halts < count {
        if stands {
            resume(bus)?;
        }
        let (status, resets) = wait_for_halt(bus, deadline, patience)?;
        pursuit.resets += resets;
        stands = status & DHCSR_S_HALT != 0;
        if !stands {
            pursuit.end = End::Missed(state(status));
            return Ok(());
        }
        pursuit.halts += 1;
    }
    check_reason(bus)
}

/// Lets a core go on that keeps its watchpoints.
pub(super) fn resume(bus: &mut dyn Bus) -> Result<(), ArmError> {
    bus.write(DHCSR, DHCSR_KEY | DHCSR_C_DEBUGEN)
}

/// DHCSR once the core stands, or when the deadline is over; and the resets that were seen meanwhile.
fn wait_for_halt(
    bus: &mut dyn Bus,
    deadline: Instant,
    patience: Duration,
) -> Result<(u32, u32), ArmError> {
    let mut resets = 0;
    let mut looks = 0;
    let mut unreachable_since = None;
    loop {
        let now = bus.clock().now();
        match bus.read(DHCSR) {
            Ok(status) => {
                unreachable_since = None;
                // Sticky until it is read: one reset is seen once, in reset and behind it.
                if status & DHCSR_S_RESET_ST != 0 {
                    resets += 1;
                    settle_reset(bus)?;
                    continue;
                }
                if status & DHCSR_S_HALT != 0 || now >= deadline {
                    return Ok((status, resets));
                }
            }
            Err(error) => {
                let since = *unreachable_since.get_or_insert(now);
                if now.saturating_since(since) >= patience {
                    return Err(error);
                }
            }
        }
        looks += 1;
        if looks >= EAGER || unreachable_since.is_some() {
            bus.clock().sleep(POLL);
        }
    }
}

/// Waits until the core is out of a reset, in which the flag is set again and again.
fn settle_reset(bus: &mut dyn Bus) -> Result<(), ArmError> {
    let deadline = bus.clock().now() + OUT_OF_REACH;
    loop {
        match bus.read(DHCSR) {
            Ok(status) if status & DHCSR_S_RESET_ST == 0 => return Ok(()),
            Ok(_) | Err(_) if bus.clock().now() < deadline => bus.clock().sleep(POLL),
            // Held in reset, and not by us: it is told as what it is, a core that does not halt.
            Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn state(status: u32) -> CoreState {
    if status & DHCSR_S_LOCKUP != 0 {
        CoreState::LockedUp
    } else if status & DHCSR_S_SLEEP != 0 {
        CoreState::Asleep
    } else {
        CoreState::Running
    }
}

/// Whether watchpoints, and nothing else, have halted the core since the trap was armed.
fn check_reason(bus: &mut dyn Bus) -> Result<(), ArmError> {
    let reasons = bus.read(DFSR)? & 0x1F;
    if reasons == DFSR_DWTTRAP {
        return Ok(());
    }
    Err(SequenceFault::OtherHalt { reasons }.into())
}

/// The program counter of a core that stands.
pub(super) fn program_counter(bus: &mut dyn Bus) -> Result<u32, ArmError> {
    // S_REGRDY: set long before the probe's next access has reached the chip.
    bus.write(DCRSR, PC)?;
    bus.read(DCRDR)
}

#[cfg(test)]
mod tests {
    use super::super::super::bus::recording::Recording;
    use super::*;
    use hil_clock::SimClock;

    const RUNS: u32 = 0x0101_0001;
    const STANDS: u32 = 0x0103_0003;
    const RESET: u32 = DHCSR_S_RESET_ST | 0x0001_0001;

    fn board(dhcsr: &[u32]) -> Recording {
        Recording::new()
            .answering(DHCSR, dhcsr)
            .holding(DFSR, DFSR_DWTTRAP)
    }

    /// Within a second.
    fn pursued(bus: &mut Recording, stands: bool, count: u64) -> Pursuit {
        let deadline = bus.clock().now() + Duration::from_secs(1);
        pursue(bus, stands, count, deadline, OUT_OF_REACH)
    }

    #[test]
    fn each_halt_costs_one_write_and_the_last_one_is_left_standing() {
        let mut bus = board(&[RUNS, STANDS, RUNS, STANDS, STANDS]);
        let pursuit = pursued(&mut bus, true, 3);
        assert!(matches!(pursuit.end, End::Stands), "{pursuit:?}");
        assert_eq!(pursuit.halts, 3);
        assert_eq!(bus.writes(), [(DHCSR, 0xA05F_0001); 3]);
    }

    #[test]
    fn a_core_that_runs_already_is_not_resumed() {
        let mut bus = board(&[RUNS, STANDS]);
        assert_eq!(pursued(&mut bus, false, 1).halts, 1);
        assert_eq!(bus.writes(), []);
    }

    #[test]
    fn a_core_that_does_not_halt_is_missed_and_said_what_it_does() {
        for (status, expected) in [
            (RUNS, CoreState::Running),
            (RUNS | DHCSR_S_SLEEP, CoreState::Asleep),
            (RUNS | DHCSR_S_LOCKUP, CoreState::LockedUp),
        ] {
            let mut bus = board(&[status]);
            let pursuit = pursued(&mut bus, true, 1);
            assert_eq!(pursuit.halts, 0);
            match pursuit.end {
                End::Missed(state) => assert_eq!(state, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_reset_on_the_way_is_counted_once() {
        let mut bus = board(&[RUNS, RESET, RESET, RUNS, STANDS]);
        let pursuit = pursued(&mut bus, true, 1);
        assert_eq!((pursuit.halts, pursuit.resets), (1, 1));
    }

    #[test]
    fn a_halt_for_another_reason_is_not_taken_for_an_operation() {
        const DFSR_BKPT: u32 = 1 << 1;
        let mut bus = board(&[STANDS]).holding(DFSR, DFSR_DWTTRAP | DFSR_BKPT);
        let End::Lost(error) = pursued(&mut bus, true, 1).end else {
            panic!("a halt that is none of ours");
        };
        assert_eq!(
            SequenceFault::below(&error).map(ToString::to_string),
            Some("the core was halted by a breakpoint".to_owned())
        );
    }

    #[test]
    fn a_chip_that_stays_out_of_reach_is_an_error_before_the_deadline() {
        let mut bus = Gone(SimClock::new());
        let deadline = Instant::from_start(Duration::from_secs(600));
        let pursuit = pursue(&mut bus, false, 1, deadline, OUT_OF_REACH);
        assert!(matches!(pursuit.end, End::Lost(_)));
        assert!(bus.0.now().since_start() <= OUT_OF_REACH + 2 * POLL);
    }

    /// A chip without power.
    struct Gone(SimClock);

    impl Bus for Gone {
        fn read(&mut self, _: u32) -> Result<u32, ArmError> {
            Err(ArmError::Other("no acknowledge".to_owned()))
        }
        fn write(&mut self, _: u32, _: u32) -> Result<(), ArmError> {
            Err(ArmError::Other("no acknowledge".to_owned()))
        }
        fn read_bytes(&mut self, _: u32, _: &mut [u8]) -> Result<(), ArmError> {
            Err(ArmError::Other("no acknowledge".to_owned()))
        }
        fn write_bytes(&mut self, _: u32, _: &[u8]) -> Result<(), ArmError> {
            Err(ArmError::Other("no acknowledge".to_owned()))
        }
        fn flush(&mut self) -> Result<(), ArmError> {
            Ok(())
        }
        fn clock(&self) -> &dyn hil_clock::Clock {
            &self.0
        }
    }

    use hil_clock::Clock as _;
}
