//! Growing an image to a whole slot, with the trailer that a loader looks for.
//!
//! imgtool's own arithmetic (`image.py`, `_trailer_size` and `pad_to`): it differs from the loader's in the
//! space for keys and swap status, which only matters for the check whether everything fits.

use super::BuildError;
use crate::bytes::round_up;
use crate::trailer::magic;

/// What a padded image asks of the loader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailerMark {
    /// The magic alone: swap in for a test.
    #[default]
    Test,
    /// Magic and `image_ok`: swap in for good.
    Confirmed,
}

/// Which trailer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddedTrailer {
    /// Room for swap status and all fields.
    #[default]
    Swap,
    /// Two flags and the magic (`--overwrite-only`), which a confirmed mark does not change.
    OverwriteOnly,
}

/// How to fill the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Bytes of the slot, which is the size of the result.
    pub slot_size: u32,
    /// The flash's write size in bytes (`--align`).
    pub write_size: u32,
    /// Distance of the trailer's fields in bytes (`--max-align`).
    pub max_align: u32,
    /// Sectors that the swap status has room for (`--max-sectors`).
    pub max_sectors: u32,
    /// Which trailer.
    pub trailer: PaddedTrailer,
    /// What it asks for.
    pub mark: TrailerMark,
    /// Whether room is kept for whole content key TLVs (`--save-enctlv`).
    pub saved_keys: SavedKeys,
}

/// What a loader saves of content keys during a swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SavedKeys {
    /// The keys in clear.
    #[default]
    Plain,
    /// The TLV values they came in (`MCUBOOT_SWAP_SAVE_ENCTLV`).
    Tlv,
}

impl Padding {
    /// A pending test in a slot of an nRF5340: write size 4, maximum alignment 8, 128 sectors.
    #[must_use]
    pub fn new(slot_size: u32) -> Self {
        Self {
            slot_size,
            write_size: 4,
            max_align: 8,
            max_sectors: 128,
            trailer: PaddedTrailer::Swap,
            mark: TrailerMark::Test,
            saved_keys: SavedKeys::Plain,
        }
    }

    /// `key_tlv_len` is the length of the content key TLV's value; `None` for a plain image.
    pub(super) fn apply(
        &self,
        image: &mut Vec<u8>,
        erased: u8,
        key_tlv_len: Option<usize>,
    ) -> Result<(), BuildError> {
        self.check()?;
        let slot_size = self.slot_size as usize;
        let trailer = self.trailer_size(key_tlv_len);
        if image.len() + trailer > slot_size {
            return Err(BuildError::SlotSize {
                image: image.len(),
                trailer,
                slot_size: self.slot_size,
            });
        }
        let magic = magic(self.max_align);
        image.resize(slot_size, erased);
        image[slot_size - magic.len()..].copy_from_slice(&magic);
        if self.mark == TrailerMark::Confirmed && self.trailer == PaddedTrailer::Swap {
            let align = self.max_align as usize;
            image[slot_size - round_up(magic.len(), align) - align] = 0x01;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), BuildError> {
        for (field, found, least) in [
            ("write size", self.write_size, 1),
            ("maximum alignment", self.max_align, 8),
        ] {
            if !found.is_power_of_two() || !(least..=32).contains(&found) {
                return Err(BuildError::Alignment {
                    field,
                    found,
                    least,
                });
            }
        }
        Ok(())
    }

    fn trailer_size(&self, key_tlv_len: Option<usize>) -> usize {
        let align = self.max_align as usize;
        let magic = round_up(16, align);
        match self.trailer {
            PaddedTrailer::OverwriteOnly => 2 * align + magic,
            PaddedTrailer::Swap => {
                let status =
                    (self.max_sectors as usize).saturating_mul(3 * self.write_size as usize);
                let key = match (key_tlv_len, self.saved_keys) {
                    (None, _) => 0,
                    (Some(_), SavedKeys::Plain) => 16,
                    (Some(length), SavedKeys::Tlv) => length,
                };
                status.saturating_add(2 * round_up(key, align) + 4 * align + magic)
            }
        }
    }
}
