//! SWDIO, SWCLK and nRESET of a board: for debug probes other than the Black Magic one, which are somewhere else.
//!
//! A probe clocks bits out and in, turnaround cycles included, as on the wire (Arm Debug Interface v5.2, B4.1). What the debug port
//! behind the pins is, every probe has of its own: as on silicon, its registers are gone with the power, but unlike there also when
//! another probe is connected.

use super::board::Board;
use crate::chip::{Chip, DebugPort, Power, SwdWire};
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
    /// Does something on the wire in one go: nobody else touches the board meanwhile.
    pub fn with<R>(&mut self, action: impl FnOnce(&mut Wire<'_>) -> R) -> R {
        let Self {
            board,
            wire,
            port,
            sampling,
            listening,
        } = self;
        board.with_chip(|chip| {
            action(&mut Wire {
                chip,
                wire,
                port,
                sampling: *sampling,
                listening,
            })
        })
    }

    /// One clock cycle for each of `cycles`: `Some` is what the host drives, `None` is a cycle in which it listens. What was on
    /// the wire in each of them.
    pub fn clock(&mut self, cycles: impl IntoIterator<Item = Option<bool>>) -> Vec<bool> {
        self.with(|wire| {
            let one = |cycle| match cycle {
                Some(bit) => {
                    wire.drive(u64::from(bit), 1);
                    bit
                }
                None => wire.listen(1) == 1,
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

/// The wire, while a probe is at it.
pub struct Wire<'a> {
    chip: &'a mut Chip,
    wire: &'a mut SwdWire,
    port: &'a mut DebugPort,
    sampling: Sampling,
    listening: &'a mut bool,
}

impl Wire<'_> {
    /// Drives the low `count` bits (at most 64) of `bits`, least significant first.
    pub fn drive(&mut self, bits: u64, count: u32) {
        // What the target still had to say, nobody hears any more.
        *self.listening = false;
        let low = count.min(32);
        self.wire.write(self.port, self.chip, bits as u32, low);
        if count > low {
            let high = (bits >> 32) as u32;
            self.wire.write(self.port, self.chip, high, count - low);
        }
    }

    /// Listens for `count` cycles (at most 64). A wire that nobody drives is high.
    pub fn listen(&mut self, count: u32) -> u64 {
        let turnaround =
            u32::from(!*self.listening && self.sampling == Sampling::AtEdge && count > 0);
        *self.listening |= count > 0;
        let heard = (turnaround..count.min(64)).fold(0, |bits, cycle| {
            bits | u64::from(self.wire.read(1)) << cycle
        });
        heard | u64::from(turnaround)
    }
}

impl fmt::Debug for Wire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
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
