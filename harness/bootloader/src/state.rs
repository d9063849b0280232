//! What MCUboot keeps in RAM during one boot. Nothing of it outlives the boot.
//!
//! Source: `struct boot_loader_state` and `struct boot_status` in mcuboot `boot/bootutil/src/bootutil_priv.h`.

use hil_image::ContentKey;

use crate::config::{Config, ImageSlots, Keys, Line, Mode};
use crate::flash::FlashError;
use crate::header::Header;
use crate::io::{AreaId, FlashArea, Io, Step, Stop};
use crate::marks::Decided;
use crate::outcome::{Decision, SwapType};
use crate::pages::ERASED;
use crate::pcd::PcdBoard;
use crate::recall::Recall;

/// Number of the slot that runs.
pub(crate) const PRIMARY: usize = 0;
/// Number of the slot that updates are put in.
pub(crate) const SECONDARY: usize = 1;

/// One boot under way.
pub(crate) struct Loader<'a> {
    pub(crate) io: Io<'a>,
    pub(crate) keys: &'a Keys,
    pub(crate) network: Option<&'a mut dyn PcdBoard>,
    pub(crate) images: Vec<ImageState>,
    /// Image that is being dealt with.
    pub(crate) current: usize,
    pub(crate) decisions: Vec<Decision>,
    /// Writes of status words that failed (`boot_status_fails`).
    pub(crate) status_fails: u32,
    /// Where the last swap-using-move of this boot ended, of whichever image (`g_last_idx`, up to SDK 2.3).
    pub(crate) last_sector: u32,
    /// What earlier boots found out, in place of doing it again.
    pub(crate) recall: Recall,
}

/// What is known of one image.
pub(crate) struct ImageState {
    slots: ImageSlots,
    pub(crate) headers: [Header; 2],
    pub(crate) swap_type: SwapType,
    /// Sectors of the slots; 0 until they were read.
    pub(crate) sectors: [u32; 2],
    /// Content keys that are ready for use.
    pub(crate) content_keys: [Option<ContentKey>; 2],
    /// Where the image begins in the secondary slot; 0 except with swap-using-offset.
    pub(crate) secondary_offset: u32,
    /// Sizes of the unprotected TLV areas, only with swap-using-offset.
    pub(crate) unprotected_tlv_sizes: [u16; 2],
}

/// What the status words of a swap count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// Sectors of the primary are moved up (swap-using-move); also the only kind of swap-using-scratch.
    Move,
    /// Sectors are exchanged.
    Swap,
}

/// Where the status of an interrupted swap was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    None,
    Scratch,
    Primary,
}

/// How far a swap is (`struct boot_status`).
pub(crate) struct Progress {
    /// Sector (or group of sectors) that is being dealt with, counted from 1.
    pub(crate) index: u32,
    /// Step within it, counted from 1.
    pub(crate) state: u8,
    pub(crate) op: Op,
    pub(crate) use_scratch: bool,
    pub(crate) swap_type: SwapType,
    pub(crate) swap_size: u32,
    pub(crate) source: Source,
    /// Contents of the key fields of the trailer: bare content keys.
    pub(crate) key_fields: [Secret; 2],
    /// Contents of the key fields of the trailer when they hold the TLVs.
    pub(crate) tlv_fields: [Secret; 2],
}

/// Bytes that may be a key: never shown.
pub(crate) struct Secret(pub(crate) Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl Secret {
    fn erased(length: usize) -> Self {
        Self(vec![ERASED; length])
    }

    pub(crate) fn erase(&mut self) {
        self.0.fill(ERASED);
    }

    pub(crate) fn is_erased(&self) -> bool {
        self.0.iter().all(|byte| *byte == ERASED)
    }

    /// Puts `bytes` at the start.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        for (place, byte) in self.0.iter_mut().zip(bytes) {
            *place = *byte;
        }
    }
}

impl Progress {
    /// `boot_status_reset`: nothing begun.
    pub(crate) fn new(config: &Config) -> Self {
        let align = config.max_align.max(1);
        let key = config.content_key.bytes().next_multiple_of(align) as usize;
        let tlv = config.encryption.tlv_size(config).next_multiple_of(align) as usize;
        Self {
            index: 1,
            state: 1,
            op: first_op(config.mode),
            use_scratch: false,
            swap_type: SwapType::None,
            swap_size: 0,
            source: Source::None,
            key_fields: [Secret::erased(key), Secret::erased(key)],
            tlv_fields: [Secret::erased(tlv), Secret::erased(tlv)],
        }
    }

    /// `boot_status_is_reset`: no step of a swap is recorded.
    pub(crate) fn is_reset(&self, mode: Mode) -> bool {
        self.op == first_op(mode) && self.index == 1 && self.state == 1
    }
}

fn first_op(mode: Mode) -> Op {
    match mode {
        Mode::SwapOffset => Op::Swap,
        Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => Op::Move,
    }
}

impl ImageState {
    pub(crate) fn new(slots: ImageSlots) -> Self {
        Self {
            slots,
            headers: [Header::default(); 2],
            // Zero, as the C code's state begins.
            swap_type: SwapType::Other(0),
            sectors: [0; 2],
            content_keys: [None, None],
            secondary_offset: 0,
            unprotected_tlv_sizes: [0; 2],
        }
    }
}

impl Loader<'_> {
    pub(crate) fn line(&self) -> Line {
        self.io.config.line
    }

    /// The current image's number as console lines name it; nothing where they do not.
    pub(crate) fn image_in_console(&self) -> String {
        if self.line().names_image() {
            format!(" {}", self.current)
        } else {
            String::new()
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.io.config.mode
    }

    pub(crate) fn image(&self) -> &ImageState {
        &self.images[self.current]
    }

    pub(crate) fn image_mut(&mut self) -> &mut ImageState {
        &mut self.images[self.current]
    }

    pub(crate) fn area(&self, slot: usize) -> FlashArea {
        let slots = &self.image().slots;
        if slot == PRIMARY {
            slots.primary_area(self.current)
        } else {
            slots.secondary_area(self.current)
        }
    }

    /// The scratch area; an assertion when the build has none.
    pub(crate) fn scratch(&self) -> Step<FlashArea> {
        let area = self
            .io
            .config
            .scratch
            .ok_or_else(|| Stop::Assert("there is a scratch area".to_owned()))?;
        Ok(FlashArea {
            id: AreaId::Scratch,
            area,
        })
    }

    pub(crate) fn header(&self, slot: usize) -> Header {
        self.image().headers[slot]
    }

    /// Where the image in an area begins (`boot_get_state_secondary_offset`).
    pub(crate) fn image_start(&self, area: FlashArea) -> u32 {
        if area.id == AreaId::Secondary(self.current) {
            self.image().secondary_offset
        } else {
            0
        }
    }

    pub(crate) fn sector_size(&self) -> u32 {
        self.io.config.sector_size.max(1)
    }

    /// `boot_img_sector_off`: start of sector `index` of a slot.
    ///
    /// The C code keeps the sectors of all slots in one table (`struct boot_sector_buffer`) and does not check the
    /// index: damaged trailers make it read the entries behind, which are zero or another slot's.
    pub(crate) fn sector_offset(&self, slot: usize, index: u32) -> Step<u32> {
        Ok(match self.table_entry(slot, index)? {
            Some(index) => index * self.sector_size(),
            None => 0,
        })
    }

    /// `boot_img_sector_size`, which reads the same table.
    pub(crate) fn table_sector_size(&self, slot: usize, index: u32) -> Step<u32> {
        Ok(if self.table_entry(slot, index)?.is_some() {
            self.sector_size()
        } else {
            0
        })
    }

    /// The entry of the sector table that is meant: which sector of its slot, `None` for one that was not filled in.
    fn table_entry(&self, slot: usize, index: u32) -> Step<Option<u32>> {
        let max = self.io.config.max_sectors.max(1) as usize;
        let images = self.images.len();
        let flat = (slot * images + self.current) * max + index as usize;
        let (slot, image, index) = (flat / max / images, flat / max % images, flat % max);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let count = match (slot, image, self.io.config.mode) {
            (PRIMARY | SECONDARY, image, _) => {
                self.images.get(image).map(|image| image.sectors[slot])
            }
            // Behind the slots' sectors come those of the scratch area.
            (2, 0, Mode::SwapScratch) => Some(self.io.sectors(self.scratch()?)),
            _ => None,
        };
        match count {
            Some(count) => Ok((index < count).then_some(index)),
            None => Err(Stop::Hang(format!(
                "reading entry {flat} of the sector table, which it does not have"
            ))),
        }
    }

    /// `boot_swap_type_multi` for the current image.
    pub(crate) fn decide_swap_type(&mut self) -> Step<Decided> {
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        self.io.decide_swap_type(self.current, primary, secondary)
    }

    /// Notes a decision about the current image.
    pub(crate) fn decided(&mut self, what: impl Into<String>, because: impl Into<String>) {
        self.decisions.push(Decision {
            image: Some(self.current),
            what: what.into(),
            because: because.into(),
        });
    }

    /// Drops the content keys of the current image (`boot_enc_zeroize`).
    pub(crate) fn drop_content_keys(&mut self) {
        self.image_mut().content_keys = [None, None];
    }
}

/// The error of a driver as the reason of a refusal.
pub(crate) fn reason(error: &FlashError) -> String {
    error.to_string()
}
