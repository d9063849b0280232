//! Switching the power of a board.

mod command;
mod manual;
mod reset_only;
mod scpi;

pub(crate) use command::{CommandSwitch, Programs};
pub(crate) use manual::ManualSwitch;
pub use manual::{Ask, ManualRequest};
pub(crate) use reset_only::ResetOnly;
pub(crate) use scpi::{Asked, Instrument, ScpiSwitch};

use crate::error::RigError;
use hil_clock::Clock;
use std::fmt::Debug;
use std::time::Duration;

/// What switches the power of a board.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PowerKind {
    /// A bench supply that understands SCPI on TCP.
    Scpi,
    /// A program each for on and off.
    Command,
    /// A person.
    Manual,
    /// Nothing: the board can only be reset.
    ResetOnly,
}

/// Whether switching off takes the power away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PowerLoss {
    /// The board loses its power: RAM is lost and flash operations are torn.
    Real,
    /// The board only starts anew: RAM stays and a flash operation is finished.
    ResetInstead,
}

/// Switches the power of one board. Shared between threads, so that a cut can be triggered by whoever sees
/// the moment.
pub trait PowerSwitch: Debug + Send + Sync {
    /// Gives the board power; nothing happens when it has it. Returns when the supply says so.
    ///
    /// # Errors
    /// When the supply cannot be reached or does not do it.
    fn on(&self) -> Result<(), RigError>;

    /// Takes the board's power. Returns when the supply says so.
    ///
    /// # Errors
    /// When the supply cannot be reached or does not do it, and always when there is none.
    fn off(&self) -> Result<(), RigError>;

    /// Takes the board's power for `off_for` and gives it back; without a supply, resets the board.
    ///
    /// # Errors
    /// As [`on`](Self::on) and [`off`](Self::off).
    fn cycle(&self, clock: &dyn Clock, off_for: Duration) -> Result<(), RigError> {
        self.off()?;
        clock.sleep(off_for);
        self.on()
    }

    /// What switches.
    fn kind(&self) -> PowerKind;

    /// Whether switching off takes the power away: what a scenario that cuts the power needs.
    fn power_loss(&self) -> PowerLoss {
        PowerLoss::Real
    }

    /// Whether switching off really takes the power away.
    fn is_power_loss(&self) -> bool {
        self.power_loss() == PowerLoss::Real
    }
}
