//! Keys of any kind under the names that a person gave them.

use super::pem::{self, AnyKey, AnyPrivate, AnyPublic};
use super::{DecryptionKey, KeyError, PublicKey};
use crate::hash::{Digest, HashAlgorithm};

/// Keys to look at images with: whatever a key file is good for, it is used for.
///
/// A private P-256 or RSA-2048 key may be the one that signs or the one that decrypts, and so is taken as both.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    signing: Vec<(String, PublicKey)>,
    decryption: Vec<(String, DecryptionKey)>,
}

impl KeyRing {
    /// A ring without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the key in the text of a file: PEM of any kind, or base64 for AES key wrap.
    ///
    /// # Errors
    ///
    /// The text is no key, or one that is of no use for images, such as the public half of X25519.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), KeyError> {
        if !text.contains("-----BEGIN ") {
            let key = DecryptionKey::from_base64(text).map_err(|error| match error {
                // Not even base64: say what a key file looks like rather than what base64 does.
                KeyError::Base64 { problem } if problem.starts_with("characters") => {
                    KeyError::NoPem
                }
                other => other,
            })?;
            self.decryption.push((name.to_owned(), key));
            return Ok(());
        }
        let public = match pem::parse(text)? {
            AnyKey::Public(AnyPublic::X25519(_)) => {
                return Err(KeyError::Algorithm {
                    found: "X25519, public half".to_owned(),
                    expected: "a key for signatures, or the private half for decryption",
                });
            }
            AnyKey::Public(key) => key,
            AnyKey::Private(key) => {
                let public = key.public();
                if let Some(key) = decryption(key) {
                    self.decryption.push((name.to_owned(), key));
                }
                public
            }
        };
        if !matches!(public, AnyPublic::X25519(_)) {
            self.signing
                .push((name.to_owned(), PublicKey::from_any(public)?));
        }
        Ok(())
    }

    /// Keys that signatures can be checked with, and their names.
    pub fn signing(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        self.signing.iter().map(|(name, key)| (name.as_str(), key))
    }

    /// Keys that content keys can be opened with, and their names.
    pub fn decryption(&self) -> impl Iterator<Item = (&str, &DecryptionKey)> {
        self.decryption
            .iter()
            .map(|(name, key)| (name.as_str(), key))
    }

    /// The name of the signing key with this hash.
    #[must_use]
    pub fn name_of(&self, key_hash: &Digest, algorithm: HashAlgorithm) -> Option<&str> {
        self.signing
            .iter()
            .find(|(_, key)| key.key_hash(algorithm) == *key_hash)
            .map(|(name, _)| name.as_str())
    }
}

fn decryption(key: AnyPrivate) -> Option<DecryptionKey> {
    match key {
        AnyPrivate::P256(key) => Some(DecryptionKey::EcP256(key)),
        AnyPrivate::X25519(key) => Some(DecryptionKey::X25519(key)),
        AnyPrivate::Rsa(key) if pem::rsa_bits(&*key) == 2048 => Some(DecryptionKey::Rsa2048(key)),
        AnyPrivate::Rsa(_) | AnyPrivate::Ed25519(_) => None,
    }
}
