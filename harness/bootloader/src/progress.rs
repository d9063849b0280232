//! Starting, finding and recording a swap: status source, status words, and where headers are meanwhile.
//!
//! Source: mcuboot `boot/bootutil/src/{swap_misc.c,loader.c,bootutil_misc.c,bootutil_loader.c}` and the parts of
//! `swap_move.c`, `swap_offset.c`, `swap_scratch.c` that have the same form.

use crate::config::Mode;
use crate::header::{HEADER_LEN, Header};
use crate::io::{AreaId, Driver, FlashArea, OrAssert, Step, Stop};
use crate::outcome::SwapType;
use crate::pages::ERASED;
use crate::state::{Loader, Op, PRIMARY, Progress, SECONDARY, Source};
use crate::trailer::{Flag, Magic, SwapState};

/// Whether a failed header read is a failure for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Headers {
    /// The primary's is enough.
    First,
    /// Both are needed.
    All,
}

/// Where a header was found to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderPlace {
    pub(crate) area: FlashArea,
    pub(crate) offset: u32,
}

impl Loader<'_> {
    /// `boot_read_image_headers`; `progress` only while its places hold. Whether it succeeded.
    pub(crate) fn read_headers(
        &mut self,
        need: Headers,
        progress: Option<&Progress>,
    ) -> Step<bool> {
        for slot in [PRIMARY, SECONDARY] {
            if slot == PRIMARY && self.io.config.is_virtual(self.current) {
                let size = self.io.config.network_slot.size;
                self.image_mut().headers[PRIMARY] = Header::of_virtual_primary(size);
                continue;
            }
            let read = match self.mode() {
                Mode::SwapMove => self.read_header_move(slot, progress)?,
                Mode::SwapOffset => self.read_header_offset(slot, progress)?,
                Mode::SwapScratch => self.read_header_scratch(slot, progress)?,
                Mode::OverwriteOnly | Mode::SingleSlot => {
                    let place = HeaderPlace {
                        area: self.area(slot),
                        offset: 0,
                    };
                    self.read_header_at(slot, place)?
                }
            };
            if !read {
                return Ok(slot == SECONDARY && need == Headers::First);
            }
        }
        Ok(true)
    }

    /// Reads the header of `slot` from where it is.
    pub(crate) fn read_header_at(&mut self, slot: usize, place: HeaderPlace) -> Step<bool> {
        let read = self.io.read_bytes::<HEADER_LEN>(place.area, place.offset)?;
        Ok(match read {
            Ok(bytes) => {
                self.image_mut().headers[slot] = Header::parse(&bytes);
                true
            }
            Err(_) => false,
        })
    }

    /// `swap_read_status`: finds an interrupted swap. Whether it succeeded.
    pub(crate) fn read_progress(&mut self, progress: &mut Progress) -> Step<bool> {
        progress.source = match self.mode() {
            Mode::SwapScratch => self.status_source_scratch()?,
            Mode::SwapMove | Mode::SwapOffset | Mode::OverwriteOnly | Mode::SingleSlot => {
                self.status_source()?
            }
        };
        let area = match progress.source {
            Source::None => return Ok(true),
            Source::Scratch => self.scratch()?,
            Source::Primary => self.area(PRIMARY),
        };
        let Some(status) = self.io.config.status_offset(area) else {
            return Err(Stop::Assert("the trailer fits the slot".to_owned()));
        };
        let read = match self.mode() {
            Mode::SwapScratch => self.read_status_words_scratch(area, status, progress)?,
            Mode::SwapMove | Mode::SwapOffset | Mode::OverwriteOnly | Mode::SingleSlot => {
                self.read_status_words(area, status, progress)?
            }
        };
        if !read {
            return Ok(false);
        }
        let offset = self.io.config.swap_info_offset(area);
        let Ok([info]) = self.io.read_bytes::<1>(area, offset)? else {
            return Ok(false);
        };
        // The number is not checked: a damaged one is carried along.
        progress.swap_type = if info == ERASED {
            SwapType::None
        } else {
            SwapType::from_code(info & 0x0f)
        };
        Ok(true)
    }

    /// `swap_status_source` of swap-using-move and swap-using-offset.
    fn status_source(&mut self) -> Step<Source> {
        let primary = self
            .io
            .swap_state(self.area(PRIMARY))?
            .or_assert("the primary trailer is read")?;
        self.log_swap_state("Primary image", &primary);
        let secondary = self
            .io
            .swap_state(self.area(SECONDARY))?
            .or_assert("the secondary trailer is read")?;
        self.log_swap_state("Secondary image", &secondary);
        if primary.magic == Magic::Good
            && primary.copy_done == Flag::Unset
            && secondary.magic != Magic::Good
        {
            self.io.info("Boot source: primary slot");
            return Ok(Source::Primary);
        }
        self.io.info("Boot source: none");
        Ok(Source::None)
    }

    pub(crate) fn log_swap_state(&mut self, name: &str, state: &SwapState) {
        self.io.info(format!(
            "{name}: magic={}, swap_type={:#x}, copy_done={:#x}, image_ok={:#x}",
            state.magic,
            state.swap_type.code(),
            state.copy_done.code(),
            state.image_ok.code()
        ));
    }

    /// `swap_read_status_bytes` of swap-using-move and swap-using-offset: the highest word that is not erased says how
    /// far it was.
    fn read_status_words(
        &mut self,
        area: FlashArea,
        start: u32,
        progress: &mut Progress,
    ) -> Step<bool> {
        let config = self.io.config;
        let words = config.max_sectors * config.states_per_sector();
        let word_size = config.write_size;
        let mut found = 0;
        for word in (1..=words).rev() {
            let Ok([byte]) = self
                .io
                .read_bytes::<1>(area, start + (word - 1) * word_size)?
            else {
                return Ok(false);
            };
            if byte != ERASED && found == 0 {
                found = word;
            }
        }
        if found == 0 {
            return Ok(true);
        }
        let moves = if self.mode() == Mode::SwapMove {
            config.max_sectors
        } else {
            0
        };
        let (op, index, state) = if found < moves {
            (Op::Move, found, 0)
        } else {
            (Op::Swap, (found - moves) / 2, (found - moves) % 2)
        };
        progress.op = op;
        progress.index = index + 1;
        progress.state = u8::try_from(state).unwrap_or(0) + 1;
        Ok(true)
    }

    /// `boot_write_status`: the word of the step that was done.
    fn write_status_word(&mut self, progress: &Progress) -> Step<Driver> {
        let area = if progress.use_scratch {
            self.scratch()?
        } else {
            self.area(PRIMARY)
        };
        let config = self.io.config;
        let Some(start) = config.status_offset(area) else {
            return Err(Stop::Assert("the trailer fits the slot".to_owned()));
        };
        let (before, per_index) = match (self.mode(), progress.op) {
            (Mode::SwapMove, Op::Move) => (0, 1),
            (Mode::SwapMove, Op::Swap) => (config.max_sectors, 2),
            _ => (0, config.states_per_sector()),
        };
        let word = before
            .wrapping_add(progress.index.wrapping_sub(1).wrapping_mul(per_index))
            .wrapping_add(u32::from(progress.state) - 1);
        let mut bytes = vec![ERASED; config.write_size as usize];
        if let Some(first) = bytes.first_mut() {
            *first = progress.state;
        }
        self.io.write(
            area,
            start.wrapping_add(word.wrapping_mul(config.write_size)),
            &bytes,
        )
    }

    /// Writes the status word of a step. A failure is only counted when the primary is validated later anyway
    /// (`BOOT_STATUS_ASSERT`).
    pub(crate) fn record_step(&mut self, progress: &Progress) -> Step<()> {
        let written = self.write_status_word(progress)?;
        self.status_assert(written)
    }

    pub(crate) fn status_assert(&mut self, written: Driver) -> Step<()> {
        if self.io.config.validate_primary {
            self.status_fails += u32::from(written.is_err());
            return Ok(());
        }
        written.or_assert("a status word is written")
    }

    /// `swap_status_init`: a new trailer that says what is going on.
    pub(crate) fn init_status(&mut self, area: FlashArea, progress: &Progress) -> Step<()> {
        let secondary = self
            .io
            .swap_state(self.area(SECONDARY))?
            .or_assert("the secondary trailer is read")?;
        if progress.swap_type != SwapType::None {
            let image = self.current;
            self.io
                .write_swap_info(area, progress.swap_type, image)?
                .or_assert("swap_info is written")?;
        }
        if secondary.image_ok == Flag::Set {
            self.io
                .write_image_ok(area)?
                .or_assert("image_ok is written")?;
        }
        self.io
            .write_swap_size(area, progress.swap_size)?
            .or_assert("swap_size is written")?;
        if self.io.config.keeps_tlv_sizes() {
            let [primary, secondary] = self.image().unprotected_tlv_sizes;
            self.io
                .write_tlv_sizes(area, primary, secondary)?
                .or_assert("TLV sizes are written")?;
        }
        if self.io.config.encrypts() {
            self.keep_keys(area, progress)?;
        }
        self.io.write_magic(area)?.or_assert("the magic is written")
    }

    /// `boot_find_status`: the first area with a good magic, else the last one tried.
    pub(crate) fn find_status(&mut self) -> Step<Option<FlashArea>> {
        let primary = self.area(PRIMARY);
        let mut areas = vec![primary];
        if self.mode() == Mode::SwapScratch {
            areas.insert(0, self.scratch()?);
        }
        for area in areas {
            match self.io.read_magic(area)? {
                Ok(Magic::Good) => return Ok(Some(area)),
                Ok(_) => {}
                Err(_) => {
                    if self.line().takes_unreadable_area_for_status() {
                        return Ok(Some(area));
                    }
                    let id = flash_area_number(area.id);
                    self.io
                        .error(format!("Failed to read status from {id}, err -22"));
                    return Ok(None);
                }
            }
        }
        Ok(Some(primary))
    }

    /// Whether the status in `area` is enough to resume a swap.
    pub(crate) fn may_resume_from(&mut self, area: FlashArea) -> Step<bool> {
        Ok(!self.line().needs_magic_to_resume()
            || matches!(self.io.read_magic(area)?, Ok(Magic::Good)))
    }

    /// `swap_size` of the swap that is being resumed; `None` when it cannot be read.
    pub(crate) fn find_swap_size(&mut self) -> Step<Option<u32>> {
        let Some(area) = self.find_status()? else {
            return Ok(None);
        };
        if self.line().needs_magic_for_swap_size()
            && self.mode() == Mode::SwapScratch
            && !matches!(self.io.read_magic(area)?, Ok(Magic::Good))
        {
            return Ok(None);
        }
        Ok(self.io.read_swap_size(area)?.ok())
    }

    /// Sectors that `size` bytes take, at least one: the sum of sector sizes is counted up, and overflows for ever
    /// when `size` is above the last multiple.
    pub(crate) fn sectors_for(&self, size: u32) -> Step<u32> {
        let sector = self.sector_size();
        if size > u32::MAX - (u32::MAX % sector) {
            return Err(Stop::Hang(format!(
                "counting the sectors of {size:#x} bytes"
            )));
        }
        Ok(size.div_ceil(sector).max(1))
    }

    /// First sector of the primary slot that holds a part of the trailer.
    pub(crate) fn first_trailer_sector(&self, slot: usize) -> u32 {
        let trailer = self
            .io
            .config
            .trailer_size()
            .div_ceil(self.sector_size())
            .max(1);
        self.image().sectors[slot].wrapping_sub(trailer)
    }

    /// Whether a new swap of sectors up to `last` leaves the trailer alone; says so on the console when not.
    pub(crate) fn has_room(&mut self, last: u32, progress: &mut Progress) -> bool {
        let first_trailer = self.first_trailer_sector(PRIMARY);
        if last < first_trailer {
            return true;
        }
        let sector = self.sector_size();
        let (required, available) = (
            (last + 1).wrapping_mul(sector),
            first_trailer.wrapping_mul(sector),
        );
        self.io.warn("Not enough free space to run swap upgrade");
        self.io.warn(format!(
            "required {required} bytes but only {available} are available"
        ));
        self.decided(
            "nothing swapped",
            format!("the swap needs {required} bytes of the slot, {available} are free"),
        );
        progress.swap_type = SwapType::None;
        false
    }
}

/// Numbers of the flash map in the Zephyr port without partition manager, for console lines.
fn flash_area_number(id: AreaId) -> usize {
    match id {
        AreaId::Primary(image) => 1 + 2 * image,
        AreaId::Secondary(image) => 2 + 2 * image,
        AreaId::Scratch => 0,
    }
}
