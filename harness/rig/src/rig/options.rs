//! What opening a rig needs to know beyond its file, which is of the bench: this is of the run and of the host.

use crate::launcher::VirtualLauncher;
use crate::lease::{Holder, QueueClass};
use crate::power::Ask;
use hil_ble::WorkerLauncher;
use hil_clock::SharedClock;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What opening a rig needs to know beyond the rig file.
#[derive(Clone)]
#[non_exhaustive]
pub struct RigOptions {
    /// The clock of the run.
    pub clock: SharedClock,
    /// The program that is a virtual DK.
    pub launcher: VirtualLauncher,
    /// The program in which Bluetooth is used.
    pub bluetooth: WorkerLauncher,
    /// Asks a person, for boards with `power: manual`; without it they cannot be switched.
    pub ask: Option<Ask>,
    /// Where leases are; the host's folder when absent.
    pub lease_folder: Option<PathBuf>,
    /// What it is opened for: who comes first among those who wait for the same boards.
    pub class: QueueClass,
    /// How boards are waited for that somebody else uses; without it, they are not.
    pub waiting: Option<Waiting>,
    /// What becomes of boards that somebody else uses, also after waiting.
    pub in_use: BoardsInUse,
}

/// What becomes of boards that somebody else uses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BoardsInUse {
    /// The rig is not opened: all boards or none.
    #[default]
    Refuse,
    /// The rig is opened without them, as long as there is another board.
    GoWithout,
}

/// Told whom a run waits for, when that changes, and `None` now and then. Waiting ends when it says `Break`.
pub type WaitListener = dyn Fn(Option<&Holder>) -> ControlFlow<()> + Send + Sync;

/// How boards are waited for.
#[derive(Clone)]
pub struct Waiting {
    /// How long at most.
    pub within: Duration,
    /// Who is told of it.
    pub told: Arc<WaitListener>,
}

impl RigOptions {
    /// Options with nobody to ask and the host's folder for leases.
    #[must_use]
    pub fn new(clock: SharedClock, launcher: VirtualLauncher) -> Self {
        Self {
            clock,
            bluetooth: WorkerLauncher::new(&launcher.program),
            launcher,
            ask: None,
            lease_folder: None,
            class: QueueClass::default(),
            waiting: None,
            in_use: BoardsInUse::default(),
        }
    }
}

impl fmt::Debug for RigOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RigOptions")
            .field("launcher", &self.launcher)
            .field("lease_folder", &self.lease_folder)
            .finish_non_exhaustive()
    }
}
