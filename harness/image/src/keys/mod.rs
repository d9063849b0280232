//! Keys as they come in files: PEM in every form that imgtool and openssl write, base64 for AES key wrap.
//!
//! No private key has a `Debug` that shows it, and all are wiped when dropped.

mod decryption;
mod pem;
mod private;
mod public;
mod ring;

pub use decryption::{DecryptionKey, EncryptionKey, UnwrapError, WrapError};
pub use private::{PrivateKey, SignError};
pub use public::{PublicKey, SignatureError, SignatureKind};
pub use ring::KeyRing;

/// Why a text is not a key that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No `-----BEGIN` line with anything useful behind it.
    #[error("no PEM block found, expected `-----BEGIN PUBLIC KEY-----` or a private key")]
    NoPem,
    /// A PEM block that is cut off or not base64.
    #[error("PEM block `{label}` cannot be decoded: {problem}")]
    Pem {
        /// Label of the block.
        label: String,
        /// What is wrong.
        problem: String,
    },
    /// A PEM block with something else in it.
    #[error("PEM block is `{found}`, expected {expected}")]
    Label {
        /// Label that was found.
        found: String,
        /// Labels that are understood here.
        expected: &'static str,
    },
    /// A private key behind a password.
    #[error("PEM block is `ENCRYPTED PRIVATE KEY`, expected a key without a password")]
    Password,
    /// An algorithm that MCUboot has no use for in this place.
    #[error("key algorithm is {found}, expected {expected}")]
    Algorithm {
        /// Name or object identifier.
        found: String,
        /// What can be used here.
        expected: &'static str,
    },
    /// RSA of another size.
    #[error("RSA key has {bits} bits, expected {expected}")]
    RsaSize {
        /// Bits found.
        bits: usize,
        /// Sizes that can be used here.
        expected: &'static str,
    },
    /// The numbers in the key do not make a key.
    #[error("{kind} key is damaged: {problem}")]
    Damaged {
        /// What kind it claims to be.
        kind: &'static str,
        /// What is wrong; never has key bytes in it.
        problem: String,
    },
    /// Not base64, or a key-encryption key of a length that AES does not have.
    #[error("base64 key has {problem}, expected 16 or 32 bytes")]
    Base64 {
        /// What was found.
        problem: String,
    },
}

impl KeyError {
    /// What a person can try, where there is something.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Password => Some("remove the password: `openssl pkcs8 -in KEY -out KEY.pem`"),
            Self::NoPem => Some("keys are PEM files as `imgtool keygen` writes them"),
            _ => None,
        }
    }

    pub(crate) fn damaged(kind: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Damaged {
            kind,
            problem: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
