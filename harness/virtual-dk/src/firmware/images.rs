//! The image services of an application: its slots, in the flash of its core.

use hil_bootloader::{Area, Config, ERASED, Flash, FlashError, MarkError, Mode, Pending, SwapType};

use super::flash::{BusFlash, SharedBus};
use super::smp::{DeviceError, Place, Services, Slot};
use crate::bus::Stopped;

/// The slots of an application behind the bus. No state: everything is asked of flash each time.
pub(super) struct SlotServices<'a, 'b> {
    bus: &'a SharedBus<'b>,
    config: Option<&'a Config>,
}

impl<'a, 'b> SlotServices<'a, 'b> {
    pub(super) fn new(bus: &'a SharedBus<'b>, config: Option<&'a Config>) -> Self {
        Self { bus, config }
    }

    fn flash(&self) -> BusFlash<'a, 'b> {
        BusFlash::new(self.bus)
    }

    /// Where a slot lies; `None` in a build without image management.
    fn area(&self, slot: Slot) -> Option<Area> {
        let slots = self.config?.images.get(slot.image as usize)?;
        Some(match slot.place {
            Place::Primary => slots.primary,
            Place::Secondary if !self.config?.has_secondary() => return None,
            Place::Secondary => slots.secondary,
        })
    }

    /// Whether a slot is only simulated in the RAM of whoever runs. The application's simulator erased it when it
    /// started, and nothing else writes there.
    fn is_simulated(&self, slot: Slot) -> bool {
        slot.is_primary()
            && self
                .config
                .is_some_and(|config| config.is_virtual(slot.image as usize))
    }

    /// The area, and where in its device `offset` of the slot lies.
    fn locate(&self, slot: Slot, offset: u32, length: usize) -> Result<(Area, u32), DeviceError> {
        let area = self.area(slot).ok_or(DeviceError::Failed)?;
        let end = u32::try_from(length)
            .ok()
            .and_then(|length| offset.checked_add(length));
        match end {
            Some(end) if end <= area.size => Ok((area, area.offset + offset)),
            _ => Err(DeviceError::Failed),
        }
    }
}

impl Services for SlotServices<'_, '_> {
    fn images(&self) -> u32 {
        self.config.map_or(0, |config| config.images.len() as u32)
    }

    fn has_slot(&self, slot: Slot) -> bool {
        self.area(slot).is_some()
    }

    fn slot_size(&self, slot: Slot) -> u32 {
        self.area(slot).map_or(0, |area| area.size)
    }

    fn sector_size(&self) -> u32 {
        self.config.map_or(0x1000, |config| config.sector_size)
    }

    fn trailer_offset(&self, slot: Slot) -> u32 {
        let size = self.slot_size(slot);
        self.config
            .map_or(size, |config| size.saturating_sub(trailer_size(config)))
    }

    fn image_start(&mut self, slot: Slot) -> Result<u32, DeviceError> {
        let offset = self
            .config
            .is_some_and(|config| config.mode == Mode::SwapOffset);
        if !offset || slot.is_primary() || self.swap_type(slot.image)? == SwapType::Revert {
            Ok(0)
        } else {
            Ok(self.sector_size())
        }
    }

    fn read(&mut self, slot: Slot, offset: u32, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let (area, offset) = self.locate(slot, offset, buffer.len())?;
        if self.is_simulated(slot) {
            buffer.fill(ERASED);
            return Ok(());
        }
        self.flash()
            .read(area.device, offset, buffer)
            .map_err(|error| device_error(&error))
    }

    fn write(&mut self, slot: Slot, offset: u32, data: &[u8]) -> Result<(), DeviceError> {
        let (area, offset) = self.locate(slot, offset, data.len())?;
        self.flash()
            .write(area.device, offset, data)
            .map_err(|error| device_error(&error))
    }

    fn erase(&mut self, slot: Slot, offset: u32, length: u32) -> Result<(), DeviceError> {
        let (area, offset) = self.locate(slot, offset, length as usize)?;
        if self.is_simulated(slot) {
            return Ok(());
        }
        self.flash()
            .erase(area.device, offset, length)
            .map_err(|error| device_error(&error))
    }

    fn swap_type(&mut self, image: u32) -> Result<SwapType, DeviceError> {
        let config = self.config.ok_or(DeviceError::Failed)?;
        hil_bootloader::swap_type(config, &mut self.flash(), image as usize).map_err(mark_error)
    }

    fn set_pending(&mut self, image: u32, pending: Pending) -> Result<(), DeviceError> {
        let config = self.config.ok_or(DeviceError::Failed)?;
        hil_bootloader::set_pending(config, &mut self.flash(), image as usize, pending)
            .map_err(mark_error)
    }

    fn set_confirmed(&mut self, image: u32) -> Result<(), DeviceError> {
        let config = self.config.ok_or(DeviceError::Failed)?;
        hil_bootloader::set_confirmed(config, &mut self.flash(), image as usize).map_err(mark_error)
    }
}

/// Bytes from the begin of the trailer to the end of the slot, as an application computes it that was built with the
/// bootloader's settings (`boot_get_trailer_status_offset`). It knows nothing of encryption.
fn trailer_size(config: &Config) -> u32 {
    let (states, fields) = match config.mode {
        Mode::SwapOffset => (2, 5),
        Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => (3, 4),
    };
    config.max_sectors * states * config.write_size + fields * config.max_align + 16
}

fn mark_error(error: MarkError) -> DeviceError {
    match error {
        MarkError::Flash(error) => device_error(&error),
        MarkError::BadMagic { .. } => DeviceError::BadTrailer,
        MarkError::NoImage(_) | MarkError::NoSecondary => DeviceError::Failed,
    }
}

fn device_error(error: &FlashError) -> DeviceError {
    match error {
        FlashError::PowerLost => DeviceError::Stopped(Stopped),
        FlashError::OutOfRange { .. }
        | FlashError::Misaligned { .. }
        | FlashError::NoDevice(_)
        | FlashError::Device { .. } => DeviceError::Failed,
    }
}
