//! What a boot came to, and why.

use std::fmt;

use hil_image::ImageVersion;

use crate::flash::DeviceId;

/// What is going to happen with the two slots of an image (`boot_swap_type`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SwapType {
    /// The primary stays as it is.
    None,
    /// Swap, and swap back at the next boot unless confirmed.
    Test,
    /// Swap for good.
    Perm,
    /// Swap back to the image that ran before the test.
    Revert,
    /// The update could not be done.
    Fail,
    /// The trailers cannot be read.
    Panic,
    /// A number found in a trailer that MCUboot never writes. It is carried along as the C code does, and ends in an
    /// assertion when a swap of that kind is due.
    Other(u8),
}

impl SwapType {
    /// Whether slots are going to change (`BOOT_IS_UPGRADE`).
    #[must_use]
    pub fn is_upgrade(self) -> bool {
        matches!(self, Self::Test | Self::Perm | Self::Revert)
    }

    /// The number that MCUboot writes into `swap_info`.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 1,
            Self::Test => 2,
            Self::Perm => 3,
            Self::Revert => 4,
            Self::Fail => 5,
            Self::Panic => 0xff,
            Self::Other(code) => code,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            1 => Self::None,
            2 => Self::Test,
            3 => Self::Perm,
            4 => Self::Revert,
            5 => Self::Fail,
            0xff => Self::Panic,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for SwapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Test => "test",
            Self::Perm => "perm",
            Self::Revert => "revert",
            Self::Fail => "fail",
            Self::Panic => "panic",
            Self::Other(code) => return write!(f, "{code:#x}"),
        })
    }
}

/// What one boot came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub result: BootResult,
    /// What was decided on the way, in order.
    pub decisions: Vec<Decision>,
}

/// How a boot ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BootResult {
    /// The application starts.
    Boot(BootedImage),
    /// No image can be started: MCUboot stops (`FIH_PANIC`).
    NoBoot {
        /// Why, as a lowercase fragment.
        reason: String,
    },
    /// The C code stops on an assertion: a dead or resetting board.
    Assert {
        /// What it insisted on.
        what: String,
    },
    /// The C code never comes back: a board that hangs until somebody resets it.
    Hang {
        /// In what.
        what: String,
    },
}

impl fmt::Display for BootResult {
    /// `boots 2.0.0 at 0x0000c000 of app-flash`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot(image) => {
                write!(
                    f,
                    "boots {} at {:#010x} of {}",
                    image.version, image.offset, image.device
                )
            }
            Self::NoBoot { reason } => write!(f, "does not boot: {reason}"),
            Self::Assert { what } => write!(f, "stops on an assertion: {what}"),
            Self::Hang { what } => write!(f, "hangs: {what}"),
        }
    }
}

/// The image that starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BootedImage {
    /// The device it lies in.
    pub device: DeviceId,
    /// First byte of its header, from the start of the device.
    pub offset: u32,
    /// Length of the header in bytes: the vector table follows it.
    pub header_size: u32,
    /// Its version.
    pub version: ImageVersion,
}

/// One decision and its reason, for messages and reports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The image it is about; `None` when it is about the whole boot.
    pub image: Option<usize>,
    /// What was decided.
    pub what: String,
    /// Why.
    pub because: String,
}

impl fmt::Display for Decision {
    /// `image 0: test, because secondary magic good, image_ok unset`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(image) = self.image {
            write!(f, "image {image}: ")?;
        }
        write!(f, "{}, because {}", self.what, self.because)
    }
}
