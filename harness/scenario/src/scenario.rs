//! A scenario file: a script over roles, with everything that can be said about it without a firmware set.

use crate::locate::{NodePath, Part, Segment};
use crate::matrix::{self, Assignment, ReleaseNames};
use crate::needs::Needs;
use crate::node::{self, NodeError, kind};
use crate::source::{FileError, Source};
use crate::step::Step;
use crate::variant::{PlannedStep, Variant};
use crate::words::Transport;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_yaml::{Mapping, Value};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// A scenario as it is in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: unique among the scenarios of a run.
    pub name: String,
    /// What it shows, in one sentence.
    pub summary: String,
    /// The question of a user that it answers.
    pub question: Option<String>,
    /// The requirements that it covers.
    pub requirements: Vec<RequirementId>,
    /// Reports of what it tries, such as `zephyr#51798`: failures that were met in the field.
    pub references: Vec<String>,
    /// The defect whose presence it shows, when that is what it is for.
    pub known_issue: Option<KnownIssue>,
    /// The checks that must not follow it, and why.
    pub waived: BTreeMap<StandingCheck, String>,
    variants: Vec<Variant>,
    asks_for_releases: bool,
    pub(crate) source: Source,
}

/// A defect of released firmware that a scenario shows to be there: it passes as long as the defect is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KnownIssue {
    /// Where it is described, such as `mcuboot#1966`.
    pub reference: String,
    /// The first release without it, such as `SDK 3.1`; `None` while there is none.
    pub fixed_in: Option<String>,
}

impl fmt::Display for KnownIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fixed_in {
            Some(release) => write!(f, "{}, fixed in {release}", self.reference),
            None => write!(f, "{}, not fixed", self.reference),
        }
    }
}

/// Name of a requirement, such as `DFU-CONF-1`: capital letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RequirementId(String);

impl RequirementId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RequirementId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let good = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "-_.".contains(c));
        if good {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format_args!(
                "`{text}` is no requirement: expected capital letters, digits, `-`, `_` and `.`, such as `DFU-APP-1`"
            )))
        }
    }
}

/// A check that follows every scenario unless the file waives it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingCheck {
    /// The bootloaders' flash and UICR are as they were programmed.
    BootloaderUnchanged,
    /// Partitions that no step may touch are as they were.
    OtherPartitionsUnchanged,
    /// No plain text of an encrypted image lies outside the primary slot.
    NoPlainText,
    /// Both cores run.
    BothCoresAlive,
    /// The whole flash is as the bootloader model predicts.
    FlashAsPredicted,
}

/// The top of a scenario file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    scenario: String,
    summary: String,
    question: Option<String>,
    #[serde(default)]
    requirements: Vec<RequirementId>,
    #[serde(default)]
    references: Vec<String>,
    known_issue: Option<KnownIssue>,
    #[serde(default)]
    matrix: Mapping,
    #[serde(default)]
    needs: Value,
    steps: Vec<Value>,
    #[serde(default)]
    waive: BTreeMap<StandingCheck, String>,
}

impl Scenario {
    /// Reads the scenario file at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no scenario: see [`Self::parse`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::from_source(Source::read(path.as_ref())?, &ReleaseNames::default())
    }

    /// Reads a scenario from the text of a file; `path` is only shown.
    ///
    /// # Errors
    ///
    /// The first mistake in it, with its place. Mistakes that only a firmware set can show are found by
    /// [`check`](crate::check).
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self, FileError> {
        let source = Source::new(path.as_ref(), text);
        Self::from_source(source, &ReleaseNames::default())
    }

    /// Whether its matrix takes releases from a firmware set. Until it has them ([`with_releases`](Self::with_releases)) it
    /// knows of `baseline` and `update`.
    #[must_use]
    pub fn asks_for_releases(&self) -> bool {
        self.asks_for_releases
    }

    /// The same scenario with the releases of a firmware set in its matrix.
    ///
    /// # Errors
    ///
    /// There are so many that the matrix explodes.
    pub fn with_releases(&self, releases: &ReleaseNames) -> Result<Self, FileError> {
        if !self.asks_for_releases {
            return Ok(self.clone());
        }
        Self::from_source(self.source.clone(), releases)
    }

    fn from_source(source: Source, releases: &ReleaseNames) -> Result<Self, FileError> {
        let value = source.parse_yaml("scenario")?;
        let read = || -> Result<_, NodeError> {
            let document: Document = node::read(&value, &[])?;
            let variants = document.variants(&source, releases)?;
            Ok((document, variants))
        };
        let (document, variants) = read().map_err(|error| error.in_file(&source))?;
        Ok(Self {
            name: document.scenario,
            summary: document.summary,
            question: document.question,
            requirements: document.requirements,
            references: document.references,
            known_issue: document.known_issue,
            waived: document.waive,
            asks_for_releases: matrix::asks_for_releases(&document.matrix),
            variants,
            source,
        })
    }

    /// The variants that its matrix makes, in order; a scenario without matrix is its own only variant.
    #[must_use]
    pub fn expand(&self) -> Vec<Variant> {
        self.variants.clone()
    }

    /// The same, borrowed.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The file that it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// The file's text, as it was when it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// SHA-256 of the file's text, as it was when it was read.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.source.text).into()
    }
}

impl Document {
    fn variants(
        &self,
        source: &Source,
        releases: &ReleaseNames,
    ) -> Result<Vec<Variant>, NodeError> {
        let at = |name: &str| vec![Segment::Key(name.to_owned())];
        let name_is_good = self.scenario.starts_with(|c: char| c.is_ascii_lowercase())
            && self
                .scenario
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !name_is_good {
            return Err(NodeError::new(
                at("scenario"),
                Part::Value,
                format!("`{}` is no name for a scenario", self.scenario),
            )
            .advising("use small letters, digits and `-`, such as `app-update`"));
        }
        if self.summary.trim().is_empty() {
            return Err(
                NodeError::new(at("summary"), Part::Key, "`summary` is empty")
                    .advising("say in one sentence what the scenario shows"),
            );
        }
        if self.waive.values().any(|reason| reason.trim().is_empty()) {
            return Err(NodeError::new(
                at("waive"),
                Part::Key,
                "a check is waived without a reason",
            )
            .advising("say why: `both_cores_alive: the image crashes on purpose`"));
        }
        if self
            .known_issue
            .as_ref()
            .is_some_and(|issue| issue.reference.trim().is_empty())
        {
            return Err(NodeError::new(
                at("known_issue"),
                Part::Key,
                "a known issue without a reference",
            )
            .advising("say where it is described: `reference: mcuboot#1966`"));
        }
        if self.steps.is_empty() {
            return Err(NodeError::new(at("steps"), Part::Key, "`steps` is empty")
                .advising("a scenario without steps would pass without having shown anything"));
        }

        let assignments = matrix::expand(&self.matrix, releases)?;
        let mut used = BTreeSet::from(["transport".to_owned()]);
        let variants = assignments
            .iter()
            .map(|assignment| self.variant(source, assignment, &mut used))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(unused) = assignments
            .first()
            .and_then(|first| first.variables().find(|name| !used.contains(*name)))
        {
            let mut path = at("matrix");
            path.push(Segment::Key(unused.to_owned()));
            return Err(NodeError::new(
                path,
                Part::Key,
                format!(
                    "matrix variable `{unused}` is not used: its variants would all be the same"
                ),
            )
            .advising(format!(
                "write `${{{unused}}}` in a step, or leave the variable out"
            )));
        }
        Ok(variants)
    }

    fn variant(
        &self,
        source: &Source,
        assignment: &Assignment,
        used: &mut BTreeSet<String>,
    ) -> Result<Variant, NodeError> {
        let mut path = vec![Segment::Key("needs".to_owned())];
        let needs = matrix::substitute(&self.needs, &mut path, assignment, used)?;
        let needs = match needs {
            Value::Null => Needs::default(),
            needs => node::read(&needs, &path)?,
        };
        let transport = match assignment.get("transport") {
            None => Transport::Uart,
            Some(word) => {
                let mut path = vec![
                    Segment::Key("matrix".to_owned()),
                    Segment::Key("transport".to_owned()),
                ];
                let values = self.matrix.get("transport").and_then(Value::as_sequence);
                let index = values.and_then(|all| all.iter().position(|value| value == word));
                path.extend(index.map(Segment::Index));
                node::read(&Value::String(word.to_owned()), &path)?
            }
        };
        let steps = (1..)
            .zip(&self.steps)
            .map(|(number, item)| {
                let mut path = step_path(number);
                let item = matrix::substitute(item, &mut path, assignment, used)?;
                Ok(PlannedStep {
                    number,
                    line: source.line_of(&path),
                    step: read_step(&item, &path)?,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Variant {
            name: format!("{}{}", self.scenario, assignment.suffix()),
            needs,
            transport,
            steps,
        })
    }
}

/// The path of step `number` (from 1).
pub(crate) fn step_path(number: u32) -> NodePath {
    vec![
        Segment::Key("steps".to_owned()),
        Segment::Index(number.saturating_sub(1) as usize),
    ]
}

fn read_step(item: &Value, path: &[Segment]) -> Result<Step, NodeError> {
    match item {
        Value::Mapping(mapping) if mapping.len() > 1 => {
            let names: Vec<_> = mapping.keys().filter_map(Value::as_str).collect();
            let second = names.get(1).copied().unwrap_or_default();
            let mut at = path.to_vec();
            at.push(Segment::Key(second.to_owned()));
            Err(if Step::NAMES.contains(&second) {
                NodeError::new(
                    at,
                    Part::Key,
                    format!("several steps in one item: `{}`", names.join("`, `")),
                )
                .advising(format!("put a `-` in front of `{second}`"))
            } else {
                let first = names.first().copied().unwrap_or_default();
                NodeError::new(
                    at,
                    Part::Key,
                    format!("`{second}` stands beside `{first}` and not in it"),
                )
                .advising(format!("indent what belongs to `{first}` deeper than it"))
            })
        }
        Value::Mapping(_) | Value::String(_) => node::read(item, path),
        other => Err(NodeError::new(
            path.to_vec(),
            Part::Value,
            format!(
                "found {}, expected a step such as `- reset: smp`",
                kind(other)
            ),
        )),
    }
}
