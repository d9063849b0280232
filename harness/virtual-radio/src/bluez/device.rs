//! Devices: connecting, resolving and disconnecting (`bluez src/device.c`).

use super::Bluez;
use super::call::{Call, boolean, text};
use super::error::Error;
use super::model::{AdapterIndex, CharacteristicState, PeripheralId};
use super::objects::{DEVICE, Object};
use super::outbox::Properties;
use super::timers::Timer;
use crate::gatt::DATABASE_HASH;
use crate::link::Timing;
use crate::peripheral::{LinkEvent, LinkId, Reason};
use hil_clock::Instant;
use std::time::Duration;
use zbus::Variant;

/// How long the kernel looks for a device that does not advertise (`HCI_LE_CONN_TIMEOUT` in
/// `linux include/net/bluetooth/hci.h`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Events without an answer after which a new connection has failed to be established (core specification).
const ESTABLISHING_EVENTS: u32 = 6;
/// Requests and answers until the attributes of a new device are known: MTU, services, characteristics, descriptors
/// (counted for the table of a Zephyr build). Each takes two connection events.
const DISCOVERY_ROUND_TRIPS: u32 = 10;
/// The same for a device whose attributes are known: MTU and database hash.
const CACHED_ROUND_TRIPS: u32 = 2;

impl Bluez {
    pub(crate) fn device_call(
        &mut self,
        call: &Call<'_>,
        adapter: AdapterIndex,
        id: PeripheralId,
        now: Instant,
    ) {
        match call.member.as_str() {
            "Connect" => self.connect(call, adapter, id, now),
            "Disconnect" => {
                self.cancel_connect(adapter, id, "Cancelled");
                // As bluetoothd says it: attributes are let go of when it begins, the call is answered when the connection is
                // gone, and that is told then.
                self.let_go_of_services(adapter, id);
                self.outbox.reply(call.message, &());
                self.unlink(adapter, id, Reason::LocalHost, now);
            }
            "Pair" => self
                .outbox
                .error(call.message, &Error::authentication_failed()),
            "CancelPairing" => self.outbox.error(call.message, &Error::does_not_exist()),
            _ => self.outbox.error(call.message, &Error::not_supported()),
        }
    }

    fn connect(&mut self, call: &Call<'_>, adapter: AdapterIndex, id: PeripheralId, now: Instant) {
        let powered = self.adapters[adapter].powered;
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        if !powered {
            self.outbox.error(call.message, &Error::not_ready());
        } else if device.connecting.is_some() {
            self.outbox.error(call.message, &Error::in_progress());
        } else if device.connected {
            self.outbox.reply(call.message, &());
        } else {
            device.connecting = Some(call.message.clone());
            self.timers
                .reset(now + CONNECT_TIMEOUT, Timer::ConnectTimeout(adapter, id));
            self.try_to_connect(adapter, id, now);
        }
    }

    /// Begins to connect, if a client wants to and the peripheral can be heard.
    pub(crate) fn try_to_connect(&mut self, adapter: AdapterIndex, id: PeripheralId, now: Instant) {
        let wanted = self
            .device(adapter, id)
            .is_some_and(|device| device.connecting.is_some());
        let Some(board) = self.boards.get(&id) else {
            return;
        };
        if !wanted || board.advertisement.is_none() || board.link.is_some() {
            return;
        }
        let refuse = board.faults.refuse;
        let interval = self.options.link.interval;
        let wait = self.until_advertisement();
        let (timer, establishing) = if refuse {
            (
                Timer::Refused(adapter, id),
                interval.saturating_mul(ESTABLISHING_EVENTS),
            )
        } else {
            (Timer::Connected(adapter, id), interval)
        };
        let wait = match self.options.link.timing {
            Timing::Instant => Duration::ZERO,
            Timing::Realistic => wait + establishing,
        };
        self.timers.reset(now + wait, timer);
    }

    /// The connection attempt has come to its end on the air.
    pub(crate) fn connected(&mut self, adapter: AdapterIndex, id: PeripheralId, now: Instant) {
        let Some(board) = self.boards.get(&id) else {
            return;
        };
        // Another central may have been faster, or the board gone: then the adapter goes on looking.
        if board.advertisement.is_none() || board.link.is_some() {
            return;
        }
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        let Some(request) = device.connecting.take() else {
            return;
        };
        let known = !device.table.services.is_empty();
        device.connected = true;
        let path = device.path.clone();
        self.timers.cancel(Timer::ConnectTimeout(adapter, id));
        let link = self.make_link(adapter, id, now);
        if let Some(device) = self.device_mut(adapter, id) {
            device.link = Some(link);
        }
        let changed = Properties::from([("Connected", true.into())]);
        self.outbox.changed(&path, DEVICE, &changed);
        self.outbox.reply(&request, &());
        let round_trips = if known {
            CACHED_ROUND_TRIPS
        } else {
            DISCOVERY_ROUND_TRIPS
        };
        let wait = match self.options.link.timing {
            Timing::Instant => Duration::ZERO,
            Timing::Realistic => self.options.link.interval.saturating_mul(2 * round_trips),
        };
        let resolves = self
            .boards
            .get(&id)
            .is_some_and(|board| !board.faults.never_resolve);
        if resolves {
            self.timers.set(now + wait, Timer::Resolved(link));
        }
    }

    /// The connection failed to be established. BlueZ has shown it as connected in between.
    pub(crate) fn refused(&mut self, adapter: AdapterIndex, id: PeripheralId, now: Instant) {
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        let Some(request) = device.connecting.take() else {
            return;
        };
        let path = device.path.clone();
        self.timers.cancel(Timer::ConnectTimeout(adapter, id));
        for connected in [true, false] {
            let changed = Properties::from([("Connected", connected.into())]);
            self.outbox.changed(&path, DEVICE, &changed);
        }
        let error = Error::failed("le-connection-abort-by-local");
        self.outbox.error(&request, &error);
        self.keep_for_a_while(adapter, id, now);
    }

    /// The device that a client wanted to connect to was not heard of.
    pub(crate) fn connect_timed_out(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        now: Instant,
    ) {
        self.cancel_connect(adapter, id, "le-connection-abort-by-local");
        self.keep_for_a_while(adapter, id, now);
    }

    /// Gives up a connection attempt, if there is one.
    pub(crate) fn cancel_connect(&mut self, adapter: AdapterIndex, id: PeripheralId, text: &str) {
        self.timers.cancel(Timer::Connected(adapter, id));
        self.timers.cancel(Timer::Refused(adapter, id));
        self.timers.cancel(Timer::ConnectTimeout(adapter, id));
        let device = self.device_mut(adapter, id);
        if let Some(request) = device.and_then(|device| device.connecting.take()) {
            self.outbox.error(&request, &Error::failed(text));
        }
    }

    /// The attributes of a peripheral are known: shown at the first time, and subscriptions are renewed.
    pub(crate) fn resolved(&mut self, link: LinkId, now: Instant) {
        let Some((adapter, id)) = self
            .links
            .get(&link)
            .filter(|found| !found.cut)
            .map(|found| (found.adapter, found.peripheral))
        else {
            return;
        };
        let Some(table) = self.boards.get(&id).map(|board| board.table.clone()) else {
            return;
        };
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        device.resolved = true;
        let mut changed = Properties::from([("ServicesResolved", true.into())]);
        let is_new = device.table.services.is_empty();
        if is_new {
            device.table = table;
            for service in &device.table.services {
                for found in &service.characteristics {
                    let mut state = CharacteristicState::default();
                    // bluetoothd reads it to see whether it knows the attributes already.
                    if found.uuid == DATABASE_HASH {
                        state.value.clone_from(&found.value);
                    }
                    device.characteristics.insert(found.handle, state);
                }
            }
        }
        let uuids = device.resolved_uuids();
        if uuids != device.uuids {
            device.uuids.clone_from(&uuids);
            changed.insert("UUIDs", uuids.into());
        }
        let path = device.path.clone();
        let paths = device.gatt_paths();
        self.outbox.changed(&path, DEVICE, &changed);
        if is_new {
            for path in paths {
                if let Some(object) = self.find(&path) {
                    let interfaces = self.interfaces(object);
                    self.outbox.interfaces_added(&path, &interfaces);
                }
            }
        }
        self.renew_subscriptions(adapter, id, link, now);
    }

    fn let_go_of_services(&mut self, adapter: AdapterIndex, id: PeripheralId) {
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        if std::mem::take(&mut device.resolved) {
            let path = device.path.clone();
            let changed = Properties::from([("ServicesResolved", false.into())]);
            self.outbox.changed(&path, DEVICE, &changed);
        }
    }

    /// Ends the link of a device, if it has one, because this side wants to.
    pub(crate) fn unlink(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        reason: Reason,
        now: Instant,
    ) {
        let Some(link) = self.device(adapter, id).and_then(|device| device.link) else {
            return;
        };
        let told = match reason {
            Reason::LocalHost => Reason::RemoteUser,
            other => other,
        };
        self.tell_board_of_loss(link, told);
        self.link_lost(link, now);
    }

    /// The central notices that a link is gone. Attributes and notify sessions stay.
    pub(crate) fn link_lost(&mut self, link: LinkId, now: Instant) {
        let Some(lost) = self.links.remove(&link) else {
            return;
        };
        let (adapter, id) = (lost.adapter, lost.peripheral);
        self.fail_requests(lost);
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        let mut changed = Properties::from([("Connected", Variant::Bool(false))]);
        if std::mem::take(&mut device.resolved) {
            changed.insert("ServicesResolved", false.into());
        }
        device.connected = false;
        device.link = None;
        for state in device.characteristics.values_mut() {
            state
                .sessions
                .values_mut()
                .for_each(|active| *active = false);
        }
        let path = device.path.clone();
        self.outbox.changed(&path, DEVICE, &changed);
        self.keep_for_a_while(adapter, id, now);
    }

    /// Tells the board of a link's end, unless it knows.
    pub(crate) fn tell_board_of_loss(&mut self, link: LinkId, reason: Reason) {
        for board in self.boards.values_mut() {
            if board.link == Some(link) {
                board.link = None;
                board.board.event(LinkEvent::Disconnected { link, reason });
            }
        }
    }

    pub(crate) fn set_device_property(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        name: &str,
        value: &Variant<'_>,
    ) -> Result<(), Error> {
        let Some(device) = self.device_mut(adapter, id) else {
            return Err(Error::does_not_exist());
        };
        let before = device.shown_alias();
        match name {
            "Alias" => device.alias = Some(text(value)?).filter(|alias| !alias.is_empty()),
            "Trusted" => device.trusted = boolean(value)?,
            _ => device.blocked = boolean(value)?,
        }
        let path = device.path.clone();
        if name != "Alias" || device.shown_alias() != before {
            let mut all = self.properties(Object::Device(adapter, id), DEVICE);
            all.retain(|known, _| *known == name);
            self.outbox.changed(&path, DEVICE, &all);
        }
        Ok(())
    }
}
