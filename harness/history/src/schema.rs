//! The tables, their version, and how an older file becomes a newer one.
//!
//! `application_id` says that a file is a history, `user_version` which steps of [`MIGRATIONS`] it has behind it. A step is
//! never changed once it was released; what is needed later is a further one. All steps of a file are one transaction.

use crate::error::HistoryError;
use rusqlite::{Connection, Error, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// `dfuh`, as SQLite files name their program.
const APPLICATION: i64 = 0x6466_7568;

/// How long to wait for another writer; we chose it: adding a run takes milliseconds, so this is a queue of hundreds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What makes a file of version N one of version N + 1, N being the place in this list.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    run         TEXT NOT NULL,
    rig         TEXT NOT NULL,
    folder      TEXT NOT NULL,
    started_ms  INTEGER NOT NULL,   -- since 1970, UTC
    duration_ms INTEGER NOT NULL,
    ending      TEXT NOT NULL,      -- complete, stopped, killed
    tool        TEXT NOT NULL,
    firmware    TEXT NOT NULL,      -- JSON: [{name, digest}]
    UNIQUE (run, rig)
) STRICT;
CREATE INDEX runs_started ON runs (started_ms);
CREATE TABLE results (
    run_id      INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    scenario    TEXT NOT NULL,
    board       TEXT,               -- none when it never began
    verdict     TEXT NOT NULL,      -- pass, fail, error, skip
    kind        TEXT,
    cause       TEXT,
    duration_ms INTEGER NOT NULL,
    retries     INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,   -- from 1
    last        INTEGER NOT NULL,   -- 1: the verdict of the variant
    flaky       INTEGER NOT NULL,   -- 1: passed on retry
    basis       TEXT NOT NULL       -- firmware, scenario file, tool
) STRICT;
CREATE INDEX results_run ON results (run_id);
CREATE INDEX results_scenario ON results (scenario, verdict);
CREATE TABLE uploads (
    run_id      INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    scenario    TEXT NOT NULL,
    board       TEXT NOT NULL,
    image       TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_run ON uploads (run_id);
",
    "
CREATE TABLE sweeps (
    id          INTEGER PRIMARY KEY,
    run_id      INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    scenario    TEXT NOT NULL,      -- the variant, without the name of a part or slice
    firmware    TEXT NOT NULL,      -- SHA-256 of the set
    operations  TEXT NOT NULL,      -- SHA-256 of the list of flash operations
    board       TEXT NOT NULL,
    points      INTEGER,            -- how many there are; none when not told
    overhead_ms INTEGER             -- besides its points; none when it did not end
) STRICT;
CREATE INDEX sweeps_run ON sweeps (run_id);
CREATE INDEX sweeps_scenario ON sweeps (scenario, firmware, operations);
CREATE TABLE visits (
    sweep_id    INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    cut         TEXT NOT NULL,
    good        INTEGER NOT NULL,   -- 1: came to what it must
    at_ms       INTEGER NOT NULL,   -- since 1970, UTC
    took_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX visits_sweep ON visits (sweep_id);
",
];

/// The version that is written.
const VERSION: i64 = MIGRATIONS.len() as i64;

/// Makes the tables of a new file, and those of an older one new.
pub(crate) fn prepare(db: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let cannot = |source| HistoryError::of(path, source);
    db.busy_timeout(PATIENCE).map_err(cannot)?;
    db.pragma_update(None, "foreign_keys", true)
        .map_err(cannot)?;
    // A transaction: what is read one by one outside of it may be from before and after another program's first step.
    let snapshot = db.transaction().map_err(cannot)?;
    let version = check(&snapshot, path)?;
    snapshot.finish().map_err(cannot)?;
    if version == VERSION {
        return Ok(());
    }
    // Looked at again inside: another program may have done it meanwhile.
    let transaction = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(cannot)?;
    let version = check(&transaction, path)?;
    migrate(&transaction, version).map_err(cannot)?;
    transaction.commit().map_err(cannot)
}

/// The version of a file that may be used: 0 for a new one.
fn check(db: &Transaction<'_>, path: &Path) -> Result<i64, HistoryError> {
    let cannot = |source| HistoryError::of(path, source);
    let pragma =
        |name| -> Result<i64, Error> { db.pragma_query_value(None, name, |row| row.get(0)) };
    let application = pragma("application_id").map_err(cannot)?;
    let version = pragma("user_version").map_err(cannot)?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(cannot)?;
    if application != APPLICATION && (application != 0 || tables > 0) {
        return Err(HistoryError::Foreign {
            path: path.to_owned(),
        });
    }
    if version > VERSION {
        return Err(HistoryError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    Ok(version)
}

fn migrate(transaction: &Transaction<'_>, version: i64) -> Result<(), Error> {
    let behind = usize::try_from(version).unwrap_or_default();
    for step in MIGRATIONS.iter().skip(behind) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)
}
