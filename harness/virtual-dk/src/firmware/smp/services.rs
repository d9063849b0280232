//! What the SMP server needs of the device that it runs on.

use hil_bootloader::{Pending, SwapType};

use crate::bus::Stopped;

/// One of the two places of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Slot {
    /// What runs.
    Primary,
    /// Where an update waits.
    Secondary,
}

impl Slot {
    /// The slot with this number in SMP, for the one image of this build.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Primary),
            1 => Some(Self::Secondary),
            _ => None,
        }
    }

    /// The number in SMP.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Primary => 0,
            Self::Secondary => 1,
        }
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
    /// Whether the application was built with image management, that is for a bootloader.
    fn has_images(&self) -> bool;

    /// Size of a slot in bytes.
    fn slot_size(&self, slot: Slot) -> u32;

    /// Bytes that are erased together.
    fn sector_size(&self) -> u32;

    /// Where in a slot the trailer begins, in bytes from the start of the slot.
    fn trailer_offset(&self, slot: Slot) -> u32;

    /// Reads from a slot.
    fn read(&mut self, slot: Slot, offset: u32, buffer: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes whole words to a slot.
    fn write(&mut self, slot: Slot, offset: u32, data: &[u8]) -> Result<(), DeviceError>;

    /// Erases whole sectors of a slot.
    fn erase(&mut self, slot: Slot, offset: u32, length: u32) -> Result<(), DeviceError>;

    /// What the bootloader would do at the next start, from the trailers.
    fn swap_type(&mut self) -> Result<SwapType, DeviceError>;

    /// Marks the secondary slot for the next start.
    fn set_pending(&mut self, pending: Pending) -> Result<(), DeviceError>;

    /// Confirms what runs.
    fn set_confirmed(&mut self) -> Result<(), DeviceError>;
}
