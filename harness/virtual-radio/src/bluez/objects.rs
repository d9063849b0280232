//! The object tree: which paths there are, with what interfaces and properties.

use super::Bluez;
use super::model::{Adapter, AdapterIndex, Device, PeripheralId};
use super::outbox::{Interfaces, Properties};
use crate::gatt::{Characteristic, GAP_SERVICE, GATT_SERVICE, Property, Service};
use zbus::{ObjectPath, Variant};

pub(crate) const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
pub(crate) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub(crate) const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
pub(crate) const AGENT_MANAGER: &str = "org.bluez.AgentManager1";
pub(crate) const PROFILE_MANAGER: &str = "org.bluez.ProfileManager1";
pub(crate) const HEALTH_MANAGER: &str = "org.bluez.HealthManager1";
pub(crate) const ADAPTER: &str = "org.bluez.Adapter1";
pub(crate) const GATT_MANAGER: &str = "org.bluez.GattManager1";
pub(crate) const ADVERTISING_MANAGER: &str = "org.bluez.LEAdvertisingManager1";
pub(crate) const DEVICE: &str = "org.bluez.Device1";
pub(crate) const SERVICE: &str = "org.bluez.GattService1";
pub(crate) const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
pub(crate) const DESCRIPTOR: &str = "org.bluez.GattDescriptor1";

/// What a path names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Object {
    /// `/`.
    Root,
    /// `/org`, which only has children.
    Parent,
    /// `/org/bluez`.
    Service,
    Adapter(AdapterIndex),
    Device(AdapterIndex, PeripheralId),
    GattService(AdapterIndex, PeripheralId, u16),
    Characteristic(AdapterIndex, PeripheralId, u16),
    /// A descriptor of the characteristic.
    Descriptor(AdapterIndex, PeripheralId, u16, u16),
}

impl Object {
    /// Its interfaces, in the order in which BlueZ introspects them.
    pub(crate) fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[INTROSPECTABLE, OBJECT_MANAGER],
            Self::Parent => &[INTROSPECTABLE],
            Self::Service => &[
                INTROSPECTABLE,
                AGENT_MANAGER,
                PROFILE_MANAGER,
                HEALTH_MANAGER,
            ],
            Self::Adapter(_) => &[
                INTROSPECTABLE,
                ADAPTER,
                PROPERTIES,
                GATT_MANAGER,
                ADVERTISING_MANAGER,
            ],
            Self::Device(..) => &[INTROSPECTABLE, DEVICE, PROPERTIES],
            Self::GattService(..) => &[INTROSPECTABLE, SERVICE, PROPERTIES],
            Self::Characteristic(..) => &[INTROSPECTABLE, CHARACTERISTIC, PROPERTIES],
            Self::Descriptor(..) => &[INTROSPECTABLE, DESCRIPTOR, PROPERTIES],
        }
    }
}

impl Bluez {
    /// What `path` names, if anything.
    pub(crate) fn find(&self, path: &str) -> Option<Object> {
        match path {
            "/" => return Some(Object::Root),
            "/org" => return Some(Object::Parent),
            "/org/bluez" => return Some(Object::Service),
            _ => {}
        }
        let mut parts = path.strip_prefix("/org/bluez/")?.split('/');
        let number: AdapterIndex = parts.next()?.strip_prefix("hci")?.parse().ok()?;
        let adapter = self.adapters.get(number)?;
        let Some(device) = parts.next() else {
            return (adapter.path == path).then_some(Object::Adapter(number));
        };
        let (&id, device) = adapter
            .devices
            .iter()
            .find(|(_, found)| found.path.rsplit('/').next() == Some(device))?;
        let Some(service) = parts.next() else {
            return Some(Object::Device(number, id));
        };
        let service = device
            .table
            .services
            .iter()
            .find(|found| service == format!("service{:04x}", found.handle))?;
        let Some(characteristic) = parts.next() else {
            return Some(Object::GattService(number, id, service.handle));
        };
        let characteristic = service
            .characteristics
            .iter()
            .find(|found| characteristic == format!("char{:04x}", found.handle))?;
        let Some(descriptor) = parts.next() else {
            return Some(Object::Characteristic(number, id, characteristic.handle));
        };
        let descriptor = characteristic
            .descriptors
            .iter()
            .find(|found| descriptor == format!("desc{:04x}", found.handle))?;
        parts.next().is_none().then_some(Object::Descriptor(
            number,
            id,
            characteristic.handle,
            descriptor.handle,
        ))
    }

    /// The path elements directly below `path`.
    pub(crate) fn children(&self, path: &str) -> Vec<String> {
        let below = if path == "/" {
            "/".to_owned()
        } else {
            format!("{path}/")
        };
        let mut children: Vec<String> = Vec::new();
        let all = std::iter::once("/org/bluez".to_owned()).chain(self.paths());
        for found in all {
            if let Some(rest) = found.strip_prefix(&below)
                && let Some(child) = rest.split('/').next()
                && !children.iter().any(|known| known == child)
            {
                children.push(child.to_owned());
            }
        }
        children
    }

    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for adapter in &self.adapters {
            paths.push(adapter.path.clone());
            for device in adapter.devices.values() {
                paths.push(device.path.clone());
                paths.extend(device.gatt_paths());
            }
        }
        paths
    }

    /// Every object with its interfaces, as `GetManagedObjects` gives them.
    pub(crate) fn managed_objects(&self) -> Vec<(String, Interfaces)> {
        std::iter::once("/org/bluez".to_owned())
            .chain(self.paths())
            .filter_map(|path| {
                let interfaces = self.interfaces(self.find(&path)?);
                Some((path, interfaces))
            })
            .collect()
    }

    /// The interfaces of an object with their properties.
    pub(crate) fn interfaces(&self, object: Object) -> Interfaces {
        object
            .interfaces()
            .iter()
            .map(|&interface| (interface, self.properties(object, interface)))
            .collect()
    }

    /// The properties of an interface of an object; none for an interface that has none.
    pub(crate) fn properties(&self, object: Object, interface: &str) -> Properties {
        self.try_properties(object, interface).unwrap_or_default()
    }

    fn try_properties(&self, object: Object, interface: &str) -> Option<Properties> {
        match (object, interface) {
            (Object::Adapter(adapter), ADAPTER) => Some(self.adapters.get(adapter)?.properties()),
            (Object::Adapter(_), ADVERTISING_MANAGER) => Some(Properties::from([
                ("ActiveInstances", Variant::U8(0)),
                ("SupportedInstances", Variant::U8(5)),
                (
                    "SupportedIncludes",
                    vec!["tx-power", "appearance", "local-name"].into(),
                ),
            ])),
            (Object::Device(adapter, id), DEVICE) => {
                let adapter = self.adapters.get(adapter)?;
                Some(adapter.devices.get(&id)?.properties(&adapter.path))
            }
            (Object::GattService(adapter, id, handle), SERVICE) => {
                let device = self.device(adapter, id)?;
                let service = device.service(handle)?;
                Some(Properties::from([
                    ("UUID", service.uuid.into()),
                    ("Device", path(&device.path)?),
                    ("Primary", true.into()),
                    ("Includes", Vec::<ObjectPath<'static>>::new().into()),
                ]))
            }
            (Object::Characteristic(adapter, id, handle), CHARACTERISTIC) => {
                let device = self.device(adapter, id)?;
                let mtu = device.link.map(|_| self.options.link.mtu);
                device.characteristic_properties(handle, mtu)
            }
            (Object::Descriptor(adapter, id, characteristic, handle), DESCRIPTOR) => {
                let device = self.device(adapter, id)?;
                let (_, found) = device.characteristic(characteristic)?;
                let descriptor = found.descriptors.iter().find(|one| one.handle == handle)?;
                Some(Properties::from([
                    ("UUID", descriptor.uuid.into()),
                    (
                        "Characteristic",
                        path(&device.characteristic_path(characteristic)?)?,
                    ),
                    ("Value", Vec::<u8>::new().into()),
                ]))
            }
            _ => None,
        }
    }

    pub(crate) fn device(&self, adapter: AdapterIndex, id: PeripheralId) -> Option<&Device> {
        self.adapters.get(adapter)?.devices.get(&id)
    }

    pub(crate) fn device_mut(
        &mut self,
        adapter: AdapterIndex,
        id: PeripheralId,
    ) -> Option<&mut Device> {
        self.adapters.get_mut(adapter)?.devices.get_mut(&id)
    }
}

fn path(path: &str) -> Option<Variant<'static>> {
    ObjectPath::try_from(path.to_owned())
        .ok()
        .map(Variant::ObjectPath)
}

impl Adapter {
    fn properties(&self) -> Properties {
        // What bluetoothd offers itself: GATT, GAP, PnP, A/V remote control, device information.
        let uuids: Vec<String> = ["1801", "1800", "1200", "110c", "110e", "180a"]
            .iter()
            .map(|short| format!("0000{short}-0000-1000-8000-00805f9b34fb"))
            .collect();
        Properties::from([
            ("Address", self.address.to_string().into()),
            ("AddressType", "public".into()),
            ("Name", "dfu-hil virtual radio".into()),
            ("Alias", self.alias.clone().into()),
            ("Class", 0u32.into()),
            ("Powered", self.powered.into()),
            ("Discoverable", self.discoverable.into()),
            ("DiscoverableTimeout", 180u32.into()),
            ("Pairable", self.pairable.into()),
            ("PairableTimeout", 0u32.into()),
            ("Discovering", self.is_discovering().into()),
            ("UUIDs", uuids.into()),
            // Linux Foundation, BlueZ 5.66.
            ("Modalias", "usb:v1D6Bp0246d0542".into()),
            ("Roles", vec!["central", "peripheral"].into()),
        ])
    }
}

impl Device {
    fn properties(&self, adapter: &str) -> Properties {
        let mut properties = Properties::from([
            ("Address", self.address.to_string().into()),
            ("AddressType", "random".into()),
            ("Alias", self.shown_alias().into()),
            ("Paired", false.into()),
            ("Bonded", false.into()),
            ("Trusted", self.trusted.into()),
            ("Blocked", self.blocked.into()),
            ("LegacyPairing", false.into()),
            ("Connected", self.connected.into()),
            ("UUIDs", self.uuids.clone().into()),
            ("ServicesResolved", self.resolved.into()),
        ]);
        if let Some(name) = &self.name {
            properties.insert("Name", name.clone().into());
        }
        if let Some(rssi) = self.rssi {
            properties.insert("RSSI", rssi.into());
        }
        if let Some(adapter) = path(adapter) {
            properties.insert("Adapter", adapter);
        }
        properties
    }

    /// `mtu` is that of the connection, if there is one. Which of them are there: `bluez src/gatt-client.c`,
    /// `characteristic_properties`.
    fn characteristic_properties(&self, handle: u16, mtu: Option<u16>) -> Option<Properties> {
        let (service, found) = self.characteristic(handle)?;
        let state = self.characteristics.get(&handle)?;
        let flags: Vec<&str> = found.properties.iter().map(|one| one.flag()).collect();
        let mut properties = Properties::from([
            ("UUID", found.uuid.into()),
            ("Service", path(&self.service_path(service.handle))?),
            ("Value", state.value.clone().into()),
            ("Flags", flags.into()),
        ]);
        if let Some(mtu) = mtu {
            properties.insert("MTU", mtu.into());
        }
        if found.can_notify() {
            properties.insert("Notifying", state.notifying.into());
        }
        if found.can(Property::Notify) {
            properties.insert("NotifyAcquired", false.into());
        }
        if found.can(Property::WriteWithoutResponse) {
            properties.insert("WriteAcquired", false.into());
        }
        Some(properties)
    }

    pub(crate) fn service(&self, handle: u16) -> Option<&Service> {
        let mut services = self.table.services.iter();
        services.find(|service| service.handle == handle)
    }

    /// The characteristic that is declared at `handle`, and its service.
    pub(crate) fn characteristic(&self, handle: u16) -> Option<(&Service, &Characteristic)> {
        self.table.services.iter().find_map(|service| {
            let mut all = service.characteristics.iter();
            let found = all.find(|found| found.handle == handle)?;
            Some((service, found))
        })
    }

    fn service_path(&self, handle: u16) -> String {
        format!("{}/service{handle:04x}", self.path)
    }

    pub(crate) fn characteristic_path(&self, handle: u16) -> Option<String> {
        let (service, _) = self.characteristic(handle)?;
        let service = self.service_path(service.handle);
        Some(format!("{service}/char{handle:04x}"))
    }

    /// The paths of its attributes, parents first.
    pub(crate) fn gatt_paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for service in &self.table.services {
            let service_path = self.service_path(service.handle);
            paths.push(service_path.clone());
            for characteristic in &service.characteristics {
                let characteristic_path =
                    format!("{service_path}/char{:04x}", characteristic.handle);
                paths.push(characteristic_path.clone());
                for descriptor in &characteristic.descriptors {
                    paths.push(format!(
                        "{characteristic_path}/desc{:04x}",
                        descriptor.handle
                    ));
                }
            }
        }
        paths
    }

    /// All services of the peripheral, GAP first, as BlueZ lists them once it has resolved them.
    pub(crate) fn resolved_uuids(&self) -> Vec<&'static str> {
        let mut uuids = vec![GAP_SERVICE];
        uuids.extend(
            self.table
                .services
                .iter()
                .map(|service| service.uuid)
                .filter(|&uuid| uuid == GATT_SERVICE),
        );
        uuids.extend(
            self.table
                .services
                .iter()
                .map(|service| service.uuid)
                .filter(|&uuid| uuid != GATT_SERVICE),
        );
        uuids
    }
}
