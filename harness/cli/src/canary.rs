//! The canary of a rig: the scenario that must pass on a board in quarantine before it gets any other.

use crate::error::CliError;
use crate::library::{Library, library_of_all};
use hil_rig::RigFile;
use hil_runner::{Choice, Firmware, Job, SetSource, choose};
use hil_scenario::Scenario;
use std::sync::Arc;

/// Scenarios that may be one where the rig file names none, the one to be preferred first. They program the board, update it
/// over its serial port and have it boot; the first also takes its power away, which the others do not need.
const USUAL: [&str; 3] = [
    "app-update[uart]",
    "revert-unconfirmed[uart]",
    "overwrite-app",
];

/// The canaries of a rig with this firmware, the one to be preferred first. Sets that the run has anyway are preferred to
/// others, which are made for the canary only.
pub(crate) fn of(
    rig: &RigFile,
    library: &Library,
    under_test: &[Arc<Firmware>],
    sets: &mut [SetSource<CliError>],
) -> Result<Vec<Job>, CliError> {
    let named = rig.quarantine.canary.as_deref();
    let names: Vec<&str> = named.map_or_else(|| USUAL.to_vec(), |name| vec![name]);
    let has = |scenario: &&Scenario| {
        let mut variants = scenario.variants().iter();
        variants.any(|variant| names.contains(&variant.name.as_str()))
    };
    let mut scenarios: Vec<Scenario> = library.scenarios.iter().filter(has).cloned().collect();
    if scenarios.is_empty() || named.is_none() {
        let known: Vec<String> = scenarios.iter().map(|known| known.name.clone()).collect();
        let all = library_of_all()?;
        let others = all.scenarios.iter().filter(has);
        scenarios.extend(others.filter(|other| !known.contains(&other.name)).cloned());
    }
    if let (Some(name), true) = (named, scenarios.is_empty()) {
        return Err(CliError::usage(format_args!(
            "`quarantine.canary` in rig file `{}` names `{name}`, and no scenario is called so",
            rig.path.display()
        ))
        .with_help(Some(
            "`dfu-hil list` has the names, such as `app-update[uart]`",
        )));
    }
    let wanted = |name: &str| names.contains(&name);
    let mut shared: Vec<SetSource<CliError>> = under_test.iter().map(SetSource::shared).collect();
    let mut jobs = choose(&scenarios, &mut shared, wanted, |_| false)?.jobs;
    let fits = |job: &Job| matches!(job.firmware, Choice::Sets(_));
    if !jobs.iter().any(fits) {
        jobs = choose(&scenarios, sets, wanted, |_| false)?.jobs;
    }
    let place = |job: &Job| names.iter().position(|name| *name == job.variant.name);
    jobs.sort_by_key(place);
    Ok(jobs)
}
