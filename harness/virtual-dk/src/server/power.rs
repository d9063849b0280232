//! The power supply on TCP, which can press buttons too: SCPI, one line at a time, any number of clients.

use super::board::Board;
use super::faults::Fault;
use super::listen::next_connection;
use super::options::Supply;
use super::scpi::{Output, Session};
use crate::chip::{Button, Power};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest line that is kept; more is an overrun.
const LONGEST_LINE: usize = 1024;
/// Clients served at a time; more are closed at once.
const MOST_CLIENTS: usize = 32;

/// How long a slow supply feeds its board when it is off: what capacitors of some hundred microfarads are good for.
const FALLS_IN: Duration = Duration::from_millis(100);

/// The supply of a board, with whatever is wrong with it.
#[derive(Clone)]
pub(super) struct SupplyOf {
    board: Arc<Board>,
    kind: Supply,
    /// What a stuck or slow one was told last, and believes.
    believes: Arc<Mutex<Option<Power>>>,
}

impl SupplyOf {
    pub(super) fn new(board: Arc<Board>, kind: Supply) -> Self {
        Self {
            board,
            kind,
            believes: Arc::default(),
        }
    }

    fn believed(&self) -> MutexGuard<'_, Option<Power>> {
        self.believes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output for SupplyOf {
    fn power(&self) -> Power {
        match self.kind {
            Supply::Works | Supply::Ignores => self.board.lock().chip.power(),
            Supply::Stuck | Supply::Slow => {
                let believed = *self.believed();
                believed.unwrap_or_else(|| self.board.lock().chip.power())
            }
        }
    }

    fn set_power(&self, power: Power) {
        *self.believed() = Some(power);
        match (self.kind, power) {
            (Supply::Works, _) | (_, Power::On) => self.board.set_power(power),
            (Supply::Ignores | Supply::Stuck, Power::Off) => {}
            (Supply::Slow, Power::Off) => {
                let supply = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(FALLS_IN).await;
                    let believed = supply.believed();
                    // It may have been switched on again meanwhile.
                    if *believed == Some(Power::Off) {
                        supply.board.set_power(Power::Off);
                    }
                });
            }
        }
    }

    fn button(&self, button: Button) -> bool {
        self.board.lock().chip.button(button)
    }

    fn set_button(&self, button: Button, pressed: bool) {
        self.board.lock().chip.set_button(button, pressed);
    }

    fn set_fault(&self, fault: Fault, wrong: bool) {
        self.board.set_fault(fault, wrong);
    }

    fn current(&self) -> Option<f64> {
        Some(self.board.lock().chip.current() / 1000.0)
    }
}

/// Accepts clients for as long as it is polled. `name` is that of the board.
pub(crate) async fn accept<S>(supply: S, name: &str, listener: &TcpListener)
where
    S: Output + Clone + Send + Sync + 'static,
{
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            socket = next_connection(listener, name, "power supply") => {
                if clients.len() < MOST_CLIENTS {
                    clients.spawn(serve(supply.clone(), name.to_owned(), socket));
                }
            }
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve<S: Output + Sync>(supply: S, name: String, mut socket: TcpStream) {
    let identity = format!(
        "dfu-hil,virtual DK supply,{name},{}",
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
                if let Some(mut answer) = session.line(text.trim(), &supply, &identity) {
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
