//! Swap using move: the primary is moved up by one sector, then sectors change places from below.
//!
//! Source: mcuboot `boot/bootutil/src/swap_move.c`.

use crate::config::Mode;
use crate::copy::Copy;
use crate::defect::Defect;
use crate::io::{EraseOrder, OrAssert, Step};
use crate::outcome::SwapType;
use crate::progress::HeaderPlace;
use crate::state::{Loader, Op, PRIMARY, Progress, SECONDARY, Source};
use crate::trailer::Magic;

impl Loader<'_> {
    /// `boot_slots_compatible`.
    pub(crate) fn slots_compatible_move(&mut self) -> bool {
        let [primary, secondary] = self.image().sectors;
        let takes_usable = self.line().compares_usable_sectors()
            && self.first_trailer_sector(PRIMARY) == secondary + 1;
        if primary != secondary && primary != secondary + 1 && !takes_usable {
            self.io
                .warn("Cannot upgrade: not a compatible amount of sectors");
            return false;
        }
        if primary > self.io.config.max_sectors {
            self.io.warn("Cannot upgrade: more sectors than allowed");
            return false;
        }
        true
    }

    /// `boot_read_image_header`: while a swap is under way, headers are elsewhere.
    pub(crate) fn read_header_move(
        &mut self,
        slot: usize,
        progress: Option<&Progress>,
    ) -> Step<bool> {
        let mut place = HeaderPlace {
            area: self.area(slot),
            offset: 0,
        };
        if let Some(progress) = progress
            && !progress.is_reset(Mode::SwapMove)
        {
            let last = if self.line().remembers_last_sector() {
                self.last_sector
            } else {
                let Some(swap_size) = self.find_swap_size()? else {
                    return Ok(false);
                };
                self.sectors_for(swap_size)?
            };
            let sector = self.sector_size();
            match progress.op {
                Op::Move => {
                    if slot == PRIMARY && progress.index > last {
                        place.offset = sector;
                    }
                }
                Op::Swap if progress.index > 1 && progress.index <= last => {
                    place.area = self.area(if slot == PRIMARY { SECONDARY } else { PRIMARY });
                }
                Op::Swap if progress.index == 1 => {
                    if slot == PRIMARY {
                        place.offset = sector;
                    } else if progress.state == 2 {
                        place.area = self.area(PRIMARY);
                    }
                }
                Op::Swap => {}
            }
        }
        if !self.read_header_at(slot, place)? {
            return Ok(false);
        }
        Ok(progress.is_none() || self.header(slot).is_image())
    }

    /// `swap_run`.
    pub(crate) fn swap_by_moving(&mut self, progress: &mut Progress, copy_size: u32) -> Step<()> {
        self.io.info("Starting swap using move algorithm.");
        let last = self.sectors_for(copy_size)?;
        self.last_sector = last;
        if progress.is_reset(Mode::SwapMove) && !self.has_room(last, progress) {
            return Ok(());
        }
        self.make_revert_resumable(progress)?;
        if progress.op == Op::Move {
            for index in (1..=last).rev() {
                if index <= last.wrapping_sub(progress.index).wrapping_add(1) {
                    self.move_sector_up(index, progress)?;
                }
            }
            progress.index = 1;
        }
        progress.op = Op::Swap;
        for index in 1..=last {
            if index >= progress.index {
                self.exchange_sectors(index, progress)?;
            }
        }
        Ok(())
    }

    /// `fixup_revert`: the trailer of the primary is about to be erased, and it alone says that there is something to
    /// revert. So the revert is first made to look like a permanent update.
    fn make_revert_resumable(&mut self, progress: &Progress) -> Step<()> {
        if progress.swap_type != SwapType::Revert || progress.op != Op::Move || progress.index != 1
        {
            return Ok(());
        }
        let area = self.area(SECONDARY);
        let state = self
            .io
            .swap_state(area)?
            .or_assert("the secondary trailer is read")?;
        self.log_swap_state("Secondary image", &state);
        if state.magic == Magic::Unset {
            self.io
                .erase_trailer(area)?
                .or_assert("the secondary trailer is erased")?;
            let magic_first = self.has(Defect::RevertMagicFirst);
            if magic_first {
                self.io
                    .write_magic(area)?
                    .or_assert("the magic is written")?;
            }
            self.io
                .write_image_ok(area)?
                .or_assert("image_ok is written")?;
            self.io
                .write_swap_size(area, progress.swap_size)?
                .or_assert("swap_size is written")?;
            if !magic_first {
                self.io
                    .write_magic(area)?
                    .or_assert("the magic is written")?;
            }
        }
        Ok(())
    }

    fn has(&self, defect: Defect) -> bool {
        self.io.config.defect == Some(defect)
    }

    /// Writes the status word of a step before it, where the bootloader has that mistake.
    fn record_before(&mut self, progress: &Progress) -> Step<()> {
        if self.has(Defect::StatusBeforeCopy) {
            self.record_step(progress)?;
        }
        Ok(())
    }

    /// Writes the status word of a step that was done.
    fn record_after(&mut self, progress: &Progress) -> Step<()> {
        if self.has(Defect::StatusBeforeCopy) {
            return Ok(());
        }
        self.record_step(progress)
    }

    /// Sector `index - 1` of the primary goes to `index`.
    fn move_sector_up(&mut self, index: u32, progress: &mut Progress) -> Step<()> {
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        let to = self.sector_offset(PRIMARY, index)?;
        let from = self.sector_offset(PRIMARY, index - 1)?;
        if progress.index == 1 {
            if progress.source != Source::Primary {
                self.io
                    .erase_trailer(primary)?
                    .or_assert("the primary trailer is erased")?;
                self.init_status(primary, progress)?;
            }
            self.io
                .erase_trailer(secondary)?
                .or_assert("the secondary trailer is erased")?;
        }
        let size = self.sector_size();
        self.record_before(progress)?;
        self.io
            .erase(primary, to, size, EraseOrder::Forwards)?
            .or_assert("a primary sector is erased")?;
        let copy = Copy {
            from: primary,
            from_offset: from,
            to: primary,
            to_offset: to,
            size,
            shift: 0,
        };
        self.copy(copy)?.or_assert("a primary sector is moved")?;
        self.record_after(progress)?;
        progress.index = progress.index.wrapping_add(1);
        Ok(())
    }

    /// Sector `index - 1` of the secondary goes to the primary, sector `index` of the primary to the secondary.
    fn exchange_sectors(&mut self, index: u32, progress: &mut Progress) -> Step<()> {
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        let moved = self.sector_offset(PRIMARY, index)?;
        let primary_offset = self.sector_offset(PRIMARY, index - 1)?;
        let secondary_offset = self.sector_offset(SECONDARY, index - 1)?;
        let size = self.sector_size();
        if progress.state == 1 {
            self.record_before(progress)?;
            self.io
                .erase(primary, primary_offset, size, EraseOrder::Forwards)?
                .or_assert("a primary sector is erased")?;
            let copy = Copy {
                from: secondary,
                from_offset: secondary_offset,
                to: primary,
                to_offset: primary_offset,
                size,
                shift: 0,
            };
            self.copy(copy)?
                .or_assert("a sector is copied to the primary")?;
            self.record_after(progress)?;
            progress.state = 2;
        }
        if progress.state == 2 {
            self.record_before(progress)?;
            self.io
                .erase(secondary, secondary_offset, size, EraseOrder::Forwards)?
                .or_assert("a secondary sector is erased")?;
            let copy = Copy {
                from: primary,
                from_offset: moved,
                to: secondary,
                to_offset: secondary_offset,
                size,
                shift: 0,
            };
            self.copy(copy)?
                .or_assert("a sector is copied to the secondary")?;
            self.record_after(progress)?;
            progress.index = progress.index.wrapping_add(1);
            progress.state = 1;
        }
        Ok(())
    }
}
