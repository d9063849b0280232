//! `dfu-hil nightly`: the library within a budget, then the points of sweeps that were tested least.

use super::run::{self, NightPlan};
use crate::args::{CourseArgs, JobsArg, NightlyArgs, RunArgs, SweepOptions};
use crate::error::CliError;
use crate::exit::Exit;
use crate::history;
use std::time::Duration;

/// How much longer than the budget a night may last: a tenth, for what takes longer than its history says; but at least what a
/// board needs to be left as it was found, and at most what one scenario may take. We chose them.
const MARGIN: (Duration, Duration) = (Duration::from_secs(5 * 60), hil_runner::SCENARIO_LIMIT);

/// Runs a night.
pub(crate) fn nightly(args: &NightlyArgs) -> Result<Exit, CliError> {
    // What a night before left that was killed is known to this one.
    match history::catch_up(&args.output.reports) {
        Ok(added) => {
            for run in added {
                eprintln!("run `{run}` was not in the history, and is now");
            }
        }
        // It costs the choice of points, and not the night.
        Err(error) => eprintln!("warning: runs that were killed are not in the history: {error}"),
    }
    let run = RunArgs {
        selection: args.selection.clone(),
        bench: args.bench.clone(),
        course: CourseArgs {
            retries: args.retries,
            jobs: JobsArg::default(),
            deadline: Some(args.budget.saturating_add(margin(args.budget))),
            shard: args.shard,
            resume: None,
            wait: args.wait,
            class: args.class,
            durations: args.durations.clone(),
        },
        output: args.output.clone(),
        sweeps: SweepOptions::default(),
    };
    let plan = NightPlan {
        budget: args.budget,
        seed: args.seed,
        points: args.sweep_points,
    };
    run::run_as(&run, Some(&plan))
}

fn margin(budget: Duration) -> Duration {
    (budget / 10).clamp(MARGIN.0, MARGIN.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::short(10, 5)]
    #[case::two_hours(120, 12)]
    #[case::six_hours(360, 36)]
    #[case::a_weekend(3_600, 45)]
    fn a_night_is_cut_some_time_after_its_budget(#[case] budget: u64, #[case] minutes: u64) {
        let found = margin(Duration::from_secs(budget * 60));
        assert_eq!(found, Duration::from_secs(minutes * 60));
    }
}
