//! Bluetooth LE without Bluetooth: a private D-Bus with an `org.bluez` on it, and the air between adapters and boards.
//!
//! Clients of BlueZ (btleplug, bleak, bluetoothctl) find on [`VirtualRadio::address`] what they would find on the
//! system bus: the objects, signals and errors of bluetoothd, in its order. Boards are attached to the air through
//! [`AirHandle`] and know nothing of BlueZ: [`Peripheral`] is the whole boundary. The air itself is a model of link
//! layer timing that can be left out ([`Timing`]).

mod address;
mod bluez;
mod bus;
pub mod gatt;
mod link;
mod peripheral;
mod port;
mod radio;

pub use address::Address;
pub use bus::BusError;
pub use link::{LinkOptions, ParsePhyError, ParseTimingError, Phy, Timing};
pub use peripheral::{Advertisement, LinkEvent, LinkId, Peripheral, PeripheralId, Reason};
pub use port::{AirCommand, AirHandle, Port};
pub use radio::{RadioError, RadioOptions, VirtualRadio};
