//! Makes the verdicts of a run again from what it left behind, without a board.
//!
//! The journal tells what was done to each board and what each check saw; the evidence store has the pages of flash, the
//! scenario files and the files of the firmware sets. The comparisons are those that the steps make, from the same
//! functions. What only a board can tell (that nothing was answered in time, that a request was carried out) is taken from the
//! journal, and so is what rests on a secret that is not given: the result says how much that was.

mod board;
mod flash;
mod inputs;
mod judge;
mod points;
mod required;
mod sweep;

use board::Boards;
use hil_record::{
    Check, Course, Done, Event, EventKind, Evidence, FailKind, InputFile, Objects, Outcome,
    ScenarioStarted, StepInfo, Verdict,
};
use hil_scenario::Step;
use inputs::Inputs;
use std::collections::BTreeMap;
use std::path::Path;

/// What verdicts are made from again.
#[derive(Clone, Copy, Debug)]
pub struct ReplayRequest<'a> {
    /// The folder of the run.
    pub run: &'a Path,
    /// Its journal.
    pub events: &'a [Event],
    /// What it was made from.
    pub inputs: &'a [InputFile],
    /// The private key that images are encrypted for: without it, what was decrypted on a board is compared by its hash
    /// only, and flash cannot be predicted where a bootloader decrypts.
    pub decryption_key: Option<&'a Path>,
}

/// A scenario whose verdicts were made again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScenarioReplay {
    /// Name of the variant.
    pub scenario: String,
    /// Its steps that ended, in order.
    pub steps: Vec<StepReplay>,
}

/// A step whose verdict was made again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StepReplay {
    /// Which.
    pub step: StepInfo,
    /// What the journal says.
    pub verdict: Verdict,
    /// How many comparisons were made again.
    pub remade: usize,
    /// Comparisons that cannot be made again, and why.
    pub open: Vec<String>,
    /// Where the evidence says something else than the journal: sentences.
    pub contradictions: Vec<String>,
}

impl Judged {
    /// The same, and where it was met.
    fn at(self, place: &str) -> Self {
        let told = |words: String| format!("{place}: {words}");
        match self {
            Self::Holds => Self::Holds,
            Self::Fails(cause) => Self::Fails(told(cause)),
            // Reasons are counted, and are the same at each place.
            Self::Open(why) => Self::Open(why),
            Self::Broken(what) => Self::Broken(told(what)),
        }
    }
}

impl ScenarioReplay {
    /// How many comparisons of all steps were made again.
    #[must_use]
    pub fn remade(&self) -> usize {
        self.steps.iter().map(|step| step.remade).sum()
    }
}

/// What came of one comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Judged {
    /// What was found is what had to be.
    Holds,
    /// It is not.
    Fails(String),
    /// It cannot be compared without what is not in the evidence.
    Open(String),
    /// The evidence is not what it was.
    Broken(String),
}

/// Makes all verdicts again that the journal has.
#[must_use]
pub fn replay(request: &ReplayRequest<'_>) -> Vec<ScenarioReplay> {
    let objects = Objects::of_run(request.run);
    let mut inputs = Inputs::new(request, &objects);
    let mut boards = Boards::new(request.events);
    let mut open: BTreeMap<&str, Open<'_>> = BTreeMap::new();
    let mut done = Vec::new();
    for event in request.events {
        match &event.kind {
            EventKind::Console {
                board,
                core,
                source,
                ..
            } => boards.printed(board, *core, *source),
            EventKind::Course(Course::Resumed(resumed)) => {
                boards.resumed(resumed.rig.boards.iter().map(|board| board.name.as_str()));
            }
            EventKind::ScenarioStarted(started) => {
                boards.begin(&started.board);
                open.insert(&started.scenario, Open::new(started));
            }
            EventKind::StepStarted { scenario, step } => {
                if let Some(open) = open.get_mut(scenario.as_str()) {
                    open.step = Some(OpenStep::new(step));
                }
            }
            EventKind::Done(what) => {
                let mut running = open
                    .values_mut()
                    .find(|open| open.started.board == what.board);
                if let Some(running) = &mut running {
                    running.programmed |= matches!(what.what, Done::Programmed { .. });
                }
                let set = running.and_then(|open| open.started.firmware.as_ref());
                if let Err(problem) = boards.take(event, what, set, &mut inputs) {
                    let step = open
                        .values_mut()
                        .find(|open| open.started.board == what.board)
                        .and_then(|open| open.step.as_mut());
                    if let Some(step) = step {
                        step.judged.push(problem);
                    }
                }
            }
            EventKind::Checked(made) => {
                if let Some(open) = open.get_mut(made.scenario.as_str()) {
                    open.check(&made.check, &boards, &mut inputs);
                }
            }
            EventKind::SweepPlanned(plan) => {
                if let Some(step) = open
                    .get_mut(plan.scenario.as_str())
                    .and_then(|open| open.step.as_mut())
                {
                    step.sweep.planned(plan);
                }
            }
            EventKind::SweepPoint(point) => {
                if let Some(step) = open
                    .get_mut(point.scenario.as_str())
                    .and_then(|open| open.step.as_mut())
                {
                    step.sweep.told(point);
                }
            }
            EventKind::StepFinished {
                scenario,
                outcome,
                evidence,
                ..
            } => {
                if let Some(open) = open.get_mut(scenario.as_str()) {
                    open.end_step(outcome, evidence, &mut inputs);
                }
            }
            EventKind::ScenarioFinished { scenario, .. } => {
                if let Some(open) = open.remove(scenario.as_str()) {
                    done.push(open.end(&mut inputs));
                }
            }
            _ => {}
        }
    }
    // A run that was killed has scenarios that did not end.
    done.extend(open.into_values().map(|open| ScenarioReplay {
        scenario: open.started.scenario.clone(),
        steps: open.steps,
    }));
    done
}

/// A scenario that goes on.
struct Open<'a> {
    started: &'a ScenarioStarted,
    step: Option<OpenStep<'a>>,
    steps: Vec<StepReplay>,
    /// A step has programmed the board: without that, nothing can be as programmed.
    programmed: bool,
}

struct OpenStep<'a> {
    info: &'a StepInfo,
    checks: Vec<&'a Check>,
    judged: Vec<Judged>,
    /// What there is of its sweep, if it is one.
    sweep: sweep::Story<'a>,
}

impl<'a> OpenStep<'a> {
    fn new(info: &'a StepInfo) -> Self {
        Self {
            info,
            checks: Vec::new(),
            judged: Vec::new(),
            sweep: sweep::Story::default(),
        }
    }
}

impl<'a> Open<'a> {
    fn new(started: &'a ScenarioStarted) -> Self {
        Self {
            started,
            step: None,
            steps: Vec::new(),
            programmed: false,
        }
    }

    fn check(&mut self, check: &'a Check, boards: &Boards, inputs: &mut Inputs<'_>) {
        let Some(step) = &mut self.step else {
            return;
        };
        let planned = inputs.planned(self.started, step.info);
        let objects = inputs.objects();
        let judged = match inputs.firmware(self.started.firmware.as_ref()) {
            Err(problem) => Judged::Broken(problem.to_owned()),
            Ok(firmware) => {
                let judging = judge::Judging {
                    check,
                    firmware,
                    board: boards.get(&self.started.board),
                    objects,
                    planned: planned.as_ref(),
                };
                let sweeps = planned.as_ref().is_some_and(|of| is_sweep(&of.step));
                if sweeps && step.sweep.take(check, &judging) {
                    return;
                }
                judge::judge(&judging)
            }
        };
        step.checks.push(check);
        step.judged.push(judged);
    }

    fn end_step(&mut self, outcome: &Outcome, evidence: &[Evidence], inputs: &mut Inputs<'_>) {
        let Some(mut step) = self.step.take() else {
            return;
        };
        let verdict = outcome.verdict();
        let planned = inputs.planned(self.started, step.info);
        if let Some(Step::Sweep(sweep)) = planned.as_ref().map(|planned| &planned.step) {
            let objects = inputs.objects();
            let told = sweep::Told {
                passed: verdict == Verdict::Pass,
                cut_points: evidence
                    .iter()
                    .find(|evidence| evidence.what == Evidence::CUT_POINTS)
                    .map(|evidence| evidence.found.clone()),
            };
            match inputs.firmware(self.started.firmware.as_ref()) {
                Err(problem) => step.judged.push(Judged::Broken(problem.to_owned())),
                Ok(firmware) => {
                    let judged = step.sweep.judge(firmware, objects, sweep, &told);
                    step.judged.extend(judged);
                }
            }
        }
        let mut replayed = StepReplay {
            step: step.info.clone(),
            verdict,
            remade: 0,
            open: Vec::new(),
            contradictions: Vec::new(),
        };
        let mut failed = false;
        for judged in step.judged {
            match judged {
                Judged::Holds => replayed.remade += 1,
                Judged::Fails(cause) => {
                    replayed.remade += 1;
                    failed = true;
                    if verdict == Verdict::Pass {
                        let words = format!("it passed, but {cause}");
                        replayed.contradictions.push(words);
                    }
                }
                Judged::Open(why) => replayed.open.push(why),
                Judged::Broken(what) => replayed.contradictions.push(what),
            }
        }
        if verdict == Verdict::Pass {
            let missing = match &planned {
                Some(planned) => required::missing(&planned.step, &step.checks),
                None if step.info.line.is_none() && self.programmed => {
                    required::missing_of_standing_check(&step.info.name, &step.checks)
                }
                None => None,
            };
            if let Some(missing) = missing {
                let words = format!("it passed, but the journal has no look at {missing}");
                replayed.contradictions.push(words);
            }
        }
        let compares = step.info.line.is_none()
            || planned.is_some_and(|planned| required::is_comparison(&planned.step));
        if let Outcome::Fail { kind, .. } = outcome
            && compares
            && rests_on_comparisons(*kind)
            && replayed.remade > 0
            && !failed
            && replayed.open.is_empty()
            && replayed.contradictions.is_empty()
        {
            let words = "it failed, but everything that it compared agrees".to_owned();
            replayed.contradictions.push(words);
        }
        self.steps.push(replayed);
    }

    fn end(mut self, inputs: &mut Inputs<'_>) -> ScenarioReplay {
        if let Some(problem) = inputs.other_steps(self.started, &self.steps)
            && let Some(last) = self.steps.last_mut()
        {
            last.contradictions.push(problem);
        }
        ScenarioReplay {
            scenario: self.started.scenario.clone(),
            steps: self.steps,
        }
    }
}

/// Whether a step interrupts a start again and again.
const fn is_sweep(step: &Step) -> bool {
    matches!(step, Step::Sweep(_))
}

/// Whether a failure of this kind is what a comparison found, and not that something did not come in time.
const fn rests_on_comparisons(kind: FailKind) -> bool {
    matches!(
        kind,
        FailKind::WrongImage
            | FailKind::WrongBootState
            | FailKind::SlotContents
            | FailKind::PlainText
            | FailKind::ImageState
            | FailKind::Console
            | FailKind::StandingCheck
    )
}
