//! One scenario on one board: its steps, the standing checks, and one verdict.
//!
//! The first step or check that does not pass is the cause; everything behind it is blocked, and says so.

use crate::bench::Bench;
use crate::context::Context;
use crate::events::Events;
use crate::firmware::Firmware;
use crate::plan::Job;
use crate::trouble::{Checked, Trouble};
use crate::{snapshot, standing, step};
use hil_record::{
    ErrorKind, EventKind, Evidence, Outcome, ScenarioStarted, SkipKind, StepInfo, Verdict,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Runs a job and leaves the board as it was found, whatever happened. The board can be used for another job when this
/// returns `Usable`.
pub(crate) fn run(
    bench: &mut Bench,
    firmware: &Firmware,
    job: &Job,
    limit: Duration,
) -> (Outcome, Condition) {
    let events = bench.events.clone();
    events.emit(EventKind::ScenarioStarted(ScenarioStarted {
        scenario: job.variant.name.clone(),
        summary: job.summary.clone(),
        file: job.file.clone(),
        requirements: job.requirements.clone(),
        known_issue: job.known_issue.clone(),
        board: bench.name.clone(),
        firmware: Some(firmware.info()),
    }));
    if let Some(trouble) = bench.wear.over_budget(&bench.name) {
        let outcome = trouble.into_outcome();
        let cause = outcome.cause().unwrap_or_default().to_owned();
        events.emit(EventKind::ScenarioFinished {
            scenario: job.variant.name.clone(),
            board: Some(bench.name.clone()),
            outcome: outcome.clone(),
        });
        return (outcome, Condition::Worn { cause });
    }
    bench.begins();
    // The bench is only put back after a panic, which works on whatever state it is in.
    let ran = catch_unwind(AssertUnwindSafe(|| {
        // Waiting for others is not part of the scenario's time.
        match bench.reserve(&job.variant.transports(), limit) {
            Ok(()) => {
                Sequence::new(&events, job).run(&mut Context::new(bench, firmware, job, limit))
            }
            Err(trouble) => trouble.into_outcome(),
        }
    }));
    let mut outcome = ran.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Outcome::error(
            ErrorKind::Harness,
            format!("the harness made a mistake: {message}"),
        )
        .with_help("please report it, with the journal of the run")
    });

    let put_back = catch_unwind(AssertUnwindSafe(|| bench.put_back())).unwrap_or_else(|_| {
        Err(Trouble::error(
            ErrorKind::Harness,
            "the harness made a mistake while it put the board back",
        ))
    });
    let condition = match put_back {
        Ok(()) => Condition::Usable,
        Err(trouble) => {
            let trouble = trouble.into_outcome();
            let cause = trouble.cause().unwrap_or_default().to_owned();
            events.note(
                Some(&bench.name),
                format!("the board could not be left as it was found: {cause}"),
            );
            if outcome == Outcome::Pass {
                outcome = trouble;
            }
            Condition::Broken { cause }
        }
    };
    bench.wear.settle(&events, &bench.name);
    events.emit(EventKind::ScenarioFinished {
        scenario: job.variant.name.clone(),
        board: Some(bench.name.clone()),
        outcome: outcome.clone(),
    });
    (outcome, condition)
}

/// What a step came to, unless the bench shows that nothing can be said. Trouble of the bench stays what it is.
fn doubted(context: &Context<'_>, outcome: Outcome) -> Outcome {
    let failed = match outcome.verdict() {
        Verdict::Pass => false,
        Verdict::Fail => true,
        Verdict::Error | Verdict::Skip => return outcome,
    };
    let Some(doubt) = context.bench.doubt(failed) else {
        return outcome;
    };
    match outcome.cause() {
        Some(cause) => doubt.adding(&format!("the step found: {cause}")),
        None => doubt,
    }
    .into_outcome()
}

/// Whether a board can run another job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Usable,
    /// It could not be left as it was found.
    Broken {
        cause: String,
    },
    /// Its flash was erased as often as its rig file allows. Nothing helps.
    Worn {
        cause: String,
    },
}

/// The steps of a job and the checks behind them, as one sequence that stops at the first trouble.
struct Sequence<'a> {
    events: &'a Events,
    job: &'a Job,
    number: u32,
    outcome: Outcome,
    /// Where the outcome was decided.
    decided_at: Option<u32>,
}

impl<'a> Sequence<'a> {
    fn new(events: &'a Events, job: &'a Job) -> Self {
        Self {
            events,
            job,
            number: 0,
            outcome: Outcome::Pass,
            decided_at: None,
        }
    }

    fn run(mut self, context: &mut Context<'_>) -> Outcome {
        for planned in &self.job.variant.steps {
            let info = StepInfo {
                number: planned.number,
                name: planned.step.name().to_owned(),
                text: planned.step.to_string(),
                line: Some(planned.line),
            };
            self.one(context, info, |context| {
                step::run(context, &planned.step).map_err(Trouble::of_a_step)
            });
        }
        for check in standing::CHECKS {
            let info = StepInfo {
                number: self.number + 1,
                name: standing::name(check).to_owned(),
                text: standing::text(check).to_owned(),
                line: None,
            };
            match self.job.waived.get(&check) {
                None => self.one(context, info, |context| {
                    standing::run(context, check, &self.job.waived)
                }),
                Some(reason) => {
                    let waived = format!("waived by the scenario: {reason}");
                    self.skip(info, Outcome::skip(SkipKind::Blocked, waived));
                }
            }
        }
        snapshot::at_the_end(context, &self.outcome);
        self.outcome
    }

    fn one(
        &mut self,
        context: &mut Context<'_>,
        info: StepInfo,
        work: impl FnOnce(&mut Context<'_>) -> Checked,
    ) {
        if let Some(decided_at) = self.decided_at {
            let blocked = format!("step {decided_at} did not pass");
            self.skip(info, Outcome::skip(SkipKind::Blocked, blocked));
            return;
        }
        self.number = info.number;
        context.step = info.number;
        self.started(info);
        let result = if context.cancel.is_cancelled() {
            Err(Trouble::Cancelled)
        } else {
            context.in_time().and_then(|()| work(context))
        };
        let outcome = match result {
            Ok(()) => Outcome::Pass,
            Err(trouble) => trouble.into_outcome(),
        };
        let outcome = doubted(context, outcome);
        if !matches!(outcome, Outcome::Pass | Outcome::Skip { .. }) {
            self.outcome = outcome.clone();
            self.decided_at = Some(self.number);
        }
        self.finished(outcome, context.take_evidence());
    }

    fn skip(&mut self, info: StepInfo, outcome: Outcome) {
        self.number = info.number;
        self.started(info);
        self.finished(outcome, Vec::new());
    }

    fn started(&self, step: StepInfo) {
        self.events.emit(EventKind::StepStarted {
            scenario: self.job.variant.name.clone(),
            step,
        });
    }

    fn finished(&self, outcome: Outcome, evidence: Vec<Evidence>) {
        self.events.emit(EventKind::StepFinished {
            scenario: self.job.variant.name.clone(),
            number: self.number,
            outcome,
            evidence,
        });
    }
}
