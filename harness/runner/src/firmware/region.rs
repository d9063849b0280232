//! Parts of flash in the address map of their core, and the same for the bootloader model, which counts from the start of a
//! memory.

use hil_bootloader::{Area, DeviceId, SimFlash};
use hil_scenario::{Core, Memory};

/// Where the application core sees the external flash (nRF5340 product specification, memory map).
pub(crate) const EXTERNAL_WINDOW: u32 = 0x1000_0000;

/// A part of the flash of one core, or of the external flash, which is in the application core's map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Region {
    pub(crate) core: Core,
    /// First address, in the core's own map.
    pub(crate) address: u32,
    /// Bytes.
    pub(crate) size: u32,
}

impl Region {
    /// All flash of a core.
    pub(crate) const fn whole_flash(core: Core) -> Self {
        let memory = match core {
            Core::App => Memory::App,
            Core::Net => Memory::Net,
        };
        Self {
            core,
            address: memory.start(),
            size: memory.size(),
        }
    }

    /// An area of the bootloader model, which counts from the start of the memory.
    pub(crate) const fn of_area(area: Area) -> Self {
        let (core, start) = match area.device {
            DeviceId::NetFlash => (Core::Net, Self::whole_flash(Core::Net).address),
            DeviceId::External => (Core::App, EXTERNAL_WINDOW),
            DeviceId::AppFlash | DeviceId::RamFlash => {
                (Core::App, Self::whole_flash(Core::App).address)
            }
        };
        Self {
            core,
            address: start + area.offset,
            size: area.size,
        }
    }

    /// Whether a byte lies in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.device() == other.device()
            && self.address < other.address.saturating_add(other.size)
            && other.address < self.address.saturating_add(self.size)
    }

    /// The device that it lies in, as the bootloader model names it.
    pub(crate) const fn device(&self) -> DeviceId {
        match self.core {
            Core::App if self.address >= EXTERNAL_WINDOW => DeviceId::External,
            Core::App => DeviceId::AppFlash,
            Core::Net => DeviceId::NetFlash,
        }
    }

    /// Its memory, for messages.
    pub(crate) const fn memory(&self) -> &'static str {
        memory_name(self.device())
    }

    /// Where its memory starts, in its core's map.
    const fn memory_start(&self) -> u32 {
        match self.device() {
            DeviceId::External => EXTERNAL_WINDOW,
            _ => Self::whole_flash(self.core).address,
        }
    }

    /// The same for the bootloader model, which counts from the start of the memory.
    pub(crate) const fn area(&self) -> Area {
        Area {
            device: self.device(),
            offset: self.address - self.memory_start(),
            size: self.size,
        }
    }

    /// Whether an address of its core lies in it.
    pub(crate) const fn contains(&self, address: u32) -> bool {
        address >= self.address && address - self.address < self.size
    }

    /// Its bytes in a flash of the bootloader model; shorter when they do not all lie in its device.
    pub(crate) fn bytes_of(&self, flash: &SimFlash) -> Vec<u8> {
        let area = self.area();
        flash.bytes_at(area.device, area.offset as usize, area.size as usize)
    }

    /// Its bytes in a dump of its whole memory.
    pub(crate) fn of_dump<'a>(&self, dump: &'a [u8]) -> &'a [u8] {
        let start = (self.address - self.memory_start()) as usize;
        let end = start + self.size as usize;
        dump.get(start..end.min(dump.len())).unwrap_or_default()
    }
}

/// A device of the bootloader model, for messages.
pub(crate) const fn memory_name(device: DeviceId) -> &'static str {
    match device {
        DeviceId::External => "external flash",
        DeviceId::NetFlash => "net core",
        DeviceId::AppFlash | DeviceId::RamFlash => "app core",
    }
}
