//! A part of a memory as a check has read it, as pages that are not as programmed.

use crate::flash::ChangedPage;
use serde::{Deserialize, Serialize};

/// A part of a memory as it was read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RegionShot {
    /// Which memory: `app core`, `net core` or `external flash`.
    pub memory: String,
    /// The first address.
    pub address: u32,
    /// In bytes.
    pub size: u32,
    /// Length of a page in bytes. Pages are counted from the first address.
    pub page: u32,
    /// The pages that are not as the last programmed release left them; all that are not blank, where none was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<ChangedPage>,
    /// Images whose bytes are withheld, measured in the way of the bootloader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<MeasuredImage>,
}

/// An image in flash whose payload may be secret: what a bootloader that boots it would compute.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MeasuredImage {
    /// Where its header begins.
    pub address: u32,
    /// Bytes that are hashed: header, payload and protected TLVs.
    pub hashed: u32,
    /// The hash over them as hex digits, by the algorithm of its hash TLV.
    pub hash: String,
    /// The TLVs behind them, as hex digits: no secret, for they come with the image.
    pub tlvs: String,
}
