//! `dfu-hil run`: runs scenarios on the boards of a rig and writes what was found.

use crate::args::RunArgs;
use crate::bench_files;
use crate::course::{Unfinished, cut, expected, folder_of};
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::{Library, is_named, mistakes_in_files, selected};
use crate::{ask, canary, inputs, night, progress, signals, sweeps};
use hil_clock::{SharedClock, SystemClock};
use hil_record::{
    Capture, ConsoleLogs, InputFile, Journal, Manifest, Objects, Reporter, RunDirectory, RunRecord,
    Tool, Verdict, read_journal,
};
use hil_report::SummaryContext;
use hil_rig::{
    BoardsInUse, Holder, QueueClass, Rig, RigFile, RigOptions, VirtualLauncher, Waiting,
};
use hil_runner::{
    BenchError, CancelToken, Chosen, Firmware, FoundBoard, Job, NightLimits, NightRequest,
    ReporterFailure, RunRequest, Schedule, Share, choose, error_chain,
};
use hil_scenario::Scenario;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the journal is called among the reporters.
const JOURNAL: &str = "journal";

/// What was asked for, with every file read.
struct Meant {
    jobs: Vec<Job>,
    canaries: Vec<Job>,
    rig: RigFile,
    firmware: Vec<Arc<Firmware>>,
    inputs: Vec<InputFile>,
    /// The bytes of those that the verdicts can be made from again.
    kept: Vec<Vec<u8>>,
    /// Where demo firmware was written that the run is made with.
    _made: tempfile::TempDir,
    folder: RunFolder,
    schedule: Schedule,
    night: Option<NightRequest>,
    /// The run that goes on.
    unfinished: Option<Unfinished>,
}

/// What a night is besides a run.
pub(super) struct NightPlan {
    /// How much time there is.
    pub(super) budget: Duration,
    /// What decides among points that were tested as often.
    pub(super) seed: u64,
    /// How many points are visited beyond the library.
    pub(super) points: Option<u64>,
}

/// Runs what was asked for.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, CliError> {
    run_as(args, None)
}

/// Runs what was asked for, as a night or not.
pub(super) fn run_as(args: &RunArgs, night: Option<&NightPlan>) -> Result<Exit, CliError> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let meant = understand(args, night, &clock)?;
    let cancel = CancelToken::new();
    signals::cancel_on(&cancel)
        .map_err(|error| CliError::bench(format_args!("signals cannot be caught: {error}")))?;

    let queued = Queued {
        class: args.course.class,
        wait: args.course.wait,
        go_without: night.is_some(),
        cancel: cancel.clone(),
    };
    let rig = open(&meant.rig, &args.bench.firmware, &clock, &queued)?;
    let rig_name = rig.name().to_owned();
    let boards = FoundBoard::all(rig, &clock).map_err(|error| bench_error(&error))?;
    let folder = meant.folder.keep();
    let objects = Arc::new(Objects::of_run(folder.path()));
    inputs::keep(&meant.kept, &objects)
        .map_err(|error| CliError::usage(format_args!("the evidence cannot be kept: {error}")))?;
    let started: Timestamp = clock.wall().try_into().map_err(|_| {
        CliError::bench("the clock shows no date that a report can carry")
            .with_help(Some("set the date of this machine"))
    })?;
    let mut schedule = meant.schedule;
    let journal = match meant.unfinished {
        Some(unfinished) => {
            schedule.resumed = Some(unfinished.goes_on(started));
            unfinished.journal
        }
        None => Journal::create(&folder.journal()).map_err(|error| {
            CliError::usage(format_args!("the journal cannot be made: {error}"))
        })?,
    };
    let reporters: Vec<Box<dyn Reporter>> = vec![
        Box::new(journal),
        Box::new(ConsoleLogs::new(folder.clone())),
        Box::new(Capture::new(&folder)),
        progress::reporter(),
    ];
    let ran = hil_runner::run(RunRequest {
        run: folder.id().to_owned(),
        started,
        tool: Tool {
            name: env!("CARGO_BIN_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("DFU_HIL_COMMIT").map(str::to_owned),
        },
        rig: rig_name,
        boards,
        firmware: meant.firmware,
        inputs: meant.inputs,
        jobs: meant.jobs,
        canaries: meant.canaries,
        objects: Some(objects),
        schedule,
        night: meant.night,
        reporters,
        clock,
        cancel,
    });
    let failures = match &ran {
        Ok(end) => end.reporter_failures.as_slice(),
        Err(_) => &[],
    };
    for failure in failures {
        eprintln!(
            "warning: the {} gave up, what it wrote is not complete: {}",
            failure.reporter, failure.error
        );
    }
    let lost = failures.iter().find(|lost| lost.reporter == JOURNAL);
    let record = match (report(&folder, args), lost) {
        (Ok(record), None) => record,
        (reported, Some(lost)) => return Err(without_journal(&folder, lost, reported.err())),
        (Err(error), None) => return Err(error),
    };
    match ran {
        Ok(_) => Ok(exit_of(&record)),
        Err(error) => Err(bench_error(&error)),
    }
}

/// Why the run ended early: what happened could not be written down any more.
fn without_journal(
    folder: &RunDirectory,
    lost: &ReporterFailure,
    reported: Option<CliError>,
) -> CliError {
    let mut message = format!(
        "journal `{}` cannot be written: {}; the run was stopped, and has no verdict behind what it could write",
        folder.journal().display(),
        lost.error
    );
    if let Some(error) = reported {
        message.push_str(&format!("\nnor could its reports be made: {error}"));
    }
    CliError::bench(message).with_help(Some(format!(
        "make room on the disk (`df`, `ulimit -f`), then go on with `--resume {}`",
        folder.id()
    )))
}

/// Reads everything that was named, before any board is touched.
fn understand(
    args: &RunArgs,
    night: Option<&NightPlan>,
    clock: &SharedClock,
) -> Result<Meant, CliError> {
    let library = Library::load(&args.selection)?;
    let rig = bench_files::rig_file(args.bench.rig.as_deref())?;
    let filters = &args.selection.filter;
    let (folder, unfinished) = match &args.course.resume {
        Some(run) => {
            let directory = RunDirectory::at(folder_of(run, &args.output.reports));
            let unfinished = Unfinished::open(&directory.journal())?;
            (RunFolder::of(directory), Some(unfinished))
        }
        None => {
            let folder = RunFolder::create(&args.output.reports.join("runs"), &**clock)?;
            (folder, None)
        }
    };
    let wanted = |name: &str| {
        let left = |unfinished: &Unfinished| unfinished.has_left(name);
        selected(filters, name) && unfinished.as_ref().is_none_or(left)
    };
    let may_be_wanted = |scenario: &Scenario| {
        let mut variants = scenario.variants().iter();
        scenario.asks_for_releases() || variants.any(|variant| wanted(&variant.name))
    };
    if !library.scenarios.iter().any(may_be_wanted) {
        return Err(super::list::nothing_selected(filters));
    }
    // Its private keys have no place in the folder of the run; the files that are programmed and sent are in the
    // evidence store.
    let made = tempfile::tempdir().map_err(|error| {
        CliError::usage(format_args!(
            "no folder can be made for the demo firmware: {error}"
        ))
    })?;
    let mut sets = bench_files::sets(&args.bench.firmware, made.path())?;
    let mut chosen = choose(&library.scenarios, &mut sets, wanted, |scenario| {
        is_named(&args.selection, scenario)
    })?;
    if !chosen.mistakes.is_empty() {
        return Err(mistakes_in_files(&chosen.mistakes));
    }
    if chosen.jobs.is_empty() {
        return Err(super::list::nothing_selected(filters));
    }
    let before = unfinished
        .iter()
        .flat_map(|unfinished| &unfinished.contents.events);
    chosen.jobs = sweeps::order(chosen.jobs, &args.sweeps, &command_line(args), before)?;
    if let Some(unfinished) = &unfinished {
        chosen
            .jobs
            .retain(|job| unfinished.left.contains(&job.variant.name));
    }
    let mut schedule = Schedule {
        retries: args.course.retries,
        boards_at_a_time: args.course.jobs.0,
        deadline: args.course.deadline,
        ..schedule(args, &rig, &chosen)
    };
    let night = night.map(|plan| night_of(plan, args, &rig, &chosen.jobs));
    if let Some(part) = args.course.shard {
        let names: Vec<&str> = names(&chosen.jobs).collect();
        let (own, shard) = cut(&names, &schedule.expected, part);
        if own.is_empty() {
            return Err(CliError::nothing_ran(format_args!(
                "part {} of {} is empty: there are only {} scenarios",
                part.index, part.count, shard.variants
            ))
            .with_help(Some("cut into fewer parts")));
        }
        chosen.jobs.retain(|job| own.contains(&job.variant.name));
        schedule.shard = Some(shard);
    }
    let library_jobs = chosen.jobs.clone();
    // What a night may come to is made from these as well.
    chosen
        .jobs
        .extend(night.iter().flat_map(|night| night.sweeps.clone()));
    let firmware = bench_files::under_test(&sets, &chosen);
    let canaries = canary::of(&rig, &library, &firmware, &mut sets)?;
    let files: BTreeSet<&str> = chosen.jobs.iter().map(|job| job.file.as_str()).collect();
    let ran = library
        .scenarios
        .iter()
        .filter(|scenario| files.contains(scenario.path().display().to_string().as_str()));
    let (inputs, kept) = inputs::of(ran, args.bench.rig.as_deref(), &firmware)?;
    if let Some(unfinished) = &unfinished {
        unfinished.same(&inputs, &names(&library_jobs).collect::<Vec<_>>())?;
    }
    Ok(Meant {
        firmware,
        jobs: library_jobs,
        night,
        canaries,
        rig,
        inputs,
        kept,
        _made: made,
        folder,
        schedule,
        unfinished,
    })
}

fn names(jobs: &[Job]) -> impl Iterator<Item = &str> + Clone {
    jobs.iter().map(|job| job.variant.name.as_str())
}

/// The history that a run goes by.
fn history_of(args: &RunArgs) -> PathBuf {
    let durations = args.course.durations.clone();
    durations.unwrap_or_else(|| crate::history::beside(&args.output.reports))
}

/// What is done in the time that the library leaves.
fn night_of(plan: &NightPlan, args: &RunArgs, rig: &RigFile, jobs: &[Job]) -> NightRequest {
    let share = args.course.shard.map(|part| Share {
        number: part.index.saturating_sub(1) as usize,
        of: part.count as usize,
    });
    let limits = NightLimits {
        seed: plan.seed,
        points: plan.points,
        share,
    };
    let sweeps = jobs.iter().filter(|job| sweeps::has_sweep(job)).cloned();
    let history = history_of(args);
    let names = names(jobs);
    night::request(
        &history,
        &rig.name,
        plan.budget,
        limits,
        sweeps.collect(),
        names,
    )
}

/// How long everything will probably take.
fn schedule(args: &RunArgs, rig: &RigFile, chosen: &Chosen) -> Schedule {
    Schedule {
        expected: expected(&history_of(args), &rig.name, names(&chosen.jobs)),
        ..Schedule::default()
    }
}

/// How boards are come by that others want too.
#[derive(Default)]
pub(super) struct Queued {
    class: QueueClass,
    wait: Option<Duration>,
    /// What is still somebody else's then is left out.
    go_without: bool,
    cancel: CancelToken,
}

impl Queued {
    /// Waits until somebody stops the run, and says for whom.
    fn waiting(&self, within: Duration) -> Waiting {
        let cancel = self.cancel.clone();
        let told = move |holder: Option<&Holder>| {
            if let Some(holder) = holder {
                eprintln!("waiting for {holder}");
            }
            match cancel.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        Waiting {
            within,
            told: Arc::new(told),
        }
    }
}

/// Opens a rig with this program as its virtual boards.
pub(super) fn open(
    file: &RigFile,
    firmware: &[PathBuf],
    clock: &SharedClock,
    queued: &Queued,
) -> Result<Rig, CliError> {
    let program = std::env::current_exe().map_err(|error| {
        CliError::bench(format_args!("this program cannot find itself: {error}"))
    })?;
    let mut launcher = VirtualLauncher::new(program);
    for firmware in firmware {
        launcher = launcher.with_firmware(firmware);
    }
    let mut options = RigOptions::new(clock.clone(), launcher);
    options.ask = ask::person();
    options.class = queued.class;
    options.in_use = match queued.go_without {
        true => BoardsInUse::GoWithout,
        false => BoardsInUse::Refuse,
    };
    options.waiting = queued.wait.map(|within| queued.waiting(within));
    Rig::open(file, &options).map_err(|error| bench_error(&BenchError::from(error)))
}

fn bench_error(error: &BenchError) -> CliError {
    CliError::bench(error_chain(error)).with_help(error.help())
}

/// Makes the record from the journal, so that what is reported is what was written down; writes it for machines and
/// shows it to people.
fn report(folder: &RunDirectory, args: &RunArgs) -> Result<RunRecord, CliError> {
    let contents =
        read_journal(&folder.journal()).map_err(|error| CliError::bench(error_chain(&error)))?;
    let record = RunRecord::from_events(&contents.events)
        .map_err(|error| CliError::bench(error_chain(&error)))?;
    hil_report::write(&record, &contents.events, folder)
        .map_err(|error| CliError::bench(error_chain(&error)).with_help(Some(error.help())))?;
    // Last: it has the digests of everything else.
    Manifest::of(folder, &record)
        .and_then(|manifest| manifest.write(folder))
        .map_err(|error| CliError::bench(error_chain(&error)).with_help(error.help()))?;
    if let Err(error) =
        crate::history::remember(&args.output.reports, folder, &record, &contents.events)
    {
        eprintln!("warning: the run is not in the history: {error}");
    }
    if args.output.json {
        print!("{}", hil_report::json(&record));
    } else {
        let command = command_line(args);
        let context = SummaryContext {
            folder: folder.path(),
            command: &command,
        };
        print!("{}", hil_report::summary(&record, &context));
    }
    Ok(record)
}

/// The command that runs the same again, without its filters.
fn command_line(args: &RunArgs) -> String {
    let mut words = vec!["dfu-hil".to_owned(), "run".to_owned()];
    let quoted = |path: &Path| {
        let text = path.display().to_string();
        if text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        {
            text
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    words.extend(args.selection.scenarios.iter().map(|path| quoted(path)));
    let rig = args.bench.rig.iter().map(|path| ("--rig", path));
    let firmware = args.bench.firmware.iter().map(|path| ("--firmware", path));
    for (option, path) in rig.chain(firmware) {
        words.extend([option.to_owned(), quoted(path)]);
    }
    words.join(" ")
}

/// A failure of the firmware wins over trouble of the bench; see [`Exit::Failed`].
pub(super) fn exit_of(record: &RunRecord) -> Exit {
    match record.verdict() {
        Verdict::Fail => Exit::Failed,
        Verdict::Error => Exit::BenchError,
        Verdict::Pass if record.ending != hil_record::Ending::Complete => Exit::BenchError,
        Verdict::Pass => Exit::Passed,
        Verdict::Skip => Exit::NothingRan,
    }
}

/// The folder of a run that may still come to nothing: it is taken away again unless it is kept.
pub(super) struct RunFolder {
    pub(super) directory: RunDirectory,
    kept: bool,
}

impl RunFolder {
    pub(super) fn create(root: &Path, clock: &dyn hil_clock::Clock) -> Result<Self, CliError> {
        let directory = RunDirectory::create(root, clock.wall())
            .map_err(|error| CliError::usage(error_chain(&error)).with_help(error.help()))?;
        Ok(Self {
            directory,
            kept: false,
        })
    }

    /// The folder of a run that is there: it stays.
    const fn of(directory: RunDirectory) -> Self {
        Self {
            directory,
            kept: true,
        }
    }

    pub(super) fn keep(mut self) -> RunDirectory {
        self.kept = true;
        self.directory.clone()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing of worth is in it; what cannot be removed does no harm.
            drop(fs::remove_dir_all(self.directory.path()));
        }
    }
}
