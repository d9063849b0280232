//! A Bluetooth LE controller in software, for a real host stack: Linux takes it through `/dev/vhci`.
//!
//! Where the virtual radio imitates bluetoothd, this leaves bluetoothd and the kernel in place and imitates what is
//! below them. Boards are the same on either: they are attached through a [`virtual_radio::AirHandle`] and take
//! [`virtual_radio::LinkEvent`]s. The controller is the central's; what is on the other side of its air (link layer, L2CAP and
//! ATT of the boards) is answered here, too.
//!
//! Everything but [`vhci`] is without I/O. Numbers and layouts are those of the Bluetooth Core Specification 5.0,
//! volume 2 part E (HCI), volume 3 parts A (L2CAP), F (ATT) and G (GATT).

mod att;
mod attributes;
mod controller;
mod hci;
mod l2cap;
pub mod vhci;

pub use controller::Controller;
