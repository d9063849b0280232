//! Progress as plain lines, for logs and pipes.

use crate::text::{Took, count, firmware_sets};
use hil_record::{Course, Event, EventKind, Reporter, SweepPlan, SweepPoint};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes a line for everything that somebody who waits wants to know.
#[derive(Debug)]
pub struct ProgressLines<W> {
    out: W,
    planned: u64,
    ended: u64,
    /// When each running scenario began, in milliseconds.
    began: BTreeMap<String, u64>,
    /// The last quarter of an upload that was told, for each board.
    quarters: BTreeMap<String, u64>,
}

impl<W: Write + Send> ProgressLines<W> {
    /// Lines on `out`.
    pub const fn new(out: W) -> Self {
        Self {
            out,
            planned: 0,
            ended: 0,
            began: BTreeMap::new(),
            quarters: BTreeMap::new(),
        }
    }

    /// The writer back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write + Send> Reporter for ProgressLines<W> {
    fn name(&self) -> &str {
        "progress lines"
    }

    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let out = &mut self.out;
        match &event.kind {
            EventKind::RunStarted(start) => {
                self.planned = start.planned.len() as u64;
                writeln!(
                    out,
                    "run {}: {} of {} on rig `{}`, {}",
                    start.run,
                    count(self.planned, "scenario", "scenarios"),
                    firmware_sets(&start.firmware),
                    start.rig.name,
                    count(start.rig.boards.len() as u64, "board", "boards")
                )
            }
            EventKind::RunFinished { stopped: true } => writeln!(out, "stopped"),
            EventKind::ScenarioStarted(started) => {
                self.began.insert(started.scenario.clone(), event.at);
                writeln!(
                    out,
                    "      {} begins on {}",
                    started.scenario, started.board
                )
            }
            EventKind::ScenarioFinished {
                scenario, outcome, ..
            } => {
                self.ended += 1;
                let label = outcome.verdict().word().to_uppercase();
                write!(out, "{label:>5} {scenario}")?;
                if let Some(began) = self.began.remove(scenario) {
                    write!(out, " in {}", Took(event.at.saturating_sub(began)))?;
                }
                write!(out, " ({} of {})", self.ended, self.planned.max(self.ended))?;
                match outcome.cause() {
                    Some(cause) => writeln!(out, ": {cause}"),
                    None => writeln!(out),
                }
            }
            EventKind::StepStarted { scenario, step } => {
                writeln!(out, "      {scenario} step {}: {}", step.number, step.text)
            }
            // The scenario's own end tells the cause.
            EventKind::StepFinished { .. } => Ok(()),
            EventKind::UploadProgress {
                board,
                image,
                sent,
                total,
            } => {
                let share = |parts| {
                    (*sent)
                        .saturating_mul(parts)
                        .checked_div(*total)
                        .unwrap_or(0)
                };
                // Four lines for an upload: a log is read afterwards.
                if self.quarters.insert(board.clone(), share(4)) == Some(share(4)) {
                    return Ok(());
                }
                writeln!(
                    out,
                    "        {image} to {board}: {sent} of {total} bytes, {} %",
                    share(100)
                )
            }
            EventKind::Retry {
                board,
                what,
                attempt,
                limit,
                cause,
            } => writeln!(
                out,
                "      {board}: {what} again, attempt {attempt} of {limit}: {cause}"
            ),
            EventKind::Course(Course::Again(again)) => {
                self.ended = self.ended.saturating_sub(1);
                writeln!(
                    out,
                    "      {}: {} again on another board, attempt {} of {}",
                    again.board, again.scenario, again.attempt, again.limit
                )
            }
            EventKind::Course(Course::Resumed(resumed)) => {
                self.planned = resumed.left.len() as u64;
                writeln!(
                    out,
                    "the run goes on: {} left",
                    count(self.planned, "scenario", "scenarios")
                )
            }
            EventKind::Health(health) => {
                writeln!(out, "      {}: {}", health.board(), health.words())
            }
            EventKind::Note { board, text } => match board {
                Some(board) => writeln!(out, "      {board}: {text}"),
                None => writeln!(out, "      {text}"),
            },
            EventKind::SweepPlanned(plan) => {
                writeln!(out, "      {}: {}", plan.scenario, sweep_in_words(plan))
            }
            EventKind::SweepPoint(SweepPoint {
                scenario,
                cut,
                problem: Some(problem),
                ..
            }) => writeln!(out, "      {scenario}: cut {cut}: {problem}"),
            EventKind::SweepFinished(totals) => {
                writeln!(out, "      {}: {totals}", totals.scenario)
            }
            EventKind::SweepPoint(_)
            | EventKind::RunFinished { stopped: false }
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
            | EventKind::Flash(_) => Ok(()),
        }
    }
}

/// `12 points of 176 flash operations (sample:12, seed 1), by power`.
pub(crate) fn sweep_in_words(plan: &SweepPlan) -> String {
    let operations: u32 = plan.operations.values().sum();
    let points = match plan.points {
        Some(1) => "1 point".to_owned(),
        Some(points) => format!("{points} points"),
        None => "points".to_owned(),
    };
    let before = match plan.visited_before {
        0 => String::new(),
        before => format!(", {before} of them visited before"),
    };
    format!(
        "{points} of {operations} flash operations ({}, seed {}){before}; {}",
        plan.strategy, plan.seed, plan.method
    )
}
