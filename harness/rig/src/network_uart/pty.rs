//! Our end of a pseudo-terminal.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, QueueSelector};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Pty {
    pub(super) master: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// A pseudo-terminal in raw mode that waits for nobody.
    pub(super) fn open() -> io::Result<Self> {
        let master =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        // Settings belong to the pair and live as long as our end. Opening and closing the other end once makes the kernel
        // report "nobody there" from the start.
        let slave = rustix::fs::open(
            &path,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut settings = rustix::termios::tcgetattr(&slave)?;
        settings.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)?;
        drop(slave);
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        Ok(Self { master, path })
    }

    /// What a serial program opens.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Nobody has the other end open.
    pub(super) fn is_closed(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut poll = [PollFd::new(&self.master, PollFlags::empty())];
        rustix::event::poll(&mut poll, Some(&now)).is_ok()
            && poll[0].revents().contains(PollFlags::HUP)
    }

    /// Forgets what an earlier program left unread: it is not for the next one.
    pub(super) fn forget(&self) {
        // With nothing to forget there is nothing that could fail.
        let _ = rustix::termios::tcflush(&self.master, QueueSelector::OFlush);
    }
}
