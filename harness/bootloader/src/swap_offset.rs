//! Swap using offset: the update lies one sector up in the secondary slot, so sectors can change places without moving
//! the primary first.
//!
//! Source: mcuboot `boot/bootutil/src/swap_offset.c`.

use crate::config::Mode;
use crate::copy::Copy;
use crate::io::{EraseOrder, OrAssert, Step};
use crate::outcome::SwapType;
use crate::progress::HeaderPlace;
use crate::state::{Loader, Op, PRIMARY, Progress, SECONDARY, Source};
use crate::trailer::Magic;

/// Which way the sectors go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    /// From the first sector up; the update comes from one sector higher.
    Update,
    /// From the last sector down; the update goes back to one sector higher.
    Revert,
}

/// Sectors that an image does not reach are not copied, only recorded.
#[derive(Clone, Copy, Debug)]
struct Skip {
    primary: bool,
    secondary: bool,
}

impl Loader<'_> {
    /// `boot_slots_compatible`.
    pub(crate) fn slots_compatible_offset(&mut self) -> bool {
        let [primary, secondary] = self.image().sectors;
        // SDK 3.0 also takes a secondary with one sector more than the primary has below its trailer.
        let takes_usable = self.line().compares_usable_sectors()
            && self.first_trailer_sector(PRIMARY).wrapping_add(2) == secondary;
        if primary != secondary && primary + 1 != secondary && !takes_usable {
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

    fn reverting(&mut self, progress: &Progress) -> Step<bool> {
        Ok(progress.swap_type == SwapType::Revert
            || self.decide_swap_type()?.swap_type == SwapType::Revert)
    }

    /// `boot_read_image_header`: the update's header is in the second sector, the header of an image that was swapped
    /// out in the first, and while a swap is under way they are elsewhere.
    pub(crate) fn read_header_offset(
        &mut self,
        slot: usize,
        progress: Option<&Progress>,
    ) -> Step<bool> {
        // Nothing where the sectors of the slot could not be read: the update is then looked for in the first one.
        let sector = self.table_sector_size(SECONDARY, 0)?;
        let running = progress.filter(|progress| !progress.is_reset(Mode::SwapOffset));
        let (mut held_by, mut offset) = (slot, 0);
        if let Some(progress) = running {
            let Some(swap_size) = self.find_swap_size()? else {
                return Ok(false);
            };
            let last = self.sectors_for(swap_size)? - 1;
            let done = progress.index.wrapping_sub(1);
            (held_by, offset) = if self.reverting(progress)? {
                if slot == PRIMARY {
                    if done > last || (done == last && progress.state == 2) {
                        (SECONDARY, sector)
                    } else {
                        (PRIMARY, 0)
                    }
                } else if done > last || (done == last && progress.state == 3) {
                    (PRIMARY, 0)
                } else {
                    (SECONDARY, 0)
                }
            } else if slot == PRIMARY {
                if (progress.index > 1 || progress.state == 2) && progress.index <= last {
                    (SECONDARY, 0)
                } else {
                    (PRIMARY, 0)
                }
            } else if progress.index > 1 {
                (PRIMARY, 0)
            } else {
                (SECONDARY, sector)
            };
        } else if let Some(progress) = progress {
            if !self.reverting(progress)? && slot == SECONDARY {
                offset = sector;
            }
        } else if slot == SECONDARY && self.decide_swap_type()?.swap_type != SwapType::Revert {
            offset = sector;
        }
        if !self.read_header_at(
            slot,
            HeaderPlace {
                area: self.area(held_by),
                offset,
            },
        )? {
            return Ok(false);
        }
        if running.is_none() && slot == SECONDARY && !self.header(slot).is_image() {
            offset = if self.decide_swap_type()?.swap_type == SwapType::Revert {
                sector
            } else {
                0
            };
            if !self.read_header_at(
                slot,
                HeaderPlace {
                    area: self.area(SECONDARY),
                    offset,
                },
            )? {
                return Ok(false);
            }
        }
        let is_image = self.header(slot).is_image();
        if is_image && progress.is_some() && held_by == SECONDARY {
            self.image_mut().secondary_offset = offset;
        }
        Ok(progress.is_none() || is_image)
    }

    /// `swap_run`.
    pub(crate) fn swap_by_offset(&mut self, progress: &mut Progress, copy_size: u32) -> Step<()> {
        self.io.info("Starting swap using offset algorithm.");
        let last = self.sectors_for(copy_size)? - 1;
        if progress.is_reset(Mode::SwapOffset) && !self.has_room(last, progress) {
            return Ok(());
        }
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        self.mark_revert(progress)?;
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
        let (primary_tlvs, secondary_tlvs) = if self.io.config.keeps_tlv_sizes() {
            self.io.read_tlv_sizes(primary)?.unwrap_or_default()
        } else {
            (0, 0)
        };
        progress.op = Op::Swap;
        let used = [
            self.used_sectors(PRIMARY, primary_tlvs),
            self.used_sectors(SECONDARY, secondary_tlvs),
        ];
        let direction = if self.reverting(progress)? {
            Direction::Revert
        } else {
            Direction::Update
        };
        for step in 0..=last {
            if step < progress.index.wrapping_sub(1) {
                continue;
            }
            let index = match direction {
                Direction::Update => step,
                Direction::Revert => last - step,
            };
            let skip = Skip {
                primary: index > used[PRIMARY],
                secondary: index > used[SECONDARY],
            };
            self.exchange_at_offset(index, direction, skip, progress)?;
        }
        if direction == Direction::Revert {
            let first = self.sector_offset(SECONDARY, 0)?;
            let size = self.sector_size();
            self.io
                .scramble(secondary, first, size, EraseOrder::Forwards)?
                .or_assert("the first secondary sector is erased")?;
            self.io
                .erase_trailer(secondary)?
                .or_assert("the secondary trailer is erased")?;
        }
        Ok(())
    }

    /// `fixup_revert`: marks the secondary so that a revert is recognised after a cut.
    fn mark_revert(&mut self, progress: &Progress) -> Step<()> {
        if progress.swap_type != SwapType::Revert || progress.index != 1 {
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
            self.io
                .write_copy_done(area)?
                .or_assert("copy_done is written")?;
            self.init_status(area, progress)?;
        }
        Ok(())
    }

    fn used_sectors(&self, slot: usize, unprotected: u16) -> u32 {
        let header = self.header(slot);
        let sector = self.sector_size();
        header
            .tlv_offset()
            .wrapping_add(u32::from(header.protected_size))
            .wrapping_add(u32::from(unprotected))
            .wrapping_add(sector - 1)
            / sector
    }

    /// Sector `index` of the primary goes to the secondary, then the secondary's comes in.
    fn exchange_at_offset(
        &mut self,
        index: u32,
        direction: Direction,
        skip: Skip,
        progress: &mut Progress,
    ) -> Step<()> {
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        let size = self.sector_size();
        let primary_offset = self.sector_offset(PRIMARY, index)?;
        let (outgoing, incoming, shift) = match direction {
            Direction::Update => (
                self.sector_offset(SECONDARY, index)?,
                self.sector_offset(PRIMARY, index + 1)?,
                0,
            ),
            Direction::Revert => (
                self.sector_offset(SECONDARY, index + 1)?,
                primary_offset,
                size,
            ),
        };
        if progress.state == 1 {
            if !skip.primary {
                self.io
                    .erase(secondary, outgoing, size, EraseOrder::Forwards)?
                    .or_assert("a secondary sector is erased")?;
                let copy = Copy {
                    from: primary,
                    from_offset: primary_offset,
                    to: secondary,
                    to_offset: outgoing,
                    size,
                    shift,
                };
                self.copy(copy)?
                    .or_assert("a sector is copied to the secondary")?;
            }
            self.record_step(progress)?;
            progress.state = 2;
        }
        if progress.state == 2 {
            if !skip.secondary {
                self.io
                    .erase(primary, primary_offset, size, EraseOrder::Forwards)?
                    .or_assert("a primary sector is erased")?;
                let copy = Copy {
                    from: secondary,
                    from_offset: incoming,
                    to: primary,
                    to_offset: primary_offset,
                    size,
                    shift: 0,
                };
                self.copy(copy)?
                    .or_assert("a sector is copied to the primary")?;
            }
            self.record_step(progress)?;
            progress.index = progress.index.wrapping_add(1);
            progress.state = 1;
        }
        Ok(())
    }
}
