//! The data watchpoints of a Cortex-M33: four comparators that see each data access of the core.
//!
//! A comparator that matches sets MATCHED and, with ACTION 1, halts a core that has halting debug enabled. What only
//! trace needs (cycle counter, packets) is not modelled: those registers keep nothing and read zero. A comparator that is
//! told to do what its ID does not offer never matches; silicon promises nothing then. Without DEMCR.TRCENA nothing
//! matches, and the registers take no writes and read zero: stricter than silicon, where some of them may answer.
//!
//! Sources: Armv8-M Architecture Reference Manual (DDI 0553), D1.2, DWT_CTRL, DWT_COMPn, DWT_FUNCTIONn; which comparator
//! can do what: Cortex-M33 Technical Reference Manual (100230), DWT register summary. Use of a range: zephyr
//! `arch/arm/core/cortex_m/debug.c`.

use std::ops::RangeInclusive;

/// First register.
pub(super) const BASE: u32 = 0xe000_1000;
/// Last register that is modelled.
const LAST: u32 = 0xe000_105c;

/// Comparators of an nRF5340's cores (DWT_CTRL.NUMCOMP).
const COMPARATORS: usize = 4;

/// DWT_FUNCTIONn.ID: what each comparator can do.
const ID: [u32; COMPARATORS] = [
    0b01011 << 27, // cycle counter, addresses of instructions and data
    0b11010 << 27, // addresses, and the limit of a range
    0b01010 << 27, // addresses
    0b11110 << 27, // all of that, and data values by themselves or linked to comparator 2
];

/// DWT_FUNCTIONn.MATCH, ACTION and DATAVSIZE: what can be written.
const WRITABLE: u32 = 0xc3f;
const MATCHED: u32 = 1 << 24;
/// ACTION: a debug event.
const DEBUG_EVENT: u32 = 1;

/// DWT_FUNCTIONn.MATCH, as far as it concerns data.
mod kind {
    pub(super) const ADDRESS: u32 = 0b0100;
    pub(super) const ADDRESS_READ: u32 = 0b0110;
    pub(super) const ADDRESS_LIMIT: u32 = 0b0111;
    pub(super) const VALUE: u32 = 0b1000;
    pub(super) const VALUE_READ: u32 = 0b1010;
    pub(super) const LINKED_VALUE: u32 = 0b1011;
}

/// Reading or writing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// One data access of the core.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Access {
    pub(crate) direction: Direction,
    pub(crate) address: u32,
    /// 1, 2 or 4 bytes.
    pub(crate) size: u32,
    /// What is read or written, in the low bytes.
    pub(crate) value: u32,
}

impl Access {
    /// A word that is stored.
    pub(crate) const fn store(address: u32, value: u32) -> Self {
        Self {
            direction: Direction::Write,
            address,
            size: 4,
            value,
        }
    }

    fn bytes(self) -> RangeInclusive<u32> {
        self.address..=self.address.saturating_add(self.size - 1)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Comparator {
    value: u32,
    /// MATCH, ACTION and DATAVSIZE.
    function: u32,
    matched: bool,
}

impl Comparator {
    const fn kind(self) -> u32 {
        self.function & 0xf
    }

    const fn action(self) -> u32 {
        self.function >> 4 & 3
    }

    /// Bytes that DATAVSIZE stands for.
    const fn size(self) -> u32 {
        1 << (self.function >> 10 & 3)
    }

    /// Whether it looks at accesses of this direction, for a MATCH of three in the order both, writes, reads.
    const fn sees(self, both: u32, direction: Direction) -> bool {
        let kind = self.kind();
        kind == both
            || match direction {
                Direction::Write => kind == both + 1,
                Direction::Read => kind == both + 2,
            }
    }

    /// Whether the bytes that it compares are what the access moves.
    const fn has_value(self, access: Access) -> bool {
        let size = self.size();
        if size > access.size {
            return false;
        }
        let mask = u32::MAX >> (32 - 8 * size);
        self.value & mask == access.value & mask
    }
}

/// The watchpoints of one core.
#[derive(Debug, Default)]
pub(super) struct Dwt {
    comparators: [Comparator; COMPARATORS],
}

impl Dwt {
    /// Whether a comparator looks at data at all.
    pub(super) fn watches_data(&self) -> bool {
        self.comparators
            .iter()
            .any(|comparator| comparator.kind() >= kind::ADDRESS)
    }

    /// Whether a store to the word at `address` may match, of whatever value.
    pub(super) fn may_match(&self, address: u32) -> bool {
        let access = Access::store(address, 0);
        (0..COMPARATORS).any(|number| {
            let kind = self.comparators[number].kind();
            match kind {
                kind::ADDRESS..=kind::ADDRESS_READ => self.matches_address(number, access),
                kind::VALUE..=kind::VALUE_READ => true,
                // The address is that of the comparator in front of it.
                _ => false,
            }
        })
    }

    pub(super) fn is_register(address: u32) -> bool {
        (BASE..=LAST).contains(&address)
    }

    pub(super) fn read(&mut self, address: u32) -> u32 {
        const CTRL: u32 = BASE;
        if address == CTRL {
            return (COMPARATORS as u32) << 28;
        }
        let Some((number, register)) = place(address) else {
            return 0;
        };
        let comparator = &mut self.comparators[number];
        match register {
            Register::Comp => comparator.value,
            Register::Function => {
                let matched = std::mem::take(&mut comparator.matched);
                ID[number] | comparator.function | if matched { MATCHED } else { 0 }
            }
        }
    }

    pub(super) fn write(&mut self, address: u32, value: u32) {
        let Some((number, register)) = place(address) else {
            return;
        };
        let comparator = &mut self.comparators[number];
        match register {
            Register::Comp => comparator.value = value,
            Register::Function => comparator.function = value & WRITABLE,
        }
    }

    /// The core makes this access. Says whether that is a debug event.
    pub(super) fn access(&mut self, access: Access) -> bool {
        let mut event = false;
        for number in 0..COMPARATORS {
            if self.matches(number, access) {
                let comparator = &mut self.comparators[number];
                comparator.matched = true;
                event |= comparator.action() == DEBUG_EVENT;
            }
        }
        event
    }

    fn matches(&self, number: usize, access: Access) -> bool {
        let comparator = self.comparators[number];
        match comparator.kind() {
            kind::ADDRESS..=kind::ADDRESS_READ => self.matches_address(number, access),
            kind::VALUE..=kind::VALUE_READ => {
                offers_values(number)
                    && comparator.sees(kind::VALUE, access.direction)
                    && comparator.has_value(access)
            }
            kind::LINKED_VALUE => {
                offers_values(number)
                    && self.matches_address(number - 1, access)
                    && comparator.has_value(access)
            }
            // The limit of a range is part of the comparator in front of it.
            _ => false,
        }
    }

    fn matches_address(&self, number: usize, access: Access) -> bool {
        let comparator = self.comparators[number];
        if !comparator.sees(kind::ADDRESS, access.direction) {
            return false;
        }
        let next = self.comparators.get(number + 1);
        let limit = next.filter(|next| next.kind() == kind::ADDRESS_LIMIT);
        let bytes = match limit {
            Some(limit) if offers_limits(number + 1) => comparator.value..=limit.value,
            Some(_) => return false,
            None => {
                let first = comparator.value & !(comparator.size() - 1);
                first..=first + (comparator.size() - 1)
            }
        };
        let accessed = access.bytes();
        accessed.start() <= bytes.end() && bytes.start() <= accessed.end()
    }
}

const fn offers_limits(number: usize) -> bool {
    number == 1 || number == 3
}

const fn offers_values(number: usize) -> bool {
    number == 3
}

enum Register {
    Comp,
    Function,
}

/// The comparator that a register belongs to.
fn place(address: u32) -> Option<(usize, Register)> {
    let offset = address.checked_sub(BASE + 0x20)?;
    let number = (offset / 0x10) as usize;
    let register = match offset % 0x10 {
        0 => Register::Comp,
        8 => Register::Function,
        _ => return None,
    };
    (number < COMPARATORS).then_some((number, register))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WORD: u32 = 2 << 10;
    const HALT: u32 = 1 << 4;
    const CONFIG: u32 = 0x5003_9504;

    fn dwt(registers: &[(u32, u32)]) -> Dwt {
        let mut dwt = Dwt::default();
        for &(offset, value) in registers {
            dwt.write(BASE + offset, value);
        }
        dwt
    }

    fn access(direction: Direction, address: u32, size: u32, value: u32) -> Access {
        Access {
            direction,
            address,
            size,
            value,
        }
    }

    fn store(address: u32, value: u32) -> Access {
        Access::store(address, value)
    }

    fn load(address: u32) -> Access {
        access(Direction::Read, address, 4, 0)
    }

    // DDI 0553, DWT_FUNCTIONn.MATCH: 0b0100 reads and writes, 0b0101 writes, 0b0110 reads.
    #[rstest]
    #[case::both_write(4, store(CONFIG, 2), true)]
    #[case::both_read(4, load(CONFIG), true)]
    #[case::writes_write(5, store(CONFIG, 2), true)]
    #[case::writes_read(5, load(CONFIG), false)]
    #[case::reads_write(6, store(CONFIG, 2), false)]
    #[case::reads_read(6, load(CONFIG), true)]
    #[case::disabled(0, store(CONFIG, 2), false)]
    #[case::elsewhere(4, store(CONFIG + 4, 2), false)]
    #[case::a_byte_of_it(4, access(Direction::Write, CONFIG + 3, 1, 2), true)]
    fn an_address_matches_accesses_of_its_direction(
        #[case] kind: u32,
        #[case] access: Access,
        #[case] expected: bool,
    ) {
        let mut dwt = dwt(&[(0x20, CONFIG), (0x28, kind | HALT | WORD)]);
        assert_eq!(dwt.access(access), expected);
    }

    // DDI 0553, DWT_FUNCTIONn.DATAVSIZE: the bytes that DWT_COMPn stands for.
    #[rstest]
    #[case::byte(0, &[0x102])]
    #[case::halfword(1, &[0x102, 0x103])]
    #[case::word(2, &[0x100, 0x101, 0x102, 0x103])]
    fn data_size_is_how_many_bytes_an_address_stands_for(
        #[case] size: u32,
        #[case] expected: &[u32],
    ) {
        let mut dwt = dwt(&[(0x20, 0x102), (0x28, 4 | HALT | size << 10)]);
        let matched: Vec<u32> = (0xf0..0x110)
            .filter(|&address| dwt.access(access(Direction::Write, address, 1, 0)))
            .collect();
        assert_eq!(matched, expected);
    }

    // DDI 0553, MATCH 0b0111: the range from DWT_COMPn-1 to DWT_COMPn, both in it; the action is that of n-1.
    #[rstest]
    #[case::in_front(0x0fff, false)]
    #[case::first(0x1000, true)]
    #[case::last(0x1fff, true)]
    #[case::behind(0x2000, false)]
    fn a_limit_makes_a_range(#[case] address: u32, #[case] expected: bool) {
        let mut dwt = dwt(&[
            (0x20, 0x1000),
            (0x28, 5 | HALT | WORD),
            (0x30, 0x1fff),
            (0x38, 7 | WORD),
        ]);
        assert_eq!(
            dwt.access(access(Direction::Write, address, 1, 0)),
            expected
        );
    }

    // DDI 0553, MATCH 0b1011: DWT_COMPn is a value, for accesses that comparator n-1 matches.
    #[rstest]
    #[case::erase(store(CONFIG, 2), true)]
    #[case::write(store(CONFIG, 1), false)]
    #[case::elsewhere(store(CONFIG + 4, 2), false)]
    #[case::read(access(Direction::Read, CONFIG, 4, 2), false)]
    fn a_linked_value_needs_both_address_and_value(#[case] access: Access, #[case] expected: bool) {
        let mut dwt = dwt(&[
            (0x40, CONFIG),
            (0x48, 5 | WORD),
            (0x50, 2),
            (0x58, 0xb | HALT | WORD),
        ]);
        assert_eq!(dwt.access(access), expected);
        assert_eq!(dwt.read(BASE + 0x58) & MATCHED != 0, expected);
    }

    #[rstest]
    #[case::writes(9, store(0x10, 0xdead_beef), true)]
    #[case::another_value(9, store(0x10, 0xdead_beee), false)]
    #[case::reads_only(0xa, store(0x10, 0xdead_beef), false)]
    fn a_value_matches_wherever_it_goes(
        #[case] kind: u32,
        #[case] access: Access,
        #[case] expected: bool,
    ) {
        let mut dwt = dwt(&[(0x50, 0xdead_beef), (0x58, kind | HALT | WORD)]);
        assert_eq!(dwt.access(access), expected);
    }

    // Cortex-M33 TRM: only comparator 3 has data values, only 1 and 3 are limits.
    #[rstest]
    #[case::value(0x30, 0x38, 9)]
    #[case::linked_value(0x30, 0x38, 0xb)]
    fn a_comparator_does_nothing_that_its_id_does_not_offer(
        #[case] comp: u32,
        #[case] function: u32,
        #[case] kind: u32,
    ) {
        let mut dwt = dwt(&[
            (0x20, CONFIG),
            (0x28, 5 | WORD),
            (comp, 2),
            (function, kind | HALT | WORD),
        ]);
        assert!(!dwt.access(store(CONFIG, 2)));
    }

    // DDI 0553, DWT_FUNCTIONn.ACTION: 0 is a trigger only. MATCHED is cleared by reading.
    #[rstest]
    #[case::the_word(&[(0x20, 0x5000), (0x28, 0x815)], 0x5000, true)]
    #[case::another_word(&[(0x20, 0x5000), (0x28, 0x815)], 0x5004, false)]
    #[case::a_range(&[(0x20, 0x5000), (0x28, 0x815), (0x30, 0x5fff), (0x38, 0x807)], 0x5ffc, true)]
    #[case::a_value_anywhere(&[(0x30, 7), (0x38, 0x819)], 0x9000, true)]
    #[case::nothing(&[], 0x5000, false)]
    fn a_store_that_cannot_match_is_known_beforehand(
        #[case] registers: &[(u32, u32)],
        #[case] address: u32,
        #[case] expected: bool,
    ) {
        assert_eq!(dwt(registers).may_match(address), expected);
    }

    #[test]
    fn a_match_without_action_is_noted_and_read_once() {
        let mut dwt = dwt(&[(0x20, 0x10), (0x28, 5 | WORD)]);
        assert!(!dwt.access(store(0x10, 0)));
        let values = [0; 2].map(|_: u32| dwt.read(BASE + 0x28));
        assert_eq!(values, [0x5900_0805, 0x5800_0805]);
    }

    // DDI 0553, DWT_CTRL.NUMCOMP; Cortex-M33 TRM, reset values of DWT_FUNCTIONn.
    #[rstest]
    #[case::ctrl(0x00, 0x4000_0000)]
    #[case::function_0(0x28, 0x5800_0000)]
    #[case::function_1(0x38, 0xd000_0000)]
    #[case::function_2(0x48, 0x5000_0000)]
    #[case::function_3(0x58, 0xf000_0000)]
    fn a_debugger_finds_out_what_there_is(#[case] offset: u32, #[case] expected: u32) {
        assert_eq!(dwt(&[]).read(BASE + offset), expected);
    }
}
