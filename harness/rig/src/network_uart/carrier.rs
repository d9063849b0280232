//! Carries bytes between a connection and a pseudo-terminal.

use hil_pty::Pty;
use hil_rfc2217::{Client, State};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

/// Most bytes moved at a time.
const PIECE: usize = 4096;
/// What may wait to be taken by one side before the other is not read any more. SMP's longest packet over a serial port is a few
/// kilobytes.
const WAITING: usize = 64 * 1024;
/// How often it is looked whether somebody has opened the port.
const CLOSED_POLL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// What is between the bytes and the connection.
#[derive(Debug)]
pub(super) enum Wire {
    Raw,
    Rfc2217(Client),
}

#[derive(Debug)]
pub(super) struct Carrier {
    stream: TcpStream,
    wire: Wire,
    pty: Pty,
    /// Readable when the port is being closed here.
    ended: UnixStream,
    to_host: Vec<u8>,
    to_line: Vec<u8>,
    /// Whether somebody had the port open when it was last looked at.
    was_open: bool,
}

/// The connection is gone, or the port is being closed.
struct Over;

impl Carrier {
    pub(super) const fn new(
        stream: TcpStream,
        wire: Wire,
        pty: Pty,
        ended: UnixStream,
        early: Vec<u8>,
    ) -> Self {
        Self {
            stream,
            wire,
            pty,
            ended,
            to_host: early,
            to_line: Vec::new(),
            was_open: false,
        }
    }

    /// Until the connection is gone or the port is being closed.
    pub(super) fn run(mut self) {
        while self.turn().is_ok() {}
    }

    fn turn(&mut self) -> Result<(), Over> {
        let closed = self.pty.is_closed();
        if closed {
            // What the board sends while nobody has the port open is lost, as on a wire.
            self.to_host.clear();
            if std::mem::take(&mut self.was_open) {
                self.pty.forget();
            }
        } else {
            self.was_open = true;
        }
        let mut of_stream = PollFlags::empty();
        of_stream.set(PollFlags::IN, self.to_host.len() < WAITING);
        of_stream.set(PollFlags::OUT, !self.to_line.is_empty());
        let mut of_pty = PollFlags::empty();
        of_pty.set(
            PollFlags::IN,
            self.to_line.len() < WAITING && self.may_send(),
        );
        of_pty.set(PollFlags::OUT, !self.to_host.is_empty());
        let mut polled = vec![
            PollFd::new(&self.ended, PollFlags::IN),
            PollFd::new(&self.stream, of_stream),
        ];
        if !closed {
            polled.push(PollFd::new(self.pty.master(), of_pty));
        }
        // An interrupted wait is one that was over early.
        let _ = rustix::event::poll(&mut polled, closed.then_some(&CLOSED_POLL));
        let ready = |index: usize| {
            polled
                .get(index)
                .map_or(PollFlags::empty(), PollFd::revents)
        };
        let (end, stream, pty) = (ready(0), ready(1), ready(2));
        if !end.is_empty() {
            return Err(Over);
        }
        if stream.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.hear()?;
        }
        if pty.contains(PollFlags::IN) {
            self.read_host();
        }
        if pty.contains(PollFlags::OUT) {
            self.give_to_host();
        }
        self.say()
    }

    const fn may_send(&self) -> bool {
        match &self.wire {
            Wire::Raw => true,
            Wire::Rfc2217(client) => client.may_send(),
        }
    }

    /// Takes what came on the connection.
    fn hear(&mut self) -> Result<(), Over> {
        let mut buffer = [0; PIECE];
        let length = match self.stream.read(&mut buffer) {
            Ok(0) => return Err(Over),
            Ok(length) => length,
            Err(error) if comes_later(&error) => return Ok(()),
            Err(_) => return Err(Over),
        };
        match &mut self.wire {
            Wire::Raw => self.to_host.extend(&buffer[..length]),
            Wire::Rfc2217(client) => {
                client.receive(&buffer[..length], &mut self.to_host);
                self.to_line.extend(client.take_outgoing());
                // Such as another speed, which somebody else has set: what comes now would be noise.
                if matches!(client.state(), State::Refused(_)) {
                    return Err(Over);
                }
            }
        }
        Ok(())
    }

    /// Sends what waits for the line.
    fn say(&mut self) -> Result<(), Over> {
        if self.to_line.is_empty() {
            return Ok(());
        }
        match self.stream.write(&self.to_line) {
            Ok(0) => Err(Over),
            Ok(length) => {
                self.to_line.drain(..length);
                Ok(())
            }
            Err(error) if comes_later(&error) => Ok(()),
            Err(_) => Err(Over),
        }
    }

    fn read_host(&mut self) {
        let mut buffer = [0; PIECE];
        // Nothing, or an error: whoever had the port open has closed it, and that is looked at next.
        let Ok(length) = rustix::io::read(self.pty.master().as_fd(), &mut buffer) else {
            return;
        };
        match &mut self.wire {
            Wire::Raw => self.to_line.extend(&buffer[..length]),
            Wire::Rfc2217(client) => {
                client.send(&buffer[..length]);
                self.to_line.extend(client.take_outgoing());
            }
        }
    }

    fn give_to_host(&mut self) {
        if let Ok(length) = rustix::io::write(self.pty.master(), &self.to_host) {
            self.to_host.drain(..length);
        }
    }
}

fn comes_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
