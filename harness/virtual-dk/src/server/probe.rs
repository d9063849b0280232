//! The debug probe of a virtual DK: what answers a debugger, and what goes wrong with it.

use super::board::Board;
use super::debuggers::{Debuggers, answer_all, has_left};
use super::faults::Fault;
use super::options::Accelerators;
use super::remote::Remote;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How often a probe that hangs looks whether somebody still waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The probe of one board.
pub(super) struct Probe {
    board: Arc<Board>,
    accelerators: Accelerators,
    debuggers: Debuggers,
}

impl Probe {
    pub(super) fn new(board: Arc<Board>, accelerators: Accelerators) -> Self {
        Self {
            debuggers: Debuggers::new(board.name.clone()),
            board,
            accelerators,
        }
    }

    /// Accepts debuggers for as long as it is polled.
    pub(super) async fn accept(&self, listener: &TcpListener) {
        let (board, accelerators) = (Arc::clone(&self.board), self.accelerators);
        let answer = move |socket: TcpStream| {
            let remote = Remote::new(Arc::clone(&board), accelerators);
            if let Err(error) = answer_all(remote, &socket, || hang(&board, &socket)) {
                tracing::debug!(board = board.name, %error, "debug probe: connection lost");
            }
        };
        self.debuggers.accept(listener, answer).await;
    }

    /// Ends the connection, if there is one, without waiting for it.
    pub(super) fn hang_up(&self) {
        self.debuggers.hang_up();
    }

    /// Ends the connection, if there is one. To be called when nothing is accepted any more.
    pub(super) fn close(&self) {
        self.debuggers.close();
    }
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
