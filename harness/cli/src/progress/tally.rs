//! What both kinds of progress have to remember of the events: when a scenario began, which step it is in.

use hil_record::{Course, Event, EventKind, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

/// The scenarios that run at this moment.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    running: BTreeMap<String, Running>,
    planned: usize,
    finished: usize,
}

#[derive(Debug)]
struct Running {
    since: u64,
    step: Option<String>,
    failed_step: Option<String>,
}

/// A scenario that has just ended, ready to be shown.
#[derive(Debug)]
pub(crate) struct Finished<'a> {
    pub(crate) scenario: &'a str,
    pub(crate) board: Option<&'a str>,
    pub(crate) outcome: &'a Outcome,
    /// From its start; none when it never began.
    pub(crate) took: Option<Duration>,
    /// The step that did not pass, such as `step 4 expect_boot`.
    pub(crate) at: Option<String>,
    /// How many have ended, this one included.
    pub(crate) number: usize,
    /// How many there are.
    pub(crate) planned: usize,
}

impl Tally {
    /// Takes an event; something to show when it ends a scenario.
    pub(crate) fn take<'a>(&mut self, event: &'a Event) -> Option<Finished<'a>> {
        match &event.kind {
            EventKind::RunStarted(run) => self.planned = run.planned.len(),
            EventKind::ScenarioStarted(started) => {
                let running = Running {
                    since: event.at,
                    step: None,
                    failed_step: None,
                };
                self.running.insert(started.scenario.clone(), running);
            }
            EventKind::StepStarted { scenario, step } => {
                if let Some(running) = self.running.get_mut(scenario) {
                    running.step = Some(format!("step {} {}", step.number, step.name));
                }
            }
            EventKind::StepFinished {
                scenario, outcome, ..
            } => {
                if let Some(running) = self.running.get_mut(scenario)
                    && *outcome != Outcome::Pass
                {
                    running.failed_step =
                        running.failed_step.take().or_else(|| running.step.take());
                }
            }
            EventKind::ScenarioFinished {
                scenario,
                board,
                outcome,
            } => {
                self.finished += 1;
                let running = self.running.remove(scenario);
                return Some(Finished {
                    scenario,
                    board: board.as_deref(),
                    outcome,
                    took: running.as_ref().map(|running| {
                        Duration::from_millis(event.at.saturating_sub(running.since))
                    }),
                    at: running.and_then(|running| running.failed_step),
                    number: self.finished,
                    planned: self.planned.max(self.finished),
                });
            }
            // It has not ended yet.
            EventKind::Course(Course::Again(_)) => {
                self.finished = self.finished.saturating_sub(1);
            }
            EventKind::Course(Course::Resumed(resumed)) => self.planned = resumed.left.len(),
            EventKind::RunFinished { .. }
            | EventKind::Health(_)
            | EventKind::Course(Course::Shard(_) | Course::Part(_) | Course::Night(_))
            | EventKind::Console { .. }
            | EventKind::Smp(_)
            | EventKind::TransportFault(_)
            | EventKind::LinkConnected(_)
            | EventKind::LinkEnded { .. }
            | EventKind::Inputs { .. }
            | EventKind::Power { .. }
            | EventKind::Button { .. }
            | EventKind::Probe { .. }
            | EventKind::Checked(_)
            | EventKind::Done(_)
            | EventKind::Wear(_)
            | EventKind::SweepPlanned(_)
            | EventKind::SweepPoint(_)
            | EventKind::SweepFinished(_)
            | EventKind::Flash(_)
            | EventKind::UploadProgress { .. }
            | EventKind::Retry { .. }
            | EventKind::Note { .. } => {}
        }
        None
    }
}

impl std::fmt::Display for Finished<'_> {
    /// One line for a pass; the cause and the advice on lines of their own otherwise.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.planned.to_string().len();
        write!(
            f,
            "{:>width$}/{} {:<5} {}",
            self.number,
            self.planned,
            self.outcome.verdict(),
            self.scenario
        )?;
        if let Some(board) = self.board {
            write!(f, " on {board}")?;
        }
        if let Some(took) = self.took {
            write!(f, " ({:.1} s)", took.as_secs_f64())?;
        }
        if let Some(cause) = self.outcome.cause() {
            write!(f, "\n    ")?;
            if let Some(at) = &self.at {
                write!(f, "{at}: ")?;
            }
            f.write_str(cause)?;
        }
        if let Some(help) = self.outcome.help() {
            write!(f, "\n    help: {help}")?;
        }
        Ok(())
    }
}
