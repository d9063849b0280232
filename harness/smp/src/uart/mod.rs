//! SMP over a serial port that also carries the console.
//!
//! A [`UartPort`] has the port to itself. One thread reads it all the time and parts what comes: SMP packets go to
//! the [`UartTransport`], text goes to the console sink with the time at which it arrived, whether SMP is in use or not.
//! Another thread writes, so that a board which takes no bytes cannot hold up its caller for longer than it wants to wait.
//!
//! A port that goes away is normal on a DK (it is unplugged, or switched off with the board). It is told to the
//! console sink, every use of the transport says so, and [`UartPort::reopen`] opens it again.

mod port;
mod threads;

pub use port::{UartOptions, UartPort, UartTransport};

use crate::frame::FrameError;
use hil_clock::Instant;

/// Something that a console brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsoleEvent {
    /// When the end of it arrived.
    pub at: Instant,
    /// What it is.
    pub kind: ConsoleKind,
}

/// What a console brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConsoleKind {
    /// A whole line of text, without its end. Bytes, as a damaged line need not be UTF-8.
    Line(Vec<u8>),
    /// Text that has stopped without a line end, such as a shell's prompt. It will be the start of the next
    /// [`ConsoleKind::Line`].
    Partial(Vec<u8>),
    /// An SMP packet was damaged on the way.
    Damaged(FrameError),
    /// The port is gone, with what the system said.
    Gone(String),
}

/// Takes what the console brings, on the reading thread: it has to be quick.
pub type ConsoleSink = Box<dyn FnMut(ConsoleEvent) + Send>;
