//! What a scenario has worn of a board's flash. What that adds up to over a run is of [`wear`](crate::wear).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often pages of a board's flash were erased in a scenario.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BoardWear {
    /// Name of the board.
    pub board: String,
    /// Whether erases by bootloaders and applications are in it: they follow from the bootloader model, and are not known
    /// where the flash was not as it predicts.
    pub complete: bool,
    /// Erases in this scenario, page by page.
    pub erases: u64,
    /// Runs of pages that were erased equally often, by address.
    pub pages: Vec<WornPages>,
    /// The page that was erased most often, in all that is known of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<WornPage>,
    /// How often a page may have been erased for a further scenario to run on the board, where the rig file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

/// Neighbouring pages that were erased equally often.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WornPages {
    /// The first one's address.
    pub address: u32,
    /// How many.
    pub pages: u32,
    /// How often each.
    pub erases: u64,
}

impl WornPages {
    /// Bytes of each page: 2 KiB in the network core's flash, 4 KiB in the application core's and in the external one.
    #[must_use]
    pub const fn page_size(&self) -> u32 {
        if self.address >= 0x0100_0000 && self.address < 0x1000_0000 {
            0x800
        } else {
            0x1000
        }
    }
}

/// A page and how often it was erased.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WornPage {
    /// Its address.
    pub address: u32,
    /// How often.
    pub erases: u64,
}
