//! Which board, through which adapter; and what was found out when it was connected.

use crate::address::Address;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An adapter of this host.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum AdapterId {
    /// By the system's name for it, such as `hci1`.
    Name(String),
    /// By its own address, which stays when the system numbers adapters anew.
    Address(Address),
}

impl From<&str> for AdapterId {
    /// What parses as an address is one; all else is a name.
    fn from(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Name(text.to_owned()), Self::Address)
    }
}

impl fmt::Display for AdapterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Address(address) => write!(f, "`{address}`"),
        }
    }
}

/// A peripheral.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum DeviceId {
    /// By its address: the only way that tells boards with the same firmware apart.
    Address(Address),
    /// By the name that it advertises; must be the only one that is heard.
    Name(String),
    /// Whatever advertises the SMP service; must be the only one that is heard.
    SmpService,
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::SmpService => f.write_str("a device with the SMP service"),
        }
    }
}

/// The other end of a link.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Peer {
    /// The adapter to use.
    pub adapter: AdapterId,
    /// The board.
    pub device: DeviceId,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BLE link to {} on {}", self.device, self.adapter)
    }
}

/// What a link is like, and what it took to get it: evidence for the report.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LinkParameters {
    /// The adapter's name.
    pub adapter: String,
    /// The board's address, where the system tells it (macOS does not).
    pub address: Option<Address>,
    /// The name that it advertises.
    pub name: Option<String>,
    /// How strong its advertising was, in dBm.
    pub rssi: Option<i16>,
    /// The ATT MTU in bytes; a write or notification carries three less.
    pub mtu: u16,
    /// From the start of the scan until it was heard, in ms.
    pub scan_ms: u64,
    /// From the request to connect until the system had it connected and its services read, in ms.
    pub connect_ms: u64,
    /// From there until notifications were switched on, in ms.
    pub discover_ms: u64,
    /// How many times it was tried, from 1.
    pub attempts: u32,
    /// The link before was lost with a request under way, so the server was made to forget half a request.
    #[serde(default)]
    pub cleared: bool,
}

impl fmt::Display for LinkParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "an unknown address".to_owned();
        let address = self
            .address
            .map_or_else(unknown, |address| address.to_string());
        write!(f, "{address}")?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " on {}, MTU {}", self.adapter, self.mtu)?;
        if let Some(rssi) = self.rssi {
            write!(f, ", {rssi} dBm")?;
        }
        write!(
            f,
            ", heard after {} ms, connected in {} ms, ready in {} ms",
            self.scan_ms, self.connect_ms, self.discover_ms
        )?;
        if self.attempts > 1 {
            write!(f, ", at attempt {}", self.attempts)?;
        }
        if self.cleared {
            f.write_str(", after the server was made to forget half a request of the link before")?;
        }
        Ok(())
    }
}
