//! Stock bleak on the virtual radio: a Bluetooth client that nobody here wrote.
//!
//! Looked for in the folder `DFU_HIL_PEERS`, as the tools of the other peers' tests.

mod support;

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{DFU_HIL, Desk, Ended};

/// Python of the folder with the tools, or why there is none.
fn python() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("DFU_HIL_PEERS").map(PathBuf::from) else {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_PEERS is not"
        );
        println!("skipped: DFU_HIL_PEERS does not name a folder with Python and bleak");
        return None;
    };
    Some(folder.join("python"))
}

/// Virtual boards as any user starts them; end with this value.
struct Boards {
    process: Child,
    json: Value,
}

impl Boards {
    fn start(args: &[&str]) -> Self {
        let mut process = Command::new(DFU_HIL)
            .args(["virtual-dk", "--json", "--speed", "20"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("it can be read");
        let json = serde_json::from_str(&line).expect("the endpoints are JSON");
        Self { process, json }
    }

    fn text(&self, pointer: &str) -> &str {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {}", self.json))
    }
}

impl Drop for Boards {
    fn drop(&mut self) {
        // The closed pipe ends it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[test]
fn bleak_finds_the_board_updates_it_and_sees_the_update_run() {
    let Some(python) = python() else { return };
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
