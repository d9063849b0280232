//! The entry of a board: which of its keys go together, and what each kind of board has when a key is left out.

use super::bluetooth::Ble;
use super::button::Buttons;
use super::checked::{Checked, Name};
use super::chip::ChipId;
use super::labgrid::Labgrid;
use super::place::Place;
use super::power::{CutsWord, Power};
use super::probe::Probe;
use super::started::{Qemu, Virtual};
use super::uart::{Uart, Uarts, check_uart};
use super::{
    BoardKind, BoardSpec, ExternalFlash, LabgridSpec, OwnSpec, PowerSpec, RamScan, RealSpec,
    Recover, RigFileError,
};
use crate::core::Core;
use crate::silicon::Silicon;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Board {
    /// The name of the board, unique in the rig.
    pub(super) name: Checked<Name>,
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

impl Board {
    pub(super) fn check(self, place: &Place<'_>, index: usize) -> Result<BoardSpec, RigFileError> {
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
    pub(super) fn check(self, place: &Place<'_>, at: &str) -> Result<OwnSpec, RigFileError> {
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
