//! Wireless links: what they are like, and how they end.

use serde::{Deserialize, Serialize};

/// What a wireless link is like, and what it took to make it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LinkConnected {
    /// Name of the board.
    pub board: String,
    /// The adapter's name, such as `hci0`.
    pub adapter: String,
    /// The board's address, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name that it advertises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How strong its advertising was, in dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi: Option<i16>,
    /// The ATT MTU in bytes.
    pub mtu: u16,
    /// From the start of the scan until it was heard, in ms.
    pub scan_ms: u64,
    /// From the request to connect until it was connected, in ms.
    pub connect_ms: u64,
    /// From there until the link could be used, in ms.
    pub discover_ms: u64,
    /// How many times it was tried, from 1.
    pub attempts: u32,
    /// The link before was lost with a request under way, so the server was made to forget half a request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleared: bool,
}

/// How a wireless link ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkEnd {
    /// The harness hung up.
    Closed,
    /// It was lost.
    Lost,
}
