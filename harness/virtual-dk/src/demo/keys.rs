//! The keys of the demo sets. They come from fixed seeds, so everybody has them.

use std::path::PathBuf;

use hil_bootloader::{Encryption, Signature};
use hil_image::{DecryptionKey, EncryptionKey, PrivateKey};
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::Variant;

/// In front of every key in a file.
const NOTICE: &str = "\
# Demo key of dfu-hil. It is generated from a published seed and protects nothing.
# Never put it, or anything signed with it, on a device that leaves the bench.
";

/// A generator that depends on a name only.
pub(super) fn rng(name: &str) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(Sha256::digest(format!("dfu-hil demo: {name}")).into())
}

/// A pair of keys in PEM.
pub(super) struct KeyPair {
    private: String,
    public: String,
}

impl KeyPair {
    /// A key for signatures of this kind.
    fn signs(purpose: &str, signature: Signature) -> Self {
        match signature {
            Signature::EcdsaP256 => Self::p256(&format!("{purpose} P-256")),
            Signature::Rsa2048 => Self::rsa2048(&format!("{purpose} RSA-2048")),
            other => unreachable!("no variant has signatures of the kind {other:?}"),
        }
    }

    /// A key that content keys are wrapped for in this way.
    fn decrypts(purpose: &str, encryption: Encryption) -> Option<Self> {
        match encryption {
            Encryption::None => None,
            Encryption::Ec256 => Some(Self::p256(&format!("{purpose} P-256"))),
            other => unreachable!("no variant has encryption of the kind {other:?}"),
        }
    }

    fn p256(name: &str) -> Self {
        let key = p256::SecretKey::random(&mut rng(name));
        let private = key
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a fresh key can be encoded");
        let public = key
            .public_key()
            .to_public_key_pem(LineEnding::LF)
            .expect("a fresh key can be encoded");
        Self {
            private: private.to_string(),
            public,
        }
    }

    fn rsa2048(name: &str) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rng(name), 2048).expect("2048 bits are allowed");
        let private = key
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a fresh key can be encoded");
        let public = key
            .to_public_key()
            .to_public_key_pem(LineEnding::LF)
            .expect("a fresh key can be encoded");
        Self {
            private: private.to_string(),
            public,
        }
    }

    /// To sign with.
    pub(super) fn signing(&self) -> PrivateKey {
        PrivateKey::from_pem(&self.private).expect("it was encoded above")
    }

    /// To encrypt with.
    pub(super) fn encryption(&self) -> EncryptionKey {
        DecryptionKey::from_pem(&self.private)
            .expect("it was encoded above")
            .public()
    }

    /// X and Y of the public key, for a P-256 key.
    pub(super) fn point(&self) -> Vec<u8> {
        let der = self.signing().public().to_der();
        // A SubjectPublicKeyInfo of P-256 ends with the uncompressed point: 04, X, Y.
        der[der.len() - 64..].to_vec()
    }

    /// What a bootloader has of it to check signatures, PEM.
    pub(super) fn public_pem(&self) -> &str {
        &self.public
    }

    /// What a bootloader has of it to decrypt, PEM.
    pub(super) fn private_pem(&self) -> &str {
        &self.private
    }
}

/// The keys of one variant.
pub(super) struct Keys {
    pub(super) signing: KeyPair,
    /// A key that the bootloader does not know.
    pub(super) foreign: KeyPair,
    pub(super) encryption: Option<KeyPair>,
    /// Signs network images for b0n, which does not look at the signature.
    pub(super) network: KeyPair,
}

impl Keys {
    pub(super) fn of(variant: Variant) -> Self {
        let config = variant.bootloader();
        Self {
            signing: KeyPair::signs("signing", config.signature),
            foreign: KeyPair::signs("foreign", config.signature),
            encryption: KeyPair::decrypts("encryption", config.encryption),
            network: KeyPair::p256("network P-256"),
        }
    }

    /// The key files of the set.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let file = |name: &str, pem: &str| {
            (
                PathBuf::from("keys").join(name),
                format!("{NOTICE}{pem}").into_bytes(),
            )
        };
        let mut files = vec![
            file("signing.pem", &self.signing.private),
            file("signing.pub.pem", &self.signing.public),
        ];
        if let Some(encryption) = &self.encryption {
            files.push(file("encryption.pem", &encryption.private));
        }
        files
    }
}
