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
mod started;
mod uart;
mod usb_hub;

pub use chip::ChipId;
pub use error::RigFileError;
pub use usb_hub::UsbHub;

use crate::core::Core;
use crate::silicon::Silicon;
use hil_ble::{AdapterId, DeviceId};
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

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

/// A board that is a place of labgrid.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LabgridSpec {
    /// Which place, and how it is reached.
    pub client: LabgridClient,
    /// What its resources are for.
    pub names: LabgridNames,
    /// The debug probe, where the place does not say it.
    pub probe: Option<ProbeSpec>,
    /// What the rig file says of the board itself, which goes before what the place has.
    pub own: OwnSpec,
}

/// Which resources of a place are what, where that is not clear from their kinds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LabgridNames {
    /// The serial port of the application core.
    pub uart_app: Option<String>,
    /// The serial port of the network core.
    pub uart_net: Option<String>,
    /// The debug probe.
    pub probe: Option<String>,
    /// What switches the power.
    pub power: Option<String>,
}

/// What a rig file says itself of a board whose place is labgrid's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct OwnSpec {
    /// Its chip.
    pub chip: Option<ChipId>,
    /// The serial port of the application core.
    pub uart_app: Option<UartSpec>,
    /// The serial port of the network core.
    pub uart_net: Option<UartSpec>,
    /// How it is reached with Bluetooth.
    pub ble: Option<BleSpec>,
    /// How its power is switched.
    pub power: Option<PowerSpec>,
    /// What goes with its power.
    pub cuts: Option<Cuts>,
    /// How the button is pressed that its bootloader looks at.
    pub recovery_button: Option<ButtonSpec>,
}

/// `labgrid-client` for one place.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LabgridClient {
    /// The program.
    pub program: String,
    /// `HOST:PORT` of the coordinator; what the program takes it from by itself when absent.
    pub coordinator: Option<String>,
    /// The place.
    pub place: String,
    /// How long the program may take for one thing.
    pub within: Duration,
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

impl LabgridClient {
    /// Where the coordinator is: as the rig file says, or where `labgrid-client` looks by itself (labgrid
    /// `labgrid/remote/client.py`, `main`).
    #[must_use]
    pub fn coordinator_address(&self) -> String {
        (self.coordinator.clone())
            .or_else(|| std::env::var("LG_COORDINATOR").ok())
            .unwrap_or_else(|| "127.0.0.1:20408".to_owned())
    }

    /// What the place is known by on this host.
    fn key(&self) -> String {
        format!("labgrid-{}-{}", self.coordinator_address(), self.place)
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

/// What loses its power when a board's supply is switched off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Cuts {
    /// The chip alone: its debugger, and with it the serial ports, have power of their own.
    #[default]
    Soc,
    /// The whole board: its debugger and its serial ports go away with the power and come back with it.
    Board,
}

/// What the power supply of a virtual board does when it is told to switch off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Supply {
    /// It switches off.
    #[default]
    Works,
    /// It stays on, and says so when it is asked.
    Ignores,
    /// It says that it is off, and the power stays, as with a relay that is welded together.
    Stuck,
    /// It switches off, and capacitors behind it feed the board for another 100 ms.
    Slow,
}

/// Flash operations of a virtual board that are torn when the power fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TornSpec {
    /// What is left of them follows from it.
    pub seed: u64,
    /// Whether some bits read differently after each reset.
    pub unstable: bool,
}

/// How a board's power is switched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PowerSpec {
    /// A bench supply that understands SCPI.
    Scpi {
        /// Where it is.
        supply: ScpiPlace,
        /// What it is told.
        words: ScpiWords,
    },
    /// A port of a USB hub.
    UsbPort {
        /// The hub.
        hub: UsbHub,
        /// The number of the port, from 1.
        port: u8,
        /// Who switches it.
        by: UsbSwitch,
    },
    /// A Power Profiler Kit II.
    Ppk2 {
        /// Its serial port.
        port: UartSpec,
        /// Whether it gives the power or lets that of another supply through.
        mode: Ppk2Mode,
    },
    /// A port of a YKUSH hub, switched by its program.
    Ykush {
        /// The program.
        program: String,
        /// The model, where there are several.
        model: Option<String>,
        /// The hub's serial number.
        serial: String,
        /// The number of the port, from 1.
        port: u8,
        /// How long the program may take.
        within: Duration,
    },
    /// A program each for on and off.
    Command {
        /// The program that switches on, and its arguments.
        on: Vec<String>,
        /// The program that switches off, and its arguments.
        off: Vec<String>,
        /// How long each may take.
        within: Duration,
    },
    /// labgrid's driver for a resource of the board's place.
    Labgrid {
        /// Who runs the driver.
        client: LabgridClient,
        /// The resource, where there are several.
        resource: Option<String>,
    },
    /// A person.
    Manual,
    /// Nothing: the board can only be reset.
    ResetOnly,
}

impl PowerSpec {
    /// What such a switch usually is in front of.
    #[must_use]
    pub const fn usual_cuts(&self) -> Cuts {
        match self {
            Self::UsbPort { .. } | Self::Ykush { .. } => Cuts::Board,
            Self::Scpi { .. }
            | Self::Ppk2 { .. }
            | Self::Command { .. }
            | Self::Labgrid { .. }
            | Self::Manual
            | Self::ResetOnly => Cuts::Soc,
        }
    }
}

/// Where a supply is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ScpiPlace {
    /// On the network.
    Tcp(SocketAddr),
    /// On a serial port.
    Serial(UartSpec),
}

/// What a supply is told, one line each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScpiWords {
    /// Switches the output on.
    pub on: String,
    /// Switches the output off.
    pub off: String,
    /// Asks for the output: it answers `1` or `ON`, `0` or `OFF`.
    pub ask: String,
    /// Asks for the current in amperes; `None` where it cannot measure any.
    pub current: Option<String>,
}

impl Default for ScpiWords {
    /// SCPI-99, for a supply with one output.
    fn default() -> Self {
        Self {
            on: "OUTP ON".to_owned(),
            off: "OUTP OFF".to_owned(),
            ask: "OUTP?".to_owned(),
            current: Some("MEAS:CURR?".to_owned()),
        }
    }
}

/// Who switches a port of a USB hub.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UsbSwitch {
    /// The program `uhubctl`.
    Uhubctl {
        /// The program.
        program: String,
        /// How long it may take.
        within: Duration,
    },
    /// Linux.
    Sysfs {
        /// The other half of a USB 3 hub.
        companion: Option<UsbHub>,
    },
}

/// What a PPK2 does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ppk2Mode {
    /// It is the supply.
    Source {
        /// Its voltage.
        millivolts: u16,
    },
    /// It switches and measures the power of another supply.
    Ampere {
        /// The voltage of that supply.
        millivolts: u16,
    },
}

impl Ppk2Mode {
    /// The voltage of the output.
    #[must_use]
    pub const fn millivolts(self) -> u16 {
        match self {
            Self::Source { millivolts } | Self::Ampere { millivolts } => millivolts,
        }
    }
}

/// How a button is pressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ButtonSpec {
    /// An instrument that understands SCPI on TCP and has a relay across the button.
    Scpi {
        /// Its address.
        address: SocketAddr,
        /// The command that closes the relay.
        press: String,
        /// The command that opens it.
        release: String,
    },
    /// A program each for pressing and letting go.
    Command {
        /// The program that presses, and its arguments.
        press: Vec<String>,
        /// The program that lets go, and its arguments.
        release: Vec<String>,
        /// How long each may take.
        within: Duration,
    },
    /// A person.
    Manual,
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
