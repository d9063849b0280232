//! b0n on the network core.

use super::{Run, start};
use crate::bus::CoreBus;
use crate::model::B0nModel;

/// Runs b0n, and then what it starts.
pub(super) fn run(bus: &mut dyn CoreBus, model: &B0nModel) -> Run {
    start(bus, model.application)
}
