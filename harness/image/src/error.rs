//! Why bytes are not an MCUboot image.
//!
//! Every variant carries the field, its offset from the start of the image, what was found there and
//! what was expected, so that the text alone is enough to open the file at the right place.

use crate::tlv::{TlvArea, TlvKind};

/// Why bytes cannot be read as an MCUboot image.
///
/// Offsets count bytes from the start of the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The header's magic is in the erased state: there is no image.
    #[error(
        "header magic at offset 0x0000 is 0xffffffff (erased), expected 0x96f3b83d: there is no image"
    )]
    Erased,
    /// The first word is not MCUboot's.
    #[error("header magic at offset 0x0000 is {found:#010x}, expected 0x96f3b83d")]
    Magic {
        /// The word that was found.
        found: u32,
    },
    /// Bytes end inside the header.
    #[error("header at offset 0x0000 needs 32 bytes, {available} are there")]
    HeaderTruncated {
        /// Bytes that exist.
        available: usize,
    },
    /// The sizes in the header do not fit 32 bits.
    #[error(
        "`img_size` at offset 0x000c is {image_size:#010x}, expected at most {largest:#010x}: with `hdr_size` {header_size:#06x} and `protect_tlv_size` {protected_tlv_size:#06x} it overflows 32 bits"
    )]
    SizeOverflow {
        /// `img_size`, bytes.
        image_size: u32,
        /// `hdr_size`, bytes.
        header_size: u16,
        /// `protect_tlv_size`, bytes.
        protected_tlv_size: u16,
        /// The largest `img_size` that fits.
        largest: u32,
    },
    /// The payload would start inside the header's own fields.
    #[error("`hdr_size` at offset 0x0008 is {found:#06x}, expected at least 0x0020")]
    HeaderSize {
        /// `hdr_size`, bytes.
        found: u16,
    },
    /// Bytes end before the info header of a TLV area.
    #[error(
        "{area} TLV area at offset {offset:#06x} needs 4 bytes for its info header, the data ends at {end:#06x}"
    )]
    AreaTruncated {
        /// Which area.
        area: TlvArea,
        /// Where its info header must be.
        offset: u32,
        /// Where the data ends.
        end: usize,
    },
    /// An area does not start with its magic.
    #[error(
        "{area} TLV area magic at offset {offset:#06x} is {found:#06x}, expected {:#06x}",
        area.magic()
    )]
    AreaMagic {
        /// The area that was expected.
        area: TlvArea,
        /// Offset of the magic.
        offset: u32,
        /// What was found.
        found: u16,
    },
    /// The header announces protected TLVs that are not there.
    #[error(
        "TLV area magic at offset {offset:#06x} is {found:#06x}, expected 0x6908: `protect_tlv_size` at offset 0x000a announces {announced} protected bytes"
    )]
    ProtectedMissing {
        /// Offset of the magic.
        offset: u32,
        /// What was found.
        found: u16,
        /// `protect_tlv_size`, bytes.
        announced: u16,
    },
    /// The protected area is not as long as the header says.
    #[error(
        "protected TLV area total at offset {offset:#06x} is {found} bytes, expected {announced} as in `protect_tlv_size` at offset 0x000a"
    )]
    ProtectedSize {
        /// Offset of the area's total.
        offset: u32,
        /// The area's own total, bytes.
        found: u16,
        /// `protect_tlv_size`, bytes.
        announced: u16,
    },
    /// A total too small for the info header itself.
    #[error(
        "{area} TLV area total at offset {offset:#06x} is {found} bytes, expected at least 4 for its own info header"
    )]
    AreaTotal {
        /// Which area.
        area: TlvArea,
        /// Offset of the total.
        offset: u32,
        /// The total, bytes.
        found: u16,
    },
    /// An area runs past the end of the data.
    #[error(
        "{area} TLV area at offset {offset:#06x} is {total} bytes long and ends at {:#06x}, the data ends at {end:#06x}",
        u64::from(*offset) + u64::from(*total)
    )]
    AreaOverrun {
        /// Which area.
        area: TlvArea,
        /// Offset of the area.
        offset: u32,
        /// Its total, bytes.
        total: u16,
        /// Where the data ends.
        end: usize,
    },
    /// The four bytes of a TLV's type and length run past the area.
    #[error(
        "TLV at offset {offset:#06x} needs 4 bytes for type and length, its {area} area ends at {end:#06x}"
    )]
    TlvTruncated {
        /// Which area.
        area: TlvArea,
        /// Offset of the TLV.
        offset: u32,
        /// Where the area ends.
        end: u32,
    },
    /// A TLV's value runs past its area.
    #[error(
        "TLV {kind} length at offset {:#06x} is {length} bytes, expected at most {} before the {area} area ends at {end:#06x}",
        offset + 2,
        end - offset - 4
    )]
    TlvOverrun {
        /// Which area.
        area: TlvArea,
        /// The TLV's type.
        kind: TlvKind,
        /// Offset of the TLV.
        offset: u32,
        /// Its length field, bytes.
        length: u16,
        /// Where the area ends.
        end: u32,
    },
    /// A TLV whose value must have another length.
    #[error("TLV {kind} at offset {offset:#06x} has {found} bytes, expected {expected}")]
    TlvLength {
        /// The TLV's type.
        kind: TlvKind,
        /// Offset of the TLV.
        offset: u32,
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
}

impl ImageError {
    /// What a person can try, where there is something.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Magic { found: 0x96f3_b83c } => {
                "this is the old V1 image format, which current loaders refuse: sign the firmware with a current imgtool"
            }
            // `PK` and two version bytes.
            Self::Magic { found: 0x0403_4b50 } => {
                "this is a zip: unpack it and take the image of one core"
            }
            Self::Magic { found: 0x464c_457f } => {
                "this is an ELF file: take the signed `.bin` that was made from it"
            }
            // A colon.
            Self::Magic { found } if found & 0xff == 0x3a => {
                "this looks like Intel HEX: take the `.bin` beside it"
            }
            Self::Magic { .. } => {
                "is this the signed file? unsigned firmware has no MCUboot header; for an SDK build take `zephyr.signed.bin` or `app_update.bin`"
            }
            Self::HeaderTruncated { .. } => {
                "this is too short to be an image: was the file copied completely?"
            }
            Self::AreaTruncated { .. } | Self::AreaOverrun { .. } => {
                "the file is shorter than its header says: was it copied completely?"
            }
            Self::Erased => "nothing was written here, or the loader erased the slot",
            _ => return None,
        })
    }
}
