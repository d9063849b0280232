//! The rules by which a loader refuses a header that has the right magic.
//!
//! Facts: `boot_check_header_valid` in mcuboot `boot/bootutil/src/bootutil_loader.c`. Which rules hold is a
//! matter of how the loader was built.

use crate::error::ImageError;
use crate::header::{ImageFlags, ImageHeader};

/// What a loader's build makes of a header, beyond its magic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Slot size in bytes; `None` when it is not known, as for a file on a disk.
    pub slot_size: Option<u32>,
    /// Whether the loader decrypts.
    pub encryption: Support,
    /// Whether the loader decompresses.
    pub compression: Support,
    /// Whether a load address is demanded (`MCUBOOT_CHECK_HEADER_LOAD_ADDRESS`).
    pub load_address: LoadAddressRule,
}

/// Whether a loader was built with a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// It was not.
    #[default]
    Absent,
    /// It was.
    Present,
}

/// Whether a loader wants `ROM_FIXED` or `RAM_LOAD` to be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadAddressRule {
    /// Not looked at.
    #[default]
    Ignored,
    /// One of the two flags must be set.
    Required,
}

/// Why a loader refuses a header that has the right magic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefusal {
    /// The sizes do not fit 32 bits.
    #[error(transparent)]
    Overflow(#[from] ImageError),
    /// Header, payload and protected TLVs fill the slot or more.
    #[error(
        "`hdr_size` + `img_size` + `protect_tlv_size` (offsets 0x0008 to 0x000f) is {found:#x} bytes, expected less than the slot's {slot_size:#x}"
    )]
    TooLarge {
        /// Sum of the three sizes, bytes.
        found: u32,
        /// Slot size, bytes.
        slot_size: u32,
    },
    /// An encryption flag, and a loader that cannot decrypt.
    #[error(
        "`flags` at offset 0x0010 is {found:#010x} with an ENCRYPTED flag, expected none: the loader is built without encryption"
    )]
    Encrypted {
        /// The flags.
        found: u32,
    },
    /// Two key lengths at once.
    #[error(
        "`flags` at offset 0x0010 is {found:#010x} with ENCRYPTED_AES128 and ENCRYPTED_AES256, expected at most one of them"
    )]
    BothEncryptionFlags {
        /// The flags.
        found: u32,
    },
    /// A compression flag, and a loader that cannot decompress.
    #[error(
        "`flags` at offset 0x0010 is {found:#010x} with a COMPRESSED flag, expected none: the loader is built without decompression"
    )]
    Compressed {
        /// The flags.
        found: u32,
    },
    /// Two compressions at once.
    #[error(
        "`flags` at offset 0x0010 is {found:#010x} with COMPRESSED_LZMA1 and COMPRESSED_LZMA2, expected at most one of them"
    )]
    BothCompressionFlags {
        /// The flags.
        found: u32,
    },
    /// No load address, and a loader that wants one.
    #[error(
        "`flags` at offset 0x0010 is {found:#010x}, expected RAM_LOAD or ROM_FIXED: the loader checks the load address"
    )]
    NoLoadAddress {
        /// The flags.
        found: u32,
    },
}

impl HeaderRules {
    /// Judges a header as `boot_check_header_valid` does.
    ///
    /// # Errors
    ///
    /// The first rule that the header breaks, in the loader's order.
    pub fn check(&self, header: &ImageHeader) -> Result<(), HeaderRefusal> {
        let flags = header.flags;
        let found = flags.bits();
        let end = header.require_tlv_offset()? + u32::from(header.protected_tlv_size);
        if let Some(slot_size) = self.slot_size
            && end >= slot_size
        {
            return Err(HeaderRefusal::TooLarge {
                found: end,
                slot_size,
            });
        }
        match self.encryption {
            Support::Absent if flags.is_encrypted() => {
                return Err(HeaderRefusal::Encrypted { found });
            }
            Support::Present if flags.is_encrypted() && flags.content_key_size().is_none() => {
                return Err(HeaderRefusal::BothEncryptionFlags { found });
            }
            _ => {}
        }
        match self.compression {
            Support::Absent if flags.is_compressed() => {
                return Err(HeaderRefusal::Compressed { found });
            }
            Support::Present
                if flags.contains(ImageFlags::COMPRESSED_LZMA1 | ImageFlags::COMPRESSED_LZMA2) =>
            {
                return Err(HeaderRefusal::BothCompressionFlags { found });
            }
            _ => {}
        }
        if self.load_address == LoadAddressRule::Required
            && !flags.intersects(ImageFlags::RAM_LOAD | ImageFlags::ROM_FIXED)
        {
            return Err(HeaderRefusal::NoLoadAddress { found });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::version::ImageVersion;

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

    const BOTH: ImageFlags = ImageFlags::ENCRYPTED_AES128.union(ImageFlags::ENCRYPTED_AES256);
    const BOTH_LZMA: ImageFlags = ImageFlags::COMPRESSED_LZMA1.union(ImageFlags::COMPRESSED_LZMA2);

    const FULL: HeaderRules = HeaderRules {
        slot_size: Some(0x1211),
        encryption: Support::Present,
        compression: Support::Present,
        load_address: LoadAddressRule::Ignored,
    };
    const BARE: HeaderRules = HeaderRules {
        slot_size: None,
        encryption: Support::Absent,
        compression: Support::Absent,
        load_address: LoadAddressRule::Ignored,
    };

    #[rstest]
    #[case::plain(BARE, ImageFlags::empty(), "")]
    #[case::fits_by_one_byte(FULL, ImageFlags::empty(), "")]
    #[case::encrypted(FULL, ImageFlags::ENCRYPTED_AES256, "")]
    #[case::compressed(FULL, ImageFlags::COMPRESSED_LZMA2, "")]
    #[case::fills_the_slot(
        HeaderRules { slot_size: Some(0x1210), ..FULL },
        ImageFlags::empty(),
        "`hdr_size` + `img_size` + `protect_tlv_size` (offsets 0x0008 to 0x000f) is 0x1210 bytes, expected less than the slot's 0x1210"
    )]
    #[case::no_encryption(
        BARE,
        ImageFlags::ENCRYPTED_AES128,
        "`flags` at offset 0x0010 is 0x00000004 with an ENCRYPTED flag, expected none: the loader is built without encryption"
    )]
    #[case::both_sizes(
        FULL,
        BOTH,
        "`flags` at offset 0x0010 is 0x0000000c with ENCRYPTED_AES128 and ENCRYPTED_AES256, expected at most one of them"
    )]
    #[case::no_decompression(
        BARE,
        ImageFlags::COMPRESSED_LZMA1,
        "`flags` at offset 0x0010 is 0x00000200 with a COMPRESSED flag, expected none: the loader is built without decompression"
    )]
    #[case::both_compressions(
        FULL,
        BOTH_LZMA,
        "`flags` at offset 0x0010 is 0x00000600 with COMPRESSED_LZMA1 and COMPRESSED_LZMA2, expected at most one of them"
    )]
    #[case::no_load_address(
        HeaderRules { load_address: LoadAddressRule::Required, ..FULL },
        ImageFlags::PIC,
        "`flags` at offset 0x0010 is 0x00000001, expected RAM_LOAD or ROM_FIXED: the loader checks the load address"
    )]
    #[case::load_address(
        HeaderRules { load_address: LoadAddressRule::Required, ..FULL },
        ImageFlags::RAM_LOAD,
        ""
    )]
    fn rules_judge(#[case] rules: HeaderRules, #[case] flags: ImageFlags, #[case] message: &str) {
        let found = rules
            .check(&header(flags))
            .map_or_else(|refusal| refusal.to_string(), |()| String::new());
        assert_eq!(found, message);
    }

    #[test]
    fn sizes_may_not_overflow() {
        let mut header = header(ImageFlags::empty());
        header.image_size = u32::MAX - 0x210;
        assert_eq!(BARE.check(&header), Ok(()));
        header.image_size += 1;
        assert!(matches!(
            BARE.check(&header),
            Err(HeaderRefusal::Overflow(ImageError::SizeOverflow { .. }))
        ));
    }
}
