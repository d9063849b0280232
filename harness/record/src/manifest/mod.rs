//! The manifest of a run: the digest of every file in its folder, and of what it was made from.
//!
//! Written when the run has ended and its reports are there. Who signs the manifest's digest has signed every byte of
//! the run; a byte that changes later is found, and in the journal down to the step. By itself it protects from
//! accidents and not from a person who rewrites both.

mod error;
mod files;
mod mismatch;
mod parts;
#[cfg(test)]
mod tests;

pub use error::ManifestError;
pub use files::FileDigest;
pub use mismatch::Mismatch;
pub use parts::JournalPart;

use crate::directory::RunDirectory;
use crate::event::{InputFile, Tool};
use crate::run::RunRecord;
use files::{read, walk};
use parts::parts;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path};

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
}
