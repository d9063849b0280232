//! What of a run is not as its manifest says, and what that is: a part of the journal, an input, what a step looked at.

use super::files::{hash, read};
use super::parts::changed_part;
use super::{JOURNAL, Manifest};
use crate::directory::RunDirectory;
use crate::event::{EventKind, StepInfo};
use crate::journal::read_journal;
use crate::objects::Objects;
use crate::proof::{BoardDone, Done};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

/// A file that is not as the manifest says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mismatch {
    /// Its path in the folder of the run.
    pub path: String,
    /// What is wrong with it, as a fragment such as `is missing`.
    pub what: String,
    /// Where in the journal it is: the first part that has changed; of an object, the step that looked at it first.
    pub place: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.what)?;
        match &self.place {
            Some(place) => write!(f, ", {place}"),
            None => Ok(()),
        }
    }
}

impl Manifest {
    /// Every file that is not as it was when the manifest was written. Files that were added since are nobody's
    /// evidence, and are left alone.
    #[must_use]
    pub fn mismatches(&self, directory: &RunDirectory) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let known: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        if !known.contains(JOURNAL) {
            found.push(Mismatch {
                path: JOURNAL.to_owned(),
                what: "is not in the manifest".to_owned(),
                place: None,
            });
        }
        for file in &self.files {
            let path = directory.path().join(&file.path);
            let what = match std::fs::symlink_metadata(&path) {
                Ok(metadata) if !metadata.is_file() => "is no regular file".to_owned(),
                Ok(_) => match hash(&path) {
                    Ok((_, sha256)) if sha256 == file.sha256 => continue,
                    Ok((bytes, _)) if bytes != file.bytes => {
                        format!("has {bytes} bytes, the manifest says {}", file.bytes)
                    }
                    Ok(_) => "has changed since the run ended".to_owned(),
                    Err(error) => format!("cannot be read: {error}"),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
                Err(error) => format!("cannot be read: {error}"),
            };
            let place = if file.path == JOURNAL {
                read(&path)
                    .ok()
                    .and_then(|journal| changed_part(&self.journal, &journal))
            } else {
                Objects::digest_at(&file.path).and_then(|digest| self.first_use(directory, &digest))
            };
            found.push(Mismatch {
                path: file.path.clone(),
                what,
                place,
            });
        }
        found
    }

    /// What an object of the evidence store is: which input, or what the first step that looked at it did.
    fn first_use(&self, directory: &RunDirectory, digest: &str) -> Option<String> {
        if let Some(input) = self.inputs.iter().find(|input| input.sha256 == digest) {
            return Some(format!(
                "it is `{}`, which the run was made from",
                input.name
            ));
        }
        let events = read_journal(&directory.journal()).ok()?.events;
        let mut steps: BTreeMap<&str, &StepInfo> = BTreeMap::new();
        for event in &events {
            match &event.kind {
                EventKind::StepStarted { scenario, step } => {
                    steps.insert(scenario, step);
                }
                EventKind::Checked(made) if made.check.objects().contains(&digest) => {
                    let name = steps
                        .get(made.scenario.as_str())
                        .map_or("", |step| step.name.as_str());
                    return Some(format!(
                        "in step {} `{name}` of scenario `{}`: {}",
                        made.step,
                        made.scenario,
                        made.check.what()
                    ));
                }
                EventKind::Done(BoardDone {
                    board,
                    what: Done::Sent { image, sha256, .. },
                }) if sha256 == digest => {
                    return Some(format!(
                        "it is what was sent as `{image}` to board `{board}`"
                    ));
                }
                _ => {}
            }
        }
        None
    }
}
