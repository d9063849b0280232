//! The clients: this crate's, and those that are installed.

use crate::OURS;
use hil_clock::{Clock, SharedClock, SystemClock};
use hil_smp::{UartOptions, UartPort, UploadOptions};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How often a process is started to see how long that takes.
const STARTS: usize = 5;

/// A program that uploads.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// `None` where it is not installed.
    pub(crate) program: Option<PathBuf>,
    /// `PORT` and `FILE` are filled in.
    arguments: &'static [&'static str],
}

impl Client {
    /// This crate's first, then the others.
    pub(crate) fn all() -> Result<Vec<Self>, Box<dyn Error>> {
        let peer = |name, program, arguments| Self {
            name,
            program: installed(program),
            arguments,
        };
        Ok(vec![
            Self {
                name: "hil-smp",
                program: Some(std::env::current_exe()?),
                arguments: &[OURS, "PORT", "FILE"],
            },
            peer(
                "mcumgrctl",
                "mcumgrctl",
                &["--quiet", "--serial", "PORT", "image", "upload", "FILE"],
            ),
            peer(
                "smpmgr",
                "smpmgr",
                &["--port", "PORT", "image", "upload", "FILE"],
            ),
            // It does not ask for the server's buffer. This tells it: 2,475 bytes are 26 lines in base64.
            peer(
                "smpmgr --line-buffers 26",
                "smpmgr",
                &[
                    "--line-buffers",
                    "26",
                    "--port",
                    "PORT",
                    "image",
                    "upload",
                    "FILE",
                ],
            ),
        ])
    }

    /// Uploads `file` to `port`.
    pub(crate) fn command(&self, program: &Path, port: &str, file: &Path) -> Command {
        let mut command = Command::new(program);
        for &argument in self.arguments {
            match argument {
                "PORT" => command.arg(port),
                "FILE" => command.arg(file),
                other => command.arg(other),
            };
        }
        command
    }
}

/// In the folder of the peers, or on the path. A file that does not tell its version is a stand-in (of pyenv, say).
fn installed(name: &str) -> Option<PathBuf> {
    ["DFU_HIL_PEERS", "PATH"]
        .into_iter()
        .filter_map(std::env::var_os)
        .flat_map(|folders| std::env::split_paths(&folders).collect::<Vec<_>>())
        .map(|folder| folder.join(name))
        .find(|file| {
            Command::new(file)
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
}

/// How long the program takes to do nothing but say its version, the median; `None` where it is not installed.
pub(crate) fn start_time(client: &Client) -> Result<Option<Duration>, Box<dyn Error>> {
    let Some(program) = &client.program else {
        return Ok(None);
    };
    let clock = SystemClock::new();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let start = clock.now();
        let mut command = Command::new(program);
        // Without a port there is nothing to upload to.
        command.arg(if client.arguments[0] == OURS {
            OURS
        } else {
            "--version"
        });
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        times.push(clock.now() - start);
    }
    times.sort_unstable();
    Ok(Some(times[times.len() / 2]))
}

/// What the process does that is this crate's client. At the end, closing the port takes up to 50 ms: its reading thread
/// looks that often whether it should end.
pub(crate) fn upload(port: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let file = std::fs::read(file)?;
    let port = UartPort::open(
        port,
        UartOptions::default(),
        Arc::clone(&clock),
        Box::new(|_| {}),
    )?;
    let mut client = hil_smp::Client::new(port.transport(), clock);
    client.upload(&file, UploadOptions::default(), &mut |_| {
        ControlFlow::Continue(())
    })?;
    Ok(())
}
