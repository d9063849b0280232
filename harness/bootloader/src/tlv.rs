//! Walking the TLV areas of an image in flash.
//!
//! Source: mcuboot `boot/bootutil/src/tlv.c`; the Nordic line's copy has fewer checks.

use crate::header::Header;
use crate::io::{FlashArea, Io, Step};

const PROTECTED_INFO: u16 = 0x6908;
const UNPROTECTED_INFO: u16 = 0x6907;
/// Length of an area's info header, and of an entry's head.
const INFO_LEN: u32 = 4;

/// Which entries are looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    Any,
    Type(u16),
    /// Only in the protected area.
    Protected(u16),
}

/// One entry: offsets are from the start of the flash area.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: u16,
    pub(crate) offset: u32,
    pub(crate) length: u16,
    pub(crate) is_protected: bool,
}

/// What the next step of a walk found.
pub(crate) enum Found {
    Entry(Entry),
    End,
    Broken(String),
}

/// A walk over the TLV areas (`struct image_tlv_iter`).
#[derive(Debug)]
pub(crate) struct Walk {
    area: FlashArea,
    wanted: Wanted,
    protected_size: u16,
    protected_end: u32,
    /// End of both areas, from the start of the flash area.
    pub(crate) end: u32,
    at: u32,
}

fn halves(bytes: [u8; 4]) -> (u16, u16) {
    let [a, b, c, d] = bytes;
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

/// The info headers behind a payload; sizes in bytes including the headers.
pub(crate) struct AreaSizes {
    pub(crate) unprotected: u16,
}

impl Io<'_> {
    /// Reads the info headers at `offset`, as both the walk and `boot_read_image_size` do; the error says what is
    /// wrong with them.
    pub(crate) fn tlv_areas(
        &mut self,
        area: FlashArea,
        header: &Header,
        offset: u32,
    ) -> Step<Result<AreaSizes, String>> {
        let (mut magic, mut total) = match self.read_bytes::<4>(area, offset)? {
            Ok(bytes) => halves(bytes),
            Err(error) => return Ok(Err(error.to_string())),
        };
        if magic == PROTECTED_INFO {
            if header.protected_size != total {
                return Ok(Err(format!(
                    "protected TLV area at {offset:#x} has {total} bytes, the header says {}",
                    header.protected_size
                )));
            }
            (magic, total) =
                match self.read_bytes::<4>(area, offset.wrapping_add(u32::from(total)))? {
                    Ok(bytes) => halves(bytes),
                    Err(error) => return Ok(Err(error.to_string())),
                };
        } else if header.protected_size != 0 {
            return Ok(Err(format!(
                "no protected TLV area at {offset:#x}, the header says there is one"
            )));
        }
        if magic != UNPROTECTED_INFO {
            return Ok(Err(format!(
                "TLV area magic is {magic:#06x}, not {UNPROTECTED_INFO:#06x}"
            )));
        }
        Ok(Ok(AreaSizes { unprotected: total }))
    }

    /// `bootutil_tlv_iter_begin`; `start` is where the image begins in the flash area.
    pub(crate) fn walk_tlvs(
        &mut self,
        area: FlashArea,
        header: &Header,
        start: u32,
        wanted: Wanted,
    ) -> Step<Result<Walk, String>> {
        let first = header.tlv_offset().wrapping_add(start);
        let sizes = match self.tlv_areas(area, header, first)? {
            Ok(sizes) => sizes,
            Err(why) => return Ok(Err(why)),
        };
        let protected_end = first.wrapping_add(u32::from(header.protected_size));
        Ok(Ok(Walk {
            area,
            wanted,
            protected_size: header.protected_size,
            protected_end,
            end: protected_end.wrapping_add(u32::from(sizes.unprotected)),
            at: first.wrapping_add(INFO_LEN),
        }))
    }

    /// `bootutil_tlv_iter_next`.
    pub(crate) fn next_tlv(&mut self, walk: &mut Walk) -> Step<Found> {
        if self.config.line.checks_tlv_lengths() {
            self.next_tlv_checked(walk)
        } else {
            self.next_tlv_unchecked(walk)
        }
    }

    fn next_tlv_checked(&mut self, walk: &mut Walk) -> Step<Found> {
        let only_protected = matches!(walk.wanted, Wanted::Protected(_));
        while walk.at < walk.end {
            if only_protected && walk.at >= walk.protected_end {
                return Ok(Found::End);
            }
            if walk.protected_size > 0 && walk.at == walk.protected_end {
                walk.at = walk.at.wrapping_add(INFO_LEN);
                continue;
            }
            let end = if only_protected {
                walk.protected_end
            } else {
                walk.end
            };
            if walk.at > end || end - walk.at < INFO_LEN {
                return Ok(Found::Broken(format!(
                    "TLV at {:#x} does not fit its area",
                    walk.at
                )));
            }
            let (kind, length) = match self.read_bytes::<4>(walk.area, walk.at)? {
                Ok(bytes) => halves(bytes),
                Err(error) => return Ok(Found::Broken(error.to_string())),
            };
            if u32::from(length) > end - walk.at - INFO_LEN {
                return Ok(Found::Broken(format!(
                    "TLV {kind:#04x} at {:#x} reaches beyond its area",
                    walk.at
                )));
            }
            if let Some(entry) = walk.step_over(kind, length) {
                return Ok(Found::Entry(entry));
            }
        }
        Ok(Found::End)
    }

    fn next_tlv_unchecked(&mut self, walk: &mut Walk) -> Step<Found> {
        while walk.at < walk.end {
            if walk.protected_size > 0 && walk.at == walk.protected_end {
                walk.at = walk.at.wrapping_add(INFO_LEN);
            }
            let (kind, length) = match self.read_bytes::<4>(walk.area, walk.at)? {
                Ok(bytes) => halves(bytes),
                Err(error) => return Ok(Found::Broken(error.to_string())),
            };
            if matches!(walk.wanted, Wanted::Protected(_)) && walk.at >= walk.protected_end {
                return Ok(Found::End);
            }
            if let Some(entry) = walk.step_over(kind, length) {
                return Ok(Found::Entry(entry));
            }
        }
        Ok(Found::End)
    }
}

impl Walk {
    /// Moves behind an entry; returns it when it is wanted.
    fn step_over(&mut self, kind: u16, length: u16) -> Option<Entry> {
        let offset = self.at.wrapping_add(INFO_LEN);
        self.at = offset.wrapping_add(u32::from(length));
        let is_wanted = match self.wanted {
            Wanted::Any => true,
            Wanted::Type(wanted) | Wanted::Protected(wanted) => wanted == kind,
        };
        is_wanted.then_some(Entry {
            kind,
            offset,
            length,
            is_protected: offset < self.protected_end,
        })
    }
}
