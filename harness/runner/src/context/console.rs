//! The lines of both cores, since the board was last started.

use super::Context;
use crate::bench::{core_name, source_name};
use crate::console::{ConsoleLog, Line, Mark, Waited};
use crate::trouble::{Checked, Trouble};
use hil_clock::Instant;
use hil_record::{Check, ErrorKind, FailKind};
use hil_scenario::{Core, PrintedBy};

impl Context<'_> {
    /// All lines of a core.
    pub(crate) fn console(&self, core: Core) -> &ConsoleLog {
        self.bench.console(core)
    }

    /// All lines of a core that came by this way.
    pub(crate) fn printed(&self, core: Core, by: PrintedBy) -> &ConsoleLog {
        match by {
            PrintedBy::Uart => self.bench.console(core),
            PrintedBy::Rtt => self.bench.rtt(core),
        }
    }

    /// The place among these lines where the board was last started by a step.
    pub(crate) const fn printed_from(&self, core: Core, by: PrintedBy) -> Mark {
        match (by, core) {
            (PrintedBy::Uart, _) => self.started_at(core),
            (PrintedBy::Rtt, Core::App) => self.start.app_rtt,
            (PrintedBy::Rtt, Core::Net) => self.start.net_rtt,
        }
    }

    /// The place on a console where the board was last started by a step.
    pub(crate) const fn started_at(&self, core: Core) -> Mark {
        match core {
            Core::App => self.start.app,
            Core::Net => self.start.net,
        }
    }

    /// Tells that the lines of a console since the board was last started were looked through for a text.
    pub(crate) fn tell_console(&self, core: Core, by: PrintedBy, text: &str, absent: bool) {
        self.checked(Check::Console {
            core: core_name(core),
            source: source_name(by),
            text: text.to_owned(),
            absent,
            from: self.printed_from(core, by).line(),
            to: self.printed(core, by).mark().line(),
        });
    }

    /// When the board was last started by a step.
    pub(crate) const fn start_time(&self) -> Instant {
        self.start.at
    }

    /// That a line did not come since the board was last started: the firmware's fault, unless the first lines are lost
    /// because the serial ports came back after the power did.
    pub(crate) fn line_missing(&self, sentence: impl std::fmt::Display) -> Trouble {
        if !self.bench.is_deaf() {
            return Trouble::fail(FailKind::Console, sentence);
        }
        Trouble::error(
            ErrorKind::Port,
            format_args!(
                "{sentence}; it may have been printed before the serial ports were there again, which go away with the power \
                 of this board"
            ),
        )
        .with_help(
            "what a board prints in the first second after power comes is lost with `cuts: board`; cut the chip alone \
             (`cuts: soc`), or leave out scenarios that look for lines of the boot",
        )
    }

    /// Waits for a line since the board was last started; `None` when it did not come.
    pub(crate) fn wait_for_line(
        &self,
        core: Core,
        deadline: Instant,
        wanted: impl Fn(&str) -> bool,
    ) -> Checked<Option<Line>> {
        let log = self.bench.console(core);
        match log.wait_for(self.started_at(core), deadline, &self.cancel, wanted) {
            Waited::Found(line, _) => Ok(Some(line)),
            Waited::TimedOut => Ok(None),
            Waited::Cancelled => Err(Trouble::Cancelled),
        }
    }

    /// The last thing that a core has printed since it was started, for messages.
    pub(crate) fn last_line(&self, core: Core) -> String {
        match self.console(core).last_since(self.started_at(core)) {
            Some(line) => format!("the last line of the {core} console is `{}`", line.text),
            None => format!("the {core} console has shown nothing since the board was started"),
        }
    }

    /// The same for what came by this way.
    pub(crate) fn last_printed(&self, core: Core, by: PrintedBy) -> String {
        let last = self
            .printed(core, by)
            .last_since(self.printed_from(core, by));
        match (by, last) {
            (PrintedBy::Uart, _) => self.last_line(core),
            (PrintedBy::Rtt, Some(line)) => {
                format!(
                    "the last line over the RTT of the {core} core is `{}`",
                    line.text
                )
            }
            (PrintedBy::Rtt, None) => {
                format!("nothing came over the RTT of the {core} core since the board was started")
            }
        }
    }
}
