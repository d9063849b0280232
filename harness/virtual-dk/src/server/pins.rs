//! SWDIO, SWCLK and nRESET of a board: for debug probes other than the Black Magic one, which are somewhere else.
//!
//! A probe clocks bits out and in, turnaround cycles included, as on the wire (Arm Debug Interface v5.2, B4.1). What the debug port
//! behind the pins is, every probe has of its own: as on silicon, its registers are gone with the power, but unlike there also when
//! another probe is connected.

use super::board::Board;
use crate::chip::{DebugPort, Power, SwdWire};
use std::fmt;
use std::sync::Arc;

/// The debug header of a board. A probe [plugs in](Self::plug_in) on the thread that it works on.
#[derive(Clone)]
pub struct DebugHeader {
    board: Arc<Board>,
}

impl DebugHeader {
    pub(super) fn of(board: &Arc<Board>) -> Self {
        Self {
            board: Arc::clone(board),
        }
    }

    /// Connects a probe.
    #[must_use]
    pub fn plug_in(&self, sampling: Sampling) -> DebugPins {
        DebugPins {
            board: Arc::clone(&self.board),
            wire: SwdWire::new(),
            port: DebugPort::new(),
            sampling,
            listening: false,
        }
    }
}

impl fmt::Debug for DebugHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DebugHeader")
            .field(&self.board.name)
            .finish()
    }
}

/// When in a clock cycle a probe looks at SWDIO.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sampling {
    /// At the edge on which the target changes it: the turnaround cycle is seen.
    AtEdge,
    /// After that edge: everything comes a cycle earlier, and the first bit of the acknowledgement in the turnaround. A J-Link does
    /// this (probe-rs `probe-rs/src/architecture/arm/traits/polyfill.rs`, `parse_swd_response`).
    AfterEdge,
}

/// The pins, as one probe has them. Stays on the thread it was made on, as what runs flash algorithms does.
pub struct DebugPins {
    board: Arc<Board>,
    wire: SwdWire,
    port: DebugPort,
    sampling: Sampling,
    /// The host has let go of SWDIO: the turnaround is over.
    listening: bool,
}

impl DebugPins {
    /// One clock cycle for each of `cycles`: `Some` is what the host drives, `None` is a cycle in which it listens. What was on
    /// the wire in each of them.
    pub fn clock(&mut self, cycles: impl IntoIterator<Item = Option<bool>>) -> Vec<bool> {
        let Self {
            board,
            wire,
            port,
            sampling,
            listening,
        } = self;
        board.with_chip(|chip| {
            let one = |cycle: Option<bool>| match cycle {
                Some(bit) => {
                    // What the target still had to say, nobody hears any more.
                    wire.write(port, chip, u32::from(bit), 1);
                    *listening = false;
                    bit
                }
                // The turnaround: nobody drives.
                None if !*listening && *sampling == Sampling::AtEdge => {
                    *listening = true;
                    true
                }
                None => wire.read(1) == 1,
            };
            cycles.into_iter().map(one).collect()
        })
    }

    /// Pulls nRESET down, or lets go of it.
    pub fn set_reset(&mut self, asserted: bool) {
        self.board.with_chip(|chip| chip.set_pin_reset(asserted));
    }

    /// What is measured on VTref, in millivolts.
    #[must_use]
    pub fn vtref(&self) -> u16 {
        self.board.with_chip(|chip| match chip.power() {
            Power::On => 3000,
            Power::Off => 0,
        })
    }
}

impl fmt::Debug for DebugPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugPins")
            .field("board", &self.board.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::firmware::StockFirmware;
    use crate::{DebugPins, Power, Sampling, VirtualDk, VirtualDkOptions};
    use rstest::rstest;
    use std::sync::Arc;

    fn board() -> VirtualDk {
        VirtualDk::start(VirtualDkOptions::default(), Arc::new(StockFirmware)).unwrap()
    }

    fn out(bits: u64, count: u32) -> impl Iterator<Item = Option<bool>> {
        (0..count).map(move |bit| Some(bits >> bit & 1 == 1))
    }

    /// A line reset and the read of DPIDR: acknowledgement and data, which begin at bit `at` of the answer.
    fn identify(pins: &mut DebugPins, at: usize) -> (u64, u64) {
        pins.clock(out(u64::MAX, 56).chain(out(0, 2)));
        pins.clock(out(0xa5, 8));
        let seen = pins.clock((0..37).map(|_| None));
        let number = |bits: &[bool]| {
            bits.iter()
                .rev()
                .fold(0, |number, &bit| number << 1 | u64::from(bit))
        };
        (number(&seen[at..at + 3]), number(&seen[at + 3..at + 35]))
    }

    #[rstest]
    #[case::at_the_edge(Sampling::AtEdge, 1)]
    #[case::after_the_edge(Sampling::AfterEdge, 0)]
    fn a_probe_reads_dpidr_through_the_pins(#[case] sampling: Sampling, #[case] turnaround: usize) {
        let board = board();
        let mut pins = board.debug_header().plug_in(sampling);
        assert_eq!(identify(&mut pins, turnaround), (0b001, 0x6ba0_2477));
        assert_eq!(pins.vtref(), 3000);
    }

    #[test]
    fn without_power_the_wire_stays_high_and_vtref_is_gone() {
        let board = board();
        let mut pins = board.debug_header().plug_in(Sampling::AtEdge);
        board.set_power(Power::Off);
        assert_eq!(identify(&mut pins, 1), (0b111, 0xffff_ffff));
        assert_eq!(pins.vtref(), 0);
    }
}
