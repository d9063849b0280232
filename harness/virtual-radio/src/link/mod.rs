//! What a link can carry and when: parameters, the time that packets take, and the queue of the air.

mod air;
mod options;

pub(crate) use air::{Air, Arrival, Direction};
pub use options::{LinkOptions, ParsePhyError, ParseTimingError, Phy, Timing};
