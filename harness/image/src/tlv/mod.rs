//! TLV areas: what stands behind the payload.
//!
//! A protected area (hashed with the payload, optional) is followed by the unprotected one. Entries are a
//! `u16` type, a `u16` length and the value, without alignment (mcuboot
//! `boot/bootutil/include/bootutil/image.h`, `boot/bootutil/src/tlv.c`).

mod kind;

use std::fmt;

pub use kind::TlvKind;
use serde::{Deserialize, Serialize};

use crate::bytes::u16_at;
use crate::error::ImageError;
use crate::header::ImageHeader;

/// Bytes of an area's info header (magic, total), and of an entry's type and length.
pub(crate) const INFO_LEN: u32 = 4;

/// Which of the two areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlvArea {
    /// Covered by the image hash.
    Protected,
    /// Not covered: the hash itself, keys and signatures.
    Unprotected,
}

impl TlvArea {
    /// The magic that the area starts with.
    #[must_use]
    pub const fn magic(self) -> u16 {
        match self {
            Self::Protected => 0x6908,
            Self::Unprotected => 0x6907,
        }
    }
}

impl fmt::Display for TlvArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protected => "protected",
            Self::Unprotected => "unprotected",
        })
    }
}

/// One entry of a TLV area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its type.
    pub kind: TlvKind,
    /// The area it stands in.
    pub area: TlvArea,
    /// Where its type field is, bytes from the start of the image; the value is 4 bytes further.
    pub offset: u32,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The value as an array, for types that have one length only.
    ///
    /// # Errors
    ///
    /// The value has another length.
    pub fn exactly<const N: usize>(&self) -> Result<&'a [u8; N], ImageError> {
        self.value.try_into().map_err(|_| ImageError::TlvLength {
            kind: self.kind,
            offset: self.offset,
            found: self.value.len(),
            expected: N,
        })
    }
}

/// Both areas of one image, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlvAreas<'a> {
    /// All entries, protected ones first, in file order.
    pub(crate) entries: Vec<Tlv<'a>>,
    /// Where the unprotected area's info header is.
    pub(crate) unprotected_offset: u32,
    /// Where the unprotected area, and so the image, ends.
    pub(crate) end: u32,
}

impl<'a> TlvAreas<'a> {
    /// Reads both areas, with the limits of MCUboot's iterator.
    ///
    /// Stricter than the loader in two corners that no tool produces: an area total below 4, and a
    /// protected entry that reaches into the unprotected area. The loader may iterate over such an
    /// image; it is refused here.
    pub(crate) fn parse(image: &'a [u8], header: &ImageHeader) -> Result<Self, ImageError> {
        let start = header.require_tlv_offset()?;
        let mut entries = Vec::new();
        let announced = header.protected_tlv_size;
        let expected = if announced == 0 {
            TlvArea::Unprotected
        } else {
            TlvArea::Protected
        };
        let first = magic_at(image, start, expected)?;
        let mut unprotected_offset = start;
        if first == TlvArea::Protected.magic() {
            let total = total_at(image, start)?;
            if total != announced {
                return Err(ImageError::ProtectedSize {
                    offset: start + 2,
                    found: total,
                    announced,
                });
            }
            unprotected_offset = read_area(image, TlvArea::Protected, start, &mut entries)?;
        } else if announced != 0 {
            return Err(ImageError::ProtectedMissing {
                offset: start,
                found: first,
                announced,
            });
        }
        let end = read_area(
            image,
            TlvArea::Unprotected,
            unprotected_offset,
            &mut entries,
        )?;
        Ok(Self {
            entries,
            unprotected_offset,
            end,
        })
    }
}

fn magic_at(image: &[u8], offset: u32, area: TlvArea) -> Result<u16, ImageError> {
    let at = offset as usize;
    let info = image
        .get(at..)
        .and_then(|rest| rest.get(..INFO_LEN as usize))
        .ok_or(ImageError::AreaTruncated {
            area,
            offset,
            end: image.len(),
        })?;
    Ok(u16_at(info, 0).unwrap_or_default())
}

fn total_at(image: &[u8], offset: u32) -> Result<u16, ImageError> {
    u16_at(image, offset as usize + 2).ok_or(ImageError::AreaTruncated {
        area: TlvArea::Unprotected,
        offset,
        end: image.len(),
    })
}

/// Reads one area's entries and returns where it ends.
fn read_area<'a>(
    image: &'a [u8],
    area: TlvArea,
    offset: u32,
    entries: &mut Vec<Tlv<'a>>,
) -> Result<u32, ImageError> {
    let found = magic_at(image, offset, area)?;
    if found != area.magic() {
        return Err(ImageError::AreaMagic {
            area,
            offset,
            found,
        });
    }
    let total = total_at(image, offset)?;
    if u32::from(total) < INFO_LEN {
        return Err(ImageError::AreaTotal {
            area,
            offset: offset + 2,
            found: total,
        });
    }
    let overrun = ImageError::AreaOverrun {
        area,
        offset,
        total,
        end: image.len(),
    };
    // The loader's sums are 32-bit too: an area past 4 GiB does not exist.
    let Some(end) = offset.checked_add(u32::from(total)) else {
        return Err(overrun);
    };
    let Some(bytes) = image.get(..end as usize) else {
        return Err(overrun);
    };
    let mut at = offset + INFO_LEN;
    while at < end {
        if end - at < INFO_LEN {
            return Err(ImageError::TlvTruncated {
                area,
                offset: at,
                end,
            });
        }
        let kind = TlvKind(u16_at(bytes, at as usize).unwrap_or_default());
        let length = u16_at(bytes, at as usize + 2).unwrap_or_default();
        let start = at + INFO_LEN;
        if u32::from(length) > end - start {
            return Err(ImageError::TlvOverrun {
                area,
                kind,
                offset: at,
                length,
                end,
            });
        }
        let next = start + u32::from(length);
        entries.push(Tlv {
            kind,
            area,
            offset: at,
            value: &bytes[start as usize..next as usize],
        });
        at = next;
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
