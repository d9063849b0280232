//! Rigs: boards, probes, power, serial ports, and starting virtual DKs.
//!
//! A [`RigFile`] says which boards there are; [`Rig::open`] makes them usable. From a [`Board`] the runner gets
//! its [probe](Board::probe), its [power switch](Board::power), its [serial ports](Board::uart) and its [radio](Board::radio), the same for
//! a board on a bench and for a virtual one, which is a child process that offers the same endpoints.
//!
//! Everything that goes wrong here is a [`RigError`]: trouble of the bench, never a verdict about firmware.

mod bluetooth;
mod button;
mod core;
mod error;
mod file;
mod health;
mod image;
pub mod inventory;
mod labgrid;
mod launcher;
mod lease;
mod network_uart;
mod power;
mod probe;
mod process;
mod rig;
mod silicon;
mod taking;
mod uart;

pub use crate::bluetooth::{Radio, Seat};
pub use crate::button::{Button, ButtonKind};
pub use crate::core::Core;
pub use error::{Operation, Purpose, RigError, Source};
pub use file::{
    AdapterSpec, BleSpec, BluetoothSpec, BoardKind, BoardSpec, ButtonSpec, ChipId, Cuts,
    ExternalFlash, LabgridClient, LabgridNames, LabgridSpec, LinkSpec, OwnSpec, PowerSpec,
    Ppk2Mode, ProbeSelector, ProbeSpec, QuarantineSpec, RamScan, RealSpec, Recover, RigFile,
    RigFileError, ScpiPlace, ScpiWords, Supply, TornSpec, UartPortSpec, UartSpec, UsbHub,
    UsbSwitch, VirtualSpec, WearSpec,
};
pub use health::{BoardHealth, Failure, HealthError, HealthFile, Quarantined};
pub use image::{FlashImage, ImageError, ImageFormat};
pub use labgrid::{PlaceError, PlaceProblem};
pub use launcher::VirtualLauncher;
pub use lease::{Holder, QueueClass};
pub use power::{
    Ask, Current, Judgement, ManualRequest, PowerKind, PowerLoss, PowerState, PowerSwitch,
    ProbeSight, Sighting, Switched,
};
pub use probe::{
    Afterwards, Caught, Class, CoreState, Edge, Followed, Halted, Identity, Instead, Memory,
    Missed, Planned, ProbeSession, ProgramOptions, ProgramPhase, ProgramProgress, Programmed,
    Reached, Rest, Route, RttPiece, Strayed, Tear, Trap, Watch, route,
};
pub use rig::{Board, BoardsInUse, Rig, RigOptions, WaitListener, Waiting};
pub use silicon::Silicon;
pub use uart::UartEndpoint;
