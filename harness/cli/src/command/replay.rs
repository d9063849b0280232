//! `dfu-hil replay`: makes the verdicts of a run again from its journal, and holds the folder against its manifest.

use crate::args::ReplayArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::counted;
use hil_signoff::{Evidence, EvidenceError, Refusal};

/// Replays the run, and tells what differs.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Exit, CliError> {
    let run = match Evidence::read(&args.run) {
        Ok(run) => run,
        Err(error @ EvidenceError::Changed { .. }) => {
            println!("{}", Refusal::unreadable(&error));
            return Ok(Exit::Failed);
        }
        Err(error) => {
            return Err(
                CliError::usage(Refusal::unreadable(&error).text).with_help(Some(error.help()))
            );
        }
    };
    for doubt in &run.doubts {
        println!("refused: {doubt}");
    }
    for scenario in &run.record.scenarios {
        let cause = scenario.outcome.cause().map(|cause| format!(": {cause}"));
        println!(
            "{:>5} {}{}",
            scenario.outcome.verdict(),
            scenario.name,
            cause.unwrap_or_default()
        );
    }
    let count = counted(run.record.scenarios.len(), "verdict");
    if run.doubts.is_empty() {
        println!("{count} made again from the journal; every file is as it was when the run ended");
        Ok(Exit::Passed)
    } else {
        println!("{count} made again from the journal, but the evidence is not what it was");
        Ok(Exit::Failed)
    }
}
