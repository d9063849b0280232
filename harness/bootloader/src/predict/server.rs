//! What the SMP server of an application does to flash, operation by operation, so that it can be interrupted at each.
//!
//! It is Zephyr's, built without `CONFIG_IMG_ERASE_PROGRESSIVELY`: the first chunk erases the sectors of the image and those
//! of the trailer, unless the slot is blank (zephyr `subsys/mgmt/mcumgr/grp/img_mgmt/src/{img_mgmt.c,zephyr_img_mgmt.c}`),
//! and what comes is written in blocks (zephyr `subsys/dfu/img_util/flash_img.c`). What servers of other builds may leave
//! at the end is for the [`Forecast`](super::Forecast), which has no order.

use super::PredictError;
use crate::config::{Config, Encryption, Mode};
use crate::flash::{Area, DeviceId, Flash};
use crate::marks::swap_type;
use crate::outcome::SwapType;
use crate::pages::ERASED;
use crate::sim::SimFlash;
use std::ops::Range;

/// `CONFIG_IMG_BLOCK_BUF_SIZE` of builds that do not set it, in bytes (zephyr `subsys/dfu/Kconfig`).
const BLOCK: usize = 512;

/// Takes a whole image into the secondary slot of `image`.
pub(super) fn upload(
    config: &Config,
    flash: &mut SimFlash,
    image: usize,
    file: &[u8],
) -> Result<(), PredictError> {
    let slot = secondary(config, image)?;
    let length = file.len() as u32;
    let sector = config.sector_size.max(1);
    // `boot_get_image_start_offset`.
    let start = match config.mode {
        Mode::SwapOffset if swap_type(config, flash, image)? != SwapType::Revert => sector,
        _ => 0,
    };
    if length > slot.size.saturating_sub(start) {
        return Err(PredictError::OutOfRange {
            device: slot.device,
            offset: slot.offset + start,
            length: file.len(),
        });
    }
    if !is_blank(flash, slot) {
        let image_end = (start + length.max(1)).next_multiple_of(sector);
        erase_pages(
            config,
            flash,
            slot.device,
            slot.offset..slot.offset + image_end,
        )?;
        // An application knows nothing of the keys in the trailer.
        let plain = Config {
            encryption: Encryption::None,
            ..config.clone()
        };
        if slot.size.saturating_sub(plain.trailer_size()) >= image_end {
            let trailer = slot.trailer_sectors(plain.trailer_size(), sector);
            erase_pages(
                config,
                flash,
                slot.device,
                slot.offset + trailer..slot.offset + slot.size,
            )?;
        }
    }
    for (at, block) in (start..).step_by(BLOCK).zip(file.chunks(BLOCK)) {
        let mut block = block.to_vec();
        let unit = config.write_size.max(1) as usize;
        block.resize(block.len().next_multiple_of(unit), ERASED);
        flash.write(slot.device, slot.offset + at, &block)?;
    }
    Ok(())
}

/// Erases a whole slot, unless it is blank.
pub(super) fn erase(config: &Config, flash: &mut SimFlash, slot: Area) -> Result<(), PredictError> {
    if is_blank(flash, slot) {
        return Ok(());
    }
    erase_pages(
        config,
        flash,
        slot.device,
        slot.offset..slot.offset + slot.size,
    )
}

/// Erases pages one after the other, as the chip does: the server asks for all of them at once, and the power may go between
/// two. How the driver of an external flash cuts a call into tasks is its own affair (blocks of 64 KiB where they fit): there
/// it stays one operation.
fn erase_pages(
    config: &Config,
    flash: &mut SimFlash,
    device: DeviceId,
    bytes: Range<u32>,
) -> Result<(), PredictError> {
    let length = bytes.end - bytes.start;
    let step = match device {
        DeviceId::External => length.max(1),
        DeviceId::AppFlash | DeviceId::NetFlash | DeviceId::RamFlash => config.sector_size.max(1),
    };
    for offset in bytes.clone().step_by(step as usize) {
        flash.erase(device, offset, step.min(bytes.end - offset))?;
    }
    Ok(())
}

/// The slot that an upload with this number goes to: a server with one image ignores the number.
fn secondary(config: &Config, image: usize) -> Result<Area, PredictError> {
    use crate::marks::MarkError;
    if !config.has_secondary() {
        return Err(MarkError::NoSecondary.into());
    }
    let image = if config.images.len() == 1 { 0 } else { image };
    let slots = config.images.get(image).ok_or(MarkError::NoImage(image))?;
    Ok(slots.secondary)
}

fn is_blank(flash: &SimFlash, slot: Area) -> bool {
    let bytes = flash.bytes_at(slot.device, slot.offset as usize, slot.size as usize);
    bytes.iter().all(|byte| *byte == ERASED)
}
