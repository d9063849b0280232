//! When a board is started, and what a hand does meanwhile.

use super::{Context, Start};
use crate::history::{Event, StartedBy, What};
use crate::trouble::Checked;
use hil_record::{Done, StartCause};
use hil_scenario::{Button, Core};
use std::time::Duration;

impl Context<'_> {
    /// Has the board started while a button is held, and holds it for `hold_for` after that.
    pub(crate) fn holding(
        &mut self,
        button: Option<Button>,
        hold_for: Duration,
        start: impl FnOnce(&mut Self) -> Checked,
    ) -> Checked {
        let Some(button) = button else {
            return start(self);
        };
        self.bench.press(button)?;
        self.held = true;
        let started = start(self);
        self.held = false;
        // A button that is still held at the end of the scenario is let go of then.
        started?;
        self.wait(hold_for)?;
        self.bench.release(button)
    }

    /// The board is about to be started by a step: what was printed until now is of the past.
    pub(super) fn starting(&mut self, by: StartedBy) {
        self.bench.starts();
        let start = Start {
            at: self.clock.now(),
            app: self.console(Core::App).mark(),
            net: self.console(Core::Net).mark(),
            app_rtt: self.bench.rtt(Core::App).mark(),
            net_rtt: self.bench.rtt(Core::Net).mark(),
        };
        self.starting_from(by, start);
    }

    /// It has not started, and is asked again: the time counts from now. What it has printed since it was asked first still
    /// counts, as its first lines may only just have come.
    pub(super) fn starting_again(&mut self, by: StartedBy) {
        self.history.pop();
        self.tell(Done::NotStarted);
        let start = Start {
            at: self.clock.now(),
            ..self.start
        };
        self.starting_from(by, start);
    }

    fn starting_from(&mut self, by: StartedBy, start: Start) {
        self.start = start;
        let held = self.held;
        self.history.push(Event {
            at: start.at,
            what: What::Started {
                by,
                app: start.app,
                held,
            },
        });
        self.tell(Done::Started {
            by: match by {
                StartedBy::Program => StartCause::Program,
                StartedBy::Smp => StartCause::Smp,
                StartedBy::Probe => StartCause::Probe,
                StartedBy::Power => StartCause::Power,
            },
            app_line: start.app.line(),
            net_line: start.net.line(),
            held,
        });
    }
}
