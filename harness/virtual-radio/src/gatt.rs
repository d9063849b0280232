//! What a peripheral offers: its attribute table as a central finds it.
//!
//! Handles follow the order of a Zephyr build: the GATT service (0x1801) from 0x0001, GAP (0x1800) behind it, then the
//! services of the application. BlueZ keeps GAP to itself and shows the rest.

/// A UUID as BlueZ writes it: 128 bits in lower case.
pub type Uuid = &'static str;

/// The generic access service; BlueZ does not show it as an object.
pub const GAP_SERVICE: Uuid = "00001800-0000-1000-8000-00805f9b34fb";
/// The generic attribute service.
pub const GATT_SERVICE: Uuid = "00001801-0000-1000-8000-00805f9b34fb";
/// The hash of the attribute table, by which a central recognises it.
pub(crate) const DATABASE_HASH: Uuid = "00002b2a-0000-1000-8000-00805f9b34fb";
/// Client characteristic configuration.
pub const CCC: Uuid = "00002902-0000-1000-8000-00805f9b34fb";
/// The SMP service (`zephyr subsys/mgmt/mcumgr/transport/src/smp_bt.c`).
pub const SMP_SERVICE: Uuid = "8d53dc1d-1db7-4cd3-868b-8a527460aa84";
/// Its only characteristic: requests are written without response, answers are notified.
pub const SMP_CHARACTERISTIC: Uuid = "da2e7828-fbce-4e01-ae9e-261174997c48";

/// What can be done with a characteristic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Property {
    /// It can be read.
    Read,
    /// It can be written, and nobody says whether that worked.
    WriteWithoutResponse,
    /// It can be written with an answer.
    Write,
    /// It notifies.
    Notify,
    /// It indicates.
    Indicate,
}

impl Property {
    /// BlueZ's word for it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::WriteWithoutResponse => "write-without-response",
            Self::Write => "write",
            Self::Notify => "notify",
            Self::Indicate => "indicate",
        }
    }
}

/// A descriptor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    /// Its handle.
    pub handle: u16,
    /// What it is.
    pub uuid: Uuid,
}

/// A characteristic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Characteristic {
    /// Handle of its declaration; the value has the next one.
    pub handle: u16,
    /// What it is.
    pub uuid: Uuid,
    /// What can be done with it.
    pub properties: Vec<Property>,
    /// What a read gives.
    pub value: Vec<u8>,
    /// Its descriptors.
    pub descriptors: Vec<Descriptor>,
}

impl Characteristic {
    /// Whether it has this property.
    pub(crate) fn can(&self, property: Property) -> bool {
        self.properties.contains(&property)
    }

    /// Whether a central can subscribe to it.
    pub(crate) fn can_notify(&self) -> bool {
        self.can(Property::Notify) || self.can(Property::Indicate)
    }
}

/// A primary service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Its handle.
    pub handle: u16,
    /// What it is.
    pub uuid: Uuid,
    /// Its characteristics.
    pub characteristics: Vec<Characteristic>,
}

/// The attribute table of a peripheral, without GAP, which every peripheral has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GattTable {
    /// The services in the order of their handles.
    pub services: Vec<Service>,
}

impl GattTable {
    /// The table of a Zephyr application with SMP over Bluetooth: GATT service, and the SMP service behind GAP.
    #[must_use]
    pub fn smp() -> Self {
        Self {
            services: vec![gatt_service(), smp_service()],
        }
    }

    /// The SMP service alone, as on a peripheral without a GATT service.
    #[must_use]
    pub fn smp_only() -> Self {
        Self {
            services: vec![smp_service()],
        }
    }

    /// The ATT error with which the characteristic that is declared at `handle` refuses every write, if it does.
    ///
    /// One that can be written can be written both ways, with a response and without: Zephyr looks at the permissions of
    /// the attribute and not at the properties of the characteristic (`zephyr subsys/bluetooth/host/att.c`, `write_cb`).
    pub(crate) fn refuses_writes(&self, handle: u16) -> Option<u8> {
        let writable = self.characteristic(handle).is_some_and(|found| {
            found.can(Property::Write) || found.can(Property::WriteWithoutResponse)
        });
        (!writable).then_some(WRITE_NOT_PERMITTED)
    }

    /// The characteristic that is declared at `handle`.
    pub(crate) fn characteristic(&self, handle: u16) -> Option<&Characteristic> {
        self.services
            .iter()
            .flat_map(|service| &service.characteristics)
            .find(|characteristic| characteristic.handle == handle)
    }
}

/// ATT error: Write Not Permitted (core specification, volume 3 part F, 3.4.1.1).
const WRITE_NOT_PERMITTED: u8 = 0x03;

/// Declaration handle of the SMP characteristic in [`GattTable::smp`].
pub const SMP_HANDLE: u16 = 0x0011;

fn smp_service() -> Service {
    Service {
        handle: 0x0010,
        uuid: SMP_SERVICE,
        characteristics: vec![Characteristic {
            handle: SMP_HANDLE,
            uuid: SMP_CHARACTERISTIC,
            properties: vec![Property::WriteWithoutResponse, Property::Notify],
            value: Vec::new(),
            descriptors: vec![Descriptor {
                handle: 0x0013,
                uuid: CCC,
            }],
        }],
    }
}

/// The service that every Zephyr build has, with `CONFIG_BT_GATT_CACHING` (`zephyr subsys/bluetooth/host/gatt.c`).
fn gatt_service() -> Service {
    let characteristic = |handle, uuid, properties, value| Characteristic {
        handle,
        uuid,
        properties,
        value,
        descriptors: Vec::new(),
    };
    Service {
        handle: 0x0001,
        uuid: GATT_SERVICE,
        characteristics: vec![
            Characteristic {
                descriptors: vec![Descriptor {
                    handle: 0x0004,
                    uuid: CCC,
                }],
                ..characteristic(
                    0x0002,
                    "00002a05-0000-1000-8000-00805f9b34fb",
                    vec![Property::Indicate],
                    Vec::new(),
                )
            },
            characteristic(
                0x0005,
                "00002b29-0000-1000-8000-00805f9b34fb",
                vec![Property::Read, Property::Write],
                vec![0],
            ),
            characteristic(0x0007, DATABASE_HASH, vec![Property::Read], vec![0x5a; 16]),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_rise_and_the_smp_characteristic_is_where_it_is_said_to_be() {
        let table = GattTable::smp();
        let mut handles = Vec::new();
        for service in &table.services {
            handles.push(service.handle);
            for characteristic in &service.characteristics {
                handles.extend([characteristic.handle, characteristic.handle + 1]);
                handles.extend(characteristic.descriptors.iter().map(|found| found.handle));
            }
        }
        assert!(handles.is_sorted_by(|a, b| a < b), "{handles:?}");
        let found = table.characteristic(SMP_HANDLE).expect("it is there");
        assert_eq!(found.uuid, SMP_CHARACTERISTIC);
    }
}
