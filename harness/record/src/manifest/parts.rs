//! The journal in parts that end where something begins or ends: a byte that has changed is found down to the step.

use crate::course::Course;
use crate::event::{Event, EventKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Lines of the journal up to one that begins or ends a step, a scenario or the run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JournalPart {
    /// The last line, from 1. The first is the one behind the part before.
    pub to_line: u64,
    /// What ends with that line, in words.
    pub what: String,
    /// SHA-256 of its lines with their ends, as hex digits.
    pub sha256: String,
}

/// Cuts a journal behind each line that begins or ends something.
pub(super) fn parts(journal: &[u8]) -> Vec<JournalPart> {
    let mut parts = Vec::new();
    let mut hash = Sha256::new();
    let mut open = false;
    let mut line_number = 0;
    for line in journal.split_inclusive(|&byte| byte == b'\n') {
        line_number += 1;
        hash.update(line);
        open = true;
        let ended = serde_json::from_slice::<Event>(line)
            .ok()
            .and_then(|event| boundary(&event.kind));
        if let Some(what) = ended {
            parts.push(JournalPart {
                to_line: line_number,
                what,
                sha256: hex::encode(hash.finalize_reset()),
            });
            open = false;
        }
    }
    if open {
        parts.push(JournalPart {
            to_line: line_number,
            what: "behind the last step".to_owned(),
            sha256: hex::encode(hash.finalize()),
        });
    }
    parts
}

/// What begins or ends with an event, in words.
fn boundary(event: &EventKind) -> Option<String> {
    Some(match event {
        EventKind::RunStarted(_) => "the start of the run".to_owned(),
        EventKind::Inputs { .. } => "the inputs of the run".to_owned(),
        EventKind::RunFinished { .. } => "up to the end of the run".to_owned(),
        EventKind::ScenarioStarted(started) => {
            format!("up to the start of scenario `{}`", started.scenario)
        }
        EventKind::Course(Course::Again(again)) => {
            format!("scenario `{}` is tried again", again.scenario)
        }
        EventKind::Course(Course::Resumed(_)) => "up to where the run went on".to_owned(),
        EventKind::ScenarioFinished { scenario, .. } => {
            format!("up to the end of scenario `{scenario}`")
        }
        EventKind::StepStarted { scenario, step } => format!(
            "up to the start of step {} `{}` of scenario `{scenario}`",
            step.number, step.name
        ),
        EventKind::StepFinished {
            scenario, number, ..
        } => format!("step {number} of scenario `{scenario}`"),
        _ => return None,
    })
}

/// Where the journal differs first.
pub(super) fn changed_part(parts: &[JournalPart], journal: &[u8]) -> Option<String> {
    let mut lines = journal.split_inclusive(|&byte| byte == b'\n');
    let mut from: u64 = 1;
    for part in parts {
        let mut hash = Sha256::new();
        let count = part.to_line.saturating_add(1).saturating_sub(from);
        // The manifest may say any number: lines that are not there end it.
        for line in lines
            .by_ref()
            .take(usize::try_from(count).unwrap_or(usize::MAX))
        {
            hash.update(line);
        }
        if hex::encode(hash.finalize()) != part.sha256 {
            return Some(if from == part.to_line {
                format!("in line {from}: {}", part.what)
            } else {
                format!("in lines {from} to {}: {}", part.to_line, part.what)
            });
        }
        from = part.to_line.saturating_add(1);
    }
    None
}
