//! `dfu-hil rig`: facts of a rig file, proven on virtual boards; boards that are in use; and a board that is another one.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use support::Desk;
use support::broken::sound_board;
use virtual_dk::{Speed, Supply, VirtualDkOptions};

fn quick() -> VirtualDkOptions {
    VirtualDkOptions {
        speed: Speed::Factor(20.0),
        ..VirtualDkOptions::default()
    }
}

/// Puts firmware on the board of the desk.
fn program(desk: &Desk) {
    let ended = desk.run_scenario(
        "scenario: put\nsummary: Puts firmware on the board.\nsteps:\n  - program: baseline\n  \
         - expect_boot: { app: baseline, within: 60s }\n",
    );
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}

/// The line of a fact.
fn fact<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find(|line| line[7.min(line.len())..].starts_with(name))
        .unwrap_or_else(|| panic!("no `{name}` in:\n{text}"))
}

#[test]
fn every_fact_of_a_board_that_runs_is_proven() {
    let desk = Desk::empty();
    let board = sound_board(quick());
    desk.rig_for(&board);
    program(&desk);
    let ended = desk.run(&["rig", "check", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let said = &ended.stdout;
    assert!(fact(said, "probe").contains("nRF5340 QKAA"), "{said}");
    assert!(fact(said, "power").starts_with("   ok"), "{said}");
    assert!(
        fact(said, "power").contains("the chip does not answer the probe"),
        "{said}"
    );
    assert!(
        fact(said, "uart app").contains("an SMP server answers on"),
        "{said}"
    );
    assert!(fact(said, "uart net").starts_with("   ok"), "{said}");
    assert!(fact(said, "radio").starts_with("   ok"), "{said}");
    assert!(said.ends_with("1 board, nothing wrong\n"), "{said}");

    let ended = desk.run(&["rig", "check", "--rig", "rig.yaml", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let checked: serde_json::Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(checked["wrong"], 0);
    let facts = checked["boards"][0]["facts"]
        .as_array()
        .expect("it has facts");
    let status = |name: &str| {
        let fact = facts.iter().find(|fact| fact["fact"] == name);
        fact.map(|fact| fact["status"].clone()).unwrap_or_default()
    };
    for name in ["probe", "power", "uart app", "uart net", "radio"] {
        assert_eq!(status(name), "ok", "{name}: {}", ended.stdout);
    }
}

#[test]
fn ports_that_are_mixed_up_and_a_switch_that_does_not_cut_are_wrong_with_advice() {
    let desk = Desk::empty();
    let board = sound_board(VirtualDkOptions {
        supply: Supply::Stuck,
        ..quick()
    });
    desk.rig_for(&board);
    program(&desk);
    let text = fs::read_to_string(desk.path("rig.yaml")).unwrap();
    let text = text
        .replace("app: {", "other: {")
        .replace("net: {", "app: {")
        .replace("other: {", "net: {");
    desk.write("rig.yaml", &text);
    let ended = desk.run(&["rig", "check", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let said = &ended.stdout;
    assert!(fact(said, "power").contains("WRONG"), "{said}");
    assert!(
        fact(said, "power").contains("the board kept its power"),
        "{said}"
    );
    assert!(fact(said, "uart app").contains("WRONG"), "{said}");
    assert!(
        said.contains("the ports of both cores are mixed up"),
        "{said}"
    );
}

#[test]
fn a_blank_virtual_board_leaves_open_what_only_firmware_can_show() {
    let ended = Desk::new(1, 20).run(&["rig", "check", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(
        fact(&ended.stdout, "uart app").starts_with(" open"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_swapped_board_is_refused_before_anything_is_programmed() {
    let desk = Desk::empty();
    let board = sound_board(quick());
    desk.rig_for(&board);
    let text = fs::read_to_string(desk.path("rig.yaml")).unwrap();
    let other = text.replace("    probe:", "    chip: \"00000000000000a1\"\n    probe:");
    assert_ne!(other, text);
    desk.write("rig.yaml", &other);
    let ended = desk.run_scenario(
        "scenario: put\nsummary: Puts firmware on the board.\nsteps:\n  - program: baseline\n",
    );
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    assert!(
        ended
            .stderr
            .contains("its rig file says 00000000000000a1: it is another board"),
        "{}",
        ended.stderr
    );
    assert_eq!(board.page_erases(), 0);
    // The id that the check shows is the one that is taken.
    desk.write("rig.yaml", &text);
    let checked = desk.run(&["rig", "check", "--rig", "rig.yaml"]).stdout;
    let (_, chip) = checked.split_once("chip: \"").unwrap();
    let (chip, _) = chip.split_once('"').unwrap();
    desk.write(
        "rig.yaml",
        &text.replace("    probe:", &format!("    chip: \"{chip}\"\n    probe:")),
    );
    program(&desk);
}

/// Somebody who holds `dk` by hand, for soldering.
fn held(desk: &Desk) -> Child {
    let args = [
        "rig",
        "hold",
        "dk",
        "--rig",
        "rig.yaml",
        "--reason",
        "soldering",
    ];
    let mut holding = desk
        .command(&args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(holding.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it says a line");
    assert!(line.starts_with("board `dk` is held"), "{line}");
    holding
}

#[test]
fn a_board_that_is_held_by_hand_is_told_and_can_be_released() {
    let desk = Desk::empty();
    let board = sound_board(quick());
    desk.rig_for(&board);
    let status = || desk.run(&["rig", "status", "--rig", "rig.yaml"]).stdout;
    assert_eq!(status(), "dk: free\n");

    let mut holding = held(&desk);
    let words = format!("dk: in use by process {}", holding.id());
    let said = status();
    assert!(
        said.starts_with(&words) && said.contains("soldering"),
        "{said}"
    );

    let ended = desk.run(&["rig", "check", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    assert!(
        ended.stderr.contains("(held by hand: soldering)"),
        "{}",
        ended.stderr
    );

    let ended = desk.run(&["rig", "release", "dk", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(holding.wait().unwrap().success(), "it ends in good order");
    assert_eq!(status(), "dk: free\n");
    let again = desk.run(&["rig", "release", "dk", "--rig", "rig.yaml"]);
    assert_eq!(again.code, Some(4), "{}", again.all());
}

#[test]
fn a_run_is_not_released_but_kicked_and_its_board_is_free_then() {
    let desk = Desk::empty();
    let board = sound_board(quick());
    desk.rig_for(&board);
    desk.write(
        "long.yaml",
        "scenario: long\nsummary: Takes long.\nsteps:\n  - program: baseline\n  \
         - expect_boot: { app: baseline, within: 60s }\n  - expect_console: { text: never, within: 10m }\n",
    );
    let mut running = desk
        .command(&["run", "long.yaml", "--rig", "rig.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let waits = lines.any(|line| line.unwrap().contains("says `never`"));
    assert!(waits, "it gets to its last step");

    let released = desk.run(&["rig", "release", "dk", "--rig", "rig.yaml"]);
    assert_eq!(released.code, Some(3), "{}", released.all());
    assert!(
        released.stderr.contains("not held by hand"),
        "{}",
        released.stderr
    );
    let kicked = desk.run(&["rig", "kick", "dk", "--rig", "rig.yaml"]);
    assert_eq!(kicked.code, Some(0), "{}", kicked.all());
    assert!(lines.count() > 0, "it says how it ended");
    assert_eq!(
        running.wait().unwrap().code(),
        Some(3),
        "stopped in good order"
    );
    let status = desk.run(&["rig", "status", "--rig", "rig.yaml"]).stdout;
    assert_eq!(status, "dk: free\n");
}

#[test]
fn a_hardware_map_of_twister_is_printed_as_a_rig_file() {
    let desk = Desk::empty();
    desk.write(
        "map.yml",
        "- { connected: true, id: '001050012345', platform: nrf5340dk/nrf5340/cpuapp, serial: /dev/ttyACM1 }\n\
         - { connected: true, id: '683000001', platform: nrf52840dk/nrf52840, serial: /dev/ttyACM0 }\n",
    );
    let ended = desk.run(&["rig", "import", "map.yml", "--name", "rack"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(ended.stdout.starts_with("rig: rack\n"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains("left out: entry 2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_run_that_waits_for_a_board_says_for_whom_and_has_it_when_it_is_free() {
    let desk = Desk::empty();
    let board = sound_board(quick());
    desk.rig_for(&board);
    let mut holding = held(&desk);
    desk.write(
        "put.yaml",
        "scenario: put\nsummary: Puts firmware on the board.\nsteps:\n  - program: baseline\n",
    );
    let run = ["run", "put.yaml", "--rig", "rig.yaml"];
    let refused = desk.run(&run);
    assert_eq!(refused.code, Some(3), "{}", refused.all());
    assert!(refused.stderr.contains("soldering"), "{}", refused.all());

    let mut waiting = desk
        .command(&[&run[..], &["--wait", "10min", "--as", "nightly"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let waits = format!("waiting for process {}", holding.id());
    assert!(lines.any(|line| line.unwrap().starts_with(&waits)));
    let released = desk.run(&["rig", "release", "dk", "--rig", "rig.yaml"]);
    assert_eq!(released.code, Some(0), "{}", released.all());
    assert!(lines.count() > 0, "it says how it ended");
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    holding.wait().unwrap();
}
