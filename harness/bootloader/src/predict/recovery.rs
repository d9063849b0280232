//! What the bootloader's own recovery server makes of flash: it writes into a slot what it is sent.

use hil_image::{Image, ImageFlags};

use super::PredictError;
use super::application::{Sent, erase, program};
use super::forecast::Forecast;
use crate::config::Mode;
use crate::pages::ERASED;

impl Forecast<'_> {
    /// The recovery server took (a part of) an image with this number (mcuboot `boot/boot_serial/src/boot_serial.c`).
    /// `plain` is its payload in clear, where it is encrypted: in the primary slot of the first image it is decrypted.
    ///
    /// # Errors
    /// The slot does not lie in the device.
    pub fn recovered(
        &mut self,
        number: u32,
        file: &[u8],
        plain: Option<&[u8]>,
        sent: Sent,
    ) -> Result<(), PredictError> {
        let Some(build) = self.config.serial_recovery.clone() else {
            self.give_up("the bootloader has no recovery server");
            return Ok(());
        };
        let images = &self.config.images;
        let slot = match (build.direct_upload, images.len()) {
            (true, _) => number.saturating_sub(1),
            (false, 1) => 0,
            (false, _) => 2 * number,
        };
        let area = images
            .get(slot as usize / 2)
            .map(|slots| [slots.primary, slots.secondary][slot as usize % 2]);
        let (Some(area), Ok(length)) = (area, u32::try_from(file.len())) else {
            self.give_up(format!("the recovery server has no image {number}"));
            return Ok(());
        };
        let decrypted = slot == 0
            && Image::parse(file).is_ok_and(|image| {
                let flags: ImageFlags = image.header().flags;
                flags.is_encrypted()
            });
        let mut file = file.to_vec();
        let known = !decrypted || plain.is_some_and(|plain| put_plain(&mut file, plain).is_some());
        if sent != Sent::Whole || !known || length > area.size {
            self.give_up("what recovery makes of such an upload is not modelled");
            return Ok(());
        }
        if self.config.mode == Mode::SwapOffset && slot % 2 == 1 {
            self.give_up("recovery into the secondary slot of swap-offset is not modelled");
            return Ok(());
        }
        let sector = self.config.sector_size.max(1);
        let (image_end, trailer) = if build.progressive_erase {
            let image_end = length.max(1).next_multiple_of(sector).min(area.size);
            (image_end, Some(self.config.trailer_sector(area)))
        } else {
            (area.size, None)
        };
        let align = self.config.write_size.max(1) as usize;
        file.resize(file.len().next_multiple_of(align), ERASED);
        self.each(|forecast, mut state, next| {
            forecast.apply(&mut state, &erase(area, 0, image_end))?;
            forecast.apply(&mut state, &program(area, 0, &file))?;
            if let Some(trailer) = trailer {
                forecast.apply(&mut state, &erase(area, trailer, sector))?;
            }
            state
                .story
                .push(format!("{length} bytes taken by the recovery server"));
            next.add(state);
            Ok(())
        })
    }
}

/// Puts the payload of an image there in clear.
fn put_plain(file: &mut [u8], plain: &[u8]) -> Option<()> {
    let start = Image::parse(file).ok()?.header_bytes().len();
    let payload = file.get_mut(start..start.checked_add(plain.len())?)?;
    payload.copy_from_slice(plain);
    Some(())
}
