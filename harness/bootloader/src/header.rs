//! The image header as MCUboot keeps it in RAM: whatever 32 bytes were read, sensible or not.
//!
//! Source: mcuboot `boot/bootutil/include/bootutil/image.h`, `boot_check_header_valid` in
//! `boot/bootutil/src/bootutil_loader.c`.

use hil_image::{IMAGE_MAGIC, ImageFlags, ImageVersion};

use crate::config::{AddressCheck, Config, Encryption};
use crate::io::FlashArea;

/// Length of what the loader reads, in bytes.
pub(crate) const HEADER_LEN: usize = 32;

/// `PM_MCUBOOT_PAD_SIZE`, which every published build leaves at this, in bytes.
const VIRTUAL_HEADER_SIZE: u16 = 0x200;

/// A header slot of the loader's state; all zero until something was read into it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Header {
    pub(crate) magic: u32,
    pub(crate) load_address: u32,
    pub(crate) header_size: u16,
    pub(crate) protected_size: u16,
    pub(crate) image_size: u32,
    flags: u32,
    version: [u8; 8],
}

impl Header {
    pub(crate) fn parse(bytes: &[u8; HEADER_LEN]) -> Self {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let mut version = [0; 8];
        version.copy_from_slice(&bytes[0x14..0x1c]);
        Self {
            magic: word(0),
            load_address: word(0x04),
            header_size: half(0x08),
            protected_size: half(0x0a),
            image_size: word(0x0c),
            flags: word(0x10),
            version,
        }
    }

    /// What `boot_read_image_header_hook` makes up for a primary slot that is simulated in RAM and empty (sdk-nrf
    /// `modules/mcuboot/hooks/nrf53_hooks.c`): version 0.0.0, as large as the network core's partition.
    pub(crate) fn of_virtual_primary(image_size: u32) -> Self {
        Self {
            magic: IMAGE_MAGIC,
            header_size: VIRTUAL_HEADER_SIZE,
            image_size,
            ..Self::default()
        }
    }

    pub(crate) fn is_image(&self) -> bool {
        self.magic == IMAGE_MAGIC
    }

    pub(crate) fn is_erased(&self) -> bool {
        self.magic == u32::MAX
    }

    pub(crate) fn flags(&self) -> ImageFlags {
        ImageFlags::from_bits_retain(self.flags)
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.flags()
            .intersects(ImageFlags::ENCRYPTED_AES128 | ImageFlags::ENCRYPTED_AES256)
    }

    pub(crate) fn is_bootable(&self) -> bool {
        !self.flags().contains(ImageFlags::NON_BOOTABLE)
    }

    pub(crate) fn version(&self) -> ImageVersion {
        let [major, minor, r0, r1, b0, b1, b2, b3] = self.version;
        ImageVersion {
            major,
            minor,
            revision: u16::from_le_bytes([r0, r1]),
            build: u32::from_le_bytes([b0, b1, b2, b3]),
        }
    }

    /// `BOOT_TLV_OFF`: where the TLV areas start. Wraps as C's arithmetic does: not every header was checked.
    pub(crate) fn tlv_offset(&self) -> u32 {
        u32::from(self.header_size).wrapping_add(self.image_size)
    }

    /// `boot_check_header_valid`: why the loader refuses this header in this slot, `None` when it does not.
    pub(crate) fn refusal(&self, area: FlashArea, config: &Config) -> Option<String> {
        if !self.is_image() {
            return Some(format!(
                "header magic is {:#010x}, not {IMAGE_MAGIC:#010x}",
                self.magic
            ));
        }
        let checks_flags = config.line.checks_header_flags();
        let end = self
            .image_size
            .checked_add(u32::from(self.header_size))
            .and_then(|size| {
                let counted = if checks_flags { self.protected_size } else { 0 };
                size.checked_add(u32::from(counted))
            });
        if end.is_none_or(|end| end >= area.size()) {
            return Some(format!(
                "header says {} payload bytes, the slot has {}",
                self.image_size,
                area.size()
            ));
        }
        let placed = ImageFlags::ROM_FIXED | ImageFlags::RAM_LOAD;
        if config.address_check == AddressCheck::LoadAddress && !self.flags().intersects(placed) {
            return Some("its header tells no load address".to_owned());
        }
        if !checks_flags {
            return None;
        }
        if config.encryption == Encryption::None {
            if self.is_encrypted() {
                return Some(
                    "it is encrypted, and this bootloader was built without encryption".to_owned(),
                );
            }
        } else if self
            .flags()
            .contains(ImageFlags::ENCRYPTED_AES128 | ImageFlags::ENCRYPTED_AES256)
        {
            return Some("both encryption flags are set".to_owned());
        }
        let compressed = ImageFlags::COMPRESSED_LZMA1
            | ImageFlags::COMPRESSED_LZMA2
            | ImageFlags::COMPRESSED_ARM_THUMB;
        if self.flags().intersects(compressed) {
            return Some(
                "it is compressed, and this bootloader was built without decompression".to_owned(),
            );
        }
        None
    }
}
