//! Stopping a board at a flash operation, through the watchpoints of the core that does it.

use super::{Bench, trouble};
use crate::link::{Link, Reply};
use crate::radio::RadioLink;
use crate::trouble::{Checked, Trouble};
use hil_record::{ErrorKind, FailKind};
use hil_rig::{Caught, Core, Followed, Memory, Missed, Planned, RigError, Route, Watch};
use hil_scenario::Transport;
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

    /// Has an application that runs do something, and returns when the application core stands at the end of the route. What
    /// it does instead, when it does not come there in time.
    pub(crate) fn ask_and_stop(
        &mut self,
        route: &Route,
        within: Duration,
        over: Transport,
        ask: impl FnOnce(&mut Link) -> Checked<Reply<()>>,
    ) -> Checked<Result<(), Missed>> {
        self.probe_event("stop", &in_words(route));
        let (watch, number) = match route {
            // Before whatever it does first.
            Route::Start => (Watch::Modes, 1),
            Route::Halt { watch, number, .. } => (watch.clone(), *number),
        };
        // Not by its own method: the probe is in use meanwhile.
        let link = match over {
            Transport::Uart => self.link.as_mut(),
            Transport::Ble => self.radio.as_mut().map(RadioLink::link),
        };
        let link = link.ok_or_else(|| {
            Trouble::error(
                ErrorKind::Port,
                format_args!("board `{}` has no SMP over {over}", self.name),
            )
        })?;
        let mut trap = self.board.probe().trap(Core::App, watch);
        trap.arm().map_err(|error| trouble(&error))?;
        if let Reply::Refused(refused) = ask(link)? {
            return Err(Trouble::fail(
                FailKind::Refused,
                format_args!("the board refused the request that is to be interrupted: {refused}"),
            ));
        }
        match trap.nth(number, within).map_err(|error| trouble(&error))? {
            Caught::Halted(_) => trap.leave_halted().map(Ok).map_err(|error| trouble(&error)),
            Caught::Missed(missed) => Ok(Err(missed)),
        }
    }

    /// Lets the board start, which is held at its first instruction, and sees it do these operations, those of the network core
    /// left out. `effect` says what an operation, by its number in the list, leaves in the application core's flash that is not
    /// there before it: where that is there before its turn, it was done earlier.
    pub(crate) fn start_and_follow(
        &mut self,
        operations: &[Planned],
        within: Duration,
        effect: impl Fn(usize) -> Option<Vec<u8>>,
    ) -> Checked<Followed> {
        self.probe_event("follow", &format!("{} flash operations", operations.len()));
        self.board
            .probe()
            .follow(operations, within, |probe, index| {
                let Some(operation) = operations.get(index) else {
                    return Ok(false);
                };
                match effect(index) {
                    Some(effect) if operation.memory == Memory::App => {
                        let found = probe.read(Core::App, operation.offset, operation.length)?;
                        Ok(found == effect)
                    }
                    Some(_) | None => Ok(false),
                }
            })
            .map_err(|error| trouble(&error))
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
