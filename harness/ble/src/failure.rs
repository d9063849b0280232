//! Why there is no link, or no longer: what the worker found, as plain data that goes through its pipe.

use crate::address::Address;
use crate::peer::{AdapterId, DeviceId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why there is no link, or no longer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
pub enum Failure {
    /// The system's Bluetooth cannot be reached at all.
    #[error("the system's Bluetooth service cannot be reached: {message}")]
    NoBluetooth {
        /// What it said.
        message: String,
    },
    /// There is no such adapter.
    #[error("there is no Bluetooth adapter {wanted}; {}", list("there is", "there is none", .there))]
    NoAdapter {
        /// What was asked for.
        wanted: AdapterId,
        /// Those that there are.
        there: Vec<String>,
    },
    /// An adapter does not do what it is asked to.
    #[error("Bluetooth adapter `{adapter}` failed while {doing}: {message}")]
    Adapter {
        /// Its name.
        adapter: String,
        /// What was being done.
        doing: String,
        /// What the system said.
        message: String,
    },
    /// The board does not advertise where it can be heard.
    #[error("{device} was not heard on adapter `{adapter}` for {waited_ms} ms; {}", list("heard were", "nothing was heard at all", .heard))]
    NotHeard {
        /// What was asked for.
        device: DeviceId,
        /// The adapter's name.
        adapter: String,
        /// How long it was listened.
        waited_ms: u64,
        /// What was heard instead.
        heard: Vec<Heard>,
    },
    /// Several boards answer the description.
    #[error("{device} is ambiguous on adapter `{adapter}`: {}", list("heard were", "", .heard))]
    Ambiguous {
        /// What was asked for.
        device: DeviceId,
        /// The adapter's name.
        adapter: String,
        /// Those that match.
        heard: Vec<Heard>,
    },
    /// A step on the way to a usable link failed.
    #[error("{device} failed while {stage}: {message}")]
    Refused {
        /// The board.
        device: String,
        /// What was being done.
        stage: Stage,
        /// What the system said.
        message: String,
    },
    /// A step on the way to a usable link did not end.
    #[error("{device} was not done with {stage} after {waited_ms} ms")]
    Slow {
        /// The board.
        device: String,
        /// What was being done.
        stage: Stage,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The board has no SMP server on Bluetooth.
    #[error("{device} has no SMP service; {}", list("it has", "it has no service at all", .services))]
    NoServer {
        /// The board.
        device: String,
        /// What it has.
        services: Vec<String>,
    },
    /// The server wants a link that it can trust.
    #[error("{device} wants an encrypted or paired link for {stage}: {message}")]
    Pairing {
        /// The board.
        device: String,
        /// What was being done.
        stage: Stage,
        /// What the system said.
        message: String,
    },
    /// The link was there and is gone.
    #[error("the link to {device} was lost after {after_ms} ms: {cause}")]
    Lost {
        /// The board.
        device: String,
        /// How long it had been there.
        after_ms: u64,
        /// How that was noticed.
        cause: Loss,
    },
}

/// A device that was heard.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Heard {
    /// Its address, where the system tells it.
    pub address: Option<Address>,
    /// Its name.
    pub name: Option<String>,
    /// How strong it was, in dBm.
    pub rssi: Option<i16>,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, &self.name) {
            (Some(address), Some(name)) => write!(f, "{address} `{name}`"),
            (Some(address), None) => write!(f, "{address}"),
            (None, Some(name)) => write!(f, "`{name}`"),
            (None, None) => f.write_str("a device without a name"),
        }
    }
}

/// A step on the way to a usable link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Stage {
    /// Making the connection, in which the system reads the services too.
    Connecting,
    /// Asking the system for the services that it read.
    Discovering,
    /// Switching notifications on.
    Subscribing,
    /// Writing a fragment of a request.
    Writing,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Discovering => "discovering services",
            Self::Subscribing => "switching notifications on",
            Self::Writing => "writing a request",
        })
    }
}

/// How the end of a link was noticed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Loss {
    /// The system says that the peripheral is disconnected: reset, switched off, out of range, or it hung up.
    Disconnected,
    /// The adapter was switched off or unplugged.
    AdapterOff,
    /// The system's Bluetooth service does not answer any more.
    NoAnswer {
        /// For how long.
        waited_ms: u64,
    },
    /// A request could not be written.
    WriteFailed {
        /// What the system said.
        message: String,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("the board disconnected"),
            Self::AdapterOff => f.write_str("the adapter is off or unplugged"),
            Self::NoAnswer { waited_ms } => write!(
                f,
                "the system's Bluetooth service has not answered for {waited_ms} ms"
            ),
            Self::WriteFailed { message } => write!(f, "a request could not be written: {message}"),
        }
    }
}

impl Failure {
    /// Whether the board may be the cause: it is off, resets, or its firmware has no radio. All else is the bench.
    #[must_use]
    pub const fn may_be_the_board(&self) -> bool {
        match self {
            Self::NotHeard { .. }
            | Self::Refused { .. }
            | Self::Slow { .. }
            | Self::NoServer { .. }
            | Self::Lost {
                cause: Loss::Disconnected | Loss::WriteFailed { .. },
                ..
            } => true,
            Self::NoBluetooth { .. }
            | Self::NoAdapter { .. }
            | Self::Adapter { .. }
            | Self::Ambiguous { .. }
            | Self::Pairing { .. }
            | Self::Lost { .. } => false,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub(crate) const fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::NoBluetooth { .. }
                | Self::NoAdapter { .. }
                | Self::Ambiguous { .. }
                | Self::Pairing { .. }
        )
    }

    /// Something to try.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoBluetooth { .. } => {
                "is bluetoothd running (`systemctl status bluetooth`), and may you use it? `bluetoothctl list` shows"
            }
            Self::NoAdapter { .. } => {
                "plug the adapter in, or name one that is there under `ble.adapter` in the rig file"
            }
            Self::Adapter { .. } => {
                "is the adapter blocked? see `rfkill list`, and `bluetoothctl show` for its state"
            }
            Self::NotHeard { .. } => {
                "is the board on, does its application advertise, and is it not connected to something else? a network \
                 core with another IPC version has no radio"
            }
            Self::Ambiguous { .. } => {
                "give the address of the board under `ble.address` in the rig file instead of a name"
            }
            Self::Refused { .. } | Self::Slow { .. } => {
                "move the board closer to the adapter; `btmon` shows what the radio does"
            }
            Self::NoServer { .. } => {
                "build the application with CONFIG_MCUMGR_TRANSPORT_BT=y; if it has it, make the system forget the old \
                 services with `bluetoothctl remove ADDRESS`"
            }
            Self::Pairing { .. } => {
                "pair the board once with `bluetoothctl pair ADDRESS`, or build the application under test with \
                 CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW=y"
            }
            Self::Lost { .. } => {
                "look for a reset in the board's console log; if there is none, look at distance and interference"
            }
        }
    }
}

/// `there is a, b`, or what is said when there is nothing. At most eight, as a bench hears the whole neighbourhood.
fn list<T: fmt::Display>(some: &str, none: &str, items: &[T]) -> String {
    const SHOWN: usize = 8;
    if items.is_empty() {
        return none.to_owned();
    }
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match items.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{some} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(last: u8, name: &str) -> Heard {
        Heard {
            address: Some(Address::new([0xC0, 0, 0, 0, 0, last])),
            name: Some(name.to_owned()),
            rssi: Some(-40),
        }
    }

    #[test]
    fn an_ambiguous_name_lists_the_addresses() {
        let failure = Failure::Ambiguous {
            device: DeviceId::Name("dk".to_owned()),
            adapter: "hci0".to_owned(),
            heard: vec![heard(1, "dk"), heard(2, "dk")],
        };
        insta::assert_snapshot!(failure, @"`dk` is ambiguous on adapter `hci0`: heard were C0:00:00:00:00:01 `dk`, C0:00:00:00:00:02 `dk`");
        assert!(failure.help().contains("ble.address"));
        assert!(!failure.may_pass(), "waiting does not make it clearer");
    }

    #[test]
    fn a_board_that_was_not_heard_is_told_with_those_that_were() {
        let failure = Failure::NotHeard {
            device: DeviceId::Address(Address::new([0xC0, 0, 0, 0, 0, 9])),
            adapter: "hci0".to_owned(),
            waited_ms: 5000,
            heard: (1..=10).map(|last| heard(last, "x")).collect(),
        };
        let text = failure.to_string();
        assert!(
            text.starts_with("C0:00:00:00:00:09 was not heard on adapter `hci0` for 5000 ms; heard were C0:00:00:00:00:01 `x`"),
            "{text}"
        );
        assert!(text.ends_with("and 2 more"), "{text}");
    }

    #[test]
    fn a_missing_adapter_is_told_with_those_that_are_there() {
        let none = Failure::NoAdapter {
            wanted: AdapterId::from("hci3"),
            there: Vec::new(),
        };
        insta::assert_snapshot!(none, @"there is no Bluetooth adapter `hci3`; there is none");
    }
}
