//! What b0n, the network core's bootloader, wants inside a network core image.
//!
//! MCUboot sees an ordinary image. Its payload carries two structures more: `fw_info` near the start says
//! where the firmware belongs, and validation info behind it has the hash that b0n checks. b0n checks no
//! signature; that is MCUboot's job. Facts: sdk-nrf `include/fw_info_bare.h`,
//! `subsys/bootloader/bl_validation/bl_validation.c`, `scripts/bootloader/validation_data.py`.
//!
//! Offsets here count bytes from the start of the payload, which is where the vector table is.

mod build;

use serde::Serialize;

pub use build::{NetworkBuildError, NetworkBuilder};

use crate::bytes::u32_at;
use crate::hash::{Digest, HashAlgorithm};

/// Where the network core's application starts behind a b0n container of 0x8800 bytes.
pub const APPLICATION_ADDRESS: u32 = 0x0100_8800;
/// `valid` of a firmware that was not invalidated.
pub const VALID: u32 = 0x9102_ffff;

/// First word of both structures.
const MAGIC_COMMON: u32 = 0x281e_e6de;
/// Second word of `fw_info`.
const MAGIC_INFO: u32 = 0x8fce_bb4c;
/// Third word of `fw_info` on nRF53: format version 2, hardware 53, no crypto.
const INFO_COMPATIBILITY: u32 = 0x0000_3502;
/// Second word of the validation info.
const MAGIC_VALIDATION: u32 = 0x8651_8483;
/// Third word of the validation info on nRF53: the same with crypto 1.
const VALIDATION_COMPATIBILITY: u32 = 0x0001_3502;

/// Where b0n looks for `fw_info`, in its order; the last two only in newer SDKs.
const INFO_OFFSETS: [u32; 7] = [0x0, 0x200, 0x400, 0x800, 0x1000, 0x600, 0xe00];
/// Bytes of `fw_info` without lists of external APIs.
const INFO_LEN: u32 = 60;
/// Bytes of the validation info.
const VALIDATION_LEN: usize = 176;

/// `fw_info`: what the firmware says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FirmwareInfo {
    /// Where the structure was found, bytes.
    pub offset: u32,
    /// Bytes of the structure with its lists.
    pub total_size: u32,
    /// Firmware bytes, which the hash covers.
    pub size: u32,
    /// Monotonic version; has nothing to do with the version in the MCUboot header.
    pub version: u32,
    /// Address of the firmware's first byte in network flash.
    pub address: u32,
    /// Address of its vector table.
    pub boot_address: u32,
    /// [`VALID`], or anything else once the firmware was invalidated.
    pub valid: u32,
    /// External APIs that it offers.
    pub api_count: u32,
    /// External APIs that it needs.
    pub api_request_count: u32,
}

/// Validation info, directly behind the firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ValidationInfo {
    /// Where the structure was found, bytes.
    pub offset: u32,
    /// Address of the firmware that it belongs to.
    pub address: u32,
    /// SHA-256 of the firmware.
    pub hash: Digest,
    /// Public key, X and Y of P-256; b0n does not look at it.
    pub public_key: Digest,
    /// Signature, r and s, over the hash; b0n does not look at it.
    pub signature: Digest,
}

/// Both structures of a network core payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NetworkImage {
    /// What the firmware says about itself.
    pub firmware: FirmwareInfo,
    /// What b0n checks it against.
    pub validation: ValidationInfo,
}

/// Why b0n does not take a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkRefusal {
    /// No `fw_info` where one may be.
    #[error(
        "payload has no fw_info, expected magic 0x281ee6de 0x8fcebb4c 0x00003502 at payload offset 0x0, 0x200, 0x400, 0x600, 0x800, 0xe00 or 0x1000"
    )]
    NoFirmwareInfo,
    /// A `fw_info` for another chip or of another format.
    #[error(
        "fw_info compatibility at payload offset {:#06x} is {found:#010x}, expected 0x00003502 for nRF53",
        offset + 8
    )]
    Compatibility {
        /// Offset of the structure.
        offset: u32,
        /// Its third word.
        found: u32,
    },
    /// The firmware belongs elsewhere.
    #[error(
        "fw_info address at payload offset {:#06x} is {found:#010x}, expected {expected:#010x}, the start of the network core application",
        offset + 24
    )]
    Address {
        /// Offset of the structure.
        offset: u32,
        /// Address found.
        found: u32,
        /// b0n's application start.
        expected: u32,
    },
    /// The firmware was invalidated.
    #[error(
        "fw_info valid at payload offset {:#06x} is {found:#010x}, expected 0x9102ffff: the firmware was invalidated",
        offset + 32
    )]
    Invalidated {
        /// Offset of the structure.
        offset: u32,
        /// Value found.
        found: u32,
    },
    /// Older than the monotonic counter allows.
    #[error(
        "fw_info version at payload offset {:#06x} is {found}, expected at least {least} by the monotonic counter",
        offset + 20
    )]
    Version {
        /// Offset of the structure.
        offset: u32,
        /// Version found.
        found: u32,
        /// Value of the counter.
        least: u32,
    },
    /// The structure is not inside the firmware that it describes.
    #[error(
        "fw_info size at payload offset {:#06x} is {size:#x} bytes, expected more than {:#x} so that fw_info itself is inside",
        offset + 16,
        offset + 60
    )]
    InfoOutside {
        /// Offset of the structure.
        offset: u32,
        /// `size`, bytes.
        size: u32,
    },
    /// The reset vector points out of the firmware.
    #[error(
        "reset vector at payload offset 0x0004 is {found:#010x}, expected an address from {start:#010x} to below {end:#010x}"
    )]
    ResetVector {
        /// The vector.
        found: u32,
        /// Start of the firmware.
        start: u32,
        /// End of the firmware.
        end: u64,
    },
    /// No validation info behind the firmware.
    #[error(
        "payload has no validation info, expected magic 0x281ee6de 0x86518483 0x00013502 at payload offset {offset:#06x} or up to 4 bytes further; the payload ends at {end:#06x}"
    )]
    NoValidationInfo {
        /// Where the firmware ends.
        offset: u64,
        /// Where the payload ends.
        end: usize,
    },
    /// Validation info of another firmware.
    #[error(
        "validation info address at payload offset {:#06x} is {found:#010x}, expected {expected:#010x} as in fw_info",
        offset + 12
    )]
    ValidationAddress {
        /// Offset of the structure.
        offset: u32,
        /// Address found.
        found: u32,
        /// Address by `fw_info`.
        expected: u32,
    },
    /// The firmware's hash is another.
    #[error(
        "validation info hash at payload offset {:#06x} is {found}, expected {expected} by the firmware's own {size:#x} bytes",
        offset + 16
    )]
    Hash {
        /// Offset of the structure.
        offset: u32,
        /// The stored hash.
        found: Digest,
        /// The computed hash.
        expected: Digest,
        /// Bytes that are hashed.
        size: u32,
    },
}

/// What a b0n on a certain device demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkRules {
    /// Where its application starts in network flash.
    pub address: u32,
    /// The monotonic counter, in builds with rollback protection.
    pub least_version: Option<u32>,
}

impl Default for NetworkRules {
    fn default() -> Self {
        Self {
            address: APPLICATION_ADDRESS,
            least_version: None,
        }
    }
}

impl FirmwareInfo {
    /// Finds the structure where b0n looks for it.
    ///
    /// # Errors
    ///
    /// There is none, or one that is not for nRF53.
    pub fn find(payload: &[u8]) -> Result<Self, NetworkRefusal> {
        let mut other = None;
        for offset in INFO_OFFSETS {
            let word = |at: u32| u32_at(payload, (offset + at) as usize);
            if word(0) != Some(MAGIC_COMMON) || word(4) != Some(MAGIC_INFO) {
                continue;
            }
            let (Some(compatibility), Some(api_request_count)) = (word(8), word(INFO_LEN - 4))
            else {
                continue;
            };
            if compatibility != INFO_COMPATIBILITY {
                other.get_or_insert(NetworkRefusal::Compatibility {
                    offset,
                    found: compatibility,
                });
                continue;
            }
            // The last word is there, so all before it are.
            let word = |at| word(at).unwrap_or_default();
            return Ok(Self {
                offset,
                total_size: word(12),
                size: word(16),
                version: word(20),
                address: word(24),
                boot_address: word(28),
                valid: word(32),
                api_count: word(52),
                api_request_count,
            });
        }
        Err(other.unwrap_or(NetworkRefusal::NoFirmwareInfo))
    }
}

impl ValidationInfo {
    /// Finds the structure behind `size` bytes of firmware.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn find(payload: &[u8], size: u32) -> Result<Self, NetworkRefusal> {
        (0..=4)
            .find_map(|distance| Self::parse(payload, size.checked_add(distance)?))
            .ok_or_else(|| NetworkRefusal::NoValidationInfo {
                offset: u64::from(size),
                end: payload.len(),
            })
    }

    fn parse(payload: &[u8], offset: u32) -> Option<Self> {
        let raw = payload
            .get(offset as usize..)?
            .first_chunk::<VALIDATION_LEN>()?;
        let magic = [MAGIC_COMMON, MAGIC_VALIDATION, VALIDATION_COMPATIBILITY];
        let found = [u32_at(raw, 0)?, u32_at(raw, 4)?, u32_at(raw, 8)?];
        (found == magic).then_some(Self {
            offset,
            address: u32_at(raw, 12)?,
            hash: Digest::from_bytes(&raw[16..48]),
            public_key: Digest::from_bytes(&raw[48..112]),
            signature: Digest::from_bytes(&raw[112..]),
        })
    }
}

impl NetworkImage {
    /// Finds both structures in a plain payload.
    ///
    /// # Errors
    ///
    /// One of them is missing.
    pub fn parse(payload: &[u8]) -> Result<Self, NetworkRefusal> {
        let firmware = FirmwareInfo::find(payload)?;
        let validation = ValidationInfo::find(payload, firmware.size)?;
        Ok(Self {
            firmware,
            validation,
        })
    }

    /// Judges a plain payload as b0n does before and after it copies it.
    ///
    /// # Errors
    ///
    /// The first thing that b0n refuses the payload for.
    pub fn check(payload: &[u8], rules: &NetworkRules) -> Result<Self, NetworkRefusal> {
        let info = FirmwareInfo::find(payload)?;
        let offset = info.offset;
        if info.address != rules.address {
            return Err(NetworkRefusal::Address {
                offset,
                found: info.address,
                expected: rules.address,
            });
        }
        if info.valid != VALID {
            return Err(NetworkRefusal::Invalidated {
                offset,
                found: info.valid,
            });
        }
        if let Some(least) = rules.least_version
            && info.version < least
        {
            return Err(NetworkRefusal::Version {
                offset,
                found: info.version,
                least,
            });
        }
        if offset + INFO_LEN >= info.size {
            return Err(NetworkRefusal::InfoOutside {
                offset,
                size: info.size,
            });
        }
        let end = u64::from(info.address) + u64::from(info.size);
        let vector = u32_at(payload, 4).unwrap_or_default();
        if vector < info.address || u64::from(vector) >= end {
            return Err(NetworkRefusal::ResetVector {
                found: vector,
                start: info.address,
                end,
            });
        }
        let validation = ValidationInfo::find(payload, info.size)?;
        if validation.address != info.address {
            return Err(NetworkRefusal::ValidationAddress {
                offset: validation.offset,
                found: validation.address,
                expected: info.address,
            });
        }
        // The structure stands behind the firmware, so the firmware is there.
        let firmware = payload.get(..info.size as usize).unwrap_or(payload);
        let expected = HashAlgorithm::Sha256.digest(firmware);
        if validation.hash != expected {
            return Err(NetworkRefusal::Hash {
                offset: validation.offset,
                found: validation.hash,
                expected,
                size: info.size,
            });
        }
        Ok(Self {
            firmware: info,
            validation,
        })
    }
}

#[cfg(test)]
mod tests;
