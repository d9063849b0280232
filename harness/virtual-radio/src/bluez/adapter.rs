//! Adapters: power, discovery and the devices that it brings (`bluez src/adapter.c`).

use super::Bluez;
use super::call::{Call, Options, boolean, text};
use super::error::Error;
use super::model::{AdapterIndex, Device, Filter, PeripheralId};
use super::objects::{ADAPTER, DEVICE, Object};
use super::outbox::Properties;
use super::timers::Timer;
use crate::link::Timing;
use crate::peripheral::Reason;
use hil_clock::Instant;
use rand_core::RngCore;
use std::time::Duration;
use zbus::{ObjectPath, Variant};

/// How strong everything is, in dBm (ours).
const RSSI: i16 = -47;
/// Between two advertisements: Zephyr's fast interval 2 is 100 to 150 ms (`BT_GAP_ADV_FAST_INT_MIN_2`).
const ADVERTISING_INTERVAL: Duration = Duration::from_millis(100);
/// The random delay of an advertiser, and what is between the ends of that interval.
const ADVERTISING_SPREAD: Duration = Duration::from_millis(60);
/// How soon a scanner hears an advertiser when nothing takes time (ours): clients that begin to listen when
/// `StartDiscovery` has returned hear it, too.
const INSTANT_ADVERTISING: Duration = Duration::from_millis(20);
/// How often an advertiser is reported again to a client that did not ask for duplicates (ours: Linux begins a new scan,
/// and with it reports everything again, every 10.24 s).
const REPORTED_AGAIN: Duration = Duration::from_secs(1);
/// How long bluetoothd keeps a device that it neither hears nor is connected to (`TemporaryTimeout` of its
/// `main.conf`).
const KEEP: Duration = Duration::from_secs(30);

impl Bluez {
    pub(crate) fn adapter_call(&mut self, call: &Call<'_>, adapter: AdapterIndex, now: Instant) {
        match call.member.as_str() {
            "StartDiscovery" => {
                let result = self.start_discovery(adapter, &call.sender, now);
                self.outbox.answer(call.message, result);
                self.tell_discovering(adapter);
            }
            "StopDiscovery" => {
                let result = self.stop_discovery(adapter, &call.sender);
                let stopped = result.is_ok();
                self.outbox.answer(call.message, result);
                if stopped {
                    self.after_discovery(adapter, now);
                }
            }
            "SetDiscoveryFilter" => {
                let result = self.set_discovery_filter(adapter, call);
                self.outbox.answer(call.message, result);
            }
            "GetDiscoveryFilters" => {
                let known = ["UUIDs", "RSSI", "Pathloss", "Transport", "DuplicateData"];
                self.outbox.reply(call.message, &known.to_vec());
            }
            _ => {
                let body = call.message.body();
                let result = match body.deserialize::<ObjectPath<'_>>() {
                    Ok(path) => self.remove_device_at(adapter, path.as_str(), now),
                    Err(_) => Err(Error::invalid_arguments()),
                };
                self.outbox.answer(call.message, result);
            }
        }
    }

    fn start_discovery(
        &mut self,
        index: AdapterIndex,
        client: &str,
        now: Instant,
    ) -> Result<(), Error> {
        let adapter = &mut self.adapters[index];
        if !adapter.powered {
            return Err(Error::not_ready());
        }
        if adapter.sessions.contains_key(client) {
            return Err(Error::in_progress());
        }
        let filter = adapter.filters.get(client).cloned().unwrap_or_default();
        adapter.sessions.insert(client.to_owned(), filter);
        let ids: Vec<PeripheralId> = self.boards.keys().copied().collect();
        for id in ids {
            self.listen_for(index, id, now);
        }
        Ok(())
    }

    fn stop_discovery(&mut self, index: AdapterIndex, client: &str) -> Result<(), Error> {
        let adapter = &mut self.adapters[index];
        if !adapter.powered {
            return Err(Error::not_ready());
        }
        match adapter.sessions.remove(client) {
            Some(_) => Ok(()),
            None => Err(Error::failed("No discovery started")),
        }
    }

    fn set_discovery_filter(&mut self, index: AdapterIndex, call: &Call<'_>) -> Result<(), Error> {
        let adapter = &mut self.adapters[index];
        if !adapter.powered {
            return Err(Error::not_ready());
        }
        let body = call.message.body();
        let options: Options = body.deserialize().map_err(|_| Error::invalid_arguments())?;
        let filter = parse_filter(&options)?;
        if let Some(session) = adapter.sessions.get_mut(&call.sender) {
            session.clone_from(&filter);
        }
        if options.is_empty() {
            adapter.filters.remove(&call.sender);
        } else {
            adapter.filters.insert(call.sender.clone(), filter);
        }
        Ok(())
    }

    /// The adapter will hear the next advertisement of a peripheral, if it discovers.
    pub(crate) fn listen_for(&mut self, adapter: AdapterIndex, id: PeripheralId, now: Instant) {
        if self.adapters[adapter].is_discovering() {
            let due = now + self.until_advertisement();
            self.timers.reset(due, Timer::Advertisement(adapter, id));
        }
    }

    /// How long a scanner waits for the next advertisement.
    pub(crate) fn until_advertisement(&mut self) -> Duration {
        match self.options.link.timing {
            Timing::Instant => INSTANT_ADVERTISING,
            Timing::Realistic => {
                let all = ADVERTISING_INTERVAL + ADVERTISING_SPREAD;
                all.mul_f64(f64::from(self.dice.next_u32()) / f64::from(u32::MAX))
            }
        }
    }

    /// An adapter hears a peripheral, if both do what that takes.
    pub(crate) fn hear(&mut self, index: AdapterIndex, id: PeripheralId, now: Instant) {
        let rssi = match self.options.link.timing {
            Timing::Instant => RSSI,
            Timing::Realistic => RSSI + i16::try_from(self.dice.next_u32() % 7).unwrap_or(0) - 3,
        };
        let adapter = &mut self.adapters[index];
        let Some(board) = self.boards.get(&id) else {
            return;
        };
        let Some(advertised) = board
            .advertisement
            .as_ref()
            .filter(|_| adapter.is_discovering())
        else {
            return;
        };
        let address = board.address;
        let wanted: Vec<&Filter> = adapter
            .sessions
            .values()
            .filter(|filter| filter.matches(address, advertised, rssi))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let again = if wanted.iter().any(|filter| filter.duplicates) {
            ADVERTISING_INTERVAL + ADVERTISING_SPREAD / 2
        } else {
            REPORTED_AGAIN
        };
        self.timers
            .reset(now + again, Timer::Advertisement(index, id));
        let is_new = !adapter.devices.contains_key(&id);
        let path = &adapter.path;
        let device = adapter
            .devices
            .entry(id)
            .or_insert_with(|| Device::new(path, address));
        let mut changed = Properties::from([("RSSI", Variant::I16(rssi))]);
        device.rssi = Some(rssi);
        if advertised.name.is_some() && device.name != advertised.name {
            device.name.clone_from(&advertised.name);
            changed.insert("Name", device.name.clone().unwrap_or_default().into());
            changed.insert("Alias", device.shown_alias().into());
        }
        let mut uuids = device.uuids.clone();
        uuids.extend(&advertised.services);
        uuids.sort_unstable();
        uuids.dedup();
        if uuids != device.uuids {
            device.uuids.clone_from(&uuids);
            changed.insert("UUIDs", uuids.into());
        }
        let path = device.path.clone();
        if is_new {
            let interfaces = self.interfaces(Object::Device(index, id));
            self.outbox.interfaces_added(&path, &interfaces);
        } else {
            self.outbox.changed(&path, DEVICE, &changed);
        }
        self.timers.reset(now + KEEP, Timer::Forget(index, id));
    }

    /// What ends with the last discovery: signal strengths are no longer known.
    fn after_discovery(&mut self, index: AdapterIndex, now: Instant) {
        if self.adapters[index].is_discovering() {
            return;
        }
        self.lose_signal_strengths(index, now);
        self.tell_discovering(index);
    }

    fn lose_signal_strengths(&mut self, index: AdapterIndex, now: Instant) {
        let mut heard = Vec::new();
        for (&id, device) in &mut self.adapters[index].devices {
            if device.rssi.take().is_some() {
                heard.push((id, device.path.clone()));
            }
        }
        for (id, path) in heard {
            self.outbox.invalidated(&path, DEVICE, "RSSI");
            self.timers.reset(now + KEEP, Timer::Forget(index, id));
        }
    }

    /// A device that has not been heard of for long is forgotten, unless something holds it.
    pub(crate) fn forget(&mut self, index: AdapterIndex, id: PeripheralId, now: Instant) {
        let discovering = self.adapters[index].is_discovering();
        let on_air = self
            .boards
            .get(&id)
            .is_some_and(|board| board.advertisement.is_some());
        let Some(device) = self.device(index, id) else {
            return;
        };
        if device.connected || device.connecting.is_some() || discovering && on_air {
            self.timers.reset(now + KEEP, Timer::Forget(index, id));
        } else {
            self.remove_device(index, id);
        }
    }

    /// A device will be forgotten some time after now.
    pub(crate) fn keep_for_a_while(&mut self, index: AdapterIndex, id: PeripheralId, now: Instant) {
        self.timers.reset(now + KEEP, Timer::Forget(index, id));
    }

    fn remove_device_at(
        &mut self,
        index: AdapterIndex,
        path: &str,
        now: Instant,
    ) -> Result<(), Error> {
        // In the order of `bluez src/adapter.c`, `remove_device`.
        match self.find(path) {
            Some(Object::Device(adapter, _))
                if adapter == index && !self.adapters[index].powered =>
            {
                Err(Error::not_ready())
            }
            Some(Object::Device(adapter, id)) if adapter == index => {
                self.cancel_connect(index, id, "Cancelled");
                self.unlink(index, id, Reason::LocalHost, now);
                self.remove_device(index, id);
                Ok(())
            }
            _ => Err(Error::does_not_exist()),
        }
    }

    fn remove_device(&mut self, index: AdapterIndex, id: PeripheralId) {
        let Some(device) = self.device(index, id) else {
            return;
        };
        let mut paths = vec![device.path.clone()];
        paths.extend(device.gatt_paths());
        for path in paths.iter().rev() {
            if let Some(object) = self.find(path) {
                self.outbox.interfaces_removed(path, object.interfaces());
            }
        }
        self.adapters[index].devices.remove(&id);
        self.timers.cancel(Timer::Forget(index, id));
    }

    pub(crate) fn set_adapter_property(
        &mut self,
        index: AdapterIndex,
        name: &str,
        value: &Variant<'_>,
        now: Instant,
    ) -> Result<(), Error> {
        let adapter = &mut self.adapters[index];
        let changed = match name {
            "Powered" => {
                let powered = boolean(value)?;
                let changed = adapter.powered != powered;
                self.set_powered(index, powered, now);
                changed
            }
            "Alias" => {
                let alias = text(value)?;
                let changed = adapter.alias != alias;
                adapter.alias = alias;
                changed
            }
            "Discoverable" => {
                std::mem::replace(&mut adapter.discoverable, boolean(value)?) != boolean(value)?
            }
            "Pairable" => {
                std::mem::replace(&mut adapter.pairable, boolean(value)?) != boolean(value)?
            }
            _ => false,
        };
        if changed {
            self.unsaid_settings.push((index, name.to_owned()));
        }
        Ok(())
    }

    fn set_powered(&mut self, index: AdapterIndex, powered: bool, now: Instant) {
        if self.adapters[index].powered == powered {
            return;
        }
        if !powered {
            let devices = &self.adapters[index].devices;
            let known: Vec<(PeripheralId, bool)> = devices
                .iter()
                .map(|(&id, device)| (id, device.connected))
                .collect();
            for (id, connected) in known {
                self.cancel_connect(index, id, "Cancelled");
                if connected {
                    self.unlink(index, id, Reason::LocalHost, now);
                } else {
                    self.remove_device(index, id);
                }
            }
            self.adapters[index].sessions.clear();
            self.lose_signal_strengths(index, now);
            self.adapters[index].said_discovering = false;
        }
        self.adapters[index].powered = powered;
    }

    /// Tells of settings that were changed.
    pub(crate) fn tell_settings(&mut self) {
        for (index, name) in std::mem::take(&mut self.unsaid_settings) {
            let adapter = &self.adapters[index];
            // That it does not discover any more is said in any case (`bluez src/adapter.c`, `adapter_stop`).
            let stops = name == "Powered" && !adapter.powered;
            let mut all = self.properties(Object::Adapter(index), ADAPTER);
            all.retain(|known, _| *known == name || stops && *known == "Discovering");
            self.outbox.changed(&adapter.path, ADAPTER, &all);
        }
    }

    fn tell_discovering(&mut self, index: AdapterIndex) {
        let adapter = &mut self.adapters[index];
        let discovering = adapter.is_discovering();
        if adapter.said_discovering != discovering {
            adapter.said_discovering = discovering;
            let changed = Properties::from([("Discovering", discovering.into())]);
            self.outbox.changed(&adapter.path, ADAPTER, &changed);
        }
    }

    /// A client has left the bus: its discovery and its subscriptions end, its connections stay.
    pub(crate) fn client_left(&mut self, client: &str, now: Instant) {
        for index in 0..self.adapters.len() {
            let had_filter = self.adapters[index].filters.remove(client).is_some();
            if self.adapters[index].sessions.remove(client).is_some() {
                self.after_discovery(index, now);
            } else if had_filter && !self.adapters[index].is_discovering() {
                // It says so although nothing has changed.
                let changed = Properties::from([("Discovering", false.into())]);
                self.outbox
                    .changed(&self.adapters[index].path, ADAPTER, &changed);
            }
            let ids: Vec<PeripheralId> = self.adapters[index].devices.keys().copied().collect();
            for id in ids {
                self.end_sessions_of(index, id, client, now);
            }
        }
    }
}

fn parse_filter(options: &Options) -> Result<Filter, Error> {
    let mut filter = Filter::default();
    for (name, value) in options {
        let value: &Variant<'_> = value;
        match name.as_str() {
            "UUIDs" => {
                let uuids = Vec::<String>::try_from(
                    value.try_clone().map_err(|_| Error::invalid_arguments())?,
                )
                .map_err(|_| Error::invalid_arguments())?;
                filter.uuids = uuids.iter().map(|uuid| long_uuid(uuid)).collect();
            }
            "RSSI" => {
                filter.rssi = Some(i16::try_from(value).map_err(|_| Error::invalid_arguments())?);
            }
            "Pattern" => filter.pattern = Some(text(value)?),
            "DuplicateData" => filter.duplicates = boolean(value)?,
            "Transport" => match text(value)?.as_str() {
                "auto" | "le" => {}
                "bredr" => filter.classic_only = true,
                _ => return Err(Error::invalid_arguments()),
            },
            "Pathloss" | "Discoverable" => {}
            _ => return Err(Error::invalid_arguments()),
        }
    }
    Ok(filter)
}

/// A UUID in any of its lengths, in 128 bits.
fn long_uuid(uuid: &str) -> String {
    let uuid = uuid.to_ascii_lowercase();
    let short = uuid.trim_start_matches("0x");
    match short.len() {
        4 => format!("0000{short}-0000-1000-8000-00805f9b34fb"),
        8 => format!("{short}-0000-1000-8000-00805f9b34fb"),
        _ => uuid,
    }
}
