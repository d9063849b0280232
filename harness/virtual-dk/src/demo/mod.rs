//! The demo firmware set: model firmware to run scenarios on, made from nothing but a variant.
//!
//! Every image is what the SDK would build for the same purpose (header, TLVs, signature, network core metadata, Intel
//! HEX of the merged build), with a model binary (see [`model`](crate::model)) where the code would be. The same
//! variant always gives the same bytes: keys and content keys come from fixed seeds, so they protect nothing.

pub mod hex_file;
mod keys;
mod layout;
mod maker;
mod manifest;
mod metadata;
mod releases;
#[cfg(test)]
mod tests;
mod variant;

pub use variant::{UnknownVariant, Variant};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A firmware set in memory: file contents by path relative to the set's folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoSet {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// What a programmer puts on a board for the baseline, application core first.
const BASELINE_FILES: [&str; 2] = ["baseline/merged.hex", "baseline/merged_CPUNET.hex"];

/// The name of the file that describes the set.
pub const FIRMWARE_FILE: &str = "firmware.yaml";

impl DemoSet {
    /// Makes the set. The same variant gives the same bytes.
    pub fn generate(variant: Variant) -> Self {
        let keys = keys::Keys::of(variant);
        let releases = releases::all(variant, &keys);
        let mut files = BTreeMap::new();
        files.insert(
            PathBuf::from(FIRMWARE_FILE),
            manifest::render(variant, &releases).into_bytes(),
        );
        files.extend(keys.files());
        files.extend(releases.into_iter().flat_map(releases::Release::into_files));
        Self { files }
    }

    /// The files, in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }

    /// The contents of one file.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.files.get(path.as_ref()).map(Vec::as_slice)
    }

    /// The HEX files of the baseline as text, application core first: what a programmer puts on a board.
    pub(crate) fn baseline(&self) -> impl Iterator<Item = (&Path, &str)> {
        BASELINE_FILES.into_iter().filter_map(|path| {
            let text = std::str::from_utf8(self.file(path)?).ok()?;
            Some((Path::new(path), text))
        })
    }

    /// Writes the set into a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), DemoError> {
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            let written = match path.parent() {
                Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(&path, bytes)),
                None => fs::write(&path, bytes),
            };
            written.map_err(|source| DemoError { path, source })?;
        }
        Ok(())
    }
}

/// Writes the demo firmware set of a variant into `folder` and returns the path of its firmware file.
///
/// # Errors
///
/// When the folder or a file cannot be written.
pub fn write_firmware_set(folder: &Path, variant: Variant) -> Result<PathBuf, DemoError> {
    DemoSet::generate(variant).write(folder)?;
    Ok(folder.join(FIRMWARE_FILE))
}

/// A file of the demo firmware set could not be written.
#[derive(Debug, thiserror::Error)]
#[error("demo firmware file `{}` cannot be written", path.display())]
pub struct DemoError {
    /// The file.
    path: PathBuf,
    /// Why.
    #[source]
    source: io::Error,
}
