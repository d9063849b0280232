//! The Bluetooth of a rig file as the person wrote it, and how it becomes checked.

use super::checked::Checked;
use super::schema::Described;
use super::{AdapterSpec, BleSpec, BluetoothSpec, LinkSpec, RigFileError};
use hil_ble::{AdapterId, Address, DeviceId};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU16;
use std::path::Path;
use std::str::FromStr;

/// An ATT MTU can be no smaller and no larger (Bluetooth core specification, volume 3, part F, 3.2.8 and 3.2.9).
const MTU: std::ops::RangeInclusive<u16> = 23..=517;

/// `bluetooth:` of a rig.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Bluetooth {
    bus: Option<String>,
    #[serde(default)]
    adapters: Vec<Adapter>,
    #[serde(default)]
    link: Link,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Adapter {
    name: String,
    max_connections: Option<usize>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Link {
    mtu: Option<u16>,
    interval: Option<Checked<Interval>>,
    phy: Option<Phy>,
    packets_per_event: Option<NonZeroU16>,
    loss: Option<Checked<Loss>>,
    seed: Option<u64>,
    timing: Option<Timing>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Phy {
    #[serde(rename = "1m")]
    OneM,
    #[serde(rename = "2m")]
    TwoM,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Timing {
    Instant,
    Realistic,
}

/// A connection interval, in microseconds.
#[derive(Debug)]
struct Interval(u32);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a connection interval: expected a multiple of 1.25 ms from `7.5ms` to `4000ms`"
            )
        };
        let millis: f64 = text
            .strip_suffix("ms")
            .and_then(|number| number.trim().parse().ok())
            .filter(|millis: &f64| (7.5..=4000.0).contains(millis))
            .ok_or_else(wrong)?;
        let steps = millis / 1.25;
        if steps.fract() != 0.0 {
            return Err(wrong());
        }
        // At most 3200 steps.
        Ok(Self(steps as u32 * 1250))
    }
}

/// A share of packets, in percent.
#[derive(Debug)]
struct Loss(u8);

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .filter(|percent| *percent < 100)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a loss: expected `0%` to `99%`"))
    }
}

impl Described for Interval {
    const NAME: &'static str = "Interval";
    const WHAT: &'static str =
        "Connection interval: a multiple of 1.25 ms from `7.5ms` to `4000ms`";
    const PATTERN: &'static str = r"^[0-9.]+ *ms$";
}

impl Described for Loss {
    const NAME: &'static str = "Loss";
    const WHAT: &'static str = "Share of packets that are lost, `0%` to `99%`";
    const PATTERN: &'static str = r"^[0-9]{1,2} *%$";
}

impl Described for Address {
    const NAME: &'static str = "Address";
    const WHAT: &'static str = "Bluetooth address, such as C0:11:22:33:44:55";
    const PATTERN: &'static str = r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$";
}

impl Bluetooth {
    pub(super) fn check(self, path: &Path, text: &str) -> Result<BluetoothSpec, RigFileError> {
        let at = |key: &str| {
            text.find("bluetooth:").map_or(0, |start| {
                start
                    + text
                        .get(start..)
                        .and_then(|rest| rest.find(key))
                        .unwrap_or(0)
            })
        };
        let mut adapters: Vec<AdapterSpec> = Vec::new();
        for (index, adapter) in self.adapters.into_iter().enumerate() {
            if adapter.max_connections == Some(0) {
                return Err(RigFileError::at(
                    path,
                    text,
                    at("max-connections"),
                    format!(
                        "bluetooth.adapters[{index}].max-connections: found 0, expected at least 1"
                    ),
                    Some("leave the key out for an adapter without a known limit".to_owned()),
                ));
            }
            let id = AdapterId::from(adapter.name.as_str());
            if adapters.iter().any(|other| other.adapter == id) {
                return Err(RigFileError::at(
                    path,
                    text,
                    at(&adapter.name),
                    format!("bluetooth.adapters[{index}].name: {id} is there twice"),
                    None,
                ));
            }
            adapters.push(AdapterSpec {
                adapter: id,
                max_connections: adapter.max_connections,
            });
        }
        if let Some(mtu) = self.link.mtu.filter(|mtu| !MTU.contains(mtu)) {
            return Err(RigFileError::at(
                path,
                text,
                at("mtu"),
                format!(
                    "bluetooth.link.mtu: found {mtu}, expected {} to {}",
                    MTU.start(),
                    MTU.end()
                ),
                Some("498 is what Nordic's settings for fast updates have".to_owned()),
            ));
        }
        Ok(BluetoothSpec {
            bus: self.bus,
            adapters,
            link: LinkSpec {
                mtu: self.link.mtu,
                interval_us: self.link.interval.map(|interval| interval.0.0),
                phy: self.link.phy.map(|phy| {
                    match phy {
                        Phy::OneM => "1m",
                        Phy::TwoM => "2m",
                    }
                    .to_owned()
                }),
                packets_per_event: self.link.packets_per_event,
                loss_percent: self.link.loss.map(|loss| loss.0.0),
                seed: self.link.seed,
                timing: self.link.timing.map(|timing| {
                    match timing {
                        Timing::Instant => "instant",
                        Timing::Realistic => "realistic",
                    }
                    .to_owned()
                }),
            },
        })
    }
}

/// `ble:` of a board.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ble {
    adapter: String,
    address: Option<Checked<Address>>,
    name: Option<String>,
}

impl Ble {
    /// The checked form, or what is wrong and what to try.
    pub(super) fn check(self, at: &str) -> Result<BleSpec, (String, &'static str)> {
        let device = match (self.address, self.name) {
            (Some(address), None) => DeviceId::Address(address.0),
            (None, Some(name)) => DeviceId::Name(name),
            (Some(_), Some(_)) => {
                return Err((
                    format!("{at}.ble: found `address` and `name`, expected one of them"),
                    "the address is enough, and tells boards with the same firmware apart",
                ));
            }
            (None, None) => {
                return Err((
                    format!("{at}.ble: found neither `address` nor `name`, expected one of them"),
                    "`bluetoothctl scan le` shows both; the address tells boards with the same firmware apart",
                ));
            }
        };
        Ok(BleSpec {
            adapter: AdapterId::from(self.adapter.as_str()),
            device,
        })
    }
}
