//! `dfu-hil merge`: one run of several, with a journal, reports and a manifest of its own.

use crate::args::MergeArgs;
use crate::command::run::RunFolder;
use crate::error::CliError;
use crate::exit::Exit;
use hil_clock::SystemClock;
use hil_record::{
    Capture, ConsoleLogs, Journal, Manifest, ManifestError, MergePart, Objects, Reporter as _,
    RunDirectory, RunRecord, read_journal,
};
use hil_report::SummaryContext;
use hil_runner::error_chain;
use std::fs;
use std::path::Path;

/// Merges, and tells what the whole came to, as the run would have.
pub(crate) fn merge(args: &MergeArgs) -> Result<Exit, CliError> {
    let mut parts = Vec::new();
    for folder in &args.runs {
        let run = RunDirectory::at(folder);
        let contents = read_journal(&run.journal()).map_err(|error| {
            CliError::usage(error_chain(&error)).with_help(Some(
                "give the folders of runs, such as reports/runs/20260802T101530Z-01",
            ))
        })?;
        let manifest = match Manifest::read(&run) {
            Ok((manifest, digest)) => {
                if let Some(mismatch) = manifest.mismatches(&run).first() {
                    return Err(CliError::usage(format_args!(
                        "run `{}` is not what it was when it ended: {mismatch}",
                        run.path().display()
                    ))
                    .with_help(Some(
                        "bring its folder back from where it was kept, or run again",
                    )));
                }
                Some(hex::encode(digest))
            }
            // It was killed.
            Err(ManifestError::Missing { .. }) => None,
            Err(error) => {
                return Err(CliError::usage(error_chain(&error)).with_help(error.help()));
            }
        };
        parts.push(MergePart {
            events: contents.events,
            manifest,
        });
    }
    let folder = RunFolder::create(&args.reports.join("runs"), &SystemClock::new())?;
    let events = hil_record::merge(folder.directory.id(), parts)
        .map_err(|error| CliError::usage(&error).with_help(Some(error.help())))?;
    let directory = folder.directory.clone();
    let cannot = |error: std::io::Error| {
        CliError::usage(format_args!(
            "run `{}` cannot be written: {error}",
            directory.path().display()
        ))
    };
    let mut journal = Journal::create(&directory.journal()).map_err(cannot)?;
    let mut consoles = ConsoleLogs::new(directory.clone());
    let mut capture = Capture::new(&directory);
    for event in &events {
        journal.append(event).map_err(cannot)?;
        consoles.on_event(event).map_err(cannot)?;
        capture.on_event(event).map_err(cannot)?;
    }
    drop(capture);
    let objects = Objects::of_run(directory.path());
    for part in &args.runs {
        copy_objects(part, &objects)?;
    }
    let record =
        RunRecord::from_events(&events).map_err(|error| CliError::usage(error_chain(&error)))?;
    hil_report::write(&record, &events, &directory)
        .map_err(|error| CliError::usage(error_chain(&error)).with_help(Some(error.help())))?;
    Manifest::of(&directory, &record)
        .and_then(|manifest| manifest.write(&directory))
        .map_err(|error| CliError::usage(error_chain(&error)).with_help(error.help()))?;
    let directory = folder.keep();
    if let Err(error) = crate::history::remember(&args.reports, &directory, &record, &events) {
        eprintln!("warning: the run is not in the history: {error}");
    }
    let context = SummaryContext {
        folder: directory.path(),
        command: "dfu-hil run",
    };
    print!("{}", hil_report::summary(&record, &context));
    Ok(super::run::exit_of(&record))
}

/// Takes over the bytes that the verdicts of a part are made again from, each held against its digest.
fn copy_objects(part: &Path, whole: &Objects) -> Result<(), CliError> {
    let cannot = |error: &dyn std::fmt::Display| {
        CliError::usage(format_args!(
            "the evidence of run `{}` cannot be taken over: {error}",
            part.display()
        ))
        .with_help(Some(
            "bring its folder back from where it was kept, or run again",
        ))
    };
    let store = Objects::of_run(part);
    let Ok(folders) = fs::read_dir(part.join(Objects::FOLDER)) else {
        return Ok(());
    };
    for folder in folders {
        let folder = folder.map_err(|error| cannot(&error))?;
        for file in fs::read_dir(folder.path()).map_err(|error| cannot(&error))? {
            let file = file.map_err(|error| cannot(&error))?;
            let names = [folder.file_name(), file.file_name()].map(std::ffi::OsString::into_string);
            let [Ok(first), Ok(rest)] = names else {
                continue;
            };
            // What is no object is nobody's evidence.
            let Some(digest) = Objects::digest_at(&format!("{}/{first}/{rest}", Objects::FOLDER))
            else {
                continue;
            };
            let bytes = store.get(&digest).map_err(|error| cannot(&error))?;
            whole.put(&bytes).map_err(|error| cannot(&error))?;
        }
    }
    Ok(())
}
