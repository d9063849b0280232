//! What is around the network core's firmware: validation information, provision data.
//!
//! Source: sdk-nrf `scripts/bootloader/{validation_data,provision}.py`, and the files of real builds.

use hil_image::network::NetworkBuilder;
use sha2::{Digest, Sha256};

use super::keys::Keys;

/// Bytes that the builder puts behind the firmware, when that is a multiple of 4 long.
const VALIDATION: usize = 176;

/// The firmware as b0n wants it: `fw_info` in it, validation information behind it.
pub(super) fn with_validation(
    firmware: Vec<u8>,
    address: u32,
    version: u32,
    keys: &Keys,
) -> Vec<u8> {
    NetworkBuilder::new(firmware)
        .address(address)
        .version(version)
        .key(&keys.network.signing())
        .build()
        .expect("the generator's firmware is longer than its metadata")
}

/// The firmware with `fw_info` alone, as b0n itself has it.
pub(super) fn with_info(firmware: Vec<u8>, address: u32, keys: &Keys) -> Vec<u8> {
    let mut binary = with_validation(firmware, address, 1, keys);
    binary.truncate(binary.len() - VALIDATION);
    binary
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
    bytes.extend_from_slice(&Sha256::digest(keys.network.point())[..16]);
    for half in [1_u16, 1, 1, 240] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    bytes.resize(bytes.len() + 2 * 240, 0xff);
    bytes
}
