//! Mistakes that a bootloader is given on purpose, so that it can be seen that a sweep of power cuts finds them.
//!
//! No released MCUboot has these. A firmware set that says one describes a bootloader with that mistake; what it is for
//! is the other way round: the bootloader on a virtual DK has it, and the firmware set does not say so.

use serde::{Deserialize, Serialize};

/// A mistake in the order in which a bootloader does things to flash. Nobody notices it until the power fails.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// Swap-move writes the status word of a sector before the sector is copied: a boot after a power failure takes it
    /// for done.
    StatusBeforeCopy,
    /// A revert of swap-move writes the magic of the secondary slot before `image_ok` and the swap size: a power failure
    /// between them makes the old image one that is only tested.
    RevertMagicFirst,
    /// An overwrite erases the trailer of the secondary slot, which holds the request, before it copies: a power failure after
    /// that leaves half an image and nobody who goes on.
    RequestErasedFirst,
}
