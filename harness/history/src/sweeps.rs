//! Which points of sweeps were visited, and what that took: what a night chooses by.

use crate::trend::median;
use hil_record::{Event, EventKind, sweep_variant};
use rusqlite::{Connection, Error, OptionalExtension as _, Transaction, params};
use std::collections::BTreeMap;
use std::time::Duration;

/// From how many visits the time of one is made; we chose it: some slices' worth, so that it follows a change of the firmware
/// within a night.
const VISITS: u32 = 99;

/// From how many sweeps the time besides the points is made, as for the duration of scenarios.
const SWEEPS: u32 = 9;

/// A sweep, or a part or slice of one, as it was run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SweepEntry {
    /// Name of the variant, without that of the part or slice.
    pub scenario: String,
    /// SHA-256 of the firmware set: another build has points of its own.
    pub firmware: String,
    /// SHA-256 of the list of flash operations: names of points mean something in it only.
    pub operations: String,
    /// Name of the board.
    pub board: String,
    /// How many points there are altogether; none where the run does not say it.
    pub points: Option<u32>,
    /// How long it took besides its points, in milliseconds; none when it did not end.
    pub overhead_ms: Option<u64>,
    /// The points that were visited.
    pub visits: Vec<VisitEntry>,
}

/// A point that was visited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VisitEntry {
    /// Its name, such as `boot.app-erase.37.before`, or those of several in a row.
    pub cut: String,
    /// Whether the board came to what it must.
    pub good: bool,
    /// When, in milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What is known of a sweep on a rig with one firmware set: of the list of operations that it had last.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SweepSeen {
    /// SHA-256 of the list.
    pub operations: String,
    /// How many points there are altogether, where a run said it.
    pub points: Option<u32>,
    /// All visits, the oldest first, with the board of each.
    pub visits: Vec<(String, VisitEntry)>,
}

/// How long a sweep takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// For one point.
    pub per_point: Duration,
    /// Besides its points: programming, the start without a cut, the steps around it.
    pub besides: Duration,
}

/// A sweep that goes on.
struct Open {
    entry: SweepEntry,
    began: u64,
    points_ms: u64,
}

/// The sweeps of a run that began at `started_ms`.
pub(crate) fn of_events<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    started_ms: i64,
) -> Vec<SweepEntry> {
    let mut done = Vec::new();
    // By the name in the run: when it began and its firmware, and the sweep in it.
    let mut running: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    let mut open: BTreeMap<&str, Open> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::ScenarioStarted(started) => {
                let firmware = started.firmware.as_ref();
                let digest = firmware.map(|set| set.digest.clone()).unwrap_or_default();
                running.insert(&started.scenario, (event.at, digest));
            }
            EventKind::SweepPlanned(plan) => {
                let Some((began, firmware)) = running.get(plan.scenario.as_str()) else {
                    continue;
                };
                let new = Open {
                    entry: SweepEntry {
                        scenario: sweep_variant(&plan.scenario).to_owned(),
                        firmware: firmware.clone(),
                        operations: plan.digest.clone(),
                        board: plan.board.clone(),
                        points: plan.all,
                        overhead_ms: None,
                        visits: Vec::new(),
                    },
                    began: *began,
                    points_ms: 0,
                };
                let before = open.insert(&plan.scenario, new);
                done.extend(before.map(|before| before.entry));
            }
            EventKind::SweepPoint(point) => {
                let Some(sweep) = open.get_mut(point.scenario.as_str()) else {
                    continue;
                };
                sweep.points_ms += point.took_ms;
                // One that was missed was not tested.
                if point.is_good() || point.problem.is_some() {
                    sweep.entry.visits.push(VisitEntry {
                        cut: point.cut.clone(),
                        good: point.problem.is_none(),
                        at_ms: started_ms.saturating_add(signed(event.at)),
                        took_ms: point.took_ms,
                    });
                }
            }
            EventKind::ScenarioFinished { scenario, .. } => {
                running.remove(scenario.as_str());
                if let Some(mut sweep) = open.remove(scenario.as_str()) {
                    let took = event.at.saturating_sub(sweep.began);
                    sweep.entry.overhead_ms = Some(took.saturating_sub(sweep.points_ms));
                    done.push(sweep.entry);
                }
            }
            _ => {}
        }
    }
    // Of a run that was killed.
    done.extend(open.into_values().map(|sweep| sweep.entry));
    done
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn write(
    transaction: &Transaction<'_>,
    run: i64,
    sweeps: &[SweepEntry],
) -> Result<(), Error> {
    let mut sweep = transaction.prepare(
        "INSERT INTO sweeps (run_id, scenario, firmware, operations, board, points, overhead_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut visit = transaction.prepare(
        "INSERT INTO visits (sweep_id, cut, good, at_ms, took_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for one in sweeps {
        sweep.execute(params![
            run,
            one.scenario,
            one.firmware,
            one.operations,
            one.board,
            one.points,
            one.overhead_ms.map(signed),
        ])?;
        let id = transaction.last_insert_rowid();
        for point in &one.visits {
            visit.execute(params![
                id,
                point.cut,
                point.good,
                point.at_ms,
                signed(point.took_ms),
            ])?;
        }
    }
    Ok(())
}

/// What is known of a sweep on a rig with a firmware set; none where it was never run.
pub(crate) fn seen(
    db: &Connection,
    rig: &str,
    scenario: &str,
    firmware: &str,
) -> Result<Option<SweepSeen>, Error> {
    let mut last = db.prepare_cached(
        "SELECT operations FROM sweeps JOIN runs ON runs.id = run_id
         WHERE scenario = ?1 AND sweeps.firmware = ?2 AND rig = ?3 ORDER BY started_ms DESC, sweeps.id DESC LIMIT 1",
    )?;
    let key = params![scenario, firmware, rig];
    let Some(operations) = last
        .query_row(key, |row| row.get::<_, String>(0))
        .optional()?
    else {
        return Ok(None);
    };
    let key = params![scenario, firmware, rig, operations];
    let points = db
        .prepare_cached(
            "SELECT max(points) FROM sweeps JOIN runs ON runs.id = run_id
             WHERE scenario = ?1 AND sweeps.firmware = ?2 AND rig = ?3 AND operations = ?4",
        )?
        .query_row(key, |row| row.get(0))?;
    let mut query = db.prepare_cached(
        "SELECT board, cut, good, at_ms, took_ms FROM visits
         JOIN sweeps ON sweeps.id = sweep_id JOIN runs ON runs.id = run_id
         WHERE scenario = ?1 AND sweeps.firmware = ?2 AND rig = ?3 AND operations = ?4 ORDER BY at_ms, visits.rowid",
    )?;
    let visits = query.query_map(key, |row| {
        let point = VisitEntry {
            cut: row.get(1)?,
            good: row.get(2)?,
            at_ms: row.get(3)?,
            took_ms: row.get(4)?,
        };
        Ok((row.get(0)?, point))
    })?;
    Ok(Some(SweepSeen {
        visits: visits.collect::<Result<_, _>>()?,
        operations,
        points,
    }))
}

/// How long a sweep takes on a rig, whatever the firmware; none where no point of it was visited to its end.
pub(crate) fn pace(db: &Connection, rig: &str, scenario: &str) -> Result<Option<Pace>, Error> {
    let numbers = |sql: &str, limit: u32| -> Result<Option<u64>, Error> {
        let mut query = db.prepare_cached(sql)?;
        let rows = query.query_map(params![scenario, rig, limit], |row| row.get(0))?;
        Ok(median(&rows.collect::<Result<Vec<u64>, _>>()?))
    };
    let per_point = numbers(
        "SELECT took_ms FROM visits JOIN sweeps ON sweeps.id = sweep_id JOIN runs ON runs.id = run_id
         WHERE scenario = ?1 AND rig = ?2 ORDER BY at_ms DESC LIMIT ?3",
        VISITS,
    )?;
    let besides = numbers(
        "SELECT overhead_ms FROM sweeps JOIN runs ON runs.id = run_id
         WHERE scenario = ?1 AND rig = ?2 AND overhead_ms IS NOT NULL ORDER BY started_ms DESC LIMIT ?3",
        SWEEPS,
    )?;
    Ok(per_point.zip(besides).map(|(per_point, besides)| Pace {
        per_point: Duration::from_millis(per_point),
        besides: Duration::from_millis(besides),
    }))
}
