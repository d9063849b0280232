//! `dfu-hil emulated-board` by itself: its debug probe takes one debugger at a time, and nothing of it is left when it was killed.

mod support;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use support::boards::Boards;
use support::{Desk, zephyr};

/// Ends a test that would wait for ever; what is waited for takes milliseconds.
const GIVE_UP: Duration = Duration::from_secs(120);

/// The probe's protocol version, asked for and answered (`blackmagic src/remote.h`).
const ASK_VERSION: &[u8] = b"!HC#";
const VERSION: &[u8] = b"&K4#";

struct Debugger(TcpStream);

impl Debugger {
    fn of(board: &Boards) -> Self {
        let selector = board.text("/boards/0/probe");
        let address = selector.strip_prefix("1d50:6018:");
        let socket = TcpStream::connect(address.expect("a selector with an address"));
        let socket = socket.expect("the probe listens");
        let limited = socket.set_read_timeout(Some(GIVE_UP));
        limited.expect("a socket takes a limit");
        Self(socket)
    }

    /// What comes until as much was answered as a version has bytes, or the connection ends.
    fn ask_version(&mut self) -> Vec<u8> {
        // A probe that has hung up may say so here or below.
        let _ = self.0.write_all(ASK_VERSION);
        let mut answer = Vec::new();
        let asked = (&self.0)
            .take(VERSION.len() as u64)
            .read_to_end(&mut answer);
        match asked {
            Ok(_) => answer,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Vec::new(),
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }
}

/// QEMU by way of a script that holds a pipe open for as long as it runs. What comes from the receiver is its end.
fn watched_qemu(desk: &Desk) -> (PathBuf, mpsc::Receiver<()>) {
    let pipe = desk.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("the folder is ours");
    let script = format!(
        "#!/bin/sh\nexec qemu-system-arm \"$@\" 9>'{}'\n",
        pipe.display()
    );
    let script = desk.write("qemu", &script);
    fs::set_permissions(&script, Permissions::from_mode(0o700)).expect("the script is ours");
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let read = fs::File::open(pipe).and_then(|mut pipe| pipe.read_to_end(&mut Vec::new()));
        read.map(|_| ended.send(()))
    });
    (script, end)
}

#[test]
fn a_second_debugger_is_refused_at_once_and_the_first_one_stays() {
    if zephyr::servers().is_none() {
        return;
    }
    let board = Boards::emulated(Path::new("qemu-system-arm"));
    let mut first = Debugger::of(&board);
    assert_eq!(first.ask_version(), VERSION);
    assert_eq!(Debugger::of(&board).ask_version(), b"");
    assert_eq!(first.ask_version(), VERSION);
    drop(first);
    assert_eq!(Debugger::of(&board).ask_version(), VERSION);
}

#[test]
fn a_board_ends_while_a_debugger_is_connected() {
    if zephyr::servers().is_none() {
        return;
    }
    let board = Boards::emulated(Path::new("qemu-system-arm"));
    let mut debugger = Debugger::of(&board);
    assert_eq!(debugger.ask_version(), VERSION);
    drop(board);
    assert_eq!(debugger.ask_version(), b"");
}

#[test]
fn qemu_ends_with_a_board_that_is_killed() {
    if zephyr::servers().is_none() {
        return;
    }
    let desk = Desk::empty();
    let (qemu, end) = watched_qemu(&desk);
    let mut board = Boards::emulated(&qemu);
    assert_eq!(end.try_recv(), Err(mpsc::TryRecvError::Empty), "it runs");
    board.kill();
    end.recv_timeout(GIVE_UP).expect("QEMU ends");
}
