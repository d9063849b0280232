//! Overwrite only: the update is copied over the primary. There is no way back, and nothing to resume: after a cut
//! everything is done again.
//!
//! Source: `boot_copy_image` in mcuboot `boot/bootutil/src/loader.c`, with `MCUBOOT_OVERWRITE_ONLY_FAST`.

use crate::copy::Copy;
use crate::defect::Defect;
use crate::encrypt::KeyLoad;
use crate::io::{EraseOrder, OrAssert, Step, Stop};
use crate::state::{Loader, PRIMARY, Progress, SECONDARY};

impl Loader<'_> {
    pub(crate) fn overwrite(&mut self, progress: &mut Progress) -> Step<()> {
        let (primary, secondary) = (self.area(PRIMARY), self.area(SECONDARY));
        let size = match self.image_size(SECONDARY)? {
            Ok(size) => size,
            Err(why) => {
                return Err(Stop::Assert(format!(
                    "the size of the update is read: {why}"
                )));
            }
        };
        let which = self.image_in_console();
        self.io.info(format!(
            "Image{which} upgrade secondary slot -> primary slot"
        ));
        if self.io.config.defect == Some(Defect::RequestErasedFirst) {
            self.erase_request()?;
        }
        self.io.info("Erasing the primary slot");
        let copied = self.erase_for(size)?;
        self.erase_primary_trailer()?;
        let header = self.header(SECONDARY);
        if self.io.config.encrypts() && header.is_encrypted() {
            match self.load_content_key(SECONDARY, &header, secondary, progress)? {
                KeyLoad::Failed(why) => {
                    return Err(Stop::Assert(format!("the content key is loaded: {why}")));
                }
                KeyLoad::Loaded => self.use_key_field(SECONDARY, progress),
                KeyLoad::Skipped => {}
            }
        }
        let copying = if self.line().names_image() {
            format!("Image{which} copying")
        } else {
            "Copying".to_owned()
        };
        self.io.info(format!(
            "{copying} the secondary slot to the primary slot: {copied:#x} bytes"
        ));
        let copy = Copy {
            from: secondary,
            from_offset: 0,
            to: primary,
            to_offset: 0,
            size: copied,
            shift: 0,
        };
        self.copy(copy)?.or_assert("the update is copied")?;
        self.io
            .write_magic(primary)?
            .or_assert("the magic is written")?;
        if self.io.config.is_virtual(self.current)
            && let Err(why) = self.hand_over_network_image()?
        {
            return Err(Stop::Assert(format!("the network core is updated: {why}")));
        }
        if self.io.config.defect == Some(Defect::RequestErasedFirst) {
            return self.erase_update_header();
        }
        self.forget_request()
    }

    /// Erases the first and the last sector of the secondary slot: header and trailer.
    pub(crate) fn forget_request(&mut self) -> Step<()> {
        self.erase_update_header()?;
        self.erase_request()
    }

    fn erase_update_header(&mut self) -> Step<()> {
        let secondary = self.area(SECONDARY);
        let sector = self.sector_size();
        self.io
            .scramble(secondary, 0, sector, EraseOrder::Forwards)?
            .or_assert("the secondary header is erased")
    }

    fn erase_request(&mut self) -> Step<()> {
        let secondary = self.area(SECONDARY);
        let sector = self.sector_size();
        let last =
            self.sector_offset(SECONDARY, self.image().sectors[SECONDARY].wrapping_sub(1))?;
        self.io
            .scramble(secondary, last, sector, EraseOrder::Forwards)?
            .or_assert("the secondary trailer is erased")
    }

    /// Erases the sectors that `size` bytes need. Returns how much is copied: up to the next whole write, and one write
    /// more when `size` is one already.
    fn erase_for(&mut self, size: u32) -> Step<u32> {
        let primary = self.area(PRIMARY);
        let sector = self.sector_size();
        let mut erased = 0;
        for _ in 0..self.image().sectors[PRIMARY] {
            self.io
                .erase(primary, erased, sector, EraseOrder::Forwards)?
                .or_assert("a primary sector is erased")?;
            if erased + sector >= size {
                let write = self.io.config.write_size.max(1);
                return Ok(size + write - size % write);
            }
            erased += sector;
        }
        Ok(erased)
    }

    fn erase_primary_trailer(&mut self) -> Step<()> {
        let primary = self.area(PRIMARY);
        let sector = self.sector_size();
        let size = self.io.config.trailer_size().next_multiple_of(sector);
        let offset = self.image().sectors[PRIMARY]
            .wrapping_mul(sector)
            .wrapping_sub(size);
        self.io
            .erase(primary, offset, size, EraseOrder::Forwards)?
            .or_assert("the primary trailer is erased")
    }
}
