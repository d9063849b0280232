//! QEMU as a process, which ends when it is dropped and when we are gone, however we went.
//!
//! QEMU 7.2 goes on when what it is connected to closes (tried: monitor, GDB stub, `qtest` and serial port on standard input), and
//! a process that SIGKILL ends tidies nothing up. So a shell waits beside QEMU for the end of a pipe that only we hold: it comes
//! with our end, and QEMU's with it.

use super::machine::EmulatorError;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input and ends a process then, whose number is `$1`.
const WATCH: &str = "read -r _; kill -KILL \"$1\"";

/// QEMU says less before it ends.
const LONGEST_WORDS: u64 = 4096;

/// A running QEMU. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// While the child may run. Goes before the child is waited for: its number may be another process's afterwards.
    watch: Option<Watch>,
}

impl Process {
    /// Starts it, without input and output.
    pub(super) fn start(command: &mut Command) -> Result<Self, EmulatorError> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| EmulatorError::Start {
                program: command.get_program().into(),
                source,
            })?;
        let watch = Watch::over(&child);
        if let Err(error) = &watch {
            tracing::warn!(%error, "no `sh` watches QEMU: it goes on when this board is killed by SIGKILL");
        }
        Ok(Self {
            child,
            watch: watch.ok(),
        })
    }

    /// Whether it still runs.
    pub(super) fn is_there(&mut self) -> bool {
        if matches!(self.child.try_wait(), Ok(None)) {
            return true;
        }
        self.watch = None;
        false
    }

    /// Ends it, and says what it wrote to its error stream.
    pub(super) fn last_words(&mut self) -> String {
        self.end();
        let mut text = Vec::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.take(LONGEST_WORDS).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    fn end(&mut self) {
        self.watch = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The shell beside it. Dropped, it is gone without having done anything.
#[derive(Debug)]
struct Watch(Child);

impl Watch {
    fn over(child: &Child) -> io::Result<Self> {
        Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What ends all of a terminal's programs (Ctrl-C) is nothing to it: it ends when we have.
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // In this order: it is gone before its input ends.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
