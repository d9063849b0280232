//! What the SMP server needs of the device that it runs on.

use hil_bootloader::{Pending, SwapType};

use crate::bus::Stopped;

/// One of the two places of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slot {
    /// Image number.
    pub(crate) image: u32,
    pub(crate) place: Place,
}

/// Which of the two places.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// What runs.
    Primary,
    /// Where an update waits.
    Secondary,
}

impl Slot {
    /// The primary slot of an image.
    pub(crate) const fn primary(image: u32) -> Self {
        Self {
            image,
            place: Place::Primary,
        }
    }

    /// The secondary slot of an image.
    pub(crate) const fn secondary(image: u32) -> Self {
        Self {
            image,
            place: Place::Secondary,
        }
    }

    /// The slot with this number, counted over all images.
    pub(crate) const fn from_number(number: u32) -> Self {
        if number.is_multiple_of(2) {
            Self::primary(number / 2)
        } else {
            Self::secondary(number / 2)
        }
    }

    /// Both slots of so many images, in the order of their numbers.
    pub(crate) fn all(images: u32) -> impl Iterator<Item = Self> {
        (0..2 * images).map(Self::from_number)
    }

    /// The number within its image.
    pub(crate) const fn number(self) -> u32 {
        match self.place {
            Place::Primary => 0,
            Place::Secondary => 1,
        }
    }

    pub(crate) const fn is_primary(self) -> bool {
        matches!(self.place, Place::Primary)
    }
}

/// Why the device did not do what the server asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DeviceError {
    /// The core is gone.
    Stopped(Stopped),
    /// The flash driver refused.
    Failed,
    /// A trailer does not allow it: its magic is neither erased nor good.
    BadTrailer,
}

impl From<Stopped> for DeviceError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// The device below the server. Everything it says of images comes from flash through here.
pub(crate) trait Services {
    /// How many images the application was built for; 0 without image management.
    fn images(&self) -> u32;

    /// Whether the build has this slot: one of a single slot has no secondary one.
    fn has_slot(&self, slot: Slot) -> bool;

    /// Size of a slot in bytes.
    fn slot_size(&self, slot: Slot) -> u32;

    /// Bytes that are erased together.
    fn sector_size(&self) -> u32;

    /// Where in a slot the trailer begins, in bytes from the start of the slot.
    fn trailer_offset(&self, slot: Slot) -> u32;

    /// Where in a slot its image begins, in bytes (`boot_get_image_start_offset` of `zephyr subsys/dfu/boot/mcuboot.c`): for
    /// swap-using-offset the secondary slot's second sector, unless what it holds is the way back.
    fn image_start(&mut self, slot: Slot) -> Result<u32, DeviceError>;

    /// Reads from a slot.
    fn read(&mut self, slot: Slot, offset: u32, buffer: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes whole words to a slot.
    fn write(&mut self, slot: Slot, offset: u32, data: &[u8]) -> Result<(), DeviceError>;

    /// Erases whole sectors of a slot.
    fn erase(&mut self, slot: Slot, offset: u32, length: u32) -> Result<(), DeviceError>;

    /// What the bootloader would do with an image at the next start, from the trailers.
    fn swap_type(&mut self, image: u32) -> Result<SwapType, DeviceError>;

    /// Marks the secondary slot of an image for the next start.
    fn set_pending(&mut self, image: u32, pending: Pending) -> Result<(), DeviceError>;

    /// Confirms what is in the primary slot of an image.
    fn set_confirmed(&mut self, image: u32) -> Result<(), DeviceError>;
}
