//! The partitions of a board: where they are, and that they can be there.

use crate::locate::{NodePath, Part, Segment};
use crate::node::NodeError;
use crate::words::Slot;
use hil_bootloader::{Area, DeviceId, Mode};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// The chip that a firmware set is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Chip {
    /// An nRF5340.
    #[default]
    Nrf5340,
    /// An nRF51 with 256 KiB of flash.
    Nrf51,
}

impl Chip {
    /// Length of the application core's flash in bytes.
    #[must_use]
    pub const fn app_flash(self) -> u32 {
        match self {
            Self::Nrf5340 => Memory::App.size(),
            Self::Nrf51 => 0x4_0000,
        }
    }

    /// Length of the smallest part of it that can be erased, in bytes.
    #[must_use]
    pub const fn app_page(self) -> u32 {
        match self {
            Self::Nrf5340 => Memory::App.page(),
            Self::Nrf51 => 1024,
        }
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nrf5340 => "nRF5340",
            Self::Nrf51 => "nRF51",
        })
    }
}

/// A memory that partitions lie in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// The application core's flash.
    App,
    /// The network core's flash.
    Net,
    /// The QSPI flash on the board.
    External,
}

impl Memory {
    /// First address, in the owning core's map; external flash counts from 0.
    #[must_use]
    pub const fn start(self) -> u32 {
        match self {
            Self::App | Self::External => 0,
            Self::Net => 0x0100_0000,
        }
    }

    /// Length in bytes: nRF5340 product specification, memory; MX25R6435F on the DK (Zephyr
    /// `boards/nordic/nrf5340dk/nrf5340_cpuapp_common.dtsi`).
    #[must_use]
    pub const fn size(self) -> u32 {
        match self {
            Self::App => 0x10_0000,
            Self::Net => 0x4_0000,
            Self::External => 0x80_0000,
        }
    }

    /// Length of the smallest part that can be erased, in bytes.
    #[must_use]
    pub const fn page(self) -> u32 {
        match self {
            Self::App | Self::External => 4096,
            Self::Net => 2048,
        }
    }

    /// The bootloader model's name for it.
    #[must_use]
    pub const fn device(self) -> DeviceId {
        match self {
            Self::App => DeviceId::AppFlash,
            Self::Net => DeviceId::NetFlash,
            Self::External => DeviceId::External,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "application flash",
            Self::Net => "network flash",
            Self::External => "external flash",
        })
    }
}

/// A partition.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The memory it lies in.
    #[serde(rename = "core")]
    pub memory: Memory,
    /// First address, in the owning core's map; external flash counts from 0.
    pub address: u32,
    /// Length in bytes.
    pub size: u32,
}

impl Region {
    /// The first address behind it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address as u64 + self.size as u64
    }

    /// The same for the bootloader model, which counts from the start of the memory.
    #[must_use]
    pub const fn area(&self) -> Area {
        Area {
            device: self.memory.device(),
            offset: self.address.saturating_sub(self.memory.start()),
            size: self.size,
        }
    }

    const fn overlaps(&self, other: &Self) -> bool {
        self.memory as u8 == other.memory as u8
            && (self.address as u64) < other.end()
            && (other.address as u64) < self.end()
    }
}

/// All partitions of a board, checked: inside their memory, on page boundaries, none over another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout(BTreeMap<String, Region>);

impl Layout {
    /// The partition with this name, such as `app.settings`.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<Region> {
        self.0.get(name).copied()
    }

    /// The partition of a slot.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> Option<Region> {
        self.region(slot.word())
    }

    /// All partitions by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Region)> {
        self.0.iter().map(|(name, region)| (name.as_str(), *region))
    }

    /// Refuses what no board can have.
    pub(super) fn checked(self, chip: Chip, mode: Mode) -> Result<Self, NodeError> {
        for (name, region) in &self.0 {
            check_region(name, *region)?;
            check_chip(name, *region, chip)?;
        }
        for (name, region) in &self.0 {
            if let Some((other, _)) = self
                .0
                .range::<String, _>(..name)
                .find(|(_, other)| region.overlaps(other))
            {
                return Err(NodeError::new(
                    path_to(name, "address"),
                    Part::Value,
                    format!("`{name}` lies over `{other}`"),
                ));
            }
        }
        self.check_slots(chip, mode)?;
        Ok(self)
    }

    /// MCUboot's rule for the sizes of the two slots (mcuboot `boot/bootutil/src/swap_move.c` and `swap_offset.c`,
    /// `boot_slots_compatible`).
    fn check_slots(&self, chip: Chip, mode: Mode) -> Result<(), NodeError> {
        if mode == Mode::SingleSlot {
            return self.check_single_slot();
        }
        let missing = |slot: Slot| {
            NodeError::new(
                vec![Segment::Key("layout".to_owned())],
                Part::Key,
                format!("`layout` has no `{slot}`"),
            )
        };
        let primary = self
            .slot(Slot::AppPrimary)
            .ok_or_else(|| missing(Slot::AppPrimary))?;
        let secondary = self
            .slot(Slot::AppSecondary)
            .ok_or_else(|| missing(Slot::AppSecondary))?;
        let page = chip.app_page();
        let (primary, secondary) = (primary.size / page, secondary.size / page);
        let (fits, rule) = match mode {
            Mode::SwapMove => (
                primary == secondary || primary == secondary + 1,
                "swap-move needs a primary slot as large as the secondary or one page larger",
            ),
            Mode::SwapOffset => (
                secondary == primary || secondary == primary + 1,
                "swap-offset needs a secondary slot as large as the primary or one page larger",
            ),
            Mode::SwapScratch => (
                primary == secondary,
                "swap-scratch needs two slots of the same size",
            ),
            Mode::OverwriteOnly | Mode::SingleSlot => (true, ""),
        };
        if fits {
            return Ok(());
        }
        Err(NodeError::new(
            path_to(Slot::AppSecondary.word(), "size"),
            Part::Value,
            format!("`app.primary` has {primary} pages and `app.secondary` has {secondary}"),
        )
        .advising(rule))
    }
}

impl Layout {
    /// The one slot must be there, and no other of the application.
    fn check_single_slot(&self) -> Result<(), NodeError> {
        if self.slot(Slot::AppPrimary).is_none() {
            return Err(NodeError::new(
                vec![Segment::Key("layout".to_owned())],
                Part::Key,
                format!("`layout` has no `{}`", Slot::AppPrimary),
            ));
        }
        match self.slot(Slot::AppSecondary) {
            None => Ok(()),
            Some(_) => Err(NodeError::new(
                ["layout", Slot::AppSecondary.word()]
                    .map(|key| Segment::Key(key.to_owned()))
                    .to_vec(),
                Part::Key,
                format!("a `single-slot` bootloader has no `{}`", Slot::AppSecondary),
            )
            .advising("leave it out, or name the mode that the bootloader was built with")),
        }
    }
}

fn path_to(name: &str, key: &str) -> NodePath {
    ["layout", name, key]
        .map(|key| Segment::Key(key.to_owned()))
        .to_vec()
}

/// A chip with less memory than the largest one.
fn check_chip(name: &str, region: Region, chip: Chip) -> Result<(), NodeError> {
    let end = match (chip, region.memory) {
        (Chip::Nrf5340, _) => return Ok(()),
        (Chip::Nrf51, Memory::App) => chip.app_flash(),
        (Chip::Nrf51, memory @ (Memory::Net | Memory::External)) => {
            return Err(NodeError::new(
                path_to(name, "core"),
                Part::Value,
                format!("`{name}` lies in the {memory}, which an {chip} does not have"),
            ));
        }
    };
    if region.end() <= u64::from(end) {
        return Ok(());
    }
    Err(NodeError::new(
        path_to(name, "size"),
        Part::Value,
        format!(
            "`{name}` ends at {:#010x}, behind the end of the flash of an {chip} at {end:#010x}",
            region.end()
        ),
    ))
}

fn check_region(name: &str, region: Region) -> Result<(), NodeError> {
    let Region {
        memory,
        address,
        size,
    } = region;
    let refuse =
        |key: &str, message: String| Err(NodeError::new(path_to(name, key), Part::Value, message));
    if size == 0 {
        return refuse("size", format!("`{name}` has no bytes"));
    }
    let last = u64::from(memory.start()) + u64::from(memory.size());
    if address < memory.start() || u64::from(address) >= last {
        return refuse(
            "address",
            format!(
                "`{name}` starts at {address:#010x}, outside the {memory} ({:#010x} to {:#010x})",
                memory.start(),
                last - 1
            ),
        );
    }
    if region.end() > last {
        return refuse(
            "size",
            format!(
                "`{name}` ends at {:#010x}, behind the end of the {memory} at {last:#010x}",
                region.end()
            ),
        );
    }
    for (key, value) in [("address", address), ("size", size)] {
        if value % memory.page() != 0 {
            return refuse(
                key,
                format!(
                    "{key} {value:#010x} of `{name}` is not a multiple of the {memory}'s page size {:#x}",
                    memory.page()
                ),
            );
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Layout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self)
    }
}
