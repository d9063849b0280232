//! The published schema of rig files is that of the types, and takes the rig files that there are.

use hil_rig::RigFile;
use rstest::rstest;
use serde_json::Value;
use std::path::PathBuf;

fn rigs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rigs")
}

/// With `DFU_HIL_WRITE_SCHEMA` set it writes the file instead.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let published = rigs().join("rig.schema.json");
    let mut text = serde_json::to_string_pretty(&RigFile::schema()).expect("a schema is JSON");
    text.push('\n');
    if std::env::var_os("DFU_HIL_WRITE_SCHEMA").is_some() {
        std::fs::write(&published, &text).expect("the folder is ours");
    }
    let there = std::fs::read_to_string(published).unwrap_or_default();
    assert!(
        there == text,
        "rigs/rig.schema.json is out of date: run this test with DFU_HIL_WRITE_SCHEMA=1"
    );
}

fn mistakes(text: &str) -> Vec<String> {
    let value: Value = serde_yaml::from_str(text).expect("it is YAML");
    let validator = jsonschema::validator_for(&RigFile::schema()).expect("it is a schema");
    validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_rig_files_that_there_are_are_valid_and_name_the_schema() {
    let files = std::fs::read_dir(rigs()).expect("the folder is in the repository");
    let mut seen = 0;
    for file in files.flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|end| end == "yaml") {
            seen += 1;
            let text = std::fs::read_to_string(&file).expect("it can be read");
            assert_eq!(mistakes(&text), Vec::<String>::new(), "{}", file.display());
            let comment = "# yaml-language-server: $schema=rig.schema.json";
            assert_eq!(text.lines().next(), Some(comment), "{}", file.display());
        }
    }
    assert!(seen >= 2);
}

const EVERYTHING: &str = r#"
rig: rack
description: Everything that a rig file can say.
bluetooth: { adapters: [{ name: hci0, max-connections: 4 }], link: { mtu: 247, interval: 7.5ms, phy: 2m, loss: 2%, timing: instant } }
wear: { ledger: /var/lib/wear, budget: 8000 }
quarantine: { after: 3, canary: "app-update[uart]", ledger: /var/lib/health }
boards:
  - name: a
    description: On the left.
    chip: "ae4f213a3d734e77"
    recover: allowed
    external-flash: none
    probe: { selector: "1366:1051:001050012345", speed-khz: 4000 }
    uart: { app: { usb-serial: "001050012345", interface: 2 }, net: { path: /dev/ttyUSB0, baud: 1000000 } }
    ble: { adapter: hci0, address: "C0:11:22:33:44:55" }
    power: { scpi: { address: "192.168.0.20:5025", current: false } }
    cuts: board
    rtt: [app, net]
    ram-scan: allowed
    buttons: { recovery: { command: { press: [a, b], release: [c] } } }
  - { name: b, probe: { selector: "1366:1051:1" }, power: { usb-port: { hub: 1-1.4, port: 2, by: sysfs } } }
  - { name: c, probe: { selector: "1366:1051:2" }, power: { ppk2: { path: /dev/ttyACM9 } } }
  - { name: d, probe: { selector: "1366:1051:3" }, power: { ykush: { serial: YK1, port: 1 } } }
  - { name: e, probe: { selector: "1366:1051:4" }, power: manual, buttons: { recovery: manual } }
  - name: g
    labgrid:
      place: dk-07
      coordinator: "lab.example:20408"
      client: /opt/labgrid/bin/labgrid-client
      within-s: 60
      uart: { app: vcom1, net: vcom0 }
      probe: jlink
      power: relay
    ble: { adapter: hci0, name: dk }
  - { name: f, virtual: { count: 2, speed: 20, supply: stuck, torn: { seed: 7 } } }
"#;

#[test]
fn what_a_rig_file_can_say_is_valid() {
    RigFile::parse("rig.yaml".as_ref(), EVERYTHING).expect("the reader takes it");
    assert_eq!(mistakes(EVERYTHING), Vec::<String>::new());
}

#[rstest]
#[case::unknown_key("cuts: board", "cutz: board")]
#[case::word("cuts: board", "cuts: everything")]
#[case::chip("ae4f213a3d734e77", "ae4f")]
#[case::selector("1366:1051:001050012345", "1366:001050012345")]
#[case::number("interface: 2", "interface: two")]
#[case::rtt("rtt: [app, net]", "rtt: [application]")]
#[case::ram_scan("ram-scan: allowed", "ram-scan: halted")]
#[case::power("power: manual,", "power: by-hand,")]
#[case::place("place: dk-07", "place: \"dk 07\"")]
#[case::reservation("place: dk-07", "place: +token")]
#[case::budget("budget: 8000", "budget: 0")]
fn what_the_reader_refuses_an_editor_marks(#[case] good: &str, #[case] bad: &str) {
    let text = EVERYTHING.replace(good, bad);
    assert_ne!(text, EVERYTHING);
    assert!(RigFile::parse("rig.yaml".as_ref(), &text).is_err());
    assert_ne!(mistakes(&text), Vec::<String>::new());
}
