//! What happens in a run, as one stream of typed events.
//!
//! The runner produces them; the journal, the terminal and the reports only listen. An event says what is worth
//! telling and nothing else: no channel, no handle, no key, no decrypted payload.

mod console;
mod link;
mod smp;
mod start;
mod step;
mod worn;

pub use console::{ConsoleSource, CoreName};
pub use link::{LinkConnected, LinkEnd};
pub use smp::{Direction, SmpPacket};
pub(crate) use start::one_or_more;
pub use start::{
    BoardInfo, FirmwareInfo, InputFile, InputRole, RigInfo, RunStarted, ScenarioStarted, Tool,
};
pub use step::{Evidence, StepInfo};
pub use worn::{BoardWear, WornPage, WornPages};

use crate::course::Course;
use crate::flash::FlashSnapshot;
use crate::health::Health;
use crate::outcome::Outcome;
use crate::proof::{BoardDone, CheckMade};
use crate::sweep::{SweepPlan, SweepPoint, SweepTotals};
use crate::transport_fault::TransportFault;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    /// Its place in the stream, from 0, without gaps.
    pub seq: u64,
    /// When, in milliseconds since the start of the run.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The sorts of events.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventKind {
    /// The run begins.
    RunStarted(RunStarted),
    /// The files that the run is made from; follows its start.
    Inputs {
        /// All of them.
        files: Vec<InputFile>,
    },
    /// The run has ended; without this event it was killed.
    RunFinished {
        /// Whether somebody stopped it before all scenarios had their turn.
        stopped: bool,
    },
    /// The run is not simply one of all scenarios from their first to their last.
    Course(Course),
    /// A board made trouble, or makes none any more.
    Health(Health),
    /// A scenario variant begins on a board.
    ScenarioStarted(ScenarioStarted),
    /// A scenario variant has ended, or was skipped without having begun.
    ScenarioFinished {
        /// Name of the variant, such as `encrypted-app[uart]`.
        scenario: String,
        /// The board it ran on; none when it was skipped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        board: Option<String>,
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// A step begins.
    StepStarted {
        /// Name of the variant.
        scenario: String,
        /// Which step.
        step: StepInfo,
    },
    /// A step has ended.
    StepFinished {
        /// Name of the variant.
        scenario: String,
        /// Number of the step, from 1.
        number: u32,
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
        /// What was seen, in the order it was seen.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// A core printed a line.
    Console {
        /// Name of the board.
        board: String,
        /// Which core.
        core: CoreName,
        /// By which way it came.
        #[serde(default, skip_serializing_if = "ConsoleSource::is_uart")]
        source: ConsoleSource,
        /// The line without its end.
        text: String,
    },
    /// An SMP packet went over a link.
    Smp(SmpPacket),
    /// A packet met a fault that the scenario wants on the link.
    TransportFault(TransportFault),
    /// A wireless link was made.
    LinkConnected(LinkConnected),
    /// A wireless link has ended.
    LinkEnded {
        /// Name of the board.
        board: String,
        /// Whose doing it was.
        how: LinkEnd,
        /// What is known of it.
        cause: String,
    },
    /// The power supply did something.
    Power {
        /// Name of the board.
        board: String,
        /// What.
        action: PowerAction,
        /// From the request until it said that it is done, in microseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        latency_us: Option<u64>,
    },
    /// A button was pressed, or let go of.
    Button {
        /// Name of the board.
        board: String,
        /// Which, by what it is for.
        button: String,
        /// Whether it is pressed from here on.
        pressed: bool,
    },
    /// The debug probe did something.
    Probe {
        /// Name of the board.
        board: String,
        /// What, such as `program`, `read`, `reset`.
        action: String,
        /// To what, such as `app 0x0000c000 +0x40000`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// What the flash of a board holds after a scenario.
    Flash(FlashSnapshot),
    /// A step has compared something: what makes its verdict again.
    Checked(CheckMade),
    /// Something was done to a board that its flash follows from.
    Done(BoardDone),
    /// What a scenario has worn of a board's flash.
    Wear(BoardWear),
    /// A start of the board will be interrupted again and again.
    SweepPlanned(SweepPlan),
    /// It was, at one point.
    SweepPoint(SweepPoint),
    /// It will not be any more.
    SweepFinished(SweepTotals),
    /// How far an upload is; sent now and then, not for each packet.
    UploadProgress {
        /// Name of the board.
        board: String,
        /// What is sent, such as `update.app`.
        image: String,
        /// Bytes that the board has acknowledged.
        sent: u64,
        /// Bytes of the image.
        total: u64,
    },
    /// Something was tried again.
    Retry {
        /// Name of the board.
        board: String,
        /// What, such as `open serial port`.
        what: String,
        /// Which attempt comes now; the first attempt of all is 1, so this is at least 2.
        attempt: u32,
        /// How many attempts there will be at most.
        limit: u32,
        /// Why the attempt before did not do.
        cause: String,
    },
    /// Something that a reader of the report should know.
    Note {
        /// The board it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        board: Option<String>,
        /// One sentence.
        text: String,
    },
}

/// How soon an event of the journal is on disk, which matters when the power of the bench fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// Before the run goes on: what a verdict rests on.
    Now,
    /// With the next moment of the disk: what a report is rebuilt from.
    Soon,
    /// When the system likes, or something after it is.
    Written,
}

impl EventKind {
    /// How soon it is on disk.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        match self {
            Self::RunStarted(_)
            | Self::Inputs { .. }
            | Self::RunFinished { .. }
            | Self::Course(_)
            | Self::Health(_)
            | Self::ScenarioFinished { .. }
            | Self::SweepPlanned(_)
            | Self::SweepFinished(_) => Durability::Now,
            Self::ScenarioStarted(_)
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::SweepPoint(_) => Durability::Soon,
            Self::Console { .. }
            | Self::Smp(_)
            | Self::TransportFault(_)
            | Self::LinkConnected(_)
            | Self::LinkEnded { .. }
            | Self::Power { .. }
            | Self::Button { .. }
            | Self::Probe { .. }
            | Self::Flash(_)
            | Self::Checked(_)
            | Self::Done(_)
            | Self::Wear(_)
            | Self::UploadProgress { .. }
            | Self::Retry { .. }
            | Self::Note { .. } => Durability::Written,
        }
    }
}

/// What a power supply did.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerAction {
    /// Power came on.
    On,
    /// Power went off as planned.
    Off,
    /// Power went off in the middle of something, on purpose.
    Cut,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailKind;

    #[test]
    fn an_event_is_one_flat_json_object() {
        let event = Event {
            seq: 7,
            at: 1500,
            kind: EventKind::StepFinished {
                scenario: "app-update[uart]".to_owned(),
                number: 3,
                outcome: Outcome::fail(FailKind::WrongImage, "runs 1.0.0, expected 2.0.0"),
                evidence: vec![Evidence::compared("running version", "1.0.0", "2.0.0")],
            },
        };
        let json = serde_json::to_string(&event).unwrap();
        insta::assert_snapshot!(json, @r#"{"seq":7,"at":1500,"type":"step-finished","scenario":"app-update[uart]","number":3,"verdict":"fail","kind":"wrong-image","cause":"runs 1.0.0, expected 2.0.0","evidence":[{"what":"running version","found":"1.0.0","expected":"2.0.0"}]}"#);
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn a_switch_of_the_power_is_recorded_with_its_latency_and_read_without_one_too() {
        let event = |latency_us| EventKind::Power {
            board: "dk".to_owned(),
            action: PowerAction::Cut,
            latency_us,
        };
        let json = serde_json::to_string(&event(Some(1530))).unwrap();
        assert_eq!(
            json,
            r#"{"type":"power","board":"dk","action":"cut","latency_us":1530}"#
        );
        let older = r#"{"type":"power","board":"dk","action":"cut"}"#;
        assert_eq!(
            serde_json::from_str::<EventKind>(older).unwrap(),
            event(None)
        );
    }

    #[test]
    fn a_line_over_rtt_says_so_and_one_that_says_nothing_came_over_the_serial_port() {
        let line = |source| EventKind::Console {
            board: "dk".to_owned(),
            core: CoreName::App,
            source,
            text: "ready".to_owned(),
        };
        for (json, source) in [
            (
                r#"{"type":"console","board":"dk","core":"app","source":"rtt","text":"ready"}"#,
                ConsoleSource::Rtt,
            ),
            (
                r#"{"type":"console","board":"dk","core":"app","text":"ready"}"#,
                ConsoleSource::Uart,
            ),
        ] {
            assert_eq!(serde_json::to_string(&line(source)).unwrap(), json);
            assert_eq!(
                serde_json::from_str::<EventKind>(json).unwrap(),
                line(source)
            );
        }
    }
}
