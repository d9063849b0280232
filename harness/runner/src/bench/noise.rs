//! How much a console brings, and how much of it is no text: a line that babbles or floods says nothing of firmware.
//!
//! Without a bound a core that prints without end would fill the journal's disk and the memory of the night's run. And what
//! came over a line that brings noise cannot be held against the firmware.

use crate::trouble::Trouble;
use hil_record::ErrorKind;
use hil_scenario::Core;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines of a core that are recorded in one scenario. We chose it: debug logging of a whole update is below a tenth of it.
pub(super) const MOST_LINES: u64 = 20_000;

/// Bytes of a core that are recorded in one scenario; a line may be 4 KiB long.
pub(super) const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// From here on a line babbles. We chose it: a cut of the power garbles a few bytes, not hundreds.
const BABBLES_FROM: u64 = 1024;

/// Damaged packets that are told one by one.
const MOST_TOLD: u64 = 20;

/// What a console has brought since the scenario began.
#[derive(Debug, Default)]
pub(super) struct Noise {
    lines: AtomicU64,
    bytes: AtomicU64,
    garbage: AtomicU64,
    damaged: AtomicU64,
}

impl Noise {
    /// Counts from zero.
    pub(super) fn begin(&self) {
        for count in [&self.lines, &self.bytes, &self.garbage, &self.damaged] {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// A line came; whether there is still room for it.
    pub(super) fn line(&self, bytes: &[u8]) -> bool {
        let length = bytes.len() as u64;
        let lines = self.lines.fetch_add(1, Ordering::Relaxed) + 1;
        let total = self.bytes.fetch_add(length, Ordering::Relaxed) + length;
        self.garbage.fetch_add(garbage(bytes), Ordering::Relaxed);
        lines <= MOST_LINES && total <= MOST_BYTES
    }

    /// A damaged packet came; whether it is worth a note of its own.
    pub(super) fn damaged(&self) -> bool {
        self.damaged.fetch_add(1, Ordering::Relaxed) < MOST_TOLD
    }

    /// That not all is recorded.
    pub(super) fn flood(&self, board: &str, core: Core) -> Option<Trouble> {
        let (lines, bytes) = (count(&self.lines), count(&self.bytes));
        (lines > MOST_LINES || bytes > MOST_BYTES).then(|| {
            Trouble::error(
                ErrorKind::Port,
                format_args!(
                    "the {core} console of board `{board}` floods: more than {MOST_LINES} lines or {} MiB came in one scenario, and \
                     what came behind them is not recorded",
                    MOST_BYTES / 1024 / 1024
                ),
            )
            .with_help("build the firmware with less logging on this port, or look in console/ for what it repeats")
        })
    }

    /// That too much of what came is no text.
    pub(super) fn babble(&self, board: &str, core: Core) -> Option<Trouble> {
        let (bytes, garbage) = (count(&self.bytes), count(&self.garbage));
        (garbage >= BABBLES_FROM && garbage * 8 >= bytes).then(|| {
            Trouble::error(
                ErrorKind::Port,
                format_args!(
                    "the {core} console of board `{board}` babbles: {BABBLES_FROM} bytes or more that are no text came in one \
                     scenario, so what did not come over it says nothing of the firmware",
                ),
            )
            .with_help(
                "is its baud rate that of the firmware, is the ground connected, does another program or board drive the line? \
                 console/ has what came",
            )
        })
    }
}

fn count(of: &AtomicU64) -> u64 {
    of.load(Ordering::Relaxed)
}

/// How many bytes of a line are neither printable text nor part of a terminal's sequence.
fn garbage(bytes: &[u8]) -> u64 {
    let mut garbage = 0;
    for chunk in bytes.utf8_chunks() {
        let control = |c: &char| c.is_control() && !matches!(c, '\t' | '\r' | '\u{1b}');
        garbage += chunk.valid().chars().filter(control).count() + chunk.invalid().len();
    }
    garbage as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::text(b"*** Booting nRF Connect SDK ***", 0)]
    #[case::colours("\u{1b}[1;32mok\u{1b}[0m \u{b5}s".as_bytes(), 0)]
    #[case::noise(&[0x00, 0xFF, b'a', 0x80, 0x07], 4)]
    fn what_is_no_text_is_counted(#[case] bytes: &[u8], #[case] expected: u64) {
        assert_eq!(garbage(bytes), expected);
    }

    #[test]
    fn a_console_floods_beyond_its_bound_and_not_before() {
        let noise = Noise::default();
        for _ in 0..MOST_LINES {
            assert!(noise.line(b"a line"));
        }
        assert_eq!(noise.flood("dk", Core::App), None);
        assert!(!noise.line(b"one more"));
        let outcome = noise.flood("dk", Core::App).unwrap().into_outcome();
        insta::assert_snapshot!(outcome.cause().unwrap_or_default(), @"the app console of board `dk` floods: more than 20000 lines or 4 MiB came in one scenario, and what came behind them is not recorded");
        noise.begin();
        assert_eq!(noise.flood("dk", Core::App), None);
    }

    #[test]
    fn long_lines_flood_too() {
        let noise = Noise::default();
        let line = [b'a'; 4096];
        let recorded = (0..2000).filter(|_| noise.line(&line)).count();
        assert_eq!(recorded as u64, MOST_BYTES / 4096);
    }

    #[test]
    fn a_few_garbled_bytes_are_no_babble() {
        let noise = Noise::default();
        noise.line(&[0xFF; 100]);
        assert_eq!(noise.babble("dk", Core::App), None);
        for _ in 0..10 {
            noise.line(&[0xFF; 100]);
        }
        let outcome = noise.babble("dk", Core::App).unwrap().into_outcome();
        insta::assert_snapshot!(outcome.cause().unwrap_or_default(), @"the app console of board `dk` babbles: 1024 bytes or more that are no text came in one scenario, so what did not come over it says nothing of the firmware");
        for _ in 0..1000 {
            noise.line(b"a line of text as the firmware prints it");
        }
        assert_eq!(noise.babble("dk", Core::App), None, "it is mostly text");
    }
}
