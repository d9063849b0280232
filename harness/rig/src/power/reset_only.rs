//! A board without a power switch: it can be reset through its probe, and cannot be cut off.
//!
//! That is not a power loss: RAM stays, and a flash operation that is under way is finished. What needs a real one says
//! so and is not run on such a board.

use super::{PowerKind, PowerLoss, PowerState, PowerSwitch, Switched};
use crate::error::RigError;
use crate::probe::ProbeSession;
use hil_clock::{Clock, SharedClock};
use std::sync::Arc;
use std::time::Duration;

/// The probe in place of a switch.
#[derive(Debug)]
pub(crate) struct ResetOnly {
    pub(crate) board: String,
    pub(crate) probe: Arc<ProbeSession>,
    pub(crate) clock: SharedClock,
}

impl PowerSwitch for ResetOnly {
    /// The board has power as long as it is plugged in, and nothing here takes it.
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        match to {
            PowerState::On => Ok(()),
            PowerState::Off => Err(RigError::NoPowerSwitch {
                board: self.board.clone(),
            }),
        }
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// A reset in place of both switches.
    fn cycle(&self, _off_for: Duration) -> Result<[Switched; 2], RigError> {
        let asked = self.clock.now();
        self.probe.reset()?;
        let took = self.clock.now().saturating_since(asked);
        Ok([Switched { took }; 2])
    }

    fn kind(&self) -> PowerKind {
        PowerKind::ResetOnly
    }

    fn power_loss(&self) -> PowerLoss {
        PowerLoss::ResetInstead
    }
}
