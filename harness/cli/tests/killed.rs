//! Two runners on one rack, either of which is killed (SIGKILL) at a moment that a seed chooses: no lease is left, nothing that the
//! journal had is lost, the other one comes to its end, and the boards are as good as before. Once each has a board of its own, and
//! once both want all boards, which one of them waits for.
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

/// A runner: where its reports go, and its rig file.
#[derive(Clone, Copy)]
struct Who {
    reports: &'static str,
    rig: &'static str,
}

/// Each has a board of its own, as two people or two jobs on one host have it.
const APART: [Who; 2] = [
    Who {
        reports: "left",
        rig: "left.yaml",
    },
    Who {
        reports: "right",
        rig: "right.yaml",
    },
];

/// Both want both boards.
const TOGETHER: [Who; 2] = [
    Who {
        reports: "first",
        rig: "rack.yaml",
    },
    Who {
        reports: "second",
        rig: "rack.yaml",
    },
];

/// A desk with two boards: each in a rig file of its own, and both in one.
struct Rack {
    desk: Desk,
    _boards: [Board; 2],
}

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
        let mut rack = "rig: rack\nboards:\n".to_owned();
        let boards = APART.map(|who| {
            let board = sound_board(VirtualDkOptions {
                speed: Speed::Factor(20.0),
                ..VirtualDkOptions::default()
            });
            desk.rig_for(&board);
            let text = fs::read_to_string(desk.path("rig.yaml")).expect("it was written");
            let (_, entry) = text.split_once("boards:\n").expect("it has one");
            // Radios are each board's own, and no part of this.
            let entry = entry.lines().filter(|line| !line.contains(" ble: "));
            for line in entry {
                rack.push_str(&line.replace("name: dk", &format!("name: {}", who.reports)));
                rack.push('\n');
            }
            desk.write(who.rig, &text);
            board
        });
        desk.write("rack.yaml", &rack);
        Self {
            desk,
            _boards: boards,
        }
    }

    fn command(&self, who: Who, more: &[&str]) -> Vec<String> {
        // A folder for each: what is whose is no question then.
        let reports = format!("reports-{}", who.reports);
        let args = [
            "run",
            "mine",
            "--rig",
            who.rig,
            "--reports",
            &reports,
            "--wait",
            "20min",
        ];
        args.iter().chain(more).map(|&arg| arg.to_owned()).collect()
    }

    fn runner(&self, who: Who) -> Runner {
        let args = self.command(who, &[]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut child = self
            .desk
            .command(&args)
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

    fn run(&self, who: Who, more: &[&str]) -> Ended {
        let args = self.command(who, more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.desk.run(&args)
    }

    /// The folder of the latest run of a runner.
    fn latest(&self, who: Who) -> Option<RunDirectory> {
        let runs = self.desk.path(&format!("reports-{}/runs", who.reports));
        let folders = fs::read_dir(runs).ok()?.flatten();
        folders
            .map(|entry| entry.path())
            .max()
            .map(RunDirectory::at)
    }

    /// Whether all boards of a runner are free.
    fn is_free(&self, who: Who) -> bool {
        let status = self.desk.run(&["rig", "status", "--rig", who.rig]).stdout;
        !status.is_empty() && status.lines().all(|line| line.ends_with(": free"))
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

/// From when to when a run used its boards, which it has before its first event.
fn used(folder: &RunDirectory) -> Option<(i64, i64)> {
    let (record, _) = journalled(folder)?;
    let began = record.started.as_millisecond();
    Some((began, began + i64::try_from(record.duration_ms).ok()?))
}

fn kill_one(rack: &Rack, whose: [Who; 2], seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let victim = (random.next_u32() % 2) as usize;
    let after = random.next_u32() % LINES;
    let what = format!(
        "seed {seed}: {} was killed after {after} lines",
        whose[victim].reports
    );
    let before = rack.latest(whose[victim]);
    let mut runners = whose.map(|who| rack.runner(who));
    runners[victim].kill_after(after);
    let other = &mut runners[1 - victim];
    assert_eq!(
        other.end(),
        Some(0),
        "{what}; the other one: {:#?}",
        other.said
    );

    for who in whose {
        assert!(rack.is_free(who), "{what}: a lease is left");
    }

    let folder = rack
        .latest(whose[victim])
        .filter(|latest| Some(latest) != before.as_ref());
    if whose[0].rig == whose[1].rig {
        let other = rack.latest(whose[1 - victim]).and_then(|run| used(&run));
        let other = other.expect("it came to its end");
        if let Some(own) = folder.as_ref().and_then(used) {
            assert!(
                own.1 <= other.0 || other.1 <= own.0,
                "{what}: both used the boards: {own:?} and {other:?}"
            );
        }
    }
    let known = folder.as_ref().and_then(journalled);
    let told = runners[victim].told();
    let Some((record, ended)) = known else {
        assert!(
            told.is_empty(),
            "{what}: {told:?} were told and are in no journal"
        );
        let fresh = rack.run(whose[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    };
    assert!(
        told.is_subset(&ended),
        "{what}: {told:?} were told, {ended:?} are in the journal"
    );
    let folder = folder.expect("it has a journal");
    if record.ending == Ending::Complete {
        let fresh = rack.run(whose[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    }
    let resumed = rack.run(
        whose[victim],
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
        let fresh = rack.run(whose[victim], &[]);
        assert_eq!(fresh.code, Some(0), "{what}: {}", fresh.all());
        return;
    }
    // Killed between its last scenario and its end there is nothing to go on with, and the boards are used anew.
    if ended.len() == SCENARIOS.len() {
        assert_eq!(resumed.code, Some(2), "{what}: {}", resumed.all());
        let fresh = rack.run(whose[victim], &[]);
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

fn kills(whose: [Who; 2]) {
    let asked = std::env::var("DFU_HIL_KILLS").unwrap_or_else(|_| KILLS.to_string());
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let number = |text: &str| text.parse::<u64>().expect("`DFU_HIL_KILLS` has numbers");
    let rack = Rack::new();
    for seed in number(from)..number(to) {
        kill_one(&rack, whose, seed);
        println!("seed {seed} is done");
    }
}

#[test]
fn a_runner_that_is_killed_leaves_no_lease_loses_no_result_and_boards_that_work() {
    kills(APART);
}

#[test]
fn of_two_runners_that_want_the_same_boards_either_can_be_killed_and_the_other_has_them_alone() {
    kills(TOGETHER);
}
