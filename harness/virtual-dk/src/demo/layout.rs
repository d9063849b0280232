//! The partitions of demo boards.

use hil_bootloader::{Area, DeviceId};

/// A partition, in addresses of the core that owns it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Partition {
    pub(super) name: &'static str,
    pub(super) core: &'static str,
    pub(super) address: u32,
    pub(super) size: u32,
}

impl Partition {
    const fn new(name: &'static str, core: &'static str, address: u32, size: u32) -> Self {
        Self {
            name,
            core,
            address,
            size,
        }
    }

    /// As the bootloader models know it. Not for partitions in the network core's flash.
    pub(super) fn area(self) -> Area {
        Area {
            device: match self.core {
                "external" => DeviceId::External,
                _ => DeviceId::AppFlash,
            },
            offset: self.address,
            size: self.size,
        }
    }
}

pub(super) const APP_BOOTLOADER: Partition =
    Partition::new("app.bootloader", "app", 0x0000_0000, 0xC000);
pub(super) const APP_PRIMARY: Partition =
    Partition::new("app.primary", "app", 0x0000_C000, 0x40000);
pub(super) const NET_BOOTLOADER: Partition =
    Partition::new("net.bootloader", "net", 0x0100_0000, 0x8800);
pub(super) const NET_PRIMARY: Partition =
    Partition::new("net.primary", "net", 0x0100_8800, 0x37800);
const APP_SECONDARY: Partition = Partition::new("app.secondary", "app", 0x0004_C000, 0x40000);
/// A page more than the primary, so that the update's way around one page costs no room.
const APP_SECONDARY_OFFSET: Partition =
    Partition::new("app.secondary", "app", 0x0004_C000, 0x41000);
/// Behind two slots. Four pages: a swap goes through it in groups of sectors, and not one by one.
const APP_SCRATCH: Partition = Partition::new("app.scratch", "app", 0x0008_C000, 0x4000);
const APP_SETTINGS: Partition = Partition::new("app.settings", "app", 0x000F_C000, 0x4000);
const EXTERNAL_SECONDARY: Partition =
    Partition::new("app.secondary", "external", 0x0000_0000, 0x40000);
const EXTERNAL_STORAGE: Partition =
    Partition::new("external.storage", "external", 0x0004_0000, 0x10000);

/// Both application slots in the application core's flash.
pub(super) const INTERNAL: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    APP_SECONDARY,
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
];

/// The secondary slot in the external flash, which holds something else behind it.
pub(super) const EXTERNAL: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    EXTERNAL_SECONDARY,
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
    EXTERNAL_STORAGE,
];

/// The secondary slot a page larger than the primary.
pub(super) const OFFSET: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    APP_SECONDARY_OFFSET,
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
];

/// Both application slots in the application core's flash, and a scratch area.
pub(super) const SCRATCH: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    APP_SECONDARY,
    APP_SCRATCH,
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
];

/// For both cores at once: two secondary slots in the external flash, and something else behind them.
pub(super) const SIMULTANEOUS_EXTERNAL: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    EXTERNAL_SECONDARY,
    Partition::new("net.secondary", "external", 0x0004_0000, 0x40000),
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
    Partition::new("external.storage", "external", 0x0008_0000, 0x10000),
];

/// For both cores at once without an external flash. Slots of the application may have up to 0x58000 bytes then.
pub(super) const SIMULTANEOUS_INTERNAL: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    APP_SECONDARY,
    Partition::new("net.secondary", "app", 0x0008_C000, 0x40000),
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
];

/// One slot for the application. The rest of the flash is its own.
pub(super) const SINGLE_SLOT: &[Partition] = &[
    APP_BOOTLOADER,
    APP_PRIMARY,
    APP_SETTINGS,
    NET_BOOTLOADER,
    NET_PRIMARY,
];

/// Nothing on the network core.
pub(super) const SINGLE_CORE: &[Partition] =
    &[APP_BOOTLOADER, APP_PRIMARY, APP_SECONDARY, APP_SETTINGS];
