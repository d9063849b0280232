//! Stopping a board at a flash operation, through the watchpoints of the core that does it.

use super::{Bench, trouble};
use crate::firmware::EXTERNAL_WINDOW;
use crate::link::{Link, Reply};
use crate::radio::RadioLink;
use crate::trouble::{Checked, Trouble};
use hil_record::{ErrorKind, FailKind};
use hil_rig::{Caught, Core, Followed, Memory, Missed, Planned, RigError, Route, Tear, Watch};
use hil_scenario::Transport;
use std::thread;
use std::time::Duration;

/// How long a board is followed before its client is looked at again.
const TURN: Duration = Duration::from_millis(50);

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
    /// it does instead, when it does not come there before the client is done, or in time.
    ///
    /// The client asks on a thread of its own, for as long as it takes: how long a board works before it comes to the
    /// place depends on the board, and on how busy this machine is.
    pub(crate) fn ask_and_stop(
        &mut self,
        route: &Route,
        within: Duration,
        over: Transport,
        ask: impl FnOnce(&mut Link) -> Checked<Reply<()>> + Send,
    ) -> Checked<Result<(), Missed>> {
        self.probe_event("stop", &in_words(route));
        let (watch, number) = match route {
            // Before whatever it does first.
            Route::Start => (Watch::Modes, 1),
            Route::Halt { watch, number, .. } => (watch.clone(), *number),
        };
        let deadline = self.clock.now() + within;
        let clock = self.clock.clone();
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
        let enough = link.enough();
        let (asked, caught) = thread::scope(|scope| {
            let asking = scope.spawn(move || ask(link));
            let caught = loop {
                // What is done before the answer has been done when the answer is there.
                let answered = asking.is_finished();
                let left = deadline.saturating_since(clock.now());
                match trap.nth(number, left.min(TURN)) {
                    Ok(Caught::Missed(_)) if !answered && !left.is_zero() => {}
                    caught => break caught,
                }
            };
            enough.say();
            (asking.join(), caught)
        });
        enough.take_back();
        let asked = asked.unwrap_or_else(|_| {
            Err(Trouble::error(
                ErrorKind::Harness,
                "the client that asked the board has panicked",
            ))
        });
        match caught.map_err(|error| trouble(&error))? {
            Caught::Halted(_) => trap.leave_halted().map(Ok).map_err(|error| trouble(&error)),
            Caught::Missed(missed) => match asked? {
                Reply::Done(()) => Ok(Err(missed)),
                Reply::Refused(refused) => Err(Trouble::fail(
                    FailKind::Refused,
                    format_args!(
                        "the board refused the request that is to be interrupted: {refused}"
                    ),
                )),
            },
        }
    }

    /// Halts the application core wherever it is.
    pub(crate) fn halt(&mut self) -> Checked {
        self.probe_event("stop", "where it is");
        self.board
            .probe()
            .halt(Core::App)
            .map_err(|error| trouble(&error))
    }

    /// Gives flash of a core that stands what an operation may leave there that was interrupted. What it holds then.
    pub(crate) fn leave_torn(
        &mut self,
        memory: Memory,
        offset: u32,
        after: &[u8],
        tear: Tear,
    ) -> Checked<Vec<u8>> {
        self.probe_event(
            "tear",
            &format!("{memory:?} {offset:#010x} +{:#x}", after.len()),
        );
        self.board
            .probe()
            .leave_torn(memory, offset, after, tear)
            .map_err(|error| trouble(&error))
    }

    /// Lets the board start, which is held at its first instruction, and sees it do these operations, those of the network core
    /// left out. `effect` says what an operation, by its number in the list, leaves in flash that is not there
    /// before it: where that is there before its turn, it was done earlier.
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
                let start = match operation.memory {
                    Memory::App => 0,
                    Memory::External => EXTERNAL_WINDOW,
                    Memory::Net => return Ok(false),
                };
                let Some(effect) = effect(index) else {
                    return Ok(false);
                };
                let found = probe.read(Core::App, start + operation.offset, operation.length)?;
                Ok(found == effect)
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
