//! Makes the record of a run by going once through its events.

use crate::course::{Attempt, Course, Part, Resumption, Shard};
use crate::event::{
    Event, EventKind, Evidence, FirmwareInfo, InputFile, RigInfo, RunStarted, ScenarioStarted,
    StepInfo,
};
use crate::grid::Grid;
use crate::health::Healths;
use crate::night::Night;
use crate::outcome::{ErrorKind, Outcome, SkipKind, Verdict};
use crate::run::{ConsoleLine, Ending, RunRecord, ScenarioRecord, StepRecord, Totals};
use crate::wear::Worn;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    shard: Option<Shard>,
    resumed: Vec<Resumption>,
    parts: Vec<Part>,
    night: Option<Night>,
    worn: Worn,
    healths: Healths,
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
    /// It gets another turn, if there is time for it.
    again: bool,
    earlier: Vec<Attempt>,
}

struct OpenStep {
    at: u64,
    info: StepInfo,
    ended: Option<(u64, Outcome, Vec<Evidence>)>,
}

impl Folding {
    fn take(&mut self, event: &Event) {
        let at = event.at;
        let before = self.last_at;
        self.last_at = before.max(at);
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
                self.start(open);
            }
            EventKind::ScenarioFinished {
                scenario,
                board,
                outcome,
            } => self.finish_scenario(at, scenario, board.as_ref(), outcome),
            EventKind::Course(course) => self.depart(before, course),
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
            EventKind::Console {
                board,
                core,
                source,
                text,
            } => {
                let lines = self.console.entry(board.clone()).or_default();
                if lines.len() == CONSOLE_TAIL {
                    lines.pop_front();
                }
                lines.push_back(ConsoleLine {
                    at_ms: at,
                    core: *core,
                    source: *source,
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
            EventKind::Wear(wear) => self.worn.take(wear),
            EventKind::Health(health) => self.healths.take(health),
            EventKind::Note { board, text } => self.notes.push(match board {
                Some(board) => format!("{board}: {text}"),
                None => text.clone(),
            }),
            EventKind::Smp(_)
            | EventKind::TransportFault(_)
            | EventKind::LinkConnected(_)
            | EventKind::LinkEnded { .. }
            | EventKind::Power { .. }
            | EventKind::Button { .. }
            | EventKind::Probe { .. }
            | EventKind::SweepPlanned(_)
            | EventKind::SweepPoint(_)
            | EventKind::SweepFinished(_)
            | EventKind::Flash(_)
            | EventKind::Checked(_)
            | EventKind::Done(_)
            | EventKind::UploadProgress { .. } => {}
        }
    }

    /// A scenario begins: in the place of an attempt before it, if there was one.
    fn start(&mut self, mut open: Open) {
        let before = self
            .scenarios
            .iter()
            .rposition(|before| before.name == open.name && before.again);
        match before {
            Some(place) => {
                let before = std::mem::replace(&mut self.scenarios[place], Open::new(""));
                let ended = before.close(self.last_at, Ending::Killed, &self.console);
                open.earlier = Attempt::from_record(ended);
                self.scenarios[place] = open;
            }
            None => self.scenarios.push(open),
        }
    }

    fn depart(&mut self, before: u64, course: &Course) {
        match course {
            Course::Again(again) => {
                self.retries += 1;
                let mut scenarios = self.scenarios.iter_mut().rev();
                if let Some(open) = scenarios.find(|open| open.name == again.scenario) {
                    open.again = true;
                }
            }
            Course::Shard(shard) => self.shard = Some(shard.clone()),
            Course::Part(part) => self.parts.push(part.clone()),
            Course::Night(night) => match &mut self.night {
                Some(whole) => whole.and(night),
                None => self.night = Some(night.clone()),
            },
            Course::Resumed(resumption) => self.resume(before, resumption),
        }
    }

    /// What was running or had no turn when the run was stopped, `before`, has its turn now.
    fn resume(&mut self, before: u64, resumption: &Resumption) {
        let ending = self.ending.take().unwrap_or(Ending::Killed);
        self.resumed.push(Resumption {
            left: Vec::new(),
            ..resumption.clone()
        });
        let left: BTreeSet<&str> = resumption.left.iter().map(String::as_str).collect();
        let has_turn = |open: &Open| left.contains(open.name.as_str());
        self.scenarios
            .retain(|open| !(has_turn(open) && open.had_no_turn()));
        for open in self.scenarios.iter_mut().filter(|open| has_turn(open)) {
            match &open.ended {
                None => {
                    let cause = open.interrupted(ending);
                    open.ended =
                        Some((before, None, Outcome::error(ErrorKind::Interrupted, cause)));
                    open.again = true;
                }
                Some((_, _, Outcome::Error { kind, .. })) => {
                    open.again |= *kind == ErrorKind::Interrupted;
                }
                Some(_) => {}
            }
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

    /// The bench with the boards that were found when the run went on.
    fn rig(&self, start: &RunStarted) -> RigInfo {
        let mut rig = start.rig.clone();
        for board in self.resumed.iter().flat_map(|resumed| &resumed.rig.boards) {
            if !rig.boards.iter().any(|known| known.is_same(board)) {
                rig.boards.push(board.clone());
            }
        }
        rig
    }

    fn finish(mut self, start: &RunStarted) -> RunRecord {
        let ending = self.ending.unwrap_or(Ending::Killed);
        let rig = self.rig(start);
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
            totals.flaky += u64::from(scenario.is_flaky());
        }
        RunRecord {
            format: RunRecord::FORMAT,
            run: start.run.clone(),
            started: start.started,
            duration_ms: last_at,
            ending,
            tool: start.tool.clone(),
            rig,
            firmware: start.firmware.clone(),
            inputs: self.inputs,
            shard: self.shard,
            resumed: self.resumed,
            parts: self.parts,
            night: self.night,
            totals,
            retries: self.retries,
            grids: Grid::all(&scenarios),
            wear: self.worn.finish(),
            health: self.healths.finish(),
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
            again: false,
            earlier: Vec::new(),
        }
    }

    /// It never began, and a run that goes on can let it.
    fn had_no_turn(&self) -> bool {
        let kind = match &self.ended {
            Some((_, _, Outcome::Skip { kind, .. })) => *kind,
            Some(_) | None => return false,
        };
        self.started.is_none() && matches!(kind, SkipKind::NotReached | SkipKind::Blocked)
    }

    /// That the run ended in the middle of it.
    fn interrupted(&self, ending: Ending) -> String {
        let how = how(ending);
        match self.steps.last() {
            Some(step) => {
                let (number, name) = (step.info.number, &step.info.name);
                format!("the run {how} during step {number} `{name}`")
            }
            None => format!("the run {how} before its first step"),
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
        let how = how(ending);
        let interrupted = self.interrupted(ending);
        let step_cause = if self.ended.is_some() {
            "the scenario ended during this step".to_owned()
        } else {
            format!("the run {how} during this step")
        };
        let board = self.board().map(str::to_owned);
        let (ended_at, board, outcome, tail) = match (self.ended, &self.started) {
            (Some((at, on, outcome)), _) => (at, on.or(board), outcome, self.console),
            (None, Some(_)) => {
                let tail = board
                    .as_ref()
                    .and_then(|board| console.get(board))
                    .map(|lines| lines.iter().cloned().collect())
                    .unwrap_or_default();
                (
                    last_at,
                    board,
                    Outcome::error(ErrorKind::Interrupted, interrupted),
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
            earlier: self.earlier,
        }
    }
}

/// How a run ended, in the middle of a sentence.
const fn how(ending: Ending) -> &'static str {
    match ending {
        Ending::Killed => "was killed",
        Ending::Stopped | Ending::Complete => "ended",
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
