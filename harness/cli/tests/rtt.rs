//! Lines that come over SEGGER RTT, from the board's RAM to the evidence of a run.

mod support;

use hil_record::{ConsoleSource, CoreName, EventKind, FailKind, Outcome, read_journal};
use support::{Desk, Ended, bare, broken};
use virtual_dk::model::{ApplicationModel, Link, RttMode, RttModel};

const BANNER: &str = "logs 1.0.0 (test)";
const READY: &str = "network core ready";

/// Starts the board in two ways, and looks what its application prints over RTT.
fn scenario(within: &str) -> String {
    format!(
        "scenario: rtt\nsummary: The application logs over RTT.\nwaive: {{ both_cores_alive: It has no bootloader and so no image list. }}\nsteps:\n  - reset: probe\n  - expect_console: {{ by: rtt, text: \
         {READY}, within: {within} }}\n  - power_cycle: {{}}\n  - expect_console: {{ by: rtt, text: {READY}, within: {within} }}\n  \
         - expect_console: {{ by: rtt, text: ZEPHYR FATAL ERROR, absent: true, within: 1s }}\n"
    )
}

/// A board whose application has RTT here, or not at all.
fn board(rtt: Option<u32>) -> broken::Board {
    bare::board(ApplicationModel {
        rtt: rtt.map(|address| RttModel {
            address,
            mode: RttMode::Skip,
        }),
        ..bare::application("logs", Link::Uart)
    })
}

/// Runs the scenario on a rig whose board has these keys too.
fn run(board: &broken::Board, keys: &str, within: &str) -> (Desk, Ended) {
    let desk = Desk::empty();
    desk.rig_for(board);
    let rig = std::fs::read_to_string(desk.path("rig.yaml")).expect("it was just written");
    desk.write("rig.yaml", &format!("{rig}{keys}"));
    let ended = desk.run_scenario(&scenario(within));
    (desk, ended)
}

const WITH_RTT: &str = "    rtt: [app]\n";

/// The lines of the application core in the journal, by the way they came.
fn lines(desk: &Desk, by: ConsoleSource) -> Vec<String> {
    let runs = desk.runs();
    let journal = read_journal(&runs[0].join("journal.jsonl")).expect("there is one");
    journal
        .events
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Console {
                core: CoreName::App,
                source,
                text,
                ..
            } if source == by => Some(text),
            _ => None,
        })
        .collect()
}

#[test]
fn what_comes_over_rtt_is_in_the_evidence_once_for_each_start_and_is_replayed() {
    let board = board(Some(0x2000_5000));
    let (desk, ended) = run(&board, WITH_RTT, "60s");
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let heard = lines(&desk, ConsoleSource::Rtt);
    let count = |text: &str| heard.iter().filter(|line| line.contains(text)).count();
    // What it printed before the run began may still have been there.
    assert!((2..=3).contains(&count(BANNER)), "{heard:#?}");
    assert_eq!(count(BANNER), count(READY), "{heard:#?}");
    let run = desk.runs().remove(0);
    let log = std::fs::read_to_string(run.join("console/dk-app-rtt.log")).expect("it is there");
    assert!(log.contains(BANNER), "{log}");
    let replayed = desk.run(&["replay", &run.to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());
}

#[test]
fn an_application_without_rtt_fails_where_it_must_log_there() {
    let board = board(None);
    let (desk, ended) = run(&board, WITH_RTT, "3s");
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let record = ended.record();
    let Outcome::Fail { kind, cause } = &record.scenarios[0].outcome else {
        panic!("it must fail: {}", ended.all());
    };
    assert_eq!(*kind, FailKind::Console);
    insta::assert_snapshot!(cause, @"no `network core ready` on the RTT of the app core within 3s; nothing came over the RTT of the app core since the board was started");
    assert_eq!(lines(&desk, ConsoleSource::Rtt), Vec::<String>::new());
}

#[test]
fn a_board_without_rtt_in_its_rig_file_skips_with_the_reason() {
    let board = board(Some(0x2000_5000));
    let (desk, ended) = run(&board, "", "60s");
    assert_eq!(ended.code, Some(4), "{}", ended.all());
    assert!(ended.all().contains("rtt: [app]"), "{}", ended.all());
    assert_eq!(lines(&desk, ConsoleSource::Rtt), Vec::<String>::new());
}
