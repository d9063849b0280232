//! The harness's side of the worker: a process for each bus, links in it, and a transport over each link.

mod error;
mod link;
mod process;
mod shared;

pub use error::BleError;
pub use link::{BleLink, BleTransport, ConnectWatch, DamageSink, Patient};
pub use process::{BleWorker, WorkerLauncher};
