//! Keys that protect content keys: the device's private half, and the public half that images are made for.
//!
//! Schemes and layouts: mcuboot `docs/encrypted_images.md`, `boot/bootutil/include/bootutil/enc_key_public.h`.

use std::fmt;

use aes_kw::{KekAes128, KekAes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand_core::CryptoRngCore;
use rsa::traits::PrivateKeyParts as _;
use rsa::{Oaep, RsaPrivateKey, RsaPublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::KeyError;
use super::pem::{self, AnyKey, AnyPrivate, AnyPublic};
use crate::content_key::ContentKey;
use crate::ecies::{self, Ecies};
use crate::hash::HashAlgorithm;
use crate::tlv::TlvKind;

/// The device's key that content keys are unwrapped with. Never shown; wiped when dropped.
#[derive(Clone)]
pub enum DecryptionKey {
    /// ECIES with P-256 (TLV 0x32).
    EcP256(p256::SecretKey),
    /// ECIES with X25519 (TLV 0x33 and 0x34).
    X25519(x25519_dalek::StaticSecret),
    /// RSA-OAEP-2048 (TLV 0x30).
    Rsa2048(Box<RsaPrivateKey>),
    /// AES key wrap (TLV 0x31), 16 or 32 bytes.
    AesKw(Zeroizing<Vec<u8>>),
}

/// The key that images are encrypted for.
#[derive(Clone)]
pub enum EncryptionKey {
    /// ECIES with P-256.
    EcP256(p256::PublicKey),
    /// ECIES with X25519.
    X25519(x25519_dalek::PublicKey),
    /// RSA-OAEP-2048.
    Rsa2048(RsaPublicKey),
    /// AES key wrap; the same secret as on the device.
    AesKw(Zeroizing<Vec<u8>>),
}

/// Why a content key could not be unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// The TLV belongs to another scheme than the key.
    #[error("TLV is {found}, expected {expected} for {key}")]
    Scheme {
        /// Type of the TLV.
        found: TlvKind,
        /// Types that the key can open.
        expected: &'static str,
        /// The key's scheme.
        key: &'static str,
    },
    /// The value has a length that the scheme does not have.
    #[error("value has {found} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Lengths for AES-128 and AES-256.
        expected: &'static str,
    },
    /// The ephemeral public key is not a point of the curve, or gives no secret.
    #[error("ephemeral public key at value offset 0 is not a usable point of the curve")]
    Point,
    /// The MAC over the wrapped key differs: another device's key, or damaged bytes.
    #[error(
        "MAC at value offset {offset} does not match the wrapped key: the image was encrypted for another key, or the TLV is damaged"
    )]
    Mac {
        /// Offset of the MAC in the value.
        offset: usize,
    },
    /// OAEP padding or the RFC 3394 integrity value is wrong.
    #[error(
        "{scheme} integrity check failed: the image was encrypted for another key, or the TLV is damaged"
    )]
    Integrity {
        /// Name of the scheme.
        scheme: &'static str,
    },
}

impl DecryptionKey {
    /// Reads a private key from PKCS#8, SEC1 or PKCS#1 PEM without a password.
    ///
    /// # Errors
    ///
    /// No PEM, a public key, or a kind of key that no image is encrypted for.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        match pem::parse_private(text)? {
            AnyPrivate::P256(key) => Ok(Self::EcP256(key)),
            AnyPrivate::X25519(key) => Ok(Self::X25519(key)),
            AnyPrivate::Rsa(key) => match pem::rsa_bits(&*key) {
                2048 => Ok(Self::Rsa2048(key)),
                bits => Err(wrong_rsa(bits)),
            },
            key @ AnyPrivate::Ed25519(_) => Err(wrong_algorithm(key.name())),
        }
    }

    /// Reads the base64 text of a key for AES key wrap.
    ///
    /// # Errors
    ///
    /// Not base64, or not 16 or 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        kek_from_base64(text).map(Self::AesKw)
    }

    /// What images for this device are encrypted with.
    #[must_use]
    pub fn public(&self) -> EncryptionKey {
        match self {
            Self::EcP256(key) => EncryptionKey::EcP256(key.public_key()),
            Self::X25519(key) => EncryptionKey::X25519(key.into()),
            Self::Rsa2048(key) => EncryptionKey::Rsa2048(key.to_public_key()),
            Self::AesKw(key) => EncryptionKey::AesKw(key.clone()),
        }
    }

    /// Name of the scheme, for messages.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::EcP256(_) => "ECIES-P256",
            Self::X25519(_) => "ECIES-X25519",
            Self::Rsa2048(_) => "RSA-OAEP-2048",
            Self::AesKw(_) => "AES-KW",
        }
    }

    /// Whether TLVs of this type are of the key's scheme.
    #[must_use]
    pub fn opens(&self, kind: TlvKind) -> bool {
        match self {
            Self::EcP256(_) => kind == TlvKind::ENC_EC256,
            Self::X25519(_) => kind == TlvKind::ENC_X25519 || kind == TlvKind::ENC_X25519_SHA512,
            Self::Rsa2048(_) => kind == TlvKind::ENC_RSA2048,
            Self::AesKw(_) => kind == TlvKind::ENC_KW,
        }
    }

    /// What of the key a loader has in its RAM while it unwraps a content key: the scalar of an elliptic curve and the key of AES key
    /// wrap as the key file has them, the two primes of RSA with their most significant byte first.
    ///
    /// To look for; must not reach a log, a journal or a report.
    #[must_use]
    pub fn expose(&self) -> Vec<Zeroizing<Vec<u8>>> {
        match self {
            Self::EcP256(key) => vec![Zeroizing::new(key.to_bytes().to_vec())],
            Self::X25519(key) => vec![Zeroizing::new(key.to_bytes().to_vec())],
            Self::Rsa2048(key) => {
                let primes = key.primes().iter();
                primes
                    .map(|prime| Zeroizing::new(prime.to_bytes_be()))
                    .collect()
            }
            Self::AesKw(key) => vec![key.clone()],
        }
    }

    /// The secret that the maker of an image shared with the device, from the value of an ENC_* TLV. `None` for schemes
    /// without one and for values that are damaged.
    ///
    /// To look for, as with [`expose`](Self::expose).
    #[must_use]
    pub fn shared_secret(&self, value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let shared = match self {
            Self::EcP256(key) => ecies::p256_shared(key, value.get(..ecies::P256_POINT)?),
            Self::X25519(key) => ecies::x25519_shared(key, value.get(..ecies::X25519_POINT)?),
            Self::Rsa2048(_) | Self::AesKw(_) => None,
        }?;
        Some(Zeroizing::new(shared.to_vec()))
    }

    /// Opens the value of an ENC_* TLV.
    ///
    /// # Errors
    ///
    /// Another scheme, a wrong length, a MAC that does not match.
    pub fn unwrap_content_key(
        &self,
        kind: TlvKind,
        value: &[u8],
    ) -> Result<ContentKey, UnwrapError> {
        if !self.opens(kind) {
            return Err(UnwrapError::Scheme {
                found: kind,
                expected: match self {
                    Self::EcP256(_) => "ENC_EC256 (0x0032)",
                    Self::X25519(_) => "ENC_X25519 (0x0033) or ENC_X25519_SHA512 (0x0034)",
                    Self::Rsa2048(_) => "ENC_RSA2048 (0x0030)",
                    Self::AesKw(_) => "ENC_KW (0x0031)",
                },
                key: self.scheme(),
            });
        }
        match self {
            Self::EcP256(key) => {
                let parts = Ecies::split(value, ecies::P256_POINT, HashAlgorithm::Sha256)
                    .ok_or_else(|| wrong_length(value, "113 or 129"))?;
                let shared = ecies::p256_shared(key, parts.public).ok_or(UnwrapError::Point)?;
                parts.open(&shared)
            }
            Self::X25519(key) => {
                let (hash, lengths) = if kind == TlvKind::ENC_X25519 {
                    (HashAlgorithm::Sha256, "80 or 96")
                } else {
                    (HashAlgorithm::Sha512, "112 or 128")
                };
                let parts = Ecies::split(value, ecies::X25519_POINT, hash)
                    .ok_or_else(|| wrong_length(value, lengths))?;
                let shared = ecies::x25519_shared(key, parts.public).ok_or(UnwrapError::Point)?;
                parts.open(&shared)
            }
            Self::Rsa2048(key) => {
                if value.len() != 256 {
                    return Err(wrong_length(value, "256"));
                }
                let opened = key
                    .decrypt(Oaep::new::<Sha256>(), value)
                    .map(Zeroizing::new)
                    .map_err(|_| UnwrapError::Integrity { scheme: "RSA-OAEP" })?;
                ContentKey::from_bytes(&opened).ok_or(UnwrapError::Integrity { scheme: "RSA-OAEP" })
            }
            Self::AesKw(kek) => {
                let length = match value.len() {
                    24 => 16,
                    40 => 32,
                    _ => return Err(wrong_length(value, "24 or 40")),
                };
                let mut opened = Zeroizing::new(vec![0; length]);
                aes_kw(kek, |kek| match kek {
                    Kek::Short(kek) => kek.unwrap(value, &mut opened),
                    Kek::Long(kek) => kek.unwrap(value, &mut opened),
                })
                .ok_or(UnwrapError::Integrity { scheme: "AES-KW" })?;
                ContentKey::from_bytes(&opened).ok_or(UnwrapError::Integrity { scheme: "AES-KW" })
            }
        }
    }
}

impl EncryptionKey {
    /// Reads a public key, or the public half of a private one.
    ///
    /// # Errors
    ///
    /// No PEM, or a kind of key that no image is encrypted for.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let key = match pem::parse(text)? {
            AnyKey::Public(key) => key,
            AnyKey::Private(key) => key.public(),
        };
        match key {
            AnyPublic::P256(key) => Ok(Self::EcP256(key)),
            AnyPublic::X25519(key) => Ok(Self::X25519(key)),
            AnyPublic::Rsa(key) => match pem::rsa_bits(&key) {
                2048 => Ok(Self::Rsa2048(key)),
                bits => Err(wrong_rsa(bits)),
            },
            AnyPublic::Ed25519(_) => Err(wrong_algorithm(key.name())),
        }
    }

    /// Reads the base64 text of a key for AES key wrap.
    ///
    /// # Errors
    ///
    /// Not base64, or not 16 or 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        kek_from_base64(text).map(Self::AesKw)
    }

    /// A new key of the same scheme, that no device has the other half of.
    #[must_use]
    pub fn foreign(&self, rng: &mut impl CryptoRngCore) -> Self {
        match self {
            Self::EcP256(_) => Self::EcP256(p256::SecretKey::random(rng).public_key()),
            Self::X25519(_) => {
                let mut secret = Zeroizing::new([0; 32]);
                rng.fill_bytes(&mut *secret);
                Self::X25519((&x25519_dalek::StaticSecret::from(*secret)).into())
            }
            Self::Rsa2048(_) => Self::Rsa2048(
                RsaPrivateKey::new(rng, 2048)
                    .expect("the size is one that RSA has")
                    .to_public_key(),
            ),
            Self::AesKw(kek) => {
                let mut other = Zeroizing::new(vec![0; kek.len()]);
                rng.fill_bytes(&mut other);
                Self::AesKw(other)
            }
        }
    }

    /// Wraps a content key: the type and the value of the ENC_* TLV.
    ///
    /// `mac` chooses between the two X25519 variants (SHA-256 or SHA-512); other schemes have one.
    ///
    /// # Errors
    ///
    /// RSA refuses the key, which only a key too small for OAEP can cause.
    pub fn wrap(
        &self,
        content_key: &ContentKey,
        mac: HashAlgorithm,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(TlvKind, Vec<u8>), WrapError> {
        Ok(match self {
            Self::EcP256(device) => {
                let (public, shared) = ecies::p256_ephemeral(device, rng);
                (
                    TlvKind::ENC_EC256,
                    ecies::seal(&public, &shared, HashAlgorithm::Sha256, content_key),
                )
            }
            Self::X25519(device) => {
                let (public, shared) = ecies::x25519_ephemeral(device, rng);
                let kind = match mac {
                    HashAlgorithm::Sha512 => TlvKind::ENC_X25519_SHA512,
                    _ => TlvKind::ENC_X25519,
                };
                let mac = match mac {
                    HashAlgorithm::Sha512 => HashAlgorithm::Sha512,
                    _ => HashAlgorithm::Sha256,
                };
                (kind, ecies::seal(&public, &shared, mac, content_key))
            }
            Self::Rsa2048(device) => (
                TlvKind::ENC_RSA2048,
                device
                    .encrypt(rng, Oaep::new::<Sha256>(), content_key.expose())
                    .map_err(|_| WrapError)?,
            ),
            Self::AesKw(kek) => {
                let mut wrapped = vec![0; content_key.size().len() + 8];
                aes_kw(kek, |kek| match kek {
                    Kek::Short(kek) => kek.wrap(content_key.expose(), &mut wrapped),
                    Kek::Long(kek) => kek.wrap(content_key.expose(), &mut wrapped),
                })
                .ok_or(WrapError)?;
                (TlvKind::ENC_KW, wrapped)
            }
        })
    }
}

/// A content key could not be wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content key cannot be wrapped with this key")]
pub struct WrapError;

enum Kek {
    Short(Box<KekAes128>),
    Long(Box<KekAes256>),
}

/// Runs an AES key wrap operation with a key of either length.
fn aes_kw(kek: &[u8], operation: impl FnOnce(Kek) -> aes_kw::Result<()>) -> Option<()> {
    let kek = match kek.len() {
        16 => Kek::Short(Box::new(KekAes128::try_from(kek).ok()?)),
        _ => Kek::Long(Box::new(KekAes256::try_from(kek).ok()?)),
    };
    operation(kek).ok()
}

fn kek_from_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let bytes = BASE64
        .decode(text.trim())
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Base64 {
            problem: "characters that are not base64".to_owned(),
        })?;
    match bytes.len() {
        16 | 32 => Ok(bytes),
        other => Err(KeyError::Base64 {
            problem: format!("{other} bytes"),
        }),
    }
}

fn wrong_length(value: &[u8], expected: &'static str) -> UnwrapError {
    UnwrapError::Length {
        found: value.len(),
        expected,
    }
}

fn wrong_rsa(bits: usize) -> KeyError {
    KeyError::RsaSize {
        bits,
        expected: "2048 for encryption",
    }
}

fn wrong_algorithm(found: &str) -> KeyError {
    KeyError::Algorithm {
        found: found.to_owned(),
        expected: "a key for encryption (ECIES P-256, X25519 or RSA-2048)",
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({}, redacted)", self.scheme())
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcP256(_) => "EncryptionKey(ECIES-P256)",
            Self::X25519(_) => "EncryptionKey(ECIES-X25519)",
            Self::Rsa2048(_) => "EncryptionKey(RSA-OAEP-2048)",
            Self::AesKw(_) => "EncryptionKey(AES-KW, redacted)",
        })
    }
}
