//! A virtual nRF5340 DK: chip, debug port, UARTs and power behind the interfaces of a real one.
//!
//! The parts, from the outside in: `server` offers the endpoints (debug probe, serial ports, power supply),
//! `chip` is the silicon as the debug port and the firmware see it, and `firmware` is what runs on it, which
//! reaches the silicon through a [`bus::CoreBus`] only. `emulated` is another board behind the same interfaces: an nRF51 that
//! QEMU emulates, which executes real firmware.

pub mod bus;
pub mod demo;
pub mod firmware;
pub mod model;

mod chip;
mod emulated;
mod server;

pub use chip::{
    Button, DebugLog, ExternalPart, ExternalWear, FlashWear, ForceOffView, Power, Torn,
};
pub use emulated::{EmulatedOptions, EmulatorError, serve_emulated};
#[doc(hidden)]
pub use server::RemoteProbe;
pub use server::{
    Accelerators, BleEndpoint, Contents, Cuts, DebugHeader, DebugPins, Endpoints, Fault, LoadError,
    ParseSpeedError, ParseWordError, Preload, Sampling, ServeError, ServeOptions, Speed,
    StartError, Supply, UartEndpoints, VirtualDk, VirtualDkOptions, Wire, serve, serve_with,
};
pub use virtual_radio::{LinkOptions, Phy, RadioOptions, Timing};
