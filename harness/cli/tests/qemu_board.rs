//! Scenarios of the library on an emulated nRF51: the MCUboot and the application that they meet are real, and so the bootloader
//! model, which foretells every byte of flash and every flash operation of a swap, is held against them.

mod support;

use hil_record::{Outcome, RunRecord};
use support::{Desk, Ended, library, zephyr};

const RIG: &str = "rig: emulated\nboards: [{ name: nrf51, qemu: {} }]\n";

/// The library's negative scenarios have a network core, or another mode: what real MCUboot makes of damaged images.
const NEGATIVE: &str = "scenario: negative-images
summary: Damaged images are refused, by the server or at boot.
needs: { bootloader: { mode: swap-offset } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, state: confirmed, within: 60s }
  - expect_refusal: { image: update+flip-magic.app, at: upload, code: INVALID_IMAGE_HEADER_MAGIC }
  - expect_refusal: { image: update+cut-in-payload.app, at: mark, code: HASH_NOT_FOUND }
  - expect_refusal: { image: update+flip-payload-end.app, at: boot, says: \"Image in the secondary slot is not valid!\", leaves: erased }
  - expect_refusal: { image: update+flip-version.app, at: boot, says: \"Image in the secondary slot is not valid!\", leaves: erased }
  - expect_boot: { app: baseline, state: confirmed, within: 60s }
";

/// A whole sweep is 301 points and takes minutes.
const SWEEP: &str = "scenario: sweep
summary: A swap is finished wherever the power goes.
needs: { bootloader: { mode: swap-offset } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, state: confirmed, within: 60s }
  - upload: { image: update.app }
  - mark: { image: update.app, as: test }
  - sweep: { cuts: { sample: 4 }, boots: [update] }
  - expect_boot: { app: update, state: testing, within: 120s }
";

fn desk() -> Option<(Desk, String)> {
    let servers = zephyr::servers()?;
    let desk = Desk::empty();
    desk.write("rig.yaml", RIG);
    let set = zephyr::write_set(&servers, &desk.path("set"));
    Some((desk, set.to_string_lossy().into_owned()))
}

fn run(desk: &Desk, set: &str, scenarios: &[String]) -> Ended {
    let mut args = vec!["run"];
    args.extend(scenarios.iter().map(String::as_str));
    args.extend(["--rig", "rig.yaml", "--firmware", set, "--json"]);
    desk.run(&args)
}

fn outcome<'a>(record: &'a RunRecord, variant: &str) -> &'a Outcome {
    let mut scenarios = record.scenarios.iter();
    let found = scenarios.find(|scenario| scenario.name == variant);
    &found.expect("it was run").outcome
}

#[test]
fn real_firmware_passes_scenarios_of_the_library_and_its_flash_is_as_predicted() {
    let Some((desk, set)) = desk() else { return };
    let scenarios = [
        "single-core-update",
        "revert-unconfirmed",
        "interrupted-upload",
        "app-confirm-only",
    ]
    .map(|name| {
        let path = library().join(format!("{name}.yaml"));
        path.to_string_lossy().into_owned()
    });
    let ended = run(&desk, &set, &scenarios);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let record = ended.record();
    for variant in [
        "single-core-update",
        "revert-unconfirmed[uart]",
        "interrupted-upload[uart]",
        "app-confirm-only[uart]",
    ] {
        assert_eq!(*outcome(&record, variant), Outcome::Pass, "{variant}");
    }
    let Outcome::Skip { cause: reason, .. } = outcome(&record, "revert-unconfirmed[ble]") else {
        panic!("the chip has no radio of the harness");
    };
    assert!(reason.contains("`ble`"), "{reason}");
}

#[test]
fn real_mcuboot_refuses_damaged_images_and_does_the_flash_operations_that_are_foretold() {
    let Some((desk, set)) = desk() else { return };
    let scenarios = [("negative.yaml", NEGATIVE), ("sweep.yaml", SWEEP)];
    let scenarios =
        scenarios.map(|(name, text)| desk.write(name, text).to_string_lossy().into_owned());
    let ended = run(&desk, &set, &scenarios);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let record = ended.record();
    assert_eq!(*outcome(&record, "negative-images"), Outcome::Pass);
    assert_eq!(*outcome(&record, "sweep"), Outcome::Pass);
    let swept = record
        .scenarios
        .iter()
        .find(|scenario| scenario.name == "sweep");
    let evidence = swept
        .iter()
        .flat_map(|scenario| &scenario.steps)
        .flat_map(|step| &step.evidence);
    let seen: Vec<&str> = evidence
        .filter(|seen| seen.what == "flash operations seen")
        .map(|seen| seen.found.as_str())
        .collect();
    assert_eq!(
        seen,
        ["301 of 301, by class, address and number as foretold"]
    );
}

#[test]
fn firmware_for_another_chip_is_not_put_on_it() {
    let Some((desk, _)) = desk() else { return };
    let scenario = library().join("single-core-update.yaml");
    let scenario = scenario.to_string_lossy().into_owned();
    let ended = desk.run(&["run", &scenario, "--rig", "rig.yaml", "--json"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let record = ended.record();
    let Outcome::Skip { cause: reason, .. } = outcome(&record, "single-core-update") else {
        panic!("the demo firmware is for an nRF5340");
    };
    assert!(
        reason.ends_with("is for an nRF5340, and no board of the rig has one"),
        "{reason}"
    );
}
