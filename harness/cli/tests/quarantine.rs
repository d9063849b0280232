//! Boards that make trouble: helped, counted over runs, put into quarantine, and let out by a canary or a person.

mod support;

use hil_record::{HealthRecord, RunDirectory, Rung, RungEnd};
use std::fs;
use support::broken::{Board, sound_board};
use support::{Desk, Ended};
use virtual_dk::{Speed, Supply, VirtualDkOptions};

const CYCLE: &str = "steps:\n  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n  \
                     - power_cycle: { off_for: 300ms }\n  - expect_boot: { app: baseline, within: 60s }\n";

fn scenario(desk: &Desk, name: &str) {
    fs::create_dir_all(desk.path("mine")).expect("the folder is ours");
    desk.write(
        &format!("mine/{name}.yaml"),
        &format!("scenario: {name}\nsummary: Keeps its firmware without power.\n{CYCLE}"),
    );
}

/// A board that keeps its power whatever its supply is told, in the rig file of a desk.
fn stuck(desk: &Desk, quarantine: &str) -> Board {
    let board = sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        supply: Supply::Stuck,
        ..VirtualDkOptions::default()
    });
    desk.rig_for(&board);
    with_quarantine(desk, quarantine);
    board
}

fn with_quarantine(desk: &Desk, quarantine: &str) {
    let rig = fs::read_to_string(desk.path("rig.yaml")).expect("it was written");
    let (_, rest) = rig.split_once("bluetooth:").expect("it has a radio");
    desk.write(
        "rig.yaml",
        &format!("rig: test\nquarantine: {quarantine}\nbluetooth:{rest}"),
    );
}

fn run(desk: &Desk) -> Ended {
    desk.run(&["run", "mine", "--rig", "rig.yaml", "--json"])
}

fn health(ended: &Ended, board: &str) -> HealthRecord {
    let health = ended.record().health;
    let found = health.into_iter().find(|one| one.board == board);
    found.unwrap_or_else(|| panic!("nothing of {board} in:\n{}", ended.all()))
}

fn status(desk: &Desk) -> String {
    desk.run(&["rig", "status", "--rig", "rig.yaml"]).stdout
}

#[test]
fn a_board_in_quarantine_gets_no_more_scenarios_and_the_others_do_them_all() {
    let desk = Desk::empty();
    desk.write(
        "rig.yaml",
        "rig: rack\nquarantine: { after: 1 }\nboards:\n  - { name: bad, virtual: { speed: 20, supply: stuck } }\n  \
         - { name: good, virtual: { speed: 20 } }\n",
    );
    for name in ["one", "two", "three"] {
        scenario(&desk, name);
    }
    let ended = run(&desk);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    assert_eq!((record.totals.pass, record.totals.all()), (3, 3));
    let of_bad = health(&ended, "bad");
    assert_eq!(
        (of_bad.tried[0].rung, of_bad.tried[0].end),
        (Rung::Probe, RungEnd::Answers),
        "it answers as soon as it is asked"
    );
    let quarantine = of_bad.quarantine.as_ref().expect("it is in quarantine");
    assert_eq!(quarantine.failures, 1);
    assert_eq!(of_bad.canaries.len(), 1);
    let canary = &of_bad.canaries[0];
    assert_eq!(canary.canary.as_deref(), Some("app-update[uart]"));
    assert_eq!(canary.outcome.kind_word().as_deref(), Some("inconclusive"));
    let attempts: usize = record
        .scenarios
        .iter()
        .flat_map(|one| &one.earlier)
        .filter(|attempt| attempt.board.as_deref() == Some("bad"))
        .count();
    assert_eq!(attempts, 1, "one scenario, and then none");
    assert!(
        ended
            .stderr
            .contains("bad: in quarantine: the bench failed in 1 scenario in a row"),
        "{}",
        ended.all()
    );
    let folder = RunDirectory::at(&desk.runs()[0]);
    for (report, words) in [
        (
            folder.html(),
            "Board bad in quarantine: the bench failed in 1 scenario in a row",
        ),
        (
            folder.markdown(),
            "- board bad in quarantine&#58; the bench failed",
        ),
    ] {
        let text = fs::read_to_string(report).expect("the run wrote it");
        assert!(text.contains(words), "{text}");
    }
    let replayed = desk.run(&["replay", &desk.runs()[0].to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());
}

#[test]
fn quarantine_lasts_over_runs_until_a_canary_passes() {
    let desk = Desk::empty();
    let _board = stuck(&desk, "{ canary: \"app-update[uart]\" }");
    scenario(&desk, "one");

    let first = run(&desk);
    assert_eq!(first.code, Some(3), "{}", first.all());
    assert_eq!(health(&first, "dk").quarantine, None);
    assert_eq!(status(&desk), "dk: free\n");

    let second = run(&desk);
    assert_eq!(second.code, Some(3), "{}", second.all());
    let quarantine = health(&second, "dk").quarantine.expect("two in a row");
    assert_eq!(quarantine.failures, 2);
    let said = status(&desk);
    assert!(
        said.starts_with("dk: free; in quarantine since 20")
            && said.contains("the bench failed in 2 scenarios in a row, the last time in `one`"),
        "{said}"
    );

    // The scenario could not be decided, though nothing failed in this run.
    let third = run(&desk);
    assert_eq!(third.code, Some(3), "{}", third.all());
    let record = third.record();
    assert_eq!((record.totals.skip, record.totals.all()), (1, 1));
    let cause = record.scenarios[0].outcome.cause().unwrap_or_default();
    assert!(
        cause.starts_with("board `dk` is in quarantine: canary app-update[uart]: error"),
        "{cause}"
    );

    // One that its supply does not matter to.
    with_quarantine(&desk, "{ canary: \"revert-unconfirmed[uart]\" }");
    let fourth = run(&desk);
    assert_eq!(
        fourth.code,
        Some(3),
        "the supply is as it was: {}",
        fourth.all()
    );
    let of_dk = health(&fourth, "dk");
    assert_eq!(of_dk.canaries[0].outcome.cause(), None);
    assert_eq!(of_dk.quarantine, None);
    assert_eq!(fourth.record().totals.error, 1, "it had its turn");
    assert_eq!(status(&desk), "dk: free\n");
}

#[test]
fn a_person_lets_a_board_out_of_quarantine() {
    let desk = Desk::empty();
    let _board = stuck(&desk, "{ after: 1 }");
    scenario(&desk, "one");
    assert_eq!(run(&desk).code, Some(3));
    assert!(status(&desk).contains("in quarantine"), "{}", status(&desk));
    let released = desk.run(&["rig", "release", "dk", "--rig", "rig.yaml"]);
    assert_eq!(released.code, Some(0), "{}", released.all());
    assert_eq!(released.stdout, "board `dk` is out of quarantine\n");
    assert_eq!(status(&desk), "dk: free\n");
    let again = desk.run(&["rig", "release", "dk", "--rig", "rig.yaml"]);
    assert_eq!(again.code, Some(4), "{}", again.all());
}

/// Nobody listens where the probe of one board should be.
#[test]
fn a_run_goes_without_a_board_that_does_not_answer_and_says_so() {
    let desk = Desk::empty();
    let board = sound_board(VirtualDkOptions {
        speed: Speed::Factor(20.0),
        ..VirtualDkOptions::default()
    });
    desk.rig_for(&board);
    let rig = fs::read_to_string(desk.path("rig.yaml")).expect("it was written");
    desk.write(
        "rig.yaml",
        &format!("{rig}  - name: gone\n    probe: {{ selector: \"1d50:6018:127.0.0.1:1\" }}\n"),
    );
    scenario(&desk, "one");
    let ended = run(&desk);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let gone = health(&ended, "gone");
    let rungs: Vec<String> = gone.tried.iter().map(ToString::to_string).collect();
    assert_eq!(rungs.len(), 5, "{rungs:?}");
    assert!(rungs[2].ends_with("not possible: its rig file does not say `recover: allowed`"));
    assert!(rungs[3].ends_with("not possible: nothing can switch its power"));
    let words = gone.words();
    assert!(
        words.starts_with("in quarantine: it did not answer when the run began: ")
            && words.contains("127.0.0.1:1"),
        "{words}"
    );
}

#[test]
fn a_canary_that_no_scenario_is_called_is_a_mistake_of_the_rig_file() {
    let desk = Desk::empty();
    let _board = stuck(&desk, "{ canary: sparrow }");
    scenario(&desk, "one");
    let ended = run(&desk);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    assert!(
        ended
            .stderr
            .contains("names `sparrow`, and no scenario is called so"),
        "{}",
        ended.stderr
    );
}
