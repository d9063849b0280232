//! What a run and its scenarios begin with: what runs them, on what, with what, and from which files.

use crate::identity::BoardIdentity;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

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
