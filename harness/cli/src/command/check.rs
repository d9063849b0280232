//! `dfu-hil check`: finds mistakes in scenario, rig and firmware files without a board.

use crate::args::CheckArgs;
use crate::bench_files;
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::{Library, mistakes_in_files, selected, with_releases};
use crate::progress::counted;
use hil_scenario::Scenario;

/// Reads all files, and holds the scenarios against the firmware set.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, CliError> {
    let library = Library::load(&args.selection)?;
    let rig = bench_files::rig_file(args.bench.rig.as_deref())?;
    let scratch;
    let firmware = match &args.bench.firmware {
        Some(path) => bench_files::firmware(path)?,
        None => {
            scratch = tempfile::tempdir().map_err(|error| {
                CliError::bench(format_args!("no folder for the demo firmware: {error}"))
            })?;
            bench_files::demo_firmware(scratch.path())?
        }
    };
    let scenarios: Vec<Scenario> = library
        .scenarios
        .into_iter()
        .filter(|scenario| {
            let filters = &args.selection.filter;
            scenario
                .variants()
                .iter()
                .any(|variant| selected(filters, &variant.name))
        })
        .collect();
    if scenarios.is_empty() {
        return Err(super::list::nothing_selected(&args.selection.filter));
    }
    let scenarios = with_releases(&scenarios, firmware.set())?;
    let report = hil_scenario::check(&scenarios, firmware.set(), &[]);
    if !report.errors.is_empty() {
        return Err(mistakes_in_files(&report.errors));
    }
    println!(
        "{} fit firmware `{}`; rig `{}` has {}",
        counted(scenarios.len(), "scenario"),
        firmware.set().name,
        rig.name,
        counted(rig.boards.len(), "board entry").replace("entrys", "entries")
    );
    Ok(Exit::Passed)
}
