//! A rig file as the person wrote it, and how it becomes a checked one. What stands in the entry of a board is of [`super::board`].

use super::bluetooth::Bluetooth;
use super::board::Board;
use super::checked::{Checked, Name};
use super::place::{Place, name_offset};
use super::{BluetoothSpec, BoardSpec, QuarantineSpec, RigFile, RigFileError, WearSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rig {
    /// The name of the rig, for the report.
    rig: Checked<Name>,
    /// What it is, in your words.
    description: Option<String>,
    /// Adapters of the host, and the air of virtual boards.
    bluetooth: Option<Bluetooth>,
    /// How the wear of flash is kept over runs, and how much of it is allowed.
    wear: Option<Wear>,
    /// When a board that makes trouble gets no more scenarios.
    quarantine: Option<Quarantine>,
    /// The boards, at least one.
    boards: Vec<Board>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Quarantine {
    /// After how many scenarios in a row that the bench could not decide on it; 2 by default.
    after: Option<NonZeroU32>,
    /// Scenario variant that must pass on it before it gets others again, such as `app-update[uart]`.
    canary: Option<String>,
    /// Folder with a file for each board.
    ledger: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Wear {
    /// Folder with a file for each chip.
    ledger: Option<PathBuf>,
    /// How often a page may have been erased for another scenario to run on its board.
    budget: Option<NonZeroU64>,
}

impl Rig {
    pub(super) fn check(self, path: &Path, text: &str) -> Result<RigFile, RigFileError> {
        if self.boards.is_empty() {
            let what = "boards: found none, expected at least one".to_owned();
            let help =
                Some("`- { name: dk, virtual: {} }` is a board that needs no hardware".to_owned());
            return Err(RigFileError::at(
                path,
                text,
                text.find("boards").unwrap_or(0),
                what,
                help,
            ));
        }
        let bluetooth = match self.bluetooth {
            Some(bluetooth) => bluetooth.check(path, text)?,
            None => BluetoothSpec::default(),
        };
        let wear = self.wear.unwrap_or_default();
        let quarantine = self.quarantine.unwrap_or_default();
        let mut boards: Vec<BoardSpec> = Vec::with_capacity(self.boards.len());
        for (index, board) in self.boards.into_iter().enumerate() {
            let name = board.name.0.0.clone();
            let place = Place {
                path,
                text,
                name: &name,
            };
            if boards.iter().any(|other| other.name == name) {
                let what = format!(
                    "boards[{index}].name: `{name}` is the name of another board, expected a name of its own"
                );
                return Err(RigFileError::at(
                    path,
                    text,
                    name_offset(text, &name, 1),
                    what,
                    None,
                ));
            }
            boards.push(board.check(&place, index)?);
        }
        Ok(RigFile {
            path: path.to_owned(),
            name: self.rig.0.0,
            description: self.description,
            bluetooth,
            wear: WearSpec {
                ledger: wear.ledger,
                budget: wear.budget.map(NonZeroU64::get),
            },
            quarantine: QuarantineSpec {
                after: quarantine.after.unwrap_or(QuarantineSpec::AFTER),
                canary: quarantine.canary,
                ledger: quarantine.ledger,
            },
            boards,
        })
    }
}
