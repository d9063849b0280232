//! What is asked of each run as a whole: that it can be believed, is not old, and ran the release's files.

use super::refusal::{Refusal, Rule};
use crate::evidence::Evidence;
use crate::policy::{NamedDigest, SetTerms, Terms};
use hil_record::{FirmwareInfo, InputRole};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// How far ahead the clock of a bench may be, in seconds. We chose it.
const CLOCK_SLACK_S: i64 = 300;

pub(super) fn judge(terms: &Terms, runs: &[Evidence], at: Timestamp) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let (mut seen, mut parts) = (BTreeSet::new(), BTreeSet::new());
    for run in runs {
        let id = &run.record.run;
        if !seen.insert(id) {
            refusals.push(Refusal::new(
                Rule::Evidence,
                format!("run `{id}` is given twice"),
                "give each run once",
            ));
            continue;
        }
        // What was merged counts as the whole, and not once more as a part.
        for part in &run.record.parts {
            if !parts.insert(&part.run) || runs.iter().any(|other| other.record.run == part.run) {
                refusals.push(Refusal::new(
                    Rule::Evidence,
                    format!("run `{}` is given twice: it is a part of `{id}`", part.run),
                    "give either the merged run or its parts",
                ));
            }
        }
        refusals.extend(run.doubts.iter().map(|doubt| {
            Refusal::new(
                Rule::Evidence,
                format!("run `{id}` cannot be believed: {doubt}"),
                "bring its folder back from where it was kept, or run again",
            )
        }));
        refusals.extend(age(terms, run, at));
        refusals.extend(firmware(terms, run));
    }
    for set in &terms.firmware {
        let ran = runs
            .iter()
            .flat_map(sets)
            // Another one of that name is told already.
            .any(|info| info.digest == set.digest.to_string() || info.name == set.name);
        if !ran {
            refusals.push(Refusal::new(
                Rule::Firmware,
                format!(
                    "firmware set `{}` ({}…) ran in none of the runs",
                    set.name,
                    set.digest.short()
                ),
                "run with the files of the release: `dfu-hil run --firmware FILE`",
            ));
        }
    }
    refusals
}

fn sets(run: &Evidence) -> &[FirmwareInfo] {
    &run.record.firmware
}

fn age(terms: &Terms, run: &Evidence, at: Timestamp) -> Option<Refusal> {
    let (id, started) = (&run.record.run, run.record.started);
    let age = at.as_second().saturating_sub(started.as_second());
    if age < -CLOCK_SLACK_S {
        return Some(Refusal::new(
            Rule::Age,
            format!("run `{id}` began on {started}, which is after {at}"),
            "are the clocks of this machine and of the bench right?",
        ));
    }
    if u64::try_from(age).is_ok_and(|age| age > terms.max_age_s) {
        return Some(Refusal::new(
            Rule::Age,
            format!(
                "run `{id}` began on {started} and is {} old, the policy allows {}",
                in_days(age.unsigned_abs()),
                in_days(terms.max_age_s)
            ),
            "run again",
        ));
    }
    None
}

/// `33 days 1 h`.
fn in_days(seconds: u64) -> String {
    let hours = seconds / 3600;
    match (hours / 24, hours % 24) {
        (0, hours) => format!("{hours} h"),
        (days, 0) => format!("{days} days"),
        (days, hours) => format!("{days} days {hours} h"),
    }
}

/// The sets of a run by digest, and their files one by one.
fn firmware(terms: &Terms, run: &Evidence) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let id = &run.record.run;
    for info in sets(run) {
        let named = terms.firmware.iter().find(|set| set.name == info.name);
        let same = terms
            .firmware
            .iter()
            .find(|set| set.digest.to_string() == info.digest);
        match (same, named) {
            (Some(set), _) => refusals.extend(files(set, run)),
            (None, Some(set)) => {
                refusals.push(Refusal::new(
                    Rule::Firmware,
                    format!(
                        "run `{id}` ran other firmware: set `{}` had the digest {}…, the release's has {}…",
                        info.name,
                        info.digest.get(..8).unwrap_or(&info.digest),
                        set.digest.short()
                    ),
                    "run again with the files of the release",
                ));
                refusals.extend(files(set, run));
            }
            (None, None) => refusals.push(Refusal::new(
                Rule::Firmware,
                format!(
                    "run `{id}` ran firmware set `{}`, which is not the release's",
                    info.name
                ),
                "give the runs of the release only, or name the set in the policy's `firmware`",
            )),
        }
    }
    refusals
}

/// Where the files that ran differ from those of the release.
fn files(set: &SetTerms, run: &Evidence) -> Option<Refusal> {
    let id = &run.record.run;
    let digest = sets(run)
        .iter()
        .find(|info| info.name == set.name)
        .map(|info| info.digest.as_str());
    let ran = run.inputs(InputRole::Firmware, digest);
    if ran.is_empty() {
        return Some(Refusal::new(
            Rule::Firmware,
            format!(
                "run `{id}` does not say which files of set `{}` it ran",
                set.name
            ),
            "it was made by an older version: run again",
        ));
    }
    let differs = |file: &&NamedDigest| {
        ran.get(file.name.as_str())
            .is_none_or(|sha256| **sha256 != file.sha256.to_string())
    };
    let file = set.files.iter().find(differs)?;
    let found = match ran.get(file.name.as_str()) {
        Some(sha256) => format!("SHA-256 {}…", sha256.get(..8).unwrap_or(sha256)),
        None => "no such file".to_owned(),
    };
    Some(Refusal::new(
        Rule::Firmware,
        format!(
            "file `{}` of set `{}` is another one than ran: the release has SHA-256 {}…, run `{id}` had {found}",
            file.name,
            set.name,
            file.sha256.short()
        ),
        "was the release built again? run its files",
    ))
}
