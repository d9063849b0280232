//! A run as evidence: its folder against its manifest, and its verdicts made again from the journal.
//!
//! `result.json` and the other reports are for people and CI servers; nothing here believes them.

use crate::digest::Sha256;
use hil_record::{
    Attempt, Ending, Event, EventKind, InputRole, JournalError, Manifest, ManifestError, Outcome,
    RecordError, RunDirectory, RunRecord, ScenarioRecord, SkipKind, Verdict, read_journal,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A run that was read.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its folder.
    pub folder: PathBuf,
    /// Digest of its manifest: whoever signs it has signed every file of the run.
    pub manifest: Sha256,
    /// What the journal says.
    pub record: RunRecord,
    /// The points at which the power was cut well in the last attempt at each scenario variant, by its name.
    pub(crate) cuts: BTreeMap<String, BTreeSet<CutPoint>>,
    /// Why it proves nothing, in sentences; empty when it does.
    pub doubts: Vec<String>,
}

/// Why a run could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// There is no folder of a run.
    #[error("`{0}` is no folder of a run")]
    NoRun(PathBuf),
    /// Its manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It has changed so much that nothing can be read of it.
    #[error("the evidence in `{folder}` has changed: {}", .what.join("; "))]
    Changed {
        /// The folder.
        folder: PathBuf,
        /// What has changed.
        what: Vec<String>,
    },
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its journal is of no run.
    #[error("the journal of `{folder}` has no run in it")]
    Record {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: RecordError,
    },
}

impl EvidenceError {
    /// What to try.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoRun(_) => {
                "give the folder that `dfu-hil run` named, such as `reports/runs/20260802T101530Z-01`"
            }
            Self::Manifest(error) => match error.help() {
                Some(help) => help,
                None => "is the folder complete, and yours to read?",
            },
            Self::Changed { .. } | Self::Journal(_) | Self::Record { .. } => {
                "bring the folder of the run back from where it was kept, or run again"
            }
        }
    }
}

impl Evidence {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    ///
    /// It has no manifest, or no journal that can be read. All that is wrong besides is among the
    /// [`doubts`](Self::doubts).
    pub fn read(folder: &Path) -> Result<Self, EvidenceError> {
        let directory = RunDirectory::at(folder);
        if !directory.journal().is_file() && !directory.manifest().is_file() {
            return Err(EvidenceError::NoRun(folder.to_owned()));
        }
        let (manifest, digest) = Manifest::read(&directory)?;
        let mut doubts: Vec<String> = manifest
            .mismatches(&directory)
            .iter()
            .map(ToString::to_string)
            .collect();
        let contents = match read_journal(&directory.journal()) {
            Ok(contents) => contents,
            // Which byte it was is better known from the manifest.
            Err(error) if doubts.is_empty() => return Err(error.into()),
            Err(error) => {
                doubts.push(error.to_string());
                return Err(EvidenceError::Changed {
                    folder: folder.to_owned(),
                    what: doubts,
                });
            }
        };
        let record =
            RunRecord::from_events(&contents.events).map_err(|source| EvidenceError::Record {
                folder: folder.to_owned(),
                source,
            })?;
        if contents.truncated {
            doubts.push("the last line of `journal.jsonl` is cut off".to_owned());
        }
        if manifest.run != record.run || manifest.inputs != record.inputs {
            doubts.push("manifest and journal are of different runs".to_owned());
        }
        match record.ending {
            Ending::Complete => {}
            Ending::Stopped => doubts.push("the run was stopped before its end".to_owned()),
            Ending::Killed => doubts.push("the run was killed: its journal has no end".to_owned()),
        }
        doubts.extend(record.scenarios.iter().filter_map(contradiction));
        doubts.extend(other_verdicts(&directory, &record));
        Ok(Self {
            folder: folder.to_owned(),
            manifest: digest.into(),
            cuts: cuts(&contents.events),
            record,
            doubts,
        })
    }

    /// The points at which a scenario cut the power, when it is the power that it took away.
    pub(crate) fn cuts(&self, scenario: &ScenarioRecord) -> impl Iterator<Item = &CutPoint> {
        let evidence = scenario.steps.iter().flat_map(|step| &step.evidence);
        let by_power = evidence
            .into_iter()
            .any(|evidence| evidence.what == hil_record::Evidence::CUT_POINTS);
        let cuts = self.cuts.get(&scenario.name).filter(|_| by_power);
        cuts.into_iter().flatten()
    }

    /// What tells a scenario's board from all others: the identity of its chip. Where that is not known, its name.
    pub(crate) fn chip(&self, scenario: &ScenarioRecord) -> Option<String> {
        let board = scenario.board.as_ref()?;
        let mut boards = self.record.rig.boards.iter();
        let identity = boards
            .find(|info| info.name == *board)
            .and_then(|info| info.identity.as_ref());
        match identity {
            Some(identity) => Some(format!("{} {}", identity.chip, identity.device_id)),
            None => self.board(scenario),
        }
    }

    /// Digests of the inputs of one sort by name; for files of firmware sets, of the set with this digest.
    #[must_use]
    pub fn inputs(&self, role: InputRole, set: Option<&str>) -> BTreeMap<&str, &str> {
        let inputs = self.record.inputs.iter();
        inputs
            .filter(|input| input.role == role && input.set.as_deref() == set)
            .map(|input| (input.name.as_str(), input.sha256.as_str()))
            .collect()
    }

    /// The board of a scenario, as it is unique among all rigs: `rig/board`.
    #[must_use]
    pub fn board(&self, scenario: &ScenarioRecord) -> Option<String> {
        let board = scenario.board.as_ref()?;
        Some(format!("{}/{board}", self.record.rig.name))
    }

    /// Whether a board is a virtual one. Its description says so: there is nothing else to tell it by, and on purpose.
    #[must_use]
    pub fn is_virtual(&self, board: &str) -> bool {
        let mut boards = self.record.rig.boards.iter();
        boards.any(|info| info.name == board && info.description.starts_with("virtual "))
    }
}

/// Why a pass is none, going by the steps that the journal has.
fn contradiction(scenario: &ScenarioRecord) -> Option<String> {
    if scenario.outcome != Outcome::Pass {
        return None;
    }
    let name = &scenario.name;
    let gap = (1..)
        .zip(&scenario.steps)
        .find(|(number, step)| step.step.number != *number);
    if let Some((number, _)) = gap {
        return Some(format!(
            "scenario `{name}` passed, but has no step {number}"
        ));
    }
    if !scenario.steps.iter().any(|step| step.step.line.is_none()) {
        return Some(format!(
            "scenario `{name}` passed, but no standing check followed it"
        ));
    }
    let judged = |attempt: &Attempt| !matches!(attempt.outcome, Outcome::Error { .. });
    if scenario.earlier.iter().any(judged) {
        return Some(format!(
            "scenario `{name}` passed, but was tried again after a verdict on the firmware"
        ));
    }
    let bad = scenario.steps.iter().find(|step| match &step.outcome {
        Outcome::Pass => false,
        // A standing check that the scenario itself waives.
        Outcome::Skip { kind, .. } => *kind != SkipKind::Blocked || step.step.line.is_some(),
        Outcome::Fail { .. } | Outcome::Error { .. } => true,
    })?;
    Some(format!(
        "scenario `{name}` passed, but its step {} `{}` is `{}`",
        bad.step.number,
        bad.step.name,
        bad.outcome.verdict()
    ))
}

/// Where `result.json` says something else than the journal.
fn other_verdicts(directory: &RunDirectory, record: &RunRecord) -> Option<String> {
    let told: serde_json::Value = match std::fs::read(directory.result()) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        // The manifest says whether it was there.
        Err(_) => return None,
    };
    let empty = Vec::new();
    let told: Vec<(&str, &str)> = told["scenarios"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|scenario| {
            let text = |key: &str| scenario[key].as_str().unwrap_or("nothing");
            (text("name"), text("verdict"))
        })
        .collect();
    let found: Vec<(&str, &str)> = record
        .scenarios
        .iter()
        .map(|scenario| (scenario.name.as_str(), scenario.outcome.verdict().word()))
        .collect();
    if told == found {
        return None;
    }
    let first = found.iter().zip(&told).find(|(found, told)| found != told);
    Some(match first {
        Some(((name, found), (_, told))) => {
            format!("`result.json` says `{told}` for scenario `{name}`, the journal says `{found}`")
        }
        None => format!(
            "`result.json` has {} scenarios, the journal {}",
            told.len(),
            found.len()
        ),
    })
}

/// A point of a sweep: the digest of the list of flash operations that it is one of, and its name.
pub(crate) type CutPoint = (String, String);

/// The points of each scenario variant, of its last attempt.
fn cuts(events: &[Event]) -> BTreeMap<String, BTreeSet<CutPoint>> {
    let mut cuts: BTreeMap<String, BTreeSet<CutPoint>> = BTreeMap::new();
    let mut lists: BTreeMap<&str, &str> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::ScenarioStarted(started) => {
                cuts.remove(&started.scenario);
            }
            EventKind::SweepPlanned(plan) => {
                lists.insert(&plan.scenario, &plan.digest);
            }
            EventKind::SweepPoint(point) if point.is_good() => {
                let list = lists.get(point.scenario.as_str()).copied();
                let list = list.unwrap_or_default().to_owned();
                let points = cuts.entry(point.scenario.clone()).or_default();
                points.insert((list, point.cut.clone()));
            }
            _ => {}
        }
    }
    cuts
}

/// Whether a scenario passed.
pub(crate) fn passed(scenario: &ScenarioRecord) -> bool {
    scenario.outcome.verdict() == Verdict::Pass
}
