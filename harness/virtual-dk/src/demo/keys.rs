//! The keys of the demo sets. They come from fixed seeds, so everybody has them.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use hil_bootloader::{Encryption, Signature};
use hil_image::{DecryptionKey, EncryptionKey, PrivateKey};
use p256::pkcs8::{
    AlgorithmIdentifierRef, EncodePrivateKey, EncodePublicKey, LineEnding, ObjectIdentifier,
    PrivateKeyInfo, SecretDocument, der::pem::PemLabel,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
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

/// A pair of keys that images are signed with, in PEM.
pub(super) struct KeyPair {
    private: String,
    public: String,
}

impl KeyPair {
    /// A pair for signatures of this kind.
    fn of(purpose: &str, signature: Signature) -> Self {
        match signature {
            Signature::EcdsaP256 => Self::p256(purpose),
            Signature::Rsa2048 => {
                let key = rsa2048(purpose);
                Self {
                    private: private_pem(&key),
                    public: public_pem(&key.to_public_key()),
                }
            }
            Signature::Ed25519 => {
                let seed = seed(&format!("{purpose} Ed25519"));
                Self {
                    private: seed_pem(ED25519, &seed),
                    public: public_pem(&SigningKey::from_bytes(&seed).verifying_key()),
                }
            }
            other @ (Signature::Rsa3072 | Signature::None) => {
                unreachable!("no variant has the signature {other:?}")
            }
        }
    }

    fn p256(purpose: &str) -> Self {
        let key = p256(purpose);
        Self {
            private: private_pem(&key),
            public: public_pem(&key.public_key()),
        }
    }

    /// To sign with.
    pub(super) fn signing(&self) -> PrivateKey {
        PrivateKey::from_pem(&self.private).expect("it was encoded above")
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
}

/// The private key that images are encrypted for, in PEM.
pub(super) struct DeviceKey(String);

impl DeviceKey {
    /// A key for this kind of encryption, if it is one.
    fn of(purpose: &str, encryption: Encryption) -> Option<Self> {
        match encryption {
            Encryption::None => None,
            Encryption::Ec256 => Some(Self(private_pem(&p256(purpose)))),
            Encryption::Rsa2048 => Some(Self(private_pem(&rsa2048(purpose)))),
            Encryption::X25519 | Encryption::X25519Sha512 => {
                let seed = seed(&format!("{purpose} X25519"));
                Some(Self(seed_pem(X25519, &seed)))
            }
            Encryption::AesKw => unreachable!("no variant has the encryption {encryption:?}"),
        }
    }

    /// A key that the bootloader does not have: the pair that it does not know, where that can be encrypted for.
    pub(super) fn of_others(foreign: &KeyPair, signature: Signature) -> Self {
        match signature {
            Signature::Ed25519 => Self(seed_pem(X25519, &seed("others X25519"))),
            _ => Self(foreign.private.clone()),
        }
    }

    /// To encrypt with.
    pub(super) fn encryption(&self) -> EncryptionKey {
        DecryptionKey::from_pem(&self.0)
            .expect("it was encoded above")
            .public()
    }

    /// What a bootloader has of it to decrypt, PEM.
    pub(super) fn private_pem(&self) -> &str {
        &self.0
    }
}

fn p256(purpose: &str) -> p256::SecretKey {
    p256::SecretKey::random(&mut rng(&format!("{purpose} P-256")))
}

fn rsa2048(purpose: &str) -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::new(&mut rng(&format!("{purpose} RSA-2048")), 2048)
        .expect("2048 bits are allowed")
}

fn seed(name: &str) -> [u8; 32] {
    let mut seed = [0; 32];
    rng(name).fill_bytes(&mut seed);
    seed
}

/// Curves whose private keys are 32 bytes (RFC 8410, section 3).
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Such a private key as OpenSSL writes it: without its public half, which the encoders of the curves' crates add.
fn seed_pem(curve: ObjectIdentifier, seed: &[u8; 32]) -> String {
    // The key is an OCTET STRING in an OCTET STRING.
    let inner = [&[0x04, 32], seed.as_slice()].concat();
    let algorithm = AlgorithmIdentifierRef {
        oid: curve,
        parameters: None,
    };
    SecretDocument::try_from(PrivateKeyInfo::new(algorithm, &inner))
        .expect("32 bytes can be encoded")
        .to_pem(PrivateKeyInfo::PEM_LABEL, LineEnding::LF)
        .expect("a document can be encoded")
        .to_string()
}

fn private_pem(key: &impl EncodePrivateKey) -> String {
    key.to_pkcs8_pem(LineEnding::LF)
        .expect("a fresh key can be encoded")
        .to_string()
}

fn public_pem(key: &impl EncodePublicKey) -> String {
    key.to_public_key_pem(LineEnding::LF)
        .expect("a fresh key can be encoded")
}

/// The keys of one variant.
pub(super) struct Keys {
    pub(super) signing: KeyPair,
    /// A key that the bootloader does not know.
    pub(super) foreign: KeyPair,
    pub(super) encryption: Option<DeviceKey>,
    /// Signs network images for b0n, which does not look at the signature.
    pub(super) network: KeyPair,
}

impl Keys {
    pub(super) fn of(variant: Variant) -> Self {
        let config = variant.bootloader();
        Self {
            signing: KeyPair::of("signing", config.signature),
            foreign: KeyPair::of("foreign", config.signature),
            encryption: DeviceKey::of("encryption", config.encryption),
            network: KeyPair::p256("network"),
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
            files.push(file("encryption.pem", encryption.private_pem()));
        }
        files
    }
}
