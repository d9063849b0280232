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
    insta::assert_snapshot!(mistake("requirement: [A-1]\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:1: unknown key `requirement`
      |
    3 | requirement: [A-1]
      | ^^^^^^^^^^^
      = allowed: scenario, summary, question, requirements, references, known_issue, matrix, needs, steps, waive
      = help: did you mean `requirements`?
    ");
}

#[test]
fn unknown_key_of_a_step() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n  - upload: { image: update.app, ovr: uart }"), @r"
    sample.yaml:5:34: unknown key `ovr`
      |
    5 |   - upload: { image: update.app, ovr: uart }
      |                                  ^^^
      = allowed: image, over, to, recovery, expect, announces, starts_at, power_cut, link_lost, gives_up_after, asks_again_after, second_central, transport_faults, within
      = help: did you mean `over`?
    ");
}

#[test]
fn unknown_step() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n  - uplaod: { image: update.app }"), @r"
    sample.yaml:5:5: unknown step `uplaod`
      |
    5 |   - uplaod: { image: update.app }
      |     ^^^^^^
      = allowed: program, upload, mark, erase, reset, power_cycle, power_cut, sweep, expect_boot, expect_slot, expect_plain_text, expect_image_state, expect_console, expect_net, expect_radio, expect_refusal, expect_update
      = help: did you mean `upload`?
    ");
}

#[test]
fn wrong_type_of_a_setting() {
    insta::assert_snapshot!(mistake("steps:\n  - upload: [update.app]"), @r"
    sample.yaml:4:13: found a list, expected a mapping such as `{ key: value }`
      |
    4 |   - upload: [update.app]
      |             ^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, to: first }"), @r"
    sample.yaml:4:38: found `first`, expected a number from 0 to 255
      |
    4 |   - upload: { image: update.app, to: first }
      |                                      ^^^^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - expect_console: { text: 2.0 }"), @r"
    sample.yaml:4:29: found the number `2`, expected a text
      |
    4 |   - expect_console: { text: 2.0 }
      |                             ^^^
      = help: write it in quotes to make it a text
    ");
    insta::assert_snapshot!(mistake("steps: program"), @r"
    sample.yaml:3:8: found `program`, expected a list
      |
    3 | steps: program
      |        ^^^^^^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - 7"), @r"
    sample.yaml:4:5: found the number `7`, expected a step such as `- reset: smp`
      |
    4 |   - 7
      |     ^
    ");
}

#[test]
fn missing_setting() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n  - mark: { image: update.app }"), @r"
    sample.yaml:5:5: key `as` is missing
      |
    5 |   - mark: { image: update.app }
      |     ^^^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - power_cut"), @r"
    sample.yaml:4:5: key `at` is missing
      |
    4 |   - power_cut
      |     ^^^^^^^^^
    ");
}

#[test]
fn bad_duration() {
    insta::assert_snapshot!(mistake("steps:\n  - expect_boot: { app: update, within: 20 }"), @r"
    sample.yaml:4:41: found the number `20`, expected a duration with its unit, such as `20s`, `500ms` or `1m 30s`
      |
    4 |   - expect_boot: { app: update, within: 20 }
      |                                         ^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - expect_boot: { app: update, within: 20 parsecs }"), @r"
    sample.yaml:4:41: found `20 parsecs`, expected a duration with its unit, such as `20s`, `500ms` or `1m 30s`
      |
    4 |   - expect_boot: { app: update, within: 20 parsecs }
      |                                         ^^^^^^^^^^
    ");
}

#[test]
fn bad_percentage() {
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, power_cut: { at: 100% } }"), @r"
    sample.yaml:4:51: found `100%`, expected a share of the image from `1%` to `99%`
      |
    4 |   - upload: { image: update.app, power_cut: { at: 100% } }
      |                                                   ^^^^
    ");
}

#[test]
fn unknown_slot() {
    insta::assert_snapshot!(mistake("steps:\n  - expect_slot: { slot: app.secundary, erased: true }"), @r"
    sample.yaml:4:26: unknown slot `app.secundary`
      |
    4 |   - expect_slot: { slot: app.secundary, erased: true }
      |                          ^^^^^^^^^^^^^
      = allowed: app.primary, app.secondary, net.primary, net.secondary
      = help: did you mean `app.secondary`?
    ");
}

#[test]
fn unknown_image() {
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.ap }"), @r"
    sample.yaml:4:22: unknown image `ap` in `update.ap`, expected `app` or `net`
      |
    4 |   - upload: { image: update.ap }
      |                      ^^^^^^^^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update }"), @r"
    sample.yaml:4:22: `update` names no image; write a release and an image, such as `update.app`
      |
    4 |   - upload: { image: update }
      |                      ^^^^^^
    ");
}

#[test]
fn contradiction_in_a_step() {
    insta::assert_snapshot!(
        mistake("steps:\n  - expect_slot: { slot: app.primary, holds: update.app, erased: true }"), @r"
    sample.yaml:4:5: say what the slot has: either `holds: RELEASE.IMAGE` or `erased: true`
      |
    4 |   - expect_slot: { slot: app.primary, holds: update.app, erased: true }
      |     ^^^^^^^^^^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - expect_image_state: { slot: app.primary }"), @r"
    sample.yaml:4:5: say what the list has for the slot: `image`, `version`, `active`, `pending`, `confirmed`, `permanent`, or `absent: true`
      |
    4 |   - expect_image_state: { slot: app.primary }
      |     ^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(
        mistake("steps:\n  - expect_console: { text: x, absent: true, missing: inconclusive }"), @r"
    sample.yaml:4:5: `missing` says what it is when the text does not come, and with `absent: true` it must not
      |
    4 |   - expect_console: { text: x, absent: true, missing: inconclusive }
      |     ^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(mistake("steps:\n  - expect_net: {}"), @r"
    sample.yaml:4:5: say what the network core has: `release`, `version` or `alive`
      |
    4 |   - expect_net: {}
      |     ^^^^^^^^^^
    ");
}

#[test]
fn no_steps() {
    insta::assert_snapshot!(mistake("steps: []"), @r"
    sample.yaml:3:1: `steps` is empty
      |
    3 | steps: []
      | ^^^^^
      = help: a scenario without steps would pass without having shown anything
    ");
    insta::assert_snapshot!(mistake(""), @r"
    sample.yaml:1:1: key `steps` is missing
      |
    1 | scenario: sample
      | ^^^^^^^^
    ");
}

#[test]
fn several_steps_in_one_item() {
    insta::assert_snapshot!(mistake("steps:\n  - program: baseline\n    reset: smp"), @r"
    sample.yaml:5:5: several steps in one item: `program`, `reset`
      |
    5 |     reset: smp
      |     ^^^^^
      = help: put a `-` in front of `reset`
    ");
    insta::assert_snapshot!(mistake("steps:\n  - upload:\n    image: update.app"), @r"
    sample.yaml:5:5: `image` stands beside `upload` and not in it
      |
    5 |     image: update.app
      |     ^^^^^
      = help: indent what belongs to `upload` deeper than it
    ");
}

#[test]
fn bad_matrix_variable() {
    insta::assert_snapshot!(
        mistake("matrix: { transport: [uart] }\nsteps:\n  - upload: { image: update.app, over: \"${transprt}\" }"), @r#"
    sample.yaml:5:40: unknown matrix variable `transprt`
      |
    5 |   - upload: { image: update.app, over: "${transprt}" }
      |                                        ^^^^^^^^^^^^^
      = allowed: transport
      = help: did you mean `transport`?
    "#);
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, over: \"${transport}\" }"), @r#"
    sample.yaml:4:40: unknown matrix variable `transport`
      |
    4 |   - upload: { image: update.app, over: "${transport}" }
      |                                        ^^^^^^^^^^^^^^
      = help: add `matrix: { transport: [...] }` to the scenario
    "#);
    insta::assert_snapshot!(mistake("matrix: { transport: uart }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:22: matrix variable `transport` is `uart`, expected a list of its values
      |
    3 | matrix: { transport: uart }
      |                      ^^^^
      = help: write `transport: [uart]`, or `transport: releases-to-program` or `releases-to-send` for those of the firmware set
    ");
    insta::assert_snapshot!(mistake("matrix: { transport: [uart, usb] }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:29: unknown transport `usb`
      |
    3 | matrix: { transport: [uart, usb] }
      |                             ^^^
      = allowed: uart, ble
    ");
    insta::assert_snapshot!(mistake("matrix: { cut: [1, 2] }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:11: matrix variable `cut` is not used: its variants would all be the same
      |
    3 | matrix: { cut: [1, 2] }
      |           ^^^
      = help: write `${cut}` in a step, or leave the variable out
    ");
    insta::assert_snapshot!(
        mistake("matrix: { cut: [10%, 0%] }\nsteps:\n  - upload: { image: update.app, power_cut: { at: \"${cut}\" } }"), @r#"
    sample.yaml:5:51: found `0%`, expected a share of the image from `1%` to `99%`
      |
    5 |   - upload: { image: update.app, power_cut: { at: "${cut}" } }
      |                                                   ^^^^^^^^
    "#);
}

#[test]
fn bad_requirement() {
    insta::assert_snapshot!(mistake("requirements: [dfu-1]\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:16: `dfu-1` is no requirement: expected capital letters, digits, `-`, `_` and `.`, such as `DFU-APP-1`
      |
    3 | requirements: [dfu-1]
      |                ^^^^^
    ");
}

#[test]
fn bad_needs() {
    insta::assert_snapshot!(mistake("needs: { bootloader: { mode: swop } }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:30: unknown word `swop`
      |
    3 | needs: { bootloader: { mode: swop } }
      |                              ^^^^
      = allowed: swap, swap-move, swap-offset, swap-scratch, overwrite-only, single-slot
      = help: did you mean `swap`?
    ");
    insta::assert_snapshot!(mistake("needs: { board: [powr] }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:18: unknown board feature `powr`
      |
    3 | needs: { board: [powr] }
      |                  ^^^^
      = allowed: power, pin_reset, app_console, net_console, console_at_power_on, app_rtt, net_rtt, second_adapter, external_flash, recovery_button, recover
      = help: did you mean `power`?
    ");
}

#[test]
fn known_issue_without_a_reference() {
    insta::assert_snapshot!(
        mistake("known_issue: { reference: ' ' }\nsteps: [{ program: baseline }]"),
        @r"
    sample.yaml:3:1: a known issue without a reference
      |
    3 | known_issue: { reference: ' ' }
      | ^^^^^^^^^^^
      = help: say where it is described: `reference: mcuboot#1966`
    "
    );
}

#[test]
fn bad_waiver() {
    insta::assert_snapshot!(mistake("waive: { both_cores_alive: '' }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:1: a check is waived without a reason
      |
    3 | waive: { both_cores_alive: '' }
      | ^^^^^
      = help: say why: `both_cores_alive: the image crashes on purpose`
    ");
    insta::assert_snapshot!(mistake("waive: { both_cores: 'It crashes.' }\nsteps: [{ program: baseline }]"), @r"
    sample.yaml:3:10: unknown key `both_cores`
      |
    3 | waive: { both_cores: 'It crashes.' }
      |          ^^^^^^^^^^
      = allowed: bootloader_unchanged, other_partitions_unchanged, no_plain_text, both_cores_alive, flash_as_predicted
      = help: did you mean `both_cores_alive`?
    ");
}

#[test]
fn text_that_is_no_yaml() {
    insta::assert_snapshot!(mistake("steps:\n\t- program: baseline"), @r"
    sample.yaml:4:1: is not YAML: found character that cannot start any token
      |
    4 | 	- program: baseline
      | ^^^^^^^^^^
      = help: there is a tab in this line; YAML is indented with spaces
    ");
    insta::assert_snapshot!(mistake("steps:\n  - upload: { image: update.app, over: ${transport} }"), @r#"
    sample.yaml:4:41: is not YAML: did not find expected ',' or '}'
      |
    4 |   - upload: { image: update.app, over: ${transport} }
      |                                         ^
      = help: `${...}` needs quotes inside `{ }`: "${variable}"
    "#);
    insta::assert_snapshot!(mistake("steps: [{ program: baseline }]\nsteps: []"), @r"
    sample.yaml:4:1: key `steps` is there twice
      |
    4 | steps: []
      | ^^^^^
    ");
}

#[test]
fn bad_name() {
    let error =
        Scenario::parse("sample.yaml", "scenario: App Update\nsummary: x\nsteps: []").unwrap_err();
    insta::assert_snapshot!(error.render(), @r"
    sample.yaml:1:11: `App Update` is no name for a scenario
      |
    1 | scenario: App Update
      |           ^^^^^^^^^^
      = help: use small letters, digits and `-`, such as `app-update`
    ");
}

#[test]
fn empty_file() {
    let error = Scenario::parse("sample.yaml", "# nothing yet\n").unwrap_err();
    insta::assert_snapshot!(error.render(), @"sample.yaml: is empty, expected a scenario");
}

#[test]
fn missing_file() {
    let error = Scenario::load("no/such.yaml").unwrap_err();
    insta::assert_snapshot!(error.render(), @"no/such.yaml: cannot be read: No such file or directory (os error 2)");
}
