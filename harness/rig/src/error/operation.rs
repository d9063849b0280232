//! What the harness was doing with a probe when something went wrong.

use crate::core::{Core, memory_name};
use std::fmt;

/// What the harness was doing with a probe, for messages.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading FICR.
    Identity,
    /// Asking the external flash what it is.
    ExternalFlash,
    /// Programming and verifying.
    Program {
        /// Bytes in the image.
        bytes: usize,
    },
    /// Comparing flash with an image.
    Verify {
        /// Bytes in the image.
        bytes: usize,
    },
    /// Reading memory.
    Read {
        /// The core whose map is meant.
        core: Core,
        /// The first address.
        address: u32,
        /// How many bytes.
        length: u32,
    },
    /// Taking what a core printed over RTT.
    Rtt(Core),
    /// Writing a word.
    Write {
        /// The core whose map is meant.
        core: Core,
        /// The word's address.
        address: u32,
    },
    /// Resetting the chip.
    Reset,
    /// Resetting a core and holding it at its first instruction.
    ResetAndHalt(Core),
    /// Halting a core.
    Halt(Core),
    /// Letting a core run.
    Run(Core),
    /// Following a core from one flash operation to the next.
    Trap(Core),
    /// Leaving flash as an interrupted operation may leave it.
    Tear {
        /// The core that does the operation.
        core: Core,
        /// The first address, in its map.
        address: u32,
    },
    /// Erasing flash.
    Erase,
    /// Erasing everything through the control access ports.
    Recover,
    /// Letting go of the board.
    Detach,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("reading the chip's identity"),
            Self::ExternalFlash => f.write_str("asking the external flash what it is"),
            Self::Program { bytes } => write!(f, "programming and verifying {bytes} bytes"),
            Self::Verify { bytes } => write!(f, "comparing {bytes} bytes with flash"),
            Self::Read {
                core,
                address,
                length,
            } => {
                write!(f, "reading {length} bytes at {address:#010x} of the {core}")
            }
            Self::Write { core, address } => write!(f, "writing {address:#010x} of the {core}"),
            Self::Rtt(core) => write!(f, "reading the RTT of the {core}"),
            Self::Reset => f.write_str("resetting the chip"),
            Self::ResetAndHalt(core) => write!(f, "resetting and halting the {core}"),
            Self::Halt(core) => write!(f, "halting the {core}"),
            Self::Run(core) => write!(f, "letting the {core} run"),
            Self::Tear { core, address } => {
                write!(
                    f,
                    "tearing {} at {address:#010x}",
                    memory_name(*core, *address)
                )
            }
            Self::Trap(core) => write!(f, "following the {core} through its flash operations"),
            Self::Erase => f.write_str("erasing flash"),
            Self::Recover => f.write_str("erasing and unlocking the chip"),
            Self::Detach => f.write_str("detaching from the board"),
        }
    }
}
