//! Cuts that are none, and boards whose debugger goes with the power, through the real command.

mod support;

use hil_record::{EventKind, Outcome, PowerAction, RunRecord};
use rstest::rstest;
use std::fs;
use support::boards::Boards;
use support::{Desk, Ended};

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
    let journal = fs::read_to_string(desk.runs()[0].join("journal.jsonl")).expect("it was written");
    let mut switches = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<hil_record::Event>(line).ok())
        .filter_map(|event| match event.kind {
            EventKind::Power {
                action, latency_us, ..
            } => Some((action, latency_us.is_some())),
            _ => None,
        });
    assert_eq!(switches.next(), Some((PowerAction::Off, true)));
    assert_eq!(switches.next(), Some((PowerAction::On, true)));
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
