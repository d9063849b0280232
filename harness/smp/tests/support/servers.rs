//! Real servers that tests talk to: Linux programs, and an emulated nRF51 with real MCUboot.
//!
//! They are fetched by `.ci/fetch-zephyr-servers`, which prints the folder to give in `DFU_HIL_ZEPHYR_SERVERS`. Without
//! it tests say `skipped` and pass, unless `DFU_HIL_REQUIRE_PEERS` is set.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "gdb.rs"]
pub(crate) mod gdb;

use hil_clock::{SharedClock, SystemClock};
use hil_smp::{
    Client, ClientOptions, ConsoleEvent, Patience, UartOptions, UartPort, UartTransport,
};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longer than any server needs to start, or MCUboot to swap, on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// The folder with the servers, or why there is none.
pub(crate) fn fixtures() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("DFU_HIL_ZEPHYR_SERVERS") else {
        assert!(
            std::env::var_os("DFU_HIL_REQUIRE_PEERS").is_none(),
            "DFU_HIL_REQUIRE_PEERS is set, but DFU_HIL_ZEPHYR_SERVERS is not"
        );
        println!("skipped: DFU_HIL_ZEPHYR_SERVERS is not set (see .ci/fetch-zephyr-servers)");
        return None;
    };
    Some(folder.into())
}

/// A server's process; it ends with this.
pub(crate) struct Process {
    child: Child,
    /// What it prints.
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let (sender, lines) = channel();
        follow(child.stdout.take().unwrap(), sender.clone());
        follow(child.stderr.take().unwrap(), sender);
        Self { child, lines }
    }

    /// The path of the pseudo-terminal, from the line that tells it.
    fn terminal(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(LONG).unwrap();
            if let Some(at) = line.find("/dev/pts/") {
                let path = line[at..].split_whitespace().next();
                return path.unwrap().to_owned();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(from: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if to
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
}

pub(crate) struct Board {
    pub(crate) clock: SharedClock,
    pub(crate) client: Client<UartTransport>,
    _port: UartPort,
    pub(crate) console: Receiver<ConsoleEvent>,
    _process: Process,
}

pub(crate) fn connect(process: Process, line_gap: Duration) -> Board {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let (events, console) = channel();
    let options = UartOptions {
        line_gap,
        ..UartOptions::default()
    };
    let sink = Box::new(move |event| {
        let _ = events.send(event);
    });
    let port = UartPort::open(&process.terminal(), options, clock.clone(), sink).unwrap();
    let options = ClientOptions {
        patience: Patience {
            timeout: Duration::from_secs(5),
            attempts: 12,
        },
        ..ClientOptions::default()
    };
    Board {
        client: Client::with_options(port.transport(), clock.clone(), options),
        clock,
        _port: port,
        console,
        _process: process,
    }
}
