//! Child processes: the end of what they write, kept for messages, and how they ended, in words.

use hil_clock::Clock;
use std::io::Read;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How much of an error stream is kept: its end says why a program gave up.
const KEPT: usize = 8 * 1024;

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
                        let surplus = kept.len().saturating_sub(KEPT);
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
