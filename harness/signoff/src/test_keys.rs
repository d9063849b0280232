//! Keys of tests: the same number is the same key.

use crate::key::{SigningKey, VerifyingKey};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use std::path::Path;

pub(crate) fn ed25519(number: u8) -> SigningKey {
    let key = ed25519_dalek::SigningKey::from_bytes(&[number; 32]);
    SigningKey::from_pem(
        Path::new("key.pem"),
        &key.to_pkcs8_pem(LineEnding::LF).unwrap(),
    )
    .unwrap()
}

pub(crate) fn p256(number: u8) -> SigningKey {
    let key = p256::SecretKey::from_slice(&[number; 32]).unwrap();
    SigningKey::from_pem(
        Path::new("key.pem"),
        &key.to_pkcs8_pem(LineEnding::LF).unwrap(),
    )
    .unwrap()
}

/// The P-256 key at a point, in hex digits.
pub(crate) fn p256_point(x: &str, y: &str) -> VerifyingKey {
    let point = hex::decode(format!("04{x}{y}")).unwrap();
    let key = p256::PublicKey::from_sec1_bytes(&point).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public.pem");
    std::fs::write(&path, key.to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
    VerifyingKey::load(&path).unwrap()
}
