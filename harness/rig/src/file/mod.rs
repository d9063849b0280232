//! Rig files: which boards there are, and how to reach and power them.
//!
//! What the person wrote is read into [`raw`], which knows only the shape, and then checked into [`RigFile`],
//! which cannot hold nonsense. Hardware is named by what does not change: a probe by its selector, a serial
//! port by USB serial number and interface, never by the name that the system gave it today.

mod bluetooth;
mod board;
mod button;
mod checked;
mod chip;
mod error;
mod labgrid;
mod place;
mod power;
mod probe;
mod raw;
mod schema;
mod spec;
mod started;
mod uart;
mod usb_hub;

pub use chip::ChipId;
pub use error::RigFileError;
pub use spec::{
    AdapterSpec, BleSpec, BluetoothSpec, ButtonSpec, Cuts, LabgridClient, LabgridNames,
    LabgridSpec, LinkSpec, OwnSpec, PowerSpec, Ppk2Mode, ProbeSelector, ProbeSpec, ScpiPlace,
    ScpiWords, Supply, TornSpec, UartPortSpec, UartSpec, UsbSwitch,
};
pub use usb_hub::UsbHub;

use crate::core::Core;
use crate::silicon::Silicon;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// A checked rig file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RigFile {
    /// The file, for messages.
    pub path: PathBuf,
    /// The rig's name.
    pub name: String,
    /// What it is, in the words of its owner.
    pub description: Option<String>,
    /// Its Bluetooth.
    pub bluetooth: BluetoothSpec,
    /// How the wear of its boards' flash is kept.
    pub wear: WearSpec,
    /// When a board gets no more scenarios.
    pub quarantine: QuarantineSpec,
    /// Its boards, at least one. Names are unique; virtual boards with a count are one entry here.
    pub boards: Vec<BoardSpec>,
}

/// How the wear of flash is kept over runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct WearSpec {
    /// The folder with a file for each chip. Without it real boards have it in the user's data folder, and virtual ones,
    /// which are new each time, have none.
    pub ledger: Option<PathBuf>,
    /// How often a page may have been erased for another scenario to run on its board.
    pub budget: Option<u64>,
}

/// When a board that makes trouble gets no more scenarios, and what shows that it can have some again.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct QuarantineSpec {
    /// After how many scenarios in a row that the bench could not decide on it.
    pub after: NonZeroU32,
    /// The scenario variant that must pass on it then; a cheap one of the library when absent.
    pub canary: Option<String>,
    /// The folder with a file for each board. Without it real boards have it in the user's data folder, and virtual ones,
    /// which are new each time, have none.
    pub ledger: Option<PathBuf>,
}

impl QuarantineSpec {
    /// We chose it: once may be a cable that somebody touched, twice in a row is the board's.
    pub const AFTER: NonZeroU32 = NonZeroU32::new(2).unwrap();
}

impl Default for QuarantineSpec {
    fn default() -> Self {
        Self {
            after: Self::AFTER,
            canary: None,
            ledger: None,
        }
    }
}

/// One entry under `boards:`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BoardSpec {
    /// The board's name; with several virtual boards the stem of their names.
    pub name: String,
    /// What it is, in the words of its owner.
    pub description: Option<String>,
    /// Whether the harness may erase it completely to unlock it.
    pub recover: Recover,
    /// The external flash on it.
    pub external_flash: ExternalFlash,
    /// Cores whose firmware prints over SEGGER RTT.
    pub rtt: Vec<Core>,
    /// Whether its RAM is searched for the keys of encrypted images.
    pub ram_scan: RamScan,
    /// Where it is.
    pub kind: BoardKind,
}

/// The external flash of a board.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ExternalFlash {
    /// MX25R6435F at the pins of a DK.
    #[default]
    Mx25r64,
    /// The board has none.
    None,
}

/// Whether the RAM of a board is searched for what an encrypted update may leave there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RamScan {
    /// It is not read.
    #[default]
    Forbidden,
    /// It is read at the end of a scenario that sent an encrypted image, while the cores run.
    Allowed,
}

/// Whether a locked board may be erased to unlock it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Recover {
    /// Never: a locked board is an error.
    #[default]
    Forbidden,
    /// Erase flash and UICR of both cores through the control access ports.
    Allowed,
}

/// Whether a board is a process or stands on the bench.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BoardKind {
    /// Started by the rig layer.
    Virtual(VirtualSpec),
    /// On a bench.
    Real(Box<RealSpec>),
    /// A place of labgrid: where it is turns out when it is acquired.
    Labgrid(Box<LabgridSpec>),
}

impl BoardKind {
    /// What the board is known by on this host: the serial number of its probe, or its place; a virtual one is new each time.
    pub(crate) fn key(&self) -> Option<String> {
        match self {
            Self::Virtual(_) => None,
            Self::Real(real) => Some(real.probe.selector.serial().to_owned()),
            Self::Labgrid(spec) => Some(spec.client.key()),
        }
    }
}

/// Virtual boards that one process offers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VirtualSpec {
    /// How many boards.
    pub count: usize,
    /// How fast their time passes.
    pub speed: Option<String>,
    /// What real applications do on them, which they cannot execute.
    pub application: Option<String>,
    /// What goes with their power.
    pub cuts: Cuts,
    /// What their power supply does.
    pub supply: Supply,
    /// Whether their flash operations are torn when the power fails.
    pub torn: Option<TornSpec>,
    /// The emulator that the board is, instead of a virtual DK: the program of QEMU for Arm.
    pub emulator: Option<PathBuf>,
}

/// A board on a bench.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RealSpec {
    /// The kind of its chip.
    pub silicon: Silicon,
    /// Its chip, where the rig file says it: with another one it is not this board.
    pub chip: Option<ChipId>,
    /// The debug probe.
    pub probe: ProbeSpec,
    /// The serial port of the application core.
    pub uart_app: Option<UartSpec>,
    /// The serial port of the network core.
    pub uart_net: Option<UartSpec>,
    /// How it is reached with Bluetooth.
    pub ble: Option<BleSpec>,
    /// How its power is switched.
    pub power: PowerSpec,
    /// What goes with its power.
    pub cuts: Cuts,
    /// How the button is pressed that its bootloader looks at.
    pub recovery_button: Option<ButtonSpec>,
}

impl RealSpec {
    /// The serial port of `core`.
    #[must_use]
    pub fn uart(&self, core: Core) -> Option<&UartSpec> {
        match core {
            Core::App => self.uart_app.as_ref(),
            Core::Net => self.uart_net.as_ref(),
        }
    }
}

impl RigFile {
    /// Reads and checks a rig file.
    ///
    /// # Errors
    /// When it cannot be read, or when something in it is not as it should be: with line, column, what was
    /// found, and what is allowed.
    pub fn load(path: &Path) -> Result<Self, RigFileError> {
        let text = std::fs::read_to_string(path).map_err(|source| RigFileError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a rig file; `path` is only for messages.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(path: &Path, text: &str) -> Result<Self, RigFileError> {
        let raw: raw::Rig =
            serde_yaml::from_str(text).map_err(|source| RigFileError::from_yaml(path, &source))?;
        raw.check(path, text)
    }
}
