//! Cuts that are none, and boards whose debugger goes with the power, through the real command.

mod support;

use hil_record::{EventKind, Outcome, PowerAction, RunRecord};
use rstest::rstest;
use std::fs;
use support::boards::Boards;
use support::broken::sound_board;
use support::{Desk, Ended};
use virtual_dk::{Speed, VirtualDkOptions};

const CYCLE: &str = "scenario: cycle\nsummary: Comes back after a loss of power.\nsteps:\n  - program: baseline\n  \
    - expect_boot: { app: baseline, within: 60s }\n  - power_cycle: { off_for: 300ms }\n  \
    - expect_boot: { app: baseline, within: 60s }\n";

fn desk(virtual_board: &str) -> Desk {
    let desk = Desk::empty();
    desk.write(
        "rig.yaml",
        &format!("rig: test\nboards: [{{ name: dk, virtual: {{ speed: 20{virtual_board} }} }}]\n"),
    );
    desk
}

fn run(virtual_board: &str) -> (Desk, Ended) {
    let desk = desk(virtual_board);
    let ended = desk.run_scenario(CYCLE);
    (desk, ended)
}

fn outcome(record: &RunRecord) -> Outcome {
    record.scenarios[0].outcome.clone()
}

/// What proved the loss of power.
fn proof(record: &RunRecord) -> Option<String> {
    let steps = &record.scenarios[0].steps;
    let mut evidence = steps.iter().flat_map(|step| &step.evidence);
    evidence
        .find(|seen| seen.what == "power loss proven by")
        .map(|seen| seen.found.clone())
}

#[rstest]
#[case::says_off(
    ", supply: stuck",
    &["did not lose its power: the SCPI supply says that it is off, but ", " mA still flow, and the chip answers the probe"]
)]
#[case::says_on(
    ", supply: ignores",
    &["did not go off: the supply at ", "it answered `1`, expected `0`"]
)]
fn a_supply_that_does_not_switch_off_is_inconclusive_and_says_how_that_is_known(
    #[case] supply: &str,
    #[case] said: &[&str],
) {
    let (_desk, ended) = run(supply);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let outcome = outcome(&ended.record());
    assert_eq!(outcome.kind_word().as_deref(), Some("inconclusive"));
    let cause = outcome.cause().unwrap_or_default();
    assert!(said.iter().all(|part| cause.contains(part)), "{cause}");
    assert!(outcome.help().is_some());
}

#[test]
fn a_loss_of_power_is_proven_by_current_and_probe_and_switches_are_timed() {
    let (desk, ended) = run("");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let proof = proof(&ended.record()).expect("it is in the evidence");
    assert!(
        proof.starts_with("0.00 mA flow, ")
            && proof.ends_with("the chip does not answer the probe"),
        "{proof}"
    );
    let events = events(&desk);
    let mut switches = events.iter().filter_map(|event| match event {
        EventKind::Power {
            action, latency_us, ..
        } => Some((*action, latency_us.is_some())),
        _ => None,
    });
    assert_eq!(switches.next(), Some((PowerAction::Off, true)));
    assert_eq!(switches.next(), Some((PowerAction::On, true)));
}

#[test]
fn a_supply_whose_capacitors_feed_the_board_for_a_while_has_switched_it_off() {
    let (_desk, ended) = run(", supply: slow");
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let proof = proof(&ended.record()).expect("it is in the evidence");
    assert!(proof.starts_with("0.00 mA flow, "), "{proof}");
}

#[test]
fn a_board_whose_probe_and_ports_go_with_the_power_is_used_like_any_other() {
    let (_desk, ended) = run(", cuts: board");
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let proof = proof(&ended.record()).expect("it is in the evidence");
    assert!(
        proof.ends_with("the probe is gone with the board"),
        "{proof}"
    );
}

#[rstest]
#[case::a_line_that_must_be_there("")]
#[case::a_line_that_must_not_be_there(", absent: true")]
fn first_lines_are_not_looked_for_on_a_board_whose_ports_go_with_the_power(#[case] presence: &str) {
    let desk = desk(", cuts: board");
    let scenario =
        format!("{CYCLE}  - expect_console: {{ text: \"Swap type: none\"{presence} }}\n");
    let ended = desk.run_scenario(&scenario);
    assert_eq!(ended.code, Some(4), "{}\n{}", ended.stdout, ended.stderr);
    let Outcome::Skip { cause: reason, .. } = outcome(&ended.record()) else {
        panic!("{}", ended.stdout);
    };
    assert_eq!(
        reason,
        "needs a power switch that leaves its debugger and serial ports on (`cuts: soc`) (step 5 `expect_console`), \
         board `dk` has none"
    );
}

#[test]
fn a_command_that_switches_nothing_is_inconclusive() {
    let desk = Desk::empty();
    let board = Boards::start(&["--blank"]);
    desk.write(
        "rig.yaml",
        &format!(
            "rig: test\nboards:\n  - name: dk\n    recover: allowed\n    probe: {{ selector: \"{}\" }}\n    uart:\n      \
             app: {{ path: \"{}\" }}\n      net: {{ path: \"{}\" }}\n    power: {{ command: {{ on: [\"true\"], off: [\"true\"] }} }}\n",
            board.text("/boards/0/probe"),
            board.text("/boards/0/uart/app"),
            board.text("/boards/0/uart/net"),
        ),
    );
    let ended = desk.run_scenario(CYCLE);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let outcome = outcome(&ended.record());
    assert_eq!(
        outcome.cause(),
        Some(
            "board `dk` did not lose its power: the power command says that it is off, but the chip answers the probe"
        )
    );
}

/// Everything that a run wrote down.
fn events(desk: &Desk) -> Vec<EventKind> {
    let journal = fs::read_to_string(desk.runs()[0].join("journal.jsonl")).expect("it was written");
    journal
        .lines()
        .filter_map(|line| serde_json::from_str::<hil_record::Event>(line).ok())
        .map(|event| event.kind)
        .collect()
}

#[test]
fn the_wear_in_the_record_is_that_of_the_flash() {
    let desk = Desk::empty();
    let board = sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        ..VirtualDkOptions::default()
    });
    desk.rig_for(&board);
    let update = "scenario: update\nsummary: Is swapped in.\nsteps:\n  - program: baseline\n  \
        - expect_boot: { app: baseline, within: 60s }\n  - upload: { image: update.app, over: uart }\n  \
        - mark: { image: update.app, as: test }\n  - reset: smp\n  - expect_boot: { app: update, within: 120s }\n";
    let ended = desk.run_scenario(update);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let worn: Vec<(bool, u64)> = events(&desk)
        .iter()
        .filter_map(|event| match event {
            EventKind::Wear(wear) => Some((wear.complete, wear.erases)),
            _ => None,
        })
        .collect();
    assert_eq!(worn, [(true, board.page_erases())]);
    assert!(worn[0].1 > 20, "{worn:?}");
}

#[test]
fn a_board_at_its_budget_runs_no_further_scenario() {
    let desk = Desk::empty();
    let ledger = desk.path("ledger");
    desk.write(
        "rig.yaml",
        &format!(
            "rig: test\nwear: {{ ledger: \"{}\", budget: 1 }}\nboards: [{{ name: dk, virtual: {{ speed: 20 }} }}]\n",
            ledger.display()
        ),
    );
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    let scenario = |name: &str, steps: &str| {
        let text = format!("scenario: {name}\nsummary: Wears.\nsteps:\n{steps}");
        desk.write(&format!("mine/{name}.yaml"), &text);
    };
    // An upload into a blank slot erases nothing; programming over it does.
    let upload = "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  \
        - upload: { image: update.app, over: uart }\n";
    scenario("a", upload);
    scenario("b", "  - program: baseline\n");
    scenario("c", "  - program: baseline\n");
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml", "--json"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let record = ended.record();
    let ends: Vec<Option<String>> = record
        .scenarios
        .iter()
        .map(|scenario| scenario.outcome.kind_word())
        .collect();
    assert_eq!(ends, [None, None, Some("worn".to_owned())]);
    let cause = record.scenarios[2].outcome.cause().unwrap_or_default();
    assert!(
        cause.starts_with("flash of board `dk` is worn: the page at 0x")
            && cause.ends_with("was erased 1 times, its rig file allows 1"),
        "{cause}"
    );
    assert_eq!(fs::read_dir(ledger).expect("it was made").count(), 1);
}
