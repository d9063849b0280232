//! A program each for on and off: relays, USB hubs, network sockets.
//!
//! The program and its arguments are a list and no shell reads them, so nothing in a rig file can be taken
//! for a command by accident.

use super::{PowerKind, PowerState, PowerSwitch};
use crate::error::{Purpose, RigError};
use crate::process::{self, KEPT, Unfinished, describe};
use hil_clock::{Clock, SharedClock};
use std::process::Command;
use std::time::Duration;

/// Runs the programs of one board.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) board: String,
    pub(crate) purpose: Purpose,
    pub(crate) within: Duration,
    pub(crate) clock: SharedClock,
}

/// The programs that switch, each with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Commands {
    pub(crate) on: Vec<String>,
    pub(crate) off: Vec<String>,
}

/// The switch programs of one board.
#[derive(Debug)]
pub(crate) struct CommandSwitch {
    pub(crate) programs: Programs,
    pub(crate) kind: PowerKind,
    pub(crate) commands: Commands,
}

impl Programs {
    /// Runs a program to its end, which must be a good one.
    pub(crate) fn run(&self, list: &[String]) -> Result<(), RigError> {
        self.output(list).map(drop)
    }

    /// The same; the end of what it wrote to its standard output.
    pub(crate) fn output(&self, list: &[String]) -> Result<String, RigError> {
        let (program, arguments) = list
            .split_first()
            .map_or(("", &[][..]), |(program, arguments)| {
                (program.as_str(), arguments)
            });
        let command = list.join(" ");
        let finished = process::run(
            Command::new(program).args(arguments),
            self.within,
            KEPT,
            &*self.clock,
        );
        match finished {
            Ok(finished) if finished.status.success() => Ok(finished.stdout),
            Ok(finished) => Err(RigError::CommandFailed {
                board: self.board.clone(),
                purpose: self.purpose,
                command,
                status: describe(finished.status),
                stderr: finished.stderr,
            }),
            Err(Unfinished::Start(source)) => Err(RigError::CommandStart {
                board: self.board.clone(),
                purpose: self.purpose,
                command,
                source,
            }),
            Err(Unfinished::Stuck(stderr)) => Err(RigError::CommandStuck {
                board: self.board.clone(),
                purpose: self.purpose,
                command,
                within: self.within,
                stderr,
            }),
        }
    }
}

impl PowerSwitch for CommandSwitch {
    fn switch(&self, to: PowerState) -> Result<(), RigError> {
        let list = match to {
            PowerState::On => &self.commands.on,
            PowerState::Off => &self.commands.off,
        };
        self.programs.run(list)
    }

    fn clock(&self) -> &dyn Clock {
        &*self.programs.clock
    }

    fn kind(&self) -> PowerKind {
        self.kind
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use hil_clock::{SimClock, SystemClock};
    use std::sync::Arc;

    fn switch(off: &[&str]) -> CommandSwitch {
        CommandSwitch {
            programs: Programs {
                board: "left".into(),
                purpose: Purpose::Power,
                within: Duration::from_secs(60),
                clock: Arc::new(SystemClock::new()),
            },
            kind: PowerKind::Command,
            commands: Commands {
                on: vec!["true".into()],
                off: off.iter().map(ToString::to_string).collect(),
            },
        }
    }

    #[test]
    fn arguments_reach_the_program_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("$(name) with spaces");
        switch(&["touch", file.to_str().unwrap()]).off().unwrap();
        assert!(file.exists());
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = switch(&["sh", "-c", "echo no such relay >&2; exit 3"])
            .off()
            .unwrap_err();
        insta::assert_snapshot!(error, @"power command `sh -c echo no such relay >&2; exit 3` of board `left` ended with status 3; it wrote: no such relay");
    }

    #[test]
    fn a_program_that_does_not_end_is_stopped() {
        let mut power = switch(&["sleep", "3600"]);
        power.programs.clock = Arc::new(SimClock::new());
        let error = power.off().unwrap_err();
        insta::assert_snapshot!(error, @"power command `sleep 3600` of board `left` did not end within 60s");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = switch(&["/nonexistent/relay", "off"]).off().unwrap_err();
        insta::assert_snapshot!(error, @"cannot start power command `/nonexistent/relay off` of board `left`");
    }
}
