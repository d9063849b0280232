//! The record of a run, made from its events and from nothing else.
//!
//! The same function makes it at the end of a run and from the journal of a run that was killed. What was running
//! then is an error of the bench, what had not begun is a skip; neither is ever a pass.

use crate::course::{Attempt, Part, Resumption, Shard, bad_step};
use crate::event::{
    ConsoleSource, CoreName, Event, EventKind, Evidence, FirmwareInfo, InputFile, RigInfo,
    StepInfo, Tool, one_or_more,
};
use crate::fold::fold;
use crate::grid::Grid;
use crate::health::HealthRecord;
use crate::night::Night;
use crate::outcome::{Outcome, SkipKind, Verdict};
use crate::wear::WearRecord;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known about a run: the contents of `result.json`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RunRecord {
    /// Version of this format, [`RunRecord::FORMAT`]. It grows when a reader of the older one would misread the
    /// newer one; keys may be added without that.
    pub format: u32,
    /// Identifier of the run.
    pub run: String,
    /// When it began, UTC.
    pub started: Timestamp,
    /// How long it took, in milliseconds, up to its last event.
    pub duration_ms: u64,
    /// How it ended.
    pub ending: Ending,
    /// What ran it.
    pub tool: Tool,
    /// On what.
    pub rig: RigInfo,
    /// What was under test: all firmware sets. In format 1 it is one, which is no list.
    #[serde(deserialize_with = "one_or_more")]
    pub firmware: Vec<FirmwareInfo>,
    /// The files that it was made from. Older journals do not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputFile>,
    /// Which part of all scenarios it has, where several runs share them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// When it went on after it had been stopped or killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
    /// The runs that it was made of, where it was put together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What it came to besides, where it was a night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<Night>,
    /// How many scenario variants ended how.
    pub totals: Totals,
    /// How often something had to be tried again.
    pub retries: u64,
    /// The scenario variants in the order in which they began, then those that never did.
    pub scenarios: Vec<ScenarioRecord>,
    /// Updates from every release to every other one, where a scenario tried them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grids: Vec<Grid>,
    /// How often pages of the boards' flash were erased, by board; none of boards that ran nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wear: Vec<WearRecord>,
    /// What became of boards that made trouble, by board; none of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<HealthRecord>,
    /// What a reader should know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl RunRecord {
    /// What the run comes to. Scenarios that had no board because some are in quarantine could not be decided, whatever
    /// became of the others.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let blocked = |scenario: &ScenarioRecord| {
            let blocked = matches!(
                scenario.outcome,
                Outcome::Skip {
                    kind: SkipKind::Blocked,
                    ..
                }
            );
            blocked && scenario.started_ms.is_none()
        };
        let quarantine = self.health.iter().any(|board| board.quarantine.is_some());
        match self.totals.verdict() {
            Verdict::Pass | Verdict::Skip if quarantine && self.scenarios.iter().any(blocked) => {
                Verdict::Error
            }
            verdict => verdict,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// All scenarios had their turn.
    Complete,
    /// Somebody stopped it in good order.
    Stopped,
    /// It was killed: the journal has no end.
    Killed,
}

/// How many scenario variants ended how.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Totals {
    /// Every check ran and agreed.
    pub pass: u64,
    /// The firmware did something other than it must.
    pub fail: u64,
    /// The bench could not find out.
    pub error: u64,
    /// Not run.
    pub skip: u64,
    /// Of those that passed, how many did so only when they were tried again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flaky: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Totals {
    pub(crate) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Fail => self.fail += 1,
            Verdict::Error => self.error += 1,
            Verdict::Skip => self.skip += 1,
        }
    }

    /// How many there were.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.pass + self.fail + self.error + self.skip
    }

    /// The verdict on the whole: a failure before an error before a pass. Without anything that ran it is a skip:
    /// nothing ran is never a pass.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        if self.fail > 0 {
            Verdict::Fail
        } else if self.error > 0 {
            Verdict::Error
        } else if self.pass > 0 {
            Verdict::Pass
        } else {
            Verdict::Skip
        }
    }
}

/// What is known about a scenario variant.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ScenarioRecord {
    /// Its name, such as `encrypted-app[uart]`.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it shows; empty when it never began.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The file it is in; empty when it never began.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The requirements that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// The defect of released firmware that it shows to be there when it passes, such as `mcuboot#1966, fixed in SDK 3.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_issue: Option<String>,
    /// The board it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// The firmware set it ran with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<FirmwareInfo>,
    /// When it began, in milliseconds since the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How often something had to be tried again.
    #[serde(default)]
    pub retries: u64,
    /// Its steps that began, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// The last console lines of its board, when it did not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub console: Vec<ConsoleLine>,
    /// The attempts before this one, in order: trouble of the bench, or the run was stopped during them. All else is of the
    /// last attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Attempt>,
}

impl ScenarioRecord {
    /// The step at which it ended, when it did not pass.
    #[must_use]
    pub fn last_bad_step(&self) -> Option<&StepRecord> {
        bad_step(&self.steps)
    }

    /// Whether it passed only when it was tried again, after trouble of the bench.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.outcome == Outcome::Pass && self.earlier.iter().any(Attempt::is_bench_trouble)
    }
}

/// What is known about a step.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct StepRecord {
    /// Which step.
    #[serde(flatten)]
    pub step: StepInfo,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// When it began, in milliseconds since the start of the run.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// A line that a core printed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ConsoleLine {
    /// When, in milliseconds since the start of the run.
    pub at_ms: u64,
    /// Which core.
    pub core: CoreName,
    /// By which way it came.
    #[serde(default, skip_serializing_if = "ConsoleSource::is_uart")]
    pub source: ConsoleSource,
    /// The line without its end.
    pub text: String,
}

impl ConsoleLine {
    /// Who printed it: `app`, `net`, or `app RTT`.
    #[must_use]
    pub fn whose(&self) -> String {
        match self.source {
            ConsoleSource::Uart => self.core.to_string(),
            ConsoleSource::Rtt => format!("{} RTT", self.core),
        }
    }
}

/// Why events are not those of a run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The run did not get as far as its first event.
    #[error("the events do not begin with the start of a run")]
    NoStart,
}

impl RunRecord {
    /// The version of the format that is written.
    pub const FORMAT: u32 = 2;

    /// The published JSON Schema of `result.json`.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(Self);
        schema.insert("title".to_owned(), "result.json of dfu-hil".into());
        schema.to_value()
    }

    /// Makes the record of a run from its events.
    ///
    /// # Errors
    ///
    /// The first event is not the start of a run.
    pub fn from_events<'a>(
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, RecordError> {
        let mut events = events.into_iter();
        let Some(Event {
            kind: EventKind::RunStarted(start),
            ..
        }) = events.next()
        else {
            return Err(RecordError::NoStart);
        };
        Ok(fold(start, events))
    }
}
