//! `dfu-hil history`: what came of all runs, as a table; and adding runs to it.

use crate::args::{HistoryAddArgs, HistoryArgs, HistoryCommand};
use crate::error::CliError;
use crate::exit::Exit;
use crate::history::{add, page, trouble};
use crate::progress::counted;
use hil_history::{BoardTrend, Filter, History, Overview, ScenarioTrend, Seen, median, trend};
use hil_record::{Ending, RunDirectory, Verdict};
use jiff::Timestamp;
use std::path::Path;

/// Shows the history, or adds to it.
pub(crate) fn history(args: &HistoryArgs) -> Result<Exit, CliError> {
    if let Some(HistoryCommand::Add(new)) = &args.command {
        return add_runs(&args.history, new);
    }
    let history = History::read(&args.history).map_err(|error| trouble(&error))?;
    let filter = Filter {
        scenario: args.scenario.clone(),
        board: args.board.clone(),
        runs: args.last,
    };
    let seen = history.overview(&filter).map_err(|error| trouble(&error))?;
    if args.json {
        let json = serde_json::to_string_pretty(&seen)
            .map_err(|error| CliError::usage(format_args!("no JSON can be made: {error}")))?;
        println!("{json}");
    } else {
        print!("{}", table(&seen, args.scenario.is_some()));
    }
    Ok(if seen.runs.is_empty() {
        Exit::NothingRan
    } else {
        Exit::Passed
    })
}

fn add_runs(path: &Path, args: &HistoryAddArgs) -> Result<Exit, CliError> {
    let mut history = History::open(path).map_err(|error| trouble(&error))?;
    for folder in &args.runs {
        let run = RunDirectory::at(folder);
        let (record, events) = super::report::read(&run)?;
        add(&mut history, &run, &record, &events)?;
    }
    page(&history, path)?;
    println!("{} in {}", counted(args.runs.len(), "run"), path.display());
    Ok(Exit::Passed)
}

/// The history for a terminal. `each` tells every result of every scenario.
fn table(seen: &Overview, each: bool) -> String {
    let mut out = String::new();
    runs(&mut out, seen);
    if each {
        for one in &seen.scenarios {
            results(&mut out, one);
        }
        return out;
    }
    let look: Vec<_> = seen
        .scenarios
        .iter()
        .filter(|one| one.is_flaky() || !good(one) || slower(one).is_some())
        .collect();
    if !look.is_empty() {
        out.push_str("\nscenarios to look at:\n");
    }
    for one in look {
        scenario(&mut out, one);
    }
    let boards: Vec<_> = seen
        .boards
        .iter()
        .filter(|one| one.errors > 0 || one.is_flaky())
        .collect();
    if !boards.is_empty() {
        out.push_str("\nboards to look at:\n");
    }
    for one in boards {
        board(&mut out, one);
    }
    out
}

fn runs(out: &mut String, seen: &Overview) {
    if seen.runs.is_empty() {
        out.push_str("no run\n");
        return;
    }
    let width = |text: &dyn Fn(usize) -> usize| (0..seen.runs.len()).map(text).max().unwrap_or(0);
    let wide = width(&|at| seen.runs[at].run.len());
    let rig = width(&|at| seen.runs[at].rig.len()).max(3);
    out.push_str(&format!(
        "{:wide$}  {:16}  {:rig$}  verdict  pass flaky fail error skip     took\n",
        "run", "began (UTC)", "rig"
    ));
    for run in &seen.runs {
        let ending = match run.ending {
            Ending::Complete => "",
            Ending::Stopped => "  stopped",
            Ending::Killed => "  killed",
        };
        let totals = run.totals;
        out.push_str(&format!(
            "{:wide$}  {:16}  {:rig$}  {:7}  {:4} {:5} {:4} {:5} {:4} {:>8}{ending}\n",
            run.run,
            date(run.started_ms),
            run.rig,
            totals.verdict(),
            totals.pass,
            totals.flaky,
            totals.fail,
            totals.error,
            totals.skip,
            seconds(run.duration_ms)
        ));
    }
}

fn good(one: &ScenarioTrend) -> bool {
    let last = one.seen.last().map(|seen| seen.verdict);
    !matches!(last, Some(Verdict::Fail | Verdict::Error))
}

/// By how many percent the last pass took longer than usual, when that is worth a look: ours, half as long again.
fn slower(one: &ScenarioTrend) -> Option<i64> {
    trend(&one.durations()).filter(|percent| *percent >= 50)
}

fn scenario(out: &mut String, one: &ScenarioTrend) {
    out.push_str(&format!("  {}\n", one.name));
    if let Some(last) = one.seen.last()
        && let Some(cause) = &last.cause
    {
        out.push_str(&format!(
            "      {} in {}: {cause}\n",
            last.verdict, last.run
        ));
        match &one.last_good {
            Some(run) => out.push_str(&format!("      last good run: {run}\n")),
            None => out.push_str("      never passed\n"),
        }
    }
    if one.passed_on_retry > 0 {
        let times = counted_u64(one.passed_on_retry, "time");
        out.push_str(&format!(
            "      flaky: passed only when it was tried again, {times}\n"
        ));
    }
    if one.flips > 0 {
        let times = counted_u64(one.flips, "time");
        out.push_str(&format!(
            "      flaky: another verdict with the same firmware, scenario file and tool, {times}\n"
        ));
    }
    if let (Some(percent), Some(usual)) = (slower(one), median(&one.durations())) {
        out.push_str(&format!(
            "      took {percent} % longer than usual, which is {}\n",
            seconds(usual)
        ));
    }
}

fn results(out: &mut String, one: &ScenarioTrend) {
    let wide = one
        .seen
        .iter()
        .map(|seen| seen.run.len())
        .max()
        .unwrap_or(0);
    out.push_str(&format!("\n{}\n", one.name));
    for Seen {
        run,
        board,
        verdict,
        cause,
        duration_ms,
        attempts,
        throughput,
        ..
    } in one.seen.iter().rev()
    {
        out.push_str(&format!(
            "  {run:wide$}  {verdict:5}  {:>8}",
            seconds(*duration_ms)
        ));
        if let Some(rate) = throughput {
            out.push_str(&format!("  {:>7.1} kB/s", *rate as f64 / 1000.0));
        }
        if let Some(board) = board {
            out.push_str(&format!("  {board}"));
        }
        if *attempts > 1 {
            out.push_str(&format!("  attempt {attempts}"));
        }
        if let Some(cause) = cause {
            out.push_str(&format!("  {cause}"));
        }
        out.push('\n');
    }
    match &one.last_good {
        Some(run) => out.push_str(&format!("  last good run: {run}\n")),
        None => out.push_str("  never passed\n"),
    }
}

fn board(out: &mut String, one: &BoardTrend) {
    out.push_str(&format!(
        "  {}/{}: trouble of the bench in {} of {}",
        one.rig,
        one.board,
        one.errors,
        counted_u64(one.attempts, "attempt")
    ));
    if one.alone > 0 {
        out.push_str(&format!(
            "; {} did not pass here while another board passed the same",
            one.alone
        ));
    }
    out.push('\n');
}

fn counted_u64(number: u64, what: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), what)
}

fn date(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "no date".to_owned(),
        |date| date.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
