//! Switching the power of a board, measuring it, and proving that it is gone.
//!
//! One trait, [`PowerSwitch`], and a driver for each way to switch: which one a board has is in its rig file. What a
//! driver says of itself is not believed: [`Sighting`] collects what was seen of the board while it should be off, and
//! [`Sighting::judge`] tells whether that proves anything.

mod command;
mod driver;
#[cfg(all(test, unix))]
mod fake_port;
mod instrument;
mod manual;
mod ppk2;
mod proof;
mod reset_only;
mod scpi;
mod usb_port;
mod wire;

pub(crate) use command::{CommandSwitch, Commands, Programs};
pub(crate) use driver::of;
pub(crate) use instrument::{Asked, Instrument};
pub(crate) use manual::ManualSwitch;
pub use manual::{Ask, ManualRequest};
pub(crate) use ppk2::Ppk2Switch;
pub use proof::{Current, Judgement, ProbeSight, Sighting};
pub(crate) use reset_only::ResetOnly;
pub(crate) use scpi::ScpiSwitch;
pub(crate) use usb_port::{SYSFS, SysfsSwitch, UhubctlSwitch, ykush};
pub(crate) use wire::Place;

use crate::error::RigError;
use hil_clock::Clock;
use std::fmt;
use std::fmt::Debug;
use std::time::Duration;

/// What switches the power of a board.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PowerKind {
    /// A bench supply that understands SCPI, on TCP or on a serial port.
    Scpi,
    /// A port of a USB hub.
    UsbPort,
    /// A Power Profiler Kit II.
    Ppk2,
    /// A program each for on and off.
    Command,
    /// A driver of labgrid's.
    Labgrid,
    /// A person.
    Manual,
    /// Nothing: the board can only be reset.
    ResetOnly,
}

impl fmt::Display for PowerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scpi => "SCPI supply",
            Self::UsbPort => "USB hub port",
            Self::Ppk2 => "PPK2",
            Self::Command => "power command",
            Self::Labgrid => "labgrid power driver",
            Self::Manual => "person at the switch",
            Self::ResetOnly => "probe's reset",
        })
    }
}

/// Whether a board has power.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PowerState {
    /// It has.
    On,
    /// It has not.
    Off,
}

impl PowerState {
    /// `on` or `off`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// A switch that was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Switched {
    /// From the request until the supply said that it is done, or until there was nobody left to say so.
    pub took: Duration,
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
    /// Gives the board power or takes it; nothing happens when it is so already. Returns when the supply says so.
    ///
    /// # Errors
    /// When the supply cannot be reached or does not do it; to take it also when there is no supply.
    fn switch(&self, to: PowerState) -> Result<(), RigError>;

    /// The clock that switching is measured with.
    fn clock(&self) -> &dyn Clock;

    /// What switches.
    fn kind(&self) -> PowerKind;

    /// Gives the board power.
    ///
    /// # Errors
    /// As [`switch`](Self::switch).
    fn on(&self) -> Result<Switched, RigError> {
        measured(self, PowerState::On)
    }

    /// Takes the board's power.
    ///
    /// # Errors
    /// As [`switch`](Self::switch).
    fn off(&self) -> Result<Switched, RigError> {
        measured(self, PowerState::Off)
    }

    /// Takes the board's power for `off_for` and gives it back; without a supply, resets the board. Tells both switches.
    ///
    /// # Errors
    /// As [`switch`](Self::switch).
    fn cycle(&self, off_for: Duration) -> Result<[Switched; 2], RigError> {
        let off = self.off()?;
        self.clock().sleep(off_for);
        Ok([off, self.on()?])
    }

    /// The current that flows to the board now, in amperes; `None` from what cannot measure it.
    ///
    /// # Errors
    /// When the supply cannot be reached or does not say.
    fn current(&self) -> Result<Option<f64>, RigError> {
        Ok(None)
    }

    /// Whether switching off takes the power away: what a scenario that cuts the power needs.
    fn power_loss(&self) -> PowerLoss {
        PowerLoss::Real
    }
}

fn measured<S: PowerSwitch + ?Sized>(power: &S, to: PowerState) -> Result<Switched, RigError> {
    let asked = power.clock().now();
    power.switch(to)?;
    Ok(Switched {
        took: power.clock().now().saturating_since(asked),
    })
}
