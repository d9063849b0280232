//! What can go wrong with the bench around a board, while it is in use: to try the harness, and your own tools.
//!
//! None of it is the firmware's doing, and the chip notices nothing: a probe that hangs, a cable that is pulled out, a serial line
//! that brings noise, a core that floods its console. `FAUL:…` to the supply begins and ends one at any time.

use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

/// One thing that can be wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The application core's serial line brings noise between what the board sends.
    Babble,
    /// The application core's serial line brings lines of log without an end.
    Flood,
    /// The probe takes commands and answers none.
    ProbeHangs,
    /// The debugger is not on USB: no probe, no serial ports. Only a board whose debugger can go away (`cuts: board`).
    Unplugged,
}

impl Fault {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl FromStr for Fault {
    type Err = ();

    /// The word behind `FAUL:`, in its short or long form.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "BABB" | "BABBLE" => Self::Babble,
            "FLOO" | "FLOOD" => Self::Flood,
            "PROB" | "PROBE" => Self::ProbeHangs,
            "UNPL" | "UNPLUG" => Self::Unplugged,
            _ => return Err(()),
        })
    }
}

/// What is wrong now.
#[derive(Debug, Default)]
pub(super) struct Faults(AtomicU8);

impl Faults {
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.0.load(Ordering::Acquire) & fault.bit() != 0
    }

    pub(super) fn set(&self, fault: Fault, wrong: bool) {
        if wrong {
            self.0.fetch_or(fault.bit(), Ordering::AcqRel);
        } else {
            self.0.fetch_and(!fault.bit(), Ordering::AcqRel);
        }
    }
}

/// What a serial line brings that no firmware has sent: the same each time.
#[derive(Debug)]
pub(super) struct Noise {
    state: u32,
    line: u32,
}

impl Noise {
    pub(super) const fn new() -> Self {
        Self {
            state: 0x2545_F491,
            line: 0,
        }
    }

    /// Bytes of any value (xorshift32, Marsaglia 2003).
    pub(super) fn babble(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 17;
                self.state ^= self.state << 5;
                self.state.to_le_bytes()[2]
            })
            .collect()
    }

    /// Whole lines of at least so many bytes.
    pub(super) fn flood(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 128);
        while bytes.len() < length {
            self.line = self.line.wrapping_add(1);
            let line = format!(
                "[00:00:00.000] <dbg> flood: line {} of a log that somebody forgot to switch off\r\n",
                self.line
            );
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_begin_and_end_one_by_one() {
        let faults = Faults::default();
        faults.set(Fault::Babble, true);
        faults.set(Fault::Unplugged, true);
        faults.set(Fault::Babble, false);
        assert!(!faults.has(Fault::Babble) && faults.has(Fault::Unplugged));
        assert!(!faults.has(Fault::ProbeHangs));
    }

    #[test]
    fn noise_is_no_text_and_a_flood_is() {
        let mut noise = Noise::new();
        assert!(String::from_utf8(noise.babble(64)).is_err());
        let flood = String::from_utf8(noise.flood(200)).expect("it is text");
        assert!(
            flood.ends_with("\r\n") && flood.lines().count() >= 2,
            "{flood}"
        );
    }
}
