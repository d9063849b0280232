//! The two threads of a port, and what they share with its owner.

use super::port::Handle;
use super::{ConsoleEvent, ConsoleKind, ConsoleSink};
use crate::frame::{Decoded, Decoder};
use crate::transport::TransportError;
use hil_clock::{Instant, SharedClock};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Packets that are kept while nobody asks for them; then the oldest goes.
const KEPT_PACKETS: usize = 64;
/// Frames that may wait for the port. More are refused until some are gone.
const QUEUED_FRAMES: usize = 16;

/// What the threads of a port share with its owner.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told when a packet arrives, or the port goes.
    arrived: Condvar,
    /// Told when there is something to write, or room for it.
    queue: Condvar,
}

#[derive(Debug, Default)]
struct State {
    packets: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
    writing: bool,
    stop: bool,
    gone: Option<String>,
    gone_told: bool,
    /// The port took no bytes for too long, and the frame was given up.
    stalled: bool,
    /// Counts openings, so that a thread of an earlier one cannot speak for this one.
    opening: u32,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A sink that panics ends its thread, not the port's owner.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn gone(&self) -> Option<String> {
        self.lock().gone.clone()
    }

    pub(super) fn set_gone(&self, cause: &str) {
        self.lock().gone.get_or_insert_with(|| cause.to_owned());
        self.arrived.notify_all();
        self.queue.notify_all();
    }

    /// Says that the port is gone, unless it was opened again meanwhile. True for the first to say so.
    fn lost(&self, opening: u32, cause: &str) -> bool {
        let mut state = self.lock();
        if state.opening != opening || state.stop {
            return false;
        }
        let first = !std::mem::replace(&mut state.gone_told, true);
        drop(state);
        self.set_gone(cause);
        first
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.arrived.notify_all();
        self.queue.notify_all();
    }

    pub(super) fn reset(&self) {
        let mut state = self.lock();
        let opening = state.opening.wrapping_add(1);
        *state = State {
            opening,
            ..State::default()
        };
    }

    pub(super) fn is_writing(&self) -> bool {
        self.lock().writing
    }

    pub(super) fn forget_packets(&self) {
        self.lock().packets.clear();
    }

    /// Waits for a packet until `deadline`.
    pub(super) fn packet(
        &self,
        port: &str,
        clock: &SharedClock,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        let mut state = self.lock();
        loop {
            if let Some(packet) = state.packets.pop_front() {
                return Ok(Some(packet));
            }
            state.check(port)?;
            let wait = clock.block_for(deadline);
            if wait.is_zero() {
                drop(state);
                clock.sleep_until(deadline);
                return Ok(None);
            }
            state = self.wait(&self.arrived, state, wait);
        }
    }

    /// Hands `bytes` to the writing thread, when there is room before `timeout` is over.
    pub(super) fn write(
        &self,
        port: &str,
        clock: &SharedClock,
        timeout: Duration,
        bytes: Vec<u8>,
    ) -> Result<(), TransportError> {
        let started = clock.now();
        let mut state = self.lock();
        loop {
            state.check(port)?;
            if std::mem::take(&mut state.stalled) {
                return Err(stalled(port, timeout));
            }
            if state.outgoing.len() < QUEUED_FRAMES {
                state.outgoing.push_back(bytes);
                drop(state);
                self.queue.notify_all();
                return Ok(());
            }
            let wait = clock.block_for(started + timeout);
            if wait.is_zero() {
                return Err(stalled(port, timeout));
            }
            state = self.wait(&self.queue, state, wait);
        }
    }

    fn wait<'a>(
        &self,
        on: &Condvar,
        state: MutexGuard<'a, State>,
        longest: Duration,
    ) -> MutexGuard<'a, State> {
        on.wait_timeout(state, longest)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

impl State {
    fn check(&self, port: &str) -> Result<(), TransportError> {
        let cause = match (&self.gone, self.stop) {
            (Some(cause), _) => cause.as_str(),
            (None, true) => "it was closed here",
            (None, false) => return Ok(()),
        };
        Err(TransportError::Gone {
            port: port.to_owned(),
            source: io::Error::other(cause),
        })
    }
}

/// Reads the port until it is stopped or the port goes.
pub(super) struct Reader {
    pub(super) port: Handle,
    pub(super) clock: SharedClock,
    pub(super) sink: Arc<Mutex<ConsoleSink>>,
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn run(mut self) {
        let opening = self.shared.lock().opening;
        let mut decoder = Decoder::new();
        let mut told = Vec::new();
        let mut buffer = [0; 4096];
        while !self.shared.lock().stop {
            match self.port.read(&mut buffer) {
                Ok(0) => return self.lost(opening, "end of file"),
                Ok(count) => {
                    let at = self.clock.now();
                    decoder.push(&buffer[..count]);
                    while let Some(decoded) = decoder.next() {
                        told.clear();
                        self.sort(at, decoded);
                    }
                }
                Err(error) if is_quiet(&error) => self.tell_partial(&decoder, &mut told),
                Err(error) => {
                    self.tell_partial(&decoder, &mut told);
                    return self.lost(opening, &error.to_string());
                }
            }
        }
    }

    fn sort(&self, at: Instant, decoded: Decoded) {
        match decoded {
            Decoded::Packet(packet) => {
                let mut state = self.shared.lock();
                if state.packets.len() >= KEPT_PACKETS {
                    state.packets.pop_front();
                }
                state.packets.push_back(packet);
                drop(state);
                self.shared.arrived.notify_all();
            }
            Decoded::Line(line) => self.tell(at, ConsoleKind::Line(line)),
            Decoded::Damaged(error) => self.tell(at, ConsoleKind::Damaged(error)),
        }
    }

    /// Tells text that has stopped without a line end, once.
    fn tell_partial(&self, decoder: &Decoder, told: &mut Vec<u8>) {
        if let Some(text) = decoder.partial()
            && text != told.as_slice()
        {
            *told = text.to_vec();
            self.tell(self.clock.now(), ConsoleKind::Partial(told.clone()));
        }
    }

    fn tell(&self, at: Instant, kind: ConsoleKind) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink(ConsoleEvent { at, kind });
    }

    fn lost(&self, opening: u32, cause: &str) {
        if self.shared.lost(opening, cause) {
            self.tell(self.clock.now(), ConsoleKind::Gone(cause.to_owned()));
        }
    }
}

/// Writes what is queued until it is stopped or the port goes.
pub(super) struct Writer {
    pub(super) port: Handle,
    pub(super) line_gap: Duration,
    pub(super) clock: SharedClock,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn run(mut self) {
        let opening = self.shared.lock().opening;
        while let Some(bytes) = self.next() {
            let written = self.write(&bytes);
            let mut state = self.shared.lock();
            if state.opening != opening {
                return;
            }
            state.writing = false;
            state.stalled |= written.as_ref().is_err_and(is_quiet);
            drop(state);
            self.shared.queue.notify_all();
            match written {
                Ok(()) => {}
                Err(error) if is_quiet(&error) => {}
                // The reader says so to the console when it finds out itself.
                Err(error) => return self.shared.set_gone(&error.to_string()),
            }
        }
    }

    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.shared.lock();
        loop {
            if state.stop || state.gone.is_some() {
                return None;
            }
            if let Some(bytes) = state.outgoing.pop_front() {
                state.writing = true;
                return Some(bytes);
            }
            state = self
                .shared
                .queue
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.line_gap.is_zero() {
            return self.port.write_all(bytes);
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.port.write_all(line)?;
            self.clock.sleep(self.line_gap);
        }
        Ok(())
    }
}

fn stalled(port: &str, waited: Duration) -> TransportError {
    TransportError::Stalled {
        port: port.to_owned(),
        waited_ms: waited.as_millis(),
        source: io::Error::from(io::ErrorKind::TimedOut),
    }
}

/// Nothing has arrived, or could be sent, for a while; the port is still there.
fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
