//! Public keys that image signatures are checked with.

use std::fmt;

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::pkcs8::EncodePublicKey;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::{Pss, RsaPublicKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::KeyError;
use super::pem::{self, AnyKey, AnyPublic};
use crate::hash::{Digest, HashAlgorithm};
use crate::tlv::TlvKind;

/// A kind of signature; a bootloader build knows exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureKind {
    /// ECDSA on P-256, DER.
    EcdsaP256,
    /// RSA-2048 PSS.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA-3072 PSS.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// Ed25519.
    Ed25519,
}

impl SignatureKind {
    /// The TLV that carries such a signature.
    #[must_use]
    pub const fn tlv_kind(self) -> TlvKind {
        match self {
            Self::EcdsaP256 => TlvKind::ECDSA_SIG,
            Self::Rsa2048 => TlvKind::RSA2048_PSS,
            Self::Rsa3072 => TlvKind::RSA3072_PSS,
            Self::Ed25519 => TlvKind::ED25519,
        }
    }

    /// The kind of a signature TLV; `None` for other types.
    #[must_use]
    pub const fn of_tlv(kind: TlvKind) -> Option<Self> {
        match kind {
            TlvKind::ECDSA_SIG => Some(Self::EcdsaP256),
            TlvKind::RSA2048_PSS => Some(Self::Rsa2048),
            TlvKind::RSA3072_PSS => Some(Self::Rsa3072),
            TlvKind::ED25519 => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// Bytes of the loader's buffer for a signature (`SIG_BUF_SIZE` in mcuboot
    /// `boot/bootutil/src/image_validate.c`). An ECDSA signature may be shorter, the others not.
    #[must_use]
    pub const fn buffer_len(self) -> usize {
        match self {
            Self::EcdsaP256 => 128,
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Ed25519 => 64,
        }
    }
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Rsa2048 => "RSA-2048 PSS",
            Self::Rsa3072 => "RSA-3072 PSS",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// A public key that a bootloader accepts signatures of.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// ECDSA on P-256.
    EcdsaP256(p256::ecdsa::VerifyingKey),
    /// RSA, 2048 bits.
    Rsa2048(RsaPublicKey),
    /// RSA, 3072 bits.
    Rsa3072(RsaPublicKey),
    /// Ed25519.
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not DER, or a number out of range.
    #[error("signature is not a DER sequence of two P-256 numbers")]
    Encoding,
    /// Bytes are well formed and do not match.
    #[error("signature does not match the key and the data")]
    Mismatch,
    /// The key's kind has no pure variant.
    #[error("signature over the image itself is defined for Ed25519 only")]
    NotPure,
}

impl PublicKey {
    /// Reads a public key, or the public half of a private one.
    ///
    /// # Errors
    ///
    /// No PEM, or a kind of key that no signature can be checked with.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_any(match pem::parse(text)? {
            AnyKey::Public(key) => key,
            AnyKey::Private(key) => key.public(),
        })
    }

    /// Reads the value of a PUBKEY TLV: PKCS#1 for RSA, SubjectPublicKeyInfo for the others.
    ///
    /// # Errors
    ///
    /// Neither of the two, or a kind of key that no signature can be checked with.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_any(pem::spki(der).or_else(|error| pem::rsa_pkcs1(der).map_err(|_| error))?)
    }

    pub(super) fn from_any(key: AnyPublic) -> Result<Self, KeyError> {
        match key {
            AnyPublic::P256(key) => Ok(Self::EcdsaP256(key.into())),
            AnyPublic::Ed25519(key) => Ok(Self::Ed25519(key)),
            AnyPublic::Rsa(key) => match pem::rsa_bits(&key) {
                2048 => Ok(Self::Rsa2048(key)),
                3072 => Ok(Self::Rsa3072(key)),
                bits => Err(KeyError::RsaSize {
                    bits,
                    expected: "2048 or 3072",
                }),
            },
            AnyPublic::X25519(_) => Err(KeyError::Algorithm {
                found: key.name().to_owned(),
                expected: "a key for signatures (ECDSA P-256, RSA or Ed25519)",
            }),
        }
    }

    /// Which signatures it checks.
    #[must_use]
    pub fn kind(&self) -> SignatureKind {
        match self {
            Self::EcdsaP256(_) => SignatureKind::EcdsaP256,
            Self::Rsa2048(_) => SignatureKind::Rsa2048,
            Self::Rsa3072(_) => SignatureKind::Rsa3072,
            Self::Ed25519(_) => SignatureKind::Ed25519,
        }
    }

    /// The DER that MCUboot embeds and hashes: PKCS#1 for RSA, SubjectPublicKeyInfo for the others.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        const REASON: &str = "a valid key of fixed size always encodes";
        match self {
            Self::EcdsaP256(key) => key.to_public_key_der().expect(REASON).into_vec(),
            Self::Ed25519(key) => key.to_public_key_der().expect(REASON).into_vec(),
            Self::Rsa2048(key) | Self::Rsa3072(key) => key.to_pkcs1_der().expect(REASON).into_vec(),
        }
    }

    /// The value of a KEYHASH TLV for this key.
    #[must_use]
    pub fn key_hash(&self, algorithm: HashAlgorithm) -> Digest {
        algorithm.digest(&self.to_der())
    }

    /// Checks a signature over an image hash.
    ///
    /// RSA and ECDSA take the digest as the message digest; Ed25519 takes it as the message.
    ///
    /// # Errors
    ///
    /// The signature is malformed or does not match.
    pub fn verify(&self, digest: &Digest, signature: &[u8]) -> Result<(), SignatureError> {
        let digest = digest.as_bytes();
        match self {
            Self::EcdsaP256(key) => {
                let signature = ecdsa_from_der(signature).ok_or(SignatureError::Encoding)?;
                key.verify_prehash(digest, &signature)
                    .map_err(|_| SignatureError::Mismatch)
            }
            // Salt and digest of 32 bytes, as the loader has them fixed (`image_rsa.c`).
            Self::Rsa2048(key) | Self::Rsa3072(key) => key
                .verify(Pss::new_with_salt::<Sha256>(32), digest, signature)
                .map_err(|_| SignatureError::Mismatch),
            Self::Ed25519(_) => self.verify_pure(digest, signature),
        }
    }

    /// Checks a signature over the image itself (SIG_PURE); see [`crate::Image::signed_bytes`].
    ///
    /// # Errors
    ///
    /// The signature does not match, or the key is not Ed25519.
    pub fn verify_pure(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let Self::Ed25519(key) = self else {
            return Err(SignatureError::NotPure);
        };
        let signature = ed25519_dalek::Signature::from_slice(signature)
            .map_err(|_| SignatureError::Mismatch)?;
        key.verify(message, &signature)
            .map_err(|_| SignatureError::Mismatch)
    }
}

/// Reads a DER signature; zero bytes behind it (`imgtool --pad-sig`, for loaders before 1.5) do no harm.
fn ecdsa_from_der(bytes: &[u8]) -> Option<p256::ecdsa::Signature> {
    // P-256 signatures are at most 72 bytes, so the length of the sequence is one byte below 0x80.
    let length = 2 + usize::from(*bytes.get(1)?);
    let (signature, rest) = bytes.split_at_checked(length)?;
    if rest.iter().any(|byte| *byte != 0) {
        return None;
    }
    p256::ecdsa::Signature::from_der(signature).ok()
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PublicKey({}, key hash {})",
            self.kind(),
            self.key_hash(HashAlgorithm::Sha256)
        )
    }
}
