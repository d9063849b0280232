//! A core's UART as a pseudo-terminal, which stays there whatever happens to the board, unless its debugger loses its
//! power with it ([`ports`](super::ports)).
//!
//! What the board sends while nobody has the port open is lost, as on a wire. What the host sends while the
//! core has no power or is held in reset is lost too; while the core runs but does not read, the host has to
//! wait, which a wire would not make it do. With a baud rate, each direction moves ten bits a byte at that rate.

use super::board::{Board, Supplied};
use super::faults::{Fault, Noise};
use crate::bus::Core;
use crate::chip::{Run, index};
use hil_clock::Instant;
use hil_pty::Pty;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::AsFd;
use std::time::Duration;

/// Bytes kept for a core that does not read; then the host waits.
const BOARD_BUFFER: usize = 4096;
/// Most bytes moved at a time.
const PIECE: usize = 4096;
/// Noise of a line that babbles, in bytes, and how many bytes of the board go before it: so every packet is damaged.
const BABBLE: usize = 64;
const BABBLE_EVERY: usize = 16;
/// Between two pieces of noise. With the length above it is about what a line at 115,200 baud can bring.
const BETWEEN_NOISE: Duration = Duration::from_millis(5);
/// How often to look whether somebody has opened a closed port.
const CLOSED_POLL: Duration = Duration::from_millis(20);
/// How long a host that has the port open may take nothing before bytes are dropped; our choice.
const STALL: Duration = Duration::from_millis(200);
/// A line that was idle for longer than this saves nothing up: its next byte starts anew.
const IDLE: Duration = Duration::from_millis(2);
/// Bytes at a set rate go in bursts this far apart, so that a fast line costs the host little; our choice.
const SHORTEST_SLEEP: Duration = Duration::from_micros(500);

/// Moves bytes both ways until the board is being shut down.
pub(super) fn serve(board: &Board, core: Core, pty: &Pty, baud: Option<u32>) {
    serve_while(board, core, pty, baud, |_| true);
}

/// Moves bytes both ways until the board is being shut down, or its power is not what it must be any more.
pub(super) fn serve_while(
    board: &Board,
    core: Core,
    pty: &Pty,
    baud: Option<u32>,
    goes_on: impl Fn(Supplied) -> bool,
) {
    let supplied = board.supplied();
    let mut line = Line {
        board,
        core,
        pty,
        was_open: false,
        on_the_way: Vec::new(),
        stuck_since: None,
        sending: Pace::new(baud),
        receiving: Pace::new(baud),
        noise: Noise::new(),
        noise_due: board.clock.now(),
    };
    while !board.is_stopping() && goes_on(*supplied.borrow()) {
        line.turn();
    }
}

/// One UART at work.
struct Line<'a> {
    board: &'a Board,
    core: Core,
    pty: &'a Pty,
    /// A program has it open, or had when it was last looked at.
    was_open: bool,
    /// Taken from the board, not yet taken by the host.
    on_the_way: Vec<u8>,
    /// Since when the host has taken nothing.
    stuck_since: Option<Instant>,
    sending: Pace,
    receiving: Pace,
    noise: Noise,
    /// When the next noise comes, where there is some.
    noise_due: Instant,
}

impl Line<'_> {
    /// Waits for something to move, and moves it.
    fn turn(&mut self) {
        if self.pty.is_closed() {
            self.lose_what_is_sent();
            self.sleep(None, Some(CLOSED_POLL));
            return;
        }
        self.was_open = true;
        let now = self.board.clock.now();
        let (waiting, room) = {
            let state = self.board.lock();
            let uart = &state.uarts[index(self.core)];
            (
                uart.to_host.len(),
                BOARD_BUFFER.saturating_sub(uart.to_board.len()),
            )
        };
        let arrived = rustix::io::ioctl_fionread(self.pty.master()).unwrap_or(0);
        let arrived = usize::try_from(arrived).unwrap_or(usize::MAX);
        let mut interest = PollFlags::empty();
        let mut at_most = None;
        let mut limit = |duration: Duration| {
            at_most = Some(at_most.map_or(duration, |other: Duration| other.min(duration)));
        };

        if self.is_disturbed() {
            let left = self.noise_due.saturating_since(now);
            if !left.is_zero() {
                limit(left);
            } else if self.on_the_way.is_empty() {
                self.disturb(waiting);
                self.noise_due = now + BETWEEN_NOISE;
            }
        } else if self.on_the_way.is_empty() {
            match self.sending.allowed(now, waiting.min(PIECE)) {
                Allowed::Nothing => {}
                Allowed::Bytes(length) => self.take_from_board(length),
                Allowed::Later(later) => limit(later),
            }
        }
        if !self.on_the_way.is_empty() {
            interest |= PollFlags::OUT;
            let since = *self.stuck_since.get_or_insert(now);
            limit((since + STALL).saturating_since(now));
        }
        if room > 0 {
            match self.receiving.allowed(now, arrived.min(room).min(PIECE)) {
                Allowed::Nothing => interest |= PollFlags::IN,
                Allowed::Bytes(length) => {
                    self.receive(length);
                    limit(Duration::ZERO);
                }
                Allowed::Later(later) => limit(later),
            }
        }
        if self.sleep(Some(interest), at_most).contains(PollFlags::OUT) {
            self.give_to_host();
        } else if self
            .stuck_since
            .is_some_and(|since| self.board.clock.now().saturating_since(since) >= STALL)
        {
            self.lose_what_is_sent();
            self.board.lock().uarts[index(self.core)].stalled = true;
            self.board.wake();
        }
    }

    /// Waits until the port is ready for what is of `interest`, the board has something for this line, or
    /// `at_most` has passed. Says what the port is ready for.
    fn is_disturbed(&self) -> bool {
        let has = |fault| self.board.has(fault);
        self.core == Core::App && (has(Fault::Babble) || has(Fault::Flood))
    }

    /// Puts noise on the way, and some of what the board sends before it.
    fn disturb(&mut self, waiting: usize) {
        let babbles = self.board.has(Fault::Babble);
        let piece = if babbles { BABBLE_EVERY } else { PIECE };
        if waiting > 0 {
            self.take_from_board(waiting.min(piece));
        }
        let noise = if babbles {
            self.noise.babble(BABBLE)
        } else if waiting > piece {
            // Not in the middle of a line.
            Vec::new()
        } else {
            self.noise.flood(PIECE)
        };
        self.on_the_way.extend(noise);
    }

    fn sleep(&self, interest: Option<PollFlags>, at_most: Option<Duration>) -> PollFlags {
        let wakeup = self.board.uart_wakeup(self.core);
        let mut polled = vec![PollFd::new(wakeup, PollFlags::IN)];
        polled.extend(interest.map(|interest| PollFd::new(self.pty.master(), interest)));
        let timeout = at_most.map(timespec);
        // An interrupted wait is one that was over early.
        let _ = rustix::event::poll(&mut polled, timeout.as_ref());
        if polled[0].revents().contains(PollFlags::IN) {
            let mut count = [0; 8];
            let _ = rustix::io::read(wakeup, &mut count);
        }
        polled.get(1).map_or(PollFlags::empty(), PollFd::revents)
    }

    fn take_from_board(&mut self, length: usize) {
        {
            let mut state = self.board.lock();
            let queue = &mut state.uarts[index(self.core)].to_host;
            let length = length.min(queue.len());
            self.on_the_way.extend(queue.drain(..length));
        }
        self.sending.moved(self.on_the_way.len());
        // The firmware may have been waiting for room.
        self.board.wake();
    }

    fn give_to_host(&mut self) {
        match rustix::io::write(self.pty.master(), &self.on_the_way) {
            Ok(0) | Err(_) => {}
            Ok(written) => {
                self.on_the_way.drain(..written);
                self.stuck_since = None;
                self.board.lock().uarts[index(self.core)].stalled = false;
            }
        }
    }

    /// Nobody takes what the board sends: gone, as on a wire.
    fn lose_what_is_sent(&mut self) {
        self.stuck_since = None;
        let had_some = {
            let mut state = self.board.lock();
            let queue = &mut state.uarts[index(self.core)].to_host;
            let had_some = !queue.is_empty() || !self.on_the_way.is_empty();
            queue.clear();
            had_some
        };
        self.on_the_way.clear();
        if std::mem::take(&mut self.was_open) {
            self.pty.forget();
        }
        if had_some {
            self.board.wake();
        }
    }

    fn receive(&mut self, at_most: usize) {
        let mut buffer = [0; PIECE];
        let Ok(length @ 1..) = rustix::io::read(self.pty.master().as_fd(), &mut buffer[..at_most])
        else {
            return;
        };
        self.receiving.moved(length);
        let mut state = self.board.lock();
        if listens(state.chip.run_state(self.core)) {
            state.uarts[index(self.core)]
                .to_board
                .extend(&buffer[..length]);
            drop(state);
            self.board.wake();
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // The longest wait here is a fraction of a second.
    duration.try_into().unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    })
}

/// A core that a debugger has halted has a peripheral that still receives.
fn listens(run: Run) -> bool {
    match run {
        Run::Running | Run::Halted | Run::Asleep => true,
        Run::Held | Run::LockedUp => false,
    }
}

/// How many bytes a direction may move by now.
#[derive(Debug)]
struct Pace {
    /// Bytes per second.
    rate: Option<f64>,
    /// When the line became busy, and what it has moved since.
    since: Instant,
    moved: u64,
    /// Since when there has been nothing to move.
    idle_since: Option<Instant>,
}

/// An answer of [`Pace::allowed`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Allowed {
    /// There is nothing to move.
    Nothing,
    /// So many bytes have had their time on the line.
    Bytes(usize),
    /// The next bytes will have had it then.
    Later(Duration),
}

impl Pace {
    fn new(baud: Option<u32>) -> Self {
        Self {
            rate: baud.map(|baud| f64::from(baud.max(10)) / 10.0),
            since: Instant::START,
            moved: 0,
            idle_since: Some(Instant::START),
        }
    }

    /// How many of the `wanted` bytes that there are may move.
    fn allowed(&mut self, now: Instant, wanted: usize) -> Allowed {
        if wanted == 0 {
            self.idle_since.get_or_insert(now);
            return Allowed::Nothing;
        }
        let Some(rate) = self.rate else {
            return Allowed::Bytes(wanted);
        };
        // A line that was idle saves nothing up. One that the host's scheduler kept waiting does.
        let idle = self.idle_since.take();
        if idle.is_some_and(|since| now.saturating_since(since) > IDLE) {
            self.since = now;
            self.moved = 0;
        }
        let elapsed = now.saturating_since(self.since);
        let by_now = (elapsed.as_secs_f64() * rate) as u64;
        if by_now > self.moved {
            let bytes = usize::try_from(by_now - self.moved).unwrap_or(wanted);
            return Allowed::Bytes(wanted.min(bytes));
        }
        let due = Duration::from_secs_f64((self.moved + 1) as f64 / rate);
        Allowed::Later(due.saturating_sub(elapsed).max(SHORTEST_SLEEP))
    }

    fn moved(&mut self, bytes: usize) {
        self.moved += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::START + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_line_without_a_rate_moves_all_there_is() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.allowed(at(1), 4000), Allowed::Bytes(4000));
        assert_eq!(pace.allowed(at(1), 0), Allowed::Nothing);
    }

    #[test]
    fn a_busy_line_moves_ten_bits_a_byte() {
        let mut pace = Pace::new(Some(10_000));
        assert!(matches!(pace.allowed(at(100), 500), Allowed::Later(_)));
        assert_eq!(pace.allowed(at(110), 500), Allowed::Bytes(10));
        pace.moved(10);
        assert!(matches!(pace.allowed(at(110), 490), Allowed::Later(_)));
        // Looked at late: the line was busy all the time.
        assert_eq!(pace.allowed(at(400), 490), Allowed::Bytes(290));
    }

    #[test]
    fn an_idle_line_saves_nothing_up() {
        let mut pace = Pace::new(Some(10_000));
        assert!(matches!(pace.allowed(at(0), 1), Allowed::Later(_)));
        assert_eq!(pace.allowed(at(1), 1), Allowed::Bytes(1));
        pace.moved(1);
        assert_eq!(pace.allowed(at(1), 0), Allowed::Nothing);
        assert!(matches!(pace.allowed(at(5000), 300), Allowed::Later(_)));
        assert_eq!(pace.allowed(at(5020), 300), Allowed::Bytes(20));
    }
}
