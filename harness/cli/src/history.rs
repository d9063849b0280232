//! The history beside the runs: where it is, and how a run gets into it.
//!
//! A run whose history cannot be written is a run all the same: its reports are there and its exit code stays.

use crate::error::CliError;
use hil_history::{Filter, History, HistoryError, RunEntry};
use hil_record::{Event, RunDirectory, RunRecord, read_journal};
use hil_runner::error_chain;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};

/// How many runs the page over all runs tells.
const ON_PAGE: u32 = 100;

/// The history of the runs in the folder of all reports.
pub(crate) fn beside(reports: &Path) -> PathBuf {
    reports.join("history.db")
}

/// What a history says of itself, for the person.
pub(crate) fn trouble(error: &HistoryError) -> CliError {
    CliError::usage(error_chain(error)).with_help(Some(error.help()))
}

/// Adds a run that has just ended, and makes the page over all runs anew.
pub(crate) fn remember(
    reports: &Path,
    folder: &RunDirectory,
    record: &RunRecord,
    events: &[Event],
) -> Result<(), CliError> {
    let path = beside(reports);
    let mut history = History::open(&path).map_err(|error| trouble(&error))?;
    add(&mut history, folder, record, events)?;
    page(&history, &path)
}

/// Adds the runs of a folder of reports that are not in its history, because they were killed before their end; their
/// identifiers. One that still goes on adds itself, and one that cannot be read is told and left out.
pub(crate) fn catch_up(reports: &Path) -> Result<Vec<String>, CliError> {
    let Ok(folders) = std::fs::read_dir(reports.join("runs")) else {
        return Ok(Vec::new());
    };
    let mut history = History::open(&beside(reports)).map_err(|error| trouble(&error))?;
    let mut folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let mut added = Vec::new();
    for folder in folders {
        let run = RunDirectory::at(folder);
        let is_known = history.has(run.id()).map_err(|error| trouble(&error))?;
        if is_known || !run.journal().exists() || is_going_on(&run) {
            continue;
        }
        // Killed before its first event: there is nothing of it.
        let Ok(contents) = read_journal(&run.journal()) else {
            eprintln!("warning: run `{}` cannot be read", run.path().display());
            continue;
        };
        let Ok(record) = RunRecord::from_events(&contents.events) else {
            continue;
        };
        add(&mut history, &run, &record, &contents.events)?;
        added.push(record.run);
    }
    Ok(added)
}

/// Whether somebody writes the journal of a run: its writer has it locked.
fn is_going_on(run: &RunDirectory) -> bool {
    let file = std::fs::File::open(run.journal());
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Adds a run.
pub(crate) fn add(
    history: &mut History,
    folder: &RunDirectory,
    record: &RunRecord,
    events: &[Event],
) -> Result<(), CliError> {
    // Links of the page must work from wherever the next run is started.
    let place = std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned());
    let entry = RunEntry::of(record, events, &place.to_string_lossy());
    history.add(&entry).map_err(|error| trouble(&error))
}

/// Writes `index.html` beside the history. A reader sees the old page or the new one, never a part.
pub(crate) fn page(history: &History, path: &Path) -> Result<(), CliError> {
    let filter = Filter {
        runs: ON_PAGE,
        ..Filter::default()
    };
    let overview = history.overview(&filter).map_err(|error| trouble(&error))?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let place = path.parent().unwrap_or_else(|| Path::new("."));
    let text = hil_report::index(&overview, place);
    let page = place.join("index.html");
    // Of each program its own: two may end at once.
    let new = place.join(format!("index.html.{}", std::process::id()));
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, &page))
        .map_err(|error| {
            CliError::usage(format_args!(
                "page `{}` cannot be written: {error}",
                page.display()
            ))
        })
}
