//! A serial port with a test at its other end.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

use crate::file::{UartPortSpec, UartSpec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The device's end of a serial port.
pub(super) struct FakePort {
    device: OwnedFd,
    /// Keeps the port there while nobody has it open.
    _host: OwnedFd,
    path: PathBuf,
}

impl FakePort {
    pub(super) fn open() -> Self {
        let device =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
                .unwrap();
        rustix::pty::grantpt(&device).unwrap();
        rustix::pty::unlockpt(&device).unwrap();
        let name = rustix::pty::ptsname(&device, Vec::new()).unwrap();
        let path = PathBuf::from(name.into_string().unwrap());
        let host = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut settings = rustix::termios::tcgetattr(&host).unwrap();
        settings.make_raw();
        rustix::termios::tcsetattr(&host, OptionalActions::Now, &settings).unwrap();
        Self {
            device,
            _host: host,
            path,
        }
    }

    /// How a rig file names it.
    pub(super) fn spec(&self) -> UartSpec {
        UartSpec {
            port: UartPortSpec::Path(self.path.clone()),
            baud: 9_600,
        }
    }

    /// What the host sends until it is `enough`.
    pub(super) fn read_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut byte = [0];
        while !enough(&heard) {
            assert_eq!(rustix::io::read(&self.device, &mut byte), Ok(1));
            heard.push(byte[0]);
        }
        heard
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let written = rustix::io::write(&self.device, bytes).unwrap();
            bytes = &bytes[written..];
        }
    }
}
