//! A parsed image: header, payload and TLVs of one file or slot.

use std::borrow::Cow;

use crate::content_key::ContentKey;
use crate::error::ImageError;
use crate::hash::{Digest, HashAlgorithm, Hasher};
use crate::header::{AesKeySize, ImageHeader};
use crate::tlv::{Tlv, TlvArea, TlvAreas, TlvKind};
use crate::version::ImageVersion;

/// An image whose structure is sound: sizes, areas and entries all fit. Says nothing about hash or
/// signature; for that see [`crate::Verifier`].
#[derive(Clone, PartialEq, Eq)]
pub struct Image<'a> {
    bytes: &'a [u8],
    header: ImageHeader,
    areas: TlvAreas<'a>,
}

/// A demand on another image: it must end up with at least this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Index of the other image.
    pub image: u8,
    /// The least version it must have.
    pub minimum: ImageVersion,
}

impl Dependency {
    /// Bytes of the TLV value: index, three zero bytes, version.
    pub(crate) const LEN: usize = 12;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.image;
        bytes[4..].copy_from_slice(&self.minimum.to_bytes());
        bytes
    }
}

/// How an image says that its payload is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption<'a> {
    /// Key length by the header's flags; `None` when both flags are set, which a loader refuses.
    pub key_size: Option<AesKeySize>,
    /// The first TLV with a wrapped content key.
    pub key_tlv: Option<Tlv<'a>>,
}

impl<'a> Image<'a> {
    /// Reads an image at the start of a file or a slot; bytes behind the TLV areas are ignored.
    ///
    /// # Errors
    ///
    /// The header, an area or an entry is not what MCUboot's rules demand.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let header = ImageHeader::parse(bytes)?;
        if usize::from(header.header_size) < ImageHeader::LEN {
            return Err(ImageError::HeaderSize {
                found: header.header_size,
            });
        }
        let areas = TlvAreas::parse(bytes, &header)?;
        Ok(Self {
            bytes: &bytes[..areas.end as usize],
            header,
            areas,
        })
    }

    /// The header's fields.
    #[must_use]
    pub fn header(&self) -> &ImageHeader {
        &self.header
    }

    /// The header as stored, `header_size` bytes; all of it is hashed.
    #[must_use]
    pub fn header_bytes(&self) -> &'a [u8] {
        &self.bytes[..usize::from(self.header.header_size)]
    }

    /// The payload as stored: cipher text when the image is encrypted.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let start = usize::from(self.header.header_size);
        &self.bytes[start..start + self.header.image_size as usize]
    }

    /// The protected TLV area with its info header; empty when there is none.
    #[must_use]
    pub fn protected_bytes(&self) -> &'a [u8] {
        let end = self.areas.unprotected_offset as usize;
        &self.bytes[end - usize::from(self.header.protected_tlv_size)..end]
    }

    /// Bytes from the header to the end of the TLVs.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Header to end of TLVs, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the info header of an area is, bytes from the start of the image.
    #[must_use]
    pub fn area_offset(&self, area: TlvArea) -> Option<u32> {
        match area {
            TlvArea::Protected => (self.header.protected_tlv_size != 0)
                .then(|| self.areas.unprotected_offset - u32::from(self.header.protected_tlv_size)),
            TlvArea::Unprotected => Some(self.areas.unprotected_offset),
        }
    }

    /// All TLVs, protected ones first.
    pub fn tlvs(&self) -> impl Iterator<Item = Tlv<'a>> + '_ {
        self.areas.entries.iter().copied()
    }

    /// The first TLV of a type, in any area.
    #[must_use]
    pub fn tlv(&self, kind: TlvKind) -> Option<Tlv<'a>> {
        self.tlvs().find(|tlv| tlv.kind == kind)
    }

    fn protected(&self, kind: TlvKind) -> impl Iterator<Item = Tlv<'a>> + '_ {
        self.tlvs()
            .filter(move |tlv| tlv.kind == kind && tlv.area == TlvArea::Protected)
    }

    /// What the image demands of other images; only protected TLVs count.
    ///
    /// # Errors
    ///
    /// A dependency TLV that is not 12 bytes long.
    pub fn dependencies(&self) -> Result<Vec<Dependency>, ImageError> {
        self.protected(TlvKind::DEPENDENCY)
            .map(|tlv| {
                let value = tlv.exactly::<{ Dependency::LEN }>()?;
                let mut version = [0; ImageVersion::LEN];
                version.copy_from_slice(&value[4..]);
                Ok(Dependency {
                    image: value[0],
                    minimum: ImageVersion::from_bytes(version),
                })
            })
            .collect()
    }

    /// The security counter, if the image has one in its protected area.
    ///
    /// # Errors
    ///
    /// The TLV is not 4 bytes long.
    pub fn security_counter(&self) -> Result<Option<u32>, ImageError> {
        self.protected(TlvKind::SEC_CNT)
            .next()
            .map(|tlv| Ok(u32::from_le_bytes(*tlv.exactly()?)))
            .transpose()
    }

    /// What the image says about encryption; `None` when no ENCRYPTED flag is set.
    #[must_use]
    pub fn encryption(&self) -> Option<Encryption<'a>> {
        self.header.flags.is_encrypted().then(|| Encryption {
            key_size: self.header.flags.content_key_size(),
            key_tlv: self.tlvs().find(|tlv| tlv.kind.is_content_key()),
        })
    }

    /// The first image hash TLV and its algorithm.
    #[must_use]
    pub fn stored_hash(&self) -> Option<(HashAlgorithm, Tlv<'a>)> {
        self.tlvs()
            .find_map(|tlv| Some((HashAlgorithm::of_tlv(tlv.kind)?, tlv)))
    }

    /// The payload in clear: decrypted with `key`, or as stored when there is none.
    #[must_use]
    pub fn plain_payload(&self, key: Option<&ContentKey>) -> Cow<'a, [u8]> {
        match key {
            None => Cow::Borrowed(self.payload()),
            Some(key) => {
                let mut payload = self.payload().to_vec();
                key.apply(0, &mut payload);
                Cow::Owned(payload)
            }
        }
    }

    /// The image hash over header, `plain_payload` and protected TLVs.
    #[must_use]
    pub fn hash(&self, algorithm: HashAlgorithm, plain_payload: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(self.header_bytes());
        hasher.update(plain_payload);
        hasher.update(self.protected_bytes());
        hasher.finish()
    }

    /// What a pure signature covers: header, `plain_payload` and protected TLVs in one piece.
    #[must_use]
    pub fn signed_bytes(&self, plain_payload: &[u8]) -> Vec<u8> {
        [self.header_bytes(), plain_payload, self.protected_bytes()].concat()
    }
}

impl std::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("header", &self.header)
            .field("tlvs", &self.areas.entries)
            .finish_non_exhaustive()
    }
}
