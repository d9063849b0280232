//! The files in the folder of a run, and their digests.

use super::{MANIFEST, ManifestError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::path::Path;

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

pub(super) fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    std::fs::read(path).map_err(|source| ManifestError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Length and SHA-256 of a file.
pub(super) fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut file, &mut hash)?;
    Ok((bytes, hex::encode(hash.finalize())))
}

/// The regular files in `folder`, which is at `prefix` of the folder of the run.
pub(super) fn walk(
    folder: &Path,
    prefix: &str,
    files: &mut Vec<FileDigest>,
) -> Result<(), ManifestError> {
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
