//! Which board it was, so that a year later nobody has to believe a name in a rig file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a board says that it is, and what it was reached through.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BoardIdentity {
    /// The chip, such as `nRF5340`.
    pub chip: String,
    /// Its variant by FICR.INFO.VARIANT, such as `QKAA`.
    pub variant: String,
    /// FICR.INFO.DEVICEID as 16 hex digits: unique to the chip.
    pub device_id: String,
    /// The revision of the silicon: the word in FICR by which Nordic's errata headers tell revisions, as a number. None
    /// where the chip does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The debug probe, in the form that probe-rs selects it by: vendor, product and serial number.
    pub probe: String,
    /// The firmware of the probe, in its own words. None where it is not known: probe-rs asks a J-Link and a Black Magic
    /// Probe for it, and none that speaks CMSIS-DAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_firmware: Option<String>,
}
