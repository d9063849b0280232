//! A bootloader with one slot for the application (`SINGLE_APPLICATION_SLOT`): it validates what lies there and starts it.
//!
//! There is nothing to swap and no way back, and nothing is written: an update comes in through serial recovery, straight
//! over what runs. Both names of a slot mean the primary one, as in the port's `sysflash.h`.
//!
//! Source: `boot_go` in mcuboot `boot/zephyr/single_loader.c`; `boot_image_load_header` in
//! `boot/bootutil/src/bootutil_public.c`.

use crate::header::{HEADER_LEN, Header};
use crate::io::Step;
use crate::outcome::BootedImage;
use crate::state::{Loader, PRIMARY};

impl Loader<'_> {
    /// `boot_go`: the image in the slot, or why it does not start.
    pub(crate) fn run_single(&mut self) -> Step<Result<BootedImage, String>> {
        self.current = 0;
        let area = self.area(PRIMARY);
        let header = match self.io.read_bytes::<HEADER_LEN>(area, 0)? {
            Ok(bytes) => Header::parse(&bytes),
            Err(error) => {
                self.io.error("Failed reading image header");
                return Ok(Err(error.to_string()));
            }
        };
        if !header.is_image() {
            let magic = header.magic;
            self.io.error(format!("Bad image magic {magic:#x}"));
            return Ok(Err("the slot holds no image".to_owned()));
        }
        if !header.is_bootable() {
            self.io.error("Image not bootable");
            return Ok(Err("its header says that it must not be booted".to_owned()));
        }
        let size = header.image_size.checked_add(u32::from(header.header_size));
        if size.is_none_or(|size| size >= area.size()) {
            if self.line().tells_image_larger_than_slot() {
                // C adds up only what does not overflow.
                let size = size.unwrap_or(0);
                let room = area.size();
                self.io.error(format!(
                    "Image size bigger than designated area: {size} > {room}"
                ));
            }
            return Ok(Err("it is larger than the slot".to_owned()));
        }
        self.image_mut().headers[PRIMARY] = header;
        // What is flagged as encrypted was decrypted where it lies when it came in; the flag is not looked at.
        if self.io.config.validate_primary
            && let Err(why) = self.check_image(PRIMARY, area, &header, None)?
        {
            self.decided("not started", why.as_str());
            return Ok(Err(format!("the slot holds no valid image: {why}")));
        }
        Ok(Ok(BootedImage {
            device: area.area.device,
            offset: area.area.offset,
            header_size: u32::from(header.header_size),
            version: header.version(),
        }))
    }
}
