//! A client of QEMU's `qtest`: a master on the core's bus, beside the core.
//!
//! QEMU's GDB stub writes memory past its devices and cannot write registers of peripherals; through this protocol an access is
//! one like a store of the core, so the NVMC sees it, and the core need not stand. Source: qemu `softmmu/qtest.c`, 7.2.

use super::machine::EmulatorError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long QEMU may take to answer; as the GDB stub.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// The connection.
#[derive(Debug)]
pub(super) struct Qtest {
    input: BufReader<UnixStream>,
    output: UnixStream,
}

impl Qtest {
    pub(super) fn new(stream: UnixStream) -> Result<Self, EmulatorError> {
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        Ok(Self {
            input: BufReader::new(stream.try_clone()?),
            output: stream,
        })
    }

    /// Reads a word; `address` is a multiple of 4.
    pub(super) fn read_word(&mut self, address: u32) -> Result<u32, EmulatorError> {
        let answer = self.ask(&format!("readl {address:#x}"))?;
        let digits = answer.trim_start_matches("0x");
        let value = u64::from_str_radix(digits, 16).ok();
        let word = value.and_then(|value| u32::try_from(value).ok());
        word.ok_or(EmulatorError::Answer(answer))
    }

    /// Writes a word; `address` is a multiple of 4.
    pub(super) fn write_word(&mut self, address: u32, value: u32) -> Result<(), EmulatorError> {
        self.ask(&format!("writel {address:#x} {value:#x}"))
            .map(drop)
    }

    /// Reads memory.
    pub(super) fn read(&mut self, address: u32, length: usize) -> Result<Vec<u8>, EmulatorError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let answer = self.ask(&format!("b64read {address:#x} {length:#x}"))?;
        match STANDARD.decode(&answer) {
            Ok(bytes) if bytes.len() == length => Ok(bytes),
            Ok(_) | Err(_) => Err(EmulatorError::Answer(answer)),
        }
    }

    /// Writes memory.
    pub(super) fn write(&mut self, address: u32, data: &[u8]) -> Result<(), EmulatorError> {
        if data.is_empty() {
            return Ok(());
        }
        let length = data.len();
        let data = STANDARD.encode(data);
        self.ask(&format!("b64write {address:#x} {length:#x} {data}"))
            .map(drop)
    }

    /// What stands behind `OK` in the answer.
    fn ask(&mut self, command: &str) -> Result<String, EmulatorError> {
        writeln!(self.output, "{command}")?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(EmulatorError::Gone);
        }
        match line.trim_end().strip_prefix("OK") {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None => Err(EmulatorError::Answer(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answer: &str) -> (Qtest, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&theirs).write_all(answer.as_bytes()).unwrap();
        (Qtest::new(ours).unwrap(), theirs)
    }

    #[test]
    fn a_word_and_bytes_are_read() {
        let (mut qtest, _other) = answered("OK 0x0000000000000400\nOK AQI=\n");
        assert_eq!(qtest.read_word(0x1000_0010).unwrap(), 0x400);
        assert_eq!(qtest.read(0, 2).unwrap(), [1, 2]);
    }

    #[test]
    fn a_refusal_and_an_answer_of_another_length_are_errors() {
        let (mut qtest, _other) = answered("FAIL Unknown command\nOK AQI=\n");
        assert!(qtest.write_word(0, 0).is_err());
        assert!(qtest.read(0, 3).is_err());
    }
}
