//! What the history knows that a night is planned by: how its scenarios ended last, and which points of sweeps were tested.

use crate::course::unknown_history;
use hil_history::{History, HistoryError, LastResult};
use hil_runner::{
    Choice, Firmware, Job, Ledger, NightLimits, NightRequest, Pace, PointVisit, SweepKey,
    SweepKnown,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a night does beyond its library. `sweeps` are the scenarios of the selection that have one, `names` all variants. A
/// history that cannot be read costs the choice, and not the night.
pub(crate) fn request<'a>(
    history: &Path,
    rig: &str,
    budget: Duration,
    limits: NightLimits,
    sweeps: Vec<Job>,
    names: impl Iterator<Item = &'a str> + Clone,
) -> NightRequest {
    let known = History::read(history).and_then(|history| {
        let urgent = urgent(&history, rig, names.clone())?;
        Ok((ledger(&history, rig, limits, &sweeps)?, urgent))
    });
    let (ledger, urgent) = known.unwrap_or_else(|error| {
        unknown_history("which points of sweeps were tested", &error);
        (Ledger::new(limits), names.map(str::to_owned).collect())
    });
    NightRequest {
        budget,
        sweeps,
        ledger,
        urgent,
    }
}

/// The variants in the order in which they are run where there is no time for all.
fn urgent<'a>(
    history: &History,
    rig: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, HistoryError> {
    let mut known = Vec::new();
    for name in names {
        known.push((need(history.last_result(name, rig)?), name));
    }
    known.sort_by_key(|(need, _)| *need);
    Ok(known.into_iter().map(|(_, name)| name.to_owned()).collect())
}

/// How much a scenario needs a turn; the least first: what did not pass last time, what never had a turn, and what had none for
/// the longest time.
const fn need(last: Option<LastResult>) -> (u8, i64) {
    match last {
        Some(last) if !last.passed => (0, last.started_ms),
        None => (1, 0),
        Some(last) => (2, last.started_ms),
    }
}

fn ledger(
    history: &History,
    rig: &str,
    limits: NightLimits,
    sweeps: &[Job],
) -> Result<Ledger, HistoryError> {
    let mut ledger = Ledger::new(limits);
    for job in sweeps {
        let scenario = &job.variant.name;
        let pace = history.pace(scenario, rig)?.map(|pace| Pace {
            per_point: pace.per_point,
            besides: pace.besides,
        });
        for firmware in sets(job) {
            let key = SweepKey {
                scenario: scenario.clone(),
                firmware: firmware.set().digest_hex(),
            };
            let seen = history.sweep(scenario, rig, &key.firmware)?;
            let known = seen.map(|seen| SweepKnown {
                operations: seen.operations,
                points: seen.points,
                visits: seen
                    .visits
                    .into_iter()
                    .map(|(board, visit)| PointVisit {
                        cut: visit.cut,
                        board,
                        good: visit.good,
                        at_ms: visit.at_ms,
                    })
                    .collect(),
            });
            ledger.remember(key, known, pace);
        }
    }
    Ok(ledger)
}

fn sets(job: &Job) -> &[Arc<Firmware>] {
    match &job.firmware {
        Choice::Sets(sets) => sets,
        Choice::Nothing(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_pass_goes_before_what_is_new_and_that_before_what_is_old() {
        let last = |passed, started_ms| Some(LastResult { passed, started_ms });
        let mut all = [
            ("passed yesterday", last(true, 9)),
            ("new", None),
            ("passed last week", last(true, 3)),
            ("failed yesterday", last(false, 9)),
            ("failed last week", last(false, 3)),
        ];
        all.sort_by_key(|(_, last)| need(*last));
        assert_eq!(
            all.map(|(name, _)| name),
            [
                "failed last week",
                "failed yesterday",
                "new",
                "passed last week",
                "passed yesterday"
            ]
        );
    }
}
