//! What boards do: come and go, advertise, notify, drop links; and what tests break about them.

use super::Bluez;
use super::model::{Faults, OnAir, OnLink, PeripheralId};
use super::timers::Timer;
use crate::address::Address;
use crate::gatt::GattTable;
use crate::link::{Direction, Timing};
use crate::peripheral::{Advertisement, LinkId, Peripheral, Reason};
use hil_clock::Instant;

impl Bluez {
    /// Puts a board within reach of all adapters.
    pub(crate) fn attach(
        &mut self,
        id: PeripheralId,
        address: Address,
        table: GattTable,
        board: Box<dyn Peripheral>,
    ) {
        let attached = OnAir {
            address,
            table,
            board,
            advertisement: None,
            link: None,
            faults: Faults::default(),
        };
        self.boards.insert(id, attached);
    }

    /// Takes a board away, as when its power goes for good.
    pub(crate) fn detach(&mut self, id: PeripheralId, now: Instant) {
        self.drop_link(id, Reason::ConnectionTimeout, now);
        self.boards.remove(&id);
    }

    /// A board begins to advertise this, or stops.
    pub(crate) fn advertise(
        &mut self,
        id: PeripheralId,
        advertisement: Option<Advertisement>,
        now: Instant,
    ) {
        let Some(board) = self.boards.get_mut(&id) else {
            return;
        };
        // A connectable advertiser that is connected has no connection left to offer.
        let advertisement = advertisement.filter(|_| board.link.is_none());
        let begins = advertisement.is_some();
        board.advertisement = advertisement;
        if begins {
            for adapter in 0..self.adapters.len() {
                self.listen_for(adapter, id, now);
                self.try_to_connect(adapter, id, now);
            }
        }
    }

    /// A board notifies; lost when the link is another one by now or nobody has subscribed.
    pub(crate) fn notify(
        &mut self,
        link: LinkId,
        characteristic: u16,
        value: Vec<u8>,
        now: Instant,
    ) {
        let mtu = usize::from(self.options.link.mtu);
        let Some(found) = self.links.get_mut(&link).filter(|found| !found.cut) else {
            return;
        };
        let Some(board) = self.boards.get_mut(&found.peripheral) else {
            return;
        };
        if !found.subscribed.contains(&characteristic) || value.len() + 3 > mtu {
            tracing::debug!(
                ?link,
                characteristic,
                length = value.len(),
                "notification not sent"
            );
            return;
        }
        if board.faults.lose_notifications > 0 {
            board.faults.lose_notifications -= 1;
            return;
        }
        let item = OnLink::Notification {
            characteristic,
            value,
        };
        found
            .air
            .send(now, Direction::ToCentral, item.length(), item);
    }

    /// Ends a board's link from the board's side or from the outside. A central that is only not answered any more
    /// notices after the supervision timeout.
    pub(crate) fn drop_link(&mut self, id: PeripheralId, reason: Reason, now: Instant) {
        let Some(link) = self.boards.get(&id).and_then(|board| board.link) else {
            return;
        };
        self.tell_board_of_loss(link, reason);
        if let Some(found) = self.links.get_mut(&link) {
            found.cut = true;
        }
        let silent = reason == Reason::ConnectionTimeout;
        let due = match self.options.link.timing {
            Timing::Realistic if silent => now + self.options.link.supervision,
            Timing::Realistic | Timing::Instant => now,
        };
        self.timers.set(due, Timer::Lost(link, reason));
    }

    /// Breaks something about a board, or repairs it.
    pub(crate) fn change_faults(&mut self, id: PeripheralId, change: impl FnOnce(&mut Faults)) {
        if let Some(board) = self.boards.get_mut(&id) {
            change(&mut board.faults);
        }
    }
}
