//! The health of boards: what was tried to bring one back, and which of them get no scenarios any more.
//!
//! None of it says anything of firmware. Once a board has made trouble it is not believed until a scenario that is known to
//! work, the canary, has passed on it; what became of that is in the record, so that a night with half a rack does not look
//! like a night with all of it.

use crate::outcome::{Outcome, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What happened to the health of a board, as an event.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "health", rename_all = "kebab-case")]
pub enum Health {
    /// The bench failed on it, and this was tried to bring it back.
    Tried {
        /// Name of the board.
        board: String,
        /// What was tried.
        #[serde(flatten)]
        attempt: Rescue,
    },
    /// It gets no scenarios until a canary has passed on it.
    Quarantined {
        /// Name of the board.
        board: String,
        /// Why, in one sentence.
        #[serde(flatten)]
        quarantine: Quarantine,
    },
    /// A canary has ended on it. It is none of the run's scenarios.
    Canary {
        /// Name of the board.
        board: String,
        /// How it ended.
        #[serde(flatten)]
        canary: Canary,
    },
    /// It gets scenarios again.
    Released {
        /// Name of the board.
        board: String,
    },
}

impl Health {
    /// The board that it is about.
    #[must_use]
    pub fn board(&self) -> &str {
        match self {
            Self::Tried { board, .. }
            | Self::Quarantined { board, .. }
            | Self::Canary { board, .. }
            | Self::Released { board } => board,
        }
    }

    pub(crate) fn board_mut(&mut self) -> &mut String {
        match self {
            Self::Tried { board, .. }
            | Self::Quarantined { board, .. }
            | Self::Canary { board, .. }
            | Self::Released { board } => board,
        }
    }

    /// What happened, without the board's name.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Tried { attempt, .. } => attempt.to_string(),
            Self::Quarantined { quarantine, .. } => format!("in quarantine: {}", quarantine.cause),
            Self::Canary { canary, .. } => canary.to_string(),
            Self::Released { .. } => "out of quarantine".to_owned(),
        }
    }
}

/// One thing that was tried with a board.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Rescue {
    /// What.
    pub rung: Rung,
    /// What came of it.
    pub end: RungEnd,
    /// Why it did not help or could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl fmt::Display for Rescue {
    /// `reset through the probe: it answers`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rung, self.end)?;
        match &self.problem {
            Some(problem) => write!(f, ": {problem}"),
            None => Ok(()),
        }
    }
}

/// What can be tried with a board that makes trouble, in the order in which it is.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// The probe and the serial ports are opened anew.
    Probe,
    /// The chip is reset through the probe.
    Reset,
    /// Both cores are erased through their control access ports, where the rig file allows it.
    Recover,
    /// The power is taken away and given back.
    PowerCycle,
    /// Both cores are programmed with what the scenario began with, and read back.
    Reprogram,
}

impl Rung {
    /// All of them, from the one that costs least.
    pub const ALL: [Self; 5] = [
        Self::Probe,
        Self::Reset,
        Self::Recover,
        Self::PowerCycle,
        Self::Reprogram,
    ];
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "probe and ports opened anew",
            Self::Reset => "reset through the probe",
            Self::Recover => "recover",
            Self::PowerCycle => "power cycle",
            Self::Reprogram => "programmed anew",
        })
    }
}

/// What came of one thing that was tried.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RungEnd {
    /// The board answers: its chip tells its id, and its serial ports are open.
    Answers,
    /// It does not.
    Silent,
    /// It could not be tried on this board.
    NotPossible,
}

impl fmt::Display for RungEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answers => "it answers",
            Self::Silent => "no help",
            Self::NotPossible => "not possible",
        })
    }
}

/// Why a board gets no scenarios.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Quarantine {
    /// How many scenarios in a row the bench could not decide on it; none when it did not answer at the start of the run.
    pub failures: u32,
    /// In one sentence.
    pub cause: String,
    /// When it was put there, in an earlier run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<jiff::Timestamp>,
}

/// How a canary ended.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Canary {
    /// The scenario variant; none when there is none that this board can run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
    /// How. A verdict on the board, not on firmware.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.canary {
            Some(name) => write!(f, "canary {name}: {}", self.outcome.verdict())?,
            None => f.write_str("no canary")?,
        }
        match self.outcome.cause() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// What became of a board that made trouble in a run.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HealthRecord {
    /// Name of the board.
    pub board: String,
    /// What was tried to bring it back, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Rescue>,
    /// Why it got no scenarios, if it got none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// How canaries ended on it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<Canary>,
}

impl HealthRecord {
    /// How it is at the end of the run, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let last = self.canaries.last();
        match (&self.quarantine, last) {
            (Some(quarantine), Some(canary)) if canary.outcome.verdict() != Verdict::Pass => {
                format!("in quarantine: {}; {canary}", quarantine.cause)
            }
            (Some(quarantine), _) => format!("in quarantine: {}", quarantine.cause),
            (None, Some(_)) => "was in quarantine, and passed its canary".to_owned(),
            (None, None) => match self.tried.last() {
                Some(attempt) => format!("made trouble; {attempt}"),
                None => "made no trouble".to_owned(),
            },
        }
    }
}

/// The health of all boards, while the events of a run are gone through.
#[derive(Debug, Default)]
pub(crate) struct Healths(BTreeMap<String, HealthRecord>);

impl Healths {
    pub(crate) fn take(&mut self, event: &Health) {
        let board = event.board();
        let record = self.0.entry(board.to_owned()).or_default();
        match event {
            Health::Tried { attempt, .. } => record.tried.push(attempt.clone()),
            Health::Quarantined { quarantine, .. } => record.quarantine = Some(quarantine.clone()),
            Health::Canary { canary, .. } => record.canaries.push(canary.clone()),
            Health::Released { .. } => record.quarantine = None,
        }
    }

    /// What became of every board that made trouble, by name.
    pub(crate) fn finish(self) -> Vec<HealthRecord> {
        self.0
            .into_iter()
            .map(|(board, record)| HealthRecord { board, ..record })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind};
    use crate::outcome::ErrorKind;

    fn dk() -> String {
        "dk".to_owned()
    }

    fn story() -> Vec<Health> {
        vec![
            Health::Tried {
                board: dk(),
                attempt: Rescue {
                    rung: Rung::Recover,
                    end: RungEnd::NotPossible,
                    problem: Some("its rig file does not allow it".to_owned()),
                },
            },
            Health::Tried {
                board: dk(),
                attempt: Rescue {
                    rung: Rung::PowerCycle,
                    end: RungEnd::Answers,
                    problem: None,
                },
            },
            Health::Quarantined {
                board: dk(),
                quarantine: Quarantine {
                    failures: 2,
                    cause: "the bench failed in 2 scenarios in a row".to_owned(),
                    since: Some(jiff::Timestamp::UNIX_EPOCH),
                },
            },
            Health::Canary {
                board: dk(),
                canary: Canary {
                    canary: Some("app-update[uart]".to_owned()),
                    outcome: Outcome::error(ErrorKind::Probe, "the probe is silent")
                        .with_help("plug it in"),
                },
            },
        ]
    }

    /// Events are flat: a field of one must not be called as one of the event.
    #[test]
    fn what_happened_to_a_board_reads_back_from_the_line_of_an_event() {
        let mut all = story();
        all.push(Health::Released { board: dk() });
        for health in all {
            let event = Event {
                seq: 1,
                at: 2,
                kind: EventKind::Health(health),
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
    fn a_board_is_in_quarantine_until_it_is_released() {
        let mut healths = Healths::default();
        for event in story() {
            healths.take(&event);
        }
        let record = healths.finish().remove(0);
        assert_eq!(record.tried.len(), 2);
        insta::assert_snapshot!(record.words(), @"in quarantine: the bench failed in 2 scenarios in a row; canary app-update[uart]: error: the probe is silent");

        let mut healths = Healths::default();
        for event in story() {
            healths.take(&event);
        }
        let passed = Canary {
            canary: Some("app-update[uart]".to_owned()),
            outcome: Outcome::Pass,
        };
        healths.take(&Health::Canary {
            board: dk(),
            canary: passed,
        });
        healths.take(&Health::Released { board: dk() });
        let record = healths.finish().remove(0);
        assert_eq!(record.quarantine, None);
        insta::assert_snapshot!(record.words(), @"was in quarantine, and passed its canary");
    }
}
