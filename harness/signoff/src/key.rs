//! Keys that sign-offs are signed and checked with: Ed25519, or ECDSA on P-256 with SHA-256.

use crate::digest::Sha256;
use ed25519_dalek::Signer as _;
use hil_image::{KeyError, PrivateKey, PublicKey};
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::EncodePublicKey as _;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A private key. Never shown; wiped when dropped.
pub struct SigningKey {
    id: String,
    key: Private,
}

enum Private {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// A public key.
#[derive(Clone, Eq, PartialEq)]
pub struct VerifyingKey {
    id: String,
    key: Public,
}

#[derive(Clone, Eq, PartialEq)]
enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

/// Why a key cannot be used. Says nothing of what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// The file cannot be read.
    #[error("key file `{path}` cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is none.
    #[error("key file `{path}` is no key for a signature")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The file is protected by a passphrase.
    #[error("key file `{path}` is protected by a passphrase, and there is nobody to ask for it")]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that is not used for this.
    #[error("key file `{path}` has an RSA key")]
    Rsa {
        /// The file.
        path: PathBuf,
    },
}

impl KeyProblem {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read { .. } => "is the path right, and the file yours to read?",
            Self::Key { source, .. } => source.help().unwrap_or(MAKE_ONE),
            Self::Passphrase { .. } => {
                "unlock a copy for this: `openssl pkcs8 -in KEY.pem -out UNLOCKED.pem`"
            }
            Self::Rsa { .. } => MAKE_ONE,
        }
    }
}

const MAKE_ONE: &str = "an Ed25519 or ECDSA P-256 key in PEM is needed: `openssl genpkey -algorithm ed25519 -out KEY.pem`, and \
                        `openssl pkey -in KEY.pem -pubout -out PUBLIC.pem`";

impl SigningKey {
    /// Reads a private key, PEM (PKCS#8, or SEC1 for P-256) without a passphrase.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no such key.
    pub fn load(path: &Path) -> Result<Self, KeyProblem> {
        let text = Zeroizing::new(read(path)?);
        Self::from_pem(path, &text)
    }

    /// The same from the text of a file; `path` is only shown.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn from_pem(path: &Path, text: &str) -> Result<Self, KeyProblem> {
        if text.contains("ENCRYPTED") {
            return Err(KeyProblem::Passphrase {
                path: path.to_owned(),
            });
        }
        let key = PrivateKey::from_pem(text).map_err(|source| KeyProblem::Key {
            path: path.to_owned(),
            source,
        })?;
        let id = VerifyingKey::of(path, &key.public())?.id;
        let key = match key {
            PrivateKey::Ed25519(key) => Private::Ed25519(key),
            PrivateKey::EcdsaP256(key) => Private::P256(key),
            PrivateKey::Rsa2048(_) | PrivateKey::Rsa3072(_) => {
                return Err(KeyProblem::Rsa {
                    path: path.to_owned(),
                });
            }
        };
        Ok(Self { id, key })
    }

    /// SHA-256 of the public half (its DER), as hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey {
            id: self.id.clone(),
            key: match &self.key {
                Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
                Private::P256(key) => Public::P256(*key.verifying_key()),
            },
        }
    }

    /// A signature: 64 bytes for Ed25519, DER for ECDSA. The same key signs the same bytes to the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Private::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Private::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// Reads a public key, PEM.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no such key.
    pub fn load(path: &Path) -> Result<Self, KeyProblem> {
        let text = Zeroizing::new(read(path)?);
        let key = PublicKey::from_pem(&text).map_err(|source| KeyProblem::Key {
            path: path.to_owned(),
            source,
        })?;
        Self::of(path, &key)
    }

    fn of(path: &Path, key: &PublicKey) -> Result<Self, KeyProblem> {
        let rsa = || KeyProblem::Rsa {
            path: path.to_owned(),
        };
        let (der, key) = match key {
            PublicKey::Ed25519(key) => (key.to_public_key_der(), Public::Ed25519(*key)),
            PublicKey::EcdsaP256(key) => (key.to_public_key_der(), Public::P256(*key)),
            PublicKey::Rsa2048(_) | PublicKey::Rsa3072(_) => return Err(rsa()),
        };
        let der = der.map_err(|_| rsa())?;
        Ok(Self {
            id: Sha256::of(der.as_bytes()).to_string(),
            key,
        })
    }

    /// SHA-256 of its DER, as hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it made this signature of this message. An ECDSA signature may be DER or `r` and `s` alone.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Public::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Public::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .or_else(|_| p256::ecdsa::Signature::from_slice(signature))
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<String, KeyProblem> {
    std::fs::read_to_string(path).map_err(|source| KeyProblem::Read {
        path: path.to_owned(),
        source,
    })
}
