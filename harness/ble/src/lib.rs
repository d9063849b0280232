//! Bluetooth LE: a worker process with stock btleplug, and an SMP transport over it.
//!
//! A board is reached through a [`BleLink`], which has a [`BleTransport`] for SMP, in the same way as a serial port has
//! one. Behind the link is a [`BleWorker`]: a child process for each bus, in which btleplug runs ([`worker::run`] is all
//! of it). Why a process: libdbus chooses its bus once for each process, and from the environment; btleplug's own time
//! limits are long and fixed, and a task of it can panic. So a virtual radio and a real one are used by the same code,
//! side by side, and whatever happens in there is told here with a cause and within a deadline.
//!
//! Nothing in this crate knows whether a radio is virtual.
//!
//! ```no_run
//! use hil_ble::{AdapterId, BleLink, BleWorker, DeviceId, Patient, Peer, WorkerLauncher};
//! use hil_clock::{Clock, SystemClock};
//! use hil_smp::Client;
//! use std::{sync::Arc, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(SystemClock::new());
//! let launcher = WorkerLauncher::new("dfu-hil");
//! let worker = Arc::new(BleWorker::new(launcher, None, clock.clone()));
//! let peer = Peer {
//!     adapter: AdapterId::from("hci0"),
//!     device: DeviceId::Address("C0:00:00:00:00:01".parse()?),
//! };
//! let link = BleLink::new(worker, peer);
//! let parameters = link.connect(clock.now() + Duration::from_secs(10), &mut Patient)?;
//! println!("{parameters}");
//! let mut client = Client::new(link.transport(Box::new(|_| {})), clock);
//! println!("{}", client.echo("hello")?);
//! # Ok(())
//! # }
//! ```

mod address;
mod client;
mod failure;
mod peer;
mod protocol;
pub mod worker;

pub use address::Address;
pub use client::{
    BleError, BleLink, BleTransport, BleWorker, ConnectWatch, DamageSink, Patient, WorkerLauncher,
};
pub use failure::{Failure, Heard, Loss, Stage};
pub use peer::{AdapterId, DeviceId, LinkParameters, Peer};
