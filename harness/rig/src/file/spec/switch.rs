//! What switches a board's power and presses its button, as a checked rig file has it.

use super::{LabgridClient, UartSpec};
use crate::file::UsbHub;
use std::net::SocketAddr;
use std::time::Duration;

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
