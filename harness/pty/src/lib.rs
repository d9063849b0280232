//! Our end of a pseudo-terminal: what a program opens like a serial port, and we move the bytes of.
//!
//! Virtual boards have their serial ports there, and so have ports that are somewhere else on the network. It holds for Linux
//! (`man 7 pty`): settings belong to the pair and live as long as our end.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, QueueSelector};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Our end.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// A pseudo-terminal in raw mode, of which our end waits for nobody.
    ///
    /// # Errors
    /// The system has none left.
    pub fn open() -> io::Result<Self> {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let pty = Self { master, path };
        // Opening and closing the other end once makes the kernel report "nobody there" from the start.
        let slave = pty.other_end()?;
        let mut settings = rustix::termios::tcgetattr(&slave)?;
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)?;
        drop(slave);
        let flags = rustix::fs::fcntl_getfl(&pty.master)?;
        rustix::fs::fcntl_setfl(&pty.master, flags | OFlags::NONBLOCK)?;
        Ok(pty)
    }

    /// Our end; it does not block.
    #[must_use]
    pub const fn master(&self) -> &OwnedFd {
        &self.master
    }

    /// What a serial program opens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Nobody has the other end open.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut poll = [PollFd::new(&self.master, PollFlags::empty())];
        rustix::event::poll(&mut poll, Some(&now)).is_ok()
            && poll[0].revents().contains(PollFlags::HUP)
    }

    /// Forgets what an earlier program left unread: it is not for the next one. For when nobody has the other end open.
    pub fn forget(&self) {
        // What is on its way, and what has arrived: that only the other end can drop (linux `drivers/tty/pty.c`, `pty_flush_buffer`
        // empties no line discipline). Where it cannot be opened, a program has it to itself, which is then no earlier one.
        let _ = rustix::termios::tcflush(&self.master, QueueSelector::OFlush);
        if let Ok(slave) = self.other_end() {
            let _ = rustix::termios::tcflush(&slave, QueueSelector::IFlush);
        }
    }

    fn other_end(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(&self.path, flags, Mode::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Write as _};

    fn program(pty: &Pty) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(pty.path())
            .unwrap()
    }

    #[test]
    fn bytes_come_through_as_they_are_both_ways() {
        let pty = Pty::open().unwrap();
        let mut program = program(&pty);
        // What a terminal would make something else of: interrupt, end of line, end of file.
        let sent = b"\x03\r\n\x04\x11";
        program.write_all(sent).unwrap();
        let mut came = [0; 8];
        let length = rustix::io::read(pty.master(), &mut came).unwrap();
        assert_eq!(&came[..length], sent);
        rustix::io::write(pty.master(), sent).unwrap();
        let mut back = [0; 5];
        program.read_exact(&mut back).unwrap();
        assert_eq!(&back, sent);
    }

    #[test]
    fn it_is_told_whether_a_program_is_there() {
        let pty = Pty::open().unwrap();
        assert!(pty.is_closed(), "before anybody came");
        let program = program(&pty);
        assert!(!pty.is_closed());
        drop(program);
        assert!(pty.is_closed());
    }

    #[test]
    fn what_one_program_left_unread_is_not_for_the_next() {
        let pty = Pty::open().unwrap();
        let first = program(&pty);
        rustix::io::write(pty.master(), b"old").unwrap();
        drop(first);
        pty.forget();
        assert!(pty.is_closed());
        let mut program = program(&pty);
        rustix::io::write(pty.master(), b"new").unwrap();
        let mut came = [0; 3];
        program.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"new");
    }
}
