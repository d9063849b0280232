//! Makes the record of a run by going once through its events.

use crate::event::{
    Event, EventKind, Evidence, FirmwareInfo, InputFile, RunStarted, ScenarioStarted, StepInfo,
};
use crate::grid::Grid;
use crate::outcome::{ErrorKind, Outcome, SkipKind, Verdict};
use crate::run::{ConsoleLine, Ending, RunRecord, ScenarioRecord, StepRecord, Totals};
use std::collections::{BTreeMap, VecDeque};

/// How many console lines of a scenario that did not pass are kept.
const CONSOLE_TAIL: usize = 60;

/// The record of the run that began with `start` and went on with `events`.
pub(crate) fn fold<'a>(start: &RunStarted, events: impl Iterator<Item = &'a Event>) -> RunRecord {
    let mut folding = Folding::default();
    for event in events {
        folding.take(event);
    }
    folding.finish(start)
}

/// What has been seen so far.
#[derive(Default)]
struct Folding {
    last_at: u64,
    ending: Option<Ending>,
    retries: u64,
    notes: Vec<String>,
    inputs: Vec<InputFile>,
    scenarios: Vec<Open>,
    /// By board, the lines since its scenario began.
    console: BTreeMap<String, VecDeque<ConsoleLine>>,
}

/// A scenario that may still run.
struct Open {
    name: String,
    started: Option<(u64, ScenarioStarted)>,
    retries: u64,
    steps: Vec<OpenStep>,
    ended: Option<(u64, Option<String>, Outcome)>,
    console: Vec<ConsoleLine>,
}

struct OpenStep {
    at: u64,
    info: StepInfo,
    ended: Option<(u64, Outcome, Vec<Evidence>)>,
}

impl Folding {
    fn take(&mut self, event: &Event) {
        let at = event.at;
        self.last_at = self.last_at.max(at);
        match &event.kind {
            // A second start belongs to another run: it is not this record's.
            EventKind::RunStarted(_) => {}
            EventKind::Inputs { files } => self.inputs.extend_from_slice(files),
            EventKind::RunFinished { stopped } => {
                self.ending = Some(if *stopped {
                    Ending::Stopped
                } else {
                    Ending::Complete
                });
            }
            EventKind::ScenarioStarted(started) => {
                self.console.remove(&started.board);
                let mut open = Open::new(&started.scenario);
                open.started = Some((at, started.clone()));
                self.scenarios.push(open);
            }
            EventKind::ScenarioFinished {
                scenario,
                board,
                outcome,
            } => self.finish_scenario(at, scenario, board.as_ref(), outcome),
            EventKind::StepStarted { scenario, step } => {
                if let Some(open) = self.running(scenario) {
                    open.steps.push(OpenStep {
                        at,
                        info: step.clone(),
                        ended: None,
                    });
                }
            }
            EventKind::StepFinished {
                scenario,
                number,
                outcome,
                evidence,
            } => {
                let step = self.running(scenario).and_then(|open| {
                    open.steps
                        .iter_mut()
                        .find(|step| step.info.number == *number && step.ended.is_none())
                });
                if let Some(step) = step {
                    step.ended = Some((at, outcome.clone(), evidence.clone()));
                }
            }
            EventKind::Console { board, core, text } => {
                let lines = self.console.entry(board.clone()).or_default();
                if lines.len() == CONSOLE_TAIL {
                    lines.pop_front();
                }
                lines.push_back(ConsoleLine {
                    at_ms: at,
                    core: *core,
                    text: text.clone(),
                });
            }
            EventKind::Retry { board, .. } => {
                self.retries += 1;
                let open = self.scenarios.iter_mut().rev().find(|open| {
                    open.ended.is_none() && open.board().is_some_and(|name| name == board)
                });
                if let Some(open) = open {
                    open.retries += 1;
                }
            }
            EventKind::Note { board, text } => self.notes.push(match board {
                Some(board) => format!("{board}: {text}"),
                None => text.clone(),
            }),
            EventKind::Smp(_)
            | EventKind::LinkConnected(_)
            | EventKind::LinkEnded { .. }
            | EventKind::Power { .. }
            | EventKind::Button { .. }
            | EventKind::Probe { .. }
            | EventKind::Wear(_)
            | EventKind::Flash(_)
            | EventKind::Checked(_)
            | EventKind::Done(_)
            | EventKind::UploadProgress { .. } => {}
        }
    }

    fn running(&mut self, scenario: &str) -> Option<&mut Open> {
        self.scenarios
            .iter_mut()
            .rev()
            .find(|open| open.name == scenario && open.ended.is_none())
    }

    fn finish_scenario(
        &mut self,
        at: u64,
        scenario: &str,
        board: Option<&String>,
        outcome: &Outcome,
    ) {
        let tail = board
            .and_then(|board| self.console.get(board))
            .filter(|_| matches!(outcome.verdict(), Verdict::Fail | Verdict::Error))
            .map(|lines| lines.iter().cloned().collect())
            .unwrap_or_default();
        if self.running(scenario).is_none() {
            // Skipped without having begun.
            self.scenarios.push(Open::new(scenario));
        }
        if let Some(open) = self.running(scenario) {
            open.ended = Some((at, board.cloned(), outcome.clone()));
            open.console = tail;
        }
    }

    fn finish(mut self, start: &RunStarted) -> RunRecord {
        let ending = self.ending.unwrap_or(Ending::Killed);
        for planned in &start.planned {
            if !self.scenarios.iter().any(|open| open.name == *planned) {
                self.scenarios.push(Open::new(planned));
            }
        }
        let (last_at, console) = (self.last_at, self.console);
        let scenarios: Vec<_> = self
            .scenarios
            .into_iter()
            .map(|open| open.close(last_at, ending, &console))
            .map(|scenario| with_only_set(scenario, &start.firmware))
            .collect();
        let mut totals = Totals::default();
        for scenario in &scenarios {
            totals.count(scenario.outcome.verdict());
        }
        RunRecord {
            format: RunRecord::FORMAT,
            run: start.run.clone(),
            started: start.started,
            duration_ms: last_at,
            ending,
            tool: start.tool.clone(),
            rig: start.rig.clone(),
            firmware: start.firmware.clone(),
            inputs: self.inputs,
            totals,
            retries: self.retries,
            grids: Grid::all(&scenarios),
            scenarios,
            notes: self.notes,
        }
    }
}

/// A scenario that ran in a run with one firmware set ran with that one; older journals do not say it.
fn with_only_set(mut scenario: ScenarioRecord, sets: &[FirmwareInfo]) -> ScenarioRecord {
    if let [only] = sets
        && scenario.started_ms.is_some()
    {
        scenario.firmware.get_or_insert_with(|| only.clone());
    }
    scenario
}

impl Open {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            started: None,
            retries: 0,
            steps: Vec::new(),
            ended: None,
            console: Vec::new(),
        }
    }

    fn board(&self) -> Option<&str> {
        self.started
            .as_ref()
            .map(|(_, started)| started.board.as_str())
    }

    fn close(
        self,
        last_at: u64,
        ending: Ending,
        console: &BTreeMap<String, VecDeque<ConsoleLine>>,
    ) -> ScenarioRecord {
        let how = match ending {
            Ending::Killed => "was killed",
            Ending::Stopped | Ending::Complete => "ended",
        };
        let step_cause = if self.ended.is_some() {
            "the scenario ended during this step".to_owned()
        } else {
            format!("the run {how} during this step")
        };
        let board = self.board().map(str::to_owned);
        let (ended_at, board, outcome, tail) = match (self.ended, &self.started) {
            (Some((at, on, outcome)), _) => (at, on.or(board), outcome, self.console),
            (None, Some(_)) => {
                let step = match self.steps.last() {
                    Some(step) => format!("during step {} `{}`", step.info.number, step.info.name),
                    None => "before its first step".to_owned(),
                };
                let cause = format!("the run {how} {step}");
                let tail = board
                    .as_ref()
                    .and_then(|board| console.get(board))
                    .map(|lines| lines.iter().cloned().collect())
                    .unwrap_or_default();
                (
                    last_at,
                    board,
                    Outcome::error(ErrorKind::Interrupted, cause),
                    tail,
                )
            }
            (None, None) => {
                let cause = format!("the run {how} before its turn");
                (
                    last_at,
                    None,
                    Outcome::skip(SkipKind::NotReached, cause),
                    Vec::new(),
                )
            }
        };
        let (started_ms, started) = match self.started {
            Some((at, started)) => (Some(at), Some(started)),
            None => (None, None),
        };
        let (summary, file, requirements, known_issue, firmware) = started
            .map(|started| {
                (
                    started.summary,
                    started.file,
                    started.requirements,
                    started.known_issue,
                    started.firmware,
                )
            })
            .unwrap_or_default();
        ScenarioRecord {
            name: self.name,
            outcome,
            summary,
            file,
            requirements,
            known_issue,
            board,
            firmware,
            started_ms,
            duration_ms: started_ms.map_or(0, |at| ended_at.saturating_sub(at)),
            retries: self.retries,
            steps: self
                .steps
                .into_iter()
                .map(|step| step.close(ended_at, &step_cause))
                .collect(),
            console: tail,
        }
    }
}

impl OpenStep {
    fn close(self, scenario_ended: u64, cause: &str) -> StepRecord {
        let (ended_at, outcome, evidence) = self.ended.unwrap_or_else(|| {
            (
                scenario_ended,
                Outcome::error(ErrorKind::Interrupted, cause),
                Vec::new(),
            )
        });
        StepRecord {
            step: self.info,
            outcome,
            started_ms: self.at,
            duration_ms: ended_at.saturating_sub(self.at),
            evidence,
        }
    }
}
