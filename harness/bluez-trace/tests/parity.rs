//! The virtual radio against bluetoothd: the same scenario, the same client, the same trace.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use virtual_dk::firmware::StockFirmware;
use virtual_dk::{Contents, Speed, VirtualDk, VirtualDkOptions};
use virtual_radio::{RadioOptions, VirtualRadio};

const RECORDED: &str = "tests/data/bluez-5.66.txt";

/// How many lines are shown around a difference.
const AROUND: usize = 3;

#[test]
fn the_virtual_radio_says_what_bluetoothd_said_to_the_same_client() {
    let radio = VirtualRadio::start(RadioOptions::default()).expect("a radio can be started here");
    let options = VirtualDkOptions {
        // Slow, so that the second that the application waits for its network core are enough where that waits for a
        // processor.
        speed: Speed::Factor(0.1),
        preload: Contents::Demo
            .preload()
            .expect("the demo firmware is whole"),
        air: Some(radio.air()),
        ..VirtualDkOptions::default()
    };
    let board =
        VirtualDk::start(options, Arc::new(StockFirmware)).expect("a board can be started here");
    let ble = board.endpoints().ble.as_ref().expect("it has a radio");

    let traced = Command::new(env!("CARGO_BIN_EXE_bluez-trace"))
        .args([&ble.address.to_string(), radio.address()])
        .output()
        .expect("the program is there");
    let said = String::from_utf8_lossy(&traced.stdout);
    assert!(
        traced.status.success(),
        "bluez-trace ended with {}:\n{}",
        traced.status,
        String::from_utf8_lossy(&traced.stderr)
    );
    let recorded = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED));
    if let Some(difference) = difference(&recorded.expect("it is there"), &said) {
        panic!("the virtual radio and {RECORDED} differ:\n{difference}");
    }
}

/// The first place where two texts differ, if they do.
fn difference(recorded: &str, said: &str) -> Option<String> {
    let (recorded, said): (Vec<_>, Vec<_>) = (recorded.lines().collect(), said.lines().collect());
    let longest = recorded.len().max(said.len());
    let at = (0..longest).find(|&at| recorded.get(at) != said.get(at))?;
    let show = |lines: &[&str]| {
        let end = (at + AROUND).min(lines.len());
        lines[at.saturating_sub(AROUND).min(end)..end].join("\n")
    };
    Some(format!(
        "line {}\n--- bluetoothd\n{}\n--- the virtual radio\n{}",
        at + 1,
        show(&recorded),
        show(&said)
    ))
}

#[test]
fn a_line_too_many_or_too_few_is_a_difference() {
    assert_eq!(difference("a\nb", "a\nb"), None);
    for (recorded, said) in [("a\nb", "a"), ("a", "a\nb"), ("a\nb", "a\nc")] {
        let found = difference(recorded, said).expect("they differ");
        assert!(found.starts_with("line 2\n"), "{found}");
    }
}
