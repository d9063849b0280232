//! A corpus directory: cases, blobs and keys.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hil_image::{DecryptionKey, KeyError, PublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config::{Config, ContentKeySize, Encryption, Keys, Signature};
use crate::golden::case::Case;

/// Largest blob that is read, in bytes: a damaged gzip file must not fill the memory.
const BLOB_LIMIT: u64 = 64 << 20;

/// Recorded cases with what they refer to.
pub struct Corpus {
    directory: PathBuf,
    pub(crate) cases: Vec<Case>,
    blobs: Mutex<HashMap<String, Arc<Vec<u8>>>>,
}

/// Why a corpus cannot be used.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line of `cases.jsonl` is not a case.
    #[error("line {line} of {path} is not a case")]
    Case {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A blob is not what its name says.
    #[error("blob {path} holds SHA-256 {found}")]
    Blob {
        /// The file.
        path: PathBuf,
        /// The hash of its contents.
        found: String,
    },
    /// A key file is not a key.
    #[error("{path} holds no usable key")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
}

impl Corpus {
    /// Reads all cases of a directory; blobs and keys are read when a case needs them.
    ///
    /// # Errors
    /// `cases.jsonl` is missing or has a line that is not a case.
    pub fn load(directory: &Path) -> Result<Self, CorpusError> {
        let path = directory.join("cases.jsonl");
        let unreadable = |source| CorpusError::Read {
            path: path.clone(),
            source,
        };
        let file = BufReader::new(std::fs::File::open(&path).map_err(unreadable)?);
        let mut cases = Vec::new();
        for (index, line) in file.lines().enumerate() {
            let line = line.map_err(unreadable)?;
            if line.trim().is_empty() {
                continue;
            }
            let case = serde_json::from_str(&line).map_err(|source| CorpusError::Case {
                path: path.clone(),
                line: index + 1,
                source,
            })?;
            cases.push(case);
        }
        Ok(Self {
            directory: directory.to_owned(),
            cases,
            blobs: Mutex::default(),
        })
    }

    /// How many cases there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Ids of all cases, in the order of the file.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.id.as_str())
    }

    /// The bytes whose SHA-256 is `name`.
    pub(crate) fn blob(&self, name: &str) -> Result<Arc<Vec<u8>>, CorpusError> {
        if let Some(known) = self
            .blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
        {
            return Ok(Arc::clone(known));
        }
        let path = self.directory.join("blobs").join(format!("{name}.gz"));
        let unreadable = |source| CorpusError::Read {
            path: path.clone(),
            source,
        };
        let file = std::fs::File::open(&path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file)
            .take(BLOB_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != name {
            return Err(CorpusError::Blob { path, found });
        }
        let bytes = Arc::new(bytes);
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(name.to_owned(), Arc::clone(&bytes));
        Ok(bytes)
    }

    /// The test keys that recordings are made with.
    pub(crate) fn keys(&self, config: &Config) -> Result<Keys, CorpusError> {
        let signing = match config.signature {
            Signature::EcdsaP256 => Some("root-ec-p256.pem"),
            Signature::Rsa2048 => Some("root-rsa-2048.pem"),
            Signature::Rsa3072 => Some("root-rsa-3072.pem"),
            Signature::Ed25519 => Some("root-ed25519.pem"),
            Signature::None => None,
        };
        let decryption = match config.encryption {
            Encryption::None => None,
            Encryption::Ec256 => Some("enc-ec256-priv.pem"),
            Encryption::X25519 | Encryption::X25519Sha512 => Some("enc-x25519-priv.pem"),
            Encryption::Rsa2048 => Some("enc-rsa2048-priv.pem"),
            Encryption::AesKw => Some(match config.content_key {
                ContentKeySize::Aes128 => "enc-aes128kw.b64",
                ContentKeySize::Aes256 => "enc-aes256kw.b64",
            }),
        };
        let mut keys = Keys::default();
        if let Some(name) = signing {
            let (path, text) = self.key_file(name)?;
            let key =
                PublicKey::from_pem(&text).map_err(|source| CorpusError::Key { path, source })?;
            keys.signing.push(key);
        }
        if let Some(name) = decryption {
            let (path, text) = self.key_file(name)?;
            let key = if config.encryption == Encryption::AesKw {
                DecryptionKey::from_base64(&text)
            } else {
                DecryptionKey::from_pem(&text)
            };
            keys.encryption = Some(key.map_err(|source| CorpusError::Key { path, source })?);
        }
        Ok(keys)
    }

    fn key_file(&self, name: &str) -> Result<(PathBuf, String), CorpusError> {
        let path = self.directory.join("keys").join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(source) => Err(CorpusError::Read { path, source }),
        }
    }
}
