//! What the cores print over SEGGER RTT, taken by the probe now and then while they run: console lines of another source.
//!
//! A thread looks every [`PERIOD`] as long as the board has power and the probe has nothing else to do; it never makes anybody
//! wait for longer than one look. What a core prints in its last moments before a reset or a cut may be lost with its RAM.

use super::console::printable;
use super::noise::Noise;
use super::{core_name, rig_core};
use crate::console::ConsoleLog;
use crate::events::Events;
use crate::trouble::{Trouble, error_chain};
use hil_clock::{Instant, SharedClock};
use hil_record::ConsoleSource;
use hil_rig::{Board, ProbeSession, RttPiece};
use hil_scenario::Core;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is looked. We chose it: Zephyr's buffer of 1 KiB takes some ten lines of log, and a look takes a few ms.
const PERIOD: Duration = Duration::from_millis(50);

/// The same after a look that failed: opening a probe that is not there costs more than looking.
const PERIOD_OF_TROUBLE: Duration = Duration::from_secs(1);

/// A line without an end is cut here, as those of a serial port are.
const MOST_OF_A_LINE: usize = 4096;

/// The RTT of a board, listened to until it is dropped.
pub(super) struct Rtt {
    shared: Arc<Shared>,
    logs: [ConsoleLog; 2],
    noise: Vec<(Core, Arc<Noise>)>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    board: String,
    probe: Arc<ProbeSession>,
    clock: SharedClock,
    events: Events,
    ears: Mutex<Vec<Ear>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Listens,
    /// The board has no power.
    Pauses,
    Ends,
}

/// What listens to one core.
struct Ear {
    core: Core,
    log: ConsoleLog,
    noise: Arc<Noise>,
    lines: Lines,
    /// The last look failed, and that was told.
    troubled: bool,
}

impl Rtt {
    /// Listens to the cores that the rig file names, if it names any.
    pub(super) fn open(board: &Board, clock: &SharedClock, events: &Events) -> Self {
        let logs = Core::ALL.map(|_| ConsoleLog::new(clock.clone()));
        let named = |core: &Core| board.rtt().contains(&rig_core(*core));
        let cores: Vec<Core> = Core::ALL.into_iter().filter(named).collect();
        let noise: Vec<(Core, Arc<Noise>)> =
            cores.iter().map(|core| (*core, Arc::default())).collect();
        let ears = noise
            .iter()
            .map(|(core, noise)| Ear {
                core: *core,
                log: logs[place(*core)].clone(),
                noise: Arc::clone(noise),
                lines: Lines::default(),
                troubled: false,
            })
            .collect();
        let shared = Arc::new(Shared {
            board: board.name().to_owned(),
            probe: board.shared_probe(),
            clock: clock.clone(),
            events: events.clone(),
            ears: Mutex::new(ears),
            state: Mutex::new(State::Listens),
            changed: Condvar::new(),
        });
        let thread = if cores.is_empty() {
            None
        } else {
            let listener = Arc::clone(&shared);
            let name = format!("rtt {}", shared.board);
            let started = std::thread::Builder::new().name(name);
            match started.spawn(move || listener.listen()) {
                Ok(thread) => Some(thread),
                Err(error) => {
                    let text = format!("RTT is not read: no thread could be started: {error}");
                    events.note(Some(&shared.board), text);
                    None
                }
            }
        };
        Self {
            shared,
            logs,
            noise,
            thread,
        }
    }

    /// The lines of a core.
    pub(super) const fn log(&self, core: Core) -> &ConsoleLog {
        &self.logs[place(core)]
    }

    /// Looks now, so that what was printed until here is not taken for what comes behind.
    pub(super) fn look(&self) {
        if self.thread.is_some() && self.shared.state() == State::Listens {
            self.shared.look();
        }
    }

    /// The board is about to start: its next firmware may print from elsewhere in its RAM.
    pub(super) fn board_starts(&self) {
        self.look();
        self.shared.probe.expect_rtt_anew();
    }

    /// The power goes away. Does not wait for a look that is under way, as a cut is made at its moment.
    pub(super) fn pause(&self) {
        self.shared.become_(State::Pauses);
    }

    /// It is back.
    pub(super) fn go_on(&self) {
        self.shared.become_(State::Listens);
    }

    /// A scenario begins: what comes is counted from here on.
    pub(super) fn begins(&self) {
        for (core, noise) in &self.noise {
            noise.begin();
            self.log(*core).begin();
        }
    }

    /// That not all is recorded.
    pub(super) fn flood(&self) -> Option<Trouble> {
        self.noise
            .iter()
            .find_map(|(core, noise)| noise.flood(&self.shared.board, *core))
    }
}

impl Drop for Rtt {
    fn drop(&mut self) {
        self.shared.become_(State::Ends);
        if let Some(thread) = self.thread.take() {
            // A look has a deadline, so the thread ends. What it panicked with was told by the panic.
            let _ = thread.join();
        }
    }
}

const fn place(core: Core) -> usize {
    match core {
        Core::App => 0,
        Core::Net => 1,
    }
}

impl Shared {
    fn listen(&self) {
        loop {
            let well = self.state() != State::Listens || self.look();
            let pause = if well { PERIOD } else { PERIOD_OF_TROUBLE };
            if !self.wait(self.clock.now() + pause) {
                return;
            }
        }
    }

    /// Waits until it is time for the next look; whether there is one.
    fn wait(&self, until: Instant) -> bool {
        let state = self.lock();
        if *state == State::Ends {
            return false;
        }
        let (state, _) = self
            .changed
            .wait_timeout(state, self.clock.block_for(until))
            .unwrap_or_else(PoisonError::into_inner);
        let ends = *state == State::Ends;
        drop(state);
        if !ends {
            self.clock.sleep_until(until);
        }
        !ends
    }

    /// Takes what is there; whether all cores could be looked at.
    fn look(&self) -> bool {
        let mut well = true;
        let mut ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        for ear in &mut *ears {
            match self.probe.take_rtt(rig_core(ear.core)) {
                // The probe does something else, which comes first.
                Ok(None) => {}
                Ok(Some(pieces)) => {
                    ear.troubled = false;
                    for piece in pieces {
                        self.hear(ear, &piece);
                    }
                }
                // The power went while it looked.
                Err(_) if self.state() != State::Listens => {}
                Err(error) => {
                    well = false;
                    if !std::mem::replace(&mut ear.troubled, true) {
                        let why = error_chain(&error);
                        let text =
                            format!("the RTT of the {} core cannot be read: {why}", ear.core);
                        self.events.note(Some(&self.board), text);
                    }
                }
            }
        }
        well
    }

    fn hear(&self, ear: &mut Ear, piece: &RttPiece) {
        let now = self.clock.now();
        for line in ear.lines.take(piece) {
            if ear.noise.line(&line) {
                let text = printable(&line);
                let core = core_name(ear.core);
                self.events
                    .console(&self.board, core, ConsoleSource::Rtt, &text);
                ear.log.push(now, text);
            } else {
                // A flood is told once, by the step that it came in.
                ear.log.end();
            }
        }
    }

    fn state(&self) -> State {
        *self.lock()
    }

    fn become_(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes lines of what comes, for each control block by itself: a bootloader's begin in another one than the application's.
#[derive(Debug, Default)]
struct Lines {
    begun: BTreeMap<u32, Vec<u8>>,
}

impl Lines {
    /// The lines that are complete with this piece, without their ends.
    fn take(&mut self, piece: &RttPiece) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let begun = self.begun.entry(piece.block).or_default();
        if piece.anew && !begun.is_empty() {
            lines.push(std::mem::take(begun));
        }
        for &byte in &piece.bytes {
            match byte {
                b'\n' => lines.push(std::mem::take(begun)),
                _ => begun.push(byte),
            }
            if begun.len() >= MOST_OF_A_LINE {
                lines.push(std::mem::take(begun));
            }
        }
        for line in &mut lines {
            let end = line.iter().rposition(|byte| *byte != b'\r');
            line.truncate(end.map_or(0, |last| last + 1));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::whole(&[("one\r\ntwo\r\n", false)], &["one", "two"])]
    #[case::in_pieces(&[("on", false), ("e\r", false), ("\ntwo", false), ("\n", false)], &["one", "two"])]
    #[case::empty(&[("\r\n\r\n", false)], &["", ""])]
    #[case::without_an_end(&[("one\r\ntw", false)], &["one"])]
    #[case::broken_off_by_a_start(&[("one\r\ntw", false), ("begins\r\n", true)], &["one", "tw", "begins"])]
    fn what_comes_is_cut_into_lines(#[case] pieces: &[(&str, bool)], #[case] expected: &[&str]) {
        let mut lines = Lines::default();
        let found: Vec<String> = pieces
            .iter()
            .flat_map(|(text, anew)| lines.take(&RttPiece::new(0x2000_0000, *anew, *text)))
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_of_two_control_blocks_do_not_mix() {
        let mut lines = Lines::default();
        assert!(
            lines
                .take(&RttPiece::new(0x2000_0400, false, "boot"))
                .is_empty()
        );
        assert_eq!(
            lines.take(&RttPiece::new(0x2000_1000, false, "app\n")),
            [b"app"]
        );
        assert_eq!(
            lines.take(&RttPiece::new(0x2000_0400, false, "loader\n")),
            [b"bootloader"]
        );
    }

    #[test]
    fn a_line_that_does_not_end_is_cut() {
        let endless = "x".repeat(MOST_OF_A_LINE + 1);
        let found = Lines::default().take(&RttPiece::new(0x2000_0000, false, endless));
        assert_eq!(found, [vec![b'x'; MOST_OF_A_LINE]]);
    }
}
