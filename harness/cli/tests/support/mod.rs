//! What the tests of the command share: the real binary, real virtual boards, and folders that go away.

#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod bare;
pub(crate) mod boards;
pub(crate) mod broken;
pub(crate) mod bus;
pub(crate) mod forgery;
pub(crate) mod mutation;
pub(crate) mod peers;
pub(crate) mod zephyr;

use broken::Board;
use hil_record::RunRecord;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use virtual_dk::Endpoints;

/// The command under test.
pub(crate) const DFU_HIL: &str = env!("CARGO_BIN_EXE_dfu-hil");

/// The repository's scenarios.
pub(crate) fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

/// A folder to run in, with a rig file for quick virtual boards.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
}

impl Desk {
    /// A desk whose rig has `boards` virtual boards that run at `speed` times a DK's pace.
    pub(crate) fn new(boards: usize, speed: u32) -> Self {
        let desk = Self::empty();
        desk.write(
            "rig.yaml",
            &format!("rig: test\nbluetooth: {{ adapters: [{{ name: hci0 }}, {{ name: hci1 }}] }}\nboards:\n  - name: dk\n    virtual: {{ count: {boards}, speed: {speed} }}\n"),
        );
        desk
    }

    /// A desk with nothing on it.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("there is room for temporary files"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the folder is ours");
        path
    }

    /// Writes a rig file for a board that somebody else runs: the runner is told no more than of a DK on USB.
    pub(crate) fn rig_for(&self, board: &Board) {
        let Endpoints {
            probe,
            uart,
            power,
            ble,
            ..
        } = board.endpoints();
        let address = ble.as_ref().map_or("", |ble| &ble.address);
        let adapters: Vec<String> = board
            .adapters()
            .iter()
            .map(|name| format!("{{ name: {name} }}"))
            .collect();
        self.write(
            "rig.yaml",
            &format!(
                "rig: test\nbluetooth: {{ bus: \"{}\", adapters: [{}] }}\nboards:\n  - name: dk\n    recover: allowed\n    ram-scan: allowed\n    \
                 ble: {{ adapter: hci0, address: \"{address}\" }}\n    probe: {{ selector: \"{probe}\" }}\n    uart:\n      \
                 app: {{ path: \"{}\" }}\n      net: {{ path: \"{}\" }}\n    power: {{ scpi: {{ address: \"{power}\" }} }}\n    \
                 buttons:\n      recovery: {{ scpi: {{ address: \"{power}\", press: BUTT1 ON, release: BUTT1 OFF }} }}\n",
                board.bus(),
                adapters.join(", "),
                uart.app.display(),
                uart.net.display()
            ),
        );
    }

    /// The command, run here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(DFU_HIL);
        command
            .current_dir(self.folder.path())
            .args(args)
            .env("XDG_RUNTIME_DIR", self.folder.path())
            // What is kept of boards over runs is the desk's, not the user's.
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .env_remove("DFU_HIL_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let output = self.command(args).output().expect("the command starts");
        Ended::new(&output)
    }

    /// Runs a scenario of this text on the rig.
    pub(crate) fn run_scenario(&self, text: &str) -> Ended {
        let scenario = self.write("scenario.yaml", text);
        let scenario = scenario.to_string_lossy().into_owned();
        self.run(&["run", &scenario, "--rig", "rig.yaml", "--json"])
    }

    /// The folders of the runs that were made here.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("reports/runs")) else {
            return Vec::new();
        };
        let mut runs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        runs.sort();
        runs
    }

    /// Text with the paths and addresses of this desk taken out.
    pub(crate) fn redacted(&self, text: &str) -> String {
        let folder = self.folder.path().to_string_lossy().into_owned();
        text.replace(&folder, "[desk]")
    }
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The record on standard output. Fails with everything that was said when there is none.
    pub(crate) fn record(&self) -> RunRecord {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "no record on standard output: {error}\ncode {:?}\n{}\n{}",
                self.code, self.stdout, self.stderr
            )
        })
    }

    /// Everything, for the message of a test that failed.
    pub(crate) fn all(&self) -> String {
        format!(
            "code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// Reads a child's error stream until a line contains `text`.
pub(crate) fn wait_for_line(child: &mut Child, text: &str) -> BufReader<std::process::ChildStderr> {
    let stderr = child.stderr.take().expect("it is piped");
    let mut reader = BufReader::new(stderr);
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        let length = reader.read_line(&mut line).expect("it can be read");
        assert_ne!(
            length, 0,
            "the command ended before it said `{text}`:\n{seen}"
        );
        seen.push_str(&line);
        if line.contains(text) {
            return reader;
        }
    }
}
