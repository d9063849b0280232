//! `dfu-hil bootloader sweep`: one boot, with the power cut at every flash operation.

use super::boot::{booted, decisions, ended, hash, json_line, request, swap_types, version};
use super::input::Model;
use super::{Reader, say};
use crate::args::SweepArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_bootloader::predict::{Board, PredictError, Step};
use hil_bootloader::sweep::{CutPoint, Sweep};
use hil_bootloader::{Cut, DeviceId, Operation};
use hil_clock::{Clock as _, SystemClock};
use hil_runner::error_chain;
use hil_scenario::Phase;
use serde::Serialize;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// How many cuts a job may be ahead of what was printed (ours): each holds two flashes.
const AHEAD: usize = 32;

/// One cut and the clean boot after it.
#[derive(Debug, Serialize)]
struct Line {
    cut: u32,
    torn: u32,
    flash_at_cut: String,
    swap_types_at_cut: Vec<String>,
    flash_after: String,
    result: &'static str,
    version: Option<String>,
    decision: Vec<String>,
}

impl Line {
    fn new(model: &Model, point: &CutPoint) -> Self {
        Self {
            cut: point.cut.ops,
            torn: point.cut.torn,
            flash_at_cut: hash(&point.at_cut),
            swap_types_at_cut: swap_types(model, &point.at_cut),
            flash_after: hash(&point.after),
            result: ended(&point.step).0,
            version: booted(&point.step).map(version),
            decision: decisions(&point.step),
        }
    }
}

/// Cuts before each operation that the boot does when it is left alone.
pub(super) fn sweep(args: &SweepArgs) -> Result<Exit, CliError> {
    let model = Model::read(&args.model)?;
    let keys = model.keys()?;
    let mut board = Board::new(&model.config, keys.clone(), model.flash.clone());
    for refused in request(&model, &mut board, &args.model.action)? {
        if let Some(error) = refused.error {
            eprintln!("note: {} was refused: {error}", refused.action);
        }
    }
    let sweep = Sweep::plan(&model.config, keys, &board.flash()).map_err(|error| told(&error))?;
    let jobs = args
        .jobs
        .or_else(|| thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    if args.summary {
        summarise(&sweep, jobs, args.torn)
    } else {
        visit(
            &sweep,
            jobs,
            args.torn,
            |point| json_line(&Line::new(&model, &point)),
            say,
        )?;
        Ok(Exit::Passed)
    }
}

/// Counts what the cuts come to, and names the ones that do not end as a boot that nobody cuts.
fn summarise(sweep: &Sweep<'_>, jobs: usize, torn: u32) -> Result<Exit, CliError> {
    let clock = SystemClock::new();
    let began = clock.now();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut others = Vec::new();
    let mut points = 0_u32;
    visit(
        sweep,
        jobs,
        torn,
        |point| Ok((point.cut.ops, point.same_end, in_short(&point.step))),
        |(cut, same_end, came_to)| {
            points += 1;
            if !same_end {
                others.push(format!("cut {cut}{}: {came_to}", name(sweep, cut)));
            }
            *counts.entry(came_to).or_default() += 1;
            Ok(Reader::Reads)
        },
    )?;
    let seconds = clock.now().saturating_since(began).as_secs_f64();
    let jobs_in_words = if jobs == 1 { "job" } else { "jobs" };
    let mut lines = vec![
        format!("uninterrupted: {}", in_short(sweep.clean())),
        format!(
            "{points} cut points in {seconds:.3} s ({:.0} per second, {jobs} {jobs_in_words})",
            f64::from(points) / seconds.max(f64::MIN_POSITIVE)
        ),
    ];
    for (came_to, count) in counts {
        lines.push(format!("{count:>6} x {came_to}"));
    }
    match others.len() {
        0 => lines.push("every cut ends in the flash of the uninterrupted boot".to_owned()),
        count => {
            let end = if count == 1 { "cut ends" } else { "cuts end" };
            lines.push(format!("{count} {end} in another flash:"));
            lines.extend(others.into_iter().map(|other| format!("  {other}")));
        }
    }
    say(lines.join("\n"))?;
    Ok(Exit::Passed)
}

/// The name that `dfu-hil run --cut` knows the cut by, where a board does that operation: ` (boot.app-write.12.before)`.
fn name(sweep: &Sweep<'_>, cut: u32) -> String {
    let operations = sweep.operations();
    let on_board = |operation: &&Operation| operation.device != DeviceId::RamFlash;
    let before = operations
        .iter()
        .take(cut as usize)
        .filter(on_board)
        .count();
    let operation = operations.get(cut as usize).filter(on_board);
    let point = operation
        .zip(u32::try_from(before).ok())
        .map(|(operation, index)| hil_scenario::CutPoint::before(Phase::Boot, index, operation));
    point.map_or_else(String::new, |point| format!(" ({point})"))
}

/// `boots 2.0.0+0`, or why nothing boots.
fn in_short(step: &Step) -> String {
    match (booted(step), ended(step)) {
        (Some(image), _) => format!("boots {}", version(image)),
        (None, (result, None)) => result.to_owned(),
        (None, (result, Some(reason))) => format!("{result}: {reason}"),
    }
}

/// Visits every cut with several jobs. `prepare` runs in a job, `take` gets the results in the order of the cuts and
/// may end the visit.
fn visit<T: Send>(
    sweep: &Sweep<'_>,
    jobs: usize,
    torn: u32,
    prepare: impl Fn(CutPoint) -> Result<T, CliError> + Sync,
    take: impl FnMut(T) -> Result<Reader, CliError>,
) -> Result<(), CliError> {
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        let (sender, results) = sync_channel(AHEAD * jobs);
        for _ in 0..jobs {
            let (sender, next, prepare) = (sender.clone(), &next, &prepare);
            scope.spawn(move || {
                let mut explorer = sweep.explorer();
                loop {
                    let ops = next.fetch_add(1, Ordering::Relaxed);
                    let point = match explorer.visit(Cut { ops, torn }) {
                        Ok(None) => return,
                        Ok(Some(point)) => prepare(point),
                        Err(error) => Err(told(&error)),
                    };
                    // Nobody listens any more: the visit was ended.
                    if sender.send((ops, point)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        in_order(results, take)
    })
}

/// Hands results on in the order of their numbers.
fn in_order<T>(
    results: Receiver<(u32, Result<T, CliError>)>,
    mut take: impl FnMut(T) -> Result<Reader, CliError>,
) -> Result<(), CliError> {
    let mut waiting = BTreeMap::new();
    let mut due = 0;
    for (number, result) in results {
        waiting.insert(number, result);
        while let Some(result) = waiting.remove(&due) {
            due += 1;
            if take(result?)? == Reader::Gone {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn told(error: &PredictError) -> CliError {
    CliError::usage(format_args!("cannot be booted: {}", error_chain(error)))
}
