//! The harness's side of the worker: a process for each bus, links in it, and a transport over each link.

mod error;
mod link;
mod process;
mod shared;
mod transport;

pub use error::BleError;
pub use link::{BleLink, ConnectWatch, Patient};
pub use process::{BleWorker, WorkerLauncher};
pub use transport::{BleTransport, DamageSink};
