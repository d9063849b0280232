//! The queue of one link: what was sent waits here for its connection events.
//!
//! No I/O and no clock: the caller says what time it is, and asks when to come back. Connection events follow each
//! other at the interval. Each takes, both ways, the packets that were waiting when it began, up to its capacity; an
//! ATT packet arrives with the event that carries its last piece. All that an event carries arrives at its start: who
//! answers within an interval has the answer in the next event, as on a link whose two ends take less than an
//! interval to think. A packet is never lost for good, only sent again; when none gets through for the supervision
//! timeout, the link is lost.

use super::options::{LinkOptions, Timing};
use hil_clock::Instant;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::collections::VecDeque;

/// ATT packets that wait to go to the peripheral before a writer has to wait (ours: bluetoothd has no limit, the
/// kernel's ACL buffers below it are few).
const BACK_PRESSURE: usize = 64;
/// Opcode and handle in front of the value of a write or a notification, bytes.
const ATT_HEADER: usize = 3;

/// Which way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// From the central.
    ToPeripheral,
    /// From the peripheral.
    ToCentral,
}

/// What a connection event brought.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Arrival<T> {
    /// Something arrived.
    Value(Direction, T),
    /// Nothing has come through for the supervision timeout.
    Lost,
}

#[derive(Debug)]
struct Waiting<T> {
    value: T,
    /// Packets of the link layer that are still to be sent.
    packets: u32,
}

/// One link's air.
#[derive(Debug)]
pub(crate) struct Air<T> {
    options: LinkOptions,
    queues: [VecDeque<Waiting<T>>; 2],
    /// Start of the first connection event.
    anchor: Instant,
    /// Number of the next event.
    next: u64,
    /// When a packet last got through.
    heard: Instant,
    dice: ChaCha8Rng,
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::ToPeripheral => 0,
        Direction::ToCentral => 1,
    }
}

impl<T> Air<T> {
    /// A link whose first connection event is an interval after `now`. `number` tells links of one radio apart.
    pub(crate) fn new(options: LinkOptions, now: Instant, number: u64) -> Self {
        Self {
            options,
            queues: [VecDeque::new(), VecDeque::new()],
            anchor: now,
            next: 1,
            heard: now,
            dice: ChaCha8Rng::seed_from_u64(
                options.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            ),
        }
    }

    /// Sends `value`, of which `length` bytes are the value of a write or a notification.
    pub(crate) fn send(&mut self, now: Instant, direction: Direction, length: usize, value: T) {
        if self.is_idle() {
            // While there was nothing to send, empty packets kept the link.
            self.heard = now;
            let interval = self.options.interval.as_nanos().max(1);
            let passed = now.saturating_since(self.anchor).as_nanos() / interval;
            self.next = self.next.max(u64::try_from(passed).unwrap_or(u64::MAX) + 1);
        }
        self.queues[index(direction)].push_back(Waiting {
            value,
            packets: self.options.packets(length + ATT_HEADER),
        });
    }

    /// Whether a writer need not wait.
    pub(crate) fn has_room(&self) -> bool {
        self.queues[index(Direction::ToPeripheral)].len() < BACK_PRESSURE
    }

    /// When there is something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_idle() {
            return None;
        }
        match self.options.timing {
            Timing::Instant => Some(self.anchor),
            Timing::Realistic => Some(self.event_start(self.next)),
        }
    }

    /// What has arrived by `now`, in the order in which it did. One connection event at a time: what is sent in answer
    /// to it goes with a later one, so call until it gives nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Arrival<T>> {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return Vec::new();
        }
        if self.options.timing == Timing::Instant {
            return self.all_at_once();
        }
        let start = self.event_start(self.next);
        self.next += 1;
        let mut arrivals = Vec::new();
        let mut heard = false;
        for direction in [Direction::ToCentral, Direction::ToPeripheral] {
            for _ in 0..self.options.event_capacity() {
                if self.queues[index(direction)].is_empty() {
                    break;
                }
                if self.is_lost() {
                    continue;
                }
                heard = true;
                if let Some(value) = self.send_packet(direction) {
                    arrivals.push(Arrival::Value(direction, value));
                }
            }
        }
        if heard {
            self.heard = start;
        } else if start.saturating_since(self.heard) >= self.options.supervision {
            arrivals.push(Arrival::Lost);
        }
        arrivals
    }

    /// What was sent and has not arrived.
    pub(crate) fn into_queued(self) -> impl Iterator<Item = T> {
        let queues = self.queues.into_iter().flatten();
        queues.map(|waiting| waiting.value)
    }

    fn all_at_once(&mut self) -> Vec<Arrival<T>> {
        [Direction::ToCentral, Direction::ToPeripheral]
            .into_iter()
            .flat_map(|direction| {
                let queue = std::mem::take(&mut self.queues[index(direction)]);
                queue
                    .into_iter()
                    .map(move |waiting| Arrival::Value(direction, waiting.value))
            })
            .collect()
    }

    /// Sends one packet of what waits first; gives it when that was the last one.
    fn send_packet(&mut self, direction: Direction) -> Option<T> {
        let queue = &mut self.queues[index(direction)];
        let first = queue.front_mut()?;
        first.packets = first.packets.saturating_sub(1);
        if first.packets > 0 {
            return None;
        }
        queue.pop_front().map(|waiting| waiting.value)
    }

    fn is_lost(&mut self) -> bool {
        self.options.loss > 0.0
            && f64::from(self.dice.next_u32()) < self.options.loss * f64::from(u32::MAX)
    }

    fn is_idle(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    fn event_start(&self, number: u64) -> Instant {
        let nanoseconds = self.options.interval.as_nanos() * u128::from(number);
        self.anchor
            + std::time::Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
#[path = "air_tests.rs"]
mod tests;
