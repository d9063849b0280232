//! Bytes that were read from a board, as pages for the journal.

use super::secrets::Secrets;
use crate::firmware::Region;
use hil_bootloader::DeviceId;
use hil_image::Image;
use hil_record::{ChangedPage, MeasuredImage, RegionShot};

/// Pages of the application core's flash and sectors of the MX25R64, in bytes (nRF5340 product specification, NVMC;
/// MX25R6435F data sheet, sector erase).
const PAGE: u32 = 4096;

/// Pages of the network core's flash, in bytes (nRF5340 product specification, NVMC).
const NET_PAGE: u32 = 2048;

/// Length of a page of a memory: what an erase erases.
pub(crate) const fn page_size(device: DeviceId) -> u32 {
    match device {
        DeviceId::NetFlash => NET_PAGE,
        DeviceId::AppFlash | DeviceId::External | DeviceId::RamFlash => PAGE,
    }
}

/// The pages of `found`, which was read from `region`, that are not as `programmed`; those that are no secret go to
/// `keep`, which returns their digest. `digest` is for the others.
pub(crate) fn shot(
    region: Region,
    programmed: &[u8],
    found: &[u8],
    secrets: &Secrets,
    sent: &[&[u8]],
    keep: impl Fn(&[u8]) -> String,
    digest: impl Fn(&[u8]) -> String,
) -> RegionShot {
    let page = page_size(region.device());
    let mut changed = Vec::new();
    for (number, bytes) in found.chunks(page as usize).enumerate() {
        let start = number * page as usize;
        let before = programmed.get(start..).unwrap_or_default();
        let before = &before[..before.len().min(bytes.len())];
        if before == bytes {
            continue;
        }
        let part = Region {
            core: region.core,
            address: region.address + u32::try_from(start).unwrap_or(u32::MAX),
            size: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        };
        let blank = bytes.iter().all(|byte| *byte == 0xFF);
        let withheld = !blank && secrets.withholds(part, bytes, sent.iter().copied());
        let found = match (blank, withheld) {
            (true, _) => None,
            (false, true) => Some(digest(bytes)),
            (false, false) => Some(keep(bytes)),
        };
        let was_blank = before.iter().all(|byte| *byte == 0xFF);
        changed.push(ChangedPage {
            address: part.address,
            programmed: (!was_blank).then(|| digest(before)),
            found,
            withheld,
        });
    }
    let images = secrets
        .guarded()
        .iter()
        .filter(|slot| slot.device() == region.device() && region.contains(slot.address))
        .filter_map(|slot| {
            let start = (slot.address - region.address) as usize;
            measured(slot.address, found.get(start..)?)
        })
        .filter(|image| !secrets.gives_away(&hex::decode(&image.tlvs).unwrap_or_default()))
        .collect::<Vec<_>>();
    RegionShot {
        memory: region.memory().to_owned(),
        address: region.address,
        size: region.size,
        page,
        changed,
        images,
    }
}

/// What a bootloader would compute of an image that begins here.
fn measured(address: u32, bytes: &[u8]) -> Option<MeasuredImage> {
    let image = Image::parse(bytes).ok()?;
    let (algorithm, _) = image.stored_hash()?;
    let hashed = image.header_bytes().len() + image.payload().len() + image.protected_bytes().len();
    Some(MeasuredImage {
        address,
        hashed: u32::try_from(hashed).ok()?,
        hash: hex::encode(algorithm.digest(bytes.get(..hashed)?).as_bytes()),
        tlvs: hex::encode(image.as_bytes().get(hashed..)?),
    })
}
