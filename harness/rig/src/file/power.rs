//! The power of a board in a rig file: as the person wrote it, and how it becomes checked.

use super::checked::Checked;
use super::place::Place;
use super::schema::Described;
use super::uart::{Uart, check_uart};
use super::{Cuts, PowerSpec, Ppk2Mode, RigFileError, ScpiPlace, ScpiWords, UsbHub, UsbSwitch};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A relay or a hub switches in well under a second; we chose ten to leave room for a network in between.
pub(super) const DEFAULT_COMMAND_SECONDS: u64 = 10;

/// What a DK's own regulator gives the chip (nRF5340 DK, `VDD` at 3.0 V).
const DEFAULT_MILLIVOLTS: u16 = 3000;

/// What a PPK2 can give (Nordic's PPK2 user guide), and an nRF5340 takes (its product specification: 1.7 V to 3.6 V).
/// Through the DK's external supply pins it may be up to 5 V.
const MILLIVOLTS: std::ops::RangeInclusive<u16> = 1700..=5000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum Power {
    Scpi(Scpi),
    UsbPort(UsbPort),
    Ppk2(Ppk2),
    Ykush(Ykush),
    Command(Command),
    Manual,
    ResetOnly,
}

/// `cuts:` of a board.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CutsWord {
    Soc,
    Board,
}

impl CutsWord {
    pub(super) const fn checked(self) -> Cuts {
        match self {
            Self::Soc => Cuts::Soc,
            Self::Board => Cuts::Board,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scpi {
    address: Option<Checked<Address>>,
    serial: Option<Uart>,
    on: Option<String>,
    off: Option<String>,
    ask: Option<String>,
    current: Option<Question>,
}

/// A question, or none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Question {
    Asked(bool),
    Words(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UsbPort {
    hub: Checked<UsbHub>,
    companion: Option<Checked<UsbHub>>,
    port: u8,
    by: By,
    program: Option<String>,
    within_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum By {
    Uhubctl,
    Sysfs,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ppk2 {
    usb_serial: Option<String>,
    interface: Option<u8>,
    path: Option<PathBuf>,
    mode: Option<Ppk2Word>,
    millivolts: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Ppk2Word {
    #[default]
    Source,
    Ampere,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ykush {
    serial: String,
    port: u8,
    model: Option<YkushModel>,
    program: Option<String>,
    within_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum YkushModel {
    Ykush,
    Ykush3,
    Ykushxs,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Command {
    on: Vec<String>,
    off: Vec<String>,
    within_s: Option<u64>,
}

/// An IP address and a port.
#[derive(Debug)]
pub(super) struct Address(pub(super) SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("`{text}` is not an address: expected an IP address and a port, for example `192.168.0.20:5025`")
        })
    }
}

impl Described for Address {
    const NAME: &'static str = "Address";
    const WHAT: &'static str = "IP address and port, such as 192.168.0.20:5025";
    const PATTERN: &'static str = r"^.+:[0-9]{1,5}$";
}

impl Described for UsbHub {
    const NAME: &'static str = "UsbHub";
    const WHAT: &'static str = "Place of a USB hub, such as 1-1.4, or usb1 for a root hub";
    const PATTERN: &'static str = r"^(usb)?[0-9]{1,3}(-[0-9]{1,3}(\.[0-9]{1,3})*)?$";
    const NUMBER: bool = true;
}

impl Power {
    pub(super) fn check(self, place: &Place<'_>, at: &str) -> Result<PowerSpec, RigFileError> {
        let at = format!("{at}.power");
        match self {
            Self::Scpi(scpi) => scpi.check(place, &format!("{at}.scpi")),
            Self::UsbPort(port) => port.check(place, &format!("{at}.usb-port")),
            Self::Ppk2(ppk2) => ppk2.check(place, &format!("{at}.ppk2")),
            Self::Ykush(ykush) => ykush.check(place, &format!("{at}.ykush")),
            Self::Command(Command { on, off, within_s }) => Ok(PowerSpec::Command {
                within: place.commands(
                    &format!("{at}.command"),
                    [("on", &on), ("off", &off)],
                    within_s,
                    "for example `[uhubctl, -l, 1-1, -p, 2, -a, off]`; no shell reads it",
                )?,
                on,
                off,
            }),
            Self::Manual => Ok(PowerSpec::Manual),
            Self::ResetOnly => Ok(PowerSpec::ResetOnly),
        }
    }
}

/// The time that a program which the harness names itself may take.
fn within(seconds: Option<u64>, place: &Place<'_>, at: &str) -> Result<Duration, RigFileError> {
    place.commands(at, [], seconds, "")
}

impl Scpi {
    fn check(self, place: &Place<'_>, at: &str) -> Result<PowerSpec, RigFileError> {
        let serial = self
            .serial
            .map(|uart| check_uart(&uart, place, &format!("{at}.serial")))
            .transpose()?;
        let supply = match (self.address, serial) {
            (Some(address), None) => ScpiPlace::Tcp(address.0.0),
            (None, Some(port)) => ScpiPlace::Serial(port),
            (Some(_), Some(_)) => {
                return Err(place.problem(
                    format!("{at}: found `address` and `serial`, expected one of them"),
                    "`address` is a supply on the network, `serial` one on a serial port",
                ));
            }
            (None, None) => {
                return Err(place.problem(
                    format!("{at}: found neither `address` nor `serial`, expected one of them"),
                    "for example `address: \"192.168.0.20:5025\"`",
                ));
            }
        };
        let usual = ScpiWords::default();
        let words = ScpiWords {
            on: self.on.unwrap_or(usual.on),
            off: self.off.unwrap_or(usual.off),
            ask: self.ask.unwrap_or(usual.ask),
            current: match self.current {
                None | Some(Question::Asked(true)) => usual.current,
                Some(Question::Asked(false)) => None,
                Some(Question::Words(words)) => Some(words),
            },
        };
        let questions = [Some(&words.ask), words.current.as_ref()];
        for line in [&words.on, &words.off]
            .into_iter()
            .chain(questions.into_iter().flatten())
        {
            if line.trim().is_empty() || line.chars().any(char::is_control) {
                return Err(place.problem(
                    format!(
                        "{at}: found `{}` as a command, expected one line",
                        line.escape_default()
                    ),
                    "for example `on: \"OUTP CH2,ON\"`",
                ));
            }
        }
        for question in questions.into_iter().flatten() {
            if !question.contains('?') {
                return Err(place.problem(
                    format!(
                        "{at}: found `{question}` as a question, expected a question mark in it"
                    ),
                    "a supply answers only what ends its command in `?`, for example `OUTP? CH2`",
                ));
            }
        }
        Ok(PowerSpec::Scpi { supply, words })
    }
}

impl UsbPort {
    fn check(self, place: &Place<'_>, at: &str) -> Result<PowerSpec, RigFileError> {
        if self.port == 0 {
            return Err(place.problem(
                format!("{at}.port: found 0, expected 1 or more"),
                "ports of a hub are counted from 1, as `uhubctl` shows them",
            ));
        }
        let hub = self.hub.0;
        let by = match self.by {
            By::Uhubctl => {
                if self.companion.is_some() {
                    return Err(place.problem(
                        format!("{at}: found `companion` beside `by: uhubctl`, expected it with `by: sysfs` only"),
                        "`uhubctl` finds the other half of a USB 3 hub by itself",
                    ));
                }
                UsbSwitch::Uhubctl {
                    program: self.program.unwrap_or_else(|| "uhubctl".to_owned()),
                    within: within(self.within_s, place, at)?,
                }
            }
            By::Sysfs => {
                if self.program.is_some() || self.within_s.is_some() {
                    return Err(place.problem(
                        format!("{at}: found `program` or `within-s` beside `by: sysfs`, expected them with `by: uhubctl` only"),
                        "`by: sysfs` writes a file, and starts no program",
                    ));
                }
                UsbSwitch::Sysfs {
                    companion: self.companion.map(|hub| hub.0),
                }
            }
        };
        Ok(PowerSpec::UsbPort {
            hub,
            port: self.port,
            by,
        })
    }
}

impl Ppk2 {
    fn check(self, place: &Place<'_>, at: &str) -> Result<PowerSpec, RigFileError> {
        let uart = Uart::new(self.usb_serial, self.interface, self.path);
        let port = check_uart(&uart, place, at)?;
        let millivolts = self.millivolts.unwrap_or(DEFAULT_MILLIVOLTS);
        if !MILLIVOLTS.contains(&millivolts) {
            return Err(place.problem(
                format!(
                    "{at}.millivolts: found {millivolts}, expected {} to {}",
                    MILLIVOLTS.start(),
                    MILLIVOLTS.end()
                ),
                "3000 is what a DK gives its chip",
            ));
        }
        Ok(PowerSpec::Ppk2 {
            port,
            mode: match self.mode.unwrap_or_default() {
                Ppk2Word::Source => Ppk2Mode::Source { millivolts },
                Ppk2Word::Ampere => Ppk2Mode::Ampere { millivolts },
            },
        })
    }
}

impl Ykush {
    fn check(self, place: &Place<'_>, at: &str) -> Result<PowerSpec, RigFileError> {
        let (model, ports) = match self.model {
            None => (None, 3),
            Some(YkushModel::Ykush) => (Some("ykush"), 3),
            Some(YkushModel::Ykush3) => (Some("ykush3"), 3),
            Some(YkushModel::Ykushxs) => (Some("ykushxs"), 1),
        };
        if !(1..=ports).contains(&self.port) {
            return Err(place.problem(
                format!("{at}.port: found {}, expected 1 to {ports}", self.port),
                "the number is printed beside the port",
            ));
        }
        if self.serial.is_empty() || self.serial.starts_with('-') {
            return Err(place.problem(
                format!(
                    "{at}.serial: found `{}`, expected a serial number",
                    self.serial
                ),
                "`ykushcmd -l` shows it",
            ));
        }
        Ok(PowerSpec::Ykush {
            program: self.program.unwrap_or_else(|| "ykushcmd".to_owned()),
            model: model.map(str::to_owned),
            serial: self.serial,
            port: self.port,
            within: within(self.within_s, place, at)?,
        })
    }
}
