//! How a board is reached, as a checked rig file has it: its debug probe, its serial ports and its Bluetooth.

use hil_ble::{AdapterId, DeviceId};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;

/// The Bluetooth of a rig.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct BluetoothSpec {
    /// The D-Bus address of the bus on which real boards' adapters are; the system's bus when absent.
    pub bus: Option<String>,
    /// What is known of adapters. Virtual boards get as many adapters as are named here, at least one.
    pub adapters: Vec<AdapterSpec>,
    /// What the air of virtual boards is like.
    pub link: LinkSpec,
}

/// An adapter of the host.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AdapterSpec {
    /// Which one.
    pub adapter: AdapterId,
    /// How many connections its controller can hold; not limited when absent.
    pub max_connections: Option<usize>,
}

/// What the air of virtual boards is like; what is absent is up to the virtual radio.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LinkSpec {
    /// ATT MTU in bytes.
    pub mtu: Option<u16>,
    /// Connection interval in microseconds.
    pub interval_us: Option<u32>,
    /// `1m` or `2m`.
    pub phy: Option<String>,
    /// Most packets in a connection event, each way, where a central allows fewer than fit.
    pub packets_per_event: Option<NonZeroU16>,
    /// How much of what is sent is lost, in percent.
    pub loss_percent: Option<u8>,
    /// Which packets are lost.
    pub seed: Option<u64>,
    /// `instant` or `realistic`.
    pub timing: Option<String>,
}

/// A board on the air.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BleSpec {
    /// The adapter that hears it.
    pub adapter: AdapterId,
    /// Who it is.
    pub device: DeviceId,
}

/// A debug probe.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ProbeSpec {
    /// Which one.
    pub selector: ProbeSelector,
    /// The SWD clock in kHz; the probe's default when absent.
    pub speed_khz: Option<u32>,
}

/// A probe's selector in probe-rs's form: `VID:PID:SERIAL`, both ids in hex. For a Black Magic probe on TCP
/// the serial number is `IP:PORT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProbeSelector(String);

impl ProbeSelector {
    /// The selector as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The probe's serial number, which identifies it on this host.
    #[must_use]
    pub fn serial(&self) -> &str {
        self.0.splitn(3, ':').nth(2).unwrap_or_default()
    }
}

impl std::fmt::Display for ProbeSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProbeSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [vendor, product, serial] = parts.as_slice() else {
            return Err(format!(
                "`{text}` is not a probe selector: expected `VID:PID:SERIAL`, for example \
                 `1366:1051:001050012345` or `1d50:6018:127.0.0.1:3333`"
            ));
        };
        for (name, id) in [("vendor", vendor), ("product", product)] {
            if id.len() != 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(format!(
                    "the {name} id of probe selector `{text}` is `{id}`: expected four hex digits"
                ));
            }
        }
        if serial.is_empty() {
            return Err(format!(
                "probe selector `{text}` has no serial number, so it would match any probe of this kind"
            ));
        }
        // probe-rs takes a name instead of an address for a serial port and does not find it.
        if text.to_ascii_lowercase().starts_with("1d50:6018:")
            && serial.contains(':')
            && SocketAddr::from_str(serial).is_err()
        {
            return Err(format!(
                "probe selector `{text}` has `{serial}` as its address: expected an IP address and a port, for \
                 example `127.0.0.1:3333`"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A serial port.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UartSpec {
    /// Which one.
    pub port: UartPortSpec,
    /// Its speed in baud.
    pub baud: u32,
}

/// How a serial port is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UartPortSpec {
    /// By the USB device that offers it.
    Usb {
        /// The device's serial number.
        serial: String,
        /// The number of the port's interface in the device.
        interface: u8,
    },
    /// By its path.
    Path(PathBuf),
}

impl std::fmt::Display for UartPortSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usb { serial, interface } => {
                write!(f, "interface {interface} of USB serial number `{serial}`")
            }
            Self::Path(path) => path.display().fmt(f),
        }
    }
}
