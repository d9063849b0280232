//! Progress on a terminal: one moving line for each board, finished scenarios above.

use super::counted;
use super::tally::Tally;
use hil_record::Reporter;
use hil_record::{Course, Event, EventKind};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// How often a line moves although nothing happened, so that a person sees that it is alive.
const TICK: Duration = Duration::from_millis(120);

/// Draws progress on standard error.
pub(crate) struct Bars {
    screen: MultiProgress,
    boards: BTreeMap<String, Bar>,
    tally: Tally,
}

struct Bar {
    line: ProgressBar,
    scenario: String,
    step: String,
    /// Points of a sweep: so many were visited, of so many.
    visited: u32,
    points: Option<u32>,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self {
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            boards: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    fn bar(&mut self, board: &str) -> &mut Bar {
        let screen = &self.screen;
        self.boards.entry(board.to_owned()).or_insert_with(|| {
            let line = screen.add(ProgressBar::new_spinner());
            line.set_style(spinner());
            line.set_prefix(board.to_owned());
            line.enable_steady_tick(TICK);
            Bar {
                line,
                scenario: String::new(),
                step: String::new(),
                visited: 0,
                points: None,
            }
        })
    }

    fn bar_of_scenario(&mut self, scenario: &str) -> Option<&mut Bar> {
        self.boards
            .values_mut()
            .find(|bar| bar.scenario == scenario)
    }
}

impl Bar {
    fn show(&self, what: &str) {
        self.line
            .set_message(format!("{} · {} {what}", self.scenario, self.step));
    }
}

/// A template that indicatif refuses would be seen by everybody at once; its default does until it is repaired.
fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Reporter for Bars {
    fn name(&self) -> &str {
        "progress bars"
    }

    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::RunStarted(run) => self.screen.println(format!(
                "run {}: {} with {} on rig `{}` ({})",
                run.run,
                counted(run.planned.len(), "scenario"),
                hil_report::firmware_sets(&run.firmware),
                run.rig.name,
                counted(run.rig.boards.len(), "board"),
            ))?,
            EventKind::ScenarioStarted(started) => {
                let bar = self.bar(&started.board);
                bar.scenario.clone_from(&started.scenario);
                bar.step.clear();
                bar.line.reset_elapsed();
                bar.show("");
            }
            EventKind::StepStarted { scenario, step } => {
                if let Some(bar) = self.bar_of_scenario(scenario) {
                    bar.step = format!("step {}: {}", step.number, step.text);
                    bar.visited = 0;
                    bar.points = None;
                    bar.show("");
                }
            }
            EventKind::UploadProgress {
                board, sent, total, ..
            } => {
                let percent = sent.saturating_mul(100) / (*total).max(1);
                self.bar(board).show(&format!("{percent} %"));
            }
            EventKind::SweepPlanned(plan) => self.bar(&plan.board).points = plan.points,
            EventKind::SweepPoint(point) => {
                let bar = self.bar(&point.board);
                bar.visited += 1;
                let visited = bar.visited;
                let of = bar.points.map(|points| format!(" of {points}"));
                bar.show(&format!("point {visited}{}", of.unwrap_or_default()));
                if let Some(problem) = &point.problem {
                    self.screen
                        .println(format!("cut   {}: {}: {problem}", point.board, point.cut))?;
                }
            }
            EventKind::Health(health) => {
                self.screen
                    .println(format!("board {}: {}", health.board(), health.words()))?;
            }
            EventKind::SweepFinished(totals) => {
                self.screen
                    .println(format!("sweep {}: {totals}", totals.scenario))?;
            }
            EventKind::Note { board, text } => {
                let board = board.as_deref().unwrap_or("run");
                self.screen.println(format!("note  {board}: {text}"))?;
            }
            EventKind::Retry {
                board,
                what,
                attempt,
                limit,
                cause,
            } => self
                .screen
                .println(format!("retry {board}: {what}, {attempt}/{limit}: {cause}"))?,
            EventKind::Course(Course::Again(again)) => self.screen.println(format!(
                "retry {}: {} on another board, {}/{}",
                again.board, again.scenario, again.attempt, again.limit
            ))?,
            EventKind::RunFinished { .. } => {
                for bar in self.boards.values() {
                    bar.line.finish_and_clear();
                }
            }
            EventKind::Course(
                Course::Shard(_) | Course::Resumed(_) | Course::Part(_) | Course::Night(_),
            )
            | EventKind::ScenarioFinished { .. }
            | EventKind::StepFinished { .. }
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
            | EventKind::Flash(_) => {}
        }
        if let Some(finished) = self.tally.take(event) {
            self.screen.println(finished.to_string())?;
        }
        Ok(())
    }
}
