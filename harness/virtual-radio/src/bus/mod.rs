//! A private D-Bus, small enough to be embedded: the radio's thread is its daemon, and BlueZ sits inside it.
//!
//! What a message bus has to do for clients of BlueZ is here: names, match rules (with all their keys), routing. What
//! it does not do: policies, activation, monitors. All that comes of one step goes to a client in one write, as a busy
//! bus delivers it: clients that look at one signal find the ones behind it already there.

mod broker;
mod place;
mod rule;
mod sockets;

pub(crate) use broker::{Broker, ClientId, Delivery, wants_no_reply};
pub use place::BusError;
pub(crate) use place::Place;
pub(crate) use sockets::{Listening, SocketEvent, Writer};

/// The unique name that BlueZ has on the bus.
pub(crate) const BLUEZ_UNIQUE_NAME: &str = ":1.0";
/// Its well-known name.
pub(crate) const BLUEZ_NAME: &str = "org.bluez";
