//! The trailer at the end of a slot: where its fields are, how they are read, and the writes that change them.
//!
//! Source: mcuboot `boot/bootutil/src/{bootutil_area.c,bootutil_misc.[ch],bootutil_public.c,bootutil_priv.h}`.

use std::fmt;

use crate::config::{Config, Encryption, Mode};
use crate::io::{AreaId, Driver, EraseOrder, FlashArea, Io, OrAssert, Step, Stop, insist};
use crate::outcome::SwapType;
use crate::pages::ERASED;

/// Length of the magic in bytes.
pub(crate) const MAGIC_SIZE: u32 = 16;

/// The magic for `BOOT_MAX_ALIGN` 8.
const MAGIC: [u8; 16] = [
    0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
];

/// The magic for a larger `BOOT_MAX_ALIGN`, behind two bytes that give it.
const ALIGNED_MAGIC: [u8; 14] = [
    0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f, 0x8a,
];

/// Value of a flag that is set.
const FLAG_SET: u8 = 1;

/// How the magic reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Magic {
    /// As MCUboot writes it.
    Good,
    /// All erased.
    Unset,
    /// Anything else.
    Bad,
}

impl fmt::Display for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Unset => "unset",
            Self::Bad => "bad",
        })
    }
}

/// How a flag (`copy_done`, `image_ok`) reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flag {
    /// 0x01.
    Set,
    /// Erased.
    Unset,
    /// Anything else.
    Bad,
}

impl Flag {
    /// The number in MCUboot's console lines.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::Bad => 2,
            Self::Unset => 3,
        }
    }

    fn decode(byte: u8) -> Self {
        match byte {
            ERASED => Self::Unset,
            FLAG_SET => Self::Set,
            _ => Self::Bad,
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Bad => "bad",
        })
    }
}

/// The fields of a trailer that decide (`struct boot_swap_state`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SwapState {
    /// The magic.
    pub magic: Magic,
    /// Kind of swap in `swap_info`; `None` when that is erased or not a kind.
    pub swap_type: SwapType,
    /// Image in `swap_info`.
    pub image: u8,
    /// Whether the swap was completed.
    pub copy_done: Flag,
    /// Whether the image was confirmed.
    pub image_ok: Flag,
}

impl SwapState {
    /// What MCUboot takes an unreachable slot for.
    pub(crate) const EMPTY: Self = Self {
        magic: Magic::Unset,
        swap_type: SwapType::None,
        image: 0,
        copy_done: Flag::Unset,
        image_ok: Flag::Unset,
    };
}

impl fmt::Display for SwapState {
    /// `magic/swap_type/copy_done/image_ok`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.magic, self.swap_type, self.copy_done, self.image_ok
        )
    }
}

/// Sizes and places of the trailer's parts for one configuration. Places are counted from the start of the slot.
impl Config {
    fn key_field_size(&self) -> u32 {
        let size = if self.save_enctlv {
            self.encryption.tlv_size(self)
        } else {
            self.content_key.bytes()
        };
        size.next_multiple_of(self.align())
    }

    fn align(&self) -> u32 {
        self.max_align.max(1)
    }

    /// Status words per sector: move 3 (1 move and 2 swap), scratch 3, offset 2.
    pub(crate) fn states_per_sector(&self) -> u32 {
        match self.mode {
            Mode::SwapOffset => 2,
            Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => 3,
        }
    }

    /// Whether the trailer has the sizes of the TLV areas.
    pub(crate) fn keeps_tlv_sizes(&self) -> bool {
        self.mode == Mode::SwapOffset && self.line.keeps_tlv_sizes()
    }

    fn info_size(&self) -> u32 {
        let keys = if self.encrypts() {
            2 * self.key_field_size()
        } else {
            0
        };
        let tlv_sizes = if self.keeps_tlv_sizes() {
            self.align()
        } else {
            0
        };
        keys + 4 * self.align() + tlv_sizes + MAGIC_SIZE.next_multiple_of(self.align())
    }

    /// Length of a slot's trailer, in bytes.
    #[must_use]
    pub fn trailer_size(&self) -> u32 {
        self.max_sectors * self.states_per_sector() * self.write_size + self.info_size()
    }

    /// Length of the trailer in the scratch area.
    pub(crate) fn scratch_trailer_size(&self) -> u32 {
        self.states_per_sector() * self.write_size + self.info_size()
    }

    pub(crate) fn magic_offset(&self, area: FlashArea) -> u32 {
        area.size().wrapping_sub(MAGIC_SIZE)
    }

    pub(crate) fn image_ok_offset(&self, area: FlashArea) -> u32 {
        let before_magic = self.magic_offset(area).wrapping_sub(self.align());
        before_magic - before_magic % self.align()
    }

    pub(crate) fn copy_done_offset(&self, area: FlashArea) -> u32 {
        self.image_ok_offset(area).wrapping_sub(self.align())
    }

    pub(crate) fn swap_info_offset(&self, area: FlashArea) -> u32 {
        self.copy_done_offset(area).wrapping_sub(self.align())
    }

    /// Only with swap-using-offset.
    pub(crate) fn tlv_sizes_offset(&self, area: FlashArea) -> u32 {
        self.swap_info_offset(area).wrapping_sub(self.align())
    }

    pub(crate) fn swap_size_offset(&self, area: FlashArea) -> u32 {
        let above = if self.keeps_tlv_sizes() {
            self.tlv_sizes_offset(area)
        } else {
            self.swap_info_offset(area)
        };
        above.wrapping_sub(self.align())
    }

    /// Key field of the image that was in slot `slot` (0 primary, 1 secondary) when the swap began.
    pub(crate) fn key_offset(&self, area: FlashArea, slot: usize) -> u32 {
        let below = if slot == 0 {
            self.key_field_size()
        } else {
            2 * self.key_field_size()
        };
        self.swap_size_offset(area).wrapping_sub(below)
    }

    /// Start of the status words; `None` when the trailer is longer than the area.
    pub(crate) fn status_offset(&self, area: FlashArea) -> Option<u32> {
        let size = match area.id {
            AreaId::Scratch => self.scratch_trailer_size(),
            AreaId::Primary(_) | AreaId::Secondary(_) => self.trailer_size(),
        };
        area.size().checked_sub(size)
    }

    fn magic(&self) -> [u8; 16] {
        if self.max_align <= 8 {
            return MAGIC;
        }
        let mut magic = [0; 16];
        let (align, rest) = magic.split_at_mut(2);
        align.copy_from_slice(
            &u16::try_from(self.max_align)
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        rest.copy_from_slice(&ALIGNED_MAGIC);
        magic
    }
}

impl Encryption {
    /// Length of the TLV value that holds a wrapped key (`BOOT_ENC_TLV_SIZE`).
    #[must_use]
    pub fn tlv_size(self, config: &Config) -> u32 {
        let key = config.content_key.bytes();
        match self {
            Self::None => 0,
            Self::Ec256 => 65 + 32 + key,
            Self::X25519 => 32 + 32 + key,
            Self::X25519Sha512 => 32 + 64 + key,
            Self::Rsa2048 => 256,
            Self::AesKw => key + 8,
        }
    }

    /// Type of that TLV; the wildcard for a build without encryption.
    #[must_use]
    pub fn tlv_type(self) -> u16 {
        match self {
            Self::None => 0xffff,
            Self::Rsa2048 => 0x30,
            Self::AesKw => 0x31,
            Self::Ec256 => 0x32,
            Self::X25519 => 0x33,
            Self::X25519Sha512 => 0x34,
        }
    }
}

impl Io<'_> {
    /// `boot_read_swap_state`.
    pub(crate) fn swap_state(&mut self, area: FlashArea) -> Step<Driver<SwapState>> {
        let magic = match self.read_magic(area)? {
            Ok(magic) => magic,
            Err(error) => return Ok(Err(error)),
        };
        let offset = self.config.swap_info_offset(area);
        let info = match self.read_bytes::<1>(area, offset)? {
            Ok([info]) => info,
            Err(error) => return Ok(Err(error)),
        };
        // 0 is let through, as in the C code.
        let (swap_type, image) = if info != ERASED && info & 0x0f <= SwapType::Revert.code() {
            (SwapType::from_code(info & 0x0f), info >> 4)
        } else {
            (SwapType::None, 0)
        };
        let offset = self.config.copy_done_offset(area);
        let copy_done = match self.read_bytes::<1>(area, offset)? {
            Ok([flag]) => Flag::decode(flag),
            Err(error) => return Ok(Err(error)),
        };
        let offset = self.config.image_ok_offset(area);
        let image_ok = match self.read_bytes::<1>(area, offset)? {
            Ok([flag]) => Flag::decode(flag),
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(SwapState {
            magic,
            swap_type,
            image,
            copy_done,
            image_ok,
        }))
    }

    pub(crate) fn read_magic(&mut self, area: FlashArea) -> Step<Driver<Magic>> {
        let expected = self.config.magic();
        let offset = self.config.magic_offset(area);
        Ok(self.read_bytes::<16>(area, offset)?.map(|found| {
            if found == expected {
                Magic::Good
            } else if found == [ERASED; 16] {
                Magic::Unset
            } else {
                Magic::Bad
            }
        }))
    }

    /// `boot_write_magic`: padded in front to the alignment.
    pub(crate) fn write_magic(&mut self, area: FlashArea) -> Step<Driver> {
        let align = self.config.max_align.max(1);
        let size = MAGIC_SIZE.next_multiple_of(align) as usize;
        let mut field = vec![ERASED; size];
        for (byte, value) in field.iter_mut().rev().zip(self.config.magic().iter().rev()) {
            *byte = *value;
        }
        let offset = self.config.magic_offset(area);
        self.write(area, offset - offset % align, &field)
    }

    /// `boot_write_trailer`: the value, filled up with erased bytes to whole writes.
    fn write_field(&mut self, area: FlashArea, offset: u32, value: &[u8]) -> Step<Driver> {
        let size = value
            .len()
            .next_multiple_of(self.config.write_size.max(1) as usize);
        insist(
            size <= self.config.max_align as usize,
            "a trailer field fits BOOT_MAX_ALIGN",
        )?;
        let mut field = value.to_vec();
        field.resize(size, ERASED);
        self.write(area, offset, &field)
    }

    pub(crate) fn write_image_ok(&mut self, area: FlashArea) -> Step<Driver> {
        let offset = self.config.image_ok_offset(area);
        self.write_field(area, offset, &[FLAG_SET])
    }

    pub(crate) fn write_copy_done(&mut self, area: FlashArea) -> Step<Driver> {
        let offset = self.config.copy_done_offset(area);
        self.write_field(area, offset, &[FLAG_SET])
    }

    pub(crate) fn write_swap_info(
        &mut self,
        area: FlashArea,
        swap_type: SwapType,
        image: usize,
    ) -> Step<Driver> {
        let image = u8::try_from(image).unwrap_or(u8::MAX) << 4;
        let offset = self.config.swap_info_offset(area);
        self.write_field(area, offset, &[image | (swap_type.code() & 0x0f)])
    }

    pub(crate) fn write_swap_size(&mut self, area: FlashArea, size: u32) -> Step<Driver> {
        let offset = self.config.swap_size_offset(area);
        self.write_field(area, offset, &size.to_le_bytes())
    }

    pub(crate) fn read_swap_size(&mut self, area: FlashArea) -> Step<Driver<u32>> {
        let offset = self.config.swap_size_offset(area);
        Ok(self.read_bytes::<4>(area, offset)?.map(u32::from_le_bytes))
    }

    pub(crate) fn write_tlv_sizes(
        &mut self,
        area: FlashArea,
        primary: u16,
        secondary: u16,
    ) -> Step<Driver> {
        let offset = self.config.tlv_sizes_offset(area);
        let both = u32::from(secondary) << 16 | u32::from(primary);
        self.write_field(area, offset, &both.to_le_bytes())
    }

    pub(crate) fn read_tlv_sizes(&mut self, area: FlashArea) -> Step<Driver<(u16, u16)>> {
        let offset = self.config.tlv_sizes_offset(area);
        Ok(self
            .read_bytes::<4>(area, offset)?
            .map(|[a, b, c, d]| (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))))
    }

    /// `swap_scramble_trailer_sectors`, `swap_erase_trailer_sectors` up to SDK 3.0: the sectors that hold the trailer, last
    /// one first.
    pub(crate) fn erase_trailer(&mut self, area: FlashArea) -> Step<Driver> {
        if self.config.line.insists_on_erased_trailer() {
            return self.erase_trailer_sectors(area);
        }
        let start = area.size().wrapping_sub(self.config.trailer_size());
        if start >= area.size() {
            return Ok(Err(crate::FlashError::OutOfRange {
                device: area.area.device,
                offset: start,
                length: 1,
            }));
        }
        let start = self.sector_start(start);
        self.scramble(area, start, area.size() - start, EraseOrder::Backwards)
    }

    /// An operation for each sector, and an assertion that it is done.
    fn erase_trailer_sectors(&mut self, area: FlashArea) -> Step<Driver> {
        let sector = self.config.sector_size.max(1);
        let count = self.config.trailer_size().div_ceil(sector).max(1);
        let sectors = self.sectors(area);
        for step in 1..=count {
            let Some(index) = sectors.checked_sub(step) else {
                return Err(Stop::Hang(
                    "reading the sector table before its start".to_owned(),
                ));
            };
            self.erase(area, index * sector, sector, EraseOrder::Forwards)?
                .or_assert("a sector of the trailer is erased")?;
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{ContentKeySize, ImageSlots, Signature};
    use crate::flash::{Area, DeviceId};

    fn config(mode: Mode, max_sectors: u32) -> Config {
        let area = |offset| Area {
            device: DeviceId::AppFlash,
            offset,
            size: 0x20000,
        };
        let slots = ImageSlots {
            primary: area(0),
            secondary: area(0x20000),
        };
        Config {
            max_sectors,
            ..Config::new(mode, Signature::EcdsaP256, slots)
        }
    }

    /// Sizes by calculation from `boot_trailer_sz` and as observed on the real one.
    #[rstest]
    #[case::move_128(Mode::SwapMove, 128, [1584, 1616, 1648, 1824])]
    #[case::scratch_128(Mode::SwapScratch, 128, [1584, 1616, 1648, 1824])]
    #[case::overwrite_128(Mode::OverwriteOnly, 128, [1584, 1616, 1648, 1824])]
    #[case::move_256(Mode::SwapMove, 256, [3120, 3152, 3184, 3360])]
    #[case::offset_128(Mode::SwapOffset, 128, [1080, 1112, 1144, 1320])]
    #[case::offset_256(Mode::SwapOffset, 256, [2104, 2136, 2168, 2344])]
    fn trailer_takes_as_many_bytes_as_mcuboots(
        #[case] mode: Mode,
        #[case] max_sectors: u32,
        #[case] sizes: [u32; 4],
    ) {
        let none = config(mode, max_sectors);
        let keys = Config {
            encryption: Encryption::Ec256,
            ..none.clone()
        };
        let long_keys = Config {
            content_key: ContentKeySize::Aes256,
            ..keys.clone()
        };
        let saved = Config {
            save_enctlv: true,
            ..keys.clone()
        };
        assert_eq!(
            [none, keys, long_keys, saved].map(|config| config.trailer_size()),
            sizes
        );
    }

    #[rstest]
    #[case::swap_move(Mode::SwapMove, [16, 24, 32, 40, 48, 64, 80])]
    #[case::swap_offset(Mode::SwapOffset, [16, 24, 32, 40, 56, 72, 88])]
    fn trailer_fields_lie_where_mcuboot_has_them(#[case] mode: Mode, #[case] from_end: [u32; 7]) {
        let config = Config {
            encryption: Encryption::Ec256,
            ..config(mode, 128)
        };
        let area = config.images[0].primary_area(0);
        let offsets = [
            config.magic_offset(area),
            config.image_ok_offset(area),
            config.copy_done_offset(area),
            config.swap_info_offset(area),
            config.swap_size_offset(area),
            config.key_offset(area, 0),
            config.key_offset(area, 1),
        ];
        assert_eq!(offsets.map(|offset| area.size() - offset), from_end);
    }

    #[test]
    fn a_larger_alignment_has_another_magic() {
        let config = Config {
            max_align: 16,
            ..config(Mode::SwapMove, 128)
        };
        assert_eq!(config.magic()[..4], [16, 0, 0x2d, 0xe1]);
        let area = config.images[0].primary_area(0);
        assert_eq!(area.size() - config.image_ok_offset(area), 32);
    }
}
