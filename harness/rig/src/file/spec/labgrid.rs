//! A board that is a place of labgrid, as a checked rig file has it.

use super::{BleSpec, ButtonSpec, Cuts, PowerSpec, ProbeSpec, UartSpec};
use crate::file::ChipId;
use std::time::Duration;

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
    pub(in crate::file) fn key(&self) -> String {
        format!("labgrid-{}-{}", self.coordinator_address(), self.place)
    }
}
