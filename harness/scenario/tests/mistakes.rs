//! What people read when a scenario file has a mistake: one case for every class of mistake.

use hil_scenario::Scenario;

/// The rendered mistake of a scenario that has these lines under its name and summary.
fn mistake(lines: &str) -> String {
    let text = format!("scenario: sample\nsummary: A sample.\n{lines}");
    match Scenario::parse("sample.yaml", &text) {
        Ok(_) => panic!("no mistake found in:\n{text}"),
        Err(error) => error.render(),
    }
}

#[test]
fn unknown_key_of_the_file() {
    insta::assert_snapshot!(mistake("requirement: [A-1]\nsteps: [{ program: baseline }]"), @"");
}

#[test]
fn unknown_key_of_a_step() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n  - upload: { image: update.app, ovr: uart }"), @"");
}

#[test]
fn unknown_step() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n  - uplaod: { image: update.app }"), @"");
}

#[test]
fn wrong_type_of_a_setting() {
    insta::assert_snapshot!(mistake("steps:\n  - upload: [update.app]"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, to: first }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - expect_console: { text: 2.0 }"), @"");
    insta::assert_snapshot!(mistake("steps: program"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - 7"), @"");
}

#[test]
fn missing_setting() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n  - mark: { image: update.app }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - power_cut"), @"");
}

#[test]
fn bad_duration() {
    insta::assert_snapshot!(mistake("steps:\n  - expect_boot: { app: update, within: 20 }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - expect_boot: { app: update, within: 20 parsecs }"), @"");
}

#[test]
fn bad_percentage() {
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, power_cut: { at: 100% } }"), @"");
}

#[test]
fn unknown_slot() {
    insta::assert_snapshot!(mistake("steps:\n  - expect_slot: { slot: app.secundary, erased: true }"), @"");
}

#[test]
fn unknown_image() {
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.ap }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update }"), @"");
}

#[test]
fn contradiction_in_a_step() {
    insta::assert_snapshot!(
        mistake("steps:\n  - expect_slot: { slot: app.primary, holds: update.app, erased: true }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - expect_image_state: { slot: app.primary }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - expect_net: {}"), @"");
}

#[test]
fn no_steps() {
    insta::assert_snapshot!(mistake("steps: []"), @"");
    insta::assert_snapshot!(mistake(""), @"");
}

#[test]
fn several_steps_in_one_item() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n    reset: smp"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - upload:\n    image: update.app"), @"");
}

#[test]
fn bad_matrix_variable() {
    insta::assert_snapshot!(
        mistake("matrix: { transport: [uart] }\nsteps:\n  - upload: { image: update.app, over: \"${transprt}\" }"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, over: \"${transport}\" }"), @"");
    insta::assert_snapshot!(mistake("matrix: { transport: uart }\nsteps: [{ program: baseline }]"), @"");
    insta::assert_snapshot!(mistake("matrix: { transport: [uart, usb] }\nsteps: [{ program: baseline }]"), @"");
    insta::assert_snapshot!(mistake("matrix: { cut: [1, 2] }\nsteps: [{ program: baseline }]"), @"");
    insta::assert_snapshot!(
        mistake("matrix: { cut: [10%, 0%] }\nsteps:\n  - upload: { image: update.app, power_cut: { at: \"${cut}\" } }"), @"");
}

#[test]
fn bad_requirement() {
    insta::assert_snapshot!(mistake("requirements: [dfu-1]\nsteps: [{ program: baseline }]"), @"");
}

#[test]
fn bad_needs() {
    insta::assert_snapshot!(mistake("needs: { bootloader: { mode: swop } }\nsteps: [{ program: baseline }]"), @"");
    insta::assert_snapshot!(mistake("needs: { board: [powr] }\nsteps: [{ program: baseline }]"), @"");
}

#[test]
fn bad_waiver() {
    insta::assert_snapshot!(mistake("waive: { both_cores_alive: '' }\nsteps: [{ program: baseline }]"), @"");
    insta::assert_snapshot!(mistake("waive: { both_cores: 'It crashes.' }\nsteps: [{ program: baseline }]"), @"");
}

#[test]
fn text_that_is_no_yaml() {
    insta::assert_snapshot!(mistake("steps:\n\t- program: baseline"), @"");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, over: ${transport} }"), @"");
    insta::assert_snapshot!(mistake("steps: [{ program: baseline }]\nsteps: []"), @"");
}

#[test]
fn bad_name() {
    let error =
        Scenario::parse("sample.yaml", "scenario: App Update\nsummary: x\nsteps: []").unwrap_err();
    insta::assert_snapshot!(error.render(), @"");
}

#[test]
fn empty_file() {
    let error = Scenario::parse("sample.yaml", "# nothing yet\n").unwrap_err();
    insta::assert_snapshot!(error.render(), @"");
}

#[test]
fn missing_file() {
    let error = Scenario::load("no/such.yaml").unwrap_err();
    insta::assert_snapshot!(error.render(), @"");
}
