//! MCUboot and b0n as a model that works on any flash, and predicts what flash must result.
//!
//! [`boot`] does to a [`Flash`] exactly what MCUboot's C code does: the same operations in the same order, so that the
//! power can fail before or in each of them and the next boot goes on from the bytes alone. All four update modes are
//! here, and the build with one slot; [`golden`] replays recordings of the real MCUboot and finds every difference. [`b0n`] and [`pcd`] are the same
//! for the network core, and [`predict`] puts both on a board in memory and explains each decision.
//!
//! The virtual DK boots with this model, and the runner computes with it the flash that a real DK must end up with. It
//! knows nothing of probes, links or time; image format and keys come from `hil-image`.

mod address;
pub mod b0n;
mod config;
mod copy;
mod defect;
mod dependencies;
mod encrypt;
mod flash;
pub mod golden;
mod header;
mod io;
mod line;
mod loader;
mod log;
mod marks;
mod network;
mod outcome;
mod overwrite;
mod pages;
pub mod pcd;
pub mod predict;
mod progress;
mod recall;
mod recovery;
mod sim;
mod single;
mod state;
mod swap_move;
mod swap_offset;
mod swap_scratch;
pub mod sweep;
mod tlv;
mod trailer;
mod validate;

pub use config::{
    AddressCheck, B0nBuild, Config, ContentKeySize, DowngradePrevention, Encryption, ImageSlots,
    Keys, Line, Mode, NetworkCore, NetworkSlot, Signature,
};
pub use defect::Defect;
pub use flash::{Area, DeviceId, Flash, FlashError};
pub use loader::{boot, boot_recalling, boot_with_network};
pub use log::{Level, LogLine};
pub use marks::{MarkError, Pending, set_confirmed, set_pending, swap_state, swap_type};
pub use network::RAM_FLASH_ADDRESS;
pub use outcome::{BootResult, BootedImage, Decision, Outcome, SwapType};
pub use pages::ERASED;
pub use recall::Recall;
pub use recovery::{HandOver, RecoveryButton, SerialRecovery, hand_over_recovered};
pub use sim::{Counts, Cut, Erases, Operation, OperationKind, SimFlash};
pub use trailer::{Flag, Magic, SwapState};
