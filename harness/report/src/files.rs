//! The report files of a run.

use crate::ctrf::ctrf;
use crate::html::html;
use crate::junit::junit;
use crate::markdown::markdown;
use hil_record::{Event, RunDirectory, RunRecord};
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

/// Writes all reports into the folder of the run, over older ones: `result.json`, `junit.xml`, `ctrf.json`, `summary.md` and
/// `report.html`. `events` are those that the record was made from.
///
/// # Errors
///
/// A file cannot be written; the others are still tried.
pub fn write(
    record: &RunRecord,
    events: &[Event],
    directory: &RunDirectory,
) -> Result<(), ReportError> {
    let reports: [(PathBuf, &dyn Fn() -> String); 5] = [
        (directory.result(), &|| json(record)),
        (directory.junit(), &|| junit(record)),
        (directory.ctrf(), &|| ctrf(record)),
        (directory.markdown(), &|| markdown(record)),
        (directory.html(), &|| html(record, events)),
    ];
    let mut written = Ok(());
    // One after the other: the HTML of a large run takes memory.
    for (path, make) in reports {
        let this = replace(&path, &make());
        written = written.and(this);
    }
    written
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
