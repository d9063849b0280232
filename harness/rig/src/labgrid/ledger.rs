//! Which places a run of this host has acquired.
//!
//! labgrid has no lease: a place stays acquired when the process that acquired it was killed. So each run writes down what it
//! acquired, in the folder of its user. A run that finds a place acquired under its own name, exactly as an earlier one has written
//! down, takes it over: the lease on the place, which the kernel frees with its holder, shows that the earlier one has ended.

use super::shown::Shown;
use crate::lease::file_name;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The file of one place.
#[derive(Clone, Debug)]
pub(super) struct Ledger(PathBuf);

/// What it says.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Entry {
    /// `HOST/USER`.
    acquired: String,
    /// When labgrid says that it happened: whoever acquires the place later has another time.
    changed: String,
}

impl Ledger {
    pub(super) fn of(folder: &Path, key: &str) -> Self {
        Self(folder.join(format!("{}.json", file_name(key))))
    }

    /// Whether what is shown is what a run has written down.
    pub(super) fn knows(&self, shown: &Shown) -> bool {
        let entry = std::fs::read_to_string(&self.0)
            .ok()
            .and_then(|text| serde_json::from_str::<Entry>(&text).ok());
        entry.is_some_and(|entry| {
            shown.acquired.as_ref() == Some(&entry.acquired) && shown.changed == entry.changed
        })
    }

    /// Writes it down.
    pub(super) fn write(&self, shown: &Shown) -> io::Result<()> {
        let entry = Entry {
            acquired: shown.acquired.clone().unwrap_or_default(),
            changed: shown.changed.clone(),
        };
        if let Some(folder) = self.0.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.0, serde_json::to_string(&entry)?)
    }

    /// The place is released.
    pub(super) fn forget(&self) {
        // Where it stays, it describes a time that does not come again.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(changed: &str) -> Shown {
        Shown {
            name: "dk-07".to_owned(),
            acquired: Some("lab2/ada".to_owned()),
            changed: changed.to_owned(),
        }
    }

    #[test]
    fn only_what_was_written_down_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(&folder.path().join("labgrid"), "labgrid-lab:20408-dk-07");
        assert!(!ledger.knows(&shown("12:00")));
        ledger.write(&shown("12:00")).unwrap();
        assert!(ledger.knows(&shown("12:00")));
        assert!(!ledger.knows(&shown("12:01")), "acquired again, by hand");
        let other = Shown {
            acquired: Some("lab2/bob".to_owned()),
            ..shown("12:00")
        };
        assert!(!ledger.knows(&other));
        ledger.forget();
        assert!(!ledger.knows(&shown("12:00")));
    }
}
