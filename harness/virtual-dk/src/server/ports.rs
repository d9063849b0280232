//! The USB side of a board whose debugger loses its power with it: the probe and the serial ports go away and come back.
//!
//! On a bench the system finds such a board again by USB serial number and interface, and may give its ports other names.
//! Here the probe keeps its TCP port, which is reserved meanwhile, and refuses connections; a serial port has a name that
//! stays, like those in `/dev/serial/by-id`, and points to another pseudo-terminal each time.

use super::board::{Board, Supplied};
use super::probe::Probe;
use super::uart;
use crate::bus::Core;
use crate::chip::index;
use hil_pty::Pty;
use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

/// From power until the debugger is on USB and the system has found it. We chose it: a DK takes about a second; this is
/// long enough that the first lines of a boot are lost, as they are there.
const ENUMERATION: Duration = Duration::from_millis(300);

/// Folders made by this process.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder for the names of serial ports and sockets, removed when dropped.
#[derive(Debug)]
pub(crate) struct PortFolder(PathBuf);

impl PortFolder {
    pub(crate) fn make() -> io::Result<Self> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("dfu-hil-ports-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The name of a core's serial port.
    pub(super) fn port(&self, core: Core) -> PathBuf {
        self.0.join(match core {
            Core::App => "app",
            Core::Net => "net",
        })
    }
}

impl Drop for PortFolder {
    fn drop(&mut self) {
        // What is left of it is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keeps a TCP port from everybody else on this host while nobody listens on it.
pub(super) fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts debuggers whenever the board has had power for long enough, for as long as it is polled.
pub(super) async fn accept_with_power(board: &Board, probe: &Probe, first: TcpListener) {
    let Ok(address) = first.local_addr() else {
        return;
    };
    let mut supplied = board.supplied();
    let mut listener = Some(first);
    let mut power_up = 1;
    loop {
        if let Some(listener) = listener.take() {
            tokio::select! {
                () = probe.accept(&listener) => {}
                // Its sender lives as long as the board.
                _ = supplied.wait_for(|now| now.lost(power_up)) => {}
            }
        }
        probe.hang_up();
        let Ok(now) = supplied.wait_for(|now| now.on).await.map(|now| *now) else {
            return;
        };
        power_up = now.power_ups;
        // Nobody finds a board that has lost its power again meanwhile.
        let gone = supplied.wait_for(|now| now.lost(power_up));
        if tokio::time::timeout(ENUMERATION, gone).await.is_ok() {
            continue;
        }
        match listen(address) {
            Ok(again) => listener = Some(again),
            Err(error) => {
                tracing::error!(board = board.name, %error, "debug probe: cannot listen again");
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    reserve(address)?.listen(16)
}

/// Serves a UART until the board is being shut down; its port goes away and comes back with the power.
pub(super) fn serve_with_power(
    board: &Board,
    core: Core,
    first: Pty,
    name: &Path,
    baud: Option<u32>,
) {
    let mut port = Some(first);
    let mut power_up = 1;
    while !board.is_stopping() {
        if let Some(port) = port.take() {
            uart::serve_while(board, core, &port, baud, |now| !now.lost(power_up));
            let _ = std::fs::remove_file(name);
        }
        let Some(ups) = wait_for_power(board) else {
            return;
        };
        power_up = ups;
        // Nobody heard what was printed meanwhile.
        board.lock().uarts[index(core)].to_host.clear();
        match plug_in(name) {
            Ok(again) => port = Some(again),
            Err(error) => {
                tracing::error!(board = board.name, ?core, %error, "no pseudo-terminal");
                return;
            }
        }
    }
}

/// A serial port under its name.
pub(super) fn plug_in(name: &Path) -> io::Result<Pty> {
    let pty = Pty::open()?;
    symlink(pty.path(), name)?;
    Ok(pty)
}

/// Which power-up the board is in, once it has had power for long enough; `None` when it is shut down.
fn wait_for_power(board: &Board) -> Option<u64> {
    let mut state = board.lock();
    loop {
        if board.is_stopping() {
            return None;
        }
        let Some((ups, since)) = board.on_usb(&state) else {
            state = board.wait(state, None);
            continue;
        };
        match ENUMERATION.checked_sub(since) {
            Some(left) if !left.is_zero() => state = board.wait(state, Some(left)),
            _ => return Some(ups),
        }
    }
}

impl Supplied {
    /// Whether the power of that power-up is gone.
    fn lost(self, power_up: u64) -> bool {
        self.power_ups > power_up || (self.power_ups == power_up && !self.on)
    }
}
