//! The journal: every event of a run as a line of JSON, in a file that only grows.
//!
//! It is what is left when a run is killed or the power of the bench fails. An event is with the system before the run goes on, so
//! that no kill takes it; how soon it is on disk its [`Durability`] says. The last line may be cut off, and the reader copes
//! with that.

mod sync;

use self::sync::Syncing;
use crate::event::{Durability, Event};
use crate::reporter::Reporter;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The version of the journal's format that is written.
const VERSION: u32 = 1;

/// The first line.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Version of the format.
    journal: u32,
}

/// Writes a journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    line: Vec<u8>,
    syncing: Syncing,
}

impl Journal {
    /// Makes a new journal; a file that is there already is left alone.
    ///
    /// # Errors
    ///
    /// The file is there already, or cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)?;
        // Where a file system has no locks, nobody is kept out.
        drop(file.try_lock());
        let mut journal = Self {
            syncing: Syncing::of(&file)?,
            file,
            line: Vec::new(),
        };
        journal.write_line(&Header { journal: VERSION })?;
        Ok(journal)
    }

    /// Goes on with the journal of a run that was stopped or killed: what it says, and where more is written. A last line
    /// that was cut off is taken away.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, is no journal, or is damaged elsewhere than in its last line.
    pub fn go_on(path: &Path) -> Result<(Self, JournalContents), JournalError> {
        let write = |source| JournalError::Write {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new().append(true).open(path).map_err(write)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(JournalError::InUse {
                path: path.to_owned(),
            });
        }
        let contents = read_journal(path)?;
        if contents.truncated {
            file.set_len(contents.whole)
                .and_then(|()| file.sync_data())
                .map_err(write)?;
        }
        let journal = Self {
            syncing: Syncing::of(&file).map_err(write)?,
            file,
            line: Vec::new(),
        };
        Ok((journal, contents))
    }

    /// Appends an event. When this returns, no kill takes it; how soon it is on disk its [`Durability`] says.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or what was written before cannot be brought to disk.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        self.write_line(event)?;
        match event.kind.durability() {
            Durability::Written => Ok(()),
            Durability::Soon => self.syncing.soon(),
            Durability::Now => self.file.sync_data(),
        }
    }

    /// One write for one line, so that a kill leaves whole lines but for the last.
    fn write_line(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}

impl Reporter for Journal {
    fn name(&self) -> &str {
        "journal"
    }

    fn is_essential(&self) -> bool {
        true
    }

    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.append(event)
    }
}

/// A journal that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JournalContents {
    /// The events in order.
    pub events: Vec<Event>,
    /// Whether its last line was cut off, as a kill or a power failure leaves it.
    pub truncated: bool,
    /// The length of what could be read, in bytes.
    pub whole: u64,
}

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read.
    #[error("journal `{path}` cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("journal `{path}` cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// Another program writes it.
    #[error("journal `{path}` is being written: the run goes on")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The first line is not a journal's.
    #[error("file `{path}` is no journal: its first line is not `{{\"journal\":{VERSION}}}`")]
    NoJournal {
        /// The file.
        path: PathBuf,
    },
    /// A line in the middle is damaged.
    #[error("line {line} of journal `{path}` is no event")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An event is missing, or is there twice.
    #[error("line {line} of journal `{path}` has event {found}, expected {expected}")]
    Order {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The event's number.
        found: u64,
        /// The number that follows the event before.
        expected: u64,
    },
}

/// Reads a journal, also one whose writer was killed.
///
/// # Errors
///
/// The file cannot be read, is no journal, or is damaged elsewhere than in its last line.
pub fn read_journal(path: &Path) -> Result<JournalContents, JournalError> {
    let bytes = std::fs::read(path).map_err(|source| JournalError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_journal(path, &bytes)
}

/// The same from the bytes of a journal; `path` is only told.
///
/// # Errors
///
/// They are no journal, or are damaged elsewhere than in the last line.
pub fn parse_journal(path: &Path, bytes: &[u8]) -> Result<JournalContents, JournalError> {
    let path_of = || path.to_owned();
    // A line that does not end was being written.
    let whole = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    let mut contents = JournalContents {
        events: Vec::new(),
        truncated: whole < bytes.len(),
        whole: 0,
    };
    // The end of the last line is not the beginning of another.
    let lines = bytes[..whole.saturating_sub(1)].split(|&byte| byte == b'\n');
    let last = lines.clone().count();
    for (number, line) in (1..).zip(lines) {
        if number == 1 {
            match serde_json::from_slice::<Header>(line) {
                Ok(Header { journal: VERSION }) => {
                    contents.whole = line.len() as u64 + 1;
                    continue;
                }
                Ok(_) | Err(_) => return Err(JournalError::NoJournal { path: path_of() }),
            }
        }
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            // File systems may lose the bytes of a line whose length they kept.
            Err(_) if number == last => {
                contents.truncated = true;
                break;
            }
            Err(source) => {
                return Err(JournalError::Damaged {
                    path: path_of(),
                    line: number,
                    source,
                });
            }
        };
        let expected = contents.events.len() as u64;
        if event.seq != expected {
            return Err(JournalError::Order {
                path: path_of(),
                line: number,
                found: event.seq,
                expected,
            });
        }
        contents.events.push(event);
        contents.whole += line.len() as u64 + 1;
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use proptest::prelude::*;

    fn note(seq: u64, text: &str) -> Event {
        Event {
            seq,
            at: seq * 10,
            kind: EventKind::Note {
                board: None,
                text: text.to_owned(),
            },
        }
    }

    fn written(events: &[Event]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::create(&path).unwrap();
        for event in events {
            journal.append(event).unwrap();
        }
        (folder, path)
    }

    proptest! {
        #[test]
        fn a_journal_cut_anywhere_gives_the_events_before_the_cut(
            texts in prop::collection::vec(".{0,20}", 1..6),
            cut in 0.0..1.0f64,
        ) {
            let events: Vec<_> = (0..).zip(&texts).map(|(seq, text)| note(seq, text)).collect();
            let (_folder, path) = written(&events);
            let bytes = std::fs::read(&path).unwrap();
            let header = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
            let length = header + ((bytes.len() - header) as f64 * cut) as usize;
            std::fs::write(&path, &bytes[..length]).unwrap();

            let contents = read_journal(&path).unwrap();
            let whole = bytes[header..length].iter().filter(|&&byte| byte == b'\n').count();
            prop_assert_eq!(&contents.events, &events[..whole]);
            prop_assert_eq!(contents.truncated, bytes[length - 1] != b'\n');
        }
    }

    #[test]
    fn a_last_line_of_zero_bytes_counts_as_cut_off() {
        let (_folder, path) = written(&[note(0, "kept")]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"\0\0\0\0\n");
        std::fs::write(&path, bytes).unwrap();
        let contents = read_journal(&path).unwrap();
        assert_eq!((contents.events.len(), contents.truncated), (1, true));
    }

    #[test]
    fn a_journal_that_was_cut_off_is_gone_on_with_behind_its_last_whole_line() {
        let (_folder, path) = written(&[note(0, "kept"), note(1, "lost")]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let (mut journal, before) = Journal::go_on(&path).unwrap();
        assert_eq!(before.events, [note(0, "kept")]);
        journal.append(&note(1, "more")).unwrap();
        let contents = read_journal(&path).unwrap();
        assert_eq!(contents.events, [note(0, "kept"), note(1, "more")]);
        assert!(!contents.truncated);
    }

    #[test]
    fn a_run_that_goes_on_cannot_be_gone_on_with_by_another() {
        let (_folder, path) = written(&[note(0, "kept")]);
        let (first, _) = Journal::go_on(&path).unwrap();
        let error = Journal::go_on(&path).unwrap_err();
        assert!(matches!(error, JournalError::InUse { .. }), "{error}");
        drop(first);
        Journal::go_on(&path).unwrap();
    }

    #[test]
    fn damage_in_the_middle_is_told_with_its_line() {
        let (_folder, path) = written(&[note(0, "first"), note(1, "second"), note(2, "third")]);
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"second\"", "second");
        std::fs::write(&path, text).unwrap();
        let error = read_journal(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::Damaged { line: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_missing_event_is_noticed() {
        let (_folder, path) = written(&[note(0, "first"), note(2, "third")]);
        let error = read_journal(&path).unwrap_err();
        assert!(
            matches!(
                error,
                JournalError::Order {
                    found: 2,
                    expected: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_no_journal_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello\n").unwrap();
        let error = read_journal(file.path()).unwrap_err();
        assert!(matches!(error, JournalError::NoJournal { .. }), "{error}");
    }

    #[test]
    fn a_journal_is_never_written_over_another() {
        let (_folder, path) = written(&[note(0, "first")]);
        let error = Journal::create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
}
