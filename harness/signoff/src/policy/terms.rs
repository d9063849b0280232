//! The terms of a sign-off: the policy with everything that it refers to.

use super::file::{KnownIssues, Policy, VirtualBoards, Waives};
use crate::digest::Sha256;
use crate::requirements::{Requirement, Requirements};
use hil_scenario::{At, FileError, FirmwareSet, RequirementId, Scenario, load_scenarios};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Everything that a judgement depends on but the runs and the time. As JSON it is a file of the sign-off.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Terms {
    /// Version of this format, [`Terms::FORMAT`].
    pub terms: u32,
    /// Name of the policy.
    pub policy: String,
    /// Digest of its file.
    pub policy_digest: Sha256,
    /// What is signed off.
    pub release: Release,
    /// Its firmware sets.
    pub firmware: Vec<SetTerms>,
    /// How old a run may be, in seconds.
    pub max_age_s: u64,
    /// Whether runs on virtual boards count.
    pub virtual_boards: VirtualBoards,
    /// What known defects do.
    pub known_issues: KnownIssues,
    /// What the firmware must do.
    pub requirements: Vec<Requirement>,
    /// What must have passed, by name.
    pub scenarios: Vec<ScenarioTerms>,
    /// What the release cannot have, by name.
    pub excluded: Vec<Excluded>,
    /// What was waived.
    pub waivers: Vec<Waiver>,
}

/// What is signed off.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A firmware set of the release.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SetTerms {
    /// Its name.
    pub name: String,
    /// Its digest, as runs record it.
    pub digest: Sha256,
    /// The files that it programs or sends, by name.
    pub files: Vec<NamedDigest>,
}

/// A file by name and digest.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct NamedDigest {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// A scenario variant that must have passed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ScenarioTerms {
    /// Its name, such as `app-update[uart]`.
    pub name: String,
    /// Digest of its file.
    pub file: Sha256,
    /// What it covers.
    pub requirements: Vec<RequirementId>,
    /// How often it must have passed.
    pub passes: u32,
    /// On how many boards.
    pub boards: u32,
    /// On which ones, if only some count.
    pub on: Vec<String>,
    /// At how many points the power must have been cut.
    pub cut_points: u64,
}

/// A scenario variant that the release cannot have.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Excluded {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What somebody answers for until a day.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Waiver {
    /// What is waived.
    pub waives: Waives,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub by: String,
    /// The last day, UTC.
    pub expires: Date,
}

/// Why there are no terms.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct TermsError(pub Vec<FileError>);

impl From<FileError> for TermsError {
    fn from(error: FileError) -> Self {
        Self(vec![error])
    }
}

impl Terms {
    /// The version of the format that is written.
    pub const FORMAT: u32 = 1;

    /// Reads what a policy refers to.
    ///
    /// # Errors
    ///
    /// A file has a mistake, a rule of the policy means no scenario, or a scenario names a requirement that is not in
    /// the file.
    pub fn of(policy: &Policy) -> Result<(Self, Requirements), TermsError> {
        let requirements = Requirements::load(&policy.requirements)?;
        let library = load_scenarios(&policy.library).map_err(TermsError)?;
        let firmware = policy
            .firmware
            .iter()
            .map(|path| Ok(SetTerms::of(&FirmwareSet::load(path)?)))
            .collect::<Result<_, FileError>>()?;
        let (scenarios, excluded) = policy.scenarios(&library)?;
        let terms = Self {
            terms: Self::FORMAT,
            policy: policy.name.clone(),
            policy_digest: Sha256::of(policy.text()),
            release: Release {
                name: policy.release.name.clone(),
                version: policy.release.version.clone(),
            },
            firmware,
            max_age_s: policy.max_age.as_secs(),
            virtual_boards: policy.virtual_boards,
            known_issues: policy.known_issues,
            requirements: requirements.list.clone(),
            scenarios,
            excluded,
            waivers: policy
                .waivers
                .iter()
                .map(|(waives, raw)| Waiver {
                    waives: waives.clone(),
                    reason: raw.reason.trim().to_owned(),
                    by: raw.by.trim().to_owned(),
                    expires: raw.expires,
                })
                .collect(),
        };
        Ok((terms, requirements))
    }

    /// The contents of `terms.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("terms have text keys only, and nothing else can fail in memory");
        text.push('\n');
        text
    }

    /// The files that are signed off, each once.
    #[must_use]
    pub fn files(&self) -> Vec<NamedDigest> {
        self.files_of(|_| true)
    }

    /// Those of some of its sets.
    pub(crate) fn files_of(&self, wanted: impl Fn(&SetTerms) -> bool) -> Vec<NamedDigest> {
        // Several sets have files of one name.
        let name = |set: &SetTerms, file: &NamedDigest| match self.firmware.len() {
            1 => file.name.clone(),
            _ => format!("{}/{}", set.name, file.name),
        };
        let mut files: Vec<NamedDigest> = Vec::new();
        for set in self.firmware.iter().filter(|set| wanted(set)) {
            files.extend(set.files.iter().map(|file| NamedDigest {
                name: name(set, file),
                sha256: file.sha256,
            }));
        }
        files.sort();
        files.dedup();
        files
    }
}

impl SetTerms {
    /// Those of a set that was read.
    #[must_use]
    pub fn of(set: &FirmwareSet) -> Self {
        let mut files: Vec<NamedDigest> = set
            .files()
            .map(|file| NamedDigest {
                name: file.name().to_owned(),
                sha256: (*file.digest()).into(),
            })
            .collect();
        files.sort();
        files.dedup();
        Self {
            name: set.name.clone(),
            digest: set.digest.into(),
            files,
        }
    }
}

impl Policy {
    /// The variants of the library that must have passed, and those that cannot be had.
    fn scenarios(
        &self,
        library: &[Scenario],
    ) -> Result<(Vec<ScenarioTerms>, Vec<Excluded>), FileError> {
        let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
        for scenario in library {
            for variant in scenario.variants() {
                let name = &variant.name;
                if let Some(found) = self.exclude.iter().find(|raw| raw.scenario.matches(name)) {
                    excluded.push(Excluded {
                        name: name.clone(),
                        reason: found.reason.trim().to_owned(),
                    });
                    continue;
                }
                let mut terms = ScenarioTerms {
                    name: name.clone(),
                    file: scenario.digest().into(),
                    requirements: scenario.requirements.clone(),
                    passes: 1,
                    boards: 1,
                    on: Vec::new(),
                    cut_points: 0,
                };
                for rule in self
                    .require
                    .iter()
                    .filter(|rule| rule.scenario.matches(name))
                {
                    terms.passes = terms.passes.max(rule.passes);
                    terms.boards = terms.boards.max(rule.boards);
                    terms.cut_points = terms.cut_points.max(rule.cut_points);
                    terms.on.extend_from_slice(&rule.on);
                }
                wanted.push(terms);
            }
        }
        self.means_something(library)?;
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        excluded.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((wanted, excluded))
    }

    /// A rule with a misspelt name would ask for nothing.
    fn means_something(&self, library: &[Scenario]) -> Result<(), FileError> {
        let names: Vec<&str> = library
            .iter()
            .flat_map(Scenario::variants)
            .map(|variant| variant.name.as_str())
            .collect();
        let rules = self.require.iter().map(|rule| &rule.scenario);
        let excludes = self.exclude.iter().map(|exclude| &exclude.scenario);
        let named = (0..)
            .zip(rules)
            .map(|(index, pattern)| ("require", index, pattern))
            .chain(
                (0..)
                    .zip(excludes)
                    .map(|(index, pattern)| ("exclude", index, pattern)),
            );
        for (list, index, pattern) in named {
            if !names.iter().any(|name| pattern.matches(name)) {
                return Err(self.document.mistake(
                    &[At::Key(list), At::Index(index), At::Key("scenario")],
                    format!("`{pattern}` means no scenario of the library"),
                    "`dfu-hil list` has the names; `*` stands for any text",
                ));
            }
        }
        Ok(())
    }
}
