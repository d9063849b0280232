//! The parts of an inspection.

use serde::Serialize;

use crate::bytes::u32_at;
use crate::hash::{Digest, HashAlgorithm};
use crate::header::ImageHeader;
use crate::image::Image;
use crate::keys::{KeyRing, SignatureKind};
use crate::network::{FirmwareInfo, NetworkImage, NetworkRules};
use crate::tlv::{Tlv, TlvArea, TlvKind};
use crate::trailer::{
    FlagState, MagicState, SwapInfo, SwapMode, SwapType, Trailer, TrailerLayout, magic,
};
use crate::version::ImageVersion;

/// What a bootloader makes of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "result",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Verdict {
    /// Hash and signature are good.
    Accepted {
        /// Kind of the signature.
        signature: SignatureKind,
        /// Name of the given key that it matches.
        signed_by: String,
        /// Hash of that key.
        key_hash: Digest,
        /// Name of the given key that opened the content key.
        #[serde(skip_serializing_if = "Option::is_none")]
        decrypted_with: Option<String>,
    },
    /// The hash is good; no key was given to check a signature with.
    HashMatches {
        /// Name of the given key that opened the content key.
        #[serde(skip_serializing_if = "Option::is_none")]
        decrypted_with: Option<String>,
    },
    /// No bootloader with the given keys takes it.
    Refused {
        /// Field, offset, found, expected; and what is behind it.
        reason: String,
        /// What to try.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
    /// Cannot be told without further keys.
    Undecided {
        /// What is missing.
        reason: String,
        /// What to try.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
}

impl Verdict {
    pub(super) fn refused(error: &dyn std::error::Error, help: Option<&str>) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        Self::Refused {
            reason,
            help: help.map(str::to_owned),
        }
    }
}

/// How the payload lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadState {
    /// The header has no encryption flag.
    Plain,
    /// The header has an encryption flag, and the payload is in clear all the same (`imgtool --clear`).
    Clear,
    /// Encrypted, and not opened by any given key.
    Encrypted,
    /// Encrypted, and opened by a given key.
    Decrypted,
}

/// The header's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HeaderReport {
    /// Version.
    pub version: ImageVersion,
    /// `hdr_size`, bytes.
    pub header_size: u16,
    /// `img_size`, bytes.
    pub payload_size: u32,
    /// `protect_tlv_size`, bytes.
    pub protected_tlv_size: u16,
    /// `load_addr`.
    pub load_address: u32,
    /// `flags`.
    pub flags: u32,
    /// Names of the flags that are set.
    pub flag_names: Vec<String>,
}

impl HeaderReport {
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let header = ImageHeader::parse(bytes).ok()?;
        Some(Self {
            version: header.version,
            header_size: header.header_size,
            payload_size: header.image_size,
            protected_tlv_size: header.protected_tlv_size,
            load_address: header.load_address,
            flags: header.flags.bits(),
            flag_names: header.flags.names(),
        })
    }
}

/// One TLV area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AreaReport {
    /// Which one.
    pub area: TlvArea,
    /// Offset of its info header, bytes from the start of the file.
    pub offset: u32,
    /// Its entries.
    pub tlvs: Vec<TlvReport>,
}

/// One TLV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TlvReport {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u16,
    /// MCUboot's name for the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// Its offset, bytes from the start of the file.
    pub offset: u32,
    /// Bytes of its value.
    pub length: usize,
    /// The value in hex; not for content keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What the value says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
}

impl AreaReport {
    pub(super) fn of(image: &Image<'_>, keys: &KeyRing) -> Vec<Self> {
        [TlvArea::Protected, TlvArea::Unprotected]
            .into_iter()
            .filter_map(|area| {
                Some(Self {
                    area,
                    offset: image.area_offset(area)?,
                    tlvs: image
                        .tlvs()
                        .filter(|tlv| tlv.area == area)
                        .map(|tlv| TlvReport::of(&tlv, keys))
                        .collect(),
                })
            })
            .collect()
    }
}

impl TlvReport {
    fn of(tlv: &Tlv<'_>, keys: &KeyRing) -> Self {
        Self {
            kind: tlv.kind.0,
            name: tlv.kind.name(),
            offset: tlv.offset,
            length: tlv.value.len(),
            value: (!tlv.kind.is_content_key()).then(|| Digest::from_bytes(tlv.value).to_string()),
            meaning: meaning(tlv, keys),
        }
    }
}

fn meaning(tlv: &Tlv<'_>, keys: &KeyRing) -> Option<String> {
    match tlv.kind {
        TlvKind::KEYHASH => {
            let algorithm = match tlv.value.len() {
                64 => HashAlgorithm::Sha512,
                48 => HashAlgorithm::Sha384,
                _ => HashAlgorithm::Sha256,
            };
            let name = keys.name_of(&Digest::from_bytes(tlv.value), algorithm)?;
            Some(format!("key `{name}`"))
        }
        TlvKind::SEC_CNT => Some(u32::from_le_bytes(*tlv.exactly().ok()?).to_string()),
        TlvKind::DEPENDENCY => {
            let value = tlv.exactly::<12>().ok()?;
            let mut version = [0; ImageVersion::LEN];
            version.copy_from_slice(&value[4..]);
            let version = ImageVersion::from_bytes(version);
            Some(format!("image {} at least {version}", value[0]))
        }
        TlvKind::SIG_PURE => Some(match tlv.value {
            [1] => "signature covers the image itself".to_owned(),
            _ => "no effect: value is not 1".to_owned(),
        }),
        TlvKind::UUID_VID | TlvKind::UUID_CID => Some(uuid(tlv.exactly().ok()?)),
        kind if kind.is_content_key() => Some("content key, not shown".to_owned()),
        _ => None,
    }
}

/// RFC 9562 section 4.
fn uuid(bytes: &[u8; 16]) -> String {
    let hex = Digest::from_bytes(bytes).to_string();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

/// A demand on another image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DependencyReport {
    /// Index of the other image.
    pub image: u8,
    /// The least version it must have.
    pub minimum: ImageVersion,
}

impl DependencyReport {
    /// Malformed ones are seen in the list of TLVs.
    pub(super) fn of(image: &Image<'_>) -> Vec<Self> {
        image
            .dependencies()
            .unwrap_or_default()
            .into_iter()
            .map(|dependency| Self {
                image: dependency.image,
                minimum: dependency.minimum,
            })
            .collect()
    }
}

/// Metadata for the network core's bootloader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NetworkReport {
    /// Version in `fw_info`, which is not the one in the header.
    pub firmware_version: u32,
    /// Where the firmware belongs in network flash.
    pub address: u32,
    /// Firmware bytes that the hash covers.
    pub size: u32,
    /// What b0n with a container of 0x8800 bytes makes of it.
    pub verdict: NetworkVerdict,
}

/// What b0n makes of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum NetworkVerdict {
    /// It would be copied.
    Accepted,
    /// It would not.
    Refused {
        /// Field, offset, found, expected.
        reason: String,
    },
}

impl NetworkReport {
    /// Nothing for payloads without `fw_info`, which are for the application core.
    pub(super) fn of(payload: &[u8]) -> Option<Self> {
        let info = FirmwareInfo::find(payload).ok()?;
        Some(Self {
            firmware_version: info.version,
            address: info.address,
            size: info.size,
            verdict: match NetworkImage::check(payload, &NetworkRules::default()) {
                Ok(_) => NetworkVerdict::Accepted,
                Err(refusal) => NetworkVerdict::Refused {
                    reason: refusal.to_string(),
                },
            },
        })
    }
}

/// The trailer of a padded file; fields that every swap mode has at the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrailerReport {
    /// State of the magic.
    pub magic: MagicState,
    /// Alignment that the magic belongs to, bytes.
    pub max_align: u32,
    /// Whether the image is confirmed.
    pub image_ok: FlagState,
    /// Whether a swap is finished.
    pub copy_done: FlagState,
    /// What a swap is for.
    pub swap_info: SwapInfo,
    /// What the trailer asks for in a secondary slot.
    pub request: SwapType,
}

impl TrailerReport {
    /// `None` when there is no magic at the end of what stands behind the image.
    pub(super) fn of(rest: &[u8]) -> Option<Self> {
        [8, 16, 32]
            .into_iter()
            .find_map(|max_align| Self::with_alignment(rest, max_align))
    }

    fn with_alignment(rest: &[u8], max_align: u32) -> Option<Self> {
        if !rest.ends_with(&magic(max_align)) {
            return None;
        }
        // A layout without swap status: the swap mode is not known, and these fields do not depend on it.
        let layout = TrailerLayout {
            max_sectors: 0,
            max_align,
            ..TrailerLayout::new(SwapMode::Overwrite)
        };
        let size = usize::try_from(layout.size()).ok()?;
        let trailer = Trailer::read(rest.get(rest.len().checked_sub(size)?..)?, &layout).ok()?;
        Some(Self {
            magic: trailer.magic,
            max_align,
            image_ok: trailer.image_ok,
            copy_done: trailer.copy_done,
            swap_info: trailer.swap_info,
            request: trailer.request(),
        })
    }
}

/// First two words of a payload, which show the core it was linked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VectorsReport {
    /// Initial stack pointer.
    pub stack_pointer: u32,
    /// Reset vector, with its Thumb bit.
    pub reset: u32,
}

impl VectorsReport {
    pub(super) fn of(payload: &[u8]) -> Option<Self> {
        Some(Self {
            stack_pointer: u32_at(payload, 0)?,
            reset: u32_at(payload, 4)?,
        })
    }
}
