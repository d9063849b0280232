//! The attributes of a peripheral: what its GATT table is on the air.

use virtual_radio::gatt::{CCC, GattTable, Property};

/// Primary Service.
pub(crate) const PRIMARY_SERVICE: Uuid = Uuid::Short(0x2800);
const CHARACTERISTIC: Uuid = Uuid::Short(0x2803);
/// GAP, behind the GATT service of a Zephyr build: the handles that [`GattTable`] leaves free for it.
const GAP_HANDLE: u16 = 0x0009;
/// The Bluetooth base UUID without its upper 32 bits.
const BASE: u128 = 0x0000_0000_0000_1000_8000_0080_5f9b_34fb;

/// A UUID as ATT carries it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Uuid {
    /// 16 bits above the base UUID.
    Short(u16),
    /// 128 bits.
    Long(u128),
}

impl Uuid {
    /// From the notation of BlueZ.
    fn parse(text: &str) -> Option<Self> {
        let value = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
        Some(match u16::try_from(value >> 96) {
            Ok(short) if value & (u128::MAX >> 32) == BASE => Self::Short(short),
            _ => Self::Long(value),
        })
    }

    /// From what a PDU ends with.
    pub(crate) fn from_le(bytes: &[u8]) -> Option<Self> {
        if let Ok(short) = bytes.try_into() {
            Some(Self::Short(u16::from_le_bytes(short)))
        } else {
            bytes
                .try_into()
                .ok()
                .map(|long| Self::Long(u128::from_le_bytes(long)))
        }
    }

    /// Least significant byte first, 2 or 16 bytes.
    pub(crate) fn to_le(self) -> Vec<u8> {
        match self {
            Self::Short(short) => short.to_le_bytes().to_vec(),
            Self::Long(long) => long.to_le_bytes().to_vec(),
        }
    }
}

/// The bytes of a service's UUID, for an advertisement.
pub(crate) fn uuid_to_le(text: &str) -> Vec<u8> {
    Uuid::parse(text).map(Uuid::to_le).unwrap_or_default()
}

/// What an attribute is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// A service, whose last attribute has this handle.
    Service { end: u16 },
    /// The declaration of a characteristic, or something else that is only read.
    Fixed,
    /// The value of the characteristic that is declared at this handle.
    Value {
        declaration: u16,
        read: bool,
        /// With a response or without: Zephyr looks at the permissions of the attribute, not at the properties of the
        /// characteristic (`zephyr subsys/bluetooth/host/att.c`, `write_cb`).
        write: bool,
    },
    /// The configuration of the characteristic that is declared at this handle.
    Configuration { declaration: u16 },
}

/// One attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) handle: u16,
    pub(crate) uuid: Uuid,
    pub(crate) role: Role,
    pub(crate) value: Vec<u8>,
}

/// The attributes of a board with this table and name, in the order of their handles.
pub(crate) fn of(table: &GattTable, name: &str) -> Vec<Attribute> {
    let mut attributes = gap(name);
    for service in &table.services {
        let Some(uuid) = Uuid::parse(service.uuid) else {
            continue;
        };
        let last = service.characteristics.iter().map(|found| {
            let value = found.handle.saturating_add(1);
            found
                .descriptors
                .iter()
                .fold(value, |last, next| last.max(next.handle))
        });
        attributes.push(Attribute {
            handle: service.handle,
            uuid: PRIMARY_SERVICE,
            role: Role::Service {
                end: last.max().unwrap_or(service.handle),
            },
            value: uuid.to_le(),
        });
        for characteristic in &service.characteristics {
            let Some(uuid) = Uuid::parse(characteristic.uuid) else {
                continue;
            };
            let properties = &characteristic.properties;
            attributes.extend(characteristic_of(
                characteristic.handle,
                uuid,
                properties,
                &characteristic.value,
            ));
            for descriptor in &characteristic.descriptors {
                attributes.extend(Uuid::parse(descriptor.uuid).map(|uuid| Attribute {
                    handle: descriptor.handle,
                    uuid,
                    role: if descriptor.uuid == CCC {
                        Role::Configuration {
                            declaration: characteristic.handle,
                        }
                    } else {
                        Role::Fixed
                    },
                    value: Vec::new(),
                }));
            }
        }
    }
    attributes.sort_by_key(|attribute| attribute.handle);
    attributes
}

fn gap(name: &str) -> Vec<Attribute> {
    let read = [Property::Read];
    let mut attributes = vec![Attribute {
        handle: GAP_HANDLE,
        uuid: PRIMARY_SERVICE,
        role: Role::Service {
            end: GAP_HANDLE + 4,
        },
        value: Uuid::Short(0x1800).to_le(),
    }];
    let (device_name, appearance) = (Uuid::Short(0x2a00), Uuid::Short(0x2a01));
    attributes.extend(characteristic_of(
        GAP_HANDLE + 1,
        device_name,
        &read,
        name.as_bytes(),
    ));
    attributes.extend(characteristic_of(
        GAP_HANDLE + 3,
        appearance,
        &read,
        &[0, 0],
    ));
    attributes
}

/// Declaration and value.
fn characteristic_of(
    declaration: u16,
    uuid: Uuid,
    properties: &[Property],
    value: &[u8],
) -> [Attribute; 2] {
    let bits = properties
        .iter()
        .fold(0, |bits, property| bits | bit(*property));
    let value_handle = declaration.saturating_add(1);
    let mut declared = vec![bits];
    declared.extend(value_handle.to_le_bytes());
    declared.extend(uuid.to_le());
    [
        Attribute {
            handle: declaration,
            uuid: CHARACTERISTIC,
            role: Role::Fixed,
            value: declared,
        },
        Attribute {
            handle: value_handle,
            uuid,
            role: Role::Value {
                declaration,
                read: properties.contains(&Property::Read),
                write: properties.contains(&Property::Write)
                    || properties.contains(&Property::WriteWithoutResponse),
            },
            value: value.to_vec(),
        },
    ]
}

/// The bit of a property in a declaration (core 5.0, volume 3 part G, table 3.5).
fn bit(property: Property) -> u8 {
    match property {
        Property::Read => 0x02,
        Property::WriteWithoutResponse => 0x04,
        Property::Write => 0x08,
        Property::Notify => 0x10,
        Property::Indicate => 0x20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtual_radio::gatt::SMP_HANDLE;

    #[test]
    fn a_zephyr_application_has_its_three_services_at_their_handles() {
        let attributes = of(&GattTable::smp(), "dk");
        let services: Vec<_> = attributes
            .iter()
            .filter_map(|attribute| match attribute.role {
                Role::Service { end } => Some((attribute.handle, end, attribute.value.len())),
                _ => None,
            })
            .collect();
        assert_eq!(
            services,
            [(0x01, 0x08, 2), (0x09, 0x0d, 2), (0x10, 0x13, 16)]
        );
        assert!(attributes.is_sorted_by(|a, b| a.handle < b.handle));
    }

    #[test]
    fn the_declaration_of_the_smp_characteristic_says_write_command_and_notify() {
        let attributes = of(&GattTable::smp(), "dk");
        let declaration = attributes.iter().find(|found| found.handle == SMP_HANDLE);
        let value = declaration
            .map(|found| found.value.clone())
            .unwrap_or_default();
        assert_eq!(value[..3], [0x14, 0x12, 0x00]);
        assert_eq!(value[3..6], [0x48, 0x7c, 0x99]);
    }
}
