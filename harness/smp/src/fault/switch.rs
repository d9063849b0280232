//! The other end of a faulty transport: takes a plan, and tells what was done.

use super::plan::{Fault, FaultKind, FaultPlan, Request, When};
use crate::traced::Direction;
use hil_clock::Instant;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Arms a [`Faulty`](super::Faulty) transport. Clones are the same switch; off at first.
#[derive(Clone, Debug, Default)]
pub struct FaultSwitch(Arc<Mutex<Option<Armed>>>);

/// A plan at work.
#[derive(Debug)]
pub(super) struct Armed {
    total: u64,
    faults: Vec<Working>,
    /// The requests by their number, for the answers to them.
    requests: Vec<Option<Request>>,
    log: Vec<Injected>,
}

#[derive(Debug)]
struct Working {
    fault: Fault,
    random: ChaCha8Rng,
    done: u32,
}

/// A fault that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Injected {
    /// When.
    pub at: Instant,
    /// The fault, with everything that it left open.
    pub fault: Fault,
    /// Its number in the plan, from 0.
    pub number: usize,
    /// The bit of the byte, for [`FaultKind::Corrupt`].
    pub bit: Option<u8>,
    /// The packet, such as `chunk 0..400`.
    pub packet: String,
    /// The packet's sequence number.
    pub sequence: Option<u8>,
}

/// What a plan has done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FaultLog {
    /// Every fault, in order.
    pub injected: Vec<Injected>,
    /// Faults at a place that was never come to, or not often enough.
    pub missed: Vec<Fault>,
}

impl FaultSwitch {
    /// From now on the transport does what `plan` says, and no other plan.
    pub fn arm(&self, plan: &FaultPlan) {
        let faults = plan.faults.iter().zip(0..);
        *self.lock() = Some(Armed {
            total: plan.total,
            faults: faults
                .map(|(fault, number)| Working {
                    fault: *fault,
                    random: {
                        let mut random = ChaCha8Rng::seed_from_u64(fault.seed);
                        // Faults with the same seed do not meet the same packets.
                        random.set_stream(number);
                        random
                    },
                    done: 0,
                })
                .collect(),
            requests: vec![None; 256],
            log: Vec::new(),
        });
    }

    /// Ends the plan: what it has done. Packets that are late still come.
    pub fn disarm(&self) -> FaultLog {
        let Some(armed) = self.lock().take() else {
            return FaultLog::default();
        };
        let missed = armed.faults.iter().filter_map(|working| {
            matches!(working.fault.when, When::At { times, .. } if working.done < times)
                .then_some(working.fault)
        });
        FaultLog {
            missed: missed.collect(),
            injected: armed.log,
        }
    }

    /// Whether a plan is at work.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Armed>> {
        // What is in it is whole between any two lines that use it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to a packet of `wire_len` bytes on the wire.
    pub(super) fn meet(
        &self,
        now: Instant,
        way: Direction,
        packet: &[u8],
        wire_len: usize,
    ) -> Vec<Injected> {
        self.lock()
            .as_mut()
            .map(|armed| armed.meet(now, way, packet, wire_len))
            .unwrap_or_default()
    }
}

impl Armed {
    fn meet(
        &mut self,
        now: Instant,
        way: Direction,
        packet: &[u8],
        wire_len: usize,
    ) -> Vec<Injected> {
        let parsed = Request::parse(packet).ok();
        let sequence = parsed.map(|(sequence, _)| sequence);
        let request = match (way, parsed) {
            (Direction::Sent, Some((sequence, request))) => {
                self.requests[usize::from(sequence)] = Some(request);
                Some(request)
            }
            (Direction::Received, Some((sequence, _))) => self.requests[usize::from(sequence)],
            (Direction::Sent | Direction::Received, None) => None,
        };
        let mut met = Vec::new();
        for (number, working) in self.faults.iter_mut().enumerate() {
            if working.fault.way != way || !working.hits(request, self.total) {
                continue;
            }
            working.done += 1;
            let (kind, bit) = working.decided(wire_len);
            let name = request.map_or_else(
                || "something that was not asked for".to_owned(),
                |request| request.to_string(),
            );
            met.push(Injected {
                at: now,
                fault: Fault {
                    kind,
                    ..working.fault
                },
                number,
                bit,
                packet: match way {
                    Direction::Sent => name,
                    Direction::Received => format!("answer to {name}"),
                },
                sequence,
            });
        }
        self.log.extend_from_slice(&met);
        met
    }
}

impl Working {
    fn hits(&mut self, request: Option<Request>, total: u64) -> bool {
        match self.fault.when {
            When::At { place, times } => {
                self.done < times && request.is_some_and(|request| place.has(request, total))
            }
            When::Chance(percent) => self.below(100) < u64::from(percent),
        }
    }

    /// The kind with what the seed decides: which byte and bit, how many bytes.
    fn decided(&mut self, wire_len: usize) -> (FaultKind, Option<u8>) {
        let some_byte =
            |working: &mut Self| u32::try_from(working.below(wire_len as u64)).unwrap_or(u32::MAX);
        match self.fault.kind {
            FaultKind::Corrupt { byte } => {
                let byte = byte.unwrap_or_else(|| some_byte(self));
                let bit = u8::try_from(self.below(8)).unwrap_or(0);
                (FaultKind::Corrupt { byte: Some(byte) }, Some(bit))
            }
            FaultKind::Truncate { keep } => {
                let keep = Some(keep.unwrap_or_else(|| some_byte(self)));
                (FaultKind::Truncate { keep }, None)
            }
            kind => (kind, None),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }
}

impl fmt::Display for Injected {
    /// What was done to what, such as `corrupt byte 12, bit 3: chunk 400..800 (sequence 7, seed 1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.kind.fmt(f)?;
        if let Some(bit) = self.bit {
            write!(f, ", bit {bit}")?;
        }
        write!(f, ": {} (", self.packet)?;
        if let Some(sequence) = self.sequence {
            write!(f, "sequence {sequence}, ")?;
        }
        write!(f, "seed {})", self.fault.seed)
    }
}
