//! Starting workers, and ending them on every path.

use super::error::BleError;
use super::shared::Shared;
use crate::peer::DeviceId;
use crate::protocol::{Answer, FrameError, Request, VERSION, read};
use hil_clock::SharedClock;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a worker may take to say hello. It takes tens of milliseconds; the rest is for a machine that is busy.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take to hang up and end. It gives itself 2 s for that.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The variable by which libdbus finds the system's bus.
const BUS_VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// What is known of a worker before it was looked how it ended.
const CLOSED: &str = "its output was closed";

/// The program that is a worker, usually the running one.
#[derive(Clone, Debug)]
pub struct WorkerLauncher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments: usually `ble-worker`.
    pub args: Vec<OsString>,
}

impl WorkerLauncher {
    /// Starts `program ble-worker`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: vec!["ble-worker".into()],
        }
    }
}

/// The worker of one bus. It is started when it is first needed, and again after it went away.
#[derive(Debug)]
pub struct BleWorker {
    launcher: WorkerLauncher,
    /// The bus; the system's own when absent.
    bus: Option<String>,
    pub(super) clock: SharedClock,
    process: Mutex<Option<Arc<Process>>>,
    /// What servers may have half of, since a link was lost.
    half_sent: Mutex<HashMap<DeviceId, HalfSent>>,
}

/// Requests of which a server may have only the beginning of one.
#[derive(Debug)]
pub(super) struct HalfSent {
    /// Their lengths in bytes.
    pub(super) packets: Vec<usize>,
    /// The MTU that they were cut for.
    pub(super) mtu: u16,
}

impl BleWorker {
    /// A worker for the system's bus, or for the one with this D-Bus address. Nothing is started yet.
    #[must_use]
    pub fn new(launcher: WorkerLauncher, bus: Option<String>, clock: SharedClock) -> Self {
        Self {
            launcher,
            bus,
            clock,
            process: Mutex::new(None),
            half_sent: Mutex::new(HashMap::new()),
        }
    }

    /// Remembers that a link ended with requests under way.
    pub(super) fn note_half_sent(&self, device: &DeviceId, half: HalfSent) {
        let mut all = self
            .half_sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(device.clone(), half);
    }

    /// What the last link to a device left behind, if anything.
    pub(super) fn take_half_sent(&self, device: &DeviceId) -> Option<HalfSent> {
        let mut all = self
            .half_sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(device)
    }

    /// The running process, started if need be.
    pub(super) fn process(&self) -> Result<Arc<Process>, BleError> {
        let mut current = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = &*current
            && process.shared.lock().gone.is_none()
        {
            return Ok(Arc::clone(process));
        }
        // The old one is reaped before a new one comes.
        *current = None;
        let process = Process::start(&self.launcher, self.bus.as_deref(), &self.clock)?;
        Ok(Arc::clone(current.insert(Arc::new(process))))
    }

    /// The process id of the worker, when it runs; for tests that do something to it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let current = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|process| process.lock_child().id())
    }
}

/// A running worker. Stopped and reaped when dropped.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) shared: Arc<Shared>,
    child: Mutex<Child>,
    clock: SharedClock,
    threads: Vec<JoinHandle<()>>,
}

impl Process {
    fn start(
        launcher: &WorkerLauncher,
        bus: Option<&str>,
        clock: &SharedClock,
    ) -> Result<Self, BleError> {
        let mut command = Command::new(&launcher.program);
        command
            .args(&launcher.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(bus) = bus {
            command.env(BUS_VARIABLE, bus);
        }
        // In a group of its own, so that Ctrl-C on the terminal reaches the harness only: it ends the run in good
        // order, and hangs up then. The worker still ends when its standard input is closed.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let not_started = |error| BleError::start(launcher.program.clone(), &error);
        let mut child = command.spawn().map_err(not_started)?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let mut process = Self {
            shared: Arc::new(Shared::default()),
            child: Mutex::new(child),
            clock: clock.clone(),
            threads: Vec::new(),
        };
        if let (Some(stdin), Some(stdout)) = pipes {
            let shared = Arc::clone(&process.shared);
            process
                .spawn("ble-write", move || write(&shared, stdin))
                .map_err(not_started)?;
            let shared = Arc::clone(&process.shared);
            process
                .spawn("ble-read", move || listen(&shared, stdout))
                .map_err(not_started)?;
        }
        process.greet()?;
        Ok(process)
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), std::io::Error> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)?;
        self.threads.push(thread);
        Ok(())
    }

    fn greet(&self) -> Result<(), BleError> {
        self.shared
            .change(|state| state.send(&Request::Hello { version: VERSION }));
        let deadline = self.clock.now() + START_WITHIN;
        let answered = self.shared.wait(&self.clock, deadline, |state| {
            match (state.version, &state.gone) {
                (Some(VERSION), _) => Some(Ok(())),
                (Some(found), _) => Some(Err(BleError::Version {
                    found,
                    expected: VERSION,
                })),
                (None, Some(gone)) => Some(Err(gone.clone())),
                (None, None) => None,
            }
        });
        match answered {
            Some(result) => result.map_err(|error| self.explain(error)),
            None => Err(self.hung("starting", START_WITHIN)),
        }
    }

    /// Kills a worker that does not react.
    pub(super) fn hung(&self, doing: &'static str, waited: Duration) -> BleError {
        let error = BleError::Hung { doing, waited };
        self.shared.set_gone(error.clone());
        self.kill();
        error
    }

    /// The same, with how the process ended where only its silence was noticed.
    pub(super) fn explain(&self, error: BleError) -> BleError {
        match error {
            BleError::Gone { cause } if cause == CLOSED => {
                // Its output may have closed a moment before it can be reaped.
                let status = self.wait(Duration::from_millis(500));
                BleError::Gone {
                    cause: status.unwrap_or(cause),
                }
            }
            error => error,
        }
    }

    fn kill(&self) {
        let mut child = self.lock_child();
        // A child that cannot be killed has ended.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn wait(&self, within: Duration) -> Option<String> {
        let deadline = self.clock.now() + within;
        loop {
            match self.lock_child().try_wait() {
                Ok(Some(status)) => return Some(status.to_string()),
                Ok(None) if self.clock.now() < deadline => {}
                Ok(None) | Err(_) => return None,
            }
            self.clock.sleep(Duration::from_millis(2));
        }
    }

    fn lock_child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The writing thread closes the worker's input.
        self.shared.change(|state| state.stop = true);
        if self.wait(STOP_WITHIN).is_none() {
            tracing::warn!("the Bluetooth worker did not end by itself and is killed");
            self.kill();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn write(shared: &Shared, mut pipe: ChildStdin) {
    while let Some(frame) = shared.next_frame() {
        if pipe.write_all(&frame).and_then(|()| pipe.flush()).is_err() {
            // The reading thread finds out why.
            return;
        }
    }
}

fn listen(shared: &Shared, pipe: ChildStdout) {
    let mut pipe = BufReader::with_capacity(64 * 1024, pipe);
    let cause = loop {
        match read::<Answer>(&mut pipe) {
            Ok(Some(answer)) => shared.take(answer),
            Ok(None) | Err(FrameError::Io(_)) => break CLOSED.to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    shared.set_gone(BleError::Gone { cause });
}
