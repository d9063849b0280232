//! `dfu-hil check`: finds mistakes in scenario, rig and firmware files without a board.

use crate::args::CheckArgs;
use crate::bench_files;
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::{Library, is_named, mistakes_in_files, selected};
use crate::progress::counted;
use hil_runner::{Choice, choose};
use std::collections::BTreeMap;

/// Reads all files, and holds the scenarios against the firmware sets.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, CliError> {
    let library = Library::load(&args.selection)?;
    let rig = bench_files::rig_file(args.bench.rig.as_deref())?;
    let filters = &args.selection.filter;
    let scratch = tempfile::tempdir().map_err(|error| {
        CliError::bench(format_args!("no folder for the demo firmware: {error}"))
    })?;
    let mut sets = bench_files::sets(&args.bench.firmware, scratch.path())?;
    let chosen = choose(
        &library.scenarios,
        &mut sets,
        |name| selected(filters, name),
        |scenario| is_named(&args.selection, scenario),
    )?;
    if chosen.jobs.is_empty() {
        return Err(super::list::nothing_selected(filters));
    }
    if !chosen.mistakes.is_empty() {
        return Err(mistakes_in_files(&chosen.mistakes));
    }
    let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in &chosen.jobs {
        if let Choice::Nothing(reason) = &job.firmware {
            let names = skipped.entry(reason).or_default();
            names.push(&job.variant.name);
        }
    }
    let skips: usize = skipped.values().map(Vec::len).sum();
    let firmware: Vec<_> = bench_files::under_test(&sets, &chosen)
        .iter()
        .map(|firmware| format!("`{}`", firmware.set().name))
        .collect();
    println!(
        "{} fit firmware {}; rig `{}` has {}",
        counted(chosen.jobs.len() - skips, "variant"),
        firmware.join(", "),
        rig.name,
        counted(rig.boards.len(), "board entry").replace("entrys", "entries")
    );
    for (reason, names) in skipped {
        println!(
            "{} would be skipped: {reason}\n    {}",
            counted(names.len(), "variant"),
            names.join(", ")
        );
    }
    Ok(Exit::Passed)
}
