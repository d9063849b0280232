//! Copying between slots, with decryption and encryption on the way, and the sizes of images.
//!
//! Source: `boot_copy_region` in mcuboot `boot/bootutil/src/loader.c`, `boot_read_image_size` and
//! `bootutil_max_image_size` in `boot/bootutil/src/bootutil_misc.c` and `swap_offset.c`.

use crate::config::Mode;
use crate::io::{Driver, FlashArea, Step, Stop, insist};
use crate::state::{Loader, PRIMARY, SECONDARY};

/// The loader's copy buffer (`BUF_SZ`), unless `BOOT_MAX_ALIGN` is larger.
const COPY_BUFFER: u32 = 1024;

/// Block of the cipher, in bytes.
const CIPHER_BLOCK: u32 = 16;

/// Where a copy goes from and to; offsets from the start of the areas, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub(crate) from: FlashArea,
    pub(crate) from_offset: u32,
    pub(crate) to: FlashArea,
    pub(crate) to_offset: u32,
    pub(crate) size: u32,
    /// How far the target lies above its place in the image: one sector when swap-using-offset reverts.
    pub(crate) shift: u32,
}

impl Loader<'_> {
    /// `boot_copy_region`: one write per chunk. The target must be erased.
    ///
    /// Only a primary slot holds plain text: what crosses its border is decrypted on the way in and encrypted on the
    /// way out, as the header of the image in question says.
    pub(crate) fn copy(&mut self, copy: Copy) -> Step<Driver> {
        let crossing = if self.line().scratch_holds_plain_text() {
            copy.from.is_secondary() != copy.to.is_secondary()
        } else {
            copy.from.is_primary() != copy.to.is_primary()
        };
        let crossing = crossing && self.io.config.encrypts();
        // Which slot the image comes from. Up to SDK 2.7 what comes out of the scratch area is plain text already, and what
        // goes into it comes from the secondary slot.
        let slot = if copy.to.is_primary() || copy.from.is_secondary() {
            SECONDARY
        } else {
            PRIMARY
        };
        let translate = crossing && self.header(slot).is_encrypted();
        let mut buffer = vec![0; self.io.config.max_align.max(COPY_BUFFER) as usize];
        let mut done = 0;
        while done < copy.size {
            let length = (copy.size - done).min(self.io.config.max_align.max(COPY_BUFFER));
            let chunk = &mut buffer[..length as usize];
            if let Err(error) =
                self.io
                    .read(copy.from, copy.from_offset.wrapping_add(done), chunk)?
            {
                return Ok(Err(error));
            }
            if translate {
                // The scratch area is no place in an image.
                let place = if copy.to.is_scratch() {
                    copy.from_offset
                } else {
                    copy.to_offset
                };
                let place = place.wrapping_sub(copy.shift).wrapping_add(done);
                self.translate(slot, place, chunk)?;
            }
            if let Err(error) = self
                .io
                .write(copy.to, copy.to_offset.wrapping_add(done), chunk)?
            {
                return Ok(Err(error));
            }
            done += length;
        }
        Ok(Ok(()))
    }

    /// Applies the cipher to what of a chunk is payload; `place` is the chunk's offset in the image.
    fn translate(&self, slot: usize, place: u32, chunk: &mut [u8]) -> Step<()> {
        let header = self.header(slot);
        let payload = u32::from(header.header_size);
        let tlvs = header.tlv_offset();
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let end = place.wrapping_add(length);
        let skip = payload.saturating_sub(place);
        let mut size = length.saturating_sub(skip);
        if size > 0 && end > tlvs {
            size = if place >= tlvs {
                0
            } else if self.line().decrypts_beyond_short_payload() {
                // Counted from the header's start: as many bytes of the TLVs are taken along as the header has.
                (tlvs - place).min(length - skip)
            } else {
                (tlvs - place).saturating_sub(skip)
            };
        }
        if size == 0 {
            return Ok(());
        }
        let key = self.image().content_keys[slot].as_ref();
        insist(key.is_some(), "a content key is set for an encrypted image")?;
        let part = chunk.get_mut(skip as usize..(skip.saturating_add(size)) as usize);
        if let (Some(key), Some(part)) = (key, part) {
            let offset = place + skip - payload;
            // A chunk that begins inside a cipher block, because the header is no multiple of one: the C code has not
            // computed that block's key stream (it takes what its buffer holds, here nothing), and does not count it.
            let inside = offset % CIPHER_BLOCK;
            let without_key_stream = ((CIPHER_BLOCK - inside) % CIPHER_BLOCK) as usize;
            if let Some(rest) = part.get_mut(without_key_stream..) {
                key.apply(offset - inside, rest);
            }
        }
        Ok(())
    }

    /// `boot_read_image_size`: header to end of TLVs.
    pub(crate) fn image_size(&mut self, slot: usize) -> Step<Result<u32, String>> {
        let area = self.area(slot);
        let header = self.header(slot);
        let offset = header.tlv_offset();
        let start = self.image_start(area);
        let sizes = match self
            .io
            .tlv_areas(area, &header, offset.wrapping_add(start))?
        {
            Ok(sizes) => sizes,
            Err(why) => return Ok(Err(why)),
        };
        if self.mode() == Mode::SwapOffset {
            self.image_mut().unprotected_tlv_sizes[slot] = sizes.unprotected;
        }
        Ok(Ok(offset
            .wrapping_add(u32::from(header.protected_size))
            .wrapping_add(u32::from(sizes.unprotected))))
    }

    /// `bootutil_max_image_size`: the largest image a slot takes.
    pub(crate) fn max_image_size(&mut self, area: FlashArea) -> Step<u32> {
        let ends_at_trailer = match self.mode() {
            Mode::OverwriteOnly => false,
            Mode::SingleSlot => true,
            Mode::SwapScratch => !self.line().leaves_room_in_scratch(),
            Mode::SwapMove | Mode::SwapOffset => self.line().largest_image_ends_at_trailer(),
        };
        if ends_at_trailer {
            let Some(status) = self.io.config.status_offset(area) else {
                return Err(Stop::Assert("the trailer fits the slot".to_owned()));
            };
            return Ok(match self.mode() {
                Mode::SwapScratch | Mode::SingleSlot => status,
                _ => self.io.sector_start(status),
            });
        }
        match self.mode() {
            Mode::OverwriteOnly | Mode::SingleSlot => Ok(self.io.config.swap_info_offset(area)),
            Mode::SwapMove => Ok(self.max_size_with_spare_sector(PRIMARY)),
            Mode::SwapOffset => Ok(self.max_size_with_spare_sector(SECONDARY)),
            Mode::SwapScratch => self.max_size_with_scratch(),
        }
    }

    /// `app_max_size` of the modes that need one more sector in slot `spare`.
    fn max_size_with_spare_sector(&self, spare: usize) -> u32 {
        let sector = self.sector_size();
        let trailer = self.io.config.trailer_size().next_multiple_of(sector);
        let room = |slot: usize| {
            let padding = if slot == spare { sector } else { 0 };
            (self.image().sectors[slot].wrapping_mul(sector))
                .wrapping_sub(trailer)
                .wrapping_sub(padding)
        };
        room(PRIMARY).min(room(SECONDARY))
    }
}
