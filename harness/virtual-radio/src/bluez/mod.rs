//! The `org.bluez` of the virtual radio, without I/O.
//!
//! Method calls and what boards do come in with the time; messages for the bus and events for boards come out. What
//! it says, and in which order, is what bluetoothd 5.66 was seen to say, or what its source has it say; the
//! documentation (`docs/virtual-radio.md`) lists which is which.

mod adapter;
mod boards;
mod call;
mod characteristic;
mod device;
mod error;
mod introspect;
mod link;
mod model;
mod objects;
mod outbox;
mod timers;

pub(crate) use model::{Faults, PeripheralId};

use crate::address::Address;
use crate::radio::RadioOptions;
use hil_clock::Instant;
use model::{Adapter, Link, OnAir};
use outbox::Outbox;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use timers::Timers;
use zbus::Message;

use crate::peripheral::LinkId;

/// BlueZ and the air around it.
pub(crate) struct Bluez {
    options: RadioOptions,
    adapters: Vec<Adapter>,
    boards: BTreeMap<PeripheralId, OnAir>,
    links: BTreeMap<LinkId, Link>,
    links_made: u64,
    timers: Timers,
    outbox: Outbox,
    /// Settings of adapters that were changed and not told yet.
    unsaid_settings: Vec<(model::AdapterIndex, String)>,
    dice: ChaCha8Rng,
}

impl Bluez {
    pub(crate) fn new(options: RadioOptions) -> Self {
        let adapters = (0..options.adapters)
            .map(|index| {
                // Locally administered, and never that of a real adapter.
                let [high, low] = u16::try_from(index).unwrap_or(u16::MAX).to_be_bytes();
                Adapter::new(index, Address::new([0x02, 0xdf, 0x00, 0x48, high, low]))
            })
            .collect();
        Self {
            dice: ChaCha8Rng::seed_from_u64(options.link.seed),
            options,
            adapters,
            boards: BTreeMap::new(),
            links: BTreeMap::new(),
            links_made: 0,
            timers: Timers::default(),
            outbox: Outbox::default(),
            unsaid_settings: Vec::new(),
        }
    }

    /// What is to be sent, in this order.
    pub(crate) fn take_messages(&mut self) -> Vec<Message> {
        self.outbox.take()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let links = self.links.values().filter(|link| !link.cut);
        let air = links.filter_map(|link| link.air.poll_timeout());
        air.chain(self.timers.next_due()).min()
    }

    /// Does what has fallen due by `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        // Bounded, so that two sides that answer each other without pause cannot keep the bus waiting.
        for _ in 0..MOST_STEPS {
            if self.poll_timeout().is_none_or(|due| due > now) {
                return;
            }
            if let Some(timer) = self.timers.pop_due(now) {
                self.fire(timer, now);
            }
            self.carry(now);
        }
    }
}

/// Steps of one call of [`Bluez::handle_timeout`]; what is left over is due at once.
const MOST_STEPS: usize = 1000;

#[cfg(test)]
mod tests;
