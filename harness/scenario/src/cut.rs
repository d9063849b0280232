//! Where an update is interrupted, as a value with a short name that can be printed, typed, and repeated.
//!
//! The name of a point is `PHASE.CLASS.INDEX.EDGE`, such as `boot.app-erase.37.before`: before the 38th flash operation of the
//! boot, which erases a page of the application core's flash. Several points in a row are joined by `+`: the second is in
//! the boot that follows the first interruption, and so on. Names have no character that a shell minds.

use hil_bootloader::{DeviceId, Operation, OperationKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A point at which an update is interrupted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CutPoint {
    /// In what.
    pub phase: Phase,
    /// What is counted.
    pub class: Class,
    /// Which of them, from 0. For a flash operation its number among *all* flash operations of the phase, so that the number
    /// alone says which one it is and the class is a check of it. For [`Class::Percent`] the percentage, for
    /// [`Class::Time`] milliseconds.
    pub index: u32,
    /// On which side of it.
    pub edge: Edge,
}

/// What is interrupted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// A start of the board: MCUboot, then b0n where there is a network core.
    Boot,
    /// What an application does to flash for an upload.
    Upload,
    /// What it does when it is asked to erase a slot.
    Erase,
    /// What it does when it is asked to keep an image.
    Confirm,
    /// What it does when it is asked to test one.
    Request,
}

/// What is counted to find a point.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// A flash operation, through the debug unit that halts the core at it.
    Operation(Memory, Work),
    /// A line on the application core's console.
    Line,
    /// A percentage of the image that the board has acknowledged.
    Percent,
    /// An SMP frame that was sent.
    Frame,
    /// Time.
    Time,
}

/// A memory whose operations are told apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Memory {
    /// Flash of the application core.
    App,
    /// Flash of the network core.
    Net,
    /// The external flash.
    External,
}

/// What a flash operation does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Work {
    /// Programs words.
    Write,
    /// Erases a page.
    Erase,
}

/// On which side of an operation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Edge {
    /// Nothing of it is done.
    Before,
    /// Half of it is done, and the word or page in the middle of it is half written or half erased.
    Torn,
    /// So many bytes of it are done, and nothing of the next one: the power fails between two words or two pages of it.
    Inside(u32),
    /// All of it is done, and nothing of what follows.
    After,
}

/// How a point is met.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// The core is halted at each flash operation, through the probe.
    FlashOperation,
    /// A console line is waited for.
    ConsoleLine,
    /// The acknowledged part of an upload is.
    UploadProgress,
    /// The clock.
    Time,
}

impl Class {
    /// How a point of this class is met.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Operation(..) => Method::FlashOperation,
            Self::Line => Method::ConsoleLine,
            Self::Percent | Self::Frame => Method::UploadProgress,
            Self::Time => Method::Time,
        }
    }
}

impl Class {
    /// The class of an operation of a bootloader model. What is simulated in RAM counts as the application core's, whose RAM it
    /// is.
    #[must_use]
    pub const fn of(operation: &Operation) -> Self {
        let memory = match operation.device {
            DeviceId::AppFlash | DeviceId::RamFlash => Memory::App,
            DeviceId::NetFlash => Memory::Net,
            DeviceId::External => Memory::External,
        };
        let work = match operation.kind {
            OperationKind::Write => Work::Write,
            OperationKind::Erase => Work::Erase,
        };
        Self::Operation(memory, work)
    }
}

impl CutPoint {
    /// The point before an operation, which is number `index` of its phase.
    #[must_use]
    pub const fn before(phase: Phase, index: u32, operation: &Operation) -> Self {
        Self {
            phase,
            class: Class::of(operation),
            index,
            edge: Edge::Before,
        }
    }

    /// The same operation from another side.
    #[must_use]
    pub const fn at(self, edge: Edge) -> Self {
        Self { edge, ..self }
    }
}

/// One interruption after another: each point but the first is in the boot that follows the interruption before it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CutList(Vec<CutPoint>);

impl CutList {
    /// These points, one after the other; `None` when there are none.
    #[must_use]
    pub fn new(points: Vec<CutPoint>) -> Option<Self> {
        (!points.is_empty()).then_some(Self(points))
    }

    /// The points; at least one.
    #[must_use]
    pub fn points(&self) -> &[CutPoint] {
        &self.0
    }
}

impl From<CutPoint> for CutList {
    fn from(point: CutPoint) -> Self {
        Self(vec![point])
    }
}

/// What a text is not, and what it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseCutError {
    /// It has not four parts.
    #[error(
        "`{0}` is no cut point: expected PHASE.CLASS.INDEX.EDGE, such as `boot.app-erase.37.before`"
    )]
    Form(String),
    /// A part is not one of the words that it may be.
    #[error("`{found}` in cut point `{point}` is not known, expected one of {expected}")]
    Word {
        /// The whole point.
        point: String,
        /// The part.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A number is none, or too large.
    #[error("`{found}` in cut point `{point}` is no number up to 4294967295")]
    Number {
        /// The whole point.
        point: String,
        /// The part.
        found: String,
    },
}

const PHASES: [(&str, Phase); 5] = [
    ("boot", Phase::Boot),
    ("upload", Phase::Upload),
    ("erase", Phase::Erase),
    ("confirm", Phase::Confirm),
    ("request", Phase::Request),
];

const CLASSES: [(&str, Class); 10] = [
    ("app-write", Class::Operation(Memory::App, Work::Write)),
    ("app-erase", Class::Operation(Memory::App, Work::Erase)),
    ("net-write", Class::Operation(Memory::Net, Work::Write)),
    ("net-erase", Class::Operation(Memory::Net, Work::Erase)),
    (
        "external-write",
        Class::Operation(Memory::External, Work::Write),
    ),
    (
        "external-erase",
        Class::Operation(Memory::External, Work::Erase),
    ),
    ("line", Class::Line),
    ("percent", Class::Percent),
    ("frame", Class::Frame),
    ("ms", Class::Time),
];

/// [`Edge::Torn`], and how [`Edge::Inside`] begins.
const TORN: &str = "inside";
const INSIDE: &str = "inside-";

fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words
        .iter()
        .find(|(_, known)| *known == value)
        .map_or("", |(word, _)| word)
}

fn value_of<T: Copy>(words: &[(&str, T)], found: &str, point: &str) -> Result<T, ParseCutError> {
    words
        .iter()
        .find(|(word, _)| *word == found)
        .map(|(_, value)| *value)
        .ok_or_else(|| ParseCutError::Word {
            point: point.to_owned(),
            found: found.to_owned(),
            expected: words
                .iter()
                .map(|(word, _)| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", "),
        })
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&CLASSES, *self))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word_of(&PHASES, *self))
    }
}

impl fmt::Display for CutPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            phase,
            class,
            index,
            edge,
        } = self;
        write!(f, "{phase}.{class}.{index}.")?;
        match edge {
            Edge::Before => f.write_str("before"),
            Edge::After => f.write_str("after"),
            Edge::Torn => f.write_str(TORN),
            Edge::Inside(bytes) => write!(f, "{INSIDE}{bytes}"),
        }
    }
}

impl FromStr for CutPoint {
    type Err = ParseCutError;

    fn from_str(text: &str) -> Result<Self, ParseCutError> {
        let parts: Vec<&str> = text.split('.').collect();
        let [phase, class, index, edge] = parts.as_slice() else {
            return Err(ParseCutError::Form(text.to_owned()));
        };
        let number = |found: &str| {
            // Not `+7`, which `parse` takes too: one point has one name.
            let digits = found.bytes().all(|byte| byte.is_ascii_digit());
            let read = digits.then(|| found.parse().ok()).flatten();
            read.ok_or_else(|| ParseCutError::Number {
                point: text.to_owned(),
                found: found.to_owned(),
            })
        };
        let edge = match edge.strip_prefix(INSIDE) {
            Some(bytes) => Edge::Inside(number(bytes)?),
            // The last is only there for the message: such a text was taken above.
            None => value_of(
                &[
                    ("before", Edge::Before),
                    ("after", Edge::After),
                    (TORN, Edge::Torn),
                    ("inside-BYTES", Edge::Inside(0)),
                ],
                edge,
                text,
            )?,
        };
        Ok(Self {
            phase: value_of(&PHASES, phase, text)?,
            class: value_of(&CLASSES, class, text)?,
            index: number(index)?,
            edge,
        })
    }
}

impl fmt::Display for CutList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, point) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("+")?;
            }
            point.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for CutList {
    type Err = ParseCutError;

    fn from_str(text: &str) -> Result<Self, ParseCutError> {
        text.split('+')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for CutList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CutList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn points() -> impl Strategy<Value = CutPoint> {
        let edges = prop_oneof![
            Just(Edge::Before),
            Just(Edge::After),
            Just(Edge::Torn),
            any::<u32>().prop_map(Edge::Inside)
        ];
        (0..PHASES.len(), 0..CLASSES.len(), any::<u32>(), edges).prop_map(
            |(phase, class, index, edge)| CutPoint {
                phase: PHASES[phase].1,
                class: CLASSES[class].1,
                index,
                edge,
            },
        )
    }

    proptest! {
        #[test]
        fn the_name_of_a_list_of_points_is_read_as_that_list(
            points in proptest::collection::vec(points(), 1..5)
        ) {
            let list = CutList::new(points).unwrap();
            let name = list.to_string();
            prop_assert_eq!(name.parse::<CutList>(), Ok(list));
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-.+".contains(c)));
        }

        #[test]
        fn no_text_is_read_as_a_point_with_another_name(text in "[a-z0-9.+-]{0,40}") {
            if let Ok(list) = text.parse::<CutList>() {
                prop_assert_eq!(list.to_string(), text);
            }
        }
    }

    #[rstest]
    #[case::empty("", "expected PHASE.CLASS.INDEX.EDGE")]
    #[case::too_few("boot.app-erase.3", "expected PHASE.CLASS.INDEX.EDGE")]
    #[case::phase("start.app-erase.3.before", "`start` in cut point")]
    #[case::class("boot.ram-erase.3.before", "expected one of `app-write`, `app-erase`")]
    #[case::edge(
        "boot.app-erase.3.beside",
        "`before`, `after`, `inside`, `inside-BYTES`"
    )]
    #[case::not_the_placeholder("boot.app-erase.3.inside-BYTES", "`BYTES` in cut point")]
    #[case::number("boot.app-erase.x.before", "`x` in cut point")]
    #[case::too_large("boot.app-erase.4294967296.before", "no number up to")]
    #[case::signed("boot.app-erase.+3.before", "")]
    fn a_text_that_is_no_point_is_refused_with_what_it_may_be(
        #[case] text: &str,
        #[case] says: &str,
    ) {
        let error = text.parse::<CutList>().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[rstest]
    #[case::page(DeviceId::NetFlash, OperationKind::Erase, "boot.net-erase.7.before")]
    #[case::words(DeviceId::AppFlash, OperationKind::Write, "boot.app-write.7.before")]
    #[case::external(
        DeviceId::External,
        OperationKind::Write,
        "boot.external-write.7.before"
    )]
    fn a_point_before_an_operation_is_named_after_it(
        #[case] device: DeviceId,
        #[case] kind: OperationKind,
        #[case] name: &str,
    ) {
        let operation = Operation {
            kind,
            device,
            offset: 0x8000,
            length: 0x800,
            torn: false,
        };
        let point = CutPoint::before(Phase::Boot, 7, &operation);
        assert_eq!(point.to_string(), name);
    }

    #[test]
    fn a_point_says_how_it_is_met() {
        let point: CutPoint = "upload.percent.40.after".parse().unwrap();
        assert_eq!(point.class.method(), Method::UploadProgress);
        let point: CutPoint = "boot.net-erase.0.inside-2048".parse().unwrap();
        assert_eq!(point.class.method(), Method::FlashOperation);
        assert_eq!(point.edge, Edge::Inside(2048));
    }
}
