//! The partitions of a build as a firmware set names them.

use crate::finding::Finding;
use crate::partitions::{Partition, Partitions};
use crate::tree::BuildTree;
use hil_bootloader::Mode;

/// A partition with its name in the set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// `app`, `net` or `external`.
    pub(super) memory: &'static str,
    pub(super) address: u32,
    pub(super) size: u32,
}

/// All partitions that the set needs; the slot in RAM that stands for the network core is none of a flash.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Layout {
    pub(super) entries: Vec<Entry>,
    /// The primary slot of the network core's image in simultaneous updates: offset and size in `ram_flash`.
    pub(super) ram_slot: Option<(u32, u32)>,
}

impl Layout {
    /// How many sectors the largest slot has.
    pub(super) fn most_sectors(&self, sector: u32) -> u32 {
        let slots = ["app.primary", "app.secondary", "net.secondary"];
        let sizes = slots.iter().filter_map(|name| Some(self.get(name)?.size));
        sizes.max().unwrap_or(0).div_ceil(sector.max(1))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// Reads the layout; an error when a slot of the application is missing or in no flash.
pub(super) fn layout(tree: &BuildTree, mode: Option<Mode>) -> Result<Layout, Finding> {
    let file = tree.shown(&tree.partitions_file);
    let Some(table) = &tree.partitions else {
        return Err(
            Finding::error(tree.path().display(), "does not tell its partitions")
                .expected(format_args!("`{file}`"))
                .help("finish the build, or put `pm_static.yml` beside the build folder"),
        );
    };
    let need = |name: &'static str| {
        table.get(name).ok_or_else(|| {
            Finding::error(&file, format_args!("has no partition {name}"))
                .expected("both slots of the application")
                .help("name it in `pm_static.yml`")
        })
    };
    let primary = need("mcuboot_primary")?;
    // A build of one slot may still have room for another: nothing of MCUboot's goes there.
    let secondary = match mode {
        Some(Mode::SingleSlot) => None,
        _ => Some(need("mcuboot_secondary")?),
    };
    let mut layout = Layout::default();
    let bootloader = Partition {
        address: 0,
        size: primary.address,
        region: "flash_primary".to_owned(),
    };
    // With b0 in front of it MCUboot is only a part of what an update must not touch.
    let bootloader = match table.get("mcuboot") {
        Some(mcuboot) if mcuboot.address == 0 => mcuboot,
        _ => &bootloader,
    };
    for (name, partition) in [
        ("app.bootloader", Some(bootloader)),
        ("app.primary", Some(primary)),
        ("app.secondary", secondary),
        ("app.scratch", table.get("mcuboot_scratch")),
        ("net.secondary", table.get("mcuboot_secondary_1")),
        ("app.settings", settings(table)),
    ] {
        let Some(partition) = partition.filter(|partition| partition.size > 0) else {
            continue;
        };
        let memory = match partition.region.as_str() {
            "flash_primary" => "app",
            "external_flash" => "external",
            other => {
                return Err(Finding::error(
                    &file,
                    format_args!("`{name}` would lie in region {other}"),
                )
                .expected("flash_primary or external_flash")
                .help("only the internal flash and the QSPI flash of the board are known"));
            }
        };
        layout.entries.push(Entry {
            name,
            memory,
            address: partition.address,
            size: partition.size,
        });
    }
    layout.ram_slot = table
        .get("mcuboot_primary_1")
        .filter(|partition| partition.region == "ram_flash")
        .map(|partition| (partition.address, partition.size));
    if let Some(table) = &tree.network_partitions {
        network(table, &mut layout);
    }
    Ok(layout)
}

/// Settings are only named when nothing else is at their place: names for one range are many.
fn settings(table: &Partitions) -> Option<&Partition> {
    let settings = table.get("settings_storage")?;
    let slots = ["mcuboot_primary", "mcuboot_secondary", "mcuboot"];
    let alone = slots.iter().filter_map(|name| table.get(name)).all(|slot| {
        slot.region != settings.region
            || u64::from(slot.address) >= settings.end()
            || u64::from(settings.address) >= slot.end()
    });
    (alone && settings.region == "flash_primary" && settings.address % 4096 == 0)
        .then_some(settings)
}

fn network(table: &Partitions, layout: &mut Layout) {
    let Some(application) = table.get("app") else {
        return;
    };
    let start = 0x0100_0000;
    if application.address > start {
        layout.entries.push(Entry {
            name: "net.bootloader",
            memory: "net",
            address: start,
            size: application.address - start,
        });
    }
    layout.entries.push(Entry {
        name: "net.primary",
        memory: "net",
        address: application.address,
        size: application.size,
    });
}
