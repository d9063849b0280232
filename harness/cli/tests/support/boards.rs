//! `dfu-hil virtual-dk` and `dfu-hil emulated-board` as any user, or a rig, starts them.

use super::DFU_HIL;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The boards of one process. They end with this value.
pub(crate) struct Boards {
    process: Child,
    json: Value,
}

impl Boards {
    /// Starts them, at twenty times a DK's pace, and reads where they are.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_at(20, args)
    }

    /// The same at so many times a DK's pace.
    pub(crate) fn start_at(speed: u32, args: &[&str]) -> Self {
        let mut command = Command::new(DFU_HIL);
        command
            .args(["virtual-dk", "--json", "--speed", &speed.to_string()])
            .args(args);
        Self::of(&mut command)
    }

    /// Starts a board with this program as QEMU.
    pub(crate) fn emulated(emulator: &Path) -> Self {
        let mut command = Command::new(DFU_HIL);
        command
            .args(["emulated-board", "--name", "nrf51", "--emulator"])
            .arg(emulator);
        Self::of(&mut command)
    }

    fn of(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("it can be read");
        let json = serde_json::from_str(&line).expect("the endpoints are one line of JSON");
        Self { process, json }
    }

    /// What it printed.
    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// A text in what it printed, such as `/boards/0/probe`.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {}", self.json))
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it ends");
    }

    /// Closes its input, which ends it.
    pub(crate) fn end(&mut self) -> ExitStatus {
        drop(self.process.stdin.take());
        self.process.wait().expect("it ends")
    }
}

impl Drop for Boards {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
