//! Links: what is on them moves with their air, and is acted on where it arrives.

use super::Bluez;
use super::error::Error;
use super::model::{AdapterIndex, Link, OnLink, PeripheralId};
use super::timers::Timer;
use crate::link::{Air, Arrival, Direction};
use crate::peripheral::{LinkEvent, LinkId, Reason};
use hil_clock::Instant;
use std::collections::{BTreeSet, VecDeque};
use zbus::Message;

impl OnLink {
    /// Bytes behind opcode and handle.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Write { value, .. } | Self::Notification { value, .. } => value.len(),
            Self::Subscribe { .. } => 2,
            Self::Response { result, .. } => match result {
                Ok(Some(value)) => value.len(),
                Ok(None) | Err(_) => 0,
            },
            Self::Read { .. } | Self::Subscribed { .. } => 0,
        }
    }
}

impl Bluez {
    /// Does what a timer was set for.
    pub(crate) fn fire(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Advertisement(adapter, id) => self.hear(adapter, id, now),
            Timer::Connected(adapter, id) => self.connected(adapter, id, now),
            Timer::Refused(adapter, id) => self.refused(adapter, id, now),
            Timer::ConnectTimeout(adapter, id) => self.connect_timed_out(adapter, id, now),
            Timer::Resolved(link) => self.resolved(link, now),
            Timer::Lost(link, reason) => {
                self.tell_board_of_loss(link, reason);
                self.link_lost(link, now);
            }
            Timer::Forget(adapter, id) => self.forget(adapter, id, now),
        }
    }

    /// Puts a link between an adapter and a peripheral, whose advertising stops with it.
    pub(crate) fn make_link(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        now: Instant,
    ) -> LinkId {
        self.links_made += 1;
        let link = LinkId(self.links_made);
        let made = Link {
            adapter,
            peripheral: id,
            air: Air::new(self.options.link, now, self.links_made),
            cut: false,
            subscribed: BTreeSet::new(),
            waiting: VecDeque::new(),
        };
        self.links.insert(link, made);
        let mtu = self.options.link.mtu;
        if let Some(board) = self.boards.get_mut(&id) {
            board.advertisement = None;
            board.link = Some(link);
            board.board.event(LinkEvent::Connected { link, mtu });
        }
        link
    }

    /// Sends something from the central.
    pub(crate) fn send_on(&mut self, link: LinkId, length: usize, item: OnLink, now: Instant) {
        if let Some(found) = self.links.get_mut(&link) {
            found.air.send(now, Direction::ToPeripheral, length, item);
        }
    }

    /// A write without response: answered as soon as there is room for it.
    pub(crate) fn write_command(
        &mut self,
        link: LinkId,
        request: &Message,
        characteristic: u16,
        value: Vec<u8>,
        now: Instant,
    ) {
        let Some(found) = self.links.get_mut(&link) else {
            return;
        };
        if !found.air.has_room() || !found.waiting.is_empty() {
            found
                .waiting
                .push_back((request.clone(), characteristic, value));
            return;
        }
        found.write(now, characteristic, value);
        self.outbox.reply(request, &());
    }

    /// Moves what has arrived on the links.
    pub(crate) fn carry(&mut self, now: Instant) {
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| !link.cut && link.air.poll_timeout().is_some_and(|due| due <= now))
            .map(|(&id, _)| id)
            .collect();
        for link in due {
            let Some(found) = self.links.get_mut(&link) else {
                continue;
            };
            let arrivals = found.air.handle_timeout(now);
            self.accept_waiting(link, now);
            for arrival in arrivals {
                match arrival {
                    Arrival::Value(Direction::ToPeripheral, item) => {
                        self.at_peripheral(link, item, now);
                    }
                    Arrival::Value(Direction::ToCentral, item) => self.at_central(link, item),
                    Arrival::Lost => {
                        self.timers
                            .set(now, Timer::Lost(link, Reason::ConnectionTimeout));
                    }
                }
            }
        }
    }

    /// Takes writes that had to wait, as far as there is room now.
    fn accept_waiting(&mut self, link: LinkId, now: Instant) {
        let Some(found) = self.links.get_mut(&link) else {
            return;
        };
        while found.air.has_room() {
            let Some((request, characteristic, value)) = found.waiting.pop_front() else {
                return;
            };
            found.write(now, characteristic, value);
            self.outbox.reply(&request, &());
        }
    }

    fn at_peripheral(&mut self, link: LinkId, item: OnLink, now: Instant) {
        let Some(found) = self.links.get_mut(&link) else {
            return;
        };
        let Some(board) = self.boards.get_mut(&found.peripheral) else {
            return;
        };
        let security = board.faults.security;
        let answer = match item {
            OnLink::Write {
                characteristic,
                value,
                request,
            } => {
                let refusal = security.or_else(|| board.table.refuses_writes(characteristic));
                let taken = refusal.is_none();
                let lost = taken && board.faults.lose_writes > 0;
                if lost {
                    board.faults.lose_writes -= 1;
                } else if taken {
                    board.board.event(LinkEvent::Written {
                        link,
                        characteristic,
                        value,
                    });
                }
                request.map(|request| OnLink::Response {
                    request,
                    result: refusal.map_or(Ok(None), Err),
                    characteristic,
                })
            }
            OnLink::Read {
                characteristic,
                request,
            } => {
                let known = board.table.characteristic(characteristic);
                let readable = known.filter(|known| known.can(crate::gatt::Property::Read));
                // Read not permitted, unless it can be read.
                let result = readable.map_or(Err(0x02), |known| Ok(Some(known.value.clone())));
                Some(OnLink::Response {
                    request,
                    result,
                    characteristic,
                })
            }
            OnLink::Subscribe {
                characteristic,
                wanted,
                request,
            } => {
                if security.is_none() {
                    if wanted {
                        found.subscribed.insert(characteristic);
                    } else {
                        found.subscribed.remove(&characteristic);
                    }
                    board.board.event(LinkEvent::Subscribed {
                        link,
                        characteristic,
                        wanted,
                    });
                }
                Some(OnLink::Subscribed {
                    characteristic,
                    request,
                    error: security.filter(|_| wanted),
                })
            }
            OnLink::Response { .. } | OnLink::Subscribed { .. } | OnLink::Notification { .. } => {
                None
            }
        };
        if let Some(answer) = answer {
            found
                .air
                .send(now, Direction::ToCentral, answer.length(), answer);
        }
    }

    fn at_central(&mut self, link: LinkId, item: OnLink) {
        let Some(found) = self.links.get(&link) else {
            return;
        };
        let (adapter, id) = (found.adapter, found.peripheral);
        match item {
            OnLink::Notification {
                characteristic,
                value,
            } => self.notified(adapter, id, characteristic, value),
            OnLink::Response {
                request,
                result,
                characteristic,
            } => match result {
                Ok(None) => self.outbox.reply(&request, &()),
                Ok(Some(value)) => {
                    self.value_read(adapter, id, characteristic, &value);
                    self.outbox.reply(&request, &value);
                }
                Err(code) => self.outbox.error(&request, &Error::att(code)),
            },
            OnLink::Subscribed {
                characteristic,
                request,
                error,
            } => self.subscribed(adapter, id, characteristic, request.as_ref(), error),
            OnLink::Write { .. } | OnLink::Read { .. } | OnLink::Subscribe { .. } => {}
        }
    }

    /// Answers what is under way on a link that is gone.
    pub(crate) fn fail_requests(&mut self, lost: Link) {
        let mut requests: Vec<Message> = Vec::new();
        for item in lost.air.into_queued() {
            match item {
                OnLink::Write { request, .. }
                | OnLink::Subscribe { request, .. }
                | OnLink::Subscribed { request, .. } => requests.extend(request),
                OnLink::Read { request, .. } | OnLink::Response { request, .. } => {
                    requests.push(request);
                }
                OnLink::Notification { .. } => {}
            }
        }
        for request in requests {
            self.outbox
                .error(&request, &Error::failed("Operation failed"));
        }
        for (request, ..) in lost.waiting {
            self.outbox.error(&request, &Error::failed("Not connected"));
        }
    }
}

impl Link {
    fn write(&mut self, now: Instant, characteristic: u16, value: Vec<u8>) {
        let length = value.len();
        let item = OnLink::Write {
            characteristic,
            value,
            request: None,
        };
        self.air.send(now, Direction::ToPeripheral, length, item);
    }
}
