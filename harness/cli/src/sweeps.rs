//! What the command line wants of the sweeps of a run, put into the jobs that have one.

use crate::args::SweepOptions;
use crate::error::CliError;
use hil_record::{Event, RunDirectory, read_journal};
use hil_runner::{Job, Share, SweepOrders, Visited, error_chain};
use hil_scenario::Step;
use std::path::Path;

/// Puts the options into the jobs, of which those with a sweep may become several. `command` is the one that runs the same
/// again.
pub(crate) fn order<'a>(
    jobs: Vec<Job>,
    options: &SweepOptions,
    command: &str,
    before: impl Iterator<Item = &'a Event>,
) -> Result<Vec<Job>, CliError> {
    let mut visited = Visited::of_events(before.map(|event| &event.kind));
    if let Some(run) = &options.skip_visited {
        visited.and(visited_by(run)?);
    }
    let command = if options.by_time {
        format!("{command} --by-time")
    } else {
        command.to_owned()
    };
    let orders = SweepOrders {
        only: options.cut.clone(),
        strategy: options.sweep,
        seed: options.seed,
        by_time: options.by_time,
        share: None,
        visited,
        night: None,
        command,
    };
    let jobs = match options.cut {
        None => jobs,
        Some(_) => only_sweep(jobs)?,
    };
    let parts = options.split.map_or(1, std::num::NonZeroUsize::get);
    Ok(jobs
        .into_iter()
        .flat_map(|job| {
            let parts = if has_sweep(&job) { parts } else { 1 };
            let orders = orders.clone();
            (0..parts).map(move |number| part(&job, &orders, Share { number, of: parts }))
        })
        .collect())
}

/// Whether a job interrupts a start at many points.
pub(crate) fn has_sweep(job: &Job) -> bool {
    let mut steps = job.variant.steps.iter();
    steps.any(|planned| matches!(planned.step, Step::Sweep(_)))
}

/// A point is one of one scenario.
fn only_sweep(jobs: Vec<Job>) -> Result<Vec<Job>, CliError> {
    let sweeps: Vec<Job> = jobs.into_iter().filter(has_sweep).collect();
    match sweeps.as_slice() {
        [_] => Ok(sweeps),
        [] => Err(CliError::usage(
            "`--cut` names a point of a sweep, and no scenario that was selected has a `sweep`",
        )
        .with_help(Some("name the file of the scenario that the point is of"))),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|job| format!("`{}`", job.variant.name))
                .collect();
            Err(CliError::usage(format_args!(
                "`--cut` names a point of one sweep, and several scenarios with one were selected: {}",
                names.join(", ")
            ))
            .with_help(Some("choose one with `--filter`")))
        }
    }
}

fn part(job: &Job, orders: &SweepOrders, share: Share) -> Job {
    let mut job = job.clone();
    job.sweep = orders.clone();
    if share.of > 1 {
        job.variant.name = share.name(&job.variant.name);
        job.sweep.share = Some(share);
    }
    job
}

/// What a run has visited, also one that was stopped or killed.
fn visited_by(run: &Path) -> Result<Visited, CliError> {
    let journal = RunDirectory::at(run).journal();
    let contents = read_journal(&journal).map_err(|error| {
        CliError::usage(format_args!(
            "`--skip-visited {}`: {}",
            run.display(),
            error_chain(&error)
        ))
    })?;
    Ok(Visited::of_events(
        contents.events.iter().map(|event| &event.kind),
    ))
}
