//! What is signed: in-toto statements (in-toto/attestation `spec/v1/statement.md`), one for each run and one for the
//! decision.
//!
//! Keys that the specifications do not have are URIs into `docs/signoff.md`, as they ask for.

mod test_result;
mod vsa;

pub use test_result::{TestResult, TestRun};
pub use vsa::{Decision, Vsa};

use crate::digest::Sha256;
use crate::policy::NamedDigest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What every statement is.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// What a predicate is about.
pub trait Predicate: Serialize + DeserializeOwned {
    /// Its URI.
    const TYPE: &'static str;
}

/// A statement about files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    kind: String,
    /// The files.
    pub subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// What is said of them.
    pub predicate: P,
}

/// A file as statements name it (in-toto/attestation `spec/v1/resource_descriptor.md`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Resource {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is, relative to the sign-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests by algorithm.
    pub digest: BTreeMap<String, String>,
}

impl Resource {
    /// A file by name.
    #[must_use]
    pub fn named(name: impl Into<String>, digest: Sha256) -> Self {
        Self {
            name: Some(name.into()),
            uri: None,
            digest: sha256(digest),
        }
    }

    /// A file by where it is.
    #[must_use]
    pub fn at(uri: impl Into<String>, digest: Sha256) -> Self {
        Self {
            name: None,
            uri: Some(uri.into()),
            digest: sha256(digest),
        }
    }

    /// Whether it has this SHA-256.
    #[must_use]
    pub fn is(&self, digest: Sha256) -> bool {
        self.digest
            .get("sha256")
            .is_some_and(|found| *found == digest.to_string())
    }
}

fn sha256(digest: Sha256) -> BTreeMap<String, String> {
    [("sha256".to_owned(), digest.to_string())].into()
}

/// Files as the subjects of a statement.
pub(crate) fn subjects(files: &[NamedDigest]) -> Vec<Resource> {
    let files = files.iter();
    files
        .map(|file| Resource::named(&file.name, file.sha256))
        .collect()
}

/// Why bytes are no statement of this kind.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// They are none at all.
    #[error("it is no statement: {0}")]
    Damaged(#[from] serde_json::Error),
    /// They are another one.
    #[error("it says `{found}`, expected `{expected}`")]
    Kind {
        /// The URI that was found.
        found: String,
        /// The URI of what was expected.
        expected: &'static str,
    },
}

impl<P: Predicate> Statement<P> {
    /// Says something about files.
    #[must_use]
    pub fn new(subject: &[NamedDigest], predicate: P) -> Self {
        Self {
            kind: STATEMENT.to_owned(),
            subject: subjects(subject),
            predicate_type: P::TYPE.to_owned(),
            predicate,
        }
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a statement has text keys only")
    }

    /// Reads what was signed.
    ///
    /// # Errors
    ///
    /// It is no statement, or one of another kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        #[derive(Deserialize)]
        struct Kinds {
            #[serde(rename = "_type")]
            kind: String,
            #[serde(rename = "predicateType")]
            predicate: String,
        }
        let kinds: Kinds = serde_json::from_slice(bytes)?;
        for (found, expected) in [(kinds.kind, STATEMENT), (kinds.predicate, P::TYPE)] {
            if found != expected {
                return Err(StatementError::Kind { found, expected });
            }
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}
