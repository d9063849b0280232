//! Stopping a board at a flash operation, through the watchpoints of the core that does it.

use super::{Bench, trouble};
use crate::trouble::Checked;
use hil_rig::{Caught, Core, Missed, RigError, Route, Watch};
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
        let reached = self
            .board
            .probe()
            .reach(route, within)
            .map_err(|error| trouble(&error))?;
        if let Some(Caught::Missed(missed)) = reached.caught() {
            // Dropped, it lets the board go on.
            return Ok(Err(*missed));
        }
        reached
            .leave_halted()
            .map(Ok)
            .map_err(|error| trouble(&error))
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
