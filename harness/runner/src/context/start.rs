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
        self.start = Start {
            at: self.clock.now(),
            app: self.console(Core::App).mark(),
            net: self.console(Core::Net).mark(),
        };
        let app = self.start.app;
        let held = self.held;
        self.history.push(Event {
            at: self.start.at,
            what: What::Started { by, app, held },
        });
        self.tell(Done::Started {
            by: match by {
                StartedBy::Program => StartCause::Program,
                StartedBy::Smp => StartCause::Smp,
                StartedBy::Probe => StartCause::Probe,
                StartedBy::Power => StartCause::Power,
            },
            app_line: app.line(),
            net_line: self.start.net.line(),
            held,
        });
    }
}
