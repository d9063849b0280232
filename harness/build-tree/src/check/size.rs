//! Whether an image fits: the slot also holds the trailer, and swapping needs room of its own.
//!
//! Facts: `bootutil_max_image_size` in mcuboot `boot/bootutil/src/bootutil_misc.c`, `app_max_size` and `swap_run` in
//! `swap_move.c`, `swap_offset.c`, `swap_scratch.c`. imgtool knows neither sector rounding nor the spare sector, so an
//! image that it signs may be one that the bootloader never swaps.

use crate::finding::Finding;
use hil_bootloader::{Config, ContentKeySize, Encryption, Mode};
use hil_image::trailer::{SwapMode, TrailerKeys, TrailerLayout};
use hil_image::{AesKeySize, Image};
use hil_scenario::{Core, FirmwareSet, ImageRef, Region, Slot};

/// Bytes that overwrite-only keeps at the end of a slot: magic, image_ok, copy_done, swap_info with an alignment of 8.
const OVERWRITE_TRAILER: u64 = 40;

pub(super) fn check(
    set: &FirmwareSet,
    role: &ImageRef,
    file: &str,
    image: &Image<'_>,
) -> Option<Finding> {
    let (secondary, name) = waiting_slot(set, role.core)?;
    let length = image.len() as u64;
    // An image for the network core is copied from the secondary slot, not swapped with the primary one.
    let primary = match role.core {
        Core::App => set.layout.slot(Slot::AppPrimary)?,
        // Where there is one slot it goes through RAM, which every image for that core fits.
        Core::Net if !set.bootloader.has_secondary() => return None,
        Core::Net => secondary,
    };
    let room = Room::of(&set.bootloader, primary, secondary);
    if length <= room.limit {
        return None;
    }
    Some(
        Finding::error(
            file,
            format_args!("has {length:#x} bytes, header to last TLV"),
        )
        .expected(format_args!(
            "at most {:#x} in `{name}` of {:#x}: {}",
            room.limit, secondary.size, room.why
        ))
        .help("make the image smaller, or the slots larger in `pm_static.yml` (new devices only); with swap-move the bootloader says `Not enough free space to run swap upgrade` and the update stays pending"),
    )
}

/// The slot that an image waits in.
fn waiting_slot(set: &FirmwareSet, core: Core) -> Option<(Region, &'static str)> {
    let own = match core {
        Core::App => None,
        Core::Net => set
            .layout
            .slot(Slot::NetSecondary)
            .map(|slot| (slot, "net.secondary")),
    };
    own.or_else(|| {
        let slot = if set.bootloader.has_secondary() {
            Slot::AppSecondary
        } else {
            Slot::AppPrimary
        };
        Some((set.layout.slot(slot)?, slot.word()))
    })
}

/// The largest image, and how it comes about.
struct Room {
    limit: u64,
    why: String,
}

impl Room {
    fn of(config: &Config, primary: Region, secondary: Region) -> Self {
        let page = u64::from(config.sector_size.max(1));
        let trailer = trailer_size(config);
        let pages = trailer.div_ceil(page) * page;
        let (primary, secondary) = (u64::from(primary.size), u64::from(secondary.size));
        let behind = |slot: u64, taken: u64| slot.saturating_sub(taken);
        match config.mode {
            Mode::SwapMove => Self {
                limit: behind(primary, pages + page).min(behind(secondary, pages)),
                why: format!(
                    "the trailer takes {trailer:#x} bytes ({pages:#x} in whole sectors), and swap-move needs one sector of {page:#x} to spare in the primary slot"
                ),
            },
            Mode::SwapOffset => Self {
                limit: behind(primary, pages).min(behind(secondary, pages + page)),
                why: format!(
                    "the trailer takes {trailer:#x} bytes ({pages:#x} in whole sectors), and swap-offset puts the update one sector of {page:#x} up in the secondary slot"
                ),
            },
            Mode::SwapScratch => Self {
                limit: behind(primary.min(secondary), trailer),
                why: format!("the trailer takes {trailer:#x} bytes"),
            },
            Mode::SingleSlot => Self {
                limit: behind(primary, trailer),
                why: format!("the trailer, which is never written, takes {trailer:#x} bytes"),
            },
            Mode::OverwriteOnly => Self {
                limit: behind(primary.min(secondary), OVERWRITE_TRAILER),
                why: format!("the trailer takes {OVERWRITE_TRAILER:#x} bytes"),
            },
        }
    }
}

fn trailer_size(config: &Config) -> u64 {
    let mode = match config.mode {
        Mode::SwapMove => SwapMode::Move,
        Mode::SwapOffset => SwapMode::Offset,
        Mode::SwapScratch => SwapMode::Scratch,
        Mode::OverwriteOnly | Mode::SingleSlot => SwapMode::Overwrite,
    };
    let size = match config.content_key {
        ContentKeySize::Aes128 => AesKeySize::Aes128,
        ContentKeySize::Aes256 => AesKeySize::Aes256,
    };
    let keys = match (config.encryption, config.save_enctlv) {
        (Encryption::None, _) => TrailerKeys::None,
        (_, false) => TrailerKeys::Plain(size),
        // A TLV is never longer than 65,535 bytes.
        (scheme, true) => TrailerKeys::Tlv(scheme.tlv_size(config).try_into().unwrap_or(u16::MAX)),
    };
    TrailerLayout {
        mode,
        max_sectors: config.max_sectors,
        write_size: config.write_size,
        max_align: config.max_align,
        keys,
    }
    .size()
}

/// Slots with more sectors than the bootloader has room for are never updated: it only warns.
pub(super) fn check_slots(set: &FirmwareSet) -> Vec<Finding> {
    let page = set.bootloader.sector_size.max(1);
    [Slot::AppPrimary, Slot::AppSecondary]
        .into_iter()
        .filter_map(|slot| {
            let sectors = set.layout.slot(slot)?.size.div_ceil(page);
            (sectors > set.bootloader.max_sectors).then(|| {
                Finding::error(
                    set.path.display(),
                    format_args!("`{slot}` has {sectors} sectors of {page:#x} bytes"),
                )
                .expected(format_args!(
                    "at most `bootloader.max-sectors`, {}",
                    set.bootloader.max_sectors
                ))
                .help("MCUboot finds the slots not compatible and never updates: raise CONFIG_BOOT_MAX_IMG_SECTORS of MCUboot")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootloader::unplaced;
    use hil_bootloader::Signature;
    use hil_scenario::Memory;
    use rstest::rstest;

    fn config(mode: Mode) -> Config {
        unplaced(mode, Signature::None)
    }

    fn slot(size: u32) -> Region {
        Region {
            memory: Memory::App,
            address: 0x10000,
            size,
        }
    }

    /// Trailer sizes by hand: 128 sectors * 3 states * 4 bytes + 48 = 1584, one sector; 2048 sectors: 24624, seven.
    #[rstest]
    #[case::swap_move(config(Mode::SwapMove), 0x40000, 0x40000 - 0x2000)]
    #[case::swap_move_many_sectors(Config { max_sectors: 2048, ..config(Mode::SwapMove) }, 0xE0000, 0xE0000 - 0x8000)]
    #[case::swap_offset(config(Mode::SwapOffset), 0x40000, 0x40000 - 0x2000)]
    #[case::swap_scratch(config(Mode::SwapScratch), 0x40000, 0x40000 - 1584)]
    #[case::overwrite(config(Mode::OverwriteOnly), 0xE0000, 0xE0000 - 40)]
    #[case::slot_of_one_sector(config(Mode::SwapMove), 0x1000, 0)]
    fn the_largest_image_leaves_room_for_trailer_and_spare_sector(
        #[case] config: Config,
        #[case] size: u32,
        #[case] limit: u64,
    ) {
        assert_eq!(Room::of(&config, slot(size), slot(size)).limit, limit);
    }

    #[test]
    fn a_secondary_slot_one_sector_smaller_loses_nothing_with_swap_move() {
        let room = Room::of(&config(Mode::SwapMove), slot(0x41000), slot(0x40000));
        assert_eq!(room.limit, 0x40000 - 0x1000);
    }
}
