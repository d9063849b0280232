//! Where the slots and the other partitions of a firmware set are, and what of the flash no update may touch.

use super::Firmware;
use super::region::{EXTERNAL_WINDOW, Region};
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{Area, DeviceId, Mode};
use hil_record::{ErrorKind, Partition};
use hil_scenario::{Core, Memory, Slot};

impl Firmware {
    /// Where a slot is.
    pub(crate) fn slot(&self, slot: Slot) -> Checked<Region> {
        self.region(slot.word()).ok_or_else(|| {
            Trouble::error(
                ErrorKind::File,
                format_args!(
                    "slot `{slot}` is not in the layout of firmware set `{}`",
                    self.set.name
                ),
            )
        })
    }

    /// The slots from which firmware runs.
    pub(crate) fn primary_slots(&self) -> Vec<Region> {
        [Slot::AppPrimary, Slot::NetPrimary]
            .iter()
            .filter_map(|slot| self.region(slot.word()))
            .collect()
    }

    /// Whether something of the set runs on the network core.
    pub(crate) fn has_network_core(&self) -> bool {
        self.set.layout.slot(Slot::NetPrimary).is_some()
    }

    /// Whether the bootloader wants an update in the slot's second sector.
    pub(crate) fn lies_one_sector_up(&self, slot: Slot) -> bool {
        self.set.bootloader.mode == Mode::SwapOffset
            && matches!(slot, Slot::AppSecondary | Slot::NetSecondary)
    }

    /// The bootloader's partition of a core.
    pub(crate) fn bootloader(&self, core: Core) -> Option<Region> {
        self.region(&format!("{core}.bootloader"))
    }

    /// The partitions in the external flash, by address. Nothing is known of the rest of it.
    pub(crate) fn external_partitions(&self) -> Vec<Region> {
        let layout = self.set.layout.iter();
        let mut regions: Vec<Region> = layout
            .filter_map(|(name, _)| self.region(name))
            .filter(|region| region.device() == DeviceId::External)
            .collect();
        regions.sort_by_key(|region| region.address);
        regions
    }

    /// Bytes of the external flash up to the end of its last partition.
    pub(crate) fn external_size(&self) -> u32 {
        let last = self.external_partitions().pop();
        last.map_or(0, |region| region.address - EXTERNAL_WINDOW + region.size)
    }

    /// The external flash up to the end of its last partition, where it has one.
    pub(crate) fn external_flash(&self) -> Option<Region> {
        let size = self.external_size();
        (size > 0).then_some(Region {
            core: Core::App,
            address: EXTERNAL_WINDOW,
            size,
        })
    }

    /// Flash that no update may touch: everything but the slots, the scratch areas and the bootloaders, which have a
    /// check of their own. Of the external flash, the other partitions.
    pub(crate) fn untouchable(&self) -> Vec<Region> {
        let changing: Vec<Region> = Slot::ALL
            .iter()
            .map(|slot| slot.word())
            .chain(["app.scratch"])
            .filter_map(|name| self.region(name))
            .collect();
        let mut untouchable = self.external_partitions();
        untouchable.retain(|region| !changing.contains(region));
        for core in Core::ALL {
            let mut taken: Vec<Region> = Slot::ALL
                .iter()
                .map(|slot| slot.word().to_owned())
                .chain([format!("{core}.bootloader"), format!("{core}.scratch")])
                .filter_map(|name| self.region(&name))
                .filter(|region| region.device() == Region::whole_flash(core).device())
                .collect();
            taken.sort_by_key(|region| region.address);
            let whole = Region::whole_flash(core);
            let mut next = whole.address;
            for region in &taken {
                if region.address > next {
                    untouchable.push(Region {
                        core,
                        address: next,
                        size: region.address - next,
                    });
                }
                next = next.max(region.address + region.size);
            }
            let end = whole.address + whole.size;
            if next < end {
                untouchable.push(Region {
                    core,
                    address: next,
                    size: end - next,
                });
            }
        }
        untouchable
    }

    /// The partitions in a memory, by address, with what the bootloader keeps at the ends of its slots.
    pub(crate) fn partitions(&self, device: DeviceId) -> Vec<Partition> {
        let bootloader = &self.set.bootloader;
        let slots = bootloader
            .images
            .iter()
            .flat_map(|slots| [slots.primary, slots.secondary]);
        let has_trailer: Vec<Area> = slots.filter(|area| area.device == device).collect();
        let mut partitions: Vec<Partition> = self
            .set
            .layout
            .iter()
            .filter_map(|(name, _)| Some((name, self.region(name)?)))
            .filter(|(_, region)| region.device() == device)
            .map(|(name, region)| Partition {
                name: name.to_owned(),
                address: region.address,
                size: region.size,
                trailer: has_trailer
                    .contains(&region.area())
                    .then(|| bootloader.trailer_size()),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.address);
        partitions
    }

    /// The partition that an address lies in, for messages.
    pub(crate) fn place(&self, core: Core, address: u32) -> String {
        self.set
            .layout
            .iter()
            .filter_map(|(name, _)| Some((name, self.region(name)?)))
            .find(|(_, region)| region.core == core && region.contains(address))
            .map_or_else(
                || "no partition".to_owned(),
                |(name, _)| format!("`{name}`"),
            )
    }

    /// A partition by its name.
    pub(crate) fn region(&self, name: &str) -> Option<Region> {
        let region = self.set.layout.region(name)?;
        let (core, base) = match region.memory {
            Memory::App => (Core::App, 0),
            Memory::Net => (Core::Net, 0),
            Memory::External => (Core::App, EXTERNAL_WINDOW),
        };
        Some(Region {
            core,
            address: base + region.address,
            size: region.size,
        })
    }
}
