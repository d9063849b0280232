//! The policy's file.

use super::pattern::Pattern;
use hil_scenario::{At, FileError, RequirementId, YamlDocument};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A policy, as it is in its file.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) document: YamlDocument,
    /// Its name.
    pub name: String,
    /// What is signed off.
    pub(super) release: RawRelease,
    /// The firmware sets of the release, with whole paths.
    pub(super) firmware: Vec<PathBuf>,
    pub(super) requirements: PathBuf,
    pub(super) library: Vec<PathBuf>,
    pub(super) max_age: Duration,
    pub(super) virtual_boards: VirtualBoards,
    pub(super) known_issues: KnownIssues,
    pub(super) require: Vec<Rule>,
    pub(super) exclude: Vec<RawExclude>,
    pub(super) waivers: Vec<(Waives, RawWaiver)>,
}

/// Whether runs on virtual boards count.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VirtualBoards {
    /// They do.
    Allow,
    /// They do not: a release goes to real ones.
    #[default]
    Refuse,
}

/// What a scenario that shows a known defect to be there does to the sign-off.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownIssues {
    /// The release is signed off with a warning; the defect is named.
    #[default]
    Warn,
    /// The release is not signed off.
    Refuse,
}

/// What a waiver waives.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waives {
    /// That these scenarios were skipped, or not run.
    Skip(Pattern),
    /// That these scenarios passed only after something was tried again.
    Retry(Pattern),
    /// That nothing that passed covers this requirement.
    Uncovered(RequirementId),
}

/// More than one pass of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) scenario: Pattern,
    #[serde(default = "one")]
    pub(super) passes: u32,
    #[serde(default = "one")]
    pub(super) boards: u32,
    #[serde(default)]
    pub(super) on: Vec<String>,
    #[serde(default)]
    pub(super) cut_points: u64,
}

const fn one() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRelease {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExclude {
    pub(super) scenario: Pattern,
    pub(super) reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWaiver {
    skip: Option<Pattern>,
    retry: Option<Pattern>,
    uncovered: Option<RequirementId>,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) expires: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    policy: String,
    release: RawRelease,
    firmware: Vec<PathBuf>,
    requirements: PathBuf,
    library: Vec<PathBuf>,
    max_age: String,
    #[serde(default)]
    virtual_boards: VirtualBoards,
    #[serde(default)]
    known_issues: KnownIssues,
    #[serde(default)]
    require: Vec<Rule>,
    #[serde(default)]
    exclude: Vec<RawExclude>,
    #[serde(default)]
    waivers: Vec<RawWaiver>,
}

impl Policy {
    /// Reads the policy at `path`. The files that it names are not looked at.
    ///
    /// # Errors
    ///
    /// The first mistake in it, with its place.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::of(YamlDocument::load(path, "sign-off policy")?)
    }

    /// Reads the text of a policy; `path` is shown, and what the policy names is looked for in its folder.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self, FileError> {
        Self::of(YamlDocument::parse(path, "sign-off policy", text)?)
    }

    fn of(document: YamlDocument) -> Result<Self, FileError> {
        let raw: Document = document.read()?;
        let max_age = humantime::parse_duration(&raw.max_age).map_err(|_| {
            document.mistake(
                &[At::Key("max_age")],
                format!("`{}` is no duration", raw.max_age),
                "write how old a run may be: `12h`, `7d`",
            )
        })?;
        for (key, empty) in [
            ("firmware", raw.firmware.is_empty()),
            ("library", raw.library.is_empty()),
        ] {
            if empty {
                return Err(document.mistake(
                    &[At::Key(key)],
                    format!("`{key}` names no file"),
                    "a sign-off says which files of a release passed which scenarios",
                ));
            }
        }
        for (index, exclude) in raw.exclude.iter().enumerate() {
            let at = [At::Key("exclude"), At::Index(index), At::Key("reason")];
            says_something(
                &document,
                &at,
                "reason",
                &exclude.reason,
                "say why the release cannot have it",
            )?;
        }
        let waivers = raw
            .waivers
            .into_iter()
            .enumerate()
            .map(|(index, waiver)| Ok((waiver.checked(&document, index)?, waiver)))
            .collect::<Result<_, FileError>>()?;
        let folder = document
            .path()
            .parent()
            .unwrap_or_else(|| Path::new(""))
            .to_owned();
        let whole = |paths: Vec<PathBuf>| paths.iter().map(|path| folder.join(path)).collect();
        Ok(Self {
            name: raw.policy,
            release: raw.release,
            firmware: whole(raw.firmware),
            requirements: folder.join(raw.requirements),
            library: whole(raw.library),
            max_age,
            virtual_boards: raw.virtual_boards,
            known_issues: raw.known_issues,
            require: raw.require,
            exclude: raw.exclude,
            waivers,
            document,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> &str {
        self.document.text()
    }
}

impl RawWaiver {
    /// What it waives: exactly one thing, with a reason and a name.
    fn checked(&self, document: &YamlDocument, index: usize) -> Result<Waives, FileError> {
        let at = |key| [At::Key("waivers"), At::Index(index), At::Key(key)];
        let mut waives = [
            self.skip.clone().map(Waives::Skip),
            self.retry.clone().map(Waives::Retry),
            self.uncovered.clone().map(Waives::Uncovered),
        ]
        .into_iter()
        .flatten();
        let (Some(one), None) = (waives.next(), waives.next()) else {
            return Err(document.mistake(
                &at("")[..2],
                "a waiver waives one thing: `skip`, `retry` or `uncovered`",
                "write several waivers",
            ));
        };
        says_something(
            document,
            &at("reason"),
            "reason",
            &self.reason,
            "say why it does not matter",
        )?;
        says_something(
            document,
            &at("by"),
            "by",
            &self.by,
            "say who answers for it",
        )?;
        Ok(one)
    }
}

fn says_something(
    document: &YamlDocument,
    at: &[At<'_>],
    key: &str,
    value: &str,
    help: &str,
) -> Result<(), FileError> {
    if value.trim().is_empty() {
        return Err(document.mistake(at, format!("`{key}` is empty"), help));
    }
    Ok(())
}
