//! Firmware sets: which bytes play the roles that scenarios name, and what the bootloader on the board is.

mod file;
mod layout;
mod set;
mod smp;

pub use file::FirmwareFile;
pub use layout::{Chip, Layout, Memory, Region};
pub use set::{FirmwareSet, KeyFiles, ProgramFile, Release, ReleaseImage, UnknownRole};
pub use smp::SmpServer;
