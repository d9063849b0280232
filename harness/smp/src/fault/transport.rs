//! A transport that breaks what goes over it, as a plan says.

use super::plan::FaultKind;
use super::switch::{FaultSwitch, Injected};
use super::wire::{Wire, WireTransport, cut, flip};
use crate::traced::Direction;
use crate::transport::{Capabilities, Transport, TransportError};
use hil_clock::{Instant, SharedClock};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a packet waits for the one that is to overtake it. We chose it: shorter than any client waits for an answer.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);

/// What a [`Faulty`] transport tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FaultEvent {
    /// A fault was made.
    Injected(Injected),
    /// A packet from the board did not survive what was done to it: what its receiver found wrong.
    Damaged(String),
}

/// Takes what a [`Faulty`] transport tells. It has to be quick.
pub type FaultSink = Box<dyn FnMut(FaultEvent) + Send>;

/// Wraps a transport, and breaks what goes over it while its [`FaultSwitch`] has a plan.
pub struct Faulty<T> {
    inner: T,
    clock: SharedClock,
    switch: FaultSwitch,
    sink: FaultSink,
    outgoing: Vec<Held>,
    incoming: Vec<Held>,
    /// The receiver of damaged packets from the board, as long as there is something in it.
    receiver: Option<Box<dyn Wire>>,
    ready: VecDeque<Vec<u8>>,
}

/// A packet on its way.
struct Held {
    due: Instant,
    /// It waits for the next one.
    overtaken: bool,
    packet: Vec<u8>,
    /// What is left of it on the wire, where something was done to that.
    pieces: Option<Vec<Vec<u8>>>,
}

impl<T: WireTransport> Faulty<T> {
    /// Wraps `inner`.
    pub fn new(inner: T, clock: SharedClock, switch: FaultSwitch, sink: FaultSink) -> Self {
        Self {
            inner,
            clock,
            switch,
            sink,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            receiver: None,
            ready: VecDeque::new(),
        }
    }

    /// Gives the transport back; packets that are still held are lost.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// What becomes of a packet: none, one or two copies.
    fn fate(&mut self, way: Direction, packet: &[u8]) -> Result<Vec<Held>, TransportError> {
        let now = self.clock.now();
        let whole = || Held {
            due: now,
            overtaken: false,
            packet: packet.to_vec(),
            pieces: None,
        };
        if !self.switch.is_armed() {
            return Ok(vec![whole()]);
        }
        let pieces = self.inner.wire()?.pieces(packet);
        let length = pieces.iter().map(Vec::len).sum();
        let met = self.switch.meet(now, way, packet, length);
        let mut held = whole();
        let mut copies = 1;
        for injected in met {
            let on_wire = held.pieces.take();
            match injected.fault.kind {
                FaultKind::Drop => copies = 0,
                FaultKind::Duplicate => copies *= 2,
                FaultKind::Reorder => {
                    held.overtaken = true;
                    held.due = held.due.max(now + OVERTAKEN_WITHIN);
                }
                FaultKind::Delay(by) => held.due = held.due.max(now + by),
                FaultKind::Corrupt { byte } => {
                    let mut damaged = on_wire.clone().unwrap_or_else(|| pieces.clone());
                    let byte = byte.unwrap_or(0) as usize;
                    flip(&mut damaged, byte, injected.bit.unwrap_or(0));
                    held.pieces = Some(damaged);
                }
                FaultKind::Truncate { keep } => {
                    let damaged = on_wire.clone().unwrap_or_else(|| pieces.clone());
                    held.pieces = Some(cut(damaged, keep.unwrap_or(0) as usize));
                }
            }
            if held.pieces.is_none() {
                held.pieces = on_wire;
            }
            (self.sink)(FaultEvent::Injected(injected));
        }
        Ok((0..copies)
            .map(|_| Held {
                packet: held.packet.clone(),
                pieces: held.pieces.clone(),
                ..held
            })
            .collect())
    }

    /// Sends what is due.
    fn forward(&mut self) -> Result<(), TransportError> {
        let now = self.clock.now();
        while let Some(held) = take_due(&mut self.outgoing, now) {
            match held.pieces {
                None => self.inner.send(&held.packet)?,
                Some(pieces) if pieces.is_empty() => {}
                Some(pieces) => self.inner.send_pieces(&held.packet, pieces)?,
            }
        }
        Ok(())
    }

    /// Takes what is due from the board.
    fn receive_due(&mut self) -> Result<(), TransportError> {
        let now = self.clock.now();
        while let Some(held) = take_due(&mut self.incoming, now) {
            if held.pieces.is_none() && self.receiver.is_none() {
                self.ready.push_back(held.packet);
                continue;
            }
            let mut receiver = match self.receiver.take() {
                Some(receiver) => receiver,
                None => self.inner.wire()?,
            };
            let pieces = held.pieces.unwrap_or_else(|| receiver.pieces(&held.packet));
            let mut clean = false;
            for found in receiver.arrived(now, &pieces) {
                match found {
                    Ok(packet) => {
                        clean = packet == held.packet;
                        self.ready.push_back(packet);
                    }
                    Err(damage) => {
                        clean = false;
                        (self.sink)(FaultEvent::Damaged(damage));
                    }
                }
            }
            // Once a packet came through whole, nothing of a damaged one is left.
            self.receiver = (!clean).then_some(receiver);
        }
        Ok(())
    }
}

impl<T: WireTransport> Transport for Faulty<T> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        let copies = self.fate(Direction::Sent, packet)?;
        enqueue(&mut self.outgoing, copies, self.clock.now());
        self.forward()
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        loop {
            self.forward()?;
            self.receive_due()?;
            if let Some(packet) = self.ready.pop_front() {
                return Ok(Some(packet));
            }
            let held = self.outgoing.iter().chain(&self.incoming);
            let wake = held.map(|held| held.due).fold(deadline, Instant::min);
            match self.inner.recv(wake)? {
                Some(packet) => {
                    let copies = self.fate(Direction::Received, &packet)?;
                    enqueue(&mut self.incoming, copies, self.clock.now());
                }
                None if wake >= deadline => return Ok(None),
                None => {}
            }
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner)
            .field("switch", &self.switch)
            .finish_non_exhaustive()
    }
}

/// Puts packets behind those that are held; what waited to be overtaken has been.
fn enqueue(queue: &mut Vec<Held>, packets: Vec<Held>, now: Instant) {
    if packets.is_empty() {
        return;
    }
    let waiting: Vec<usize> = (0..queue.len()).filter(|at| queue[*at].overtaken).collect();
    let mut overtaken: Vec<Held> = waiting
        .into_iter()
        .rev()
        .map(|at| queue.remove(at))
        .collect();
    queue.extend(packets);
    overtaken.reverse();
    queue.extend(overtaken.into_iter().map(|held| Held {
        due: now,
        overtaken: false,
        ..held
    }));
}

/// The packet that is due first, if it is due; of several that are due at the same time the one that came first.
fn take_due(held: &mut Vec<Held>, now: Instant) -> Option<Held> {
    let (at, _) = held
        .iter()
        .enumerate()
        .filter(|(_, held)| held.due <= now)
        .min_by_key(|(_, held)| held.due)?;
    Some(held.remove(at))
}
