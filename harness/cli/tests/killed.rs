//! Two runners on one rack, one of which is killed (SIGKILL) at a moment that a seed chooses: no lease is left, nothing that the
//! journal had is lost, and the boards are as good as before.
//!
//! `DFU_HIL_KILLS` says how many are killed, or which: `100` or `50..100`. The seed of each is its number, and is in every message.

mod support;

use hil_record::{Ending, EventKind, RunDirectory, RunRecord, Verdict, read_journal};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use support::broken::{Board, sound_board};
use support::{Desk, Ended};
use virtual_dk::{Speed, VirtualDkOptions};

/// In the suite. `just kills` has a hundred.
const KILLS: u64 = 3;

/// Lines that a run of these scenarios says, and a few more: then it is killed at its end.
const LINES: u32 = 24;

const SCENARIOS: [&str; 2] = ["one", "two"];

/// A desk with two boards, each in a rig file of its own, as two people or two jobs on one host have it.
struct Rack {
    desk: Desk,
    _boards: [Board; 2],
}

const RIGS: [&str; 2] = ["left.yaml", "right.yaml"];

impl Rack {
    fn new() -> Self {
        let desk = Desk::empty();
        fs::create_dir(desk.path("mine")).expect("the folder is ours");
        for name in SCENARIOS {
            desk.write(
                &format!("mine/{name}.yaml"),
                &format!(
                    "scenario: {name}\nsummary: Boots.\nsteps:\n  - program: baseline\n  \
                     - expect_boot: {{ app: baseline, within: 60s }}\n"
                ),
            );
        }
        let boards = RIGS.map(|rig| {
            let board = sound_board(VirtualDkOptions {
                speed: Speed::Factor(20.0),
                ..VirtualDkOptions::default()
            });
            desk.rig_for(&board);
            fs::rename(desk.path("rig.yaml"), desk.path(rig)).expect("the folder is ours");
            board
        });
        Self {
            desk,
            _boards: boards,
        }
    }

    fn runner(&self, rig: &str) -> Runner {
        // A folder for each: what is whose is no question then.
        let reports = format!("reports-{rig}");
        let mut child = self
            .desk
            .command(&["run", "mine", "--rig", rig, "--reports", &reports])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stderr = child.stderr.take().expect("it is piped");
        Runner {
            child,
            lines: Box::new(BufReader::new(stderr).lines().map_while(Result::ok)),
            said: Vec::new(),
        }
    }

    fn run(&self, rig: &str, more: &[&str]) -> Ended {
        let reports = format!("reports-{rig}");
        let mut args = vec!["run", "mine", "--rig", rig, "--reports", &reports];
        args.extend(more);
        self.desk.run(&args)
    }

    /// The folder of the latest run of a rig.
    fn latest(&self, rig: &str) -> Option<RunDirectory> {
        let runs = self.desk.path(&format!("reports-{rig}/runs"));
        let folders = fs::read_dir(runs).ok()?.flatten();
        folders
            .map(|entry| entry.path())
            .max()
            .map(RunDirectory::at)
    }
}

struct Runner {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
    said: Vec<String>,
}

impl Runner {
    /// Kills it when it has said so many lines, or has ended.
    fn kill_after(&mut self, lines: u32) {
        while (self.said.len() as u32) < lines {
            match self.lines.next() {
                Some(line) => self.said.push(line),
                None => break,
            }
        }
        // It may have ended.
        drop(self.child.kill());
        self.child.wait().expect("it was started here");
    }

    fn end(&mut self) -> Option<i32> {
        self.said.extend(self.lines.by_ref());
        self.child.wait().expect("it was started here").code()
    }

    /// The scenarios that it said have ended.
    fn told(&self) -> BTreeSet<String> {
        let ended = |line: &String| {
            let line = line.trim_start().strip_prefix("PASS ")?;
            line.split_whitespace().next().map(str::to_owned)
        };
        self.said.iter().filter_map(ended).collect()
    }
}

/// What a journal has of it, which can be read however its writer ended.
fn journalled(folder: &RunDirectory) -> Option<(RunRecord, BTreeSet<String>)> {
    if !folder.journal().exists() {
        return None;
    }
    let contents =
        read_journal(&folder.journal()).expect("a kill leaves a journal that can be read");
    let record = RunRecord::from_events(&contents.events).ok()?;
    let ended = contents
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ScenarioFinished { scenario, .. } => Some(scenario.clone()),
            _ => None,
        });
    Some((record, ended.collect()))
}

fn ended_in(path: &Path) -> RunRecord {
    let text = fs::read_to_string(RunDirectory::at(path).result()).expect("it was written");
    serde_json::from_str(&text).expect("it is a record")
}

fn kill_one(rack: &Rack, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let victim = (random.next_u32() % 2) as usize;
    let after = random.next_u32() % LINES;
    let what = format!(
        "seed {seed}: {} was killed after {after} lines",
        RIGS[victim]
    );
    let before = rack.latest(RIGS[victim]);
    let mut runners = RIGS.map(|rig| rack.runner(rig));
    runners[victim].kill_after(after);
    let other = &mut runners[1 - victim];
    assert_eq!(
        other.end(),
        Some(0),
        "{what}; the other one: {:#?}",
        other.said
    );

    for rig in RIGS {
        let status = rack.desk.run(&["rig", "status", "--rig", rig]);
        assert_eq!(status.stdout, "dk: free\n", "{what}");
    }

    let folder = rack
        .latest(RIGS[victim])
        .filter(|latest| Some(latest) != before.as_ref());
    let known = folder.as_ref().and_then(journalled);
    let told = runners[victim].told();
    let Some((record, ended)) = known else {
        assert!(
            told.is_empty(),
            "{what}: {told:?} were told and are in no journal"
        );
        let fresh = rack.run(RIGS[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    };
    assert!(
        told.is_subset(&ended),
        "{what}: {told:?} were told, {ended:?} are in the journal"
    );
    let folder = folder.expect("it has a journal");
    if record.ending == Ending::Complete {
        let fresh = rack.run(RIGS[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    }
    let resumed = rack.run(
        RIGS[victim],
        &["--resume", &folder.path().to_string_lossy()],
    );
    // Killed before it knew what it is made from, it is told so, and nothing is lost.
    if record.inputs.is_empty() {
        assert!(ended.is_empty(), "{what}: {ended:?}");
        assert!(
            resumed
                .stderr
                .contains("it ended before it had written down which files it is made from"),
            "{what}: {}",
            resumed.all()
        );
        let fresh = rack.run(RIGS[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    }
    // Killed between its last scenario and its end there is nothing to go on with, and the boards are used anew.
    if ended.len() == SCENARIOS.len() {
        assert_eq!(resumed.code, Some(2), "{what}: {}", resumed.all());
        let fresh = rack.run(RIGS[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    }
    assert_eq!(resumed.code, Some(0), "{what}: {}", resumed.all());
    let whole = ended_in(folder.path());
    for scenario in &whole.scenarios {
        assert_eq!(
            scenario.outcome.verdict(),
            Verdict::Pass,
            "{what}: {}",
            scenario.name
        );
        let again = scenario.earlier.len();
        let allowed = usize::from(!ended.contains(&scenario.name));
        assert!(
            again <= allowed,
            "{what}: {} ran again, though it had ended",
            scenario.name
        );
    }
    assert_eq!(whole.scenarios.len(), SCENARIOS.len(), "{what}");
}

#[test]
fn a_runner_that_is_killed_leaves_no_lease_loses_no_result_and_boards_that_work() {
    let asked = std::env::var("DFU_HIL_KILLS").unwrap_or_else(|_| KILLS.to_string());
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let number = |text: &str| text.parse::<u64>().expect("`DFU_HIL_KILLS` has numbers");
    let rack = Rack::new();
    for seed in number(from)..number(to) {
        kill_one(&rack, seed);
        println!("seed {seed} is done");
    }
}
