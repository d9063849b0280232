//! Bad input: one clear message, the right exit code, nothing left running and no report of a run that never was.

mod support;

use std::fs;
use std::net::TcpListener;
use support::{Desk, Ended};

/// The message, with what differs between machines taken out.
fn message(desk: &Desk, ended: &Ended) -> String {
    desk.redacted(&ended.stderr).trim_end().to_owned()
}

fn nothing_was_run(desk: &Desk) {
    assert!(
        desk.runs().is_empty(),
        "no run took place: {:?}",
        desk.runs()
    );
}

#[test]
fn an_unknown_key_in_a_scenario_is_shown_in_its_line() {
    let desk = Desk::new(1, 20);
    desk.write(
        "typo.yaml",
        "scenario: typo\nsummary: Has a typo.\nsteps:\n  - program: baseline\n  - upload: { imag: update.app }\n",
    );
    let ended = desk.run(&["run", "typo.yaml", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(message(&desk, &ended));
    nothing_was_run(&desk);
}

#[test]
fn a_role_that_the_firmware_does_not_play_is_shown_in_its_line() {
    let desk = Desk::new(1, 20);
    desk.write(
        "role.yaml",
        "scenario: role\nsummary: Names nobody.\nsteps:\n  - program: baselin\n",
    );
    let ended = desk.run(&["check", "role.yaml", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(message(&desk, &ended));
}

#[test]
fn a_board_that_is_not_there_is_an_error_of_the_bench() {
    let desk = Desk::empty();
    desk.write(
        "rig.yaml",
        "rig: desk\nboards:\n  - name: dk\n    probe: { selector: \"1366:1051:000000000001\" }\n    uart:\n      app: { \
         usb-serial: \"000000000001\", interface: 2 }\n    power: reset-only\n",
    );
    let ended = desk.run(&["run", "--rig", "rig.yaml", "--filter", "app-update"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    // What the system says about its USB differs between machines.
    let message = message(&desk, &ended);
    assert!(
        message.starts_with("error: cannot open probe `1366:1051:000000000001` of board `dk`: "),
        "{message}"
    );
    assert!(
        message.contains("\nhelp: is the board plugged in and switched on"),
        "{message}"
    );
    nothing_was_run(&desk);
}

#[test]
fn a_rig_file_that_is_not_there_is_a_mistake_of_the_command_line() {
    let desk = Desk::empty();
    let ended = desk.run(&["run", "--rig", "nowhere.yaml"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(message(&desk, &ended));
}

#[test]
fn a_truncated_image_in_the_firmware_set_is_found_before_a_board_is_touched() {
    let desk = Desk::new(1, 20);
    let made = desk.run(&["demo-firmware", "fw"]);
    assert_eq!(made.code, Some(0), "{}", made.all());
    let image = desk.path("fw/update/app_update.bin");
    let bytes = fs::read(&image).unwrap();
    fs::write(&image, &bytes[..20_000]).unwrap();
    let ended = desk.run(&["run", "--rig", "rig.yaml", "--firmware", "fw/firmware.yaml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    insta::assert_snapshot!(message(&desk, &ended));
    nothing_was_run(&desk);
}

#[test]
fn a_truncated_image_is_refused_when_inspected() {
    let desk = Desk::empty();
    desk.run(&["demo-firmware", "fw"]);
    let bytes = fs::read(desk.path("fw/update/app_update.bin")).unwrap();
    fs::write(desk.path("cut.bin"), &bytes[..20_000]).unwrap();
    let ended = desk.run(&[
        "image",
        "inspect",
        "cut.bin",
        "--key",
        "fw/keys/signing.pub.pem",
    ]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    assert!(ended.stdout.starts_with("refused"), "{}", ended.all());
}

#[test]
fn an_image_that_is_not_there_is_a_mistake_of_the_command_line() {
    let desk = Desk::empty();
    let ended = desk.run(&["image", "inspect", "nothing.bin"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(
        message(&desk, &ended),
        @"error: image `nothing.bin` cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let desk = Desk::empty();
    let ended = desk.run(&["virtual-dk", "--probe-port", &port]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    insta::assert_snapshot!(message(&desk, &ended).replace(&port, "[port]"));
}

#[test]
fn a_filter_that_matches_nothing_runs_nothing_and_is_no_success() {
    let desk = Desk::new(1, 20);
    let ended = desk.run(&["run", "--rig", "rig.yaml", "--filter", "no-such-scenario"]);
    assert_eq!(ended.code, Some(4));
    insta::assert_snapshot!(message(&desk, &ended), @r"
    error: no scenario has `no-such-scenario` in its name
    help: `dfu-hil list` shows all names
    ");
    nothing_was_run(&desk);
}

#[test]
fn an_unknown_option_is_a_mistake_of_the_command_line() {
    let ended = Desk::empty().run(&["run", "--nonsense"]);
    assert_eq!(ended.code, Some(2));
}
