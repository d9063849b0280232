//! SMP packets through a link: fragments out, notifications in.

use super::error::BleError;
use super::link::{BleLink, Open};
use crate::protocol::Request;
use hil_clock::Instant;
use hil_smp::ble::{DEFAULT_BUF_SIZE, FragmentError, Reassembler, fragments};
use hil_smp::{Capabilities, Transport, TransportError, Wire, WireTransport, WritesWire};
use serde_bytes::ByteBuf;
use std::time::Duration;

/// How long the worker may have something to write and write nothing, before it is taken for hung. It gives the system 5 s
/// for a write, and tells when that was too short; a client gives up after 7.5 s and would blame the board.
const HUNG_AFTER: Duration = Duration::from_secs(7);

/// How long a request may wait for the worker to take it.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Takes what is told of packets that were damaged on the way.
pub type DamageSink = Box<dyn FnMut(FragmentError) + Send>;

/// The SMP half of a [`BleLink`].
pub struct BleTransport {
    link: BleLink,
    receiving: Option<Receiving>,
    damaged: DamageSink,
}

/// The link that is received from.
struct Receiving {
    number: u32,
    /// What it has brought of a packet.
    reassembler: Reassembler,
    /// How many packets had been written when that last changed, and when it did.
    written: u64,
    since: Instant,
}

impl BleTransport {
    pub(super) fn new(link: BleLink, damaged: DamageSink) -> Self {
        Self {
            link,
            receiving: None,
            damaged,
        }
    }

    fn error(&self, error: BleError) -> TransportError {
        let link = self.link.peer().to_string();
        if error.may_be_the_board() || matches!(error, BleError::NotConnected) {
            TransportError::Lost {
                link,
                help: error.help(),
                source: Box::new(error),
            }
        } else {
            TransportError::Link {
                link,
                help: error.help(),
                source: Box::new(error),
            }
        }
    }

    fn receive(&mut self, open: &Open, deadline: Instant) -> Result<Option<Vec<u8>>, BleError> {
        let clock = self.link.0.worker.clock.clone();
        self.receiving.take_if(|old| old.number != open.number);
        let receiving = self.receiving.get_or_insert_with(|| Receiving {
            number: open.number,
            reassembler: Reassembler::default(),
            written: 0,
            since: clock.now(),
        });
        loop {
            while let Some(found) = receiving.reassembler.next_packet() {
                match found {
                    Ok(packet) => {
                        if let Some(link) = open.process.shared.lock().link(open.number) {
                            link.received += 1;
                        }
                        return Ok(Some(packet));
                    }
                    Err(damage) => (self.damaged)(damage),
                }
            }
            let brought = open.process.shared.wait(&clock, deadline, |state| {
                let notification = state
                    .link(open.number)
                    .and_then(|link| link.notifications.pop_front());
                match notification {
                    Some(notification) => Some(Ok(notification)),
                    // What came before the end has been fetched by now.
                    None => open.check(state).err().map(Err),
                }
            });
            match brought {
                None if receiving.writing_hangs(open, clock.now()) => {
                    return Err(open.process.hung("writing a request", HUNG_AFTER));
                }
                None => return Ok(None),
                Some(Err(error)) => return Err(open.process.explain(error)),
                Some(Ok(notification)) => {
                    receiving.reassembler.push(clock.now(), &notification);
                }
            }
        }
    }

    fn hand_over(&self, packet: &[u8], pieces: Option<Vec<Vec<u8>>>) -> Result<(), BleError> {
        let open = self.link.0.current()?;
        let clock = &self.link.0.worker.clock;
        let fragments = match pieces {
            Some(pieces) => pieces.into_iter().map(ByteBuf::from).collect(),
            None => fragments(packet, open.parameters.mtu)
                .map(ByteBuf::from)
                .collect(),
        };
        let mut request = Some(Request::Write {
            link: open.number,
            fragments,
        });
        let deadline = clock.now() + WRITE_WITHIN;
        let sent = open.process.shared.wait(clock, deadline, |state| {
            if let Err(error) = open.check(state) {
                return Some(Err(error));
            }
            if !state.has_room() {
                return None;
            }
            if let Some(request) = request.take() {
                state.send(&request);
            }
            if let Some(link) = state.link(open.number) {
                link.note_sent(packet.len());
            }
            Some(Ok(()))
        });
        match sent {
            Some(sent) => sent.map_err(|error| open.process.explain(error)),
            None => Err(open.process.hung("writing", WRITE_WITHIN)),
        }
    }
}

impl Receiving {
    /// Whether the worker has had something to write for longer than it gives itself for that.
    fn writing_hangs(&mut self, open: &Open, now: Instant) -> bool {
        let mut state = open.process.shared.lock();
        let Some(link) = state.link(open.number) else {
            return false;
        };
        if link.written >= link.writes || link.written != self.written {
            self.written = link.written;
            self.since = now;
        }
        now.saturating_since(self.since) >= HUNG_AFTER
    }
}

impl Transport for BleTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            link: self.link.peer().to_string(),
            overhead: 0,
            default_buf_size: DEFAULT_BUF_SIZE,
        }
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        self.hand_over(packet, None)
            .map_err(|error| self.error(error))
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        // Not `current`: what arrived before a link was lost is still to be had.
        let open = self.link.0.lock().clone();
        let received = match open {
            Some(open) => self.receive(&open, deadline),
            None => Err(BleError::NotConnected),
        };
        received.map_err(|error| self.error(error))
    }
}

impl WireTransport for BleTransport {
    fn wire(&self) -> Result<Box<dyn Wire>, TransportError> {
        let open = self.link.0.current().map_err(|error| self.error(error))?;
        Ok(Box::new(WritesWire::new(open.parameters.mtu)))
    }

    fn send_pieces(&mut self, packet: &[u8], pieces: Vec<Vec<u8>>) -> Result<(), TransportError> {
        self.hand_over(packet, Some(pieces))
            .map_err(|error| self.error(error))
    }
}

impl std::fmt::Debug for BleTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BleTransport")
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
