//! The 32-byte image header.
//!
//! Facts: mcuboot `boot/bootutil/include/bootutil/image.h`. What a loader refuses is in [`crate::HeaderRules`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::{u16_at, u32_at};
use crate::error::ImageError;
use crate::version::ImageVersion;

/// First word of every image.
pub const IMAGE_MAGIC: u32 = 0x96f3_b83d;

bitflags::bitflags! {
    /// Flags of the image header. Unknown bits are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ImageFlags: u32 {
        /// Position independent; no loader uses it.
        const PIC = 0x1;
        /// Payload encrypted with AES-128-CTR (or was, in a primary slot).
        const ENCRYPTED_AES128 = 0x4;
        /// Payload encrypted with AES-256-CTR (or was, in a primary slot).
        const ENCRYPTED_AES256 = 0x8;
        /// Must not be booted.
        const NON_BOOTABLE = 0x10;
        /// Is copied to its load address in RAM.
        const RAM_LOAD = 0x20;
        /// Runs only at its load address in flash.
        const ROM_FIXED = 0x100;
        /// Payload compressed with LZMA1.
        const COMPRESSED_LZMA1 = 0x200;
        /// Payload compressed with LZMA2.
        const COMPRESSED_LZMA2 = 0x400;
        /// Compressed with the ARM Thumb filter.
        const COMPRESSED_ARM_THUMB = 0x800;
        /// Unknown bits.
        const _ = !0;
    }
}

impl ImageFlags {
    /// Names of the flags that are set, as `imgtool dumpinfo` writes them; unknown bits as one hex number.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = self.bits();
        for (name, flag) in self.iter_names() {
            names.push(name.to_owned());
            rest &= !flag.bits();
        }
        if rest != 0 {
            names.push(format!("{rest:#x}"));
        }
        names
    }

    /// Whether the header says that the payload is, or was, encrypted.
    #[must_use]
    pub fn is_encrypted(self) -> bool {
        self.intersects(Self::ENCRYPTED_AES128 | Self::ENCRYPTED_AES256)
    }

    /// Whether the header says that the payload is compressed.
    #[must_use]
    pub fn is_compressed(self) -> bool {
        self.intersects(Self::COMPRESSED_LZMA1 | Self::COMPRESSED_LZMA2)
    }

    /// The content key's size; `None` when no encryption flag or both are set.
    #[must_use]
    pub fn content_key_size(self) -> Option<AesKeySize> {
        match (
            self.contains(Self::ENCRYPTED_AES128),
            self.contains(Self::ENCRYPTED_AES256),
        ) {
            (true, false) => Some(AesKeySize::Aes128),
            (false, true) => Some(AesKeySize::Aes256),
            _ => None,
        }
    }
}

/// Length of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AesKeySize {
    /// 16 bytes.
    Aes128,
    /// 32 bytes.
    Aes256,
}

impl AesKeySize {
    /// Key length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a key is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// The header flag for a payload encrypted with such a key.
    #[must_use]
    pub const fn flag(self) -> ImageFlags {
        match self {
            Self::Aes128 => ImageFlags::ENCRYPTED_AES128,
            Self::Aes256 => ImageFlags::ENCRYPTED_AES256,
        }
    }
}

impl fmt::Display for AesKeySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes128 => "AES-128",
            Self::Aes256 => "AES-256",
        })
    }
}

/// The fields of an image header, without the magic and the reserved last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Address to load to or to run from; 0 when neither `RAM_LOAD` nor `ROM_FIXED` is set.
    pub load_address: u32,
    /// Where the payload starts, bytes from the start of the image (0x200 in the SDK).
    pub header_size: u16,
    /// Bytes of the protected TLV area with its info header; 0 when there is none.
    pub protected_tlv_size: u16,
    /// Bytes of the payload.
    pub image_size: u32,
    /// Flags.
    pub flags: ImageFlags,
    /// Version.
    pub version: ImageVersion,
}

impl ImageHeader {
    /// Bytes that a loader reads as the header; `header_size` is at least this.
    pub const LEN: usize = 32;

    /// Reads the header at the start of `bytes`.
    ///
    /// Only the magic is checked: a header that a loader must refuse is still worth showing. See
    /// [`crate::HeaderRules`].
    ///
    /// # Errors
    ///
    /// Fewer than 32 bytes, or a first word that is not MCUboot's.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let Some(raw) = bytes.first_chunk::<{ Self::LEN }>() else {
            return Err(ImageError::HeaderTruncated {
                available: bytes.len(),
            });
        };
        match u32_at(raw, 0) {
            Some(IMAGE_MAGIC) => {}
            Some(u32::MAX) => return Err(ImageError::Erased),
            found => {
                return Err(ImageError::Magic {
                    found: found.unwrap_or_default(),
                });
            }
        }
        let word = |offset| u32_at(raw, offset).unwrap_or_default();
        let half = |offset| u16_at(raw, offset).unwrap_or_default();
        let mut version = [0; ImageVersion::LEN];
        version.copy_from_slice(&raw[0x14..0x1c]);
        Ok(Self {
            load_address: word(0x04),
            header_size: half(0x08),
            protected_tlv_size: half(0x0a),
            image_size: word(0x0c),
            flags: ImageFlags::from_bits_retain(word(0x10)),
            version: ImageVersion::from_bytes(version),
        })
    }

    /// The header's bytes; the reserved last word is 0.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0x00..0x04].copy_from_slice(&IMAGE_MAGIC.to_le_bytes());
        bytes[0x04..0x08].copy_from_slice(&self.load_address.to_le_bytes());
        bytes[0x08..0x0a].copy_from_slice(&self.header_size.to_le_bytes());
        bytes[0x0a..0x0c].copy_from_slice(&self.protected_tlv_size.to_le_bytes());
        bytes[0x0c..0x10].copy_from_slice(&self.image_size.to_le_bytes());
        bytes[0x10..0x14].copy_from_slice(&self.flags.bits().to_le_bytes());
        bytes[0x14..0x1c].copy_from_slice(&self.version.to_bytes());
        bytes
    }

    /// Where the TLV areas start: header plus payload, bytes from the start of the image.
    ///
    /// `None` when header, payload and protected TLVs do not fit 32 bits, which a loader refuses.
    #[must_use]
    pub fn tlv_offset(&self) -> Option<u32> {
        let offset = self.image_size.checked_add(u32::from(self.header_size))?;
        offset.checked_add(u32::from(self.protected_tlv_size))?;
        Some(offset)
    }

    pub(crate) fn require_tlv_offset(&self) -> Result<u32, ImageError> {
        self.tlv_offset().ok_or_else(|| ImageError::SizeOverflow {
            image_size: self.image_size,
            header_size: self.header_size,
            protected_tlv_size: self.protected_tlv_size,
            largest: u32::MAX - u32::from(self.header_size) - u32::from(self.protected_tlv_size),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(flags: ImageFlags) -> ImageHeader {
        ImageHeader {
            load_address: 0,
            header_size: 0x200,
            protected_tlv_size: 0x10,
            image_size: 0x1000,
            flags,
            version: ImageVersion::new(1, 2, 3),
        }
    }

    #[test]
    fn header_bytes_are_the_formats() {
        let header = ImageHeader {
            load_address: 0xc000,
            ..header(ImageFlags::ROM_FIXED)
        };
        assert_eq!(
            hex::encode(header.emit()),
            "3db8f39600c000000002100000100000000100000102030000000000\
             00000000"
        );
        assert_eq!(ImageHeader::parse(&header.emit()), Ok(header));
    }

    #[test]
    fn unknown_flags_are_kept_and_shown() {
        let flags = ImageFlags::from_bits_retain(0x8000_0012);
        assert_eq!(flags.names(), ["NON_BOOTABLE", "0x80000002"]);
    }

    proptest! {
        #[test]
        fn parsed_headers_come_out_as_they_went_in(mut bytes in any::<[u8; 32]>()) {
            bytes[..4].copy_from_slice(&IMAGE_MAGIC.to_le_bytes());
            bytes[28..].fill(0);
            prop_assert_eq!(ImageHeader::parse(&bytes).unwrap().emit(), bytes);
        }
    }
}
