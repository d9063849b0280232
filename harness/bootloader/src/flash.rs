//! What the models work on: flash devices that can be read, written and erased, and that can lose power.
//!
//! The bootloader models keep no state of their own between two calls of [`boot`](crate::boot): everything that
//! survives is in the bytes behind this trait, as on silicon.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names one flash device of the board.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceId {
    /// The application core's flash: 1 MiB, pages of 4 KiB. Offset 0 is address 0x0000_0000.
    AppFlash,
    /// The network core's flash: 256 KiB, pages of 2 KiB. Offset 0 is address 0x0100_0000.
    NetFlash,
    /// The QSPI flash on the board, sectors of 4 KiB. Offset 0 is its first byte.
    External,
    /// The flash simulated in RAM that stands for the network core's primary slot in simultaneous updates.
    RamFlash,
}

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AppFlash => "app-flash",
            Self::NetFlash => "net-flash",
            Self::External => "external",
            Self::RamFlash => "ram-flash",
        })
    }
}

/// Flash that a bootloader model reads and changes.
///
/// One call of [`write`](Self::write) or [`erase`](Self::erase) is one operation of the C code's flash driver,
/// whatever its length: a trace of the calls is comparable with one recorded from MCUboot. Offsets and lengths are
/// bytes from the start of the device.
pub trait Flash {
    /// Reads `buffer.len()` bytes at `offset`.
    ///
    /// # Errors
    /// [`FlashError::PowerLost`] when the board is off; another variant when the driver refuses.
    fn read(&mut self, device: DeviceId, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError>;

    /// Programs `data` at `offset`. Bits only fall from 1 to 0.
    ///
    /// # Errors
    /// [`FlashError::PowerLost`] when the power failed before or during the write; another variant when the driver
    /// refuses, and then nothing was written.
    fn write(&mut self, device: DeviceId, offset: u32, data: &[u8]) -> Result<(), FlashError>;

    /// Erases whole sectors: all bits of `offset..offset + length` become 1.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn erase(&mut self, device: DeviceId, offset: u32, length: u32) -> Result<(), FlashError>;
}

/// Why a flash access did not happen.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum FlashError {
    /// The board is without power: whoever runs must unwind at once.
    #[error("power lost")]
    PowerLost,
    /// The range does not lie in the device.
    #[error("range {offset:#010x}..+{length:#x} is not in `{device}`")]
    OutOfRange {
        /// The device that was addressed.
        device: DeviceId,
        /// First byte, from the start of the device.
        offset: u32,
        /// Length in bytes.
        length: u32,
    },
    /// Offset or length is not a multiple of the write size (writes) or of the sector size (erases).
    #[error("range {offset:#010x}..+{length:#x} of `{device}` is not aligned to {unit} bytes")]
    Misaligned {
        /// The device that was addressed.
        device: DeviceId,
        /// First byte, from the start of the device.
        offset: u32,
        /// Length in bytes.
        length: u32,
        /// The alignment the device asks for, in bytes.
        unit: u32,
    },
    /// The board has no such device.
    #[error("the board has no flash device `{0}`")]
    NoDevice(DeviceId),
    /// The device or what stands between (bus, debug probe) reported an error.
    #[error("flash device `{device}` failed at {offset:#010x}: {reason}")]
    Device {
        /// The device that was addressed.
        device: DeviceId,
        /// First byte, from the start of the device.
        offset: u32,
        /// What was reported.
        reason: String,
    },
}

impl FlashError {
    /// What a person can try; `None` where there is nothing to advise.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoDevice(_) => {
                Some("name the device in the layout, or move the slot to one that exists")
            }
            Self::Misaligned { .. } => Some("start slots at multiples of the sector size"),
            Self::PowerLost | Self::OutOfRange { .. } | Self::Device { .. } => None,
        }
    }
}

/// A part of one flash device: a slot, the scratch area, a bootloader.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Area {
    /// The device it lies in.
    pub device: DeviceId,
    /// First byte, from the start of the device.
    pub offset: u32,
    /// Length in bytes.
    pub size: u32,
}

impl Area {
    /// Whether `offset` (from the start of the device) lies in this area of `device`.
    #[must_use]
    pub fn contains(&self, device: DeviceId, offset: u32) -> bool {
        self.device == device
            && offset
                .checked_sub(self.offset)
                .is_some_and(|inside| inside < self.size)
    }
}
