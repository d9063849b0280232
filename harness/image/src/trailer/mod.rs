//! The trailer at the end of a slot: what is asked of the loader, and how far a swap got.
//!
//! [`TrailerLayout`] says where each field lies for a build of the loader; [`Trailer`] is what was found
//! there. Decoding follows `boot_read_swap_state` in mcuboot `boot/bootutil/src/bootutil_public.c`.

mod layout;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::u32_at;
use crate::content_key::ContentKey;

pub use layout::{SwapMode, TrailerFields, TrailerKeys, TrailerLayout, TrailerLayoutError};

/// The 16 bytes at the very end of a slot with a request or a swap in it.
///
/// Two kinds: a fixed one for a maximum alignment of 8, and one that starts with the alignment (mcuboot
/// `boot/bootutil/src/bootutil_public.c`).
#[must_use]
pub fn magic(max_align: u32) -> [u8; 16] {
    if max_align <= 8 {
        return [
            0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6,
            0x79, 0x80,
        ];
    }
    let [low, high, ..] = max_align.to_le_bytes();
    [
        low, high, 0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f,
        0x8a,
    ]
}

/// State of the magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MagicState {
    /// The magic is there.
    Good,
    /// Erased.
    Unset,
    /// Something else.
    Bad,
}

impl MagicState {
    /// Decodes the last 16 bytes of a slot, by the value that erased flash has.
    #[must_use]
    pub fn decode(bytes: &[u8; 16], max_align: u32, erased: u8) -> Self {
        if bytes.iter().all(|byte| *byte == erased) {
            Self::Unset
        } else if *bytes == magic(max_align) {
            Self::Good
        } else {
            Self::Bad
        }
    }
}

impl fmt::Display for MagicState {
    /// The loader's own words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Unset => "unset",
            Self::Bad => "bad",
        })
    }
}

/// State of `image_ok` or `copy_done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagState {
    /// 0x01.
    Set,
    /// Something else.
    Bad,
    /// Erased.
    Unset,
}

impl FlagState {
    /// Decodes the first byte of the field, by the value that erased flash has.
    #[must_use]
    pub fn decode(byte: u8, erased: u8) -> Self {
        match byte {
            byte if byte == erased => Self::Unset,
            0x01 => Self::Set,
            _ => Self::Bad,
        }
    }

    /// The number that the loader's log prints for it: 1 set, 2 bad, 3 unset.
    #[must_use]
    pub fn log_value(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::Bad => 2,
            Self::Unset => 3,
        }
    }
}

impl fmt::Display for FlagState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Set => "set",
            Self::Bad => "bad",
            Self::Unset => "unset",
        })
    }
}

/// What a swap is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwapType {
    /// No swap.
    None,
    /// Until the image confirms itself.
    Test,
    /// For good.
    Perm,
    /// Back to the image before.
    Revert,
}

impl SwapType {
    /// The number in the low nibble of `swap_info`, also printed by the loader's log.
    #[must_use]
    pub fn value(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Test => 2,
            Self::Perm => 3,
            Self::Revert => 4,
        }
    }
}

impl fmt::Display for SwapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Test => "test",
            Self::Perm => "perm",
            Self::Revert => "revert",
        })
    }
}

/// The `swap_info` field, as the loader takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SwapInfo {
    /// What the swap is for.
    pub swap_type: SwapType,
    /// Index of the image that is swapped.
    pub image: u8,
}

impl SwapInfo {
    /// Decodes the field's first byte: erased and unknown types count as no swap of image 0.
    #[must_use]
    pub fn decode(byte: u8, erased: u8) -> Self {
        let none = Self {
            swap_type: SwapType::None,
            image: 0,
        };
        if byte == erased {
            return none;
        }
        let swap_type = match byte & 0x0f {
            // Type 0 is no type, but the loader's only check is for values above `revert`.
            0 | 1 => SwapType::None,
            2 => SwapType::Test,
            3 => SwapType::Perm,
            4 => SwapType::Revert,
            _ => return none,
        };
        Self {
            swap_type,
            image: byte >> 4,
        }
    }

    /// The byte that the loader writes.
    #[must_use]
    pub fn encode(self) -> u8 {
        (self.image << 4) | self.swap_type.value()
    }
}

/// A content key field of a trailer.
#[derive(Clone, PartialEq, Eq)]
pub enum SavedKey {
    /// Erased: the image in that slot is not encrypted.
    Erased,
    /// The key in clear.
    Plain(PlainKey),
    /// The value of the content key TLV, with its fill.
    Tlv(Vec<u8>),
}

/// A content key that was read from flash; two are equal when their bytes are.
#[derive(Clone)]
pub struct PlainKey(pub ContentKey);

impl PartialEq for PlainKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for PlainKey {}

impl fmt::Debug for SavedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erased => f.write_str("Erased"),
            Self::Plain(key) => write!(f, "Plain({:?})", key.0),
            Self::Tlv(value) => write!(f, "Tlv({} bytes)", value.len()),
        }
    }
}

/// What a trailer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The magic.
    pub magic: MagicState,
    /// Whether the image is confirmed.
    pub image_ok: FlagState,
    /// Whether the swap is finished.
    pub copy_done: FlagState,
    /// What the swap is for.
    pub swap_info: SwapInfo,
    /// The byte that `swap_info` was decoded from.
    pub raw_swap_info: u8,
    /// Bytes that are swapped; `None` when erased.
    pub swap_size: Option<u32>,
    /// Swap-offset only: bytes of the unprotected TLVs of primary and secondary; `None` when erased.
    pub tlv_sizes: Option<(u16, u16)>,
    /// Content keys of the image from the primary slot and of the one from the secondary; empty for
    /// layouts without encryption.
    pub keys: Vec<SavedKey>,
    /// First byte of each entry of the swap status; an entry that is not erased is a step that is done.
    pub status: Vec<u8>,
    /// The value that erased flash has.
    pub erased: u8,
}

impl Trailer {
    /// Reads the trailer of a whole slot, whose erased value is 0xff.
    ///
    /// # Errors
    ///
    /// The slot is too small for the layout, or the layout is none that flash can have.
    pub fn read(slot: &[u8], layout: &TrailerLayout) -> Result<Self, TrailerLayoutError> {
        const ERASED: u8 = 0xff;
        let slot_size = u32::try_from(slot.len()).unwrap_or(u32::MAX);
        let fields = layout.fields(slot_size)?;
        // `fields` has checked that everything lies inside the slot.
        let byte = |offset: u32| slot.get(offset as usize).copied().unwrap_or(ERASED);
        let word = |offset: u32| {
            u32_at(slot, offset as usize).filter(|word| word.to_le_bytes() != [ERASED; 4])
        };
        let mut last = [ERASED; 16];
        last.copy_from_slice(&slot[fields.magic as usize..]);
        let raw_swap_info = byte(fields.swap_info);
        let status = fields
            .status
            .clone()
            .step_by(layout.write_size as usize)
            .map(byte)
            .collect();
        Ok(Self {
            magic: MagicState::decode(&last, layout.max_align, ERASED),
            image_ok: FlagState::decode(byte(fields.image_ok), ERASED),
            copy_done: FlagState::decode(byte(fields.copy_done), ERASED),
            swap_info: SwapInfo::decode(raw_swap_info, ERASED),
            raw_swap_info,
            swap_size: word(fields.swap_size),
            tlv_sizes: fields
                .tlv_sizes
                .and_then(word)
                .map(|sizes| (sizes as u16, (sizes >> 16) as u16)),
            keys: fields
                .keys
                .iter()
                .map(|range| {
                    saved_key(
                        &slot[range.start as usize..range.end as usize],
                        layout.keys,
                        ERASED,
                    )
                })
                .collect(),
            status,
            erased: ERASED,
        })
    }

    /// Whether nothing at all is written, in the fields and in the swap status.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.magic == MagicState::Unset
            && self.image_ok == FlagState::Unset
            && self.copy_done == FlagState::Unset
            && self.raw_swap_info == self.erased
            && self.swap_size.is_none()
            && self.tlv_sizes.is_none()
            && self.keys.iter().all(|key| *key == SavedKey::Erased)
            && self.steps_done() == 0
    }

    /// Entries of the swap status that are written.
    #[must_use]
    pub fn steps_done(&self) -> usize {
        self.status
            .iter()
            .filter(|byte| **byte != self.erased)
            .count()
    }

    /// What the trailer asks for when it lies in the secondary slot (first rows of the loader's table).
    #[must_use]
    pub fn request(&self) -> SwapType {
        match (self.magic, self.image_ok) {
            (MagicState::Good, FlagState::Unset) => SwapType::Test,
            (MagicState::Good, FlagState::Set) => SwapType::Perm,
            _ => SwapType::None,
        }
    }
}

fn saved_key(bytes: &[u8], keys: TrailerKeys, erased: u8) -> SavedKey {
    if bytes.iter().all(|byte| *byte == erased) {
        return SavedKey::Erased;
    }
    match keys {
        TrailerKeys::Plain(size) => ContentKey::from_bytes(&bytes[..size.len()])
            .map_or(SavedKey::Erased, |key| SavedKey::Plain(PlainKey(key))),
        _ => SavedKey::Tlv(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests;
