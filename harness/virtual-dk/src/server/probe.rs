//! The debug probe on TCP: one debugger at a time, as with a probe on USB.

use super::board::Board;
use super::options::Accelerators;
use super::remote::Remote;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;

/// The probe of one board.
pub(super) struct Probe {
    board: Arc<Board>,
    accelerators: Accelerators,
    busy: Arc<AtomicBool>,
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
            busy: Arc::new(AtomicBool::new(false)),
            connection: Mutex::new(None),
        }
    }

    /// Accepts debuggers for as long as it is polled. While one is connected the next is accepted and closed
    /// at once: its tool fails in milliseconds instead of waiting in the backlog for ever.
    pub(super) async fn accept(&self, listener: &TcpListener) {
        loop {
            let socket = match listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(board = self.board.name, %error, "debug probe: accept failed");
                    // Out of descriptors, for instance: not at once again.
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            if self.busy.swap(true, Ordering::AcqRel) {
                tracing::info!(
                    board = self.board.name,
                    "debug probe: busy, second debugger refused"
                );
                continue;
            }
            if let Err(error) = self.serve(socket) {
                self.busy.store(false, Ordering::Release);
                tracing::warn!(board = self.board.name, %error, "debug probe: connection not served");
            }
        }
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
        let busy = Arc::clone(&self.busy);
        let thread = thread::Builder::new()
            .name(format!("{}-probe", board.name))
            .spawn(move || {
                answer_all(board, accelerators, served);
                busy.store(false, Ordering::Release);
            })?;
        *self.current() = Some(Connection { socket, thread });
        Ok(())
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection, if there is one. To be called when nothing is accepted any more.
    pub(super) fn close(&self) {
        if let Some(connection) = self.current().take() {
            let _ = connection.socket.shutdown(Shutdown::Both);
            let _ = connection.thread.join();
        }
    }
}

/// Answers until the debugger goes away. The chip stays as it was left.
fn answer_all(board: Arc<Board>, accelerators: Accelerators, mut socket: TcpStream) {
    let name = board.name.clone();
    let mut remote = Remote::new(board, accelerators);
    let mut received = [0; 4096];
    let mut answers = Vec::with_capacity(2048);
    loop {
        let outcome = match socket.read(&mut received) {
            Ok(0) => break,
            Ok(length) => {
                answers.clear();
                remote.feed(&received[..length], &mut answers);
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
