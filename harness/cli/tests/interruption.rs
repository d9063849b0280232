//! A run that is stopped or killed leaves a readable report, a board as it was found, and no process.

mod support;

use hil_clock::{Clock as _, SystemClock};
use hil_record::{Ending, ErrorKind, Outcome, RunDirectory, RunRecord, read_journal};
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Desk, wait_for_line};

/// At a DK's own pace, so that the scenario is still going on when the signal comes.
const SPEED: u32 = 1;

fn start(desk: &Desk) -> Child {
    desk.command(&["run", "--rig", "rig.yaml", "--filter", "app-update[ble]"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

fn send(signal: &str, to: &Child) {
    let sent = Command::new("kill")
        .args([signal, &to.id().to_string()])
        .status();
    assert!(sent.expect("there is a `kill` command").success());
}

/// Processes of virtual boards and of Bluetooth that the command has or left behind: found by the folder they run in.
fn helpers_running_in(desk: &Desk) -> Vec<String> {
    let folder = desk
        .folder
        .path()
        .canonicalize()
        .expect("the folder is there");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("Linux has it").flatten() {
        let path = entry.path();
        let here = fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == folder);
        let command = fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        if here && (command.contains("virtual-dk") || command.contains("ble-worker")) {
            found.push(command.replace('\0', " "));
        }
    }
    found
}

#[test]
fn ctrl_c_ends_the_run_in_good_order_with_a_report() {
    let desk = Desk::new(1, SPEED);
    let mut child = start(&desk);
    let mut rest = wait_for_line(&mut child, "upload");
    send("-INT", &child);
    let mut stderr = String::new();
    rest.read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3), "{stderr}");

    let folder = RunDirectory::at(&desk.runs()[0]);
    let record: RunRecord =
        serde_json::from_str(&fs::read_to_string(folder.result()).unwrap()).unwrap();
    assert_eq!(record.ending, Ending::Stopped);
    assert!(
        matches!(
            record.scenarios[0].outcome,
            Outcome::Error {
                kind: ErrorKind::Interrupted,
                ..
            }
        ),
        "{:?}",
        record.scenarios[0].outcome
    );
    assert!(folder.junit().is_file());
    assert_eq!(helpers_running_in(&desk), Vec::<String>::new());
}

#[test]
fn a_run_that_is_killed_leaves_a_readable_journal_and_no_board_behind() {
    let desk = Desk::new(1, SPEED);
    let mut child = start(&desk);
    let rest = wait_for_line(&mut child, "upload");
    assert_eq!(
        helpers_running_in(&desk).len(),
        2,
        "the board and the Bluetooth worker run while the run does"
    );
    send("-KILL", &child);
    child.wait().unwrap();
    drop(rest);

    let folder = RunDirectory::at(&desk.runs()[0]);
    let journal = read_journal(&folder.journal()).unwrap();
    let record = RunRecord::from_events(&journal.events).unwrap();
    assert_eq!(record.ending, Ending::Killed);
    assert_eq!(record.scenarios.len(), 1);
    // The board ends when it finds its standard input closed; nobody is left who waits for that.
    let clock = SystemClock::new();
    let limit = clock.now() + Duration::from_secs(120);
    while !helpers_running_in(&desk).is_empty() && clock.now() < limit {
        clock.sleep(Duration::from_millis(20));
    }
    assert_eq!(helpers_running_in(&desk), Vec::<String>::new());
}
