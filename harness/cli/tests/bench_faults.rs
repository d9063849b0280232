//! A bench that fails in the middle of a run: the verdict is an error and never a fail, the message says what to look at, and
//! the run gets over it.

mod support;

use hil_record::{Ending, Outcome, RunDirectory, RunRecord, Rung, RungEnd, Verdict, read_journal};
use rstest::rstest;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};
use support::broken::{Board, sound_board};
use support::{Desk, Ended};
use virtual_dk::{Cuts, Fault, Speed, VirtualDkOptions};

const BOOTS: &str = "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n";
/// A wait that only trouble ends.
const WAITS: &str = "  - expect_console: { text: never, within: 10m }\n";

fn bench(cuts: Cuts) -> (Desk, Board) {
    let board = sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        cuts,
        ..VirtualDkOptions::default()
    });
    let desk = Desk::empty();
    desk.rig_for(&board);
    if cuts == Cuts::Board {
        let rig = fs::read_to_string(desk.path("rig.yaml")).expect("it was written");
        desk.write(
            "rig.yaml",
            &rig.replace("    power:", "    cuts: board\n    power:"),
        );
    }
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    (desk, board)
}

fn scenario(desk: &Desk, name: &str, steps: &str) {
    desk.write(
        &format!("mine/{name}.yaml"),
        &format!("scenario: {name}\nsummary: Boots.\nsteps:\n{BOOTS}{steps}"),
    );
}

/// A run that goes on while something is done to its bench.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Running {
    fn start(desk: &Desk, more: &[&str]) -> Self {
        let mut args = vec!["run", "mine", "--rig", "rig.yaml", "--json"];
        args.extend(more);
        let mut child = desk
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stderr = child.stderr.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stderr).lines(),
            said: String::new(),
        }
    }

    /// Reads what it says until it says this.
    fn says(&mut self, text: &str) {
        for line in self.lines.by_ref() {
            let line = line.expect("it can be read");
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return;
            }
        }
        panic!("it ended before it said `{text}`:\n{}", self.said);
    }

    fn end(mut self) -> Ended {
        for line in self.lines.by_ref().map_while(Result::ok) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        let output = self.child.wait_with_output().expect("it ends");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: self.said,
        }
    }
}

fn outcome<'a>(record: &'a RunRecord, name: &str) -> &'a Outcome {
    let found = record.scenarios.iter().find(|one| one.name == name);
    &found.unwrap_or_else(|| panic!("no {name}")).outcome
}

/// That the bench could not decide it, for a reason of this kind.
#[track_caller]
fn is_bench_trouble(ended: &Ended, name: &str, kind: &str, says: &str) {
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let record = ended.record();
    assert_eq!(record.totals.fail, 0, "{}", ended.all());
    let outcome = outcome(&record, name);
    assert_eq!(outcome.kind_word().as_deref(), Some(kind), "{outcome:?}");
    let cause = outcome.cause().unwrap_or_default();
    assert!(cause.contains(says), "{cause}");
    assert!(outcome.help().is_some(), "{outcome:?}");
}

#[rstest]
#[case::babble(
    Fault::Babble,
    "",
    "the app console of board `dk` babbles: 1024 bytes or more that are no text came in one scenario"
)]
#[case::flood(
    Fault::Flood,
    WAITS,
    "the app console of board `dk` floods: more than 20000 lines or 4 MiB came in one scenario"
)]
fn a_line_that_brings_what_no_firmware_prints_is_trouble_of_the_bench(
    #[case] fault: Fault,
    #[case] steps: &str,
    #[case] says: &str,
) {
    let (desk, board) = bench(Cuts::Soc);
    scenario(&desk, "one", steps);
    if fault == Fault::Babble {
        // It would not answer later either.
        let text = fs::read_to_string(desk.path("mine/one.yaml")).expect("it was written");
        desk.write("mine/one.yaml", &text.replace("within: 60s", "within: 3s"));
    }
    board.set_fault(fault, true);
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml", "--json"]);
    is_bench_trouble(&ended, "one", "port", says);
    let journal = RunDirectory::at(&desk.runs()[0]).journal();
    let length = fs::metadata(journal).expect("it is there").len();
    assert!(length < 32 * 1024 * 1024, "the journal has {length} bytes");

    board.set_fault(fault, false);
    scenario(&desk, "one", "");
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml", "--json"]);
    assert_eq!(
        ended.code,
        Some(0),
        "the board is as good as before: {}",
        ended.all()
    );
}

#[test]
fn a_board_that_vanishes_and_comes_back_with_other_ports_goes_on() {
    let (desk, board) = bench(Cuts::Board);
    scenario(&desk, "one", WAITS);
    scenario(&desk, "two", "");
    let port = || fs::read_link(&board.endpoints().uart.app).expect("it is a name");
    let before = port();
    // As long as it is open here, the system gives its name to nobody else.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let _held = rustix::fs::open(&before, flags, Mode::empty()).expect("it is there");
    let mut running = Running::start(&desk, &[]);
    running.says("says `never`");
    board.set_fault(Fault::Unplugged, true);
    running.says("the app console is gone");
    board.set_fault(Fault::Unplugged, false);
    let ended = running.end();
    is_bench_trouble(
        &ended,
        "one",
        "port",
        "core of board `dk` went away during this step",
    );
    let record = ended.record();
    assert_eq!(outcome(&record, "two").verdict(), Verdict::Pass);
    assert_eq!(record.health[0].tried.len(), 1);
    assert_eq!(record.health[0].tried[0].end, RungEnd::Answers);
    assert_ne!(port(), before, "it has another name now");
}

#[test]
fn a_probe_that_hangs_is_trouble_of_the_bench_and_the_ladder_gets_the_board_back() {
    let (desk, board) = bench(Cuts::Soc);
    scenario(
        &desk,
        "one",
        "  - upload: { image: update.app, over: uart }\n  - reset: probe\n",
    );
    scenario(&desk, "two", "");
    let mut running = Running::start(&desk, &[]);
    running.says("update.app");
    board.set_fault(Fault::ProbeHangs, true);
    running.says("probe and ports opened anew: no help");
    board.set_fault(Fault::ProbeHangs, false);
    let ended = running.end();
    is_bench_trouble(&ended, "one", "probe", "board `dk`");
    let record = ended.record();
    assert_eq!(
        outcome(&record, "two").verdict(),
        Verdict::Pass,
        "{}",
        ended.all()
    );
    let tried = &record.health[0].tried;
    assert_eq!(
        (tried[0].rung, tried[0].end),
        (Rung::Probe, RungEnd::Silent)
    );
    assert_eq!(tried.last().map(|last| last.end), Some(RungEnd::Answers));
}

/// The limit of the shell on the size of files stands for a disk that is full: the write fails.
#[test]
fn a_run_whose_journal_cannot_be_written_stops_and_says_so() {
    let (desk, _board) = bench(Cuts::Soc);
    scenario(&desk, "one", WAITS);
    let mut running = Running::start(&desk, &[]);
    running.says("says `never`");
    let journal = RunDirectory::at(&desk.runs()[0]).journal();
    let length = fs::metadata(&journal).expect("it is there").len();
    let pid = Pid::from_child(&running.child);
    let limit = Rlimit {
        current: Some(length),
        maximum: None,
    };
    rustix::process::prlimit(Some(pid), Resource::Fsize, limit).expect("it is our child");
    // Something to write: the run is told to end, which would have taken it to its end in good order.
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    let ended = running.end();
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    assert!(
        ended.stderr.contains("error: journal `reports/runs/")
            && ended.stderr.contains("cannot be written: File too large")
            && ended.stderr.contains("help: make room on the disk"),
        "{}",
        ended.all()
    );
    let contents = read_journal(&journal).expect("what is written can be read");
    let record = RunRecord::from_events(&contents.events).expect("it is a run");
    assert_eq!(record.ending, Ending::Killed);
    assert_eq!((record.totals.error, record.totals.fail), (1, 0));
}
