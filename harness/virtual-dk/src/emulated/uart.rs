//! The board's serial port: a pseudo-terminal that stays, in front of the UART of each machine that comes and goes.
//!
//! What arrives while no firmware reads it is lost, as on a wire. What the chip prints while nobody has the port open is lost too.

use super::board::Shared;
use hil_pty::Pty;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// Most bytes moved at a time.
const PIECE: usize = 4096;
/// How often it is looked whether the board stops or got power again.
const LOOK_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Moves bytes both ways until the board is being shut down.
pub(super) fn serve(board: &Shared, pty: &Pty) {
    let mut line: Option<UnixStream> = None;
    let mut piece = [0; PIECE];
    let mut was_open = false;
    while !board.is_stopping() {
        if let Some(new) = board.chip().take_uart() {
            if let Err(error) = new.set_nonblocking(true) {
                tracing::error!(board = board.name, %error, "the serial port is dead");
            }
            line = Some(new);
        }
        let mut polled = Vec::with_capacity(2);
        // A pseudo-terminal that nobody has open says so at once, again and again.
        let open = !pty.is_closed();
        if open {
            polled.push(PollFd::new(pty.master(), PollFlags::IN));
        } else if was_open {
            pty.forget();
        }
        was_open = open;
        if let Some(line) = &line {
            polled.push(PollFd::new(line, PollFlags::IN));
        }
        // An interrupted wait is one that was over early.
        let _ = rustix::event::poll(&mut polled, Some(&LOOK_EVERY));
        drop(polled);
        if let Some(chip) = &mut line {
            match chip.read(&mut piece) {
                // The machine is gone.
                Ok(0) => line = None,
                Ok(length) => give(pty, &piece[..length]),
                Err(_) => {}
            }
        }
        if !open {
            continue;
        }
        if let Ok(length @ 1..) = rustix::io::read(pty.master(), &mut piece)
            && let Some(chip) = &mut line
            && board.chip().hears()
        {
            take(board, chip, &piece[..length]);
        }
    }
}

/// To the host, if somebody has the port open.
fn give(pty: &Pty, mut bytes: &[u8]) {
    while !bytes.is_empty() && !pty.is_closed() {
        match rustix::io::write(pty.master(), bytes) {
            Ok(written @ 1..) => bytes = &bytes[written..],
            // The host takes nothing: lost, as on a wire.
            Ok(0) | Err(_) => return,
        }
    }
}

/// To the chip. The emulator takes bytes when the UART has room; a machine that stands has a full one soon.
fn take(board: &Shared, chip: &mut UnixStream, mut bytes: &[u8]) {
    while !bytes.is_empty() && !board.is_stopping() {
        match chip.write(bytes) {
            Ok(written @ 1..) => bytes = &bytes[written..],
            // Gone, or more than a socket holds has been sent to a chip that does not read: lost.
            Ok(0) | Err(_) => return,
        }
    }
}
