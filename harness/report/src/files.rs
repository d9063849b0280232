//! The report files of a run.

use crate::junit::junit;
use hil_record::{RunDirectory, RunRecord};
use std::io;
use std::path::{Path, PathBuf};

/// Why a report file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("report `{path}` cannot be written")]
pub struct ReportError {
    /// The file.
    pub path: PathBuf,
    /// What the file system says.
    #[source]
    pub source: io::Error,
}

impl ReportError {
    /// What to try.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        "the journal in the same folder has everything that the report would say"
    }
}

/// The record as JSON for people to look at and machines to read: the contents of `result.json`.
#[must_use]
pub fn json(record: &RunRecord) -> String {
    let mut text = serde_json::to_string_pretty(record)
        .expect("a record has text keys only, and nothing else can fail in memory");
    text.push('\n');
    text
}

/// Writes `result.json` and `junit.xml` into the folder of the run, over older ones.
///
/// # Errors
///
/// A file cannot be written; the other one is still tried.
pub fn write(record: &RunRecord, directory: &RunDirectory) -> Result<(), ReportError> {
    let result = replace(&directory.result(), &json(record));
    let junit = replace(&directory.junit(), &junit(record));
    result.and(junit)
}

/// A reader sees the old file or the new one, never a part.
fn replace(path: &Path, text: &str) -> Result<(), ReportError> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|source| ReportError {
            path: path.to_owned(),
            source,
        })
}
