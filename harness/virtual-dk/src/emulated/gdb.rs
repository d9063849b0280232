//! A client of QEMU's GDB stub: the core of the machine, which runs or stands.
//!
//! Source: GDB manual, appendix "Remote Serial Protocol"; qemu `gdbstub/gdbstub.c`, 7.2.

use super::machine::EmulatorError;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long QEMU may take to answer. It takes microseconds; the rest is for a host that is busy.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// More than the stub ever sends in a packet (`MAX_PACKET_LENGTH`, 4096) means that the stream is none of its.
const LONGEST_PACKET: usize = 16 * 1024;

/// Why a core that ran stands now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// It was told to.
    Asked,
    /// It is about to store something where a watchpoint is, of which this is the first address.
    Watchpoint(u32),
    /// Something else that QEMU stops for.
    Other,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Gdb {
    stream: UnixStream,
    received: Vec<u8>,
    packets: VecDeque<String>,
    runs: bool,
    asked_for_target: bool,
}

impl Gdb {
    /// Takes over a machine that stands.
    pub(super) fn new(stream: UnixStream) -> Result<Self, EmulatorError> {
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        Ok(Self {
            stream,
            received: Vec::new(),
            packets: VecDeque::new(),
            runs: false,
            asked_for_target: false,
        })
    }

    pub(super) const fn runs(&self) -> bool {
        self.runs
    }

    /// Lets the core go on.
    pub(super) fn go_on(&mut self) -> Result<(), EmulatorError> {
        if !self.runs {
            self.send("c")?;
            self.runs = true;
        }
        Ok(())
    }

    /// Lets a core that stands execute one instruction.
    pub(super) fn step(&mut self) -> Result<(), EmulatorError> {
        self.send("s")?;
        while stop_of(&self.packet()?).is_none() {}
        Ok(())
    }

    /// Makes the core stand; why it stands, if it ran until now.
    pub(super) fn halt(&mut self) -> Result<Option<Stop>, EmulatorError> {
        if !self.runs {
            return Ok(None);
        }
        if let Some(stop) = self.stopped()? {
            return Ok(Some(stop));
        }
        self.stream.write_all(&[0x03])?;
        loop {
            let packet = self.packet()?;
            if let Some(stop) = stop_of(&packet) {
                self.runs = false;
                return Ok(Some(stop));
            }
        }
    }

    /// Whether a core that was let go has come to stand by itself. Waits for nothing.
    pub(super) fn stopped(&mut self) -> Result<Option<Stop>, EmulatorError> {
        if !self.runs {
            return Ok(None);
        }
        self.stream.set_nonblocking(true)?;
        let received = self.receive();
        self.stream.set_nonblocking(false)?;
        match received {
            Ok(()) => {}
            Err(EmulatorError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Some(packet) = self.packets.pop_front() {
            if let Some(stop) = stop_of(&packet) {
                self.runs = false;
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// A core register of a core that stands, by GDB's number. The stub tells single registers only to those who have asked for its
    /// description of the target (`handle_read_one_reg`: `gdb_has_xml`).
    pub(super) fn register(&mut self, number: u32) -> Result<u32, EmulatorError> {
        if !std::mem::replace(&mut self.asked_for_target, true) {
            self.ask("qXfer:features:read:target.xml:0,ffb")?;
        }
        let answer = self.ask(&format!("p{number:x}"))?;
        let digits = answer.as_bytes().first_chunk::<8>();
        let value = digits.and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            u32::from_str_radix(text, 16).ok()
        });
        value
            .map(u32::swap_bytes)
            .ok_or(EmulatorError::Answer(answer))
    }

    /// Sets a core register of a core that stands.
    pub(super) fn set_register(&mut self, number: u32, value: u32) -> Result<(), EmulatorError> {
        self.carry_out(&format!("P{number:x}={:08x}", value.swap_bytes()))
    }

    /// Makes a core that stands stop behind stores to these bytes.
    pub(super) fn watch(&mut self, address: u32, length: u32) -> Result<(), EmulatorError> {
        self.carry_out(&format!("Z2,{address:x},{length:x}"))
    }

    /// Ends that.
    pub(super) fn forget(&mut self, address: u32, length: u32) -> Result<(), EmulatorError> {
        self.carry_out(&format!("z2,{address:x},{length:x}"))
    }

    /// Resets a machine that stands; it stands afterwards.
    pub(super) fn reset(&mut self) -> Result<(), EmulatorError> {
        // "system_reset" in hex.
        self.carry_out("qRcmd,73797374656d5f7265736574")
    }

    fn carry_out(&mut self, command: &str) -> Result<(), EmulatorError> {
        let answer = self.ask(command)?;
        if answer == "OK" {
            Ok(())
        } else {
            Err(EmulatorError::Answer(answer))
        }
    }

    /// The answer to a command, behind what a monitor's command prints.
    fn ask(&mut self, command: &str) -> Result<String, EmulatorError> {
        self.send(command)?;
        loop {
            let answer = self.packet()?;
            let is_output = answer.starts_with('O') && answer != "OK";
            if !is_output && stop_of(&answer).is_none() {
                return Ok(answer);
            }
        }
    }

    fn send(&mut self, command: &str) -> Result<(), EmulatorError> {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        let packet = format!("${command}#{sum:02x}");
        Ok(self.stream.write_all(packet.as_bytes())?)
    }

    fn packet(&mut self) -> Result<String, EmulatorError> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Ok(packet);
            }
            self.receive()?;
        }
    }

    /// Takes what arrives, and acknowledges the packets in it.
    fn receive(&mut self) -> Result<(), EmulatorError> {
        let mut piece = [0; 4096];
        let length = self.stream.read(&mut piece)?;
        if length == 0 {
            return Err(EmulatorError::Gone);
        }
        self.received.extend_from_slice(&piece[..length]);
        while let Some((packet, end)) = first_packet(&self.received) {
            self.packets.push_back(packet);
            self.received.drain(..end);
            // Nothing is lost on a socket; the stub still waits for it.
            self.stream.write_all(b"+")?;
        }
        if self.received.len() > LONGEST_PACKET {
            return Err(EmulatorError::Answer("a packet without an end".to_owned()));
        }
        Ok(())
    }
}

/// The first packet in what was received, and where it ends.
fn first_packet(received: &[u8]) -> Option<(String, usize)> {
    let start = received.iter().position(|&byte| byte == b'$')?;
    let length = received[start..].iter().position(|&byte| byte == b'#')?;
    let end = start + length + 3;
    (end <= received.len()).then(|| {
        let text = String::from_utf8_lossy(&received[start + 1..start + length]);
        (text.into_owned(), end)
    })
}

/// The reason in a stop reply; `None` for another packet.
fn stop_of(packet: &str) -> Option<Stop> {
    let rest = packet.strip_prefix(['T', 'S'])?;
    let watched = rest.split_once("watch:").and_then(|(_, rest)| {
        let address = rest.split(';').next()?;
        u32::from_str_radix(address, 16).ok()
    });
    Some(match (watched, rest.get(..2)) {
        (Some(address), _) => Stop::Watchpoint(address),
        // SIGINT.
        (None, Some("02")) => Stop::Asked,
        (None, _) => Stop::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::asked("T02thread:01;", Some(Stop::Asked))]
    #[case::watchpoint("T05thread:01;watch:4001e508;", Some(Stop::Watchpoint(0x4001_e508)))]
    #[case::breakpoint("T05thread:01;", Some(Stop::Other))]
    #[case::answer("OK", None)]
    fn a_stop_reply_says_why(#[case] packet: &str, #[case] expected: Option<Stop>) {
        assert_eq!(stop_of(packet), expected);
    }

    #[rstest]
    #[case::whole(b"+$OK#9a", Some(("OK", 7)))]
    #[case::two(b"$O6f6b#xx$OK#9a", Some(("O6f6b", 9)))]
    #[case::without_its_sum(b"$OK#9", None)]
    #[case::nothing(b"+++", None)]
    fn packets_are_taken_when_they_are_whole(
        #[case] received: &[u8],
        #[case] expected: Option<(&str, usize)>,
    ) {
        let found = first_packet(received);
        let found = found.as_ref().map(|(text, end)| (text.as_str(), *end));
        assert_eq!(found, expected);
    }

    #[test]
    fn registers_come_with_their_least_byte_first() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb::new(ours).unwrap();
        (&theirs)
            .write_all(b"+$l<target/>#00+$34120020#00")
            .unwrap();
        assert_eq!(gdb.register(13).unwrap(), 0x2000_1234);
    }

    #[test]
    fn an_emulator_that_ends_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut gdb = Gdb::new(ours).unwrap();
        drop(theirs);
        assert!(gdb.register(15).is_err());
    }
}
