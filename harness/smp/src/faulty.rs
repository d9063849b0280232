//! A transport that breaks packets on purpose, the same way for the same seed.

use crate::transport::{Capabilities, Transport, TransportError};
use hil_clock::{Instant, SharedClock};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::time::Duration;

/// How often what goes wrong, in percent of the packets of one direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FaultRates {
    /// The packet is lost.
    pub drop: u8,
    /// The packet comes twice.
    pub duplicate: u8,
    /// One byte of the packet is changed.
    pub corrupt: u8,
    /// The packet comes later, and may be overtaken.
    pub delay: u8,
}

/// What a [`Faulty`] transport does. A run can be repeated with the same plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FaultPlan {
    /// Decides which packets are hit.
    pub seed: u64,
    /// On the way to the board.
    pub sent: FaultRates,
    /// On the way from the board.
    pub received: FaultRates,
    /// Longest time that a delayed packet is kept.
    pub longest_delay: Duration,
}

/// Wraps a transport and breaks what goes over it.
///
/// The links below have checksums, so a packet that is hit by [`FaultRates::corrupt`] would not arrive at all over a
/// UART; use it to test what reads packets.
#[derive(Debug)]
pub struct Faulty<T> {
    inner: T,
    clock: SharedClock,
    plan: FaultPlan,
    random: ChaCha8Rng,
    outgoing: Vec<Held>,
    incoming: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    due: Instant,
    packet: Vec<u8>,
}

impl<T: Transport> Faulty<T> {
    /// Wraps `inner`.
    pub fn new(inner: T, clock: SharedClock, plan: FaultPlan) -> Self {
        Self {
            inner,
            clock,
            plan,
            random: ChaCha8Rng::seed_from_u64(plan.seed),
            outgoing: Vec::new(),
            incoming: Vec::new(),
        }
    }

    /// Gives the transport back; packets that are still held are lost.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// What becomes of a packet: none, one or two copies, each with the time at which it goes on.
    fn fate(&mut self, packet: &[u8], rates: FaultRates) -> Vec<Held> {
        let mut copies = Vec::new();
        if !self.hit(rates.drop) {
            copies.push(packet.to_vec());
        }
        if self.hit(rates.duplicate) {
            copies.push(packet.to_vec());
        }
        let now = self.clock.now();
        copies
            .into_iter()
            .map(|mut packet| {
                if self.hit(rates.corrupt) && !packet.is_empty() {
                    let at = self.below(packet.len() as u64);
                    let flip = 1 << self.below(8);
                    if let Some(byte) = usize::try_from(at).ok().and_then(|at| packet.get_mut(at)) {
                        *byte ^= flip;
                    }
                }
                let due = if self.hit(rates.delay) {
                    let longest = u64::try_from(self.plan.longest_delay.as_micros());
                    now + Duration::from_micros(self.below(longest.unwrap_or(u64::MAX)))
                } else {
                    now
                };
                Held { due, packet }
            })
            .collect()
    }

    fn hit(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }

    /// Sends what is due.
    fn forward(&mut self) -> Result<(), TransportError> {
        let now = self.clock.now();
        while let Some(packet) = take_due(&mut self.outgoing, now) {
            self.inner.send(&packet)?;
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Faulty<T> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
        let copies = self.fate(packet, self.plan.sent);
        self.outgoing.extend(copies);
        self.forward()
    }

    fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
        loop {
            self.forward()?;
            let now = self.clock.now();
            if let Some(packet) = take_due(&mut self.incoming, now) {
                return Ok(Some(packet));
            }
            let held = self.outgoing.iter().chain(&self.incoming);
            let wake = held.map(|held| held.due).fold(deadline, Instant::min);
            match self.inner.recv(wake)? {
                Some(packet) => {
                    let copies = self.fate(&packet, self.plan.received);
                    self.incoming.extend(copies);
                }
                None if wake >= deadline => return Ok(None),
                None => {}
            }
        }
    }
}

/// The packet that is due first, if it is due.
fn take_due(held: &mut Vec<Held>, now: Instant) -> Option<Vec<u8>> {
    let (at, _) = held
        .iter()
        .enumerate()
        .filter(|(_, held)| held.due <= now)
        .min_by_key(|(_, held)| held.due)?;
    Some(held.remove(at).packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_clock::{Clock, SimClock};
    use rstest::rstest;
    use std::collections::VecDeque;
    use std::sync::Arc;

    /// Gives every packet back after 10 ms.
    struct Mirror {
        clock: SimClock,
        packets: VecDeque<(Instant, Vec<u8>)>,
    }

    impl Transport for Mirror {
        fn capabilities(&self) -> Capabilities {
            Capabilities {
                link: "mirror".to_owned(),
                overhead: 0,
                default_buf_size: 384,
            }
        }

        fn send(&mut self, packet: &[u8]) -> Result<(), TransportError> {
            let due = self.clock.now() + Duration::from_millis(10);
            self.packets.push_back((due, packet.to_vec()));
            Ok(())
        }

        fn recv(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, TransportError> {
            let due = self.packets.front().map(|(due, _)| *due);
            let wake = due.filter(|due| *due <= deadline).unwrap_or(deadline);
            self.clock.sleep_until(wake);
            Ok(due
                .filter(|due| *due <= deadline)
                .and_then(|_| self.packets.pop_front())
                .map(|(_, packet)| packet))
        }
    }

    fn through(rates: FaultRates, seed: u64) -> Vec<Vec<u8>> {
        let clock = SimClock::new();
        let mirror = Mirror {
            clock: clock.clone(),
            packets: VecDeque::new(),
        };
        let plan = FaultPlan {
            seed,
            sent: rates,
            received: FaultRates::default(),
            longest_delay: Duration::from_millis(500),
        };
        let mut faulty = Faulty::new(mirror, Arc::new(clock), plan);
        for number in 0..100 {
            faulty.send(&[number; 4]).unwrap();
        }
        let end = Instant::START + Duration::from_secs(2);
        std::iter::from_fn(|| faulty.recv(end).unwrap()).collect()
    }

    #[test]
    fn without_faults_everything_arrives_in_order() {
        let expected: Vec<_> = (0..100).map(|number| vec![number; 4]).collect();
        assert_eq!(through(FaultRates::default(), 1), expected);
    }

    #[rstest]
    #[case::drop(FaultRates { drop: 100, ..FaultRates::default() }, 0)]
    #[case::duplicate(FaultRates { duplicate: 100, ..FaultRates::default() }, 200)]
    #[case::corrupt(FaultRates { corrupt: 100, ..FaultRates::default() }, 100)]
    #[case::delay(FaultRates { delay: 100, ..FaultRates::default() }, 100)]
    fn each_fault_does_what_it_says(#[case] rates: FaultRates, #[case] count: usize) {
        let plain = through(FaultRates::default(), 7);
        let arrived = through(rates, 7);
        assert_eq!(arrived.len(), count);
        assert_ne!(arrived, plain);
    }

    #[test]
    fn same_seed_same_faults() {
        let rates = FaultRates {
            drop: 20,
            duplicate: 20,
            corrupt: 20,
            delay: 20,
        };
        assert_eq!(through(rates, 3), through(rates, 3));
        assert_ne!(through(rates, 3), through(rates, 4));
    }
}
