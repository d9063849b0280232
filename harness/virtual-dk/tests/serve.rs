//! The command as another program starts it: endpoints on standard output, ends with standard input or a signal.

mod bench;

use bench::Greeter;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use virtual_dk::bus::Firmware;
use virtual_dk::{ServeOptions, serve_with};

/// Set in the process that this test binary starts of itself to be the command.
const ROLE: &str = "VIRTUAL_DK_TEST_SERVES";

/// Not a test by itself: the command, when this binary was started to be it.
#[test]
fn serves_when_asked_to() {
    if std::env::var_os(ROLE).is_some() {
        let options = ServeOptions {
            boards: 2,
            json: true,
            ..ServeOptions::default()
        };
        let firmware: Arc<dyn Firmware> = Arc::new(Greeter);
        serve_with(&options, &firmware).expect("the boards are served");
    }
}

/// The command, which does not outlive the test.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start() -> Self {
        let this = std::env::current_exe().expect("a path");
        let mut child = Command::new(this)
            .args(["--exact", "serves_when_asked_to", "--nocapture"])
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, output }
    }

    fn endpoints(&mut self) -> serde_json::Value {
        // The test runner has its own lines in front.
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("lines");
            assert_ne!(length, 0, "no endpoints");
            if let Some(start) = line.find('{') {
                return serde_json::from_str(&line[start..]).expect("one line of JSON");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn power_addresses(endpoints: &serde_json::Value) -> Vec<String> {
    endpoints["boards"]
        .as_array()
        .expect("boards")
        .iter()
        .map(|board| board["power"].as_str().expect("an address").to_owned())
        .collect()
}

#[test]
fn the_boards_answer_and_are_gone_when_standard_input_closes() {
    let mut command = Running::start();
    let endpoints = command.endpoints();
    let addresses = power_addresses(&endpoints);
    assert_eq!(addresses.len(), 2);
    for address in &addresses {
        TcpStream::connect(address).expect("the supply listens");
    }
    let uart = endpoints["boards"][1]["uart"]["net"].as_str().unwrap();
    assert!(std::path::Path::new(uart).exists());

    drop(command.child.stdin.take());
    assert!(command.child.wait().expect("it ends").success());
    for address in &addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} is closed");
    }
}

#[test]
fn a_signal_ends_it_in_order() {
    let mut command = Running::start();
    command.endpoints();
    let pid = rustix::process::Pid::from_child(&command.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal");
    assert!(command.child.wait().expect("it ends").success());
}
