//! Stock bleak on the virtual radio: a Bluetooth client that nobody here wrote.
//!
//! Looked for in the folder `DFU_HIL_PEERS`, as the tools of the other peers' tests.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use support::boards::Boards;
use support::peers::python_tools;
use support::{Desk, Ended};

#[test]
fn bleak_finds_the_board_updates_it_and_sees_the_update_run() {
    let Some(tools) = python_tools() else { return };
    let python = tools.join("python");
    let desk = Desk::empty();
    assert_eq!(desk.run(&["demo-firmware", "demo"]).code, Some(0));
    let boards = Boards::start(&["--boards", "2"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bleak_update.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(boards.text("/boards/1/ble/address"))
        .arg(desk.path("demo/update/app_update.bin"))
        .arg("2.0.0")
        .env("DBUS_SYSTEM_BUS_ADDRESS", boards.text("/radio/bus"))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", python.display()));
    let ended = Ended::new(&output);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    insta::assert_snapshot!(ended.stdout, @r"
    name dfu-hil demo app
    mtu 498
    echo hello, radio
    uploaded 2.0.0
    running 2.0.0 testing
    ");
}
