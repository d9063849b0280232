//! Where what outlasts a run is kept: a board's health and wear, and the places that were acquired for a run.

use crate::file::QuarantineSpec;
use crate::health::HealthFile;
use std::path::PathBuf;

/// Where the health of a board on a bench is kept.
pub(crate) fn health_file(quarantine: &QuarantineSpec, key: &str) -> Option<HealthFile> {
    let folder = (quarantine.ledger.clone()).or_else(|| folder("health"))?;
    Some(HealthFile::of(&folder, key))
}

/// Where a user's programs keep what is to last (XDG Base Directory Specification): the folder of one subject.
pub(super) fn folder(subject: &str) -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = set("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")))?;
    Some(data.join("dfu-hil").join(subject))
}
