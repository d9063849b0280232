//! Runs, trends and flakiness, as a table or a page shows them.

use crate::store::Filter;
use crate::trend::flips;
use hil_record::{Ending, FirmwareInfo, Totals, Verdict, slice_of};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Error, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// What a history comes to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Overview {
    /// The runs, the latest first.
    pub runs: Vec<RunRow>,
    /// The scenario variants of these runs, by name.
    pub scenarios: Vec<ScenarioTrend>,
    /// The boards of these runs, by rig and name.
    pub boards: Vec<BoardTrend>,
}

/// A run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RunRow {
    /// Identifier.
    pub run: String,
    /// Name of the rig.
    pub rig: String,
    /// The folder it was read from.
    pub folder: String,
    /// When it began, in milliseconds since 1970, UTC.
    pub started_ms: i64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub ending: Ending,
    /// What ran it.
    pub tool: String,
    /// What was under test.
    pub firmware: Vec<FirmwareInfo>,
    /// How its scenario variants ended; with a filter, those that it lets through.
    pub totals: Totals,
    #[serde(skip)]
    id: i64,
}

/// A result of a scenario variant.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// The run.
    pub run: String,
    /// When the run began, in milliseconds since 1970, UTC.
    pub started_ms: i64,
    /// `rig/board`; none when it was not run.
    pub board: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, when it did not pass.
    pub cause: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How many attempts it took.
    pub attempts: u64,
    /// Bytes per second over all its uploads; none where none could be measured.
    pub throughput: Option<u64>,
}

/// A scenario variant over runs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ScenarioTrend {
    /// Its name.
    pub name: String,
    /// Its results, the oldest first; skips are left out unless there is nothing else.
    pub seen: Vec<Seen>,
    /// The last run in which it passed, of all in the history.
    pub last_good: Option<String>,
    /// How often its verdict changed although firmware, scenario file and tool were the same.
    pub flips: u64,
    /// How often it passed only when it was tried again.
    pub passed_on_retry: u64,
}

impl ScenarioTrend {
    /// Whether its verdict cannot be relied on.
    #[must_use]
    pub const fn is_flaky(&self) -> bool {
        self.flips > 0 || self.passed_on_retry > 0
    }

    /// How long it took where it passed, the oldest first, in milliseconds.
    #[must_use]
    pub fn durations(&self) -> Vec<u64> {
        let passed = self.seen.iter().filter(|one| one.verdict == Verdict::Pass);
        passed.map(|one| one.duration_ms).collect()
    }

    /// Throughput of uploads, the oldest first, in bytes per second.
    #[must_use]
    pub fn throughputs(&self) -> Vec<u64> {
        self.seen.iter().filter_map(|one| one.throughput).collect()
    }
}

/// A board over runs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BoardTrend {
    /// Name of the rig.
    pub rig: String,
    /// Name of the board.
    pub board: String,
    /// How many attempts it was used for.
    pub attempts: u64,
    /// How many of these ended with trouble of the bench.
    pub errors: u64,
    /// How many did not pass here, while another board passed the same scenario with the same firmware.
    pub alone: u64,
}

impl BoardTrend {
    /// Whether the board itself is to be looked at.
    #[must_use]
    pub const fn is_flaky(&self) -> bool {
        self.alone > 0
    }
}

/// An attempt as it stands in the table.
struct Attempt {
    run_id: i64,
    scenario: String,
    board: Option<String>,
    verdict: Verdict,
    cause: Option<String>,
    duration_ms: u64,
    attempt: u64,
    last: bool,
    flaky: bool,
    basis: String,
}

/// A word of a table that is a variant of an enum.
struct Word<T>(T);

impl<T: DeserializeOwned> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        serde_json::from_value(text.into())
            .map(Self)
            .map_err(|error| FromSqlError::Other(error.into()))
    }
}

/// JSON in a table.
struct Json<T>(T);

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(|error| FromSqlError::Other(error.into()))
    }
}

pub(crate) fn read(db: &Connection, filter: &Filter) -> Result<Overview, Error> {
    let mut runs = runs(db, filter.runs)?;
    let mut attempts = Vec::new();
    // The oldest first.
    for run in runs.iter().rev() {
        attempts.extend(
            of_run(db, run.id)?
                .into_iter()
                .filter(|one| wanted(one, &run.rig, filter)),
        );
    }
    for run in &mut runs {
        let of_run = attempts
            .iter()
            .filter(|one| one.run_id == run.id && one.last);
        for one in of_run {
            count(&mut run.totals, one);
        }
    }
    if filter.scenario.is_some() || filter.board.is_some() {
        runs.retain(|run| run.totals.all() > 0);
    }
    let by_id: BTreeMap<i64, &RunRow> = runs.iter().map(|run| (run.id, run)).collect();
    let scenarios = scenarios(db, &attempts, &by_id)?;
    let boards = boards(&attempts, &by_id);
    Ok(Overview {
        runs,
        scenarios,
        boards,
    })
}

fn runs(db: &Connection, limit: u32) -> Result<Vec<RunRow>, Error> {
    let mut query = db.prepare(
        "SELECT id, run, rig, folder, started_ms, duration_ms, ending, tool, firmware FROM runs
         ORDER BY started_ms DESC, run DESC LIMIT ?1",
    )?;
    let rows = query.query_map([limit], |row: &Row<'_>| {
        Ok(RunRow {
            id: row.get(0)?,
            run: row.get(1)?,
            rig: row.get(2)?,
            folder: row.get(3)?,
            started_ms: row.get(4)?,
            duration_ms: row.get(5)?,
            ending: row.get::<_, Word<Ending>>(6)?.0,
            tool: row.get(7)?,
            firmware: row.get::<_, Json<Vec<FirmwareInfo>>>(8)?.0,
            totals: Totals::default(),
        })
    })?;
    rows.collect()
}

fn of_run(db: &Connection, run: i64) -> Result<Vec<Attempt>, Error> {
    let mut query = db.prepare_cached(
        "SELECT scenario, board, verdict, cause, duration_ms, attempt, last, flaky, basis FROM results
         WHERE run_id = ?1 ORDER BY rowid",
    )?;
    let rows = query.query_map([run], |row: &Row<'_>| {
        Ok(Attempt {
            run_id: run,
            scenario: row.get(0)?,
            board: row.get(1)?,
            verdict: row.get::<_, Word<Verdict>>(2)?.0,
            cause: row.get(3)?,
            duration_ms: row.get(4)?,
            attempt: row.get(5)?,
            last: row.get(6)?,
            flaky: row.get(7)?,
            basis: row.get(8)?,
        })
    })?;
    rows.collect()
}

fn wanted(one: &Attempt, rig: &str, filter: &Filter) -> bool {
    let scenario = filter.scenario.as_ref();
    let scenario = scenario.is_none_or(|text| one.scenario.contains(text.as_str()));
    let board = filter.board.as_ref().is_none_or(|wanted| {
        one.board
            .as_ref()
            .is_some_and(|board| board == wanted || format!("{rig}/{board}") == *wanted)
    });
    scenario && board
}

fn count(totals: &mut Totals, one: &Attempt) {
    match one.verdict {
        Verdict::Pass => totals.pass += 1,
        Verdict::Fail => totals.fail += 1,
        Verdict::Error => totals.error += 1,
        Verdict::Skip => totals.skip += 1,
    }
    totals.flaky += u64::from(one.flaky);
}

fn scenarios(
    db: &Connection,
    attempts: &[Attempt],
    runs: &BTreeMap<i64, &RunRow>,
) -> Result<Vec<ScenarioTrend>, Error> {
    let mut by_name: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    // Slices of a night have other points each time: nothing of one can be compared with another.
    let compared = |one: &&Attempt| one.last && slice_of(&one.scenario).is_none();
    for one in attempts.iter().filter(compared) {
        by_name.entry(&one.scenario).or_default().push(one);
    }
    let mut last_good = db.prepare(
        "SELECT run FROM results JOIN runs ON runs.id = run_id
         WHERE scenario = ?1 AND verdict = 'pass' ORDER BY runs.started_ms DESC LIMIT 1",
    )?;
    let mut throughput = db.prepare(
        "SELECT sum(bytes) * 1000 / sum(duration_ms) FROM uploads WHERE run_id = ?1 AND scenario = ?2",
    )?;
    let mut trends = Vec::new();
    for (name, mut results) in by_name {
        if results.iter().any(|one| one.verdict != Verdict::Skip) {
            results.retain(|one| one.verdict != Verdict::Skip);
        }
        let mut seen = Vec::new();
        for one in &results {
            let Some(run) = runs.get(&one.run_id) else {
                continue;
            };
            let rate = throughput.query_row(params![one.run_id, name], |row| row.get(0))?;
            seen.push(Seen {
                run: run.run.clone(),
                started_ms: run.started_ms,
                board: one
                    .board
                    .as_ref()
                    .map(|board| format!("{}/{board}", run.rig)),
                verdict: one.verdict,
                cause: one.cause.clone(),
                duration_ms: one.duration_ms,
                attempts: one.attempt,
                throughput: rate,
            });
        }
        let judged = results.iter().filter(|one| one.verdict != Verdict::Skip);
        let mut good = last_good.query_map([name], |row| row.get(0))?;
        trends.push(ScenarioTrend {
            name: name.to_owned(),
            flips: flips(judged.map(|one| (one.basis.as_str(), one.verdict == Verdict::Pass))),
            passed_on_retry: results.iter().filter(|one| one.flaky).count() as u64,
            last_good: good.next().transpose()?,
            seen,
        });
    }
    Ok(trends)
}

fn boards(attempts: &[Attempt], runs: &BTreeMap<i64, &RunRow>) -> Vec<BoardTrend> {
    let place = |one: &Attempt| -> Option<(String, String)> {
        let run = runs.get(&one.run_id)?;
        Some((run.rig.clone(), one.board.clone()?))
    };
    // Where the same thing passed.
    let mut good: BTreeMap<(&str, &str), BTreeSet<(String, String)>> = BTreeMap::new();
    let same_elsewhere =
        |one: &&Attempt| one.verdict == Verdict::Pass && slice_of(&one.scenario).is_none();
    for one in attempts.iter().filter(same_elsewhere) {
        good.entry((&one.scenario, &one.basis))
            .or_default()
            .extend(place(one));
    }
    let mut boards: BTreeMap<(String, String), BoardTrend> = BTreeMap::new();
    for one in attempts {
        let Some(key) = place(one) else { continue };
        let elsewhere = good
            .get(&(one.scenario.as_str(), one.basis.as_str()))
            .is_some_and(|places| !places.contains(&key) && !places.is_empty());
        let bad = matches!(one.verdict, Verdict::Fail | Verdict::Error);
        let trend = boards
            .entry(key)
            .or_insert_with_key(|(rig, board)| BoardTrend {
                rig: rig.clone(),
                board: board.clone(),
                attempts: 0,
                errors: 0,
                alone: 0,
            });
        trend.attempts += 1;
        trend.errors += u64::from(one.verdict == Verdict::Error);
        trend.alone += u64::from(bad && elsewhere);
    }
    boards.into_values().collect()
}
