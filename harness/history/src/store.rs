//! The file: adding runs, and reading what was added.

use crate::entry::RunEntry;
use crate::error::HistoryError;
use crate::overview::{self, Overview};
use crate::schema;
use crate::sweeps::{self, Pace, SweepSeen};
use crate::trend::median;
use rusqlite::{Connection, Error, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From how many passes the expected duration is made; we chose it: enough for a middle value, few enough to follow a
/// change of the firmware within days.
const PASSES: u32 = 9;

/// A history that is open.
#[derive(Debug)]
pub struct History {
    db: Connection,
    path: PathBuf,
}

/// What somebody wants to see of a history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    /// Only scenario variants whose name contains this.
    pub scenario: Option<String>,
    /// Only this board: its name, or `rig/name`.
    pub board: Option<String>,
    /// How many runs, the latest.
    pub runs: u32,
}

/// How a scenario variant ended when it had a turn last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastResult {
    /// Whether it passed.
    pub passed: bool,
    /// When that run began, in milliseconds since 1970, UTC.
    pub started_ms: i64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            scenario: None,
            board: None,
            runs: 50,
        }
    }
}

impl History {
    /// Opens the history in `path`; makes it where there is none.
    ///
    /// # Errors
    ///
    /// The file cannot be made or read, is damaged, of another program, or of a later version of this one.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        Self::with(path, OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a history that is there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); or there is none.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        if !path.exists() {
            return Err(HistoryError::Missing {
                path: path.to_owned(),
            });
        }
        Self::with(path, OpenFlags::empty())
    }

    fn with(path: &Path, flags: OpenFlags) -> Result<Self, HistoryError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)
            .map_err(|source| HistoryError::of(path, source))?;
        schema::prepare(&mut db, path)?;
        Ok(Self {
            db,
            path: path.to_owned(),
        })
    }

    /// Adds a run, in the place of an older entry of the same run. All of it or nothing is in the file afterwards, also
    /// when several programs add at once.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or is damaged.
    pub fn add(&mut self, entry: &RunEntry) -> Result<(), HistoryError> {
        let path = &self.path;
        write(&mut self.db, entry).map_err(|source| HistoryError::of(path, source))
    }

    /// How long a scenario variant will probably take: the middle of its last passes on this board of this rig; of the rig,
    /// where the board has none; of all rigs, where the rig has none. None when it never passed.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn expected_duration(
        &self,
        scenario: &str,
        rig: &str,
        board: Option<&str>,
    ) -> Result<Option<Duration>, HistoryError> {
        let wider = [(Some(rig), board), (Some(rig), None), (None, None)];
        for (rig, board) in wider {
            let passes = self
                .passes(scenario, rig, board)
                .map_err(|source| HistoryError::of(&self.path, source))?;
            if let Some(middle) = median(&passes) {
                return Ok(Some(Duration::from_millis(middle)));
            }
        }
        Ok(None)
    }

    fn passes(
        &self,
        scenario: &str,
        rig: Option<&str>,
        board: Option<&str>,
    ) -> Result<Vec<u64>, Error> {
        let mut query = self.db.prepare_cached(
            "SELECT results.duration_ms FROM results JOIN runs ON runs.id = run_id
             WHERE scenario = ?1 AND verdict = 'pass' AND (?2 IS NULL OR rig = ?2) AND (?3 IS NULL OR board = ?3)
             ORDER BY runs.started_ms DESC LIMIT ?4",
        )?;
        let rows = query.query_map(params![scenario, rig, board, PASSES], |row| row.get(0))?;
        rows.collect()
    }

    /// How a scenario variant ended on a rig when it had a turn last; none where it never had one.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn last_result(
        &self,
        scenario: &str,
        rig: &str,
    ) -> Result<Option<LastResult>, HistoryError> {
        let last = || {
            self.db
                .prepare_cached(
                    "SELECT verdict = 'pass', started_ms FROM results JOIN runs ON runs.id = run_id
                     WHERE scenario = ?1 AND rig = ?2 AND last = 1 AND verdict <> 'skip'
                     ORDER BY started_ms DESC LIMIT 1",
                )?
                .query_row(params![scenario, rig], |row| {
                    Ok(LastResult {
                        passed: row.get(0)?,
                        started_ms: row.get(1)?,
                    })
                })
                .optional()
        };
        last().map_err(|source| HistoryError::of(&self.path, source))
    }

    /// What is known of the points of a sweep on a rig with a firmware set, by its digest; none where it was never run.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn sweep(
        &self,
        scenario: &str,
        rig: &str,
        firmware: &str,
    ) -> Result<Option<SweepSeen>, HistoryError> {
        sweeps::seen(&self.db, rig, scenario, firmware)
            .map_err(|source| HistoryError::of(&self.path, source))
    }

    /// How long a sweep takes on a rig, whatever the firmware; none where no point of it was visited.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn pace(&self, scenario: &str, rig: &str) -> Result<Option<Pace>, HistoryError> {
        sweeps::pace(&self.db, rig, scenario).map_err(|source| HistoryError::of(&self.path, source))
    }

    /// Whether a run is in it, by its identifier.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn has(&self, run: &str) -> Result<bool, HistoryError> {
        self.db
            .prepare_cached("SELECT 1 FROM runs WHERE run = ?1")
            .and_then(|mut query| query.exists([run]))
            .map_err(|source| HistoryError::of(&self.path, source))
    }

    /// Runs, trends and flakiness.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn overview(&self, filter: &Filter) -> Result<Overview, HistoryError> {
        // One snapshot for all of its queries: a run that is added meanwhile is in all of it or in none.
        let snapshot = self.db.unchecked_transaction();
        snapshot
            .and_then(|snapshot| overview::read(&snapshot, filter))
            .map_err(|source| HistoryError::of(&self.path, source))
    }
}

/// As the table has it. A duration that does not fit is 292 million years.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A unit variant as it stands in files.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

fn write(db: &mut Connection, entry: &RunEntry) -> Result<(), Error> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = params![entry.run, entry.rig];
    let before: Option<i64> = transaction
        .query_row(
            "SELECT id FROM runs WHERE run = ?1 AND rig = ?2",
            key,
            |row| row.get(0),
        )
        .optional()?;
    if let Some(id) = before {
        transaction.execute("DELETE FROM runs WHERE id = ?1", [id])?;
    }
    let firmware = serde_json::to_string(&entry.firmware).unwrap_or_default();
    transaction.execute(
        "INSERT INTO runs (run, rig, folder, started_ms, duration_ms, ending, tool, firmware)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            entry.run,
            entry.rig,
            entry.folder,
            entry.started_ms,
            signed(entry.duration_ms),
            word(&entry.ending),
            entry.tool,
            firmware,
        ],
    )?;
    let run = transaction.last_insert_rowid();
    {
        let mut insert = transaction.prepare(
            "INSERT INTO results (run_id, scenario, board, verdict, kind, cause, duration_ms, retries, attempt, last, flaky, basis)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        for one in &entry.results {
            insert.execute(params![
                run,
                one.scenario,
                one.board,
                one.verdict.word(),
                one.kind,
                one.cause,
                signed(one.duration_ms),
                signed(one.retries),
                one.attempt,
                one.last,
                one.flaky,
                one.basis,
            ])?;
        }
        let mut insert = transaction.prepare(
            "INSERT INTO uploads (run_id, scenario, board, image, bytes, duration_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for one in &entry.uploads {
            insert.execute(params![
                run,
                one.scenario,
                one.board,
                one.image,
                signed(one.bytes),
                signed(one.duration_ms),
            ])?;
        }
    }
    sweeps::write(&transaction, run, &entry.sweeps)?;
    transaction.commit()
}
