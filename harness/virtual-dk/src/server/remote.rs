//! The Black Magic Probe's remote protocol, version 4, as probe-rs 0.32.0 speaks it.
//!
//! Packets are `!`command`#`; each gets exactly one answer, `&K`hex`#` when it was done. Bytes come in however
//! the socket delivers them ([`Remote::feed`]). Nothing a client sends is trusted: what is not understood is
//! answered as such. Sources: `blackmagic src/remote.h`, `probe-rs probe-rs/src/probe/blackmagic`.

use super::board::Board;
use super::options::Accelerators;
use crate::chip::{AccessPort, Chip, DebugPort, ForceOffView, NoAnswer, Power, SwdWire, Target};
use std::cell::RefCell;
use std::io::Write as _;
use std::sync::Arc;

/// Longest command kept; the longest that probe-rs sends is under 1100 bytes.
const LONGEST_COMMAND: usize = 4096;
/// Most bytes of memory that one packet may ask for; probe-rs asks for 504.
const LONGEST_READ: usize = 2048;
/// `&E` codes of the protocol (`blackmagic src/remote.h`).
const ERROR_WRONG_LENGTH: u32 = 1;
const ERROR_FAULT: u32 = 4;
/// `&E` for a target that does not acknowledge: exception, as the probe reports a dead wire.
const ERROR_NO_ACKNOWLEDGE: u32 = 3;

/// Where the commands go.
pub(crate) trait Wired {
    /// What is at the other end.
    type Chip: Target;
    /// What the probe says that it is.
    const NAME: &'static str;

    fn with_chip<R>(&self, action: impl FnOnce(&mut Self::Chip) -> R) -> R;
}

const VIRTUAL_DK: &str = "Black Magic Probe (virtual nRF5340 DK)";

impl Wired for Arc<Board> {
    type Chip = Chip;
    const NAME: &'static str = VIRTUAL_DK;

    fn with_chip<R>(&self, action: impl FnOnce(&mut Chip) -> R) -> R {
        Board::with_chip(self, action)
    }
}

impl Wired for RefCell<Chip> {
    type Chip = Chip;
    const NAME: &'static str = VIRTUAL_DK;

    fn with_chip<R>(&self, action: impl FnOnce(&mut Chip) -> R) -> R {
        action(&mut self.borrow_mut())
    }
}

/// One debugger's connection, without the socket.
pub(crate) struct Remote<T> {
    target: T,
    accelerators: Accelerators,
    wire: SwdWire,
    port: DebugPort,
    command: Vec<u8>,
    /// Inside `!`...`#`.
    in_command: bool,
    overrun: bool,
}

/// A command that cannot be what its letters say.
struct Malformed;

impl<T: Wired> Remote<T> {
    pub(crate) fn new(target: T, accelerators: Accelerators) -> Self {
        Self {
            target,
            accelerators,
            wire: SwdWire::new(),
            port: DebugPort::new(),
            command: Vec::new(),
            in_command: false,
            overrun: false,
        }
    }

    /// Takes received bytes and appends the answers.
    pub(crate) fn feed(&mut self, received: &[u8], answers: &mut Vec<u8>) {
        for &byte in received {
            match byte {
                b'!' => {
                    self.in_command = true;
                    self.overrun = false;
                    self.command.clear();
                }
                b'#' if self.in_command => {
                    self.in_command = false;
                    let command = std::mem::take(&mut self.command);
                    if self.overrun || self.answer(&command, answers).is_err() {
                        answers.extend_from_slice(b"&P0#");
                    }
                    self.command = command;
                }
                _ if !self.in_command => {} // `+` and spaces between packets
                _ if self.command.len() < LONGEST_COMMAND => self.command.push(byte),
                _ => self.overrun = true,
            }
        }
    }

    fn answer(&mut self, command: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let [group, action, parameters @ ..] = command else {
            out.extend_from_slice(b"&N0#");
            return Ok(());
        };
        match (group, action) {
            (b'G', _) => self.general(*action, parameters, out),
            (b'H', b'C') => ok(out, 4), // protocol version
            (b'H', b'A') if parameters.is_empty() => {
                ok(out, u64::from(self.accelerators == Accelerators::On));
            }
            (b'S', b'S') => {
                self.wire = SwdWire::new();
                ok(out, 0);
            }
            (b'S', b'o') => {
                let mut fields = Fields(parameters);
                let count = fields.number(2)? as u32;
                let bits = fields.rest()? as u32;
                let (wire, port) = (&mut self.wire, &mut self.port);
                self.target
                    .with_chip(|chip| wire.write(port, chip, bits, count));
                ok(out, 0);
            }
            (b'S', b'i') => {
                let count = Fields(parameters).number(2)? as u32;
                ok(out, u64::from(self.wire.read(count)));
            }
            (b'A', _) if self.accelerators == Accelerators::On => {
                return self.accelerated(*action, parameters, out);
            }
            _ => out.extend_from_slice(b"&N0#"),
        }
        Ok(())
    }

    fn general(&mut self, action: u8, parameters: &[u8], out: &mut Vec<u8>) {
        match action {
            b'A' => {
                let _ = write!(out, "&K{}#", T::NAME);
            }
            b'V' => {
                let volts = self.target.with_chip(|chip| chip.power());
                out.extend_from_slice(match volts {
                    Power::On => b"&K3.0V#",
                    Power::Off => b"&K0.0V#",
                });
            }
            b'f' => ok(out, 4000), // kHz
            b'Z' => {
                let asserted = parameters == b"1";
                self.target.with_chip(|chip| chip.set_pin_reset(asserted));
                ok(out, 0);
            }
            // Frequency, clock output, target power: nothing to do.
            _ => ok(out, 0),
        }
    }

    /// The ADIv5 accelerators. Each starts with a device index, which probe-rs does not keep at 0.
    fn accelerated(
        &mut self,
        action: u8,
        parameters: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let mut fields = Fields(parameters);
        fields.number(2)?;
        let port = &mut self.port;
        match action {
            // Raw access: here a write (or read) of the debug port.
            b'R' => {
                let is_read = fields.number(2)? != 0;
                let address = (fields.number(4)? & 0xc) as u8;
                let value = fields.number(8)? as u32;
                let result = self.target.with_chip(|chip| {
                    if is_read {
                        port.read(chip, address).map(Some)
                    } else {
                        port.write(chip, address, value).map(|()| None)
                    }
                });
                match result {
                    Ok(Some(value)) => ok_register(out, value),
                    Ok(None) => ok(out, 0),
                    Err(error) => failed(out, error),
                }
            }
            b'd' => {
                fields.number(2)?;
                let address = (fields.number(4)? & 0xc) as u8;
                let result = self.target.with_chip(|chip| port.read(chip, address));
                register_answer(out, result);
            }
            b'a' => {
                let ap = AccessPort::from(fields.number(2)? as u8);
                let register = fields.number(4)? as u8;
                let result = self
                    .target
                    .with_chip(|chip| port.read_ap(chip, ap, register));
                register_answer(out, result);
            }
            b'A' => {
                let ap = AccessPort::from(fields.number(2)? as u8);
                let register = fields.number(4)? as u8;
                let value = (fields.number(8)? as u32).swap_bytes();
                let result = self
                    .target
                    .with_chip(|chip| port.write_ap(chip, ap, register, value));
                done_answer(out, result);
            }
            b'm' => {
                fields.number(2)?; // access port: always 0, CSW tells
                let csw = fields.number(8)? as u32;
                let address = fields.number(16)? as u32;
                let length = fields.number(8)? as usize;
                if length > LONGEST_READ {
                    error(out, ERROR_WRONG_LENGTH);
                    return Ok(());
                }
                let mut buffer = [0; LONGEST_READ];
                let bytes = &mut buffer[..length];
                let result = self
                    .target
                    .with_chip(|chip| port.read_memory(chip, csw, address, bytes));
                match result {
                    Ok(()) => ok_bytes(out, bytes),
                    Err(error) => failed(out, error),
                }
            }
            b'M' => {
                fields.number(2)?;
                let csw = fields.number(8)? as u32;
                fields.number(2)?; // access width: the chip takes what fits
                let address = fields.number(16)? as u32;
                let length = fields.number(8)? as usize;
                let data = fields.bytes()?;
                if data.len() != length {
                    error(out, ERROR_WRONG_LENGTH);
                    return Ok(());
                }
                let result = self
                    .target
                    .with_chip(|chip| port.write_memory(chip, csw, address, &data));
                done_answer(out, result);
            }
            _ => out.extend_from_slice(b"&N0#"),
        }
        Ok(())
    }
}

/// The hexadecimal fields of a command, taken from the left.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// A number of exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Result<u64, Malformed> {
        let (field, rest) = self.0.split_at_checked(digits).ok_or(Malformed)?;
        self.0 = rest;
        hexadecimal(field)
    }

    /// All that is left, as one number.
    fn rest(&mut self) -> Result<u64, Malformed> {
        hexadecimal(std::mem::take(&mut self.0))
    }

    /// All that is left, as bytes.
    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let digits = std::mem::take(&mut self.0);
        let (pairs, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(Malformed);
        }
        pairs
            .iter()
            .map(|&[high, low]| Ok(digit(high)? << 4 | digit(low)?))
            .collect()
    }
}

fn hexadecimal(field: &[u8]) -> Result<u64, Malformed> {
    if field.is_empty() || field.len() > 16 {
        return Err(Malformed);
    }
    field
        .iter()
        .try_fold(0, |value, &byte| Ok(value << 4 | u64::from(digit(byte)?)))
}

fn digit(byte: u8) -> Result<u8, Malformed> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Malformed),
    }
}

fn ok(out: &mut Vec<u8>, value: u64) {
    // Writing to a Vec does not fail.
    let _ = write!(out, "&K{value:x}#");
}

/// Register values go byte by byte, least significant first.
fn ok_register(out: &mut Vec<u8>, value: u32) {
    ok_bytes(out, &value.to_le_bytes());
}

fn ok_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"&K");
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0xf)]);
    }
    out.push(b'#');
}

fn error(out: &mut Vec<u8>, code: u32) {
    let _ = write!(out, "&E{code:x}#");
}

fn failed(out: &mut Vec<u8>, reason: NoAnswer) {
    error(
        out,
        match reason {
            NoAnswer::NoTarget => ERROR_NO_ACKNOWLEDGE,
            NoAnswer::Fault => ERROR_FAULT,
        },
    );
}

fn register_answer(out: &mut Vec<u8>, result: Result<u32, NoAnswer>) {
    match result {
        Ok(value) => ok_register(out, value),
        Err(reason) => failed(out, reason),
    }
}

fn done_answer(out: &mut Vec<u8>, result: Result<(), NoAnswer>) {
    match result {
        Ok(()) => ok(out, 0),
        Err(reason) => failed(out, reason),
    }
}

/// A probe on a chip of its own, for fuzzing: what a client sends is all that happens.
#[doc(hidden)]
pub struct RemoteProbe(Remote<RefCell<Chip>>);

impl RemoteProbe {
    /// A probe on a powered chip.
    #[must_use]
    pub fn new() -> Self {
        let mut chip = Chip::new("fuzz", ForceOffView::Lenient);
        chip.set_power(Power::On);
        Self(Remote::new(RefCell::new(chip), Accelerators::On))
    }

    /// Feeds bytes and gives the answers.
    pub fn feed(&mut self, received: &[u8]) -> Vec<u8> {
        let mut answers = Vec::new();
        self.0.feed(received, &mut answers);
        answers
    }
}

impl Default for RemoteProbe {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn ask(probe: &mut RemoteProbe, command: &str) -> String {
        String::from_utf8(probe.feed(command.as_bytes())).unwrap()
    }

    #[rstest]
    #[case::handshake("+#!GA#", "&KBlack Magic Probe (virtual nRF5340 DK)#")]
    #[case::version("!HC#", "&K4#")]
    #[case::accelerators("!HA#", "&K1#")]
    #[case::voltage(" !GV#", "&K3.0V#")]
    #[case::dpidr("!Ad00ff0000#", "&K7724a06b#")]
    #[case::idr_of_the_network_bus("!Aa000101fc#", "&K01007784#")]
    #[case::part_number("!Am0000030000020000000000ff020c00000004#", "&K40530000#")]
    #[case::bus_fault("!Am000003000002000000003000000000000004#", "&E4#")]
    #[case::too_much("!Am0000030000020000000020000000ffffffff#", "&E1#")]
    #[case::length_differs("!AM0000030000020200000000200000000000000811223344#", "&E1#")]
    #[case::not_hexadecimal("!Ad00ffzzzz#", "&P0#")]
    #[case::cut_short("!Am00#", "&P0#")]
    #[case::odd_digits("!AM000003000002020000000020000000000000040#", "&P0#")]
    #[case::unknown("!ZZ#", "&N0#")]
    #[case::empty("!#", "&N0#")]
    fn each_command_gets_its_answer(#[case] command: &str, #[case] expected: &str) {
        assert_eq!(ask(&mut RemoteProbe::new(), command), expected);
    }

    #[test]
    fn memory_goes_to_the_core_that_csw_names() {
        let mut probe = RemoteProbe::new();
        let write = "!AM00000300010202000000002100000000000004aabbccdd#";
        assert_eq!(ask(&mut probe, write), "&K0#");
        let read = "!Am0000030001020000000021000000 00000004#".replace(' ', "");
        assert_eq!(ask(&mut probe, &read), "&Kaabbccdd#");
        let other_core = "!Am00000300000200000000210000000000 0004#".replace(' ', "");
        assert_eq!(ask(&mut probe, &other_core), "&E4#");
    }

    #[test]
    fn an_endless_command_is_refused_when_it_ends() {
        let mut probe = RemoteProbe::new();
        assert_eq!(ask(&mut probe, "!AM"), "");
        for _ in 0..100 {
            assert_eq!(ask(&mut probe, &"0".repeat(1000)), "");
        }
        assert_eq!(ask(&mut probe, "#!HC#"), "&P0#&K4#");
    }

    /// Something that looks like a command.
    fn command() -> impl Strategy<Value = String> {
        prop_oneof![
            "![GHSAJ][A-Za-z][0-9a-f]{0,60}#",
            "!A[adAmMR][0-9a-f]{8,60}#",
            "!So[0-9a-f]{2}[0-9a-f]{1,8}#",
            // Memory accesses near something that is there.
            (0u32..2, any::<u32>(), 0u32..600).prop_map(|(core, address, length)| {
                let base = [0u32, 0x2000_0000, 0xe000_e000, 0x5000_5000, 0x5003_9000]
                    [address as usize % 5];
                let address = base.wrapping_add(address >> 20);
                format!(
                    "!Am0000{:08x}{address:016x}{length:08x}#",
                    0x0300_0002 | core << 8
                )
            }),
        ]
    }

    proptest! {
        #[test]
        fn every_packet_gets_exactly_one_answer(commands in prop::collection::vec(command(), 0..30)) {
            let mut probe = RemoteProbe::new();
            for command in commands {
                let answer = ask(&mut probe, &command);
                prop_assert!(answer.starts_with('&') && answer.ends_with('#'), "{command}: {answer}");
                prop_assert_eq!(answer.matches('&').count(), 1);
            }
        }

        #[test]
        fn answers_do_not_depend_on_how_the_bytes_arrive(
            commands in prop::collection::vec(command(), 1..10),
            cut in 1usize..20,
        ) {
            let stream = commands.concat();
            let whole = RemoteProbe::new().feed(stream.as_bytes());
            let mut probe = RemoteProbe::new();
            let pieces: Vec<u8> = stream.as_bytes().chunks(cut).flat_map(|piece| probe.feed(piece)).collect();
            prop_assert_eq!(whole, pieces);
        }

        #[test]
        fn garbage_does_no_harm(garbage in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut probe = RemoteProbe::new();
            probe.feed(&garbage);
            let answer = ask(&mut probe, "!HC#");
            prop_assert!(answer.ends_with("&K4#"), "{}", answer);
        }
    }
}
