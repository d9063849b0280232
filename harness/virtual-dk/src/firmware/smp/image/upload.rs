//! Image upload (`img_mgmt_upload_inspect` and `img_mgmt_upload` of `zephyr grp/img_mgmt/src`).
//!
//! The session lives in RAM: it ends with the last byte, with an error, with an erase command and with a reset. The
//! answer's `off` is the only truth about how far it is.

use hil_smp::Map;
use sha2::{Digest, Sha256};

use super::super::error::{Failure, ImageError};
use super::super::{Call, Server, Services, Slot};
use super::info::{self, Version};
use super::{device, in_use, is_blank};

/// `CONFIG_IMG_BLOCK_BUF_SIZE`, bytes: flash is written in blocks of this size, so during an upload it lags behind.
const BLOCK: usize = 512;

/// Smallest write of the flash, bytes.
const WORD: usize = 4;

/// An upload that has begun.
#[derive(Debug)]
pub(in super::super) struct Session {
    slot: Slot,
    /// Bytes of the whole file, as the client said.
    size: u32,
    /// The next byte wanted.
    offset: u32,
    /// What the client gave to recognise the file by: up to 32 bytes, its SHA-256 by convention.
    sha: Vec<u8>,
    /// Bytes taken but not yet in flash.
    block: Vec<u8>,
    /// Where in the slot the file begins.
    start: u32,
    /// Bytes in flash.
    flushed: u32,
}

/// The arguments of an upload request.
struct Chunk<'a> {
    /// Image number.
    image: u32,
    off: Option<u32>,
    data: &'a [u8],
    len: Option<u32>,
    sha: &'a [u8],
    upgrade: bool,
}

/// What a chunk leads to.
enum Progress {
    /// It was taken, or another one is wanted.
    Offset(u32),
    /// The file is complete; with an image check, whether the slot holds what the client announced.
    Complete(u32, Option<bool>),
}

impl Server {
    pub(super) fn upload(&mut self, call: &mut Call<'_>) -> Result<Map, Failure> {
        let arguments = call.arguments()?;
        let chunk = Chunk {
            image: arguments.uint("image")?.unwrap_or(0),
            off: arguments.uint("off")?,
            data: arguments.bytes("data")?.unwrap_or_default(),
            len: arguments.uint("len")?,
            sha: arguments.bytes("sha")?.unwrap_or_default(),
            upgrade: arguments.boolean("upgrade")?.unwrap_or_default(),
        };
        let progress = self.take(&chunk, call.services);
        if !matches!(progress, Ok(Progress::Offset(_))) {
            self.session = None;
        }
        Ok(match progress? {
            Progress::Offset(off) | Progress::Complete(off, None) => Map::new().with("off", off),
            Progress::Complete(off, Some(matches)) => {
                Map::new().with("off", off).with("match", matches)
            }
        })
    }

    fn take(
        &mut self,
        chunk: &Chunk<'_>,
        services: &mut dyn Services,
    ) -> Result<Progress, Failure> {
        match chunk.off {
            None => Err(ImageError::InvalidOffset.into()),
            Some(0) => self.first(chunk, services),
            Some(off) => self.next(off, chunk, services),
        }
    }

    fn first(
        &mut self,
        chunk: &Chunk<'_>,
        services: &mut dyn Services,
    ) -> Result<Progress, Failure> {
        let header: &[u8; 32] = chunk.data.first_chunk().ok_or(ImageError::InvalidHeader)?;
        let size = chunk.len.ok_or(ImageError::InvalidLength)?;
        if info::word(header, 0) != info::IMAGE_MAGIC {
            return Err(ImageError::InvalidHeaderMagic.into());
        }
        if chunk.sha.len() > 32 {
            return Err(ImageError::InvalidHash.into());
        }
        if let Some(session) = &self.session
            && !chunk.sha.is_empty()
            && session.sha == chunk.sha
        {
            return Ok(Progress::Offset(session.offset));
        }
        // A build for one image takes the key and ignores it.
        let slot = match services.images() {
            1 => Slot::secondary(0),
            images if chunk.image < images => Slot::secondary(chunk.image),
            _ => return Err(ImageError::NoFreeSlot.into()),
        };
        if !services.has_slot(slot) || in_use(slot, services)? {
            return Err(ImageError::NoFreeSlot.into());
        }
        let room = services
            .slot_size(slot)
            .min(self.build.max_image_size.unwrap_or(u32::MAX));
        if size > room {
            return Err(ImageError::TooLarge.into());
        }
        if chunk.upgrade {
            self.check_upgrade(header, services)?;
        }
        let start = services
            .image_start(slot)
            .map_err(|error| device(error, ImageError::FlashReadFailed))?;
        let blank = is_blank(slot, services)?;
        if self.build.image_check.is_on()
            && chunk.sha.len() == 32
            && slot_sha(slot, start, size, services)? == *chunk.sha
        {
            return Ok(Progress::Complete(size, Some(true)));
        }
        if !blank {
            erase_for(slot, start, size, services)?;
        }
        self.session = Some(Session {
            slot,
            size,
            offset: 0,
            sha: chunk.sha.to_vec(),
            block: Vec::with_capacity(BLOCK),
            start,
            flushed: 0,
        });
        self.store(chunk.data, services)
    }

    fn check_upgrade(&self, header: &[u8; 32], services: &mut dyn Services) -> Result<(), Failure> {
        let running = match info::read(Slot::primary(0), services) {
            Ok(image) => image.version,
            Err(Failure::Stopped(stopped)) => return Err(stopped.into()),
            Err(_) => return Err(ImageError::VersionGetFailed.into()),
        };
        if Version::parse(header).is_newer_than(running) {
            Ok(())
        } else {
            Err(ImageError::CurrentVersionIsNewer.into())
        }
    }

    fn next(
        &mut self,
        off: u32,
        chunk: &Chunk<'_>,
        services: &mut dyn Services,
    ) -> Result<Progress, Failure> {
        let Some(session) = &self.session else {
            return Ok(Progress::Offset(0));
        };
        if off != session.offset {
            return Ok(Progress::Offset(session.offset));
        }
        let end = off
            .checked_add(chunk.data.len() as u32)
            .ok_or(ImageError::DataOverrun)?;
        if end > session.size {
            return Err(ImageError::DataOverrun.into());
        }
        self.store(chunk.data, services)
    }

    fn store(&mut self, data: &[u8], services: &mut dyn Services) -> Result<Progress, Failure> {
        let check = self.build.image_check.is_on();
        let session = self
            .session
            .as_mut()
            .expect("the callers have just looked at it or made it");
        session.offset += data.len() as u32;
        let last = session.offset == session.size;
        session.write(data, services)?;
        if !last || data.is_empty() {
            return Ok(Progress::Offset(session.offset));
        }
        session.flush(services)?;
        let matches = if check {
            let Session {
                slot, start, size, ..
            } = *session;
            Some(slot_sha(slot, start, size, services)? == *session.sha)
        } else {
            None
        };
        Ok(Progress::Complete(session.offset, matches))
    }
}

impl Session {
    /// Takes bytes and writes the blocks that are full.
    fn write(&mut self, mut data: &[u8], services: &mut dyn Services) -> Result<(), Failure> {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            data = later;
            if self.block.len() == BLOCK {
                self.flush(services)?;
            }
        }
        Ok(())
    }

    /// Writes what is left, filled up to a word with the erased value.
    fn flush(&mut self, services: &mut dyn Services) -> Result<(), Failure> {
        if self.block.is_empty() {
            return Ok(());
        }
        let length = self.block.len();
        self.block.resize(length.next_multiple_of(WORD), 0xff);
        services
            .write(self.slot, self.start + self.flushed, &self.block)
            .map_err(|error| device(error, ImageError::FlashWriteFailed))?;
        self.flushed += length as u32;
        self.block.clear();
        Ok(())
    }
}

/// Erases the sectors up to the end of `size` bytes from `start`, the one in front of them too, and those of the trailer,
/// and nothing between (`img_mgmt_erase_image_data`).
fn erase_for(
    slot: Slot,
    start: u32,
    size: u32,
    services: &mut dyn Services,
) -> Result<(), Failure> {
    let failed = |error| device(error, ImageError::FlashEraseFailed);
    let sector = services.sector_size();
    let image_end = start.saturating_add(size.max(1)).next_multiple_of(sector);
    services.erase(slot, 0, image_end).map_err(failed)?;
    let trailer = services.trailer_offset(slot);
    if trailer >= image_end {
        let start = trailer / sector * sector;
        services
            .erase(slot, start, services.slot_size(slot) - start)
            .map_err(failed)?;
    }
    Ok(())
}

/// SHA-256 of `size` bytes of a slot from `start`. What goes beyond the slot cannot be read.
fn slot_sha(
    slot: Slot,
    start: u32,
    size: u32,
    services: &mut dyn Services,
) -> Result<[u8; 32], Failure> {
    let mut sha = Sha256::new();
    let mut buffer = [0; 512];
    let mut offset = start;
    let end = start.saturating_add(size);
    while offset < end {
        let length = (end - offset).min(buffer.len() as u32);
        let part = &mut buffer[..length as usize];
        services
            .read(slot, offset, part)
            .map_err(|error| device(error, ImageError::FlashReadFailed))?;
        sha.update(part);
        offset += length;
    }
    Ok(sha.finalize().into())
}
