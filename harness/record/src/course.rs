//! How the course of a run departs from one run of all scenarios on one bench: tried again, a part of a larger one, gone
//! on with, or put together of several.

use crate::event::{RigInfo, Tool};
use crate::night::Night;
use crate::outcome::{ErrorKind, Outcome};
use crate::run::{ConsoleLine, ScenarioRecord, StepRecord};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A departure, as an event.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "course", rename_all = "kebab-case")]
pub enum Course {
    /// A scenario variant that has just ended with trouble of the bench gets another turn. Verdicts on the firmware are
    /// never asked for again.
    Again(Again),
    /// The run is one of several that share the scenarios. Follows the start of the run.
    Shard(Shard),
    /// A run that was stopped or killed goes on.
    Resumed(Resumption),
    /// The run was put together; this is one that it was made of. Follows the start of the run.
    Part(Part),
    /// The run was a night: what it came to. Before the end of the run.
    Night(Night),
}

/// A scenario variant that gets another turn.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Again {
    /// Name of the variant.
    pub scenario: String,
    /// The board that it did not work on.
    pub board: String,
    /// Which attempt comes next; the first of all is 1, so this is at least 2.
    pub attempt: u32,
    /// How many attempts there will be at most.
    pub limit: u32,
}

/// Which part of all scenarios a run has.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Shard {
    /// Which shard, from 1.
    pub index: u32,
    /// How many there are.
    pub count: u32,
    /// How many scenario variants all shards have together.
    pub variants: u64,
    /// SHA-256 over which variant is in which shard, as hex digits: shards that differ in it were cut differently, and
    /// do not make a whole.
    pub cut: String,
}

/// When and with what a run went on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Resumption {
    /// When, UTC.
    pub resumed: Timestamp,
    /// In milliseconds since the start of the run.
    pub at_ms: u64,
    /// The program.
    pub tool: Tool,
    /// The bench, found anew.
    pub rig: RigInfo,
    /// The scenario variants that have their turn now. The record does not repeat them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// A run that another one was made of.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Part {
    /// Its identifier.
    pub run: String,
    /// Name of its rig.
    pub rig: String,
    /// SHA-256 of its manifest as hex digits, where it has one: which run exactly it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Which part of all scenarios it had, where it was a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// When it began, in milliseconds since the start of the run that it is now part of.
    pub started_ms: u64,
}

/// An attempt at a scenario variant that another one followed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Attempt {
    /// How it ended: never with a verdict on the firmware.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// When it began, in milliseconds since the start of the run.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How often something had to be tried again within it.
    #[serde(default)]
    pub retries: u64,
    /// Its steps that began, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// The last console lines of its board.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub console: Vec<ConsoleLine>,
}

impl Attempt {
    /// What was a record until it was tried again, and the attempts before it.
    pub(crate) fn from_record(record: ScenarioRecord) -> Vec<Self> {
        let ScenarioRecord {
            outcome,
            board,
            started_ms,
            duration_ms,
            retries,
            steps,
            console,
            mut earlier,
            ..
        } = record;
        earlier.push(Self {
            outcome,
            board,
            started_ms: started_ms.unwrap_or_default(),
            duration_ms,
            retries,
            steps,
            console,
        });
        earlier
    }

    /// Whether the bench failed, as opposed to somebody who stopped the run.
    #[must_use]
    pub const fn is_bench_trouble(&self) -> bool {
        !matches!(
            self.outcome,
            Outcome::Error {
                kind: ErrorKind::Interrupted,
                ..
            }
        )
    }

    /// The step at which it ended.
    #[must_use]
    pub fn last_bad_step(&self) -> Option<&StepRecord> {
        bad_step(&self.steps)
    }
}

/// The last step that failed, or that the bench failed in.
pub(crate) fn bad_step(steps: &[StepRecord]) -> Option<&StepRecord> {
    use crate::outcome::Verdict::{Error, Fail};
    let mut steps = steps.iter().rev();
    steps.find(|step| matches!(step.outcome.verdict(), Fail | Error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind};

    /// Events are flat: a field of a departure must not be called as one of the event.
    #[test]
    fn every_departure_reads_back_from_the_line_of_an_event() {
        let shard = Shard {
            index: 1,
            count: 2,
            variants: 3,
            cut: "ab".to_owned(),
        };
        let tool = Tool {
            name: "dfu-hil".to_owned(),
            version: "0.1.0".to_owned(),
            commit: None,
        };
        let rig = RigInfo {
            name: "rack".to_owned(),
            boards: Vec::new(),
        };
        let resumption = Resumption {
            resumed: Timestamp::UNIX_EPOCH,
            at_ms: 5,
            tool,
            rig,
            left: vec!["a".to_owned()],
        };
        let part = Part {
            run: "one".to_owned(),
            rig: "rack".to_owned(),
            manifest: None,
            shard: Some(shard.clone()),
            started_ms: 7,
        };
        let all = [
            Course::Shard(shard),
            Course::Resumed(resumption),
            Course::Part(part),
            Course::Night(Night {
                budget_ms: 1,
                coverage: Vec::new(),
            }),
        ];
        for course in all {
            let event = Event {
                seq: 1,
                at: 2,
                kind: EventKind::Course(course),
            };
            let line = serde_json::to_string(&event).unwrap();
            assert_eq!(
                serde_json::from_str::<Event>(&line).unwrap(),
                event,
                "{line}"
            );
        }
    }

    #[test]
    fn a_departure_is_one_flat_json_object() {
        let event = EventKind::Course(Course::Again(Again {
            scenario: "app-update[uart]".to_owned(),
            board: "dk1".to_owned(),
            attempt: 2,
            limit: 3,
        }));
        let json = serde_json::to_string(&event).unwrap();
        insta::assert_snapshot!(json, @r#"{"type":"course","course":"again","scenario":"app-update[uart]","board":"dk1","attempt":2,"limit":3}"#);
        assert_eq!(serde_json::from_str::<EventKind>(&json).unwrap(), event);
    }
}
