//! Who is connected to a debug probe: one debugger at a time, as with a probe on USB.
//!
//! Of its own because a virtual DK and an emulated board have the same place at the probe, whatever answers behind it.

use super::listen::next_connection;
use super::remote::{Remote, Wired};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a new debugger waits for the end of a connection whose other side is already gone. That takes as
/// long as the commands still in hand, and as the host needs to come to it; our choice, far above both.
const FAREWELL: Duration = Duration::from_secs(10);

/// The place at the probe of one board.
pub(crate) struct Debuggers {
    /// The board's name.
    board: String,
    /// A debugger is connected.
    busy: watch::Sender<bool>,
    /// The connection served now, or the last one.
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    socket: TcpStream,
    thread: JoinHandle<()>,
}

impl Debuggers {
    pub(crate) fn new(board: String) -> Self {
        Self {
            board,
            busy: watch::Sender::new(false),
            connection: Mutex::new(None),
        }
    }

    /// Accepts debuggers for as long as it is polled, and has each answered until it goes away. While one is connected the
    /// next is accepted and closed at once: its tool fails in milliseconds instead of waiting in the backlog for ever.
    ///
    /// A connection has a thread of its own: the protocol is strictly question and answer, and what answers (an emulator of
    /// the debug port, for one) may not move between threads.
    pub(crate) async fn accept<A>(&self, listener: &TcpListener, answer: A)
    where
        A: FnOnce(TcpStream) + Clone + Send + 'static,
    {
        loop {
            let socket = next_connection(listener, &self.board, "debug probe").await;
            if !self.is_free().await {
                tracing::info!(
                    board = self.board,
                    "debug probe: busy, second debugger refused"
                );
                continue;
            }
            self.busy.send_replace(true);
            if let Err(error) = self.serve(socket, answer.clone()) {
                self.busy.send_replace(false);
                tracing::warn!(board = self.board, %error, "debug probe: connection not served");
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

    fn serve(
        &self,
        socket: tokio::net::TcpStream,
        answer: impl FnOnce(TcpStream) + Send + 'static,
    ) -> io::Result<()> {
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        let served = socket.try_clone()?;
        let goodbye = socket.try_clone()?;
        let busy = self.busy.clone();
        let thread = thread::Builder::new()
            .name(format!("{}-probe", self.board))
            .spawn(move || {
                answer(served);
                // Other handles of this socket may live on: say goodbye here.
                let _ = goodbye.shutdown(Shutdown::Both);
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
    pub(crate) fn hang_up(&self) {
        if let Some(connection) = &*self.current() {
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection, if there is one. To be called when nothing is accepted any more.
    pub(crate) fn close(&self) {
        if let Some(connection) = self.current().take() {
            let _ = connection.socket.shutdown(Shutdown::Both);
            let _ = connection.thread.join();
        }
    }
}

/// The other side has closed the connection, or is gone.
pub(super) fn has_left(socket: &TcpStream) -> bool {
    let mut poll = [PollFd::new(socket, PollFlags::RDHUP)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let left = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    rustix::event::poll(&mut poll, Some(&now)).is_ok() && poll[0].revents().intersects(left)
}

/// Answers until the debugger goes away, or `may_answer` says that nobody waits for an answer. The chip stays as it was left.
///
/// # Errors
///
/// When the connection is lost.
pub(crate) fn answer_all<T: Wired>(
    mut remote: Remote<T>,
    mut socket: &TcpStream,
    may_answer: impl Fn() -> bool,
) -> io::Result<()> {
    let mut received = [0; 4096];
    let mut answers = Vec::with_capacity(2048);
    loop {
        match socket.read(&mut received) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                answers.clear();
                remote.feed(&received[..length], &mut answers);
                if !may_answer() {
                    return Ok(());
                }
                socket.write_all(&answers)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
