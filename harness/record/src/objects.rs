//! The evidence store: bytes by their SHA-256, each once, in the folder of the run.
//!
//! ```text
//! objects/9f/86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! ```
//!
//! A file's path is its digest, so `sha256sum` alone tells whether it is what it was. Pages of flash, images as they were
//! sent, scenario files and files of firmware sets are kept; keys and decrypted payloads never come here, which is for the
//! caller to see to.

use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest object that is read, in bytes (ours): twice the largest file of a firmware set.
const MAX_OBJECT: u64 = 64 * 1024 * 1024;

/// A store of bytes by digest. Threads may share it.
#[derive(Debug)]
pub struct Objects {
    root: PathBuf,
    /// Makes names of files that are being written unique.
    writing: AtomicU64,
}

/// Why an object could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// What stands there names no object.
    #[error("`{0}` is no SHA-256, expected 64 hexadecimal digits")]
    NoDigest(String),
    /// It is not in the store.
    #[error("object `{path}` is missing")]
    Missing {
        /// Where it would be, in the folder of the run.
        path: String,
    },
    /// Its bytes are not those of its name.
    #[error("object `{path}` has changed: its SHA-256 is {found}")]
    Changed {
        /// Where it is, in the folder of the run.
        path: String,
        /// The digest of what is there, as hex digits.
        found: String,
    },
    /// The file system refuses.
    #[error("object `{path}` cannot be used")]
    Io {
        /// Where it is, in the folder of the run.
        path: String,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
}

impl Objects {
    /// The folder of the store in the folder of a run.
    pub const FOLDER: &'static str = "objects";

    /// The store of the run in `run`. Nothing is made before something is put in.
    #[must_use]
    pub fn of_run(run: &Path) -> Self {
        Self {
            root: run.join(Self::FOLDER),
            writing: AtomicU64::new(0),
        }
    }

    /// Where an object is in the folder of a run, with `/` between names; `None` for what is no digest.
    #[must_use]
    pub fn path_of(sha256: &str) -> Option<String> {
        let is_digest = sha256.len() == 64
            && sha256
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_digest.then(|| format!("{}/{}/{}", Self::FOLDER, &sha256[..2], &sha256[2..]))
    }

    /// The digest of the object at a path in the folder of a run.
    #[must_use]
    pub fn digest_at(path: &str) -> Option<String> {
        let rest = path.strip_prefix(Self::FOLDER)?.strip_prefix('/')?;
        let digest = rest.replace('/', "");
        (Self::path_of(&digest).as_deref() == Some(path)).then_some(digest)
    }

    /// Puts bytes in, unless they are there; their SHA-256 as hex digits. A file appears whole or not at all.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let digest = hex::encode(Sha256::digest(bytes));
        let folder = self.root.join(&digest[..2]);
        let path = folder.join(&digest[2..]);
        if path.is_file() {
            return Ok(digest);
        }
        fs::create_dir_all(&folder)?;
        let number = self.writing.fetch_add(1, Ordering::Relaxed);
        let half_written = self.root.join(format!("writing-{number}"));
        fs::write(&half_written, bytes)?;
        fs::rename(&half_written, &path)?;
        Ok(digest)
    }

    /// The bytes of an object, which are those of its digest.
    ///
    /// # Errors
    ///
    /// It is not there, or it is not what it was.
    pub fn get(&self, sha256: &str) -> Result<Vec<u8>, ObjectError> {
        let path = Self::path_of(sha256).ok_or_else(|| ObjectError::NoDigest(sha256.to_owned()))?;
        let file = self.root.join(&sha256[..2]).join(&sha256[2..]);
        let cannot = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ObjectError::Missing { path: path.clone() },
            _ => ObjectError::Io {
                path: path.clone(),
                source,
            },
        };
        let length = fs::metadata(&file).map_err(cannot)?.len();
        if length > MAX_OBJECT {
            return Err(cannot(io::Error::other(format!(
                "it has {length} bytes, no object has more than {MAX_OBJECT}"
            ))));
        }
        let bytes = fs::read(&file).map_err(cannot)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found == sha256 {
            Ok(bytes)
        } else {
            Err(ObjectError::Changed { path, found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_same_bytes_are_kept_once_under_their_digest() {
        let run = tempfile::tempdir().unwrap();
        let objects = Objects::of_run(run.path());
        let digest = objects.put(b"a page").unwrap();
        assert_eq!(objects.put(b"a page").unwrap(), digest);
        assert_eq!(digest, hex::encode(Sha256::digest(b"a page")));
        assert_eq!(objects.get(&digest).unwrap(), b"a page");
        let path = Objects::path_of(&digest).unwrap();
        assert!(run.path().join(&path).is_file());
        assert_eq!(Objects::digest_at(&path), Some(digest));
        let left = fs::read_dir(run.path().join(Objects::FOLDER)).unwrap();
        assert_eq!(left.count(), 1, "nothing half written is left");
    }

    #[test]
    fn an_object_with_a_flipped_bit_is_not_given_out() {
        let run = tempfile::tempdir().unwrap();
        let objects = Objects::of_run(run.path());
        let digest = objects.put(&[0; 64]).unwrap();
        let path = Objects::path_of(&digest).unwrap();
        let mut bytes = vec![0; 64];
        bytes[17] ^= 1;
        fs::write(run.path().join(&path), &bytes).unwrap();
        let error = objects.get(&digest).unwrap_err();
        assert!(matches!(error, ObjectError::Changed { path: at, .. } if at == path));
    }

    #[rstest]
    #[case::short("ab")]
    #[case::upwards("../../../../../../../../../../../../../../../../../../../etc/pass")]
    #[case::capitals(&"AB".repeat(32))]
    fn what_is_no_digest_names_no_file(#[case] name: &str) {
        let run = tempfile::tempdir().unwrap();
        let error = Objects::of_run(run.path()).get(name).unwrap_err();
        assert!(matches!(error, ObjectError::NoDigest(_)), "{error}");
    }

    #[test]
    fn an_object_that_was_taken_away_is_missing() {
        let run = tempfile::tempdir().unwrap();
        let error = Objects::of_run(run.path())
            .get(&"0".repeat(64))
            .unwrap_err();
        assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    }
}
