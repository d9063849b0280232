//! The data watchpoints of a Cortex-M33, set so that a core halts where it drives its flash.
//!
//! The nRF5340's cores have four comparators. 0 and 1 together are a range of addresses; 2 and 3 together an address with
//! the value that is stored there; 0 and 2 each can be an address alone. What a comparator can do is read from its ID
//! before it is used. A store that is met halts the core behind it, one or a few instructions later: the manual promises no
//! exact place, so callers rely only on what cannot have happened yet.
//!
//! Sources: Armv8-M Architecture Reference Manual (DDI 0553), D1.2, DWT_CTRL, DWT_COMPn, DWT_FUNCTIONn, DEMCR;
//! Cortex-M33 Technical Reference Manual (100230), DWT; a range as in zephyr `arch/arm/core/cortex_m/debug.c`.

use super::bus::{Bus, SequenceFault};
use super::cortex::{DEMCR, DFSR, DFSR_ALL, DHCSR, DHCSR_C_DEBUGEN, DHCSR_KEY};
use crate::silicon::Silicon;
use probe_rs::architecture::arm::ArmError;
use std::ops::Range;

const DEMCR_TRCENA: u32 = 1 << 24;
const CTRL: u32 = 0xE000_1000;
const COMP: u32 = 0xE000_1020;
const FUNCTION: u32 = 0xE000_1028;
const STEP: u32 = 0x10;
const COMPARATORS: u32 = 4;
/// A Cortex-M0 has two (nRF51 Series Reference Manual 3.0, CPU), with a mask beside each address.
const M0_COMPARATORS: u32 = 2;
const MASK: u32 = 0xE000_1024;
const WORD_MASK: u32 = 2;
/// Armv6-M DWT_FUNCTIONn: halts at a store.
const V6_STORE: u32 = 0b0110;

/// DWT_FUNCTIONn: MATCH, ACTION (a debug event), DATAVSIZE (a word), MATCHED, ID.
const ADDRESS_WRITTEN: u32 = 0b0101;
const ADDRESS_LIMIT: u32 = 0b0111;
const LINKED_VALUE: u32 = 0b1011;
const DEBUG_EVENT: u32 = 1 << 4;
const WORD: u32 = 2 << 10;
const MATCHED: u32 = 1 << 24;

/// DWT_FUNCTIONn.ID, by what is needed of it: data addresses (all that an M33 has), the limit of a range, values that are
/// linked to an address.
const HAS_LIMIT: [u32; 2] = [0b11010, 0b11110];
const HAS_LINKED_VALUE: [u32; 2] = [0b11100, 0b11110];

/// What the comparators look for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Condition {
    /// A store into this range.
    Into(Range<u32>),
    /// A store to this word.
    To(u32),
    /// A store of this value to this word.
    Value(u32, u32),
    /// A store to one of two words. Which one, [`matched`] says.
    Either(u32, u32),
    /// A store to the first word (comparator 0), or to the second one with this value (comparator 3).
    ToOrValue(u32, u32, u32),
}

impl Condition {
    /// COMP, MASK and FUNCTION of the two comparators of a Cortex-M0 (Armv6-M Architecture Reference Manual, C1.8); `None` for
    /// what they cannot do.
    fn comparators_of_m0(&self) -> Option<[(u32, u32, u32); 2]> {
        const OFF: (u32, u32, u32) = (0, 0, 0);
        let word = |address| (address, WORD_MASK, V6_STORE);
        Some(match *self {
            Self::Into(Range { start, end }) => {
                let length = end.checked_sub(start)?;
                let is_block = length.is_power_of_two() && start.is_multiple_of(length);
                is_block.then(|| [(start, length.trailing_zeros(), V6_STORE), OFF])?
            }
            Self::To(address) => [word(address), OFF],
            Self::Either(one, other) => [word(one), word(other)],
            Self::Value(..) | Self::ToOrValue(..) => return None,
        })
    }

    /// COMP and FUNCTION of each comparator.
    fn comparators(&self) -> [(u32, u32); COMPARATORS as usize] {
        const OFF: (u32, u32) = (0, 0);
        let halting = |address| (address, ADDRESS_WRITTEN | DEBUG_EVENT | WORD);
        match *self {
            Self::Into(Range { start, end }) => {
                let limit = (end.saturating_sub(1), ADDRESS_LIMIT | WORD);
                [halting(start), limit, OFF, OFF]
            }
            Self::To(address) => [halting(address), OFF, OFF, OFF],
            Self::Value(address, value) => [
                OFF,
                OFF,
                (address, ADDRESS_WRITTEN | WORD),
                (value, LINKED_VALUE | DEBUG_EVENT | WORD),
            ],
            Self::Either(one, other) => [halting(one), OFF, halting(other), OFF],
            Self::ToOrValue(word, address, value) => {
                let [.., linked, compared] = Self::Value(address, value).comparators();
                [halting(word), OFF, linked, compared]
            }
        }
    }
}

/// Makes the core halt where `condition` says, from now on and beyond resets. Does not halt it.
pub(super) fn arm(bus: &mut dyn Bus, condition: &Condition) -> Result<(), ArmError> {
    let demcr = bus.read(DEMCR)?;
    bus.write(DEMCR, demcr | DEMCR_TRCENA)?;
    check(bus)?;
    set(bus, condition)?;
    // A halt of before would be taken for one of the watchpoints'.
    bus.write(DFSR, DFSR_ALL)?;
    let control = bus.read(DHCSR)? & 0xF | DHCSR_C_DEBUGEN;
    bus.write(DHCSR, DHCSR_KEY | control)?;
    bus.flush()
}

/// Looks for something else from now on.
pub(super) fn set(bus: &mut dyn Bus, condition: &Condition) -> Result<(), ArmError> {
    // All off first: half of an old condition and half of a new one is a third.
    for number in 0..comparators_of(bus) {
        bus.write(FUNCTION + STEP * number, 0)?;
    }
    if bus.silicon() == Silicon::Nrf51 {
        let Some(comparators) = condition.comparators_of_m0() else {
            let what =
                "watchpoints without values, and ranges only of aligned powers of two".to_owned();
            return Err(SequenceFault::NoWatchpoints { what }.into());
        };
        for (number, (comp, mask, function)) in (0..).zip(comparators) {
            bus.write(COMP + STEP * number, comp)?;
            bus.write(MASK + STEP * number, mask)?;
            bus.write(FUNCTION + STEP * number, function)?;
        }
        return Ok(());
    }
    for (number, (comp, function)) in (0..).zip(condition.comparators()) {
        if function != 0 {
            bus.write(COMP + STEP * number, comp)?;
            bus.write(FUNCTION + STEP * number, function)?;
        }
    }
    Ok(())
}

/// Forgets which comparators have matched until now.
pub(super) fn forget_matches(bus: &mut dyn Bus) -> Result<(), ArmError> {
    (0..comparators_of(bus)).try_for_each(|number| matched(bus, number).map(drop))
}

/// Switches the watchpoints off. What else of a debugger there is stays.
pub(super) fn disarm(bus: &mut dyn Bus) -> Result<(), ArmError> {
    for number in 0..comparators_of(bus) {
        bus.write(FUNCTION + STEP * number, 0)?;
    }
    let demcr = bus.read(DEMCR)?;
    bus.write(DEMCR, demcr & !DEMCR_TRCENA)?;
    bus.flush()
}

/// Whether comparator `number` has matched since it was last asked.
pub(super) fn matched(bus: &mut dyn Bus, number: u32) -> Result<bool, ArmError> {
    Ok(bus.read(FUNCTION + STEP * number)? & MATCHED != 0)
}

/// How many comparators the chip's core has.
fn comparators_of(bus: &dyn Bus) -> u32 {
    match bus.silicon() {
        Silicon::Nrf5340 => COMPARATORS,
        Silicon::Nrf51 => M0_COMPARATORS,
    }
}

/// Whether the watchpoints are those of the chip.
fn check(bus: &mut dyn Bus) -> Result<(), ArmError> {
    let found = bus.read(CTRL)? >> 28;
    let expected = comparators_of(bus);
    if found < expected {
        let what = format!("{found} watchpoint comparators, expected {expected}");
        return Err(SequenceFault::NoWatchpoints { what }.into());
    }
    if bus.silicon() == Silicon::Nrf51 {
        return Ok(());
    }
    for (number, offers, what) in [
        (1, HAS_LIMIT, "the limit of a range"),
        (3, HAS_LINKED_VALUE, "a value at an address"),
    ] {
        let id = bus.read(FUNCTION + STEP * number)? >> 27;
        if !offers.contains(&id) {
            let what = format!("a comparator {number} without {what} (ID {id:#07b})");
            return Err(SequenceFault::NoWatchpoints { what }.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::bus::recording::Recording;
    use super::*;
    use rstest::rstest;

    fn m33() -> Recording {
        Recording::new()
            .holding(CTRL, 0x4000_0000)
            .answering(FUNCTION + 0x10, &[0xD000_0000])
            .answering(FUNCTION + 0x30, &[0xF000_0000])
            .answering(DHCSR, &[0x0103_0003])
    }

    // DWT_FUNCTIONn: 0x815 halts at a store to a word, 0x807 is a limit, 0x805 only an address, 0x81b halts at a value.
    #[rstest]
    #[case::range(Condition::Into(0x1000..0x2000), &[(0, 0x1000, 0x815), (1, 0x1FFF, 0x807)])]
    #[case::word(Condition::To(0x5003_9504), &[(0, 0x5003_9504, 0x815)])]
    #[case::value(Condition::Value(0x5003_9504, 2), &[(2, 0x5003_9504, 0x805), (3, 2, 0x81B)])]
    #[case::either(Condition::Either(8, 12), &[(0, 8, 0x815), (2, 12, 0x815)])]
    #[case::word_or_value(
        Condition::ToOrValue(8, 0x5003_9504, 2),
        &[(0, 8, 0x815), (2, 0x5003_9504, 0x805), (3, 2, 0x81B)]
    )]
    fn a_condition_takes_these_comparators(
        #[case] condition: Condition,
        #[case] expected: &[(u32, u32, u32)],
    ) {
        let mut bus = m33();
        set(&mut bus, &condition).unwrap();
        let off = (0..4).map(|number| (FUNCTION + STEP * number, 0));
        let on = expected.iter().flat_map(|&(number, comp, function)| {
            [
                (COMP + STEP * number, comp),
                (FUNCTION + STEP * number, function),
            ]
        });
        assert_eq!(bus.writes(), off.chain(on).collect::<Vec<_>>());
    }

    // COMP, MASK and FUNCTION: 0b0110 halts at a store.
    #[rstest]
    #[case::range(Condition::Into(0..0x4_0000), [(0, 18, 6), (0, 0, 0)])]
    #[case::word(Condition::To(0x4001_E508), [(0x4001_E508, 2, 6), (0, 0, 0)])]
    #[case::either(Condition::Either(8, 12), [(8, 2, 6), (12, 2, 6)])]
    fn a_cortex_m0_watches_with_two_masks(
        #[case] condition: Condition,
        #[case] expected: [(u32, u32, u32); 2],
    ) {
        let mut bus = Recording::new().of(Silicon::Nrf51);
        set(&mut bus, &condition).unwrap();
        let off = (0..2).map(|number| (FUNCTION + STEP * number, 0));
        let on = (0..)
            .zip(expected)
            .flat_map(|(number, (comp, mask, function))| {
                [
                    (COMP + STEP * number, comp),
                    (MASK + STEP * number, mask),
                    (FUNCTION + STEP * number, function),
                ]
            });
        assert_eq!(bus.writes(), off.chain(on).collect::<Vec<_>>());
    }

    #[rstest]
    #[case::value(Condition::Value(8, 2))]
    #[case::odd_range(Condition::Into(4..16))]
    fn what_a_cortex_m0_cannot_watch_is_refused(#[case] condition: Condition) {
        let mut bus = Recording::new().of(Silicon::Nrf51);
        let error = set(&mut bus, &condition).unwrap_err();
        let fault = SequenceFault::below(&error).expect("our own fault");
        assert!(matches!(fault, SequenceFault::NoWatchpoints { .. }));
    }

    #[test]
    fn a_core_that_stands_stays_standing_when_it_is_armed() {
        let mut bus = m33();
        arm(&mut bus, &Condition::To(8)).unwrap();
        let writes = bus.writes();
        assert_eq!(writes.first(), Some(&(DEMCR, DEMCR_TRCENA)));
        assert_eq!(writes.last(), Some(&(DHCSR, 0xA05F_0003)));
    }

    #[rstest]
    #[case::two_comparators(0x2000_0000, 0xD000_0000, 0xF000_0000)]
    #[case::no_range(0x4000_0000, 0x5000_0000, 0xF000_0000)]
    #[case::no_value(0x4000_0000, 0xD000_0000, 0xD000_0000)]
    fn other_watchpoints_are_refused_before_they_are_set(
        #[case] ctrl: u32,
        #[case] function1: u32,
        #[case] function3: u32,
    ) {
        let mut bus = Recording::new()
            .holding(CTRL, ctrl)
            .answering(FUNCTION + 0x10, &[function1])
            .answering(FUNCTION + 0x30, &[function3]);
        let error = arm(&mut bus, &Condition::To(8)).unwrap_err();
        let fault = SequenceFault::below(&error).expect("our own fault");
        assert!(matches!(fault, SequenceFault::NoWatchpoints { .. }));
        assert_eq!(bus.writes(), [(DEMCR, DEMCR_TRCENA)]);
    }
}
