//! What a rack costs: the library on 16 and on 64 virtual boards at a DK's pace, and taking a board and giving it back.
//!
//! Of a run: the time it takes against the least that is possible (the sum of what scenarios take, shared by all boards, or the
//! longest of them), how long a board waits between two steps and between two scenarios, and what the runner and the boards
//! take of processors and memory. A first run, which is not measured, leaves the history from which the longest come first.
//! Prints numbers and judges nothing: `cargo bench -p dfu-hil --bench rack [-- BOARDS…]`. About a quarter of an hour.

use hil_clock::{Clock as _, SharedClock, SystemClock};
use hil_record::{EventKind, RunDirectory, Verdict, read_journal};
use hil_rig::{Rig, RigFile, RigOptions, VirtualLauncher};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DFU_HIL: &str = env!("CARGO_BIN_EXE_dfu-hil");

/// How often a board is taken and given back.
const TURNS: usize = 200;

/// How often it is looked what processes have used. Both only grow, so nothing is lost in between but the end.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Of a kernel's clock tick, which `/proc` counts in: the same on all of Linux (linux `Documentation/filesystems/proc.rst`).
const TICKS_PER_SECOND: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<usize> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let counts = if asked.is_empty() {
        vec![16, 64]
    } else {
        asked
    };
    take_and_give_back()?;
    let folder = tempfile::tempdir()?;
    let mut verdicts: Option<BTreeMap<String, Verdict>> = None;
    println!("the library, once for its history:");
    library(folder.path(), counts.first().copied().unwrap_or(16))?;
    for count in counts {
        println!("the library on {count} boards:");
        let found = library(folder.path(), count)?;
        let passed = found.values().filter(|verdict| **verdict == Verdict::Pass);
        println!("  {} scenarios, {} passed", found.len(), passed.count());
        let before = verdicts.get_or_insert_with(|| found.clone());
        let others = found
            .iter()
            .filter(|(name, verdict)| before.get(*name) != Some(verdict));
        println!(
            "  {} verdicts differ from those of the first",
            others.count()
        );
    }
    Ok(())
}

/// A board that is there already, as on a bench: its lease, and what the rig layer keeps of it.
fn take_and_give_back() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let clock: SharedClock = Arc::new(SystemClock::new());
    let text = "rig: bench\nboards: [{ name: dk, probe: { selector: \"1d50:6018:127.0.0.1:9\" }, power: reset-only }]\n";
    let file = RigFile::parse(Path::new("rig.yaml"), text)?;
    let mut options = RigOptions::new(Arc::clone(&clock), VirtualLauncher::new(DFU_HIL));
    options.lease_folder = Some(folder.path().to_owned());
    let mut times = Vec::new();
    for _ in 0..TURNS {
        let began = clock.now();
        drop(Rig::open(&file, &options)?);
        times.push(clock.now() - began);
    }
    times.sort_unstable();
    println!(
        "a board is taken and given back in {:.3} ms, median of {TURNS}; {:.3} to {:.3}",
        ms(times[TURNS / 2]),
        ms(times[0]),
        ms(times[TURNS - 1])
    );
    Ok(())
}

/// Runs the library in `folder`, which has the history; what each scenario came to.
fn library(folder: &Path, boards: usize) -> Result<BTreeMap<String, Verdict>, Box<dyn Error>> {
    fs::write(
        folder.join("rig.yaml"),
        format!(
            "rig: rack\nbluetooth: {{ adapters: [{{ name: hci0 }}, {{ name: hci1 }}] }}\nboards: [{{ name: dk, virtual: {{ count: {boards} }} }}]\n"
        ),
    )?;
    let before = runs(folder)?;
    let process = Command::new(DFU_HIL)
        .current_dir(folder)
        .args(["run", "--rig", "rig.yaml"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let used = until_it_ends(process)?;
    let new = runs(folder)?.into_iter().find(|run| !before.contains(run));
    let course = Course::of(
        &folder
            .join("reports/runs")
            .join(new.ok_or("it left no run")?),
    )?;
    course.print(boards);
    used.print(boards);
    Ok(course.verdicts)
}

fn runs(folder: &Path) -> Result<Vec<std::ffi::OsString>, Box<dyn Error>> {
    let folder = folder.join("reports/runs");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name()))
        .collect()
}

/// A run, as its journal has it. Times in ms since its start.
#[derive(Default)]
struct Course {
    end: u64,
    /// What each scenario took.
    took: Vec<u64>,
    /// From the end of a step to the beginning of the next.
    between_steps: Vec<u64>,
    /// From the end of a scenario to the beginning of the next on that board.
    between_scenarios: Vec<u64>,
    verdicts: BTreeMap<String, Verdict>,
}

impl Course {
    fn of(run: &Path) -> Result<Self, Box<dyn Error>> {
        let mut course = Self::default();
        let mut began = BTreeMap::new();
        let mut steps: BTreeMap<String, u64> = BTreeMap::new();
        let mut free: BTreeMap<String, u64> = BTreeMap::new();
        for event in read_journal(&RunDirectory::at(run).journal())?.events {
            let at = event.at;
            match event.kind {
                EventKind::ScenarioStarted(started) => {
                    if let Some(since) = free.remove(&started.board) {
                        course.between_scenarios.push(at - since);
                    }
                    steps.remove(&started.scenario);
                    began.insert(started.scenario, at);
                }
                EventKind::StepStarted { scenario, .. } => {
                    let since = steps.remove(&scenario);
                    course.between_steps.extend(since.map(|since| at - since));
                }
                EventKind::StepFinished { scenario, .. } => {
                    steps.insert(scenario, at);
                }
                EventKind::ScenarioFinished {
                    scenario,
                    board,
                    outcome,
                } => {
                    course
                        .took
                        .extend(began.remove(&scenario).map(|began| at - began));
                    free.extend(board.map(|board| (board, at)));
                    course.verdicts.insert(scenario, outcome.verdict());
                }
                EventKind::RunFinished { .. } => course.end = at,
                _ => {}
            }
        }
        Ok(course)
    }

    fn print(&self, boards: usize) {
        let all: u64 = self.took.iter().sum();
        let share = all as f64 / boards as f64;
        let longest = self.took.iter().copied().max().unwrap_or(0) as f64;
        let least = share.max(longest);
        println!(
            "  {:.1} s; at least {:.1} s ({:.1} s shared by all, the longest {:.1} s): {:.3} times that",
            self.end as f64 / 1e3,
            least / 1e3,
            share / 1e3,
            longest / 1e3,
            self.end as f64 / least.max(1.0)
        );
        println!(
            "  {:.3} ms between two steps (mean of {}), {:.1} ms between two scenarios of a board (mean of {})",
            mean(&self.between_steps),
            self.between_steps.len(),
            mean(&self.between_scenarios),
            self.between_scenarios.len()
        );
    }
}

/// What a process and those that it started have used.
#[derive(Default)]
struct Used {
    /// The runner's own: time on processors in s, memory at its most in MB of 10^6 bytes.
    runner: (f64, f64),
    /// Of all its children together.
    children: (f64, f64),
}

impl Used {
    fn print(&self, boards: usize) {
        let each = |megabytes: f64| megabytes / boards as f64;
        println!(
            "  runner: {:.1} s of processor, {:.1} MB at most, {:.2} MB for each board",
            self.runner.0,
            self.runner.1,
            each(self.runner.1)
        );
        println!(
            "  boards and their air: {:.1} s of processor, {:.1} MB at most",
            self.children.0, self.children.1
        );
    }
}

fn until_it_ends(mut process: Child) -> Result<Used, Box<dyn Error>> {
    let clock = SystemClock::new();
    let mut used = Used::default();
    let mut children: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    loop {
        let ended = process.try_wait()?;
        if let Some(own) = usage(process.id()) {
            used.runner = own;
        }
        for child in children_of(process.id()) {
            if let Some(of_child) = usage(child) {
                children.insert(child, of_child);
            }
        }
        if let Some(status) = ended {
            println!("  ended with {status}");
            break;
        }
        clock.sleep(LOOK_EVERY);
    }
    used.children = children
        .values()
        .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Ok(used)
}

/// Time on processors in s and memory at its most in MB, where the system tells (Linux).
fn usage(process: u32) -> Option<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may have spaces and brackets in it: user and system time are words 12 and 13 behind it.
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = words.get(11)?.parse::<u32>().ok()? + words.get(12)?.parse::<u32>().ok()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((
        f64::from(ticks) / f64::from(TICKS_PER_SECOND),
        kib * 1024.0 / 1e6,
    ))
}

fn children_of(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn mean(times: &[u64]) -> f64 {
    times.iter().sum::<u64>() as f64 / (times.len() as f64).max(1.0)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
