//! What happens later.

use super::model::{AdapterIndex, PeripheralId};
use crate::peripheral::{LinkId, Reason};
use hil_clock::Instant;
use std::collections::BTreeMap;

/// Something that falls due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// A discovering adapter hears an advertisement.
    Advertisement(AdapterIndex, PeripheralId),
    /// A connection is established.
    Connected(AdapterIndex, PeripheralId),
    /// A connection attempt has failed.
    Refused(AdapterIndex, PeripheralId),
    /// Nothing was heard of a device that a client wants to connect to.
    ConnectTimeout(AdapterIndex, PeripheralId),
    /// The attributes of a peripheral are known.
    Resolved(LinkId),
    /// The central notices that a link is gone.
    Lost(LinkId, Reason),
    /// A device that nobody has heard of is forgotten.
    Forget(AdapterIndex, PeripheralId),
}

/// Timers in the order in which they fall due; those of one moment in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: BTreeMap<(Instant, u64), Timer>,
    count: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, due: Instant, timer: Timer) {
        self.count += 1;
        self.set.insert((due, self.count), timer);
    }

    /// Replaces the same timer, if it is set.
    pub(crate) fn reset(&mut self, due: Instant, timer: Timer) {
        self.cancel(timer);
        self.set(due, timer);
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.set.retain(|_, set| *set != timer);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.set.keys().next().map(|&(due, _)| due)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
