//! The partition manager's tables: `partitions.yml`, `partitions_CPUNET.yml`, `pm_static.yml` and `pm.config`.
//!
//! Facts: sdk-nrf `scripts/partition_manager.py`, and published build folders. Entries overlap, have no bytes, and have
//! several names: that is normal. Addresses of different regions have nothing to do with each other; those in
//! `external_flash` and `ram_flash` count from 0.

use crate::kconfig;
use hil_scenario::bounded_yaml;
use serde_yaml::Value;
use std::collections::BTreeMap;

/// The longest table in bytes (ours): the largest known has 12 kB.
pub(crate) const MAX_TABLE_BYTES: u64 = 256 * 1024;

/// Length of the application core's flash in bytes (nRF5340 product specification).
const APP_FLASH_BYTES: u32 = 0x10_0000;

/// The most partitions of one table (ours): about 40 are known.
const MAX_PARTITIONS: usize = 512;

/// A partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partition {
    /// First address; in `external_flash` and `ram_flash` from 0.
    pub address: u32,
    /// Length in bytes, perhaps 0.
    pub size: u32,
    /// The memory: `flash_primary`, `external_flash`, `ram_flash`, `sram_primary`, …
    pub region: String,
}

impl Partition {
    /// The first address behind it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address as u64 + self.size as u64
    }
}

/// The partitions of one domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Partitions(BTreeMap<String, Partition>);

/// Why a table cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PartitionsError {
    /// No YAML, or a bomb.
    #[error("is not YAML: {0}")]
    Yaml(String),
    /// Not a table.
    #[error("is no partition table: found no mapping of partitions")]
    Shape,
    /// An entry without a usable number.
    #[error(
        "partition `{partition}` has no usable `{key}`: found {found}, expected a number below 4 GiB"
    )]
    Number {
        /// Name of the partition.
        partition: String,
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
    },
    /// A partition that would end behind 4 GiB.
    #[error(
        "partition `{partition}` starts at {address:#010x} and has {size:#x} bytes: that ends behind 4 GiB"
    )]
    Overflow {
        /// Name of the partition.
        partition: String,
        /// First address.
        address: u32,
        /// Length in bytes.
        size: u32,
    },
    /// More than any board has.
    #[error("has {0} partitions, expected at most {MAX_PARTITIONS}")]
    Many(usize),
}

impl Partitions {
    /// Reads `partitions.yml`, `partitions_CPUNET.yml` or `pm_static.yml`.
    ///
    /// # Errors
    ///
    /// It is no such table.
    pub fn parse(text: &str) -> Result<Self, PartitionsError> {
        let value = bounded_yaml(text).map_err(|error| PartitionsError::Yaml(error.to_string()))?;
        let Value::Mapping(entries) = value else {
            return Err(PartitionsError::Shape);
        };
        if entries.len() > MAX_PARTITIONS {
            return Err(PartitionsError::Many(entries.len()));
        }
        let mut partitions = BTreeMap::new();
        for (name, entry) in &entries {
            let (Some(name), Some(entry)) = (name.as_str(), entry.as_mapping()) else {
                return Err(PartitionsError::Shape);
            };
            let number = |key: &'static str| -> Result<Option<u32>, PartitionsError> {
                entry
                    .get(key)
                    .map(|value| {
                        as_number(value).ok_or_else(|| PartitionsError::Number {
                            partition: shortened(name),
                            key,
                            found: shown(value),
                        })
                    })
                    .transpose()
            };
            // A static entry may only name its span; its numbers are in the generated table then.
            let Some(address) = number("address")? else {
                continue;
            };
            let size = match (number("size")?, number("end_address")?) {
                (Some(size), _) => size,
                (None, Some(end)) if end >= address => end - address,
                _ => {
                    return Err(PartitionsError::Number {
                        partition: shortened(name),
                        key: "size",
                        found: "none".to_owned(),
                    });
                }
            };
            let region = entry
                .get("region")
                .and_then(Value::as_str)
                .unwrap_or("flash_primary");
            insert(&mut partitions, name, address, size, region)?;
        }
        Ok(Self(partitions))
    }

    /// Reads `pm.config` or `pm_CPUNET.config`, which says the same without the regions: those of the slots are told by
    /// their addresses.
    ///
    /// # Errors
    ///
    /// A partition ends behind 4 GiB.
    pub fn parse_config(text: &str) -> Result<Self, PartitionsError> {
        let lines: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.trim().split_once('='))
            .take(20 * MAX_PARTITIONS)
            .collect();
        let of = |key: &str| lines.get(key).and_then(|value| kconfig::number(value));
        // The secondary slots lie behind the primary one, or elsewhere.
        let external = match (
            of("PM_MCUBOOT_SECONDARY_ADDRESS"),
            of("PM_MCUBOOT_PRIMARY_END_ADDRESS"),
        ) {
            (Some(secondary), Some(end)) => secondary < end || secondary >= APP_FLASH_BYTES,
            _ => false,
        };
        let mut partitions = BTreeMap::new();
        for (key, name) in &lines {
            let Some(prefix) = key
                .strip_suffix("_NAME")
                .filter(|key| key.starts_with("PM_"))
            else {
                continue;
            };
            let value = |what: &str| of(&format!("{prefix}_{what}"));
            let (Some(address), Some(size)) = (value("ADDRESS"), value("SIZE")) else {
                continue;
            };
            let region = match *name {
                "mcuboot_primary_1" => "ram_flash",
                "external_flash" => "external_flash",
                "mcuboot_secondary" | "mcuboot_secondary_1" if external => "external_flash",
                name if name.contains("sram") => "sram_primary",
                _ => "flash_primary",
            };
            insert(&mut partitions, name, address, size, region)?;
        }
        if partitions.len() > MAX_PARTITIONS {
            return Err(PartitionsError::Many(partitions.len()));
        }
        Ok(Self(partitions))
    }

    /// The partition with this name, unless it has no bytes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Partition> {
        self.0.get(name).filter(|partition| partition.size > 0)
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Partition)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn insert(
    partitions: &mut BTreeMap<String, Partition>,
    name: &str,
    address: u32,
    size: u32,
    region: &str,
) -> Result<(), PartitionsError> {
    if address.checked_add(size).is_none() {
        return Err(PartitionsError::Overflow {
            partition: shortened(name),
            address,
            size,
        });
    }
    let partition = Partition {
        address,
        size,
        region: shortened(region),
    };
    partitions.insert(name.to_owned(), partition);
    Ok(())
}

fn as_number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64()?.try_into().ok(),
        Value::String(text) => kconfig::number(text),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("`{}`", shortened(text)),
        _ => "something else".to_owned(),
    }
}

/// Text from a file, as far as a message can carry it.
pub(crate) fn shortened(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(80)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn what_the_partition_manager_writes_is_read() {
        let table = Partitions::parse(
            "app:\n  address: 0x10200\n  end_address: 0xf0000\n  region: flash_primary\n  size: 0xdfe00\n\
             mcuboot_primary:\n  address: 0x10000\n  orig_span: &id001\n  - mcuboot_pad\n  - app\n  region: flash_primary\n  size: 0xe0000\n  span: *id001\n\
             mcuboot_secondary:\n  address: 0x0\n  device: MX25R64\n  region: external_flash\n  size: '0xe0000'\n\
             ram_flash:\n  address: 0x40000\n  region: ram_flash\n  size: 0x0\n\
             settings_storage:\n  address: 0xf0000\n  end_address: 0x100000\n  region: flash_primary\n",
        )
        .unwrap();
        assert_eq!(table.get("mcuboot_primary").unwrap().end(), 0xF0000);
        assert_eq!(
            table.get("mcuboot_secondary").unwrap().region,
            "external_flash"
        );
        assert_eq!(table.get("mcuboot_secondary").unwrap().size, 0xE0000);
        assert_eq!(table.get("settings_storage").unwrap().size, 0x10000);
        assert_eq!(table.get("ram_flash"), None);
    }

    #[rstest]
    #[case::list("- a", "is no partition table: found no mapping of partitions")]
    #[case::nothing("", "is no partition table: found no mapping of partitions")]
    #[case::text_for_a_number(
        "app: { address: here, size: 1 }",
        "partition `app` has no usable `address`: found `here`, expected a number below 4 GiB"
    )]
    #[case::negative(
        "app: { address: -1, size: 1 }",
        "partition `app` has no usable `address`: found -1, expected a number below 4 GiB"
    )]
    #[case::no_size(
        "app: { address: 1 }",
        "partition `app` has no usable `size`: found none, expected a number below 4 GiB"
    )]
    #[case::behind_the_end(
        "app: { address: 0xffff0000, size: 0x20000 }",
        "partition `app` starts at 0xffff0000 and has 0x20000 bytes: that ends behind 4 GiB"
    )]
    fn a_damaged_table_is_refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(Partitions::parse(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn pm_config_says_the_same_as_the_table() {
        let table = Partitions::parse_config(
            "PM_MCUBOOT_PRIMARY_ADDRESS=0x10000\r\nPM_MCUBOOT_PRIMARY_END_ADDRESS=0xf0000\r\nPM_MCUBOOT_PRIMARY_SIZE=0xe0000\r\nPM_MCUBOOT_PRIMARY_NAME=mcuboot_primary\r\n\
             PM_MCUBOOT_SECONDARY_ADDRESS=0x0\r\nPM_MCUBOOT_SECONDARY_SIZE=0xe0000\r\nPM_MCUBOOT_SECONDARY_NAME=mcuboot_secondary\r\n\
             PM_MCUBOOT_SECONDARY_1_ADDRESS=0xe0000\r\nPM_MCUBOOT_SECONDARY_1_SIZE=0x40000\r\nPM_MCUBOOT_SECONDARY_1_NAME=mcuboot_secondary_1\r\n",
        )
        .unwrap();
        assert_eq!(
            table.get("mcuboot_primary").unwrap().region,
            "flash_primary"
        );
        for name in ["mcuboot_secondary", "mcuboot_secondary_1"] {
            assert_eq!(table.get(name).unwrap().region, "external_flash", "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9x_:\\-\\[\\]{}&*,'\" \n]{0,200}") {
            let _ = Partitions::parse(&text);
            let _ = Partitions::parse_config(&text);
        }
    }
}
