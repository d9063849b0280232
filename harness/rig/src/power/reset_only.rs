//! A board without a power switch: it can be reset through its probe, and cannot be cut off.

use super::{PowerKind, PowerLoss, PowerSwitch};
use crate::error::RigError;
use crate::probe::ProbeSession;
use hil_clock::Clock;
use std::sync::Arc;
use std::time::Duration;

/// The probe in place of a switch.
#[derive(Debug)]
pub(crate) struct ResetOnly {
    pub(crate) board: String,
    pub(crate) probe: Arc<ProbeSession>,
}

impl PowerSwitch for ResetOnly {
    /// The board has power as long as it is plugged in.
    fn on(&self) -> Result<(), RigError> {
        Ok(())
    }

    fn off(&self) -> Result<(), RigError> {
        Err(RigError::NoPowerSwitch {
            board: self.board.clone(),
        })
    }

    fn cycle(&self, _clock: &dyn Clock, _off_for: Duration) -> Result<(), RigError> {
        self.probe.reset()
    }

    fn kind(&self) -> PowerKind {
        PowerKind::ResetOnly
    }

    fn power_loss(&self) -> PowerLoss {
        PowerLoss::ResetInstead
    }
}
