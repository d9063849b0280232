//! Swap using scratch: groups of sectors change places by way of a third area, from the end of the slots down.
//!
//! Source: mcuboot `boot/bootutil/src/swap_scratch.c`.

use crate::config::Mode;
use crate::copy::Copy;
use crate::io::{EraseOrder, FlashArea, OrAssert, Step, Stop};
use crate::outcome::SwapType;
use crate::pages::ERASED;
use crate::progress::HeaderPlace;
use crate::state::{Loader, PRIMARY, Progress, SECONDARY, Source};
use crate::trailer::{Flag, Magic};

/// Sectors that change places in one step: bytes from the start of the slots.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: u32,
    size: u32,
}

impl Loader<'_> {
    /// `boot_slots_compatible` of swap-using-scratch and overwrite-only.
    pub(crate) fn slots_compatible_scratch(&mut self) -> Step<bool> {
        let sectors = self.image().sectors;
        let warning = if sectors
            .iter()
            .any(|count| *count > self.io.config.max_sectors)
        {
            Some("Cannot upgrade: more sectors than allowed")
        } else {
            match self.match_sectors()? {
                Ok(matched) if matched.ends == sectors => None,
                Ok(_) => Some("Cannot upgrade: slots are not compatible"),
                Err(warning) => Some(warning),
            }
        };
        if let Some(warning) = warning {
            self.io.warn(warning);
        }
        Ok(warning.is_none())
    }

    /// Pairs the sectors of both slots; all have the same size, but the entries of the sector table behind a slot's own
    /// have none.
    fn match_sectors(&self) -> Step<Result<Matched, &'static str>> {
        let [primary, secondary] = self.image().sectors;
        let scratch = match self.mode() {
            Mode::SwapScratch => Some(self.scratch()?.size()),
            Mode::SwapMove | Mode::SwapOffset | Mode::OverwriteOnly | Mode::SingleSlot => None,
        };
        let (mut sizes, mut ends, mut slot_size) = ([0_u32; 2], [0_u32; 2], 0);
        let mut smaller = None;
        while ends[PRIMARY] < primary || ends[SECONDARY] < secondary {
            let [one, other] = sizes;
            let grown = match one.cmp(&other) {
                std::cmp::Ordering::Equal => &[PRIMARY, SECONDARY][..],
                std::cmp::Ordering::Less => &[PRIMARY],
                std::cmp::Ordering::Greater => &[SECONDARY],
            };
            if let [slot] = *grown {
                if smaller.is_some_and(|smaller| smaller != slot) {
                    return Ok(Err("Cannot upgrade: slots have non-compatible sectors"));
                }
                smaller = Some(slot);
            }
            for slot in grown {
                match self.table_sector_size(*slot, ends[*slot]) {
                    Ok(size) => sizes[*slot] += size,
                    // What lies behind the table is not known: bytes that are hardly ever the sector that is missing.
                    Err(_) => return Ok(Err("Cannot upgrade: slots have non-compatible sectors")),
                }
                ends[*slot] += 1;
            }
            if let Some(scratch) = scratch
                && sizes[PRIMARY] == sizes[SECONDARY]
            {
                slot_size += sizes[PRIMARY];
                if sizes[PRIMARY] > scratch {
                    return Ok(Err("Cannot upgrade: not all sectors fit inside scratch"));
                }
                sizes = [0; 2];
                smaller = None;
            }
        }
        Ok(Ok(Matched { ends, slot_size }))
    }

    /// `app_max_size`.
    pub(crate) fn max_size_with_scratch(&mut self) -> Step<u32> {
        let matched = match self.match_sectors()? {
            Ok(matched) => matched,
            Err(warning) => {
                self.io.warn(warning);
                return Ok(0);
            }
        };
        let config = self.io.config;
        let end_of_first = |slot: usize| -> Step<u32> {
            let first = self.first_trailer_sector(slot);
            Ok(self
                .sector_offset(slot, first)?
                .wrapping_add(self.table_sector_size(slot, first)?))
        };
        let end = end_of_first(PRIMARY)?.max(end_of_first(SECONDARY)?);
        let trailer = matched.slot_size.wrapping_sub(config.trailer_size());
        let in_first = end.wrapping_sub(trailer);
        let padding = config.scratch_trailer_size().saturating_sub(in_first);
        Ok(trailer.wrapping_sub(padding))
    }

    /// `swap_status_source`: also looks at the scratch area.
    pub(crate) fn status_source_scratch(&mut self) -> Step<Source> {
        let primary = self
            .io
            .swap_state(self.area(PRIMARY))?
            .or_assert("the primary trailer is read")?;
        let scratch_area = self.scratch()?;
        let scratch = self
            .io
            .swap_state(scratch_area)?
            .or_assert("the scratch trailer is read")?;
        self.log_swap_state("Primary image", &primary);
        self.log_swap_state("Scratch", &scratch);
        let mut source = if primary.magic == Magic::Good
            && scratch.magic != Magic::Good
            && primary.copy_done == Flag::Set
        {
            Source::None
        } else if primary.magic == Magic::Good
            && scratch.magic != Magic::Good
            && primary.copy_done == Flag::Unset
        {
            Source::Primary
        } else if scratch.magic == Magic::Good {
            Source::Scratch
        } else if primary.magic == Magic::Unset && primary.copy_done == Flag::Unset {
            Source::Primary
        } else {
            Source::None
        };
        if source == Source::Scratch
            && self.images.len() > 1
            && usize::from(scratch.image) != self.current
        {
            source = Source::None;
        }
        self.io.info(match source {
            Source::None => "Boot source: none",
            Source::Scratch => "Boot source: scratch",
            Source::Primary => "Boot source: primary slot",
        });
        Ok(source)
    }

    /// `swap_read_status_bytes`: the first erased word behind written ones says how far it was.
    pub(crate) fn read_status_words_scratch(
        &mut self,
        area: FlashArea,
        start: u32,
        progress: &mut Progress,
    ) -> Step<bool> {
        let config = self.io.config;
        let per_index = config.states_per_sector();
        let words = if area.is_primary() {
            config.max_sectors * per_index
        } else {
            per_index
        };
        let (mut found, mut first_erased, mut invalid) = (false, 0, false);
        let mut word = 0;
        while word < words {
            let Ok([byte]) = self
                .io
                .read_bytes::<1>(area, start + word * config.write_size)?
            else {
                return Ok(false);
            };
            if byte == ERASED {
                if found && first_erased == 0 {
                    first_erased = word;
                }
            } else if !found {
                found = true;
            } else if first_erased != 0 {
                invalid = true;
                break;
            }
            word += 1;
        }
        if invalid {
            self.io.error("Detected inconsistent status!");
            if !config.validate_primary {
                return Err(Stop::Assert("the status words are consistent".to_owned()));
            }
        }
        if found {
            let next = if first_erased == 0 {
                word
            } else {
                first_erased
            };
            progress.index = next / per_index + 1;
            progress.state = u8::try_from(next % per_index).unwrap_or(0) + 1;
        }
        Ok(true)
    }

    /// `boot_read_image_header`: the headers change places with the last group.
    pub(crate) fn read_header_scratch(
        &mut self,
        slot: usize,
        progress: Option<&Progress>,
    ) -> Step<bool> {
        let mut place = HeaderPlace {
            area: self.area(slot),
            offset: 0,
        };
        if let Some(progress) = progress
            && !progress.is_reset(Mode::SwapScratch)
            && self.line().finds_headers_in_scratch()
        {
            let Some(swap_size) = self.find_swap_size()? else {
                return Ok(false);
            };
            let groups = u32::try_from(self.groups(swap_size)?.len()).unwrap_or(u32::MAX);
            let done = progress.index.wrapping_sub(1);
            if done >= groups {
                place.area = self.area(if slot == PRIMARY { SECONDARY } else { PRIMARY });
            } else if done == groups - 1 {
                if slot == SECONDARY && progress.state >= 2 {
                    place.area = self.scratch()?;
                } else if slot == PRIMARY && progress.state >= 3 {
                    place.area = self.area(SECONDARY);
                }
            }
        }
        self.read_header_at(slot, place)
    }

    /// `find_last_sector_idx` and `boot_copy_sz`: the groups in the order in which they are swapped.
    fn groups(&self, copy_size: u32) -> Step<Vec<Group>> {
        let (mut sizes, mut ends) = ([0_u32; 2], [0_u32; 2]);
        loop {
            if self.line().groups_with_one_index() {
                // One index for both slots, which goes on also where only one of them grows.
                ends = [ends[PRIMARY].max(ends[SECONDARY]); 2];
            }
            for slot in [PRIMARY, SECONDARY] {
                let other = sizes[1 - slot];
                if sizes[slot] < copy_size || sizes[slot] < other {
                    sizes[slot] =
                        sizes[slot].wrapping_add(self.table_sector_size(slot, ends[slot])?);
                    ends[slot] += 1;
                }
            }
            if sizes[PRIMARY] >= copy_size
                && sizes[SECONDARY] >= copy_size
                && sizes[PRIMARY] == sizes[SECONDARY]
            {
                break;
            }
        }
        let scratch = self.scratch()?.size();
        let mut groups = Vec::new();
        let mut end = if self.line().groups_with_one_index() {
            ends[PRIMARY].max(ends[SECONDARY])
        } else {
            ends[PRIMARY]
        };
        while end > 0 {
            let (mut first, mut size) = (end, 0);
            while first > 0 {
                let next = size + self.table_sector_size(PRIMARY, first - 1)?;
                if next > scratch {
                    break;
                }
                size = next;
                first -= 1;
            }
            if first == end {
                return Err(Stop::Hang(
                    "grouping sectors that do not fit the scratch area".to_owned(),
                ));
            }
            groups.push(Group { first, size });
            end = first;
        }
        Ok(groups)
    }

    /// `swap_run`.
    pub(crate) fn swap_by_scratch(&mut self, progress: &mut Progress, copy_size: u32) -> Step<()> {
        self.io.info("Starting swap using scratch algorithm.");
        for (step, group) in (0_u32..).zip(self.groups(copy_size)?) {
            if step >= progress.index.wrapping_sub(1) {
                self.exchange_group(group, progress)?;
            }
        }
        Ok(())
    }

    /// `boot_swap_sectors`.
    fn exchange_group(&mut self, group: Group, progress: &mut Progress) -> Step<()> {
        let config = self.io.config;
        let offset = self.sector_offset(PRIMARY, group.first)?;
        let mut copy_size = group.size;
        let first_trailer = self.sector_offset(PRIMARY, self.first_trailer_sector(PRIMARY))?;
        if offset.wrapping_add(group.size) > first_trailer {
            // The group holds a part of the trailer, which must not be copied along.
            if config.line.erases_trailer_with_its_group() {
                copy_size = group.size.wrapping_sub(config.trailer_size());
            } else {
                copy_size = self.without_trailer(offset)?;
            }
        }
        progress.use_scratch = progress.index == 1 && copy_size != group.size;
        if progress.state == 1 {
            self.group_to_scratch(offset, copy_size, progress)?;
        }
        if progress.state == 2 {
            self.group_to_secondary(offset, copy_size, group, progress)?;
        }
        if progress.state == 3 {
            self.group_to_primary(offset, copy_size, group, first_trailer, progress)?;
        }
        Ok(())
    }

    /// Bytes from `offset` that hold no trailer, neither in the slot nor in the scratch area.
    fn without_trailer(&self, offset: u32) -> Step<u32> {
        let config = self.io.config;
        let room = config
            .status_offset(self.scratch()?)
            .ok_or_else(|| Stop::Assert("the trailer fits the scratch area".to_owned()))?;
        Ok(self
            .area(PRIMARY)
            .size()
            .wrapping_sub(offset)
            .wrapping_sub(config.trailer_size())
            .min(room))
    }

    fn group_to_scratch(
        &mut self,
        offset: u32,
        copy_size: u32,
        progress: &mut Progress,
    ) -> Step<()> {
        let (primary, secondary, scratch) =
            (self.area(PRIMARY), self.area(SECONDARY), self.scratch()?);
        let erase_scratch = "the scratch area is erased";
        self.io
            .erase(scratch, 0, scratch.size(), EraseOrder::Forwards)?
            .or_assert(erase_scratch)?;
        if progress.index == 1 {
            self.init_status(scratch, progress)?;
            if !progress.use_scratch {
                self.io
                    .erase_trailer(primary)?
                    .or_assert("the primary trailer is erased")?;
                self.init_status(primary, progress)?;
                self.io
                    .erase(scratch, 0, scratch.size(), EraseOrder::Forwards)?
                    .or_assert(erase_scratch)?;
            }
        }
        let copy = Copy {
            from: secondary,
            from_offset: offset,
            to: scratch,
            to_offset: 0,
            size: copy_size,
            shift: 0,
        };
        self.copy(copy)?.or_assert("a group is copied to scratch")?;
        self.record_step(progress)?;
        progress.state = 2;
        Ok(())
    }

    fn group_to_secondary(
        &mut self,
        offset: u32,
        copy_size: u32,
        group: Group,
        progress: &mut Progress,
    ) -> Step<()> {
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        let mut erase_size = group.size;
        let old = self.line().erases_trailer_with_its_group();
        if progress.index == 1 && !old {
            self.io
                .erase_trailer(secondary)?
                .or_assert("the secondary trailer is erased")?;
            if progress.use_scratch {
                let trailer =
                    self.sector_offset(SECONDARY, self.first_trailer_sector(SECONDARY))?;
                erase_size = trailer.wrapping_sub(offset);
            }
        }
        if erase_size > 0 {
            self.io
                .erase(secondary, offset, erase_size, EraseOrder::Forwards)?
                .or_assert("a secondary group is erased")?;
        }
        let copy = Copy {
            from: primary,
            from_offset: offset,
            to: secondary,
            to_offset: offset,
            size: copy_size,
            shift: 0,
        };
        self.copy(copy)?
            .or_assert("a group is copied to the secondary")?;
        if old && progress.index == 1 && !progress.use_scratch {
            self.io
                .erase_trailer(secondary)?
                .or_assert("the secondary trailer is erased")?;
        }
        self.record_step(progress)?;
        progress.state = 3;
        Ok(())
    }

    fn group_to_primary(
        &mut self,
        offset: u32,
        copy_size: u32,
        group: Group,
        first_trailer: u32,
        progress: &mut Progress,
    ) -> Step<()> {
        let (primary, scratch) = (self.area(PRIMARY), self.scratch()?);
        let mut erase_size = group.size;
        if progress.use_scratch && !self.line().erases_trailer_with_its_group() {
            self.io
                .erase_trailer(primary)?
                .or_assert("the primary trailer is erased")?;
            erase_size = first_trailer.wrapping_sub(offset);
        }
        if erase_size > 0 {
            self.io
                .erase(primary, offset, erase_size, EraseOrder::Forwards)?
                .or_assert("a primary group is erased")?;
        }
        let copy = Copy {
            from: scratch,
            from_offset: 0,
            to: primary,
            to_offset: offset,
            size: copy_size,
            shift: 0,
        };
        self.copy(copy)?
            .or_assert("a group is copied to the primary")?;
        if progress.use_scratch {
            self.trailer_from_scratch(offset.wrapping_add(copy_size), progress)?;
        }
        let erase_scratch = progress.use_scratch;
        progress.use_scratch = false;
        self.record_step(progress)?;
        progress.index = progress.index.wrapping_add(1);
        progress.state = 1;
        if erase_scratch {
            // Backwards: the trailer goes first, so that no rest of it is taken for a swap under way.
            let size = if self.line().leaves_rest_of_scratch() {
                group.size
            } else {
                scratch.size()
            };
            self.io
                .scramble(scratch, 0, size, EraseOrder::Backwards)?
                .or_assert("the scratch area is erased")?;
        }
        Ok(())
    }

    /// The trailer was kept in scratch while the primary's was erased: puts it back.
    fn trailer_from_scratch(&mut self, status: u32, progress: &Progress) -> Step<()> {
        let (primary, scratch) = (self.area(PRIMARY), self.scratch()?);
        let config = self.io.config;
        let from_offset = config.status_offset(scratch);
        let from_offset = from_offset
            .ok_or_else(|| Stop::Assert("the trailer fits the scratch area".to_owned()))?;
        let size = (config.states_per_sector() - 1) * config.write_size;
        let copy = Copy {
            from: scratch,
            from_offset,
            to: primary,
            to_offset: status,
            size,
            shift: 0,
        };
        let copied = self.copy(copy)?;
        self.status_assert(copied)?;
        let state = self
            .io
            .swap_state(scratch)?
            .or_assert("the scratch trailer is read")?;
        if state.image_ok == Flag::Set {
            self.io
                .write_image_ok(primary)?
                .or_assert("image_ok is written")?;
        }
        if state.swap_type != SwapType::None {
            let image = self.current;
            self.io
                .write_swap_info(primary, state.swap_type, image)?
                .or_assert("swap_info is written")?;
        }
        self.io
            .write_swap_size(primary, progress.swap_size)?
            .or_assert("swap_size is written")?;
        if config.encrypts() {
            self.keep_keys(primary, progress)?;
        }
        self.io
            .write_magic(primary)?
            .or_assert("the magic is written")
    }
}

/// What pairing the sectors of two slots came to.
struct Matched {
    /// Sectors gone through, per slot.
    ends: [u32; 2],
    /// Bytes that both slots have.
    slot_size: u32,
}
