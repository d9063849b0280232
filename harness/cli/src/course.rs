//! How a run goes about its scenarios: how long each will take, which part of them it has, what is left of a run that was
//! stopped.

use crate::args::ShardArg;
use crate::error::CliError;
use hil_history::{History, HistoryError};
use hil_record::{
    ErrorKind, InputFile, Journal, JournalContents, JournalError, Outcome, RunRecord, Shard,
    SkipKind, slice_of,
};
use hil_runner::{Resumed, error_chain};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long variants will probably take, as far as the history knows. A history that cannot be read costs the order, and
/// not the run.
pub(crate) fn expected<'a>(
    history: &Path,
    rig: &str,
    names: impl Iterator<Item = &'a str>,
) -> BTreeMap<String, Duration> {
    let known = History::read(history).and_then(|history| {
        let mut known = BTreeMap::new();
        for name in names {
            if let Some(duration) = history.expected_duration(name, rig, None)? {
                known.insert(name.to_owned(), duration);
            }
        }
        Ok(known)
    });
    known.unwrap_or_else(|error| {
        unknown_history("how long scenarios take", &error);
        BTreeMap::new()
    })
}

/// Warns that a history cannot be read, and what is not known because of it. One that is not there is no trouble.
pub(crate) fn unknown_history(what: &str, error: &HistoryError) {
    if !matches!(error, HistoryError::Missing { .. }) {
        eprintln!(
            "warning: nothing is known of {what}: {}",
            error_chain(error)
        );
    }
}

/// Which variants a part has, and what is recorded of the cut. The longest are dealt out first, each to the part that has
/// the least so far; one of which nothing is known counts as much as the middle of the others.
pub(crate) fn cut(
    names: &[&str],
    expected: &BTreeMap<String, Duration>,
    part: ShardArg,
) -> (BTreeSet<String>, Shard) {
    let known: Vec<u64> = expected.values().map(|one| millis(*one)).collect();
    let usual = hil_history::median(&known).unwrap_or(1).max(1);
    let mut jobs: Vec<(u64, &str)> = names
        .iter()
        .map(|&name| (expected.get(name).map_or(usual, |one| millis(*one)), name))
        .collect();
    jobs.sort_unstable_by_key(|&(duration, name)| (Reverse(duration), name));
    let mut loads: Vec<u64> = vec![0; part.count as usize];
    let mut parts: BTreeMap<&str, u32> = BTreeMap::new();
    for (duration, name) in jobs {
        let least = (1..).zip(&mut loads).min_by_key(|(_, load)| **load);
        if let Some((index, load)) = least {
            // A variant that takes no time is something to do all the same.
            *load += duration.max(1);
            parts.insert(name, index);
        }
    }
    let mut hash = Sha256::new();
    for (name, index) in &parts {
        hash.update(format!("{index}/{} {name}\n", part.count));
    }
    let shard = Shard {
        index: part.index,
        count: part.count,
        variants: names.len() as u64,
        cut: hex::encode(hash.finalize()),
    };
    let own = parts
        .into_iter()
        .filter(|(_, index)| *index == part.index)
        .map(|(name, _)| name.to_owned())
        .collect();
    (own, shard)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A run that goes on.
pub(crate) struct Unfinished {
    pub(crate) journal: Journal,
    pub(crate) contents: JournalContents,
    pub(crate) record: RunRecord,
    /// Variants that had no turn, or whose turn was interrupted.
    pub(crate) left: BTreeSet<String>,
}

/// The folder that somebody means who names a run: itself, or the id of one among the reports.
pub(crate) fn folder_of(run: &Path, reports: &Path) -> PathBuf {
    if run.is_dir() {
        run.to_owned()
    } else {
        reports.join("runs").join(run)
    }
}

impl Unfinished {
    /// Opens the journal of a run that was stopped or killed.
    pub(crate) fn open(journal: &Path) -> Result<Self, CliError> {
        let (journal, contents) = Journal::go_on(journal).map_err(|error| {
            let help = match &error {
                JournalError::InUse { .. } => "wait until it has ended",
                JournalError::Read { .. } => {
                    "give the id of a run, such as 20260802T101530Z-01, or its folder"
                }
                _ => "a copy of the run's folder may have it undamaged",
            };
            CliError::usage(error_chain(&error)).with_help(Some(help))
        })?;
        let record = RunRecord::from_events(&contents.events).map_err(|error| {
            CliError::usage(error_chain(&error))
                .with_help(Some("nothing of the run was done: run again"))
        })?;
        let left = left_of(&record);
        if left.is_empty() {
            return Err(CliError::usage(format_args!(
                "nothing is left of run `{}`: all its scenarios had their turn",
                record.run
            )));
        }
        Ok(Self {
            journal,
            contents,
            record,
            left,
        })
    }

    /// Whether a variant, or a part of its sweep (`name#1/4`), is left.
    pub(crate) fn has_left(&self, name: &str) -> bool {
        let part_of = |left: &String| {
            left.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('#'))
        };
        self.left.contains(name) || self.left.iter().any(part_of)
    }

    /// Where it goes on, when that is now. Never before its last event, whatever the clock says.
    pub(crate) fn goes_on(&self, now: Timestamp) -> Resumed {
        let since = now.duration_since(self.record.started).as_millis();
        Resumed {
            events: self.contents.events.len() as u64,
            at_ms: u64::try_from(since)
                .unwrap_or_default()
                .max(self.record.duration_ms),
        }
    }

    /// Refuses to go on with other things than the run began with.
    pub(crate) fn same(&self, inputs: &[InputFile], jobs: &[&str]) -> Result<(), CliError> {
        let run = &self.record.run;
        if self.record.inputs.is_empty() {
            return Err(CliError::usage(format_args!(
                "run `{run}` cannot go on: it ended before it had written down which files it is made from"
            ))
            .with_help(Some("nothing of it was done: run again")));
        }
        let other = inputs
            .iter()
            .find(|input| !self.record.inputs.contains(input));
        if let Some(other) = other {
            return Err(CliError::usage(format_args!(
                "run `{run}` cannot go on: {} `{}` is not the one that it began with",
                role(other),
                other.name
            ))
            .with_help(Some(
                "bring it back, or begin a new run: what was shown with other files is another run",
            )));
        }
        let missing = self.left.iter().find(|name| !jobs.contains(&name.as_str()));
        if let Some(missing) = missing {
            return Err(CliError::usage(format_args!(
                "run `{run}` cannot go on: its scenario `{missing}` is not among those selected"
            ))
            .with_help(Some("give the same scenarios as before")));
        }
        Ok(())
    }
}

fn role(input: &InputFile) -> &'static str {
    use hil_record::InputRole::{Firmware, Rig, Scenario, ToolLock};
    match input.role {
        Scenario => "scenario file",
        Rig => "rig file",
        Firmware => "firmware file",
        ToolLock => "this version of dfu-hil, built with",
        _ => "file",
    }
}

/// What had no turn, or was interrupted. What the bench could not do stays as it is: going on is no retry.
fn left_of(record: &RunRecord) -> BTreeSet<String> {
    let is_left = |outcome: &Outcome| match outcome {
        Outcome::Pass | Outcome::Fail { .. } => false,
        Outcome::Error { kind, .. } => *kind == ErrorKind::Interrupted,
        Outcome::Skip { kind, .. } => matches!(kind, SkipKind::NotReached | SkipKind::Blocked),
    };
    record
        .scenarios
        .iter()
        // A slice of a night is chosen anew by the next night.
        .filter(|scenario| is_left(&scenario.outcome) && slice_of(&scenario.name).is_none())
        .map(|scenario| scenario.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(known: &[(&str, u64)]) -> BTreeMap<String, Duration> {
        known
            .iter()
            .map(|(name, seconds)| ((*name).to_owned(), Duration::from_secs(*seconds)))
            .collect()
    }

    fn parts(names: &[&str], known: &[(&str, u64)], count: u32) -> Vec<Vec<String>> {
        (1..=count)
            .map(|index| cut(names, &seconds(known), ShardArg { index, count }).0)
            .map(|part| part.into_iter().collect())
            .collect()
    }

    #[test]
    fn parts_take_about_as_long() {
        let known = [("a", 100), ("b", 60), ("c", 50), ("d", 10)];
        assert_eq!(
            parts(&["a", "b", "c", "d"], &known, 2),
            [vec!["a", "d"], vec!["b", "c"]]
        );
    }

    #[test]
    fn without_a_history_parts_have_about_as_many() {
        assert_eq!(
            parts(&["a", "b", "c", "d", "e"], &[], 2),
            [vec!["a", "c", "e"], vec!["b", "d"]]
        );
    }

    #[test]
    fn every_variant_is_in_one_part_and_the_cut_is_told_from_another() {
        let names: Vec<String> = (0..50).map(|number| format!("scenario-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = parts(&names, &[("scenario-7", 900)], 7);
        let mut together: Vec<&String> = all.iter().flatten().collect();
        together.sort();
        together.dedup();
        assert_eq!(together.len(), 50);
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 50);
        let part = ShardArg { index: 1, count: 7 };
        let digest = |known: &[(&str, u64)]| cut(&names, &seconds(known), part).1.cut;
        assert_eq!(digest(&[]), digest(&[]));
        assert_ne!(
            digest(&[]),
            digest(&[("scenario-7", 900), ("scenario-8", 5)])
        );
    }
}
