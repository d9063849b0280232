//! A transport that tells about every packet, for the journal.

use crate::transport::{Capabilities, Transport, TransportError};
use hil_clock::{Instant, SharedClock};

/// Which way a packet went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// To the board.
    Sent,
    /// From the board.
    Received,
}

/// A packet that went by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trace<'a> {
    /// When it was handed over.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The whole packet, header first.
    pub packet: &'a [u8],
}

/// Hands every packet of the inner transport to a sink, both ways, with the time. What the sink does must be quick.
pub struct Traced<T, S> {
    inner: T,
    clock: SharedClock,
    sink: S,
}

impl<T: Transport, S: FnMut(Trace<'_>)> Traced<T, S> {
    /// Wraps `inner`.
    pub fn new(inner: T, clock: SharedClock, sink: S) -> Self {
        Self { inner, clock, sink }
    }
}

impl<T: Transport, S: FnMut(Trace<'_>)> Transport for Traced<T, S> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        let at = self.clock.now();
        self.inner.send(packet)?;
        (self.sink)(Trace {
            at,
            direction: Direction::Sent,
            packet,
        });
        Ok(())
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        let packet = self.inner.recv(deadline)?;
        if let Some(packet) = &packet {
            (self.sink)(Trace {
                at: self.clock.now(),
                direction: Direction::Received,
                packet,
            });
        }
        Ok(packet)
    }
}
