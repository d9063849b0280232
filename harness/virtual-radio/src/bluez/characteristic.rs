//! Characteristics: reading, writing and notify sessions (`bluez src/gatt-client.c`).

use super::Bluez;
use super::call::{Call, Options, text};
use super::error::Error;
use super::model::{AdapterIndex, OnLink, PeripheralId};
use super::objects::CHARACTERISTIC;
use super::outbox::Properties;
use crate::gatt::{Characteristic, Property};
use crate::peripheral::LinkId;
use hil_clock::Instant;

/// Opcode and handle in front of the value in a write, bytes.
const ATT_HEADER: usize = 3;

/// How a value is to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Write {
    Command,
    Request,
}

impl Bluez {
    pub(crate) fn characteristic_call(
        &mut self,
        call: &Call<'_>,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        now: Instant,
    ) {
        let result = match call.member.as_str() {
            "ReadValue" => self.read_value(call, adapter, id, handle, now),
            "WriteValue" => self.write_value(call, adapter, id, handle, now),
            "StartNotify" => self.start_notify(call, adapter, id, handle, now),
            "StopNotify" => self.stop_notify(call, adapter, id, handle, now),
            // Clients fall back on the calls above: bleak does, btleplug never tries.
            _ => Err(Error::not_supported()),
        };
        if let Err(error) = result {
            self.outbox.error(call.message, &error);
        }
    }

    /// The link of a device whose attributes are in use.
    fn ready_link(&self, adapter: AdapterIndex, id: PeripheralId) -> Option<LinkId> {
        self.device(adapter, id)
            .filter(|device| device.resolved)
            .and_then(|device| device.link)
    }

    fn found(
        &self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
    ) -> Option<&Characteristic> {
        let (_, found) = self.device(adapter, id)?.characteristic(handle)?;
        Some(found)
    }

    fn read_value(
        &mut self,
        call: &Call<'_>,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        now: Instant,
    ) -> Result<(), Error> {
        let Some(link) = self.ready_link(adapter, id) else {
            return Err(Error::failed("Not connected"));
        };
        let item = OnLink::Read {
            characteristic: handle,
            request: call.message.clone(),
        };
        self.send_on(link, 0, item, now);
        Ok(())
    }

    fn write_value(
        &mut self,
        call: &Call<'_>,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        now: Instant,
    ) -> Result<(), Error> {
        let body = call.message.body();
        let (value, options): (Vec<u8>, Options) =
            body.deserialize().map_err(|_| Error::invalid_arguments())?;
        let kind = match options.get("type") {
            Some(kind) => Some(text(kind)?),
            None => None,
        };
        let Some(link) = self.ready_link(adapter, id) else {
            return Err(Error::failed("Not connected"));
        };
        let Some(found) = self.found(adapter, id, handle) else {
            return Err(Error::does_not_exist());
        };
        let write = match kind.as_deref() {
            Some("command") => Write::Command,
            Some("request") => Write::Request,
            Some(_) => return Err(Error::not_supported()),
            None if found.can(Property::Write) => Write::Request,
            None if found.can(Property::WriteWithoutResponse) => Write::Command,
            None => return Err(Error::not_supported()),
        };
        if value.len() + ATT_HEADER > usize::from(self.options.link.mtu) {
            return Err(Error::failed("Failed to initiate write"));
        }
        match write {
            Write::Request => {
                let item = OnLink::Write {
                    characteristic: handle,
                    request: Some(call.message.clone()),
                    value,
                };
                self.send_on(link, item.length(), item, now);
            }
            Write::Command => self.write_command(link, call.message, handle, value, now),
        }
        Ok(())
    }

    fn start_notify(
        &mut self,
        call: &Call<'_>,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        now: Instant,
    ) -> Result<(), Error> {
        let can_notify = self
            .found(adapter, id, handle)
            .is_some_and(Characteristic::can_notify);
        if !can_notify {
            return Err(Error::not_supported());
        }
        let link = self.ready_link(adapter, id);
        let Some(state) = self.characteristic_mut(adapter, id, handle) else {
            return Err(Error::does_not_exist());
        };
        match state.sessions.get(&call.sender) {
            // It has what it wants.
            Some(true) => {
                self.outbox.reply(call.message, &());
                return Ok(());
            }
            // Registered on a link that is gone: it waits for the next one.
            Some(false) => return Err(Error::in_progress()),
            None => {}
        }
        state.sessions.insert(call.sender.clone(), false);
        match link {
            // It begins with the next link.
            None => self.outbox.reply(call.message, &()),
            Some(link) => {
                let item = OnLink::Subscribe {
                    characteristic: handle,
                    wanted: true,
                    request: Some(call.message.clone()),
                };
                self.send_on(link, item.length(), item, now);
            }
        }
        Ok(())
    }

    fn stop_notify(
        &mut self,
        call: &Call<'_>,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        now: Instant,
    ) -> Result<(), Error> {
        let state = self.characteristic_mut(adapter, id, handle);
        let session = state.and_then(|state| state.sessions.remove(&call.sender));
        if session.is_none() {
            return Err(Error::failed("No notify session started"));
        }
        self.update_notifying(adapter, id, handle, now);
        self.outbox.reply(call.message, &());
        Ok(())
    }

    /// Ends the notify sessions of a client that has left.
    pub(crate) fn end_sessions_of(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        client: &str,
        now: Instant,
    ) {
        let Some(device) = self.device_mut(adapter, id) else {
            return;
        };
        let ended: Vec<u16> = device
            .characteristics
            .iter_mut()
            .filter_map(|(&handle, state)| state.sessions.remove(client).map(|_| handle))
            .collect();
        for handle in ended {
            self.update_notifying(adapter, id, handle, now);
        }
    }

    /// Nobody listens any more: says so, and unsubscribes.
    fn update_notifying(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        now: Instant,
    ) {
        let link = self.ready_link(adapter, id);
        let Some(state) = self.characteristic_mut(adapter, id, handle) else {
            return;
        };
        if !state.sessions.is_empty() {
            return;
        }
        if std::mem::take(&mut state.notifying) {
            self.tell_notifying(adapter, id, handle, false);
        }
        if let Some(link) = link {
            let item = OnLink::Subscribe {
                characteristic: handle,
                wanted: false,
                request: None,
            };
            self.send_on(link, item.length(), item, now);
        }
    }

    /// Sessions that outlived a link are registered again on the new one.
    pub(crate) fn renew_subscriptions(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        link: LinkId,
        now: Instant,
    ) {
        let Some(device) = self.device(adapter, id) else {
            return;
        };
        let waiting: Vec<u16> = device
            .characteristics
            .iter()
            .filter(|(_, state)| !state.sessions.is_empty())
            .map(|(&handle, _)| handle)
            .collect();
        for characteristic in waiting {
            let item = OnLink::Subscribe {
                characteristic,
                wanted: true,
                request: None,
            };
            self.send_on(link, item.length(), item, now);
        }
    }

    /// The peripheral has answered the write of a CCC.
    pub(crate) fn subscribed(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        request: Option<&zbus::Message>,
        error: Option<u8>,
    ) {
        let sender = request.map(|request| {
            let header = request.header();
            header.sender().map(ToString::to_string).unwrap_or_default()
        });
        let Some(state) = self.characteristic_mut(adapter, id, handle) else {
            return;
        };
        if error.is_some() {
            match &sender {
                Some(sender) => {
                    state.sessions.remove(sender);
                }
                None => state.sessions.clear(),
            }
        } else {
            state
                .sessions
                .values_mut()
                .for_each(|active| *active = true);
        }
        let begins = error.is_none() && !state.sessions.is_empty() && !state.notifying;
        if begins {
            state.notifying = true;
            self.tell_notifying(adapter, id, handle, true);
        }
        if let Some(request) = request {
            let result = error.map_or(Ok(()), |code| Err(Error::att(code)));
            self.outbox.answer(request, result);
        }
    }

    /// A notification has arrived.
    pub(crate) fn notified(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        value: Vec<u8>,
    ) {
        let Some(state) = self.characteristic_mut(adapter, id, handle) else {
            return;
        };
        if !state.sessions.values().any(|&active| active) {
            return;
        }
        state.value.clone_from(&value);
        let changed = Properties::from([("Value", value.into())]);
        self.tell_characteristic(adapter, id, handle, &changed);
    }

    /// The answer to a read has arrived.
    pub(crate) fn value_read(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        value: &[u8],
    ) {
        if let Some(state) = self.characteristic_mut(adapter, id, handle) {
            state.value = value.to_vec();
            let changed = Properties::from([("Value", value.to_vec().into())]);
            self.tell_characteristic(adapter, id, handle, &changed);
        }
    }

    fn tell_notifying(&mut self, adapter: AdapterIndex, id: PeripheralId, handle: u16, on: bool) {
        let changed = Properties::from([("Notifying", on.into())]);
        self.tell_characteristic(adapter, id, handle, &changed);
    }

    fn tell_characteristic(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
        changed: &Properties,
    ) {
        let path = self
            .device(adapter, id)
            .and_then(|device| device.characteristic_path(handle));
        if let Some(path) = path {
            self.outbox.changed(&path, CHARACTERISTIC, changed);
        }
    }

    fn characteristic_mut(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
        handle: u16,
    ) -> Option<&mut super::model::CharacteristicState> {
        let device = self.device_mut(adapter, id)?;
        device.characteristics.get_mut(&handle)
    }
}
