//! Stopping a board at a flash operation, through the watchpoints of the core that does it.

use super::{Bench, trouble};
use crate::trouble::Checked;
use hil_rig::{Caught, Core, Missed, RigError, Route, Trap, Watch};
use std::time::Duration;

impl Bench {
    /// Whether the application core has watchpoints that can stop it. It is held at its first instruction, and stays there.
    pub(crate) fn can_be_stopped(&mut self) -> Checked<bool> {
        let mut trap = self.board.probe().trap(Core::App, Watch::Erases);
        match trap.arm() {
            Ok(()) => trap
                .leave_halted()
                .map(|()| true)
                .map_err(|error| trouble(&error)),
            Err(RigError::NoWatchpoints { .. }) => {
                // Dropped, a trap lets its core run.
                drop(trap);
                self.hold().map(|_| false)
            }
            Err(error) => Err(trouble(&error)),
        }
    }

    /// Lets the board start, which is held at its first instruction, and returns when it stands at the end of the route. What
    /// it does instead, when it does not come there in time.
    pub(crate) fn start_and_stop(
        &mut self,
        route: &Route,
        within: Duration,
    ) -> Checked<Result<(), Missed>> {
        self.probe_event("stop", &in_words(route));
        let Route::Halt {
            core,
            watch,
            number,
        } = route
        else {
            return Ok(Ok(()));
        };
        let probe = self.board.probe();
        let stopped = (|| {
            let leave = |mut trap: Trap<'_>| match trap.nth(*number, within)? {
                Caught::Halted(_) => trap.leave_halted().map(Ok),
                Caught::Missed(missed) => Ok(Err(missed)),
            };
            if *core == Core::App {
                let mut trap = probe.trap(Core::App, watch.clone());
                trap.arm()?;
                return leave(trap);
            }
            // It cannot be watched before it is released.
            let mut release = probe.trap(Core::App, Watch::NetworkRelease);
            release.arm()?;
            if let Caught::Missed(missed) = release.nth(1, within)? {
                return Ok(Err(missed));
            }
            let mut trap = probe.trap(Core::Net, watch.clone());
            trap.arm()?;
            release.disarm()?;
            leave(trap)
        })();
        stopped.map_err(|error| trouble(&error))
    }

    /// Lets the board start, which is held at its first instruction, and counts how often a page of the application core's flash
    /// is erased, until `most` were or the time is over.
    pub(crate) fn start_and_count_erasures(&mut self, most: u64, within: Duration) -> Checked<u64> {
        self.probe_event("count", "erasures of the application core");
        let mut trap = self.board.probe().trap(Core::App, Watch::Erases);
        let counted = (|| {
            trap.arm()?;
            if most == 0 {
                trap.resume()?;
            } else {
                trap.nth(most, within)?;
            }
            Ok(trap.number())
        })();
        // Dropped, it lets the core go on.
        counted.map_err(|error| trouble(&error))
    }
}

/// Where a board is stopped, for the journal.
fn in_words(route: &Route) -> String {
    match route {
        Route::Start => "at the first instruction".to_owned(),
        Route::Halt {
            core,
            watch,
            number,
        } => match watch {
            Watch::Stores(range) => {
                format!("{core} behind store {number} to {:#010x}", range.start)
            }
            Watch::ExternalTasks => {
                format!("{core} behind task {number} of the external flash")
            }
            other => format!("{core} at {other:?}, halt {number}"),
        },
    }
}
