//! Scenarios against a firmware set and boards: what fits, what does not, and what people read about it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its files has failed"
)]

mod common;

use common::SetFolder;
use hil_scenario::{BoardFeature, Capabilities, FileError, Scenario, Transport, check};
use rstest::rstest;
use std::collections::BTreeSet;

/// The rendered mistakes of a scenario with these steps.
fn mistakes(steps: &str) -> String {
    let set = SetFolder::new().load().unwrap();
    let text = format!("scenario: sample\nsummary: A sample.\nsteps:\n{steps}");
    let scenario = Scenario::parse("sample.yaml", &text).unwrap();
    let report = check(&[scenario], &set, &[]);
    let rendered: Vec<_> = report.errors.iter().map(FileError::render).collect();
    rendered.join("\n\n")
}

#[test]
fn unknown_release() {
    insta::assert_snapshot!(mistakes("  - program: base-line"), @r"
    sample.yaml:4:14: firmware set `sample` has no release `base-line`
      |
    4 |   - program: base-line
      |              ^^^^^^^^^
      = allowed: baseline, crashes, downgrade, encrypted, net-other-ipc, never-confirms, tampered, update, wrong-key
      = help: did you mean `baseline`?
    ");
    insta::assert_snapshot!(mistakes("  - expect_boot: { app: updated }"), @r"
    sample.yaml:4:25: firmware set `sample` has no release `updated`
      |
    4 |   - expect_boot: { app: updated }
      |                         ^^^^^^^
      = allowed: baseline, crashes, downgrade, encrypted, net-other-ipc, never-confirms, tampered, update, wrong-key
      = help: did you mean `update`?
    ");
}

#[test]
fn unknown_image() {
    insta::assert_snapshot!(mistakes("  - upload: { image: crashes.net }"), @r"
    sample.yaml:4:22: firmware set `sample` has no image `crashes.net`
      |
    4 |   - upload: { image: crashes.net }
      |                      ^^^^^^^^^^^
      = allowed: baseline.app, baseline.net, crashes.app, downgrade.app, encrypted.app, net-other-ipc.net, never-confirms.app, tampered.app, update.app, update.net, wrong-key.app
      = help: did you mean `crashes.app`?
    ");
}

#[test]
fn every_mistake_of_a_scenario_is_told() {
    insta::assert_snapshot!(mistakes("  - program: update\n  - mark: { image: updaet.app, as: test }"), @r"
    sample.yaml:4:14: release `update` of firmware set `sample` has nothing to program
      |
    4 |   - program: update
      |              ^^^^^^

    sample.yaml:5:20: firmware set `sample` has no release `updaet`
      |
    5 |   - mark: { image: updaet.app, as: test }
      |                    ^^^^^^^^^^
      = allowed: baseline, crashes, downgrade, encrypted, net-other-ipc, never-confirms, tampered, update, wrong-key
      = help: did you mean `update`?
    ");
}

#[test]
fn slot_that_the_board_has_not() {
    insta::assert_snapshot!(mistakes("  - expect_slot: { slot: net.secondary, erased: true }"), @r"
    sample.yaml:4:26: firmware set `sample` has no slot `net.secondary` in its layout
      |
    4 |   - expect_slot: { slot: net.secondary, erased: true }
      |                          ^^^^^^^^^^^^^
    ");
}

#[test]
fn cipher_text_of_a_plain_image() {
    insta::assert_snapshot!(
        mistakes("  - expect_slot: { slot: app.secondary, holds: update.app, stored: encrypted }"), @r"
    sample.yaml:4:68: `update.app` is not an encrypted image
      |
    4 |   - expect_slot: { slot: app.secondary, holds: update.app, stored: encrypted }
      |                                                                    ^^^^^^^^^
    ");
    insta::assert_snapshot!(mistakes("  - expect_plain_text: { of: update.app, only_in: [] }"), @r"
    sample.yaml:4:30: `update.app` is not an encrypted image: its plain text is no secret
      |
    4 |   - expect_plain_text: { of: update.app, only_in: [] }
      |                              ^^^^^^^^^^
    ");
}

#[test]
fn image_larger_than_its_slot() {
    let set = SetFolder::new();
    let path = set.folder().join("update.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.resize(0x40001, 0xFF);
    std::fs::write(path, bytes).unwrap();
    let set = set.load().unwrap();
    let parse = |expect: &str| {
        let text = format!(
            "scenario: sample\nsummary: A sample.\nsteps:\n  - upload: {{ image: update.app, expect: {expect} }}"
        );
        Scenario::parse("sample.yaml", &text).unwrap()
    };
    assert_eq!(check(&[parse("refused")], &set, &[]).errors, []);
    let report = check(&[parse("accepted")], &set, &[]);
    insta::assert_snapshot!(report.errors[0].render(), @r"
    sample.yaml:4:22: `update.app` has 262145 bytes, more than the 262144 of `app.secondary`
      |
    4 |   - upload: { image: update.app, expect: accepted }
      |                      ^^^^^^^^^^
      = help: write `expect: refused` if that is the point
    ");
}

#[test]
fn variants_share_their_mistakes() {
    let set = SetFolder::new().load().unwrap();
    let text = "scenario: sample\nsummary: A sample.\nmatrix: { transport: [uart, ble] }\nsteps:\n  - program: nothing";
    let scenario = Scenario::parse("sample.yaml", text).unwrap();
    assert_eq!(check(&[scenario], &set, &[]).errors.len(), 1);
}

#[rstest]
#[case::nothing_special("steps: [{ program: baseline }]", None)]
#[case::mode(
    "needs: { bootloader: { mode: overwrite-only } }\nsteps: [{ program: baseline }]",
    Some("needs a bootloader in mode `overwrite-only`, this one is `swap-move`")
)]
#[case::mode_group(
    "needs: { bootloader: { mode: swap } }\nsteps: [{ program: baseline }]",
    None
)]
#[case::encryption(
    "needs: { bootloader: { encryption: x25519 } }\nsteps: [{ program: baseline }]",
    Some("needs a bootloader with encryption `x25519`, this one has `ec256`")
)]
#[case::power_for_a_cycle(
    "steps: [{ program: baseline }, { power_cycle: {} }]",
    Some("needs a power switch (step 2 `power_cycle`), board `bare` has none")
)]
#[case::power_for_a_cut_upload(
    "steps: [{ upload: { image: update.app, power_cut: { at: 40% } } }]",
    Some("needs a power switch (step 1 `upload`), board `bare` has none")
)]
#[case::pin(
    "steps: [{ reset: pin }]",
    Some("needs a reset pin (step 1 `reset`), board `bare` has none")
)]
#[case::console("steps: [{ expect_console: { core: app, text: x } }]", None)]
#[case::network_console(
    "steps: [{ expect_console: { core: net, text: x } }]",
    Some("needs a console of the network core (step 1 `expect_console`), board `bare` has none")
)]
#[case::network_core_that_must_run(
    "steps: [{ expect_boot: { app: baseline, net: baseline } }]",
    Some("needs a console of the network core (step 1 `expect_boot`), board `bare` has none")
)]
#[case::network_core_flash_alone("steps: [{ expect_net: { release: baseline } }]", None)]
#[case::link_by_name(
    "steps: [{ upload: { image: update.app, over: ble } }]",
    Some("needs SMP over `ble`, board `bare` has no such link")
)]
#[case::link_of_the_matrix(
    "matrix: { transport: [ble] }\nsteps: [{ reset: smp }]",
    Some("needs SMP over `ble`, board `bare` has no such link")
)]
#[case::asked_for(
    "needs: { board: [power] }\nsteps: [{ program: baseline }]",
    Some("needs a power switch, board `bare` has none")
)]
#[case::several(
    "needs: { bootloader: { mode: overwrite-only } }\nsteps: [{ reset: pin }]",
    Some(
        "needs a bootloader in mode `overwrite-only`, this one is `swap-move`; \
         needs a reset pin (step 1 `reset`), board `bare` has none"
    )
)]
fn a_board_that_lacks_something_gives_the_reason(
    #[case] lines: &str,
    #[case] reason: Option<&str>,
) {
    let set = SetFolder::new().load().unwrap();
    let bare = Capabilities {
        board: "bare".to_owned(),
        features: BTreeSet::from([BoardFeature::AppConsole]),
        transports: BTreeSet::from([Transport::Uart]),
        bootloader: &set.bootloader,
    };
    let text = format!("scenario: sample\nsummary: A sample.\n{lines}");
    let scenario = Scenario::parse("sample.yaml", &text).unwrap();
    let unmet = scenario.variants()[0].unmet(&bare);
    assert_eq!(unmet.as_ref().map(ToString::to_string).as_deref(), reason);

    let report = check(&[scenario], &set, std::slice::from_ref(&bare));
    assert_eq!(report.skips.len(), usize::from(reason.is_some()));
}

#[rstest]
#[case::no_place(
    "  - upload: { image: update.app, transport_faults: [{ drop: request }] }",
    "an upload has many chunks, and `drop the request` does not say which"
)]
#[case::no_chunks(
    "  - mark: { image: update.app, as: test, transport_faults: [{ drop: answer, at: last }] }",
    "`drop the answer to the last chunk`: only an upload has chunks, `mark` has one request"
)]
#[case::no_packets(
    "  - reset: { by: probe, transport_faults: [{ drop: request }] }",
    "only a reset over SMP has packets on a link"
)]
#[case::both(
    "  - upload: { image: update.app, asks_again_after: 5s, gives_up_after: 5s }",
    "a client asks again or gives up, not both"
)]
fn a_fault_needs_a_packet_to_happen_to(#[case] steps: &str, #[case] message: &str) {
    let found = mistakes(steps);
    assert!(found.contains(message), "{found}");
}

#[test]
fn a_wrong_bit_over_the_air_is_skipped_with_the_reason() {
    let set = SetFolder::new().load().unwrap();
    let text = "scenario: sample\nsummary: A sample.\nmatrix: { transport: [ble] }\nsteps:\n  \
        - upload: { image: update.app, transport_faults: [{ corrupt: request, at: last }] }\n";
    let scenario = Scenario::parse("sample.yaml", text).unwrap();
    let board = Capabilities {
        board: "dk".to_owned(),
        bootloader: &set.bootloader,
        features: BTreeSet::new(),
        transports: BTreeSet::from([Transport::Ble]),
    };
    let report = check(&[scenario], &set, &[board]);
    assert_eq!(report.errors, []);
    insta::assert_snapshot!(report.skips[0].reasons[0], @"cannot corrupt the last chunk over `ble` (step 1 `upload`): the radio drops a packet whose bits are wrong, so nobody ever gets one");
}
