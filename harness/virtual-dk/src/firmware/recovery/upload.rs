//! Uploads: chunk by chunk into a slot, erased as needed, and decrypted in place at the end.

use hil_bootloader::{Area, Flash, FlashError, HandOver, hand_over_recovered};
use hil_image::{HashAlgorithm, Image, ImageHeader, StoredPayload, Verifier};
use hil_smp::Map;
use zeroize::Zeroizing;

use super::{Failure, Recovery, RecoveryBoard, rc};
use crate::firmware::smp::Arguments;

/// What the server remembers of an upload. There is no session: the first chunk sets all of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Upload {
    image: u32,
    size: u32,
    /// The next byte that is wanted.
    offset: u32,
    /// Where the next erase begins, in builds that erase progressively.
    erased: u32,
    /// Something was taken since the server started.
    begun: bool,
}

impl Upload {
    pub(super) fn image(&self) -> u32 {
        self.image
    }

    /// The last byte is there. Stays so until another upload begins.
    pub(super) fn is_complete(&self) -> bool {
        self.begun && self.offset == self.size
    }
}

/// Zephyr's numbers (zephyr `lib/libc/minimal/include/errno.h`).
const EINVAL: i32 = 22;
const ENODATA: i32 = 61;

const INVALID: Failure = Failure::Rc(rc::INVALID);

impl Recovery<'_> {
    /// One chunk. The answer always tells which byte is wanted next, also when the chunk was another one.
    pub(super) fn take_chunk(
        &mut self,
        payload: &[u8],
        board: &mut RecoveryBoard<'_>,
    ) -> Result<Map, Failure> {
        let flash = &mut *board.flash;
        let arguments = Arguments::parse(payload).map_err(|_| INVALID)?;
        let image = arguments.uint("image").map_err(|_| INVALID)?;
        let data = arguments.bytes("data").map_err(|_| INVALID)?;
        let length = arguments.uint("len").map_err(|_| INVALID)?;
        let offset = arguments.uint("off").map_err(|_| INVALID)?;
        let (Some(data), Some(offset)) = (data, offset) else {
            return Err(INVALID);
        };
        if offset == 0 {
            self.upload.image = image.unwrap_or(0);
        }
        let (area, is_secondary) = self
            .build
            .target(self.config, self.upload.image)
            .ok_or(INVALID)?;
        let start = if self.build.direct_upload && is_secondary {
            self.first_sector()
        } else {
            0
        };
        if offset == 0 {
            self.upload.offset = 0;
            let size = length.filter(|&size| size <= area.size).ok_or(INVALID)?;
            if !self.build.progressive_erase {
                flash.erase(area.device, area.offset, area.size)?;
            }
            self.upload.erased = 0;
            self.upload.size = size;
            self.upload.begun = true;
        } else if offset != self.upload.offset {
            return Ok(self.wanted());
        } else if u64::from(offset) + data.len() as u64 > u64::from(self.upload.size) {
            return Err(INVALID);
        }
        self.write_chunk(area, start, data, flash)?;
        if self.upload.is_complete()
            && self.build.progressive_erase
            && let Some(sector) = self.config.trailer_sector(area)
        {
            self.erase(area, sector, sector, flash)?;
        }
        if self.upload.is_complete() && self.build.hands_over(self.config, self.upload.image) {
            self.hand_over(area, board)?;
        }
        Ok(self.wanted())
    }

    /// What lies in RAM is for the network core, if it is anything. Takes a second, before the chunk is answered.
    fn hand_over(&self, slot: Area, board: &mut RecoveryBoard<'_>) -> Result<(), Failure> {
        let Some(network) = &mut board.network else {
            return Err(Failure::Errno(ENODATA));
        };
        match hand_over_recovered(self.config, slot, board.flash, *network, board.log)? {
            HandOver::Begun => Ok(()),
            HandOver::NoImage => Err(Failure::Errno(ENODATA)),
            HandOver::Empty => Err(Failure::Errno(EINVAL)),
        }
    }

    fn wanted(&self) -> Map {
        Map::new().with("rc", 0).with("off", self.upload.offset)
    }

    /// Writes what is aligned; the rest is asked for again, but for the last bytes of all, which are filled up.
    fn write_chunk(
        &mut self,
        area: Area,
        start: u32,
        data: &[u8],
        flash: &mut dyn Flash,
    ) -> Result<(), Failure> {
        let length = u32::try_from(data.len()).map_err(|_| INVALID)?;
        let offset = self.upload.offset;
        if self.build.progressive_erase {
            // As computed in C: nothing at offset 0 ends at the largest number there is.
            let last = offset.wrapping_add(length).wrapping_sub(1);
            let last = last.checked_add(start).ok_or(INVALID)?;
            self.upload.erased = self.erase(area, self.upload.erased, last, flash)?;
        }
        let align = self.config.write_size;
        let mut rest = length % align;
        let whole = length - rest;
        if u64::from(offset) + u64::from(length) < u64::from(self.upload.size) {
            rest = 0;
        }
        let fits = (start + offset)
            .checked_add(whole + if rest > 0 { align } else { 0 })
            .is_some_and(|end| end <= area.size);
        if !fits {
            return Err(INVALID);
        }
        let at = area.offset + start + offset;
        let (now, later) = data.split_at(whole as usize);
        if !now.is_empty() {
            flash.write(area.device, at, now)?;
        }
        if rest > 0 {
            let mut word = vec![0xff; align as usize];
            word[..rest as usize].copy_from_slice(&later[..rest as usize]);
            flash.write(area.device, at + whole, &word)?;
        }
        self.upload.offset = offset + whole + rest;
        Ok(())
    }

    /// Erases from `from` to the end of the sector that holds `last`; gives where the next erase begins.
    fn erase(
        &self,
        area: Area,
        from: u32,
        last: u32,
        flash: &mut dyn Flash,
    ) -> Result<u32, Failure> {
        if last >= area.size {
            return Err(INVALID);
        }
        if last < from {
            return Ok(from);
        }
        let sector = self.config.sector_size;
        let end = (last / sector + 1) * sector;
        flash.erase(area.device, area.offset + from, end - from)?;
        Ok(end)
    }

    /// Decrypts an encrypted image in the primary slot where it lies, sector by sector. A loss of power in between leaves
    /// neither the one nor the other; when something is wrong with the image, nobody hears of it. Done again, it makes
    /// cipher text of what was plain.
    ///
    /// # Errors
    /// The core is gone.
    pub(in crate::firmware) fn decrypt(&self, flash: &mut dyn Flash) -> Result<(), FlashError> {
        let Some(area) = self.config.images.first().map(|slots| slots.primary) else {
            return Ok(());
        };
        let mut bytes = Zeroizing::new(vec![0; area.size as usize]);
        match flash.read(area.device, area.offset, &mut bytes) {
            Err(FlashError::PowerLost) => return Err(FlashError::PowerLost),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        let Some((payload, key, end)) = self.content_key(&bytes) else {
            return Ok(());
        };
        let payload = payload.start as usize..payload.end as usize;
        key.apply(0, &mut bytes[payload]);
        let sector = self.config.sector_size as usize;
        for (number, plain) in bytes.chunks(sector).enumerate().take(end.div_ceil(sector)) {
            let at = area.offset + (number * sector) as u32;
            let done = flash
                .erase(area.device, at, sector as u32)
                .and_then(|()| flash.write(area.device, at, plain));
            match done {
                Err(FlashError::PowerLost) => return Err(FlashError::PowerLost),
                Err(_) => return Ok(()),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Where the payload of an encrypted image lies in a slot, the key that opens it, and where the image ends.
    fn content_key(
        &self,
        slot: &[u8],
    ) -> Option<(std::ops::Range<u32>, hil_image::ContentKey, usize)> {
        let image = Image::parse(slot).ok()?;
        let decryption = self.keys.encryption.clone()?;
        let verifier = Verifier::unsigned()
            .decryption(decryption)
            .hash(HashAlgorithm::Sha256)
            .stored(StoredPayload::AsFlagged);
        let key = verifier.content_key(&image).ok()??;
        let header: &ImageHeader = image.header();
        let start = u32::from(header.header_size);
        Some((start..start + header.image_size, key, image.len()))
    }
}
