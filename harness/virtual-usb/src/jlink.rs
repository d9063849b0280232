//! A J-Link, as far as probe-rs uses one: what is on every nRF5340 DK.
//!
//! Commands are bytes on a bulk endpoint, without framing: how long each is says its first byte. Sources: SEGGER RM08001 (J-Link USB
//! protocol) and `probe-rs probe-rs/src/probe/jlink`, which is where the numbers were taken from that the manual does not have.
//! SWD only, no SWO.

use crate::device::Function;
use virtual_dk::DebugPins;

/// The class, subclass and protocol of its interface.
pub const CLASS: [u8; 3] = [0xff; 3];
/// Bytes of memory that the probe says it has for a command.
const MEMORY: u32 = 16 << 10;
/// The longest command that is waited for: all bits of one HW_JTAG3.
const LONGEST: usize = 4 + 2 * 8192;

mod command {
    pub(super) const VERSION: u8 = 0x01;
    pub(super) const RESET_TRST: u8 = 0x02;
    pub(super) const RESET_TARGET: u8 = 0x03;
    pub(super) const SET_SPEED: u8 = 0x05;
    pub(super) const GET_STATE: u8 = 0x07;
    pub(super) const SET_KS_POWER: u8 = 0x08;
    pub(super) const GET_SPEEDS: u8 = 0xc0;
    pub(super) const GET_HW_INFO: u8 = 0xc1;
    pub(super) const SELECT_IF: u8 = 0xc7;
    pub(super) const HW_CLOCK: u8 = 0xc8;
    pub(super) const HW_DATA1: u8 = 0xcc;
    pub(super) const HW_JTAG3: u8 = 0xcf;
    pub(super) const GET_MAX_MEM_BLOCK: u8 = 0xd4;
    pub(super) const HW_TCK0: u8 = 0xda;
    pub(super) const HW_RESET0: u8 = 0xdc;
    pub(super) const HW_RESET1: u8 = 0xdd;
    pub(super) const HW_TRST1: u8 = 0xdf;
    pub(super) const GET_CAPS: u8 = 0xe8;
    pub(super) const GET_CAPS_EX: u8 = 0xed;
    pub(super) const GET_HW_VERSION: u8 = 0xf0;
    pub(super) const READ_CONFIG: u8 = 0xf2;
}

/// Bit numbers: reserved (always set), GET_HW_VERSION, READ_CONFIG, SPEED_INFO, GET_MAX_BLOCK_SIZE, GET_HW_INFO, SET_KS_POWER,
/// SELECT_IF, GET_CAPS_EX.
const CAPABILITIES: u32 =
    1 | 1 << 1 | 1 << 4 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 17 | 1 << 31;
/// Of the interfaces: SWD.
const SWD: u8 = 1;
/// 72 MHz through 18 and more: 4 MHz at most, as a DK's probe.
const SPEED_BASE: u32 = 72_000_000;
const SPEED_DIVIDER: u16 = 18;
/// 1.00 in the probe's decimal: 10000 × major + 100 × minor.
const HARDWARE: u32 = 10_000;
const VERSION: &str = "J-Link OB-nRF5340-NordicSemi (virtual DK) compiled Jan  1 2026 00:00:00";

/// The probe.
#[derive(Debug)]
pub struct JLink {
    pins: DebugPins,
    interface: u8,
    is_reset: bool,
    /// A command that has not come whole yet.
    received: Vec<u8>,
}

impl JLink {
    /// A probe on these pins, which have to be [sampled after the edge](virtual_dk::Sampling::AfterEdge).
    #[must_use]
    pub const fn new(pins: DebugPins) -> Self {
        Self {
            pins,
            interface: SWD,
            is_reset: false,
            received: Vec::new(),
        }
    }

    fn execute(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        let parameter = command.get(1).copied().unwrap_or(0);
        Some(match command[0] {
            command::GET_STATE => {
                let mut answer = self.pins.vtref().to_le_bytes().to_vec();
                // TCK, TDI, TDO, TMS, TRES, TRST.
                answer.extend([0, 0, 0, 1, u8::from(!self.is_reset), 1]);
                answer
            }
            command::GET_SPEEDS => {
                let mut answer = SPEED_BASE.to_le_bytes().to_vec();
                answer.extend(SPEED_DIVIDER.to_le_bytes());
                answer
            }
            // Of what is asked for, one word each; nothing is measured.
            command::GET_HW_INFO => {
                let mask = u32::from_le_bytes(command.get(1..5)?.try_into().ok()?);
                vec![0; 4 * mask.count_ones() as usize]
            }
            command::SELECT_IF => {
                const LIST: u8 = 0xff;
                const CURRENT: u8 = 0xfe;
                let answer = match parameter {
                    LIST => 1 << SWD,
                    CURRENT => u32::from(self.interface),
                    wanted => {
                        let before = self.interface;
                        // It keeps to what it can.
                        if wanted == SWD {
                            self.interface = wanted;
                        }
                        u32::from(before)
                    }
                };
                answer.to_le_bytes().to_vec()
            }
            command::HW_JTAG3 => self.clock(command)?,
            command::GET_MAX_MEM_BLOCK => MEMORY.to_le_bytes().to_vec(),
            command::GET_CAPS => CAPABILITIES.to_le_bytes().to_vec(),
            command::GET_CAPS_EX => {
                let mut answer = CAPABILITIES.to_le_bytes().to_vec();
                answer.resize(32, 0);
                answer
            }
            command::GET_HW_VERSION => HARDWARE.to_le_bytes().to_vec(),
            // All defaults.
            command::READ_CONFIG => vec![0xff; 256],
            command::HW_RESET0 => {
                self.set_reset(true);
                return None;
            }
            command::HW_RESET1 => {
                self.set_reset(false);
                return None;
            }
            command::RESET_TARGET => {
                self.set_reset(true);
                self.set_reset(false);
                return None;
            }
            _ => return None,
        })
    }

    fn set_reset(&mut self, asserted: bool) {
        self.is_reset = asserted;
        self.pins.set_reset(asserted);
    }

    /// HW_JTAG3 with SWD selected: directions, then values; answered with what was on the wire, and 0 for success.
    fn clock(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        let count = usize::from(u16::from_le_bytes([*command.get(2)?, *command.get(3)?]));
        let bytes = count.div_ceil(8);
        let (directions, values) = command.get(4..4 + 2 * bytes)?.split_at(bytes);
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
        let cycles = (0..count).map(|at| bit(directions, at).then(|| bit(values, at)));
        let seen = self.pins.clock(cycles);
        let pack = |bits: &[bool]| {
            let place = |(at, &bit): (usize, &bool)| u8::from(bit) << at;
            bits.iter().enumerate().map(place).sum()
        };
        let mut answer: Vec<u8> = seen.chunks(8).map(pack).collect();
        answer.push(0);
        Some(answer)
    }
}

/// The answer to VERSION, the only one of two transfers: how long it is, and the text. probe-rs takes a transfer of 2 bytes for the
/// length and knows of no version when more come (`probe-rs probe-rs/src/probe/jlink/mod.rs`, `read_firmware_version`;
/// `probe-rs/src/probe/usb_util.rs`).
fn version() -> [Vec<u8>; 2] {
    let text = [VERSION.as_bytes(), &[0]].concat();
    [(text.len() as u16).to_le_bytes().to_vec(), text]
}

/// How long the command is that begins here; `None` when that is not known yet.
fn length(bytes: &[u8]) -> Option<usize> {
    Some(match *bytes.first()? {
        command::SET_SPEED => 3,
        command::SET_KS_POWER | command::SELECT_IF => 2,
        command::GET_HW_INFO => 5,
        command::HW_JTAG3 => {
            let count = u16::from_le_bytes([*bytes.get(2)?, *bytes.get(3)?]);
            4 + 2 * usize::from(count).div_ceil(8)
        }
        _ => 1,
    })
}

/// Whether a byte begins a command of this probe.
const fn is_known(first: u8) -> bool {
    use command::{
        GET_CAPS, GET_CAPS_EX, GET_HW_INFO, GET_HW_VERSION, GET_MAX_MEM_BLOCK, GET_SPEEDS,
        GET_STATE, HW_CLOCK, HW_DATA1, HW_JTAG3, HW_TCK0, HW_TRST1, READ_CONFIG, RESET_TARGET,
        RESET_TRST, SELECT_IF, SET_KS_POWER, SET_SPEED, VERSION,
    };
    matches!(
        first,
        VERSION | RESET_TRST | RESET_TARGET | SET_SPEED | GET_STATE | SET_KS_POWER | GET_SPEEDS | GET_HW_INFO
            | SELECT_IF | HW_CLOCK..=HW_DATA1 | HW_JTAG3 | GET_MAX_MEM_BLOCK | HW_TCK0..=HW_TRST1 | GET_CAPS
            | GET_CAPS_EX | GET_HW_VERSION | READ_CONFIG
    )
}

impl Function for JLink {
    fn receive(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        self.received.extend(data);
        let mut answers = Vec::new();
        while let Some(&first) = self.received.first() {
            if !is_known(first) || self.received.len() > 2 * LONGEST {
                // A J-Link does not answer what it does not know. Where the next command begins, nobody can tell.
                tracing::warn!(
                    command = format_args!("{first:#04x}"),
                    "the J-Link does not know this command"
                );
                self.received.clear();
                break;
            }
            let Some(length) =
                length(&self.received).filter(|&length| length <= self.received.len())
            else {
                break;
            };
            let command: Vec<u8> = self.received.drain(..length).collect();
            if first == command::VERSION {
                answers.extend(version());
            } else {
                answers.extend(self.execute(&command));
            }
        }
        answers
    }

    fn reset(&mut self) {
        self.received.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::sync::Arc;
    use virtual_dk::firmware::StockFirmware;
    use virtual_dk::{Power, Sampling, VirtualDk, VirtualDkOptions};

    fn board() -> VirtualDk {
        VirtualDk::start(VirtualDkOptions::default(), Arc::new(StockFirmware)).unwrap()
    }

    fn probe(board: &VirtualDk) -> JLink {
        JLink::new(board.debug_header().plug_in(Sampling::AfterEdge))
    }

    /// An HW_JTAG3 of cycles as probe-rs makes it.
    fn io(cycles: &[Option<bool>]) -> Vec<u8> {
        let pack = |bit: fn(&Option<bool>) -> bool| {
            cycles.chunks(8).map(move |byte| {
                byte.iter()
                    .rev()
                    .fold(0, |bits, cycle| bits << 1 | u8::from(bit(cycle)))
            })
        };
        let mut command = vec![0xcf, 0];
        command.extend((cycles.len() as u16).to_le_bytes());
        command.extend(pack(Option::is_some));
        command.extend(pack(|cycle| cycle.unwrap_or(false)));
        command
    }

    #[rstest]
    #[case::capabilities(vec![0xe8], 4)]
    #[case::extended_capabilities(vec![0xed], 32)]
    #[case::interfaces(vec![0xc7, 0xff], 4)]
    #[case::memory(vec![0xd4], 4)]
    #[case::configuration(vec![0xf2], 256)]
    #[case::speeds(vec![0xc0], 6)]
    #[case::state(vec![0x07], 8)]
    #[case::hardware(vec![0xf0], 4)]
    fn an_answer_is_as_long_as_a_host_waits_for(#[case] command: Vec<u8>, #[case] length: usize) {
        let answers = probe(&board()).receive(&command);
        assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [length]);
    }

    #[test]
    fn the_length_of_the_version_comes_in_a_transfer_of_its_own() {
        let answers = probe(&board()).receive(&[1]);
        let [length, version] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert_eq!(length[..], (version.len() as u16).to_le_bytes());
    }

    #[test]
    fn dpidr_is_read_bit_by_bit() {
        let board = board();
        let mut probe = probe(&board);
        let mut cycles = vec![Some(true); 56];
        cycles.extend([Some(false); 2]);
        cycles.extend((0..8).map(|bit| Some(0xa5u8 >> bit & 1 == 1)));
        let at = cycles.len();
        cycles.extend([None; 38]);
        let answer = probe.receive(&io(&cycles)).remove(0);
        assert_eq!(answer.len(), cycles.len().div_ceil(8) + 1);
        assert_eq!(answer.last(), Some(&0), "status");
        let heard = (0..35).fold(0u64, |bits, bit| {
            let place = at + bit;
            bits | u64::from(answer[place / 8] >> (place % 8) & 1) << bit
        });
        assert_eq!(heard & 7, 1, "acknowledged");
        assert_eq!(heard >> 3, 0x6ba0_2477);
    }

    #[test]
    fn a_command_may_come_in_pieces_and_several_at_once() {
        let board = board();
        let mut probe = probe(&board);
        assert!(probe.receive(&[0xc7]).is_empty());
        assert_eq!(
            probe.receive(&[0xff, 0xdd, 0xf0]),
            [vec![2, 0, 0, 0], vec![0x10, 0x27, 0, 0]]
        );
    }

    #[test]
    fn vtref_goes_with_the_power() {
        let board = board();
        let mut probe = probe(&board);
        assert_eq!(probe.receive(&[7])[0][..2], 3000u16.to_le_bytes());
        board.set_power(Power::Off);
        assert_eq!(probe.receive(&[7])[0][..2], [0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_make_the_probe_panic(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..20),
        ) {
            let board = board();
            let mut probe = probe(&board);
            for piece in pieces {
                probe.receive(&piece);
            }
        }
    }
}
