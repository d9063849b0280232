//! Child processes: running one to its end, the end of what they write, kept for messages, and how they ended, in words.

use hil_clock::Clock;
use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How much of an error stream is kept: its end says why a program gave up.
pub(crate) const KEPT: usize = 8 * 1024;

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(5);

/// How long the rest of an error stream is waited for after the program has ended. Somebody else may hold the
/// stream open.
const REST_WITHIN: Duration = Duration::from_millis(500);

/// The end of a child's error stream, read by a thread until the stream is closed.
#[derive(Debug, Default)]
pub(crate) struct Stderr {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stderr {
    pub(crate) fn collect(stream: Option<impl Read + Send + 'static>) -> Self {
        Self::collect_at_most(stream, KEPT)
    }

    /// The same with so much of its end.
    fn collect_at_most(stream: Option<impl Read + Send + 'static>, most: usize) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&text);
        let reader = stream.and_then(|mut stream| {
            std::thread::Builder::new()
                .name("stderr".to_owned())
                .spawn(move || {
                    let mut buffer = [0u8; 1024];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.extend_from_slice(&buffer[..length]);
                        let surplus = kept.len().saturating_sub(most);
                        kept.drain(..surplus);
                    }
                })
                .ok()
        });
        Self { text, reader }
    }

    /// What has been written so far.
    pub(crate) fn so_far(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// What was written altogether, for a child that has ended.
    pub(crate) fn when_closed(&self, clock: &dyn Clock) -> String {
        let deadline = clock.now() + REST_WITHIN;
        while self
            .reader
            .as_ref()
            .is_some_and(|reader| !reader.is_finished())
            && clock.now() < deadline
        {
            clock.sleep(Duration::from_millis(1));
        }
        self.so_far()
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// What it wrote, or the end of it.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why a program did not end by itself.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// It did not start.
    Start(io::Error),
    /// It was stopped when its time was over, having written this to its error stream.
    Stuck(String),
}

/// Runs a program to its end, which must come within `within`. `most` bytes are kept of what it writes to its standard output.
pub(crate) fn run(
    command: &mut Command,
    within: Duration,
    most: usize,
    clock: &dyn Clock,
) -> Result<Finished, Unfinished> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Unfinished::Start)?;
    let stdout = Stderr::collect_at_most(child.stdout.take(), most);
    let stderr = Stderr::collect(child.stderr.take());
    let deadline = clock.now() + within;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                return Ok(Finished {
                    status,
                    stdout: stdout.when_closed(clock),
                    stderr: stderr.when_closed(clock),
                });
            }
            Ok(None) if clock.now() < deadline => clock.sleep(POLL),
            Ok(None) | Err(_) => {
                // Neither can fail in a way that leaves something to do.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Unfinished::Stuck(stderr.so_far()));
            }
        }
    }
}

/// How a process ended.
pub(crate) fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            return format!("signal {signal}");
        }
    }
    match status.code() {
        Some(code) => format!("status {code}"),
        None => "an unknown status".to_owned(),
    }
}
