//! What the server reads of the image in a slot: `img_mgmt_read_info` of `zephyr grp/img_mgmt/src/img_mgmt.c`.
//!
//! It is no verification. It finds the header and the one SHA-256 TLV, and stumbles where Zephyr stumbles, so an
//! image that the bootloader would refuse is listed here, and one that it would take may not be.

use super::super::error::{Failure, ImageError};
use super::super::{Services, Slot};
use super::device;

/// `IMAGE_MAGIC` of `mcuboot bootutil/image.h`.
pub(super) const IMAGE_MAGIC: u32 = 0x96f3_b83d;
const ERASED: u32 = 0xffff_ffff;
const PROTECTED_MAGIC: u16 = 0x6908;
const UNPROTECTED_MAGIC: u16 = 0x6907;
const SHA256: u16 = 0x10;
/// `IMAGE_F_NON_BOOTABLE`.
const NON_BOOTABLE: u32 = 0x10;
/// Bytes of an area header and of a TLV's header.
const TLV_HEADER: u32 = 4;

/// Version in an image header, compared without the build number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Version {
    major: u8,
    minor: u8,
    revision: u16,
    build: u32,
}

impl Version {
    /// Reads the eight bytes at offset 0x14 of a header.
    pub(super) fn parse(header: &[u8; 32]) -> Self {
        Self {
            major: header[20],
            minor: header[21],
            revision: u16::from_le_bytes([header[22], header[23]]),
            build: u32::from_le_bytes([header[24], header[25], header[26], header[27]]),
        }
    }

    /// Whether it is newer; the build number does not count
    /// (no `MCUMGR_GRP_IMG_VERSION_CMP_USE_BUILD_NUMBER`).
    pub(super) fn is_newer_than(self, other: Self) -> bool {
        Self { build: 0, ..self } > Self { build: 0, ..other }
    }
}

impl std::fmt::Display for Version {
    /// `1.2.3`, and `1.2.3.4` when there is a build number.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.revision)?;
        if self.build == 0 {
            Ok(())
        } else {
            write!(formatter, ".{}", self.build)
        }
    }
}

/// The image in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ImageInfo {
    pub(super) version: Version,
    pub(super) hash: [u8; 32],
    pub(super) bootable: bool,
}

/// A word of a header.
pub(super) fn word(header: &[u8; 32], offset: usize) -> u32 {
    u32::from_le_bytes([
        header[offset],
        header[offset + 1],
        header[offset + 2],
        header[offset + 3],
    ])
}

/// Reads what the list shows of a slot.
pub(super) fn read(slot: Slot, services: &mut dyn Services) -> Result<ImageInfo, Failure> {
    let start = services
        .image_start(slot)
        .map_err(|error| device(error, ImageError::FlashReadFailed))?;
    let mut header = [0; 32];
    read_slot(slot, start, &mut header, services)?;
    match word(&header, 0) {
        IMAGE_MAGIC => {}
        ERASED => return Err(ImageError::NoImage.into()),
        _ => return Err(ImageError::InvalidHeaderMagic.into()),
    }
    let header_size = u32::from(u16::from_le_bytes([header[8], header[9]]));
    let tlvs = start
        .wrapping_add(header_size)
        .wrapping_add(word(&header, 12));
    let unprotected = match area(slot, tlvs, PROTECTED_MAGIC, services) {
        Ok(end) => end,
        Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
        Err(_) => tlvs,
    };
    let end = match area(slot, unprotected, UNPROTECTED_MAGIC, services) {
        Ok(end) => end,
        Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
        Err(_) => return Err(ImageError::NoTlvs.into()),
    };
    let hash = find_hash(slot, unprotected.wrapping_add(TLV_HEADER), end, services)?;
    Ok(ImageInfo {
        version: Version::parse(&header),
        hash,
        bootable: word(&header, 16) & NON_BOOTABLE == 0,
    })
}

/// Where the TLV area that starts at `start` ends.
fn area(slot: Slot, start: u32, magic: u16, services: &mut dyn Services) -> Result<u32, Failure> {
    let mut header = [0; TLV_HEADER as usize];
    read_slot(slot, start, &mut header, services)?;
    let [m0, m1, t0, t1] = header;
    if u16::from_le_bytes([m0, m1]) != magic {
        return Err(ImageError::NoTlvs.into());
    }
    Ok(start.wrapping_add(u16::from_le_bytes([t0, t1]).into()))
}

fn find_hash(
    slot: Slot,
    start: u32,
    end: u32,
    services: &mut dyn Services,
) -> Result<[u8; 32], Failure> {
    let mut found = None;
    let mut offset = start;
    while offset.saturating_add(TLV_HEADER) <= end {
        let mut header = [0; TLV_HEADER as usize];
        read_slot(slot, offset, &mut header, services)?;
        let [t0, t1, l0, l1] = header;
        let kind = u16::from_le_bytes([t0, t1]);
        let length = u16::from_le_bytes([l0, l1]);
        if kind == 0xff && length == 0xffff {
            return Err(ImageError::InvalidTlv.into());
        }
        offset += TLV_HEADER;
        if kind == SHA256 && length == 32 {
            if found.is_some() {
                return Err(ImageError::MultipleHashes.into());
            }
            if offset + 32 > end {
                return Err(ImageError::InvalidTlvSize.into());
            }
            let mut hash = [0; 32];
            read_slot(slot, offset, &mut hash, services)?;
            found = Some(hash);
        }
        offset += u32::from(length);
    }
    found.ok_or_else(|| ImageError::HashNotFound.into())
}

/// Reads within a slot; outside of it is a flash driver error.
fn read_slot(
    slot: Slot,
    offset: u32,
    buffer: &mut [u8],
    services: &mut dyn Services,
) -> Result<(), Failure> {
    let fits = offset
        .checked_add(buffer.len() as u32)
        .is_some_and(|end| end <= services.slot_size(slot));
    if !fits {
        return Err(ImageError::FlashReadFailed.into());
    }
    services
        .read(slot, offset, buffer)
        .map_err(|error| device(error, ImageError::FlashReadFailed))
}
