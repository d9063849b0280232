//! The SWD pins: a serial-wire debug port at bit level (Arm Debug Interface v5.2, chapter B4).
//!
//! The probe clocks bits out and in through the Black Magic protocol, which leaves the turnaround cycles out.
//! probe-rs connects this way always; without accelerators it does everything this way.

use super::debug_log::Access;
use super::debug_port::{DebugPort, NoAnswer, Target};
use std::collections::VecDeque;

const ACK_OK: u32 = 0b001;
const ACK_FAULT: u32 = 0b100;
/// High cycles that reset the line.
const LINE_RESET: u32 = 50;

/// Where in a transfer the wire is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// After a protocol error or before the first line reset: deaf until the next one.
    Deaf,
    Idle,
    Request,
    WriteData {
        address: u8,
        to_ap: bool,
        accepted: bool,
    },
}

/// The state of the wire.
#[derive(Debug)]
pub(crate) struct SwdWire {
    phase: Phase,
    high_cycles: u32,
    shift: u64,
    shifted: u32,
    /// Bits that the target drives next.
    answer: VecDeque<bool>,
    /// DPIDR must be read first after a line reset.
    identified: bool,
}

impl SwdWire {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Deaf,
            high_cycles: 0,
            shift: 0,
            shifted: 0,
            answer: VecDeque::new(),
            identified: false,
        }
    }

    /// The host drives the low `count` bits (at most 32) of `bits`, least significant first.
    pub(crate) fn write<T: Target>(
        &mut self,
        port: &mut DebugPort,
        chip: &mut T,
        bits: u32,
        count: u32,
    ) {
        self.answer.clear();
        if port.answers(chip).is_err() {
            *self = Self::new();
            return;
        }
        for position in 0..count.min(32) {
            self.clock(port, chip, bits >> position & 1 == 1);
        }
    }

    /// The host reads `count` bits (at most 32). A wire that nobody drives is high.
    pub(crate) fn read(&mut self, count: u32) -> u32 {
        (0..count.min(32)).fold(0, |bits, position| {
            let bit = self.answer.pop_front().unwrap_or(true);
            bits | u32::from(bit) << position
        })
    }

    fn clock<T: Target>(&mut self, port: &mut DebugPort, chip: &mut T, bit: bool) {
        self.high_cycles = if bit { self.high_cycles + 1 } else { 0 };
        if self.high_cycles >= LINE_RESET {
            if self.high_cycles == LINE_RESET {
                chip.recorder().access(|| Access::LineReset);
            }
            self.enter(Phase::Idle);
            self.identified = false;
            return;
        }
        match self.phase {
            Phase::Deaf => {}
            Phase::Idle => {
                // A start bit; a long run of ones is a line reset in the making.
                if bit && self.high_cycles < 8 {
                    self.enter(Phase::Request);
                    self.shift = 1;
                    self.shifted = 1;
                }
            }
            Phase::Request => {
                if self.take(bit) == 8 {
                    self.request(port, chip);
                }
            }
            Phase::WriteData {
                address,
                to_ap,
                accepted,
            } => {
                if self.take(bit) == 33 {
                    let value = self.shift as u32;
                    let parity_right = (self.shift.count_ones() & 1) == 0;
                    self.enter(Phase::Idle);
                    self.high_cycles = 0;
                    if accepted && parity_right {
                        complete_write(port, chip, address, to_ap, value);
                    }
                }
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.shift = 0;
        self.shifted = 0;
    }

    /// Shifts a bit in and says how many there are.
    fn take(&mut self, bit: bool) -> u32 {
        self.shift |= u64::from(bit) << self.shifted;
        self.shifted += 1;
        self.shifted
    }

    fn request<T: Target>(&mut self, port: &mut DebugPort, chip: &mut T) {
        let header = self.shift as u32;
        let to_ap = header >> 1 & 1 == 1;
        let is_read = header >> 2 & 1 == 1;
        let address = (header >> 3 & 3) as u8 * 4;
        let parity = (header >> 1 & 0b1111).count_ones() & 1;
        let well_formed = header >> 5 & 1 == parity && header >> 6 & 0b11 == 0b10;
        let reads_dpidr = !to_ap && is_read && address == 0;
        if !well_formed || !(self.identified || reads_dpidr) {
            self.enter(Phase::Deaf);
            return;
        }
        self.identified = true;
        self.high_cycles = 0;
        // With an error pending only DPIDR, CTRL/STAT and ABORT are served.
        let always_served = !to_ap && (address == 0 || is_read && address == 4);
        let accepted = always_served || !port.has_sticky_error();
        let ack = if accepted { ACK_OK } else { ACK_FAULT };
        self.answer.extend((0..3).map(|bit| ack >> bit & 1 == 1));
        if is_read {
            self.enter(Phase::Idle);
            if accepted {
                let value = read(port, chip, address, to_ap);
                self.answer.extend((0..32).map(|bit| value >> bit & 1 == 1));
                self.answer.push_back(value.count_ones() & 1 == 1);
            }
        } else {
            self.enter(Phase::WriteData {
                address,
                to_ap,
                accepted,
            });
        }
    }
}

/// A read of an access port is posted: it answers what the one before found.
fn read<T: Target>(port: &mut DebugPort, chip: &mut T, address: u8, to_ap: bool) -> u32 {
    if !to_ap {
        return port.read(chip, address).unwrap_or(0);
    }
    let (ap, register) = port.selected(address);
    match port.read_ap(chip, ap, register) {
        Ok(value) => port.exchange_read_buffer(value),
        Err(NoAnswer::Fault | NoAnswer::NoTarget) => {
            port.set_sticky_error();
            port.exchange_read_buffer(0)
        }
    }
}

fn complete_write<T: Target>(
    port: &mut DebugPort,
    chip: &mut T,
    address: u8,
    to_ap: bool,
    value: u32,
) {
    let result = if to_ap {
        let (ap, register) = port.selected(address);
        port.write_ap(chip, ap, register, value)
    } else {
        port.write(chip, address, value)
    };
    if result.is_err() {
        port.set_sticky_error();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{Chip, ForceOffView, Power};
    use proptest::prelude::*;

    fn bench() -> (SwdWire, DebugPort, Chip) {
        let mut chip = Chip::new("dk1", ForceOffView::Faithful);
        chip.set_power(Power::On);
        (SwdWire::new(), DebugPort::new(), chip)
    }

    fn line_reset(wire: &mut SwdWire, port: &mut DebugPort, chip: &mut Chip) {
        wire.write(port, chip, u32::MAX, 32);
        wire.write(port, chip, 0x003f_ffff, 32);
    }

    #[test]
    fn dpidr_is_read_after_a_line_reset() {
        let (mut wire, mut port, mut chip) = bench();
        line_reset(&mut wire, &mut port, &mut chip);
        wire.write(&mut port, &mut chip, 0xa5, 8);
        assert_eq!(wire.read(3), ACK_OK);
        assert_eq!(wire.read(32), 0x6ba0_2477);
        assert_eq!(wire.read(1), 0x6ba0_2477u32.count_ones() & 1);
    }

    #[test]
    fn the_target_is_deaf_until_dpidr_was_read() {
        let (mut wire, mut port, mut chip) = bench();
        line_reset(&mut wire, &mut port, &mut chip);
        wire.write(&mut port, &mut chip, 0x8d, 8);
        assert_eq!(wire.read(3), 0b111, "nobody drives the wire");
    }

    #[test]
    fn a_chip_without_power_leaves_the_wire_high() {
        let (mut wire, mut port, mut chip) = bench();
        chip.set_power(Power::Off);
        line_reset(&mut wire, &mut port, &mut chip);
        wire.write(&mut port, &mut chip, 0xa5, 8);
        assert_eq!(wire.read(32), u32::MAX);
    }

    proptest! {
        #[test]
        fn no_bits_make_the_target_panic(
            words in prop::collection::vec((any::<u32>(), 0u32..40), 0..60),
        ) {
            let (mut wire, mut port, mut chip) = bench();
            line_reset(&mut wire, &mut port, &mut chip);
            wire.write(&mut port, &mut chip, 0xa5, 8);
            for (bits, count) in words {
                wire.write(&mut port, &mut chip, bits, count);
                wire.read(count);
            }
        }
    }
}
