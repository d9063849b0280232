//! What is typed for a run: which scenarios on which boards, how it goes about them, and what it interrupts.

use super::{BenchArgs, SelectionArgs};
use clap::Args;
use hil_rig::QueueClass;
use hil_scenario::{CutList, Strategy};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// `dfu-hil run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) course: CourseArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) sweeps: SweepOptions,
}

/// `dfu-hil nightly`.
#[derive(Args, Debug)]
pub(crate) struct NightlyArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    /// How much time there is, such as 6h: nothing begins that would, by its history, end later. What lasts longer all the same
    /// is cut a tenth of the budget later (5 to 45 minutes)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) budget: Duration,
    /// At most so many points of sweeps beyond those that the library visits; 0 for the library alone [default: as many as there
    /// is time for]
    #[arg(long, value_name = "N", help_heading = "Sweep options")]
    pub(crate) sweep_points: Option<u64>,
    /// What decides among points that were tested as often: the same history and number give the same points
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Sweep options"
    )]
    pub(crate) seed: u64,
    /// How many more turns a scenario gets, each on another board, when the bench failed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Course options"
    )]
    pub(crate) retries: u32,
    /// Run only part I of N of the library and of the points; `dfu-hil merge` makes one run of them
    #[arg(long, value_name = "I/N", help_heading = "Course options")]
    pub(crate) shard: Option<ShardArg>,
    /// Wait up to this time, such as 1h, for boards that somebody else uses, and then go without them
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Course options")]
    pub(crate) wait: Option<Duration>,
    /// Who comes first among those who wait for the same boards: sign-off, developer or nightly
    #[arg(
        long = "as",
        value_name = "CLASS",
        default_value = "nightly",
        help_heading = "Course options"
    )]
    pub(crate) class: QueueClass,
    /// History that says how long scenarios take and which points were tested [default: history.db in the folder of --reports]
    #[arg(long, value_name = "FILE", help_heading = "Course options")]
    pub(crate) durations: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What a run leaves, and what it prints.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputArgs {
    /// Where the run's folder is made: journal, report.html, the same for machines, and console logs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print result.json on standard output, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `dfu-hil run` does with scenarios that interrupt a start at many points.
#[derive(Args, Debug, Default)]
pub(crate) struct SweepOptions {
    /// Only this cut point, or these in a row, such as boot.app-erase.37.before
    #[arg(long, value_name = "ID", help_heading = "Sweep options")]
    pub(crate) cut: Option<CutList>,
    /// Which points sweeps visit: every, sample:N or bisect [default: as the scenario says]
    #[arg(
        long,
        value_name = "STRATEGY",
        conflicts_with = "cut",
        help_heading = "Sweep options"
    )]
    pub(crate) sweep: Option<Strategy>,
    /// What sampling begins with: the same number gives the same points [default: as the scenario says]
    #[arg(long, value_name = "N", help_heading = "Sweep options")]
    pub(crate) seed: Option<u64>,
    /// Stop boards by the clock, also where they could be stopped at flash operations
    #[arg(long, help_heading = "Sweep options")]
    pub(crate) by_time: bool,
    /// Make N parts of each sweep, for as many boards at a time
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "cut",
        help_heading = "Sweep options"
    )]
    pub(crate) split: Option<NonZeroUsize>,
    /// Leave out points that an earlier run has visited and found good; RUN is its folder
    #[arg(long, value_name = "RUN", help_heading = "Sweep options")]
    pub(crate) skip_visited: Option<PathBuf>,
}

/// How a run goes about its scenarios.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Course options")]
pub(crate) struct CourseArgs {
    /// How many more turns a scenario gets, each on another board, when the bench failed. Verdicts on the firmware stand; a pass
    /// on retry is reported as flaky
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) retries: u32,
    /// How many boards work at a time: a number, or auto, which is all of them
    #[arg(long, value_name = "N", default_value = "auto")]
    pub(crate) jobs: JobsArg,
    /// End the run after this time, such as 6h or 90min, and report what was done: nothing begins that would not be ready,
    /// what still runs is stopped
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Option<Duration>,
    /// Run only part I of N, cut so that all take about as long; `dfu-hil merge` makes one run of them. All parts need the same
    /// scenarios and the same history
    #[arg(long, value_name = "I/N", conflicts_with = "resume")]
    pub(crate) shard: Option<ShardArg>,
    /// Go on with a run that was stopped or killed: its id or its folder. Give the same scenarios, rig and firmware
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<PathBuf>,
    /// Wait up to this time, such as 30min, for boards that somebody else uses
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) wait: Option<Duration>,
    /// What the run is for, which decides who comes first among those who wait for the same boards: sign-off, developer or
    /// nightly
    #[arg(long = "as", value_name = "CLASS", default_value = "developer")]
    pub(crate) class: QueueClass,
    /// History that says how long scenarios take: the longest have their turn first [default: history.db in the folder of
    /// --reports]
    #[arg(long, value_name = "FILE")]
    pub(crate) durations: Option<PathBuf>,
}

/// How many boards work at a time, as it is typed; `None` is all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct JobsArg(pub(crate) Option<NonZeroUsize>);

impl FromStr for JobsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|number| Self(Some(number)))
            .map_err(|_| format!("`{text}` is neither a number from 1 nor `auto`"))
    }
}

/// A part of all scenarios, as it is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ShardArg {
    pub(crate) index: u32,
    pub(crate) count: u32,
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            Some((index, count)) => Err(format!(
                "there is no part {index} of {count}: parts are counted from 1"
            )),
            None => Err(format!("`{text}` is no part, such as 2/4")),
        }
    }
}

/// `dfu-hil merge`.
#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// Folders of the runs: all parts of a run that was cut with --shard
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Where the folder of the whole is made
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(crate) reports: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1/1", Ok((1, 1)))]
    #[case("3/4", Ok((3, 4)))]
    #[case("0/4", Err("there is no part 0 of 4: parts are counted from 1"))]
    #[case("5/4", Err("there is no part 5 of 4: parts are counted from 1"))]
    #[case("half", Err("`half` is no part, such as 2/4"))]
    fn a_part_as_it_is_typed(#[case] text: &str, #[case] expected: Result<(u32, u32), &str>) {
        let part: Result<ShardArg, String> = text.parse();
        let part = part.map(|part| (part.index, part.count));
        assert_eq!(part, expected.map_err(str::to_owned));
    }

    #[rstest]
    #[case("auto", Ok(None))]
    #[case("3", Ok(NonZeroUsize::new(3)))]
    #[case("0", Err("`0` is neither a number from 1 nor `auto`"))]
    #[case("all", Err("`all` is neither a number from 1 nor `auto`"))]
    fn how_many_boards_as_it_is_typed(
        #[case] text: &str,
        #[case] expected: Result<Option<NonZeroUsize>, &str>,
    ) {
        let jobs: Result<JobsArg, String> = text.parse();
        assert_eq!(jobs.map(|jobs| jobs.0), expected.map_err(str::to_owned));
    }
}
