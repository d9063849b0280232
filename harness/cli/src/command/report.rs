//! `dfu-hil report`: makes the reports of a run again from what it left behind.
//!
//! They come from the journal, as those at the end of the run do. Where only `result.json` was kept, the reports that need no
//! events come from that.

use crate::args::{ReportArgs, ReportFormat};
use crate::error::CliError;
use crate::exit::Exit;
use hil_record::{Event, RunDirectory, RunRecord, read_journal};
use hil_runner::error_chain;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Makes what was asked for. How the run ended does not matter: that the report could be made is the result.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit, CliError> {
    let run = RunDirectory::at(&args.run);
    let (record, events) = read(&run)?;
    let Some(format) = args.format else {
        hil_report::write(&record, &events, &run)
            .map_err(|error| CliError::usage(error_chain(&error)).with_help(Some(error.help())))?;
        println!("{}", run.html().display());
        return Ok(Exit::Passed);
    };
    let text = match format {
        ReportFormat::Html => hil_report::html(&record, &events),
        ReportFormat::Ctrf => hil_report::ctrf(&record),
        ReportFormat::Markdown => hil_report::markdown(&record),
        ReportFormat::Junit => hil_report::junit(&record),
        ReportFormat::Json => hil_report::json(&record),
    };
    match &args.out {
        Some(path) => fs::write(path, text).map_err(|error| {
            CliError::usage(format_args!(
                "report `{}` cannot be written: {error}",
                path.display()
            ))
        })?,
        // A reader that closes the pipe has seen enough.
        None => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(CliError::usage(format_args!(
                    "the report cannot be printed: {error}"
                )));
            }
            _ => {}
        },
    }
    Ok(Exit::Passed)
}

/// The record of a run and its events, which may be gone.
pub(super) fn read(run: &RunDirectory) -> Result<(RunRecord, Vec<Event>), CliError> {
    if run.journal().exists() {
        let contents = read_journal(&run.journal()).map_err(|error| {
            CliError::usage(error_chain(&error))
                .with_help(Some("a copy of the run's folder may have it undamaged"))
        })?;
        let record = RunRecord::from_events(&contents.events).map_err(|error| {
            CliError::usage(format_args!(
                "journal `{}`: {error}",
                run.journal().display()
            ))
        })?;
        return Ok((record, contents.events));
    }
    let path = run.result();
    let text = fs::read_to_string(&path).map_err(|_| {
        CliError::usage(format_args!(
            "folder `{}` is none of a run: it has neither journal.jsonl nor result.json",
            run.path().display()
        ))
        .with_help(Some("runs are in reports/runs/, one folder each"))
    })?;
    let record = from_result(&path, &text)?;
    eprintln!("warning: the run has no journal.jsonl: the HTML report has no logs");
    Ok((record, Vec::new()))
}

fn from_result(path: &Path, text: &str) -> Result<RunRecord, CliError> {
    let record: RunRecord = serde_json::from_str(text).map_err(|error| {
        CliError::usage(format_args!(
            "file `{}` is no record of a run: {error}",
            path.display()
        ))
    })?;
    if record.format > RunRecord::FORMAT {
        return Err(CliError::usage(format_args!(
            "file `{}` has format {}, this program knows formats up to {}",
            path.display(),
            record.format,
            RunRecord::FORMAT
        ))
        .with_help(Some(
            "use the version of dfu-hil that made the run, or a later one",
        )));
    }
    Ok(record)
}
