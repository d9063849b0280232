//! A virtual DK as a process offers it: a debug probe and a power supply on TCP, two serial ports.
//!
//! [`VirtualDk`] is one board with its endpoints; [`serve`] is the command that runs several until it is told
//! to stop. Threads per board: one that serves the sockets and serial ports, one per debugger connection, one
//! per core that runs model firmware. The chip is behind one lock that all of them take for a moment.

mod board;
mod core_bus;
mod debuggers;
mod faults;
mod flash_driver;
mod hex;
mod listen;
mod options;
mod pins;
mod ports;
mod power;
mod probe;
mod radio;
mod remote;
mod scpi;
mod serve;
mod uart;
mod virtual_dk;

pub(crate) use debuggers::{Debuggers, answer_all};
pub use faults::Fault;
pub(crate) use faults::Fault as BoardFault;
pub use hex::LoadError;
pub use options::{
    Accelerators, Cuts, ParseSpeedError, ParseWordError, Preload, Speed, StartError, Supply,
    VirtualDkOptions,
};
pub use pins::{DebugHeader, DebugPins, Sampling, Wire};
pub(crate) use ports::PortFolder;
pub(crate) use power::accept as accept_supply_clients;
#[doc(hidden)]
pub use remote::RemoteProbe;
pub(crate) use remote::{Remote, Wired};
pub(crate) use scpi::Output;
pub(crate) use serve::run_until_told;
pub use serve::{Contents, ServeError, ServeOptions, serve, serve_with};
pub use virtual_dk::{BleEndpoint, Endpoints, UartEndpoints, VirtualDk};
