//! Private keys that images are signed with.

use std::fmt;

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use rand_core::CryptoRngCore;
use rsa::{Pss, RsaPrivateKey};
use sha2::Sha256;

use super::pem::{self, AnyPrivate};
use super::{KeyError, PublicKey, SignatureError, SignatureKind};
use crate::hash::Digest;

/// A private key that signs images. Never shown; wiped when dropped.
#[derive(Clone)]
pub enum PrivateKey {
    /// ECDSA on P-256.
    EcdsaP256(p256::ecdsa::SigningKey),
    /// RSA, 2048 bits.
    Rsa2048(Box<RsaPrivateKey>),
    /// RSA, 3072 bits.
    Rsa3072(Box<RsaPrivateKey>),
    /// Ed25519.
    Ed25519(ed25519_dalek::SigningKey),
}

impl PrivateKey {
    /// Reads PKCS#8, SEC1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`) PEM without a password.
    ///
    /// # Errors
    ///
    /// No PEM, a public key, or a kind of key that nothing can be signed with.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        match pem::parse_private(text)? {
            AnyPrivate::P256(key) => Ok(Self::EcdsaP256(key.into())),
            AnyPrivate::Ed25519(key) => Ok(Self::Ed25519(key)),
            AnyPrivate::Rsa(key) => match pem::rsa_bits(&*key) {
                2048 => Ok(Self::Rsa2048(key)),
                3072 => Ok(Self::Rsa3072(key)),
                bits => Err(KeyError::RsaSize {
                    bits,
                    expected: "2048 or 3072",
                }),
            },
            key @ AnyPrivate::X25519(_) => Err(KeyError::Algorithm {
                found: key.name().to_owned(),
                expected: "a key for signatures (ECDSA P-256, RSA or Ed25519)",
            }),
        }
    }

    /// A new key. One from a generator with a known seed protects nothing, and is there to be a stranger's.
    #[must_use]
    pub fn generate(kind: SignatureKind, rng: &mut impl CryptoRngCore) -> Self {
        let rsa = |bits, rng: &mut _| {
            Box::new(RsaPrivateKey::new(rng, bits).expect("the size is one that RSA has"))
        };
        match kind {
            SignatureKind::EcdsaP256 => Self::EcdsaP256(p256::ecdsa::SigningKey::random(rng)),
            SignatureKind::Rsa2048 => Self::Rsa2048(rsa(2048, rng)),
            SignatureKind::Rsa3072 => Self::Rsa3072(rsa(3072, rng)),
            SignatureKind::Ed25519 => {
                let mut seed = zeroize::Zeroizing::new([0; 32]);
                rng.fill_bytes(&mut *seed);
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::EcdsaP256(key) => PublicKey::EcdsaP256(*key.verifying_key()),
            Self::Rsa2048(key) => PublicKey::Rsa2048(key.to_public_key()),
            Self::Rsa3072(key) => PublicKey::Rsa3072(key.to_public_key()),
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key()),
        }
    }

    /// Which signatures it makes.
    #[must_use]
    pub fn kind(&self) -> SignatureKind {
        match self {
            Self::EcdsaP256(_) => SignatureKind::EcdsaP256,
            Self::Rsa2048(_) => SignatureKind::Rsa2048,
            Self::Rsa3072(_) => SignatureKind::Rsa3072,
            Self::Ed25519(_) => SignatureKind::Ed25519,
        }
    }

    /// Signs an image hash, as [`PublicKey::verify`] checks it.
    ///
    /// ECDSA (RFC 6979) and Ed25519 are deterministic; only RSA takes its salt from `rng`.
    ///
    /// # Errors
    ///
    /// RSA and ECDSA need a SHA-256 digest; RSA arithmetic may fail on a damaged key.
    pub fn sign(
        &self,
        digest: &Digest,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Vec<u8>, SignError> {
        let digest = digest.as_bytes();
        let wrong_digest = SignError::Digest {
            kind: self.kind(),
            found: digest.len(),
        };
        match self {
            Self::Ed25519(key) => Ok(key.sign(digest).to_vec()),
            _ if digest.len() != 32 => Err(wrong_digest),
            Self::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash(digest).map_err(|_| wrong_digest)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::Rsa2048(key) | Self::Rsa3072(key) => key
                .sign_with_rng(rng, Pss::new_with_salt::<Sha256>(32), digest)
                .map_err(|_| SignError::Rsa),
        }
    }

    /// Signs the image itself, as [`PublicKey::verify_pure`] checks it.
    ///
    /// # Errors
    ///
    /// The key is not Ed25519.
    pub fn sign_pure(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).to_vec()),
            _ => Err(SignatureError::NotPure),
        }
    }
}

/// Why a digest could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// RSA and ECDSA P-256 sign SHA-256 digests only.
    #[error("image hash has {found} bytes, expected 32 for {kind} signatures")]
    Digest {
        /// Kind of the key.
        kind: SignatureKind,
        /// Bytes of the digest.
        found: usize,
    },
    /// The RSA key's numbers do not work.
    #[error("RSA key cannot sign: its numbers do not fit each other")]
    Rsa,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, redacted)", self.kind())
    }
}
