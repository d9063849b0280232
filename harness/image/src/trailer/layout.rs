//! Where the fields of a trailer lie, by the choices that a loader was built with.
//!
//! Facts: mcuboot `boot/bootutil/src/bootutil_misc.h`, `bootutil_area.c`, `bootutil_area.h`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bytes::round_up;
use crate::header::AesKeySize;

/// How a loader brings a new image into the primary slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SwapMode {
    /// Move the old image up by one sector, then swap sector by sector.
    #[serde(rename = "swap-move")]
    Move,
    /// Swap through a scratch area.
    #[serde(rename = "swap-scratch")]
    Scratch,
    /// Swap between slots that are shifted by one sector.
    #[serde(rename = "swap-offset")]
    Offset,
    /// Copy over the old image.
    #[serde(rename = "overwrite-only")]
    Overwrite,
}

impl SwapMode {
    /// Status entries per sector. Overwrite-only writes none, but has the room compiled in.
    #[must_use]
    pub const fn states(self) -> u32 {
        match self {
            Self::Offset => 2,
            Self::Move | Self::Scratch | Self::Overwrite => 3,
        }
    }
}

/// What a loader keeps of content keys in a trailer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrailerKeys {
    /// Built without encryption.
    #[default]
    None,
    /// The keys in clear.
    Plain(AesKeySize),
    /// The values of the key TLVs (`MCUBOOT_SWAP_SAVE_ENCTLV`), which have this many bytes.
    Tlv(u16),
}

/// What decides where the fields of a trailer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailerLayout {
    /// How the loader swaps.
    pub mode: SwapMode,
    /// Sectors that the swap status has room for (`BOOT_MAX_IMG_SECTORS`).
    pub max_sectors: u32,
    /// Bytes of the flash's smallest write.
    pub write_size: u32,
    /// Distance between fields in bytes (`BOOT_MAX_ALIGN`).
    pub max_align: u32,
    /// What is kept of content keys.
    pub keys: TrailerKeys,
}

/// Offsets of the fields from the start of the slot, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailerFields {
    /// The magic, 16 bytes at the end.
    pub magic: u32,
    /// `image_ok`, one byte used.
    pub image_ok: u32,
    /// `copy_done`, one byte used.
    pub copy_done: u32,
    /// `swap_info`, one byte used.
    pub swap_info: u32,
    /// Sizes of the unprotected TLVs, 4 bytes; swap-offset only.
    pub tlv_sizes: Option<u32>,
    /// `swap_size`, 4 bytes.
    pub swap_size: u32,
    /// Content keys: of the image from the primary slot (higher address), then of the one from the
    /// secondary; empty without encryption.
    pub keys: Vec<Range<u32>>,
    /// Swap status; it starts where the trailer starts.
    pub status: Range<u32>,
}

/// Why a slot cannot have such a trailer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrailerLayoutError {
    /// Alignments that flash does not have.
    #[error("trailer {field} is {found} bytes, expected a power of two from {least} to 32")]
    Alignment {
        /// Which one.
        field: &'static str,
        /// The value.
        found: u32,
        /// The least value.
        least: u32,
    },
    /// The slot is smaller than its trailer.
    #[error("slot is {slot_size:#x} bytes, expected at least {trailer:#x} for its trailer")]
    SlotSize {
        /// Bytes of the slot.
        slot_size: u32,
        /// Bytes of the trailer.
        trailer: u64,
    },
    /// The fields count from the end of the slot and must come out aligned.
    #[error("slot is {slot_size:#x} bytes, expected a multiple of {max_align}")]
    SlotAlignment {
        /// Bytes of the slot.
        slot_size: u32,
        /// Distance between fields, bytes.
        max_align: u32,
    },
}

impl TrailerLayout {
    /// A loader on an nRF5340 with everything else by default: write size 4, maximum alignment 8,
    /// 128 sectors, no encryption.
    #[must_use]
    pub const fn new(mode: SwapMode) -> Self {
        Self {
            mode,
            max_sectors: 128,
            write_size: 4,
            max_align: 8,
            keys: TrailerKeys::None,
        }
    }

    /// The same with other room for content keys.
    #[must_use]
    pub const fn with_keys(self, keys: TrailerKeys) -> Self {
        Self { keys, ..self }
    }

    /// Bytes of the whole trailer (`boot_trailer_sz`).
    #[must_use]
    pub fn size(&self) -> u64 {
        self.status_size() + self.info_size()
    }

    /// Bytes of the swap status (`boot_status_sz`).
    #[must_use]
    pub fn status_size(&self) -> u64 {
        u64::from(self.max_sectors) * u64::from(self.mode.states()) * u64::from(self.write_size)
    }

    fn info_size(&self) -> u64 {
        let align = u64::from(self.max_align);
        let fields = match self.mode {
            SwapMode::Offset => 5,
            _ => 4,
        };
        2 * u64::from(self.key_size()) + fields * align + u64::from(self.magic_size())
    }

    /// Bytes of one content key field.
    fn key_size(&self) -> u32 {
        let bytes = match self.keys {
            TrailerKeys::None => 0,
            TrailerKeys::Plain(size) => size.len(),
            TrailerKeys::Tlv(length) => usize::from(length),
        };
        self.aligned(bytes)
    }

    fn magic_size(&self) -> u32 {
        self.aligned(16)
    }

    fn aligned(&self, bytes: usize) -> u32 {
        // A TLV value is at most 65,535 bytes and the step at most 32.
        round_up(bytes, self.max_align.max(1) as usize) as u32
    }

    /// Where the fields of a slot of this size lie.
    ///
    /// # Errors
    ///
    /// The slot is too small, or sizes are none that flash can have.
    pub fn fields(&self, slot_size: u32) -> Result<TrailerFields, TrailerLayoutError> {
        self.check(slot_size)?;
        let align = self.max_align;
        let image_ok = slot_size - self.magic_size() - align;
        let copy_done = image_ok - align;
        let swap_info = copy_done - align;
        let tlv_sizes = (self.mode == SwapMode::Offset).then(|| swap_info - align);
        let swap_size = tlv_sizes.unwrap_or(swap_info) - align;
        let key_size = self.key_size();
        let keys: Vec<_> = match self.keys {
            TrailerKeys::None => Vec::new(),
            _ => (1..=2)
                .map(|number| {
                    let start = swap_size - number * key_size;
                    start..start + key_size
                })
                .collect(),
        };
        let end = keys.last().map_or(swap_size, |key| key.start);
        let status = end - self.status_size() as u32..end;
        Ok(TrailerFields {
            magic: slot_size - 16,
            image_ok,
            copy_done,
            swap_info,
            tlv_sizes,
            swap_size,
            keys,
            status,
        })
    }

    fn check(&self, slot_size: u32) -> Result<(), TrailerLayoutError> {
        for (field, found, least) in [
            ("write size", self.write_size, 1),
            ("maximum alignment", self.max_align, 8),
        ] {
            if !found.is_power_of_two() || !(least..=32).contains(&found) {
                return Err(TrailerLayoutError::Alignment {
                    field,
                    found,
                    least,
                });
            }
        }
        if !slot_size.is_multiple_of(self.max_align) {
            return Err(TrailerLayoutError::SlotAlignment {
                slot_size,
                max_align: self.max_align,
            });
        }
        let trailer = self.size();
        if u64::from(slot_size) < trailer {
            return Err(TrailerLayoutError::SlotSize { slot_size, trailer });
        }
        Ok(())
    }
}
