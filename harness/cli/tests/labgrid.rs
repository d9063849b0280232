//! Places of a real labgrid: its coordinator, its exporter and its client, with virtual DKs as what it lends.
//!
//! labgrid is looked for in the folder `DFU_HIL_PEERS`, as the other Python tools. Around the virtual DK stands what stands around
//! a DK in a laboratory: servers that offer its serial ports by RFC 2217 and as raw TCP, and a relay that labgrid's `simplerest`
//! driver switches (`data/labgrid/device_servers.py`).

mod support;

use hil_clock::{Clock as _, SystemClock};
use hil_record::Outcome;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::boards::Boards;
use support::peers::python_tools;
use support::{Desk, Ended, wait_for_line};

/// A port that was free a moment ago. labgrid's coordinator takes no 0.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// Asks until it is so. Each question starts a program, so there is no need to wait in between.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let deadline = clock.now() + Duration::from_secs(300);
    while !is_so() {
        assert!(clock.now() < deadline, "it is not so that {what}");
    }
}

/// A process that ends with this value.
struct Running(Child);

impl Running {
    /// Starts it in `folder`, and waits until its standard output has a line with `ready`. Returns the line.
    fn start(command: &mut Command, folder: &Path, ready: &str) -> (Self, String) {
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What Python says is to be heard when it is said.
            .env("PYTHONUNBUFFERED", "1")
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("it is piped");
        let running = Self(child);
        let mut lines = BufReader::new(stdout).lines();
        let line = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains(ready))
            .unwrap_or_else(|| panic!("{command:?} ended before it said `{ready}`"));
        // It must not be stopped by a pipe that is full or broken.
        std::thread::spawn(move || lines.for_each(drop));
        (running, line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A laboratory with one place, `dk-07`. What is in front is ended first.
struct Laboratory {
    exporter: Option<Running>,
    coordinator: Option<Running>,
    _devices: Running,
    _board: Boards,
    desk: Desk,
    tools: PathBuf,
    address: String,
}

const PLACE: &str = "dk-07";

impl Laboratory {
    fn new() -> Option<Self> {
        let tools = python_tools()?;
        let desk = Desk::empty();
        let board = Boards::start(&["--blank"]);
        let arguments = [
            json!({ "serial": board.text("/boards/0/uart/app"), "protocol": "rfc2217" }),
            json!({ "serial": board.text("/boards/0/uart/net"), "protocol": "raw" }),
            json!({ "power": board.text("/boards/0/power") }),
        ];
        let servers =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/labgrid/device_servers.py");
        let mut command = Command::new(tools.join("python"));
        command
            .arg(servers)
            .args(arguments.map(|value| value.to_string()));
        let (devices, line) = Running::start(&mut command, desk.folder.path(), "[");
        let ports: Value = serde_json::from_str(&line).expect("it is a list");
        let probe = board.text("/boards/0/probe");
        let probe = probe.rsplit(':').next().expect("it ends with a port");
        desk.write(
            "exporter.yaml",
            &format!(
                "dk:\n  \
                 uart-app: {{ cls: NetworkSerialPort, host: 127.0.0.1, port: {}, protocol: rfc2217 }}\n  \
                 uart-net: {{ cls: NetworkSerialPort, host: 127.0.0.1, port: {}, protocol: raw }}\n  \
                 probe: {{ cls: NetworkService, address: 127.0.0.1, username: nobody, password: hunter2, port: {probe} }}\n  \
                 NetworkPowerPort: {{ model: simplerest, host: 'http://127.0.0.1:{}/{{index}}/{{value}}', index: 0 }}\n",
                ports[0], ports[1], ports[2]
            ),
        );
        let address = format!("127.0.0.1:{}", free_port());
        let mut laboratory = Self {
            exporter: None,
            coordinator: None,
            _devices: devices,
            _board: board,
            desk,
            tools,
            address,
        };
        laboratory.start_coordinator();
        laboratory.exporter = Some(laboratory.exporter());
        laboratory.succeeds(&["create"]);
        laboratory.succeeds(&["add-match", "here/dk/*"]);
        laboratory.rig(PLACE);
        Some(laboratory)
    }

    fn start_coordinator(&mut self) {
        // It keeps its places in the folder that it runs in.
        let folder = self.desk.path("coordinator");
        fs::create_dir_all(&folder).expect("the folder is ours");
        let mut command = Command::new(self.tools.join("labgrid-coordinator"));
        command.args(["-l", &self.address]).stderr(Stdio::null());
        let mut child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the coordinator starts");
        // It says nothing; what shows that it is there is that it answers.
        eventually("the coordinator answers", || {
            let ended = child.try_wait().expect("it was started here");
            assert!(ended.is_none(), "the coordinator ended: {ended:?}");
            self.client("ada", &["places"]).status.success()
        });
        self.coordinator = Some(Running(child));
    }

    fn exporter(&self) -> Running {
        let mut command = Command::new(self.tools.join("labgrid-exporter"));
        command
            .args(["-c", &self.address, "-n", "here", "--hostname", "127.0.0.1"])
            .arg("exporter.yaml");
        Running::start(&mut command, self.desk.folder.path(), "Exporter ready").0
    }

    fn rig(&self, place: &str) {
        self.desk.write(
            "rig.yaml",
            &format!(
                "rig: laboratory\nboards:\n  - name: dk\n    recover: allowed\n    labgrid: {{ place: {place}, coordinator: \"{}\", \
                 client: {}, within-s: 120 }}\n",
                self.address,
                self.tools.join("labgrid-client").display()
            ),
        );
    }

    /// labgrid's client, as somebody at this host.
    fn client(&self, user: &str, args: &[&str]) -> std::process::Output {
        Command::new(self.tools.join("labgrid-client"))
            .args(["-x", &self.address, "-p", PLACE])
            .args(args)
            .envs([("LG_USERNAME", user), ("LG_HOSTNAME", "lab2")])
            .stdin(Stdio::null())
            .output()
            .expect("the client starts")
    }

    fn succeeds(&self, args: &[&str]) -> String {
        let ended = Ended::new(&self.client("ada", args));
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.all());
        ended.stdout
    }

    /// Who has the place.
    fn holder(&self) -> String {
        let shown = self.succeeds(&["show"]);
        let line = shown.lines().find(|line| line.starts_with("  acquired: "));
        line.unwrap_or_default().trim().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.desk.command(args);
        command.envs([("LG_USERNAME", "ada"), ("LG_HOSTNAME", "lab2")]);
        // Somebody's environment for something else is none of ours.
        command.env("LG_ENV", "/nonexistent.yaml");
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::new(&self.command(args).output().expect("the command starts"))
    }

    fn run_scenario(&self, text: &str) -> Ended {
        self.desk.write("scenario.yaml", text);
        self.run(&["run", "scenario.yaml", "--rig", "rig.yaml", "--json"])
    }

    /// What a run that could not begin says, without what is another one each time.
    fn refused(&self, more: &[&str]) -> String {
        let mut args = vec![
            "run",
            "--filter",
            "revert-unconfirmed[uart]",
            "--rig",
            "rig.yaml",
        ];
        args.extend(more);
        let ended = self.run(&args);
        assert_eq!(ended.code, Some(3), "{}", ended.all());
        self.redacted(&ended.stderr)
    }

    fn redacted(&self, text: &str) -> String {
        let text = self.desk.redacted(text).replace(&self.address, "[lab]");
        let text = text.replace(&*self.tools.to_string_lossy(), "[tools]");
        let mut lines = String::new();
        for line in text.lines() {
            let line = match line.split_once("since ") {
                // A time of the coordinator's, up to the second.
                Some((before, after)) => {
                    let rest = after.get("2026-11-27 20:00:00".len()..).unwrap_or_default();
                    format!("{before}since [time]{rest}")
                }
                None => line.to_owned(),
            };
            lines.push_str(&line);
            lines.push('\n');
        }
        lines
    }
}

const BOOTS: &str = "scenario: boots\nsummary: Boots.\nsteps:\n  - program: baseline\n  \
    - expect_boot: { app: baseline, within: 120s }\n";

#[test]
fn a_scenario_of_the_library_runs_on_a_place_which_is_released_at_the_end() {
    let Some(laboratory) = Laboratory::new() else {
        return;
    };
    let ended = laboratory.run(&[
        "run",
        "--filter",
        "revert-unconfirmed[uart]",
        "--rig",
        "rig.yaml",
        "--json",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(ended.record().scenarios.len(), 1);
    assert_eq!(laboratory.holder(), "acquired: None");
    // The probe is a service with a password, which labgrid hands out.
    for file in ["journal.jsonl", "result.json", "report.html"] {
        let text =
            fs::read_to_string(laboratory.desk.runs()[0].join(file)).expect("it was written");
        assert!(!text.contains("hunter2"), "{file}");
    }

    let cycle = format!(
        "{BOOTS}  - power_cycle: {{ off_for: 300ms }}\n  - expect_boot: {{ app: baseline, within: 120s }}\n"
    );
    let ended = laboratory.run_scenario(&cycle);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let steps = &ended.record().scenarios[0].steps;
    let proof = steps
        .iter()
        .flat_map(|step| &step.evidence)
        .find(|seen| seen.what == "power loss proven by");
    assert_eq!(
        proof.map(|proof| proof.found.as_str()),
        Some("the chip does not answer the probe")
    );

    // A line on the console is long past when labgrid's driver has switched: that is said, and proves nothing.
    let cut = format!(
        "{BOOTS}  - reset: probe\n  - power_cut: {{ at: {{ console: \"*** Booting MCUboot\", core: app }}, \
         before: \"Bootloader chainload address offset\" }}\n"
    );
    let ended = laboratory.run_scenario(&cut);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    let cause = outcome.cause().unwrap_or_default();
    assert!(cause.starts_with("the power went too late: "), "{cause}");
}

#[test]
fn a_place_that_cannot_be_had_says_why_and_what_to_try() {
    let Some(mut laboratory) = Laboratory::new() else {
        return;
    };
    laboratory.rig("dk-0");
    insta::assert_snapshot!("another_name", laboratory.refused(&[]));
    laboratory.rig("bench");
    insta::assert_snapshot!("no_such_place", laboratory.refused(&[]));
    laboratory.rig(PLACE);

    assert!(laboratory.client("bob", &["acquire"]).status.success());
    insta::assert_snapshot!("somebody_else_has_it", laboratory.refused(&[]));
    insta::assert_snapshot!("waited_in_vain", laboratory.refused(&["--wait", "1s"]));
    assert_eq!(laboratory.holder(), "acquired: lab2/bob");
    assert!(laboratory.client("bob", &["release"]).status.success());

    laboratory.succeeds(&["acquire"]);
    insta::assert_snapshot!("acquired_by_hand", laboratory.refused(&[]));
    laboratory.succeeds(&["release"]);

    drop(laboratory.exporter.take());
    insta::assert_snapshot!("no_exporter", laboratory.refused(&[]));

    drop(laboratory.coordinator.take());
    insta::assert_snapshot!("no_coordinator", laboratory.refused(&[]));

    let rig = fs::read_to_string(laboratory.desk.path("rig.yaml")).expect("it was written");
    laboratory
        .desk
        .write("rig.yaml", &rig.replace("labgrid-client", "labgrid-clown"));
    insta::assert_snapshot!("no_client", laboratory.refused(&[]));
}

#[test]
fn who_waits_for_a_place_gets_it_when_it_is_released() {
    let Some(laboratory) = Laboratory::new() else {
        return;
    };
    laboratory.desk.write("scenario.yaml", BOOTS);
    assert!(laboratory.client("bob", &["acquire"]).status.success());
    let mut child = laboratory
        .command(&[
            "run",
            "scenario.yaml",
            "--rig",
            "rig.yaml",
            "--wait",
            "10min",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut rest = wait_for_line(&mut child, "waiting for another process of lab2/bob since ");
    assert!(laboratory.client("bob", &["release"]).status.success());
    let mut said = String::new();
    rest.read_to_string(&mut said).expect("it can be read");
    let status = child.wait().expect("it was started here");
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(laboratory.holder(), "acquired: None");
}

#[test]
fn a_place_is_released_after_ctrl_c_and_taken_over_after_a_kill() {
    let Some(laboratory) = Laboratory::new() else {
        return;
    };
    // Nothing ever says this.
    let waits = format!("{BOOTS}  - expect_console: {{ text: \"said by nobody\", within: 1h }}\n");
    laboratory.desk.write("scenario.yaml", &waits);
    let start = || {
        let mut child = laboratory
            .command(&["run", "scenario.yaml", "--rig", "rig.yaml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let rest = wait_for_line(&mut child, "step 3");
        (child, rest)
    };
    let (mut child, mut rest) = start();
    assert_eq!(laboratory.holder(), "acquired: lab2/ada");
    let second = laboratory.run(&["run", "scenario.yaml", "--rig", "rig.yaml"]);
    assert_eq!(second.code, Some(3), "{}", second.all());
    let lease = format!("board `dk` is in use by process {}", child.id());
    assert!(second.stderr.contains(&lease), "{}", second.all());
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("there is a `kill` command").success());
    let mut said = String::new();
    rest.read_to_string(&mut said).expect("it can be read");
    child.wait().expect("it was started here");
    assert_eq!(laboratory.holder(), "acquired: None", "{said}");

    let (mut child, _rest) = start();
    child.kill().expect("it runs");
    child.wait().expect("it was started here");
    assert_eq!(
        laboratory.holder(),
        "acquired: lab2/ada",
        "labgrid has no lease"
    );
    let next = laboratory.run_scenario(BOOTS);
    assert_eq!(next.code, Some(0), "{}", next.all());
    assert_eq!(laboratory.holder(), "acquired: None");
}

#[test]
fn an_exporter_that_goes_away_in_a_run_is_trouble_of_the_bench() {
    let Some(mut laboratory) = Laboratory::new() else {
        return;
    };
    let cycle = format!("{BOOTS}  - power_cycle: {{ off_for: 300ms }}\n");
    laboratory.desk.write("scenario.yaml", &cycle);
    // A client that switches off when it may.
    let client = laboratory.tools.join("labgrid-client");
    let patient = laboratory.desk.write(
        "patient-client",
        &format!(
            "#!/bin/sh\ncase \"$*\" in *'power off') until [ -e go ]; do sleep 0.05; done;; esac\nexec {} \"$@\"\n",
            client.display()
        ),
    );
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&patient, mode).expect("the file is ours");
    let rig = fs::read_to_string(laboratory.desk.path("rig.yaml")).expect("it was written");
    let rig = rig.replace(&*client.to_string_lossy(), &patient.to_string_lossy());
    laboratory.desk.write("rig.yaml", &rig);
    let mut child = laboratory
        .command(&["run", "scenario.yaml", "--rig", "rig.yaml", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let _rest = wait_for_line(&mut child, "step 3");
    drop(laboratory.exporter.take());
    eventually("the coordinator misses the exporter", || {
        laboratory.succeeds(&["show"]).contains("Orphaned resource")
    });
    laboratory.desk.write("go", "");
    let ended = Ended::new(&child.wait_with_output().expect("it was started here"));
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let record = ended.record();
    let Outcome::Error { cause, help, .. } = &record.scenarios[0].outcome else {
        panic!("{}", ended.all());
    };
    let said = format!("{cause}\nhelp: {}", help.as_deref().unwrap_or_default());
    insta::assert_snapshot!("exporter_gone", laboratory.redacted(&said));
    assert_eq!(laboratory.holder(), "acquired: None");
}
