//! The debug probe on TCP: one debugger at a time, as with a probe on USB.

use super::board::Board;
use super::faults::Fault;
use super::listen::next_connection;
use super::options::Accelerators;
use super::remote::Remote;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a new debugger waits for the end of a connection whose other side is already gone. That takes as
/// long as the commands still in hand; our choice, far above it.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often a probe that hangs looks whether somebody still waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The probe of one board.
pub(super) struct Probe {
    board: Arc<Board>,
    accelerators: Accelerators,
    /// A debugger is connected.
    busy: watch::Sender<bool>,
    /// The connection served now, or the last one.
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    socket: TcpStream,
    thread: JoinHandle<()>,
}

impl Probe {
    pub(super) fn new(board: Arc<Board>, accelerators: Accelerators) -> Self {
        Self {
            board,
            accelerators,
            busy: watch::Sender::new(false),
            connection: Mutex::new(None),
        }
    }

    /// Accepts debuggers for as long as it is polled. While one is connected the next is accepted and closed
    /// at once: its tool fails in milliseconds instead of waiting in the backlog for ever.
    pub(super) async fn accept(&self, listener: &TcpListener) {
        loop {
            let socket = next_connection(listener, &self.board.name, "debug probe").await;
            if !self.is_free().await {
                tracing::info!(
                    board = self.board.name,
                    "debug probe: busy, second debugger refused"
                );
                continue;
            }
            self.busy.send_replace(true);
            if let Err(error) = self.serve(socket) {
                self.busy.send_replace(false);
                tracing::warn!(board = self.board.name, %error, "debug probe: connection not served");
            }
        }
    }

    /// Whether nobody is connected. A debugger that has just closed its end is nobody, though the thread that
    /// served it may not have noticed yet.
    async fn is_free(&self) -> bool {
        if !*self.busy.borrow() {
            return true;
        }
        if self
            .current()
            .as_ref()
            .is_none_or(|connection| !has_left(&connection.socket))
        {
            return false;
        }
        let mut busy = self.busy.subscribe();
        tokio::time::timeout(FAREWELL, busy.wait_for(|&busy| !busy))
            .await
            .is_ok()
    }

    /// A connection has a thread of its own: the protocol is strictly question and answer, and the emulator
    /// cannot move between threads.
    fn serve(&self, socket: tokio::net::TcpStream) -> std::io::Result<()> {
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        let served = socket.try_clone()?;
        let board = Arc::clone(&self.board);
        let accelerators = self.accelerators;
        let busy = self.busy.clone();
        let thread = thread::Builder::new()
            .name(format!("{}-probe", board.name))
            .spawn(move || {
                answer_all(&board, accelerators, served);
                busy.send_replace(false);
            })?;
        *self.current() = Some(Connection { socket, thread });
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection, if there is one, without waiting for it.
    pub(super) fn hang_up(&self) {
        if let Some(connection) = &*self.current() {
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection, if there is one. To be called when nothing is accepted any more.
    pub(super) fn close(&self) {
        if let Some(connection) = self.current().take() {
            let _ = connection.socket.shutdown(Shutdown::Both);
            let _ = connection.thread.join();
        }
    }
}

/// The other side has closed the connection, or is gone.
fn has_left(socket: &TcpStream) -> bool {
    let mut poll = [PollFd::new(socket, PollFlags::RDHUP)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let left = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    rustix::event::poll(&mut poll, Some(&now)).is_ok() && poll[0].revents().intersects(left)
}

/// Waits while the probe hangs; `false` when there is nobody left to answer.
fn hang(board: &Board, socket: &TcpStream) -> bool {
    let mut state = board.lock();
    while board.has(Fault::ProbeHangs) {
        if board.is_stopping() || has_left(socket) {
            return false;
        }
        // The other side may leave without anything happening on the board.
        state = board.wait(state, Some(LOOK_EVERY));
    }
    drop(state);
    true
}

/// Answers until the debugger goes away. The chip stays as it was left.
fn answer_all(board: &Arc<Board>, accelerators: Accelerators, mut socket: TcpStream) {
    let name = board.name.clone();
    let mut remote = Remote::new(Arc::clone(board), accelerators);
    let mut received = [0; 4096];
    let mut answers = Vec::with_capacity(2048);
    loop {
        let outcome = match socket.read(&mut received) {
            Ok(0) => break,
            Ok(length) => {
                answers.clear();
                remote.feed(&received[..length], &mut answers);
                if !hang(board, &socket) {
                    break;
                }
                socket.write_all(&answers)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::debug!(board = name, %error, "debug probe: connection lost");
            break;
        }
    }
    // The other handle of this socket may live on: say goodbye here.
    let _ = socket.shutdown(Shutdown::Both);
}
