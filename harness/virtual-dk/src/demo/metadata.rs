//! Metadata of network core firmware: what b0n looks for in front of and behind the code.
//!
//! Source: sdk-nrf `include/fw_info_bare.h`, `scripts/bootloader/validation_data.py`.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use sha2::{Digest, Sha256};

use super::keys::Keys;
use crate::model::NetworkMetadata;

/// Where `fw_info` lies in a binary: `CONFIG_FW_INFO_OFFSET`.
const FW_INFO_OFFSET: u32 = 0x200;
/// First word of both magics: the SDK's.
const MAGIC_COMMON: u32 = 0x281E_E6DE;
/// Version 2, hardware id 53, no crypto id.
const MAGIC_COMPATIBILITY: u32 = 0x0000_3502;
/// Of validation information: version 1 with crypto id 1... as nRF53 builds have it.
const VALIDATION_COMPATIBILITY: u32 = 0x0001_3502;
const VALID: u32 = 0x9102_FFFF;

/// `fw_info` of a binary of `size` bytes at `address`.
pub(super) fn fw_info(address: u32, size: u32, version: u32) -> NetworkMetadata {
    let words = [
        MAGIC_COMMON,
        0x8FCE_BB4C,
        MAGIC_COMPATIBILITY, // what it is
        60,
        size,
        version,
        address,
        address,
        VALID, // total size, firmware size, ..., boot address
        0,
        0,
        0,
        0,
        0,
        0, // reserved, no external APIs
    ];
    NetworkMetadata {
        offset: FW_INFO_OFFSET,
        fw_info: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    }
}

/// The firmware with validation information behind it.
pub(super) fn with_validation(mut firmware: Vec<u8>, address: u32, keys: &Keys) -> Vec<u8> {
    let hash: [u8; 32] = Sha256::digest(&firmware).into();
    // b0n's tools sign the digest as a message: it is hashed once more.
    let signature: Signature = SigningKey::from(&keys.network).sign(&hash);
    firmware.resize(firmware.len().next_multiple_of(4), 0xff);
    for word in [MAGIC_COMMON, 0x8651_8483, VALIDATION_COMPATIBILITY, address] {
        firmware.extend_from_slice(&word.to_le_bytes());
    }
    firmware.extend_from_slice(&hash);
    firmware.extend_from_slice(&public_point(keys));
    firmware.extend_from_slice(&signature.to_bytes());
    firmware
}

/// Spoils the hash in the validation information, which ends the binary: 32 bytes of hash, 64 of key, 64 of signature.
pub(super) fn break_validation(mut binary: Vec<u8>) -> Vec<u8> {
    let hash = binary.len() - 160;
    binary[hash] ^= 0x01;
    binary
}

/// The provision data: start of both slots, one key hash, an unused monotonic counter of 240 slots (SDK 2.7 to 3.0).
pub(super) fn provision(application: u32, keys: &Keys) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [application, application, 1, 0x50FA_FFFF] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&Sha256::digest(public_point(keys))[..16]);
    for half in [1_u16, 1, 1, 240] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    bytes.resize(bytes.len() + 2 * 240, 0xff);
    bytes
}

/// X and Y of the public key.
fn public_point(keys: &Keys) -> Vec<u8> {
    keys.network.public_key().to_encoded_point(false).as_bytes()[1..].to_vec()
}
