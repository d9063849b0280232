//! Making the payload of a network core image.

use p256::ecdsa::signature::hazmat::PrehashSigner;

use super::{
    APPLICATION_ADDRESS, INFO_COMPATIBILITY, INFO_LEN, INFO_OFFSETS, MAGIC_COMMON, MAGIC_INFO,
    MAGIC_VALIDATION, VALID, VALIDATION_COMPATIBILITY,
};
use crate::bytes::round_up;
use crate::hash::HashAlgorithm;
use crate::keys::{PrivateKey, SignatureKind};

/// Adds `fw_info` and validation info to the code of a network core firmware.
#[derive(Clone, Debug)]
pub struct NetworkBuilder {
    code: Vec<u8>,
    version: u32,
    address: u32,
    info_offset: u32,
    valid: u32,
    key: Option<PrivateKey>,
}

/// Why no network core payload could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkBuildError {
    /// b0n would not find `fw_info` there.
    #[error(
        "fw_info offset is {found:#x}, expected 0x0, 0x200, 0x400, 0x600, 0x800, 0xe00 or 0x1000"
    )]
    InfoOffset {
        /// The offset that was asked for, bytes.
        found: u32,
    },
    /// The code has no room for `fw_info`.
    #[error("code is {found:#x} bytes, expected more than {least:#x} and less than 4 GiB")]
    CodeSize {
        /// Bytes of the code.
        found: usize,
        /// Where `fw_info` ends.
        least: u32,
    },
    /// Validation info has room for P-256 only.
    #[error("key is {found}, expected ECDSA P-256")]
    Key {
        /// Kind of the key.
        found: SignatureKind,
    },
}

impl NetworkBuilder {
    /// Firmware of version 1 at the usual place, with `fw_info` at 0x200 and no signature.
    ///
    /// The code starts with its vector table; the 60 bytes at the offset of `fw_info` are overwritten.
    #[must_use]
    pub fn new(code: impl Into<Vec<u8>>) -> Self {
        Self {
            code: code.into(),
            version: 1,
            address: APPLICATION_ADDRESS,
            info_offset: 0x200,
            valid: VALID,
            key: None,
        }
    }

    /// Sets the monotonic version.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets where the firmware lies in network flash.
    #[must_use]
    pub fn address(mut self, address: u32) -> Self {
        self.address = address;
        self
    }

    /// Sets where `fw_info` lies in the payload.
    #[must_use]
    pub fn info_offset(mut self, offset: u32) -> Self {
        self.info_offset = offset;
        self
    }

    /// Sets the `valid` word, for firmware that was invalidated.
    #[must_use]
    pub fn valid(mut self, valid: u32) -> Self {
        self.valid = valid;
        self
    }

    /// Signs the hash. Without a key, public key and signature are zero, which b0n accepts.
    #[must_use]
    pub fn key(mut self, key: &PrivateKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Makes the payload: code with `fw_info`, fill to a multiple of 4, validation info.
    ///
    /// # Errors
    ///
    /// The code is too short, or offset or key are none that b0n knows.
    pub fn build(&self) -> Result<Vec<u8>, NetworkBuildError> {
        if !INFO_OFFSETS.contains(&self.info_offset) {
            return Err(NetworkBuildError::InfoOffset {
                found: self.info_offset,
            });
        }
        let least = self.info_offset + INFO_LEN;
        let wrong_size = NetworkBuildError::CodeSize {
            found: self.code.len(),
            least,
        };
        let size = u32::try_from(self.code.len()).map_err(|_| wrong_size.clone())?;
        if size <= least {
            return Err(wrong_size);
        }
        let mut payload = self.code.clone();
        payload[self.info_offset as usize..least as usize].copy_from_slice(&self.info(size));
        let hash = HashAlgorithm::Sha256.digest(&payload);
        payload.resize(round_up(payload.len(), 4), 0xff);
        for word in [
            MAGIC_COMMON,
            MAGIC_VALIDATION,
            VALIDATION_COMPATIBILITY,
            self.address,
        ] {
            payload.extend_from_slice(&word.to_le_bytes());
        }
        payload.extend_from_slice(hash.as_bytes());
        payload.extend_from_slice(&self.public_key_and_signature(hash.as_bytes())?);
        Ok(payload)
    }

    fn info(&self, size: u32) -> Vec<u8> {
        [
            MAGIC_COMMON,
            MAGIC_INFO,
            INFO_COMPATIBILITY,
            INFO_LEN,
            size,
            self.version,
            self.address,
            self.address,
            self.valid,
            0,
            0,
            0,
            0,
            0,
            0,
        ]
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect()
    }

    /// The signature's message is the hash, which is hashed once more (`validation_data.py`).
    fn public_key_and_signature(&self, hash: &[u8]) -> Result<[u8; 128], NetworkBuildError> {
        let mut bytes = [0; 128];
        let key = match &self.key {
            None => return Ok(bytes),
            Some(PrivateKey::EcdsaP256(key)) => key,
            Some(other) => {
                return Err(NetworkBuildError::Key {
                    found: other.kind(),
                });
            }
        };
        let point = key.verifying_key().to_encoded_point(false);
        // An uncompressed point is one byte of type and 64 of coordinates.
        bytes[..64].copy_from_slice(&point.as_bytes()[1..]);
        let signature: p256::ecdsa::Signature = key
            .sign_prehash(HashAlgorithm::Sha256.digest(hash).as_bytes())
            .expect("a SHA-256 digest is long enough for P-256");
        bytes[64..].copy_from_slice(&signature.to_bytes());
        Ok(bytes)
    }
}
