//! Places of labgrid as boards.
//!
//! [labgrid](https://github.com/labgrid-project/labgrid) lends boards of a laboratory to whoever asks its coordinator. A place is
//! acquired and released, and its resources are found and its power is switched, through the program `labgrid-client`, which
//! whoever uses labgrid has and has set up: the protocol between it and the coordinator is labgrid's own business, and its power
//! drivers are Python and run in it. docs/labgrid.md says more of why.
//!
//! From its resources a place becomes a board like any other: [`place`] holds it, [`resources`] says what is in it, and a serial
//! port that is offered on the network gets a path by [`network_uart`](crate::network_uart).

mod client;
mod error;
mod ledger;
mod place;
mod resources;
mod shown;
mod uart;

pub(crate) use client::{Client, LabgridSwitch};
pub use error::{PlaceError, PlaceProblem};
pub(crate) use place::{Acquiring, HeldPlace, acquire_all};
pub(crate) use uart::PlaceUart;
