//! What the bootloader's own recovery server makes of flash: it writes into a slot what it is sent.

use hil_image::{Image, ImageFlags, ImageHeader};

use super::PredictError;
use super::application::{Sent, erase, program};
use super::forecast::Forecast;
use super::unsure::{self, Cause, Unsure};
use crate::b0n::B0nOutcome;
use crate::config::Mode;
use crate::flash::{Area, DeviceId};
use crate::network::NETWORK_FLASH;
use crate::pages::ERASED;
use crate::recovery::SerialRecovery;
use crate::sim::SimFlash;

/// Pages of the network core, in bytes.
const NETWORK_PAGE: u32 = 0x800;

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
        let target = build.target(self.config, number);
        let (Some((area, is_secondary)), Ok(length)) = (target, u32::try_from(file.len())) else {
            self.give_up(format!("the recovery server has no image {number}"));
            return Ok(());
        };
        if area.device == DeviceId::RamFlash {
            return self.recovered_in_ram(&build, number, area, file, sent);
        }
        let first = self.config.images.first().map(|slots| slots.primary);
        let decrypted = first == Some(area)
            && Image::parse(file).is_ok_and(|image| {
                let flags: ImageFlags = image.header().flags;
                flags.is_encrypted()
            });
        let sent_file = file.to_vec();
        let mut file = file.to_vec();
        let known = !decrypted || plain.is_some_and(|plain| put_plain(&mut file, plain).is_some());
        if let Sent::Part { acknowledged } = sent
            && !is_secondary
            && length <= area.size
        {
            return self.recovered_in_part(&build, area, &sent_file, acknowledged);
        }
        if sent != Sent::Whole || !known || length > area.size {
            self.give_up("what recovery makes of such an upload is not modelled");
            return Ok(());
        }
        if self.config.mode == Mode::SwapOffset && is_secondary {
            self.give_up("recovery into the secondary slot of swap-offset is not modelled");
            return Ok(());
        }
        let sector = self.config.sector_size.max(1);
        let (image_end, trailer) = if build.progressive_erase {
            let image_end = length.max(1).next_multiple_of(sector).min(area.size);
            (image_end, self.config.trailer_sector(area))
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

impl Forecast<'_> {
    /// An upload into a primary slot that ended before it was complete: nothing is decrypted, and no trailer is erased. What
    /// was acknowledged is in flash; of what came behind it some may be.
    fn recovered_in_part(
        &mut self,
        build: &SerialRecovery,
        area: Area,
        file: &[u8],
        acknowledged: u32,
    ) -> Result<(), PredictError> {
        let sector = self.config.sector_size.max(1);
        let length = file.len() as u32;
        let surely = acknowledged.min(length);
        let image_end = length.max(1).next_multiple_of(sector).min(area.size);
        let known_end = surely.next_multiple_of(sector).min(area.size);
        self.each(|forecast, mut state, next| {
            let before = state.flash.clone();
            let erased = if build.progressive_erase {
                known_end
            } else {
                area.size
            };
            if erased > 0 {
                forecast.apply(&mut state, &erase(area, 0, erased))?;
            }
            forecast.apply(&mut state, &program(area, 0, &file[..surely as usize]))?;
            let open = surely as usize..image_end as usize;
            let old = before.bytes_at(area.device, area.offset as usize + open.start, open.len());
            let mut least = file[open.start..].to_vec();
            least.resize(open.len(), ERASED);
            state.unsure.push(Unsure {
                device: area.device,
                offset: area.offset + surely,
                old,
                least,
                cause: Cause::Upload,
            });
            state.story.push(format!(
                "{acknowledged} of {length} bytes taken by the recovery server"
            ));
            next.add(state);
            Ok(())
        })
    }

    /// What goes into RAM is gone with the next start, but for what b0n copies from there meanwhile. It takes as long as it
    /// takes, so until the board is known to have waited for it, the network core's flash may hold any part of it.
    fn recovered_in_ram(
        &mut self,
        build: &SerialRecovery,
        number: u32,
        slot: Area,
        file: &[u8],
        sent: Sent,
    ) -> Result<(), PredictError> {
        if sent != Sent::Whole || !build.hands_over(self.config, number) {
            return Ok(());
        }
        self.each(|forecast, mut state, next| {
            let before = state.flash.clone();
            let outcome = forecast.recover_network(&mut state, slot, file)?;
            let Some(outcome) = outcome else {
                next.add(state);
                return Ok(());
            };
            let after = state.flash.clone();
            let refused = match outcome {
                B0nOutcome::Failed { reason } => Some(reason),
                B0nOutcome::Boot { .. } | B0nOutcome::Done(_) | B0nOutcome::Fault => None,
            };
            if refused.is_none() || !before.holds_same(&after) {
                let range = forecast.copied(file);
                let bytes = |flash: &SimFlash| {
                    let (offset, end) = (range.start as usize, range.end as usize);
                    flash.bytes_at(DeviceId::NetFlash, offset, end - offset)
                };
                let length = range.end - range.start;
                unsure::erased(&mut state.unsure, DeviceId::NetFlash, range.start, length);
                state.unsure.push(Unsure {
                    device: DeviceId::NetFlash,
                    offset: range.start,
                    old: bytes(&before),
                    least: bytes(&after),
                    cause: Cause::Copy,
                });
            }
            state.story.push(match refused {
                Some(reason) => format!("b0n refused the image: {reason}"),
                None => "network core image copied by way of RAM".to_owned(),
            });
            next.add(state);
            Ok(())
        })
    }

    /// The pages of the network core that a copy of `file` erases.
    fn copied(&self, file: &[u8]) -> std::ops::Range<u32> {
        let slot = self.config.network_slot;
        let start = slot.address.wrapping_sub(NETWORK_FLASH);
        let length = Image::parse(file).map_or(0, |image| {
            let header: &ImageHeader = image.header();
            header.image_size.min(slot.size)
        });
        start..start + length.next_multiple_of(NETWORK_PAGE)
    }

    /// Whatever ran has ended: by a reset that it agreed to, which a recovery server does only when b0n has answered, or
    /// otherwise, and then nobody knows how much b0n had copied.
    ///
    /// # Errors
    /// None today; as all that is done to a board.
    pub fn run_ended(&mut self, agreed: bool) -> Result<(), PredictError> {
        self.each(|_, mut state, next| {
            if agreed {
                state.unsure.retain(|part| part.cause != Cause::Copy);
            }
            for part in &mut state.unsure {
                if part.cause == Cause::Copy {
                    part.cause = Cause::Operation;
                }
            }
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
