//! From PEM text to one key of whatever kind it holds.

use p256::pkcs8::ObjectIdentifier;
use p256::pkcs8::der::asn1::OctetStringRef;
use p256::pkcs8::der::{Decode, SecretDocument};
use p256::pkcs8::{
    AlgorithmIdentifierRef, DecodePrivateKey, PrivateKeyInfo, SubjectPublicKeyInfoRef,
};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::KeyError;

/// RFC 5480 `id-ecPublicKey`.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480 `secp256r1`.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// RFC 8017 `rsaEncryption`.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 8410 `id-X25519`.
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
/// RFC 8410 `id-Ed25519`.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const LABELS: &str =
    "`PUBLIC KEY`, `RSA PUBLIC KEY`, `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`";
const ALGORITHMS: &str = "ECDSA P-256, RSA, Ed25519 or X25519";

/// A private key of any kind that MCUboot has a use for.
pub(super) enum AnyPrivate {
    P256(p256::SecretKey),
    Rsa(Box<RsaPrivateKey>),
    Ed25519(ed25519_dalek::SigningKey),
    X25519(x25519_dalek::StaticSecret),
}

/// A public key of any kind that MCUboot has a use for.
pub(super) enum AnyPublic {
    P256(p256::PublicKey),
    Rsa(RsaPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
    X25519(x25519_dalek::PublicKey),
}

/// What a PEM text holds.
pub(super) enum AnyKey {
    Private(AnyPrivate),
    Public(AnyPublic),
}

impl AnyPrivate {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::P256(_) => "ECDSA P-256",
            Self::Rsa(_) => "RSA",
            Self::Ed25519(_) => "Ed25519",
            Self::X25519(_) => "X25519",
        }
    }

    pub(super) fn public(&self) -> AnyPublic {
        match self {
            Self::P256(key) => AnyPublic::P256(key.public_key()),
            Self::Rsa(key) => AnyPublic::Rsa(key.to_public_key()),
            Self::Ed25519(key) => AnyPublic::Ed25519(key.verifying_key()),
            Self::X25519(key) => AnyPublic::X25519(key.into()),
        }
    }
}

impl AnyPublic {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::P256(_) => "ECDSA P-256",
            Self::Rsa(_) => "RSA",
            Self::Ed25519(_) => "Ed25519",
            Self::X25519(_) => "X25519",
        }
    }
}

/// Bits of an RSA modulus.
pub(super) fn rsa_bits(key: &impl PublicKeyParts) -> usize {
    key.n().bits()
}

/// Reads the first block of `text` that is a key; blocks such as `EC PARAMETERS` are passed over.
pub(super) fn parse(text: &str) -> Result<AnyKey, KeyError> {
    let mut other = None;
    for block in Blocks(text) {
        let (label, block) = block?;
        match label {
            "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
                return private(label, &decode(label, block)?).map(AnyKey::Private);
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {
                return public(label, &decode(label, block)?).map(AnyKey::Public);
            }
            "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Password),
            _ => {
                other.get_or_insert(label);
            }
        }
    }
    Err(other.map_or(KeyError::NoPem, |label| KeyError::Label {
        found: label.to_owned(),
        expected: LABELS,
    }))
}

/// The private key in `text`.
pub(super) fn parse_private(text: &str) -> Result<AnyPrivate, KeyError> {
    match parse(text)? {
        AnyKey::Private(key) => Ok(key),
        AnyKey::Public(_) => Err(KeyError::Label {
            found: "PUBLIC KEY".to_owned(),
            expected: "a private key",
        }),
    }
}

/// Blocks of a PEM text, each with its label.
struct Blocks<'a>(&'a str);

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<(&'a str, &'a str), KeyError>;

    fn next(&mut self) -> Option<Self::Item> {
        const BEGIN: &str = "-----BEGIN ";
        let start = self.0.find(BEGIN)?;
        let block = &self.0[start..];
        let label = block[BEGIN.len()..].split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let Some(at) = block.find(&end) else {
            self.0 = "";
            return Some(Err(KeyError::Pem {
                label: label.to_owned(),
                problem: "it has no END line".to_owned(),
            }));
        };
        let (block, rest) = block.split_at(at + end.len());
        self.0 = rest;
        Some(Ok((label, block)))
    }
}

fn decode(label: &str, block: &str) -> Result<SecretDocument, KeyError> {
    let (_, document) = SecretDocument::from_pem(block).map_err(|error| KeyError::Pem {
        label: label.to_owned(),
        problem: error.to_string(),
    })?;
    Ok(document)
}

fn private(label: &str, der: &SecretDocument) -> Result<AnyPrivate, KeyError> {
    let der = der.as_bytes();
    match label {
        "EC PRIVATE KEY" => p256::SecretKey::from_sec1_der(der)
            .map(AnyPrivate::P256)
            .map_err(|error| KeyError::damaged("ECDSA P-256", error)),
        "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_der(der)
            .map(|key| AnyPrivate::Rsa(Box::new(key)))
            .map_err(|error| KeyError::damaged("RSA", error)),
        _ => pkcs8(der),
    }
}

fn pkcs8(der: &[u8]) -> Result<AnyPrivate, KeyError> {
    let info = PrivateKeyInfo::try_from(der).map_err(|error| KeyError::damaged("PKCS#8", error))?;
    check_curve(&info.algorithm)?;
    match info.algorithm.oid {
        EC => p256::SecretKey::from_pkcs8_der(der)
            .map(AnyPrivate::P256)
            .map_err(|error| KeyError::damaged("ECDSA P-256", error)),
        RSA => RsaPrivateKey::from_pkcs8_der(der)
            .map(|key| AnyPrivate::Rsa(Box::new(key)))
            .map_err(|error| KeyError::damaged("RSA", error)),
        ED25519 => ed25519_dalek::SigningKey::from_pkcs8_der(der)
            .map(AnyPrivate::Ed25519)
            .map_err(|error| KeyError::damaged("Ed25519", error)),
        // RFC 8410: the key is an OCTET STRING of 32 bytes inside the outer one.
        X25519 => OctetStringRef::from_der(info.private_key)
            .ok()
            .and_then(|inner| <[u8; 32]>::try_from(inner.as_bytes()).ok())
            .map(|bytes| {
                let bytes = Zeroizing::new(bytes);
                AnyPrivate::X25519(x25519_dalek::StaticSecret::from(*bytes))
            })
            .ok_or_else(|| KeyError::damaged("X25519", "its value is not 32 bytes long")),
        other => Err(KeyError::Algorithm {
            found: other.to_string(),
            expected: ALGORITHMS,
        }),
    }
}

/// Elliptic curve keys name their curve; the error of the P-256 crate would not.
fn check_curve(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), KeyError> {
    match algorithm.parameters_oid() {
        Ok(curve) if algorithm.oid == EC && curve != P256 => Err(KeyError::Algorithm {
            found: format!("elliptic curve {curve}"),
            expected: ALGORITHMS,
        }),
        _ => Ok(()),
    }
}

fn public(label: &str, der: &SecretDocument) -> Result<AnyPublic, KeyError> {
    let der = der.as_bytes();
    if label == "RSA PUBLIC KEY" {
        return rsa_pkcs1(der);
    }
    spki(der)
}

/// A PKCS#1 `RSAPublicKey`.
pub(super) fn rsa_pkcs1(der: &[u8]) -> Result<AnyPublic, KeyError> {
    RsaPublicKey::from_pkcs1_der(der)
        .map(AnyPublic::Rsa)
        .map_err(|error| KeyError::damaged("RSA", error))
}

/// A `SubjectPublicKeyInfo` (RFC 5280).
pub(super) fn spki(der: &[u8]) -> Result<AnyPublic, KeyError> {
    let info = SubjectPublicKeyInfoRef::try_from(der)
        .map_err(|error| KeyError::damaged("SubjectPublicKeyInfo", error))?;
    check_curve(&info.algorithm)?;
    match info.algorithm.oid {
        EC => p256::PublicKey::from_public_key_der(der)
            .map(AnyPublic::P256)
            .map_err(|error| KeyError::damaged("ECDSA P-256", error)),
        RSA => RsaPublicKey::from_public_key_der(der)
            .map(AnyPublic::Rsa)
            .map_err(|error| KeyError::damaged("RSA", error)),
        ED25519 => ed25519_dalek::VerifyingKey::from_public_key_der(der)
            .map(AnyPublic::Ed25519)
            .map_err(|error| KeyError::damaged("Ed25519", error)),
        X25519 => info
            .subject_public_key
            .as_bytes()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(|bytes| AnyPublic::X25519(bytes.into()))
            .ok_or_else(|| KeyError::damaged("X25519", "its value is not 32 bytes long")),
        other => Err(KeyError::Algorithm {
            found: other.to_string(),
            expected: ALGORITHMS,
        }),
    }
}
