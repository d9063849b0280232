//! What happens in a run, as one stream of typed events.
//!
//! The runner produces them; the journal, the terminal and the reports only listen. An event says what is worth
//! telling and nothing else: no channel, no handle, no key, no decrypted payload.

use crate::course::Course;
use crate::flash::FlashSnapshot;
use crate::health::Health;
use crate::identity::BoardIdentity;
use crate::outcome::Outcome;
use crate::proof::{BoardDone, CheckMade};
use crate::sweep::{SweepPlan, SweepPoint, SweepTotals};
use crate::transport_fault::TransportFault;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

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

/// What is known when a run begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RunStarted {
    /// Identifier of the run, also the name of its folder.
    pub run: String,
    /// UTC date and time.
    pub started: jiff::Timestamp,
    /// What runs it.
    pub tool: Tool,
    /// On what.
    pub rig: RigInfo,
    /// What is under test: all firmware sets. Older journals have one, which is no list.
    #[serde(deserialize_with = "one_or_more")]
    pub firmware: Vec<FirmwareInfo>,
    /// The scenario variants that will have their turn, in the order planned.
    pub planned: Vec<String>,
}

/// The program that runs scenarios.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Tool {
    /// Name, `dfu-hil`.
    pub name: String,
    /// Version.
    pub version: String,
    /// The commit that its sources were at when it was built, as hex digits; none when it was built outside a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// The bench of a run.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RigInfo {
    /// Name of the rig.
    pub name: String,
    /// Its boards.
    pub boards: Vec<BoardInfo>,
}

/// One board of the bench.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BoardInfo {
    /// Name of the board in the rig.
    pub name: String,
    /// What it is, in words for people, such as `virtual nRF5340 DK`: a report always says which.
    pub description: String,
    /// What its chip says that it is, and its probe. Older journals have it in the description only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<BoardIdentity>,
}

impl BoardInfo {
    /// Whether both are one board, under one name. Its probe may have been found in another place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let chip = |board: &Self| board.identity.as_ref().map(|of| of.device_id.clone());
        self.name == other.name
            && self.description == other.description
            && chip(self) == chip(other)
    }
}

/// A firmware set of a run.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FirmwareInfo {
    /// Name of the firmware set.
    pub name: String,
    /// SHA-256 over the firmware set's file and everything that it names, as hex digits.
    pub digest: String,
}

/// A file that a run is made from, as it was when it was read.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct InputFile {
    /// What it is for.
    pub role: InputRole,
    /// Its name: for a scenario as [`ScenarioStarted::file`] has it, for a firmware file as its set has it.
    pub name: String,
    /// SHA-256 of its bytes, as hex digits.
    pub sha256: String,
    /// For a file of a firmware set, the digest of the set ([`FirmwareInfo::digest`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
}

/// What an input of a run is for.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum InputRole {
    /// A scenario file.
    Scenario,
    /// The rig file.
    Rig,
    /// A file that a firmware set programs or sends.
    Firmware,
    /// The file of a firmware set.
    FirmwareSet,
    /// The public key that images of a firmware set are signed for.
    PublicKey,
    /// The lock file that the tool was built with: which version of every library is in it.
    ToolLock,
}

/// Reads a list, or what stands there alone.
pub(crate) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<FirmwareInfo>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        More(Vec<FirmwareInfo>),
        One(FirmwareInfo),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::More(sets) => sets,
        OneOrMore::One(set) => vec![set],
    })
}

/// What is known when a scenario variant begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ScenarioStarted {
    /// Name of the variant, such as `encrypted-app[uart]`.
    pub scenario: String,
    /// What it shows, in one sentence.
    pub summary: String,
    /// The file it is in.
    pub file: String,
    /// The requirements that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// The defect of released firmware that it shows to be there, such as `mcuboot#1966, fixed in SDK 3.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_issue: Option<String>,
    /// The board it runs on.
    pub board: String,
    /// The firmware set it runs with. Older journals do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<FirmwareInfo>,
}

/// Which step of a scenario.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct StepInfo {
    /// Its number, from 1. Numbers above those in the file are the checks that follow every scenario.
    pub number: u32,
    /// Its name, such as `expect_slot`.
    pub name: String,
    /// What it does, in words.
    pub text: String,
    /// Its line in the scenario file, from 1; none for the checks that follow every scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Something that a step saw.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Evidence {
    /// What it is, such as `running version` or `app.secondary SHA-256`.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What was expected, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl Evidence {
    /// What evidence is called that says at how many points the power was cut: a whole number, which a sign-off counts.
    pub const CUT_POINTS: &str = "cut points";

    /// Something that was seen and is recorded for the reader.
    #[must_use]
    pub fn seen(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            found: found.into(),
            expected: None,
        }
    }

    /// Something that was compared.
    #[must_use]
    pub fn compared(
        what: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            found: found.into(),
            expected: Some(expected.into()),
        }
    }
}

/// How often pages of a board's flash were erased in a scenario.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BoardWear {
    /// Name of the board.
    pub board: String,
    /// Whether erases by bootloaders and applications are in it: they follow from the bootloader model, and are not known
    /// where the flash was not as it predicts.
    pub complete: bool,
    /// Erases in this scenario, page by page.
    pub erases: u64,
    /// Runs of pages that were erased equally often, by address.
    pub pages: Vec<WornPages>,
    /// The page that was erased most often, in all that is known of the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<WornPage>,
    /// How often a page may have been erased for a further scenario to run on the board, where the rig file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

/// Neighbouring pages that were erased equally often.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WornPages {
    /// The first one's address.
    pub address: u32,
    /// How many.
    pub pages: u32,
    /// How often each.
    pub erases: u64,
}

impl WornPages {
    /// Bytes of each page: 2 KiB in the network core's flash, 4 KiB in the application core's and in the external one.
    #[must_use]
    pub const fn page_size(&self) -> u32 {
        if self.address >= 0x0100_0000 && self.address < 0x1000_0000 {
            0x800
        } else {
            0x1000
        }
    }
}

/// A page and how often it was erased.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WornPage {
    /// Its address.
    pub address: u32,
    /// How often.
    pub erases: u64,
}

/// A core as events name it.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum CoreName {
    /// The application core.
    App,
    /// The network core.
    Net,
}

impl fmt::Display for CoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::App => "app",
            Self::Net => "net",
        })
    }
}

/// An SMP packet as it is recorded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SmpPacket {
    /// Name of the board.
    pub board: String,
    /// Which way.
    pub direction: Direction,
    /// Its length in bytes.
    pub length: u64,
    /// Its first bytes (at most [`Self::KEPT`]) as hex digits.
    pub hex: String,
    /// The link: `uart` or `ble`. Older journals do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// All of it, for who listens; the journal does not have it.
    #[serde(skip)]
    whole: Whole,
    /// What it says, such as `image upload off=0 len=71680`.
    pub summary: String,
}

impl SmpPacket {
    /// How many bytes of a packet are recorded: the header, the fields of an upload, and some of its data. A
    /// whole upload would make the journal more than twice as large as the image.
    pub const KEPT: usize = 96;

    /// Records `packet`, cut to its first [`Self::KEPT`] bytes.
    #[must_use]
    pub fn new(
        board: impl Into<String>,
        direction: Direction,
        packet: &[u8],
        summary: impl Into<String>,
    ) -> Self {
        Self {
            board: board.into(),
            direction,
            length: packet.len() as u64,
            hex: hex::encode(&packet[..packet.len().min(Self::KEPT)]),
            link: None,
            whole: Whole(packet.to_vec()),
            summary: summary.into(),
        }
    }

    /// The same over a link with this name.
    #[must_use]
    pub fn over(mut self, link: impl Into<String>) -> Self {
        self.link = Some(link.into());
        self
    }

    /// Its bytes: all of them while the run goes on, the first ones when it comes from a journal.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        if self.whole.0.is_empty() {
            hex::decode(&self.hex).unwrap_or_default()
        } else {
            self.whole.0.clone()
        }
    }
}

/// The bytes of a packet. They make no difference between two packets: a journal does not have them.
#[derive(Clone, Debug, Default)]
struct Whole(Vec<u8>);

impl PartialEq for Whole {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Whole {}

/// What a wireless link is like, and what it took to make it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LinkConnected {
    /// Name of the board.
    pub board: String,
    /// The adapter's name, such as `hci0`.
    pub adapter: String,
    /// The board's address, where the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name that it advertises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How strong its advertising was, in dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi: Option<i16>,
    /// The ATT MTU in bytes.
    pub mtu: u16,
    /// From the start of the scan until it was heard, in ms.
    pub scan_ms: u64,
    /// From the request to connect until it was connected, in ms.
    pub connect_ms: u64,
    /// From there until the link could be used, in ms.
    pub discover_ms: u64,
    /// How many times it was tried, from 1.
    pub attempts: u32,
    /// The link before was lost with a request under way, so the server was made to forget half a request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cleared: bool,
}

/// How a wireless link ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkEnd {
    /// The harness hung up.
    Closed,
    /// It was lost.
    Lost,
}

/// Which way a packet went.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the harness to the board.
    ToBoard,
    /// From the board to the harness.
    FromBoard,
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
    fn a_long_packet_is_cut_and_its_length_is_kept() {
        let packet = SmpPacket::new("dk1", Direction::ToBoard, &[0xA5; 500], "image upload");
        assert_eq!(packet.length, 500);
        assert_eq!(packet.hex, "a5".repeat(SmpPacket::KEPT));
    }
}
