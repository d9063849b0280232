//! SMP (MCUmgr): the protocol that updates firmware over a serial port or Bluetooth.
//!
//! The protocol is plain data without I/O: [`Header`], the CBOR payloads in [`message`], the console framing in
//! [`frame`], one request and its answer in [`Exchange`], a whole image in [`Upload`]. They are given bytes and the
//! time, and own neither; so what happens after ten lost answers is tested in no time.
//!
//! Around that core: [`Transport`] is a link that carries packets ([`UartPort`] has one; over Bluetooth the crate `hil-ble`
//! has one, with the fragments of [`ble`]), [`Traced`] and [`Faulty`] wrap a link to record or break it, and [`Client`]
//! drives the core over a link.
//!
//! The other side of the protocol is here as far as the virtual DK needs it: [`RawHeader`], [`frame::Decoder::server`],
//! [`Refused::answer`], and payloads in the indefinite form that Zephyr sends ([`Lengths::Indefinite`]).
//!
//! ```no_run
//! use hil_clock::SystemClock;
//! use hil_smp::{Client, UartOptions, UartPort, UploadOptions, message::Reset};
//! use std::{ops::ControlFlow, sync::Arc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(SystemClock::new());
//! let console = Box::new(|event| println!("{event:?}"));
//! let port = UartPort::open("/dev/ttyACM0", UartOptions::default(), clock.clone(), console)?;
//! let mut client = Client::new(port.transport(), clock);
//! let image = std::fs::read("app_update.bin")?;
//! client.upload(&image, UploadOptions::default(), &mut |step| {
//!     println!("{} of {} bytes", step.offset, step.total);
//!     ControlFlow::Continue(())
//! })?;
//! let slots = client.image_state()?;
//! if let Some(hash) = slots.slot(0, 1).and_then(|slot| slot.hash.clone()) {
//!     client.test_image(&hash)?;
//!     client.reset(Reset::default())?;
//! }
//! # Ok(())
//! # }
//! ```

pub mod ble;
pub mod cbor;
mod client;
mod code;
mod exchange;
mod fault;
pub mod frame;
mod header;
pub mod message;
mod traced;
mod transport;
mod uart;
mod upload;

pub use cbor::{CborError, Lengths, Map};
pub use client::{Client, ClientError, ClientOptions};
pub use code::{GroupCode, ManagementCode, Refused, image_code};
pub use exchange::{Exchange, ExchangeEvent, Patience};
pub use fault::{
    ConsoleWire, Fault, FaultEvent, FaultKind, FaultLog, FaultPlan, FaultSink, FaultSwitch, Faulty,
    Injected, Place, When, Wire, WireTransport, WritesWire,
};
pub use header::{Group, HEADER_LEN, Header, HeaderError, Op, RawHeader, Version};
pub use traced::{Direction, Trace, Traced};
pub use transport::{Capabilities, Transport, TransportError};
pub use uart::{ConsoleEvent, ConsoleKind, ConsoleSink, UartOptions, UartPort, UartTransport};
pub use upload::{
    Trouble, Upload, UploadError, UploadEvent, UploadLimits, UploadOptions, UploadOutcome,
    UploadProgress, UploadProof, UploadStats,
};
