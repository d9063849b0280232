//! The power supply on TCP, which can press buttons too: SCPI, one line at a time, any number of clients.

use super::board::Board;
use super::scpi::{Output, Session};
use crate::chip::{Button, Power};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest line that is kept; more is an overrun.
const LONGEST_LINE: usize = 1024;
/// Clients served at a time; more are closed at once.
const MOST_CLIENTS: usize = 32;

impl Output for Arc<Board> {
    fn power(&self) -> Power {
        self.lock().chip.power()
    }

    fn set_power(&self, power: Power) {
        Board::set_power(self, power);
    }

    fn button(&self, button: Button) -> bool {
        self.lock().chip.button(button)
    }

    fn set_button(&self, button: Button, pressed: bool) {
        self.lock().chip.set_button(button, pressed);
    }

    fn current(&self) -> f64 {
        self.lock().chip.current() / 1000.0
    }
}

/// Accepts clients for as long as it is polled.
pub(super) async fn accept(board: Arc<Board>, listener: &TcpListener) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) if clients.len() < MOST_CLIENTS => {
                    clients.spawn(serve(Arc::clone(&board), socket));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(board = board.name, %error, "power supply: accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve(board: Arc<Board>, mut socket: TcpStream) {
    let identity = format!(
        "dfu-hil,virtual DK supply,{},{}",
        board.name,
        env!("CARGO_PKG_VERSION")
    );
    let mut session = Session::default();
    let mut line = Vec::new();
    let mut overrun = false;
    let mut received = [0; 512];
    while let Ok(length @ 1..) = socket.read(&mut received).await {
        for &byte in &received[..length] {
            if byte != b'\n' {
                overrun |= line.len() >= LONGEST_LINE;
                if !overrun {
                    line.push(byte);
                }
                continue;
            }
            if std::mem::take(&mut overrun) {
                session.overrun();
            } else {
                let text = String::from_utf8_lossy(&line);
                if let Some(mut answer) = session.line(text.trim(), &board, &identity) {
                    answer.push('\n');
                    if socket.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
            line.clear();
        }
    }
}
