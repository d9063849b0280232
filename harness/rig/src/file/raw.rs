//! A rig file as the person wrote it, and how it becomes a checked one.

use super::bluetooth::{Ble, Bluetooth};
use super::chip::ChipId;
use super::labgrid::Labgrid;
use super::power::{Address, CutsWord, DEFAULT_COMMAND_SECONDS, Power};
use super::schema::Described;
use super::{
    BluetoothSpec, BoardKind, BoardSpec, ButtonSpec, Cuts, ExternalFlash, LabgridSpec, OwnSpec,
    PowerSpec, ProbeSelector, ProbeSpec, QuarantineSpec, RamScan, RealSpec, Recover, RigFile,
    RigFileError, Supply, TornSpec, UartPortSpec, UartSpec, VirtualSpec, WearSpec,
};
use crate::core::Core;
use crate::silicon::Silicon;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The DK's virtual serial ports run at this speed (sdk-nrf
/// `doc/nrf/app_dev/device_guides/nrf53/logging_nrf5340.rst`).
const DEFAULT_BAUD: u32 = 115_200;

/// QEMU for Arm as Debian names it.
const DEFAULT_QEMU: &str = "qemu-system-arm";

/// More boards than this in one process is a typing error: 16 take 400 MB.
const MOST_VIRTUAL_BOARDS: usize = 64;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rig {
    /// The name of the rig, for the report.
    rig: Checked<Name>,
    /// What it is, in your words.
    description: Option<String>,
    /// Adapters of the host, and the air of virtual boards.
    bluetooth: Option<Bluetooth>,
    /// How the wear of flash is kept over runs, and how much of it is allowed.
    wear: Option<Wear>,
    /// When a board that makes trouble gets no more scenarios.
    quarantine: Option<Quarantine>,
    /// The boards, at least one.
    boards: Vec<Board>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Quarantine {
    /// After how many scenarios in a row that the bench could not decide on it; 2 by default.
    after: Option<NonZeroU32>,
    /// Scenario variant that must pass on it before it gets others again, such as `app-update[uart]`.
    canary: Option<String>,
    /// Folder with a file for each board.
    ledger: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wear {
    /// Folder with a file for each chip.
    ledger: Option<PathBuf>,
    /// How often a page may have been erased for another scenario to run on its board.
    budget: Option<NonZeroU64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Board {
    /// The name of the board, unique in the rig.
    name: Checked<Name>,
    /// What it is, in your words.
    description: Option<String>,
    /// Whether the harness may erase both cores to unlock it.
    recover: Option<RecoverWord>,
    /// The external flash: `mx25r64` as every DK has it, or `none`.
    external_flash: Option<ExternalFlashWord>,
    #[serde(rename = "virtual")]
    /// A board that the harness starts itself: needs no hardware.
    simulated: Option<Virtual>,
    /// An nRF51 that QEMU emulates, started by the harness: executes real firmware, needs no hardware.
    qemu: Option<Qemu>,
    /// A place of labgrid, which says where its probe, its serial ports and its power are.
    labgrid: Option<Labgrid>,
    /// The debug probe; `uart`, `power` and the rest belong to a board that has one.
    probe: Option<Probe>,
    /// FICR device id of the chip.
    chip: Option<Checked<ChipId>>,
    /// Its serial ports.
    uart: Option<Uarts>,
    /// How it is reached with Bluetooth.
    ble: Option<Ble>,
    #[serde(
        default,
        deserialize_with = "serde_yaml::with::singleton_map::deserialize"
    )]
    #[schemars(with = "Option<Power>")]
    /// What switches its power; without it nothing does.
    power: Option<Power>,
    /// What loses its power: the chip (`soc`) or everything on the board with its debugger (`board`).
    cuts: Option<CutsWord>,
    /// Who presses its buttons.
    buttons: Option<Buttons>,
    /// Cores whose firmware prints over SEGGER RTT, which is read through the probe.
    rtt: Option<Vec<CoreWord>>,
    /// Whether RAM is searched for the keys of encrypted images: `allowed` or `forbidden`.
    ram_scan: Option<RamScanWord>,
}

/// A core.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum CoreWord {
    App,
    Net,
}

impl CoreWord {
    const fn checked(self) -> Core {
        match self {
            Self::App => Core::App,
            Self::Net => Core::Net,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Buttons {
    #[serde(
        default,
        deserialize_with = "serde_yaml::with::singleton_map::deserialize"
    )]
    #[schemars(with = "Option<Button>")]
    recovery: Option<Button>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Button {
    Scpi(ScpiButton),
    Command(CommandButton),
    Manual,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ScpiButton {
    address: Checked<Address>,
    press: String,
    release: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CommandButton {
    press: Vec<String>,
    release: Vec<String>,
    within_s: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RecoverWord {
    Allowed,
    Forbidden,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RamScanWord {
    Allowed,
    Forbidden,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ExternalFlashWord {
    Mx25r64,
    None,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Virtual {
    count: Option<usize>,
    speed: Option<Checked<Speed>>,
    application: Option<Application>,
    cuts: Option<CutsWord>,
    supply: Option<SupplyWord>,
    torn: Option<Torn>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Qemu {
    /// QEMU for Arm; `qemu-system-arm` by default.
    program: Option<PathBuf>,
}

/// Flash operations that are torn when the power fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Torn {
    #[serde(default)]
    seed: u64,
    unstable: Option<bool>,
}

/// What the supply of a virtual board does when it is told to switch off.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SupplyWord {
    Works,
    Ignores,
    Stuck,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Probe {
    selector: Checked<ProbeSelector>,
    speed_khz: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Uarts {
    app: Option<Uart>,
    net: Option<Uart>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Uart {
    usb_serial: Option<String>,
    interface: Option<u8>,
    path: Option<PathBuf>,
    baud: Option<u32>,
}

impl Uart {
    /// A serial port whose speed does not matter.
    pub(super) const fn new(
        usb_serial: Option<String>,
        interface: Option<u8>,
        path: Option<PathBuf>,
    ) -> Self {
        Self {
            usb_serial,
            interface,
            path,
            baud: None,
        }
    }
}

/// A text that is parsed while the file is read, so that an error has the place of the text.
#[derive(Debug)]
pub(super) struct Checked<T>(pub(super) T);

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
            type Value = Checked<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Checked).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// A name of a rig or a board: it becomes part of file names and of the report.
#[derive(Debug)]
struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) || text.starts_with('.')
        {
            return Err(format!(
                "`{text}` is not a name: expected 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.`"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Described for Name {
    const NAME: &'static str = "Name";
    const WHAT: &'static str = "1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.`";
    const PATTERN: &'static str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$";
    const NUMBER: bool = true;
}

impl Described for ProbeSelector {
    const NAME: &'static str = "ProbeSelector";
    const WHAT: &'static str = "Probe in probe-rs's form VID:PID:SERIAL, such as 1366:1051:001050012345; `dfu-hil rig scan` shows those that are there";
    const PATTERN: &'static str = r"^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}:.+$";
}

/// What an application does on a virtual board that cannot execute it: the words of `dfu-hil virtual-dk --application`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Application {
    Ordinary,
    SelfConfirms,
    NoServer,
    Crashes,
    Hangs,
}

impl Application {
    const fn word(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::SelfConfirms => "self-confirms",
            Self::NoServer => "no-server",
            Self::Crashes => "crashes",
            Self::Hangs => "hangs",
        }
    }
}

/// How fast a virtual board's time passes.
#[derive(Debug)]
struct Speed(String);

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = text
            .parse::<f64>()
            .is_ok_and(|factor| factor.is_finite() && factor > 0.0);
        if text == "instant" || factor {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a speed: expected `instant`, or how many times faster than silicon, for example `1` or `20`"
            ))
        }
    }
}

impl Described for Speed {
    const NAME: &'static str = "Speed";
    const WHAT: &'static str = "`instant`, or how many times faster than silicon";
    const PATTERN: &'static str = r"^(instant|[0-9.]+)$";
    const NUMBER: bool = true;
}

impl Rig {
    pub(super) fn check(self, path: &Path, text: &str) -> Result<RigFile, RigFileError> {
        if self.boards.is_empty() {
            let what = "boards: found none, expected at least one".to_owned();
            let help =
                Some("`- { name: dk, virtual: {} }` is a board that needs no hardware".to_owned());
            return Err(RigFileError::at(
                path,
                text,
                text.find("boards").unwrap_or(0),
                what,
                help,
            ));
        }
        let bluetooth = match self.bluetooth {
            Some(bluetooth) => bluetooth.check(path, text)?,
            None => BluetoothSpec::default(),
        };
        let wear = self.wear.unwrap_or_default();
        let quarantine = self.quarantine.unwrap_or_default();
        let mut boards: Vec<BoardSpec> = Vec::with_capacity(self.boards.len());
        for (index, board) in self.boards.into_iter().enumerate() {
            let name = board.name.0.0.clone();
            let place = Place {
                path,
                text,
                name: &name,
            };
            if boards.iter().any(|other| other.name == name) {
                let what = format!(
                    "boards[{index}].name: `{name}` is the name of another board, expected a name of its own"
                );
                return Err(RigFileError::at(
                    path,
                    text,
                    name_offset(text, &name, 1),
                    what,
                    None,
                ));
            }
            boards.push(board.check(&place, index)?);
        }
        Ok(RigFile {
            path: path.to_owned(),
            name: self.rig.0.0,
            description: self.description,
            bluetooth,
            wear: WearSpec {
                ledger: wear.ledger,
                budget: wear.budget.map(NonZeroU64::get),
            },
            quarantine: QuarantineSpec {
                after: quarantine.after.unwrap_or(QuarantineSpec::AFTER),
                canary: quarantine.canary,
                ledger: quarantine.ledger,
            },
            boards,
        })
    }
}

/// Where a board's name stands for the `nth` time, counted from 0. The text has been parsed, so it is there.
fn name_offset(text: &str, name: &str, nth: usize) -> usize {
    let ends = |rest: &str| {
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || "-_.".contains(next))
    };
    text.match_indices("name:")
        .filter_map(|(key, _)| {
            let value = text[key + 5..].trim_start_matches([' ', '"', '\'']);
            value
                .strip_prefix(name)
                .filter(|rest| ends(rest))
                .map(|_| text.len() - value.len())
        })
        .nth(nth)
        .unwrap_or(0)
}

/// Where the entry of a board is, for errors that concern it as a whole.
pub(super) struct Place<'a> {
    path: &'a Path,
    text: &'a str,
    name: &'a str,
}

impl Place<'_> {
    /// Checks programs with their arguments and gives the time that each may take.
    pub(super) fn commands<const N: usize>(
        &self,
        at: &str,
        lists: [(&str, &Vec<String>); N],
        within_s: Option<u64>,
        example: &str,
    ) -> Result<Duration, RigFileError> {
        for (name, list) in lists {
            if list.first().is_none_or(String::is_empty) {
                return Err(self.problem(
                    format!(
                        "{at}.{name}: found no program, expected a list of a program and its arguments"
                    ),
                    example,
                ));
            }
        }
        let seconds = within_s.unwrap_or(DEFAULT_COMMAND_SECONDS);
        if !(1..=300).contains(&seconds) {
            return Err(self.problem(
                format!("{at}.within-s: found {seconds}, expected 1 to 300"),
                "the time in seconds that the command may take",
            ));
        }
        Ok(Duration::from_secs(seconds))
    }

    /// A problem with the entry: shown at the board's name.
    pub(super) fn problem(&self, what: String, help: &str) -> RigFileError {
        RigFileError::at(
            self.path,
            self.text,
            name_offset(self.text, self.name, 0),
            what,
            Some(help.to_owned()),
        )
    }
}

impl Board {
    fn check(self, place: &Place<'_>, index: usize) -> Result<BoardSpec, RigFileError> {
        let at = format!("boards[{index}]");
        if let Some(qemu) = self.qemu {
            let own = self.uart.is_some() || self.power.is_some() || self.ble.is_some();
            let other = self.simulated.is_some() || self.labgrid.is_some() || self.probe.is_some();
            let fixed =
                self.cuts.is_some() || self.recover.is_some() || self.external_flash.is_some();
            if own
                || other
                || fixed
                || self.buttons.is_some()
                || self.chip.is_some()
                || self.rtt.is_some()
                || self.ram_scan.is_some()
            {
                return Err(place.problem(
                    format!("{at}: found other keys beside `qemu`, expected `name` and `description` only"),
                    "an emulated board says its own endpoints when it starts",
                ));
            }
            return Ok(BoardSpec {
                name: self.name.0.0,
                description: self.description,
                // It has no control access port.
                recover: Recover::Forbidden,
                external_flash: ExternalFlash::None,
                rtt: Vec::new(),
                // The RAM that is searched is an nRF5340's.
                ram_scan: RamScan::Forbidden,
                kind: BoardKind::Virtual(qemu.checked()),
            });
        }
        let rtt = check_rtt(self.rtt.as_deref(), place, &at)?;
        let own = Own {
            chip: self.chip,
            uart: self.uart,
            ble: self.ble,
            power: self.power,
            cuts: self.cuts,
            buttons: self.buttons,
        };
        let kind = match (self.simulated, self.labgrid, self.probe) {
            (Some(simulated), None, None) => {
                let endpoints = own.uart.is_some() || own.power.is_some() || own.ble.is_some();
                if endpoints || own.buttons.is_some() || own.chip.is_some() {
                    return Err(place.problem(
                        format!("{at}: found `uart`, `ble`, `power`, `chip` or `buttons` beside `virtual`, expected none of them"),
                        "a virtual board says its own endpoints when it starts",
                    ));
                }
                if own.cuts.is_some() {
                    return Err(place.problem(
                        format!("{at}: found `cuts` beside `virtual`, expected it in there"),
                        "for example `virtual: { cuts: board }`",
                    ));
                }
                BoardKind::Virtual(simulated.check(place, &at)?)
            }
            (Some(_), Some(_), _) => {
                return Err(place.problem(
                    format!("{at}: found `virtual` and `labgrid`, expected one of them"),
                    "`virtual` is a board that the harness starts, `labgrid` one in a laboratory that others share",
                ));
            }
            (Some(_), None, Some(_)) => {
                return Err(place.problem(
                    format!("{at}: found `virtual` and `probe`, expected one of them"),
                    "`virtual` is a board that the harness starts, `probe` one on the bench",
                ));
            }
            (None, None, None) => {
                return Err(place.problem(
                    format!("{at}: found neither `virtual` nor `probe` nor `labgrid`, expected one of them"),
                    "write `virtual: {}` for a board that needs no hardware, `probe: { selector: VID:PID:SERIAL }`, or \
                     `labgrid: { place: NAME }`",
                ));
            }
            (None, Some(labgrid), probe) => {
                let (client, names) = labgrid.check(place, &at)?;
                BoardKind::Labgrid(Box::new(LabgridSpec {
                    client,
                    names,
                    probe: probe.map(|probe| probe.check(place, &at)).transpose()?,
                    own: own.check(place, &at)?,
                }))
            }
            (None, None, Some(probe)) => {
                let probe = probe.check(place, &at)?;
                let own = own.check(place, &at)?;
                let power = own.power.unwrap_or(PowerSpec::ResetOnly);
                BoardKind::Real(Box::new(RealSpec {
                    silicon: Silicon::Nrf5340,
                    chip: own.chip,
                    probe,
                    uart_app: own.uart_app,
                    uart_net: own.uart_net,
                    ble: own.ble,
                    cuts: own.cuts.unwrap_or_else(|| power.usual_cuts()),
                    power,
                    recovery_button: own.recovery_button,
                }))
            }
        };
        Ok(BoardSpec {
            name: self.name.0.0,
            description: self.description,
            recover: match (self.recover, &kind) {
                (Some(RecoverWord::Allowed), _) | (None, BoardKind::Virtual(_)) => Recover::Allowed,
                (Some(RecoverWord::Forbidden), _)
                | (None, BoardKind::Real(_) | BoardKind::Labgrid(_)) => Recover::Forbidden,
            },
            external_flash: match self.external_flash {
                Some(ExternalFlashWord::None) => ExternalFlash::None,
                Some(ExternalFlashWord::Mx25r64) | None => ExternalFlash::Mx25r64,
            },
            rtt,
            ram_scan: match (self.ram_scan, &kind) {
                (Some(RamScanWord::Allowed), _) | (None, BoardKind::Virtual(_)) => RamScan::Allowed,
                (Some(RamScanWord::Forbidden), _)
                | (None, BoardKind::Real(_) | BoardKind::Labgrid(_)) => RamScan::Forbidden,
            },
            kind,
        })
    }
}

/// The cores whose RTT is read, each once.
fn check_rtt(
    words: Option<&[CoreWord]>,
    place: &Place<'_>,
    at: &str,
) -> Result<Vec<Core>, RigFileError> {
    const EXAMPLE: &str =
        "for example `rtt: [app]`, or leave it out when no firmware of the board prints over RTT";
    let mut cores = Vec::new();
    for word in words.unwrap_or_default() {
        let core = word.checked();
        if cores.contains(&core) {
            return Err(place.problem(
                format!("{at}.rtt: found the {core} twice, expected each core once"),
                EXAMPLE,
            ));
        }
        cores.push(core);
    }
    if words.is_some() && cores.is_empty() {
        return Err(place.problem(
            format!("{at}.rtt: found no core, expected `app`, `net` or both"),
            EXAMPLE,
        ));
    }
    Ok(cores)
}

impl Qemu {
    fn checked(self) -> VirtualSpec {
        let program = self.program.unwrap_or_else(|| DEFAULT_QEMU.into());
        VirtualSpec {
            count: 1,
            speed: None,
            application: None,
            cuts: Cuts::Soc,
            supply: Supply::Works,
            torn: None,
            emulator: Some(program),
        }
    }
}

/// What a rig file says of a board that it does not start, wherever that is.
struct Own {
    chip: Option<Checked<ChipId>>,
    uart: Option<Uarts>,
    ble: Option<Ble>,
    power: Option<Power>,
    cuts: Option<CutsWord>,
    buttons: Option<Buttons>,
}

impl Own {
    fn check(self, place: &Place<'_>, at: &str) -> Result<OwnSpec, RigFileError> {
        let uart = |uart: Option<&Uart>, name| {
            uart.map(|uart| check_uart(uart, place, &format!("{at}.uart.{name}")))
                .transpose()
        };
        let uarts = self.uart.as_ref();
        Ok(OwnSpec {
            power: self.power.map(|power| power.check(place, at)).transpose()?,
            chip: self.chip.map(|chip| chip.0),
            uart_app: uart(uarts.and_then(|uarts| uarts.app.as_ref()), "app")?,
            uart_net: uart(uarts.and_then(|uarts| uarts.net.as_ref()), "net")?,
            ble: self
                .ble
                .map(|ble| ble.check(at))
                .transpose()
                .map_err(|(what, help)| place.problem(what, help))?,
            cuts: self.cuts.map(CutsWord::checked),
            recovery_button: self
                .buttons
                .and_then(|buttons| buttons.recovery)
                .map(|button| button.check(place, &format!("{at}.buttons.recovery")))
                .transpose()?,
        })
    }
}

impl Virtual {
    fn check(self, place: &Place<'_>, at: &str) -> Result<VirtualSpec, RigFileError> {
        let count = self.count.unwrap_or(1);
        if !(1..=MOST_VIRTUAL_BOARDS).contains(&count) {
            return Err(place.problem(
                format!("{at}.virtual.count: found {count}, expected 1 to {MOST_VIRTUAL_BOARDS}"),
                "each board of a count gets a name of its own: `dk-1`, `dk-2`, …",
            ));
        }
        Ok(VirtualSpec {
            count,
            speed: self.speed.map(|speed| speed.0.0),
            application: self.application.map(|word| word.word().to_owned()),
            cuts: self.cuts.map_or(Cuts::Soc, CutsWord::checked),
            supply: match self.supply {
                None | Some(SupplyWord::Works) => Supply::Works,
                Some(SupplyWord::Ignores) => Supply::Ignores,
                Some(SupplyWord::Stuck) => Supply::Stuck,
            },
            torn: self.torn.map(|torn| TornSpec {
                seed: torn.seed,
                unstable: torn.unstable.unwrap_or(true),
            }),
            emulator: None,
        })
    }
}

impl Probe {
    fn check(self, place: &Place<'_>, at: &str) -> Result<ProbeSpec, RigFileError> {
        if let Some(khz @ (0 | 50_001..)) = self.speed_khz {
            return Err(place.problem(
                format!("{at}.probe.speed-khz: found {khz}, expected 1 to 50000"),
                "4000 is a good value for the debugger on a DK",
            ));
        }
        Ok(ProbeSpec {
            selector: self.selector.0,
            speed_khz: self.speed_khz,
        })
    }
}

pub(super) fn check_uart(
    uart: &Uart,
    place: &Place<'_>,
    at: &str,
) -> Result<UartSpec, RigFileError> {
    let baud = uart.baud.unwrap_or(DEFAULT_BAUD);
    if !(1_200..=4_000_000).contains(&baud) {
        return Err(place.problem(
            format!("{at}.baud: found {baud}, expected 1200 to 4000000"),
            "the DK's serial ports run at 115200 unless the firmware was built otherwise",
        ));
    }
    let port = match (&uart.usb_serial, uart.interface, &uart.path) {
        (Some(serial), Some(interface), None) => UartPortSpec::Usb {
            serial: serial.clone(),
            interface,
        },
        (None, None, Some(path)) => UartPortSpec::Path(path.clone()),
        (serial, interface, path) => {
            let mut found = Vec::new();
            found.extend(serial.as_ref().map(|_| "`usb-serial`"));
            found.extend(interface.map(|_| "`interface`"));
            found.extend(path.as_ref().map(|_| "`path`"));
            let found = if found.is_empty() {
                "nothing".to_owned()
            } else {
                found.join(" and ")
            };
            return Err(place.problem(
                format!("{at}: found {found}, expected `usb-serial` and `interface`, or `path`"),
                "USB serial number and interface stay the same when the system renames its ports",
            ));
        }
    };
    Ok(UartSpec { port, baud })
}

impl Button {
    fn check(self, place: &Place<'_>, at: &str) -> Result<ButtonSpec, RigFileError> {
        Ok(match self {
            Self::Scpi(ScpiButton {
                address,
                press,
                release,
            }) => {
                for (name, text) in [("press", &press), ("release", &release)] {
                    if text.trim().is_empty() || text.contains(char::is_control) {
                        return Err(place.problem(
                            format!(
                                "{at}.scpi.{name}: found no command, expected one line of SCPI"
                            ),
                            "for example `ROUT:CLOS (@101)` for a relay across the button",
                        ));
                    }
                }
                ButtonSpec::Scpi {
                    address: address.0.0,
                    press,
                    release,
                }
            }
            Self::Command(CommandButton {
                press,
                release,
                within_s,
            }) => ButtonSpec::Command {
                within: place.commands(
                    &format!("{at}.command"),
                    [("press", &press), ("release", &release)],
                    within_s,
                    "for example `[gpioset, gpiochip0, 17=1]`; no shell reads it",
                )?,
                press,
                release,
            },
            Self::Manual => ButtonSpec::Manual,
        })
    }
}
