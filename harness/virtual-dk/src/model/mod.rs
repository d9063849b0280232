//! The self-description of model binaries: how the virtual DK learns from flash bytes what runs on it.
//!
//! A model binary is laid out like a real one (vector table, metadata where the SDK puts it, code) and carries,
//! at a fixed place, a block that says what the binary does: [`Model`]. Nothing else decides the behaviour
//! of a virtual core, so programming other bytes makes another device, as on silicon. An image without a block that a
//! bootloader starts (somebody's own payload, signed with imgtool) is taken for an ordinary Zephyr application
//! ([`ApplicationModel::ordinary`]) or network firmware; any other binary without a block, or with a damaged one, runs as
//! code that is not there would: see [`ModelError::symptom`].

mod binary;
mod block;
mod description;

pub use binary::Binary;
pub(crate) use binary::VECTORS;
pub use block::{BLOCK_OFFSET, MAX_DESCRIPTION};
pub use description::{
    ApplicationModel, B0nModel, Behaviour, BlePermission, BootloaderSupport, Confirmation,
    ConsoleOutput, EraseAnswer, Feature, Link, MarkRules, McubootModel, NetworkModel,
    ParseBehaviourError, ResetWay, RttMode, RttModel, Secret, SmpModel, UndescribedApplication,
};

use crate::bus::Core;

/// What a binary in flash is, as its own block says.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// MCUboot on the application core.
    Mcuboot(McubootModel),
    /// b0n, the bootloader of the network core.
    B0n(B0nModel),
    /// The application, on the application core.
    Application(ApplicationModel),
    /// The firmware of the network core.
    Network(NetworkModel),
}

impl Model {
    /// The core that the binary is built for.
    pub fn core(&self) -> Core {
        match self {
            Self::Mcuboot(_) | Self::Application(_) => Core::App,
            Self::B0n(_) | Self::Network(_) => Core::Net,
        }
    }

    /// Reads the binary whose vector table lies at `base`. `read` fills a buffer from an address of `core`.
    ///
    /// The vector table is checked first, as the core itself would fail on it before anything else runs.
    ///
    /// # Errors
    ///
    /// The error of `read`, or why what lies there is no model binary.
    pub fn read_at<E>(
        core: Core,
        base: u32,
        read: impl FnMut(u32, &mut [u8]) -> Result<(), E>,
    ) -> Result<Result<Self, ModelError>, E> {
        block::read_at(core, base, read)
    }
}

/// Why flash contents are not a model binary.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The core would not get past its reset vector.
    #[error(
        "vector table at {base:#010x} has stack pointer {stack_pointer:#010x} and reset vector {reset:#010x}: nothing that runs"
    )]
    Vector {
        /// Where the vector table was looked for.
        base: u32,
        /// Its first word.
        stack_pointer: u32,
        /// Its second word.
        reset: u32,
    },
    /// A binary with a plausible vector table, but without a description.
    #[error("binary at {base:#010x} carries no description at {:#010x}", base + BLOCK_OFFSET)]
    Undescribed {
        /// Where the vector table lies.
        base: u32,
    },
    /// The description is damaged.
    #[error("description of the binary at {base:#010x} is damaged: {what}")]
    Damaged {
        /// Where the vector table lies.
        base: u32,
        /// What is wrong with it.
        what: String,
    },
    /// The binary is for the other core.
    #[error("binary at {base:#010x} is for the other core")]
    WrongCore {
        /// Where the vector table lies.
        base: u32,
    },
}

/// What a core does that runs a binary which is not a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Symptom {
    /// It faults at once, faults again in the fault handler, and stops.
    LockUp,
    /// It runs somewhere and shows nothing.
    Hang,
}

impl ModelError {
    /// What the core does that tries to run this.
    pub fn symptom(&self) -> Symptom {
        match self {
            Self::Vector { .. } => Symptom::LockUp,
            Self::Undescribed { .. } | Self::Damaged { .. } | Self::WrongCore { .. } => {
                Symptom::Hang
            }
        }
    }
}
