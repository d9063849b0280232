//! `dfu-hil bootloader golden`: replays recordings of the real MCUboot.

use super::say;
use crate::args::GoldenArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_bootloader::golden::{CaseReport, Corpus, Options, Sampling};
use hil_runner::error_chain;
use std::num::NonZeroUsize;

/// Replays the whole corpus and prints the differences and the counts. A case that the model cannot replay is no pass.
pub(super) fn replay(args: &GoldenArgs) -> Result<Exit, CliError> {
    let corpus = Corpus::load(&args.dir).map_err(|error| {
        CliError::usage(format_args!(
            "recordings `{}`: {}",
            args.dir.display(),
            error_chain(&error)
        ))
        .with_help(Some(
            "the folder must hold `cases.jsonl`, `blobs` and `keys`, as `harness/bootloader/tests/data/golden` does",
        ))
    })?;
    if corpus.is_empty() {
        return Err(CliError::nothing_ran(format_args!(
            "recordings `{}` have no case",
            args.dir.display()
        )));
    }
    let jobs = args
        .jobs
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let summary = corpus.replay(&Options {
        jobs,
        sampling: Sampling::Full,
    });
    say(&summary)?;
    Ok(if summary.cases.iter().all(CaseReport::passed) {
        Exit::Passed
    } else {
        Exit::Failed
    })
}
