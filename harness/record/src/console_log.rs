//! What each core printed, one file for each and for each way by which it prints, with the time in front of every line.

use crate::directory::RunDirectory;
use crate::event::{ConsoleSource, CoreName, Event, EventKind};
use crate::reporter::Reporter;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// Writes the console logs of a run.
#[derive(Debug)]
pub struct ConsoleLogs {
    directory: RunDirectory,
    files: BTreeMap<(String, CoreName, ConsoleSource), File>,
}

impl ConsoleLogs {
    /// Logs into `directory`. A file is made when its core prints its first line; where one is there, of the same run before it
    /// was stopped, it grows.
    #[must_use]
    pub fn new(directory: RunDirectory) -> Self {
        Self {
            directory,
            files: BTreeMap::new(),
        }
    }
}

impl Reporter for ConsoleLogs {
    fn name(&self) -> &str {
        "console logs"
    }

    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            EventKind::Console {
                board,
                core,
                source,
                text,
            } => {
                let file = match self.files.entry((board.clone(), *core, *source)) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => entry.insert(
                        OpenOptions::new()
                            .append(true)
                            .create(true)
                            .open(self.directory.console(board, *core, *source))?,
                    ),
                };
                writeln!(
                    file,
                    "[{:>6}.{:03}] {text}",
                    event.at / 1000,
                    event.at % 1000
                )
            }
            // A heading, so that a line can be found without counting milliseconds.
            EventKind::ScenarioStarted(started) => {
                for ((board, ..), file) in &mut self.files {
                    if *board == started.board {
                        writeln!(file, "--- {}", started.scenario)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn each_core_has_a_file_with_times() {
        let root = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(root.path(), SystemTime::UNIX_EPOCH).unwrap();
        let mut logs = ConsoleLogs::new(directory.clone());
        let (uart, rtt) = (ConsoleSource::Uart, ConsoleSource::Rtt);
        for (seq, at, core, source, text) in [
            (0, 5, CoreName::App, uart, "*** Booting ***"),
            (1, 61_250, CoreName::Net, uart, "net 1.0.0"),
            (2, 61_251, CoreName::App, uart, "ready"),
            (3, 61_252, CoreName::App, rtt, "<inf> ready"),
        ] {
            let kind = EventKind::Console {
                board: "dk1".to_owned(),
                core,
                source,
                text: text.to_owned(),
            };
            logs.on_event(&Event { seq, at, kind }).unwrap();
        }
        let read =
            |core, source| std::fs::read_to_string(directory.console("dk1", core, source)).unwrap();
        insta::assert_snapshot!(read(CoreName::App, uart), @r"
        [     0.005] *** Booting ***
        [    61.251] ready
        ");
        insta::assert_snapshot!(read(CoreName::Net, uart), @"[    61.250] net 1.0.0");
        insta::assert_snapshot!(read(CoreName::App, rtt), @"[    61.252] <inf> ready");
    }
}
