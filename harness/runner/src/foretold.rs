//! What becomes of an image that is sent to a board: by the rules of Zephyr's SMP server and the model of the firmware set's
//! bootloader, without a board.
//!
//! Scenarios say where an image must be refused; this says where it will be, so that the one can be held against the
//! other for any firmware set.

use crate::firmware::{EXTERNAL_WINDOW, Firmware, LoadedImage};
use crate::history;
use crate::trouble::Trouble;
use hil_bootloader::predict::{Action, Board, Mark};
use hil_bootloader::{Area, Config, Mode, SimFlash};
use hil_image::IMAGE_MAGIC;
use hil_image::trailer::magic;
use hil_rig::FlashImage;
use hil_scenario::{Core, ImageRef, Leaves, Memory};

/// Where an image goes, and how its way ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Foretold {
    /// The server does not take it, with this error.
    Upload(&'static str),
    /// The server does not find it when it is to be tested, with this error.
    Mark(&'static str),
    /// The bootloader does not bring it in.
    Boot {
        /// What it prints.
        console: Vec<String>,
        /// What it leaves of the image.
        leaves: Leaves,
    },
    /// It is in the primary slot after the boot, or the network core has it.
    Taken,
}

/// Where the image that `role` names ends on a board that was programmed with `release` and has no request pending.
///
/// # Errors
///
/// The firmware set has no such release, image or slot, or the model cannot follow; in words.
pub fn foretell(firmware: &Firmware, release: &str, role: &ImageRef) -> Result<Foretold, String> {
    let image = firmware.image(role).map_err(Trouble::words)?;
    let config = &firmware.set().bootloader;
    // The network core's image has slots of its own, or goes through the application's.
    let number = match role.core {
        Core::Net if config.images.len() > 1 => 1,
        Core::App | Core::Net => 0,
    };
    let slots = config.images.get(number).copied();
    let slots = slots.ok_or("the bootloader has no slot for it")?;
    if let Some(code) = server_refuses(image.bytes(), slots.secondary) {
        return Ok(Foretold::Upload(code));
    }
    if server_finds(image.bytes()) != Some(image.hash()) {
        return Ok(Foretold::Mark("HASH_NOT_FOUND"));
    }
    let programmed = programmed(firmware, firmware.program(release).map_err(Trouble::words)?);
    let keys = firmware.bootloader_keys().map_err(Trouble::words)?;
    let mut board = Board::new(config, keys, programmed);
    board
        .apply(&Action::Reset)
        .map_err(|error| error.to_string())?;
    let before = board.flash();
    let upload = Action::Program {
        device: slots.secondary.device,
        offset: slots.secondary.offset + image_start(config),
        bytes: image.bytes().to_vec(),
    };
    let mark = Action::Mark {
        image: number,
        mark: Mark::Test,
    };
    let steps = board
        .apply_all(&[upload, mark, Action::Reset])
        .map_err(|error| error.to_string())?;
    let after = board.flash();
    let network = Area {
        device: hil_bootloader::DeviceId::NetFlash,
        offset: 0,
        size: Memory::Net.size(),
    };
    let header = Area {
        size: image.bytes().len() as u32,
        ..slots.primary
    };
    let same = |area| bytes_of(&before, area) == bytes_of(&after, area);
    if !same(network) || (!config.is_virtual(number) && !same(header)) {
        return Ok(Foretold::Taken);
    }
    let console = steps
        .iter()
        .flat_map(|step| &step.console)
        .map(ToString::to_string)
        .collect();
    let leaves = left(firmware, &bytes_of(&after, slots.secondary), &image);
    Ok(Foretold::Boot { console, leaves })
}

/// What a board holds that was programmed with `image` and has not run.
fn programmed(firmware: &Firmware, image: &FlashImage) -> SimFlash {
    let mut app = vec![0xff; Memory::App.size() as usize];
    let mut net = vec![0xff; Memory::Net.size() as usize];
    let mut external = vec![0xff; firmware.external_size() as usize];
    for (address, bytes) in image.segments() {
        for (start, memory) in [
            (Memory::App.start(), &mut app),
            (Memory::Net.start(), &mut net),
            (EXTERNAL_WINDOW, &mut external),
        ] {
            let end = u64::from(start) + memory.len() as u64;
            if (u64::from(start)..end).contains(&u64::from(address)) {
                let from = (address - start) as usize;
                for (old, new) in memory.iter_mut().skip(from).zip(bytes) {
                    *old = *new;
                }
            }
        }
    }
    history::flash_of(firmware.set().chip, &app, &net, &external)
}

fn bytes_of(flash: &SimFlash, area: Area) -> Vec<u8> {
    flash.bytes_at(area.device, area.offset as usize, area.size as usize)
}

/// What is left of an image in its slot.
fn left(firmware: &Firmware, slot: &[u8], image: &LoadedImage) -> Leaves {
    let bootloader = &firmware.set().bootloader;
    if slot.ends_with(&magic(bootloader.max_align)) {
        Leaves::Request
    } else if slot.iter().all(|byte| *byte == 0xff) {
        Leaves::Erased
    } else if slot[image_start(bootloader) as usize..].starts_with(image.bytes()) {
        Leaves::Image
    } else {
        Leaves::Rest
    }
}

/// Where an image begins in a secondary slot, in bytes.
fn image_start(bootloader: &Config) -> u32 {
    match bootloader.mode {
        Mode::SwapOffset => bootloader.sector_size,
        Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => 0,
    }
}

/// What the server looks at in the first chunk, in its order (zephyr `subsys/mgmt/mcumgr/grp/img_mgmt/src/`
/// `zephyr_img_mgmt.c`, `img_mgmt_upload_inspect`).
fn server_refuses(file: &[u8], slot: Area) -> Option<&'static str> {
    let Some(header) = file.first_chunk::<32>() else {
        return Some("INVALID_IMAGE_HEADER");
    };
    if !header.starts_with(&IMAGE_MAGIC.to_le_bytes()) {
        return Some("INVALID_IMAGE_HEADER_MAGIC");
    }
    (file.len() > slot.size as usize).then_some("INVALID_IMAGE_TOO_LARGE")
}

/// The hash that the server knows an image by (`img_mgmt_read_info` of the same): it goes by header and payload sizes, steps
/// over protected TLVs where there are any, and looks at nothing else.
fn server_finds(file: &[u8]) -> Option<&[u8]> {
    let half = |at: usize| {
        let bytes = file.get(at..at.checked_add(2)?)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    let size = u32::from_le_bytes(*file.get(12..)?.first_chunk()?);
    let mut area = usize::from(half(8)?).checked_add(size as usize)?;
    if half(area)? == 0x6908 {
        area += usize::from(half(area + 2)?);
    }
    if half(area)? != 0x6907 {
        return None;
    }
    let end = area + usize::from(half(area + 2)?);
    let mut at = area + 4;
    while at + 4 <= end {
        let (kind, length) = (half(at)?, usize::from(half(at + 2)?));
        if (kind, length) == (0x10, 32) {
            return file.get(at + 4..at + 4 + length);
        }
        at += 4 + length;
    }
    None
}
