//! `dfu-hil replay`: makes the verdicts of a run again from its evidence, and holds the folder against its manifest.

use crate::args::ReplayArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::counted;
use hil_record::{RunDirectory, read_journal};
use hil_runner::{ReplayRequest, ScenarioReplay, error_chain};
use hil_signoff::{Evidence, EvidenceError, Refusal};
use std::collections::BTreeMap;
use std::path::Path;

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
    let replayed = made_again(&args.run, &run, args.decryption_key.as_deref())?;
    for doubt in &run.doubts {
        println!("refused: {doubt}");
    }
    let contradictions = contradictions(&replayed);
    for contradiction in &contradictions {
        println!("refused: {contradiction}");
    }
    for scenario in &run.record.scenarios {
        let cause = scenario.outcome.cause().map(|cause| format!(": {cause}"));
        println!(
            "{:>5} {}{}{}",
            scenario.outcome.verdict(),
            scenario.name,
            remade(&replayed, &scenario.name),
            cause.unwrap_or_default()
        );
    }
    left_open(&replayed);
    let count = counted(run.record.scenarios.len(), "verdict");
    let comparisons: usize = replayed.iter().map(ScenarioReplay::remade).sum();
    let from = format!(
        "{count} made again from the journal, {} from the evidence",
        counted(comparisons, "comparison")
    );
    if run.doubts.is_empty() && contradictions.is_empty() {
        println!("{from}; every file is as it was when the run ended");
        Ok(Exit::Passed)
    } else {
        println!("{from}, but the evidence is not what it was");
        Ok(Exit::Failed)
    }
}

/// Makes the comparisons of a run again.
fn made_again(
    folder: &Path,
    run: &Evidence,
    decryption_key: Option<&Path>,
) -> Result<Vec<ScenarioReplay>, CliError> {
    let journal = read_journal(&RunDirectory::at(folder).journal())
        .map_err(|error| CliError::usage(error_chain(&error)))?;
    Ok(hil_runner::replay(&ReplayRequest {
        run: folder,
        events: &journal.events,
        inputs: &run.record.inputs,
        decryption_key,
    }))
}

/// Adds to the doubts about a run what its own evidence says against it.
pub(super) fn doubt(folder: &Path, run: &mut Evidence) -> Result<(), CliError> {
    let replayed = made_again(folder, run, None)?;
    run.doubts.extend(contradictions(&replayed));
    Ok(())
}

/// Where the evidence says something else than the journal.
fn contradictions(replayed: &[ScenarioReplay]) -> Vec<String> {
    let mut found = Vec::new();
    for scenario in replayed {
        for step in &scenario.steps {
            found.extend(step.contradictions.iter().map(|what| {
                format!(
                    "step {} `{}` of scenario `{}`: {what}",
                    step.step.number, step.step.name, scenario.scenario
                )
            }));
        }
    }
    found
}

/// How much of a scenario was compared again.
fn remade(replayed: &[ScenarioReplay], name: &str) -> String {
    let of_it = || replayed.iter().filter(|replay| replay.scenario == name);
    let remade: usize = of_it().map(ScenarioReplay::remade).sum();
    let open: usize = of_it()
        .flat_map(|replay| &replay.steps)
        .map(|step| step.open.len())
        .sum();
    match (remade, open) {
        (0, 0) => String::new(),
        (remade, 0) => format!(" ({})", counted(remade, "comparison")),
        (remade, open) => format!(
            " ({}, {open} not made again)",
            counted(remade, "comparison")
        ),
    }
}

/// Tells why comparisons were not made again, each reason once.
fn left_open(replayed: &[ScenarioReplay]) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for step in replayed.iter().flat_map(|replay| &replay.steps) {
        for reason in &step.open {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    for (reason, times) in reasons {
        println!("not made again, {times} times: {reason}");
    }
}
