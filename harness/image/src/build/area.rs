//! TLV areas while they are filled, and the one value that is more than bytes.

use super::BuildError;
use crate::hash::{Digest, HashAlgorithm};
use crate::tlv::{INFO_LEN, TlvArea, TlvKind};
use crate::version::ImageVersion;

/// One TLV area while it is filled.
pub(super) struct Area(Vec<u8>, TlvArea);

impl Area {
    pub(super) fn new(area: TlvArea) -> Self {
        Self(Vec::new(), area)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, kind: TlvKind, value: &[u8]) -> Result<(), BuildError> {
        let length = u16::try_from(value.len()).map_err(|_| BuildError::TlvSize {
            kind,
            found: value.len(),
        })?;
        self.0.extend_from_slice(&kind.0.to_le_bytes());
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, BuildError> {
        let found = self.0.len() + INFO_LEN as usize;
        let total = u16::try_from(found).map_err(|_| BuildError::AreaSize {
            area: self.1,
            found,
        })?;
        let mut bytes = Vec::with_capacity(found);
        bytes.extend_from_slice(&self.1.magic().to_le_bytes());
        bytes.extend_from_slice(&total.to_le_bytes());
        bytes.extend_from_slice(&self.0);
        Ok(bytes)
    }
}

/// CBOR map of imgtool's `boot_record.py`: the measurement stands last, for the loader fills it in.
pub(super) fn boot_record(
    software_type: &str,
    version: ImageVersion,
    signer: &Digest,
    hash: HashAlgorithm,
) -> Vec<u8> {
    let version = ImageVersion {
        build: 0,
        ..version
    };
    let description = hash.tlv_kind().name().unwrap_or_default();
    let mut cbor = vec![0xa5, 0x01];
    cbor_item(&mut cbor, CborKind::Text, software_type.as_bytes());
    cbor.push(0x04);
    cbor_item(&mut cbor, CborKind::Text, version.to_string().as_bytes());
    cbor.push(0x05);
    cbor_item(&mut cbor, CborKind::Bytes, signer.as_bytes());
    cbor.push(0x06);
    cbor_item(&mut cbor, CborKind::Text, description.as_bytes());
    cbor.push(0x02);
    cbor_item(&mut cbor, CborKind::Bytes, &vec![0; hash.len()]);
    cbor
}

#[derive(Clone, Copy)]
enum CborKind {
    Bytes = 0x40,
    Text = 0x60,
}

/// A string of fewer than 256 bytes (RFC 8949 section 3.1).
fn cbor_item(out: &mut Vec<u8>, kind: CborKind, bytes: &[u8]) {
    match bytes.len() {
        short @ 0..24 => out.push(kind as u8 | short as u8),
        long => out.extend_from_slice(&[kind as u8 | 24, long as u8]),
    }
    out.extend_from_slice(bytes);
}
