//! Several firmware sets in one run: which of them a scenario runs with, and what is said when none will do.

mod support;

use hil_record::{RunRecord, Verdict};
use std::collections::BTreeMap;
use std::fs;
use support::{Desk, Ended};

/// Any bootloader will do.
const ANY: &str = "scenario: any\nsummary: Starts.\nsteps:\n  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n";

/// One mode after the other.
const MODES: &str = "scenario: modes\nsummary: Starts.\nmatrix: { mode: [overwrite-only, swap-move] }\n\
    needs: { bootloader: { mode: \"${mode}\" } }\nsteps:\n  - program: baseline\n  \
    - expect_boot: { app: baseline, within: 60s }\n";

/// Only sets with encryption have this release.
const ENCRYPTED: &str = "scenario: encrypted\nsummary: Is encrypted.\nsteps:\n  - program: baseline\n  \
    - upload: { image: encrypted.app }\n  - expect_slot: { slot: app.secondary, holds: encrypted.app }\n";

/// No set has this release.
const NOBODY: &str = "scenario: nobody\nsummary: Names nobody.\nsteps:\n  - program: baselin\n";

/// A desk with these scenarios in the folder `mine`, and these variants of the demo firmware in folders of their names.
fn desk(scenarios: &[(&str, &str)], variants: &[&str]) -> Desk {
    let desk = Desk::new(2, 20);
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    for (name, text) in scenarios {
        desk.write(&format!("mine/{name}.yaml"), text);
    }
    for variant in variants {
        let made = desk.run(&["demo-firmware", variant, "--variant", variant]);
        assert_eq!(made.code, Some(0), "{}", made.all());
    }
    desk
}

fn run(desk: &Desk, command: &[&str], sets: &[&str]) -> Ended {
    let sets = sets.iter().map(|set| format!("{set}/firmware.yaml"));
    let sets: Vec<String> = sets
        .flat_map(|path| ["--firmware".to_owned(), path])
        .collect();
    let mut args = command.to_vec();
    args.extend(["--rig", "rig.yaml"]);
    args.extend(sets.iter().map(String::as_str));
    desk.run(&args)
}

/// A message without the list of all releases, which is long and grows.
fn without_releases(message: &str) -> String {
    let lines = message.lines();
    let lines: Vec<&str> = lines.filter(|line| !line.contains("= allowed: ")).collect();
    lines.join("\n")
}

/// Which set each scenario ran with; how it ended where it did not run.
fn ran_with(record: &RunRecord) -> BTreeMap<&str, &str> {
    let with = record.scenarios.iter().map(|scenario| {
        let with = scenario.firmware.as_ref().map(|set| set.name.as_str());
        let cause = scenario.outcome.cause().unwrap_or_default();
        (scenario.name.as_str(), with.unwrap_or(cause))
    });
    with.collect()
}

#[test]
fn each_scenario_runs_with_the_first_set_that_will_do() {
    let variants = ["overwrite-rsa2048", "swap-move-ecdsa-ec256"];
    let desk = desk(
        &[("any", ANY), ("encrypted", ENCRYPTED), ("modes", MODES)],
        &variants,
    );
    let ended = run(&desk, &["run", "mine", "--json"], &variants);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    let names: Vec<_> = record.firmware.iter().map(|set| &set.name).collect();
    assert_eq!(
        names,
        ["demo-overwrite-rsa2048", "demo-swap-move-ecdsa-ec256"]
    );
    assert_ne!(record.firmware[0].digest, record.firmware[1].digest);
    assert_eq!(
        ran_with(&record),
        BTreeMap::from([
            ("any", "demo-overwrite-rsa2048"),
            ("encrypted", "demo-swap-move-ecdsa-ec256"),
            ("modes[overwrite-only]", "demo-overwrite-rsa2048"),
            ("modes[swap-move]", "demo-swap-move-ecdsa-ec256"),
        ])
    );
    let junit = fs::read_to_string(desk.runs()[0].join("junit.xml")).expect("it was written");
    for set in &record.firmware {
        let (name, digest) = (
            format!("name=\"firmware\" value=\"{}\"", set.name),
            format!("name=\"firmware-sha256\" value=\"{}\"", set.digest),
        );
        assert!(junit.matches(&name).count() == 3, "{junit}");
        assert!(junit.matches(&digest).count() == 3, "{junit}");
    }
}

#[test]
fn only_the_demo_sets_that_are_needed_are_made() {
    let desk = desk(&[("modes", MODES)], &[]);
    let ended = run(&desk, &["run", "mine", "--json"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let mut made: Vec<_> = ended
        .record()
        .firmware
        .into_iter()
        .map(|set| set.name)
        .collect();
    made.sort();
    assert_eq!(
        made,
        ["demo-overwrite-rsa2048", "demo-swap-move-ecdsa-ec256"]
    );
    assert!(
        !desk.runs()[0].join("firmware").exists(),
        "its private keys stay out of the run"
    );
}

#[test]
fn what_no_set_has_is_skipped_with_the_reason_of_the_nearest() {
    let variants = ["overwrite-rsa2048", "swap-move-single-core"];
    let desk = desk(
        &[
            ("any", ANY),
            ("encrypted", ENCRYPTED),
            ("nobody", NOBODY),
            (
                "offset",
                &ANY.replace("any", "offset").replace(
                    "steps:",
                    "needs: { bootloader: { mode: swap-offset, encryption: ec256 } }\nsteps:",
                ),
            ),
        ],
        &variants,
    );
    let ended = run(&desk, &["run", "mine", "--json"], &variants);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    insta::assert_debug_snapshot!(ran_with(&record), @r#"
    {
        "any": "demo-overwrite-rsa2048",
        "encrypted": "none of the 2 firmware sets will do: firmware set `demo-overwrite-rsa2048` has no release `encrypted`",
        "nobody": "none of the 2 firmware sets will do: firmware set `demo-overwrite-rsa2048` has no release `baselin`",
        "offset": "none of the 2 firmware sets will do; the nearest, `demo-overwrite-rsa2048`: needs a bootloader in mode `swap-offset`, this one is `overwrite-only`; needs a bootloader with encryption `ec256`, this one has `none`",
    }
    "#);
    assert_eq!(
        record
            .scenarios
            .iter()
            .filter(|scenario| scenario.outcome.verdict() == Verdict::Skip)
            .count(),
        3
    );

    let ended = run(&desk, &["check", "mine"], &variants);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    insta::assert_snapshot!(ended.stdout, @r"
    1 variant fit firmware `demo-overwrite-rsa2048`, `demo-swap-move-single-core`; rig `test` has 1 board entry
    1 variant would be skipped: none of the 2 firmware sets will do: firmware set `demo-overwrite-rsa2048` has no release `baselin`
        nobody
    1 variant would be skipped: none of the 2 firmware sets will do: firmware set `demo-overwrite-rsa2048` has no release `encrypted`
        encrypted
    1 variant would be skipped: none of the 2 firmware sets will do; the nearest, `demo-overwrite-rsa2048`: needs a bootloader in mode `swap-offset`, this one is `overwrite-only`; needs a bootloader with encryption `ec256`, this one has `none`
        offset
    ");
}

#[test]
fn a_scenario_that_is_named_by_its_file_must_fit_a_set() {
    let variants = ["overwrite-rsa2048", "swap-move-single-core"];
    let desk = desk(&[("nobody", NOBODY), ("encrypted", ENCRYPTED)], &variants);
    for command in ["run", "check"] {
        let ended = run(&desk, &[command, "mine/nobody.yaml"], &variants);
        assert_eq!(ended.code, Some(2), "{}", ended.all());
        insta::allow_duplicates! {
            insta::assert_snapshot!(without_releases(&ended.stderr), @r"
            error: mine/nobody.yaml:4:14: firmware set `demo-overwrite-rsa2048` has no release `baselin`
              |
            4 |   - program: baselin
              |              ^^^^^^^
              = help: did you mean `baseline`?
            ");
        }
    }
    assert!(desk.runs().is_empty());
    // What some other set would have is said as well: it was named, and cannot run.
    let ended = run(&desk, &["run", "mine/encrypted.yaml"], &variants);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
}

/// What each scenario needs that some builds do not have.
const PARTICULAR: [(&str, &str, &str); 7] = [
    (
        "wireless",
        "",
        "  - upload: { image: update.app, over: ble }\n",
    ),
    ("network", "", "  - upload: { image: update.net }\n"),
    (
        "slot",
        "",
        "  - expect_slot: { slot: net.secondary, erased: true }\n",
    ),
    ("cipher", "encryption: ec256", ""),
    ("counter", "downgrade_prevention: security-counter", ""),
    ("offset", "mode: swap-offset", ""),
    ("ordinary", "", "  - upload: { image: update.app }\n"),
];

#[test]
fn what_a_build_lacks_is_said_for_each_scenario_that_needs_it() {
    let scenarios = PARTICULAR.map(|(name, needs, steps)| {
        let text = format!(
            "scenario: {name}\nsummary: Needs it.\nneeds: {{ bootloader: {{ {needs} }} }}\nsteps:\n  - program: baseline\n{steps}"
        );
        (name, text)
    });
    let external = "scenario: external\nsummary: Needs it.\nneeds: { board: [external_flash] }\nsteps:\n  - program: baseline\n";
    let mut scenarios: Vec<(&str, &str)> = scenarios
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    scenarios.push(("external", external));
    let desk = desk(&scenarios, &["swap-move-single-core"]);
    let ended = run(&desk, &["check", "mine"], &["swap-move-single-core"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    insta::assert_snapshot!(ended.stdout, @r"
    1 variant fit firmware `demo-swap-move-single-core`; rig `test` has 1 board entry
    1 variant would be skipped: firmware set `demo-swap-move-single-core` has no image `update.net`
        network
    1 variant would be skipped: firmware set `demo-swap-move-single-core` has no slot `net.secondary` in its layout
        slot
    1 variant would be skipped: needs SMP over `ble`, and firmware set `demo-swap-move-single-core` has nothing for the network core, whose radio it is
        wireless
    1 variant would be skipped: needs a bootloader in mode `swap-offset`, this one is `swap-move`
        offset
    1 variant would be skipped: needs a bootloader with downgrade prevention `security-counter`, this one has `version`
        counter
    1 variant would be skipped: needs a bootloader with encryption `ec256`, this one has `none`
        cipher
    1 variant would be skipped: needs a slot in the external flash, this bootloader has none there
        external
    ");
}
