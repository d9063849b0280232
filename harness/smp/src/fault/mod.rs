//! Faults of a link, made on purpose and so that they can be made again.
//!
//! A [`FaultPlan`] says what goes wrong and where: this chunk's request is lost, that answer comes twice, a bit of a byte
//! on the wire is another one. [`Faulty`] wraps a transport and does it. What is lost, repeated, late or overtaken is
//! a whole packet; what is damaged or cut short is what the packet is on the [wire](WireTransport): the bytes of a
//! console frame, or the writes of a wireless link. So the checksum, the decoder and the reassembly of both sides are
//! in the way of a damaged packet, as they are on a bench.
//!
//! Nothing here rolls dice that cannot be rolled again: every choice comes from the seed of its fault and from how many
//! packets it has looked at. A [`FaultSwitch`] is the other end of a wrapped transport: it takes a plan, and tells what
//! was done when the plan is over.

mod plan;
mod switch;
mod transport;
mod wire;

pub use plan::{Fault, FaultKind, FaultPlan, Place, When};
pub use switch::{FaultLog, FaultSwitch, Injected};
pub use transport::{FaultEvent, FaultSink, Faulty};
pub use wire::{ConsoleWire, Wire, WireTransport, WritesWire};
