//! The parts of a checked rig file: how a board is reached, and what switches its power.

mod labgrid;
mod reach;
mod switch;

pub use labgrid::{LabgridClient, LabgridNames, LabgridSpec, OwnSpec};
pub use reach::{
    AdapterSpec, BleSpec, BluetoothSpec, LinkSpec, ProbeSelector, ProbeSpec, UartPortSpec, UartSpec,
};
pub use switch::{
    ButtonSpec, Cuts, PowerSpec, Ppk2Mode, ScpiPlace, ScpiWords, Supply, TornSpec, UsbSwitch,
};
