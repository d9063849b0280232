//! The manifest of a run: the digest of every file in its folder, and of what it was made from.
//!
//! Written when the run has ended and its reports are there. Who signs the manifest's digest has signed every byte of
//! the run; a byte that changes later is found, and in the journal down to the step. By itself it protects from
//! accidents and not from a person who rewrites both.

use crate::course::Course;
use crate::directory::RunDirectory;
use crate::event::{Event, EventKind, InputFile, StepInfo, Tool};
use crate::journal::read_journal;
use crate::objects::Objects;
use crate::proof::{BoardDone, Done};
use crate::run::RunRecord;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

/// The version of the format that is written.
const VERSION: u32 = 1;

/// The name of the manifest in the folder of the run, and that of the journal.
const MANIFEST: &str = "manifest.json";
const JOURNAL: &str = "journal.jsonl";

/// The largest manifest that is read, in bytes (ours): a night's run has a part of the journal for every step of every
/// scenario, some 200 bytes each.
const MAX_MANIFEST: u64 = 256 * 1024 * 1024;

/// The digests of a run: the contents of `manifest.json`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    /// Version of the format.
    manifest: u32,
    /// Identifier of the run.
    pub run: String,
    /// What ran it.
    pub tool: Tool,
    /// What it was made from.
    pub inputs: Vec<InputFile>,
    /// Every file in the folder of the run but the manifest, by path.
    pub files: Vec<FileDigest>,
    /// The journal in parts, which tell where in it a byte has changed.
    pub journal: Vec<JournalPart>,
}

/// A file in the folder of a run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileDigest {
    /// Its path in the folder, with `/` between names.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 as hex digits.
    pub sha256: String,
}

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

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The run has none.
    #[error("run `{run}` has no manifest in `{path}`")]
    Missing {
        /// Identifier of the run.
        run: String,
        /// The folder of the run.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("`{path}` cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The file is no manifest.
    #[error("`{path}` is no manifest of a run: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ManifestError {
    /// What to try.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some(
                "it is written when a run ends: was the run killed, or made by an older version? run it again",
            ),
            Self::Io { .. } => None,
            Self::Damaged { .. } => {
                Some("bring the folder of the run back from where it was kept, or run again")
            }
        }
    }
}

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
    /// Reads every file of the run that `record` is of.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn of(directory: &RunDirectory, record: &RunRecord) -> Result<Self, ManifestError> {
        let mut files = Vec::new();
        walk(directory.path(), "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let journal = read(&directory.journal())?;
        Ok(Self {
            manifest: VERSION,
            run: record.run.clone(),
            tool: record.tool.clone(),
            inputs: record.inputs.clone(),
            files,
            journal: parts(&journal),
        })
    }

    /// The bytes of `manifest.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("a manifest has text keys only, and nothing else can fail in memory");
        text.push('\n');
        text
    }

    /// Writes it into the folder of the run.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, directory: &RunDirectory) -> Result<(), ManifestError> {
        let path = directory.manifest();
        std::fs::write(&path, self.to_json()).map_err(|source| ManifestError::Io { path, source })
    }

    /// Reads the manifest of a run, and the digest of its file.
    ///
    /// # Errors
    ///
    /// There is none, or the file is none.
    pub fn read(directory: &RunDirectory) -> Result<(Self, [u8; 32]), ManifestError> {
        let path = directory.manifest();
        let damaged = |reason: String| ManifestError::Damaged {
            path: path.clone(),
            reason,
        };
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_MANIFEST + 1).read_to_end(&mut bytes))
        {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ManifestError::Missing {
                    run: directory.id().to_owned(),
                    path: directory.path().to_owned(),
                });
            }
            Err(source) => return Err(ManifestError::Io { path, source }),
        }
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(damaged(format!("it has more than {MAX_MANIFEST} bytes")));
        }
        let manifest = Self::parse(&bytes).map_err(damaged)?;
        Ok((manifest, Sha256::digest(&bytes).into()))
    }

    /// Reads the bytes of `manifest.json`.
    ///
    /// # Errors
    ///
    /// They are none; why not, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.manifest != VERSION {
            return Err(format!(
                "its version is {}, expected {VERSION}",
                manifest.manifest
            ));
        }
        let stays = |file: &FileDigest| {
            !file.path.is_empty()
                && Path::new(&file.path)
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)))
        };
        if let Some(outside) = manifest.files.iter().find(|file| !stays(file)) {
            return Err(format!(
                "file `{}` does not lie in the folder of the run",
                outside.path
            ));
        }
        Ok(manifest)
    }

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
                    .and_then(|journal| self.changed_part(&journal))
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

    /// Where the journal differs first.
    fn changed_part(&self, journal: &[u8]) -> Option<String> {
        let mut lines = journal.split_inclusive(|&byte| byte == b'\n');
        let mut from: u64 = 1;
        for part in &self.journal {
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
}

fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    std::fs::read(path).map_err(|source| ManifestError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Length and SHA-256 of a file.
fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut file, &mut hash)?;
    Ok((bytes, hex::encode(hash.finalize())))
}

/// The regular files in `folder`, which is at `prefix` of the folder of the run.
fn walk(folder: &Path, prefix: &str, files: &mut Vec<FileDigest>) -> Result<(), ManifestError> {
    let cannot = |path: &Path| {
        let path = path.to_owned();
        |source| ManifestError::Io { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(cannot(folder))? {
        let entry = entry.map_err(cannot(folder))?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(cannot(&path))?;
        if kind.is_dir() {
            walk(&path, &format!("{name}/"), files)?;
        } else if kind.is_file() && name != MANIFEST {
            let (bytes, sha256) = hash(&path).map_err(cannot(&path))?;
            files.push(FileDigest {
                path: name,
                bytes,
                sha256,
            });
        }
    }
    Ok(())
}

/// Cuts a journal behind each line that begins or ends something.
fn parts(journal: &[u8]) -> Vec<JournalPart> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, read_journal};
    use crate::outcome::Outcome;
    use std::time::SystemTime;

    fn run(root: &Path) -> (RunDirectory, Manifest) {
        let directory = RunDirectory::create(root, SystemTime::UNIX_EPOCH).unwrap();
        let mut journal = Journal::create(&directory.journal()).unwrap();
        let start = serde_json::json!({
            "seq": 0, "at": 0, "type": "run-started", "run": directory.id(), "started": "2026-08-02T10:15:30Z",
            "tool": { "name": "dfu-hil", "version": "0.1.0" },
            "rig": { "name": "virtual", "boards": [] },
            "firmware": { "name": "demo", "digest": "ab" },
            "planned": ["app-update"],
        });
        let start: Event = serde_json::from_value(start).unwrap();
        let step = StepInfo {
            number: 1,
            name: "program".to_owned(),
            text: "program baseline".to_owned(),
            line: Some(4),
        };
        let scenario = || "app-update".to_owned();
        let kinds = [
            start.kind,
            EventKind::StepStarted {
                scenario: scenario(),
                step,
            },
            EventKind::Note {
                board: None,
                text: "slow".to_owned(),
            },
            EventKind::StepFinished {
                scenario: scenario(),
                number: 1,
                outcome: Outcome::Pass,
                evidence: Vec::new(),
            },
            EventKind::RunFinished { stopped: false },
        ];
        for (seq, kind) in (0..).zip(kinds) {
            journal.append(&Event { seq, at: seq, kind }).unwrap();
        }
        std::fs::write(directory.path().join("console/dk-app.log"), "booting\n").unwrap();
        let events = read_journal(&directory.journal()).unwrap().events;
        let record = RunRecord::from_events(&events).unwrap();
        let manifest = Manifest::of(&directory, &record).unwrap();
        manifest.write(&directory).unwrap();
        (directory, manifest)
    }

    fn found(directory: &RunDirectory) -> Vec<String> {
        let (manifest, _) = Manifest::read(directory).unwrap();
        let mismatches = manifest.mismatches(directory);
        mismatches.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_run_that_nobody_touched_agrees_with_its_manifest() {
        let root = tempfile::tempdir().unwrap();
        let (directory, manifest) = run(root.path());
        assert_eq!(Manifest::read(&directory).unwrap().0, manifest);
        assert_eq!(found(&directory), Vec::<String>::new());
        let paths: Vec<_> = manifest
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(paths, ["console/dk-app.log", "journal.jsonl"]);
    }

    #[test]
    fn a_changed_byte_of_the_journal_is_found_with_its_step() {
        let root = tempfile::tempdir().unwrap();
        let (directory, _) = run(root.path());
        let text = std::fs::read_to_string(directory.journal()).unwrap();
        std::fs::write(directory.journal(), text.replace("slow", "fast")).unwrap();
        assert_eq!(
            found(&directory),
            [
                "`journal.jsonl` has changed since the run ended, in lines 4 to 5: step 1 of scenario `app-update`"
            ]
        );
    }

    #[test]
    fn a_changed_object_is_named_with_what_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (directory, mut manifest) = run(root.path());
        let objects = Objects::of_run(directory.path());
        let digest = objects.put(b"scenario: app-update").unwrap();
        manifest.inputs.push(InputFile {
            role: crate::event::InputRole::Scenario,
            name: "scenarios/app-update.yaml".to_owned(),
            sha256: digest.clone(),
            set: None,
        });
        let path = Objects::path_of(&digest).unwrap();
        manifest.files.push(FileDigest {
            path: path.clone(),
            bytes: 20,
            sha256: digest,
        });
        manifest.write(&directory).unwrap();
        std::fs::write(directory.path().join(&path), "scenario: app-xpdate").unwrap();
        assert_eq!(
            found(&directory),
            [format!(
                "`{path}` has changed since the run ended, it is `scenarios/app-update.yaml`, which the run was made from"
            )]
        );
    }

    #[test]
    fn a_missing_and_a_longer_file_are_named() {
        let root = tempfile::tempdir().unwrap();
        let (directory, _) = run(root.path());
        std::fs::write(
            directory.path().join("console/dk-app.log"),
            "booting twice\n",
        )
        .unwrap();
        std::fs::remove_file(directory.journal()).unwrap();
        assert_eq!(
            found(&directory),
            [
                "`console/dk-app.log` has 14 bytes, the manifest says 8",
                "`journal.jsonl` is missing"
            ]
        );
    }

    #[test]
    fn a_manifest_with_absurd_line_numbers_is_read_to_its_end() {
        let root = tempfile::tempdir().unwrap();
        let (directory, mut manifest) = run(root.path());
        manifest.journal[0].to_line = u64::MAX;
        manifest.files[1].sha256 = String::new();
        manifest.write(&directory).unwrap();
        let found = found(&directory);
        assert!(
            found[0].contains("in lines 1 to 18446744073709551615"),
            "{found:?}"
        );
    }

    #[test]
    fn a_manifest_that_names_a_file_elsewhere_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (directory, mut manifest) = run(root.path());
        manifest.files[0].path = "../secret".to_owned();
        manifest.write(&directory).unwrap();
        let error = Manifest::read(&directory).unwrap_err().to_string();
        assert!(
            error.ends_with("file `../secret` does not lie in the folder of the run"),
            "{error}"
        );
    }

    #[test]
    fn a_run_that_did_not_end_has_no_manifest() {
        let root = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(root.path(), SystemTime::UNIX_EPOCH).unwrap();
        let error = Manifest::read(&directory).unwrap_err();
        assert!(matches!(error, ManifestError::Missing { .. }), "{error}");
        assert!(error.help().is_some());
    }
}
