//! A core's UART as a pseudo-terminal, which stays there whatever happens to the board.
//!
//! What the board sends while nobody has the port open is lost, as on a wire. What the host sends while the
//! core has no power or is held in reset is lost too; while the core runs but does not read, the host has to
//! wait, which a wire would not make it do. With a baud rate, each direction moves ten bits a byte at that rate.

use super::board::Board;
use crate::bus::Core;
use crate::chip::{Run, index};
use hil_clock::{Clock, Instant};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, QueueSelector};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Bytes kept for a core that does not read; then the host waits.
const BOARD_BUFFER: usize = 4096;
/// How often to look whether somebody has opened a closed port.
const CLOSED_POLL: Duration = Duration::from_millis(20);
/// How long a host that has the port open may take nothing before bytes are dropped; our choice.
const STALL: Duration = Duration::from_millis(200);
/// How often bytes go at a set rate: the runtime's timers are no finer.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The board's end of the pseudo-terminal.
pub(super) struct Pty {
    master: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// A pseudo-terminal in raw mode.
    pub(super) fn open() -> io::Result<Self> {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        // Settings belong to the pair and live as long as our end. Opening and closing the other end once
        // makes the kernel report "nobody there" from the start.
        let slave = rustix::fs::open(
            &path,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut settings = rustix::termios::tcgetattr(&slave)?;
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)?;
        drop(slave);
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        Ok(Self { master, path })
    }

    /// What a serial program opens.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Moves bytes both ways for as long as it is polled.
pub(super) async fn serve(board: Arc<Board>, core: Core, pty: Pty, baud: Option<u32>) {
    #[expect(
        deprecated,
        reason = "its replacement is unsafe, for descriptors that change hands; an OwnedFd that nobody takes out does not"
    )]
    let port = AsyncFd::new(pty.master);
    let port = match port {
        Ok(port) => port,
        Err(error) => {
            tracing::error!(board = board.name, ?core, %error, "UART does not work");
            return;
        }
    };
    tokio::join!(
        send(&board, core, &port, Pace::new(baud)),
        receive(&board, core, &port, Pace::new(baud)),
    );
}

/// From the board to the host.
async fn send(board: &Board, core: Core, port: &AsyncFd<OwnedFd>, mut pace: Pace) {
    let number = index(core);
    loop {
        let waiting = board.lock().uarts[number].to_host.len();
        if waiting == 0 {
            board.bytes_for_host[number].notified().await;
            continue;
        }
        let allowed = pace.allowed(board, waiting).await;
        let bytes: Vec<u8> = {
            let mut state = board.lock();
            let queue = &mut state.uarts[number].to_host;
            let length = allowed.min(queue.len());
            queue.drain(..length).collect()
        };
        pace.moved(bytes.len());
        let taken = deliver(port, &bytes).await;
        let mut state = board.lock();
        let uart = &mut state.uarts[number];
        if taken == Delivery::Lost {
            uart.to_host.clear();
        }
        uart.stalled = taken == Delivery::Lost && pace.is_unlimited();
        drop(state);
        board.wake();
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Delivery {
    Taken,
    /// Nobody has the port open, or does not read from it.
    Lost,
}

async fn deliver(port: &AsyncFd<OwnedFd>, bytes: &[u8]) -> Delivery {
    let mut rest = bytes;
    let mut blocked = Duration::ZERO;
    while !rest.is_empty() {
        if is_closed(port.get_ref()) {
            // What an earlier program left unread is not for the next one.
            let _ = rustix::termios::tcflush(port.get_ref(), QueueSelector::OFlush);
            return Delivery::Taken;
        }
        let ready = tokio::time::timeout(STALL, port.writable()).await;
        let Ok(Ok(mut ready)) = ready else {
            return Delivery::Lost;
        };
        match ready.try_io(|port| Ok(rustix::io::write(port.get_ref(), rest)?)) {
            Ok(Ok(written)) => {
                rest = &rest[written..];
                blocked = Duration::ZERO;
            }
            Ok(Err(_)) => return Delivery::Lost,
            Err(_would_block) if blocked >= STALL => return Delivery::Lost,
            // The runtime never forgets that the port was once closed and calls it ready ever since: without
            // a pause this would go round without letting anything else run.
            Err(_would_block) => {
                tokio::time::sleep(SHORTEST_SLEEP).await;
                blocked += SHORTEST_SLEEP;
            }
        }
    }
    Delivery::Taken
}

/// Nobody has the other end open.
fn is_closed(master: &OwnedFd) -> bool {
    let mut poll = [PollFd::new(master, PollFlags::OUT)];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut poll, Some(&now)).is_ok() && poll[0].revents().contains(PollFlags::HUP)
}

/// From the host to the board.
async fn receive(board: &Board, core: Core, port: &AsyncFd<OwnedFd>, mut pace: Pace) {
    let number = index(core);
    let mut buffer = [0; BOARD_BUFFER];
    loop {
        let room = {
            let state = board.lock();
            BOARD_BUFFER.saturating_sub(state.uarts[number].to_board.len())
        };
        if room == 0 {
            board.room_on_board[number].notified().await;
            continue;
        }
        let Ok(mut ready) = port.readable().await else {
            return;
        };
        let allowed = pace.allowed(board, room).await;
        let read = ready.try_io(|port| Ok(rustix::io::read(port.as_fd(), &mut buffer[..allowed])?));
        match read {
            Ok(Ok(length @ 1..)) => {
                pace.moved(length);
                let mut state = board.lock();
                if listens(state.chip.run_state(core)) {
                    state.uarts[number].to_board.extend(&buffer[..length]);
                    drop(state);
                    board.wake();
                }
            }
            // Nobody has the other end open.
            Ok(Ok(_) | Err(_)) => tokio::time::sleep(CLOSED_POLL).await,
            // As above: the port is called ready for ever after it was closed once.
            Err(_would_block) => tokio::time::sleep(SHORTEST_SLEEP).await,
        }
    }
}

/// A core that a debugger has halted has a peripheral that still receives.
fn listens(run: Run) -> bool {
    match run {
        Run::Running | Run::Halted | Run::Asleep => true,
        Run::Held | Run::LockedUp => false,
    }
}

/// How many bytes a direction may move by now.
struct Pace {
    /// Bytes per second.
    rate: Option<f64>,
    /// When the line became busy, and what it has moved since.
    since: Instant,
    moved: u64,
}

impl Pace {
    fn new(baud: Option<u32>) -> Self {
        Self {
            rate: baud.map(|baud| f64::from(baud.max(10)) / 10.0),
            since: Instant::START,
            moved: 0,
        }
    }

    fn is_unlimited(&self) -> bool {
        self.rate.is_none()
    }

    /// Waits until at least one of `wanted` bytes has had its time on the line, and says how many have.
    async fn allowed(&mut self, board: &Board, wanted: usize) -> usize {
        let Some(rate) = self.rate else {
            return wanted;
        };
        let time_of = |bytes: u64| Duration::from_secs_f64(bytes as f64 / rate);
        let now = board.clock.now();
        // An idle line saves nothing up: its next byte starts now.
        if now.saturating_since(self.since) > time_of(self.moved) + 4 * SHORTEST_SLEEP {
            self.since = now;
            self.moved = 0;
        }
        loop {
            let elapsed = board.clock.now().saturating_since(self.since);
            let by_now = (elapsed.as_secs_f64() * rate) as u64;
            if by_now > self.moved {
                return wanted.min(usize::try_from(by_now - self.moved).unwrap_or(wanted));
            }
            let due = time_of(self.moved + 1).saturating_sub(elapsed);
            tokio::time::sleep(due.max(SHORTEST_SLEEP)).await;
        }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved += bytes as u64;
    }
}
