//! Bits that are flipped and places where a file is cut: nothing is signed again.

use super::{Damage, DamageError};
use crate::image::Image;
use crate::tlv::{TlvArea, TlvKind};

/// The byte in which a bit is flipped, and the bit; `None` when the damage is no flip.
pub(super) fn flipped(
    damage: Damage,
    image: &Image<'_>,
) -> Result<Option<(usize, u8)>, DamageError> {
    let payload = usize::from(image.header().header_size);
    let payload_end = payload + image.payload().len();
    let value = |kinds: &[TlvKind], what| {
        image
            .tlvs()
            .find(|tlv| tlv.area == TlvArea::Unprotected && kinds.contains(&tlv.kind))
            .map(|tlv| (tlv.offset as usize + TLV_HEADER, tlv.value.len()))
            .filter(|(_, length)| *length > 0)
            .ok_or(DamageError::Absent(what))
    };
    Ok(Some(match damage {
        Damage::FlipMagic => (0x00, 0x01),
        Damage::FlipLoadAddress => (0x04, 0x01),
        Damage::FlipHeaderSize => (0x08, 0x04),
        Damage::FlipProtectedSize => (0x0a, 0x04),
        Damage::FlipImageSize => (0x0c, 0x04),
        Damage::FlipFlags => (0x10, 0x01),
        Damage::FlipVersion => (0x16, 0x01),
        Damage::FlipReserved => (0x1c, 0x01),
        Damage::FlipHeaderPadding if payload > 0x20 => (0x20, 0x01),
        Damage::FlipHeaderPadding => {
            return Err(DamageError::Absent("bytes between header and payload"));
        }
        Damage::FlipPayloadStart | Damage::FlipPayloadEnd if payload == payload_end => {
            return Err(DamageError::Absent("payload"));
        }
        Damage::FlipPayloadStart => (payload, 0x01),
        Damage::FlipPayloadEnd => (payload_end - 1, 0x01),
        Damage::FlipProtectedTlv => {
            let first = image
                .tlvs()
                .find(|tlv| tlv.area == TlvArea::Protected && !tlv.value.is_empty());
            let first = first.ok_or(DamageError::Absent("protected TLVs"))?;
            (first.offset as usize + TLV_HEADER, 0x01)
        }
        Damage::FlipTlvInfo => {
            let area = image.area_offset(TlvArea::Unprotected).unwrap_or_default();
            (area as usize, 0x01)
        }
        Damage::FlipHash => {
            let hashes = [TlvKind::SHA256, TlvKind::SHA384, TlvKind::SHA512];
            (value(&hashes, "hash")?.0, 0x01)
        }
        Damage::FlipKeyHash => {
            let keys = [TlvKind::KEYHASH, TlvKind::PUBKEY];
            (value(&keys, "hash of a signing key")?.0, 0x01)
        }
        // The last byte: the front of a DER signature says how long it is.
        Damage::FlipSignature => {
            let (offset, length) = value(&SIGNATURES, "signature")?;
            (offset + length - 1, 0x01)
        }
        Damage::FlipEncryptionTlv => {
            let (offset, length) = value(&CONTENT_KEYS, "wrapped content key")?;
            (offset + length - 1, 0x01)
        }
        _ => return Ok(None),
    }))
}

const SIGNATURES: [TlvKind; 4] = [
    TlvKind::RSA2048_PSS,
    TlvKind::ECDSA_SIG,
    TlvKind::RSA3072_PSS,
    TlvKind::ED25519,
];

const CONTENT_KEYS: [TlvKind; 5] = [
    TlvKind::ENC_RSA2048,
    TlvKind::ENC_KW,
    TlvKind::ENC_EC256,
    TlvKind::ENC_X25519,
    TlvKind::ENC_X25519_SHA512,
];

/// Bytes of a TLV in front of its value.
const TLV_HEADER: usize = 4;

/// How many bytes of the image are left; `None` when the damage is no cut.
pub(super) fn kept(damage: Damage, image: &Image<'_>) -> Option<usize> {
    let payload = usize::from(image.header().header_size);
    let payload_end = payload + image.payload().len();
    match damage {
        Damage::CutInHeader => Some(16),
        Damage::CutAfterHeader => Some(payload),
        Damage::CutInPayload => Some(payload + image.payload().len() / 2),
        Damage::CutAfterPayload => Some(payload_end),
        Damage::CutInTlvs => Some(payload_end + (image.len() - payload_end) / 2),
        Damage::CutLastByte => Some(image.len() - 1),
        _ => None,
    }
}
