//! Making images: header, TLVs, signature and encryption, as imgtool does it.
//!
//! Everything that is not random is byte-equal to imgtool 2.5.0 (`image.py`, `Image.create`): the fill
//! between header and payload, the order of TLVs, the zero padding before encryption, the trailer. Random are
//! the content key, the ephemeral key and the salt of RSA signatures, all from the caller's generator;
//! ECDSA is RFC 6979 and so has no randomness, where imgtool's has.

mod area;
mod error;
mod padding;

use std::fmt;

use rand_core::CryptoRngCore;

use area::Area;
pub use error::BuildError;
pub use padding::{PaddedTrailer, Padding, SavedKeys, TrailerMark};

use crate::bytes::round_up;
use crate::content_key::ContentKey;
use crate::hash::{Digest, HashAlgorithm};
use crate::header::{AesKeySize, ImageFlags, ImageHeader};
use crate::image::Dependency;
use crate::keys::{EncryptionKey, PrivateKey};
use crate::tlv::{TlvArea, TlvKind};
use crate::verify::{KeyTlv, SignedData, StoredPayload};
use crate::version::ImageVersion;

/// imgtool's limit for the name in a boot record, bytes.
const SOFTWARE_TYPE_MOST: usize = 12;

/// Where an image has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadAddress {
    /// Copied to this address in RAM (`--load-addr`).
    Ram(u32),
    /// Runs only at this address in flash (`--rom-fixed`).
    Rom(u32),
}

/// Makes one image from a payload.
#[derive(Clone)]
pub struct ImageBuilder {
    payload: Vec<u8>,
    version: ImageVersion,
    header_size: u16,
    erased: u8,
    flags: ImageFlags,
    load: Option<LoadAddress>,
    hash: Option<HashAlgorithm>,
    signed: SignedData,
    key: Option<PrivateKey>,
    key_tlv: KeyTlv,
    encryption: Option<Encrypt>,
    security_counter: Option<u32>,
    boot_record: Option<String>,
    dependencies: Vec<Dependency>,
    vendor_id: Option<[u8; 16]>,
    class_id: Option<[u8; 16]>,
    custom: Vec<(TlvKind, Vec<u8>)>,
    unprotected: Vec<(TlvKind, Vec<u8>)>,
    padding: Option<Padding>,
}

#[derive(Clone)]
struct Encrypt {
    key: EncryptionKey,
    size: AesKeySize,
    mac: HashAlgorithm,
    stored: StoredPayload,
}

impl ImageBuilder {
    /// An unsigned, plain image of version 0.0.0 with a header of 0x200 bytes.
    #[must_use]
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        Self {
            payload: payload.into(),
            version: ImageVersion::default(),
            header_size: 0x200,
            erased: 0xff,
            flags: ImageFlags::empty(),
            load: None,
            hash: None,
            signed: SignedData::Hash,
            key: None,
            key_tlv: KeyTlv::Hash,
            encryption: None,
            security_counter: None,
            boot_record: None,
            dependencies: Vec::new(),
            vendor_id: None,
            class_id: None,
            custom: Vec::new(),
            unprotected: Vec::new(),
            padding: None,
        }
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: ImageVersion) -> Self {
        self.version = version;
        self
    }

    /// Sets where the payload starts, in bytes; at least 32.
    #[must_use]
    pub fn header_size(mut self, bytes: u16) -> Self {
        self.header_size = bytes;
        self
    }

    /// Sets the value of erased flash, which fills the header and the padding; 0xff unless said otherwise.
    #[must_use]
    pub fn erased_value(mut self, value: u8) -> Self {
        self.erased = value;
        self
    }

    /// Marks the image as not bootable.
    #[must_use]
    pub fn non_bootable(mut self) -> Self {
        self.flags |= ImageFlags::NON_BOOTABLE;
        self
    }

    /// Sets further header flags, for images that no tool makes.
    #[must_use]
    pub fn flags(mut self, flags: ImageFlags) -> Self {
        self.flags |= flags;
        self
    }

    /// Sets the load address and its flag.
    #[must_use]
    pub fn load_address(mut self, load: LoadAddress) -> Self {
        self.load = Some(load);
        self
    }

    /// Chooses the image hash; unless said otherwise SHA-512 for signatures over the image itself,
    /// SHA-256 for all else.
    #[must_use]
    pub fn hash(mut self, algorithm: HashAlgorithm) -> Self {
        self.hash = Some(algorithm);
        self
    }

    /// Signs with this key.
    #[must_use]
    pub fn key(mut self, key: &PrivateKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Chooses what the signature covers.
    #[must_use]
    pub fn signed_data(mut self, signed: SignedData) -> Self {
        self.signed = signed;
        self
    }

    /// Chooses how the image names its key.
    #[must_use]
    pub fn key_tlv(mut self, key_tlv: KeyTlv) -> Self {
        self.key_tlv = key_tlv;
        self
    }

    /// Encrypts the payload with a fresh AES-128 key for the device with this key.
    #[must_use]
    pub fn encrypt(mut self, key: &EncryptionKey) -> Self {
        self.encryption = Some(Encrypt {
            key: key.clone(),
            size: AesKeySize::Aes128,
            mac: HashAlgorithm::Sha256,
            stored: StoredPayload::AsFlagged,
        });
        self
    }

    /// Sets the content key's size (`--encrypt-keylen`). Call after [`Self::encrypt`].
    #[must_use]
    pub fn content_key_size(mut self, size: AesKeySize) -> Self {
        if let Some(encryption) = &mut self.encryption {
            encryption.size = size;
        }
        self
    }

    /// Sets the hash in ECIES-X25519 (`--hmac-sha`). Call after [`Self::encrypt`].
    #[must_use]
    pub fn ecies_hash(mut self, mac: HashAlgorithm) -> Self {
        if let Some(encryption) = &mut self.encryption {
            encryption.mac = mac;
        }
        self
    }

    /// Leaves the payload in clear, with flag and key TLV (`--clear`), for programming a primary slot. Call
    /// after [`Self::encrypt`].
    #[must_use]
    pub fn stored_payload(mut self, stored: StoredPayload) -> Self {
        if let Some(encryption) = &mut self.encryption {
            encryption.stored = stored;
        }
        self
    }

    /// Adds a security counter.
    #[must_use]
    pub fn security_counter(mut self, counter: u32) -> Self {
        self.security_counter = Some(counter);
        self
    }

    /// Adds a boot record for this type of software, at most 12 bytes of text.
    #[must_use]
    pub fn boot_record(mut self, software_type: &str) -> Self {
        self.boot_record = Some(software_type.to_owned());
        self
    }

    /// Adds a demand on another image.
    #[must_use]
    pub fn dependency(mut self, image: u8, minimum: ImageVersion) -> Self {
        self.dependencies.push(Dependency { image, minimum });
        self
    }

    /// Adds a vendor UUID.
    #[must_use]
    pub fn vendor_id(mut self, uuid: [u8; 16]) -> Self {
        self.vendor_id = Some(uuid);
        self
    }

    /// Adds a class UUID.
    #[must_use]
    pub fn class_id(mut self, uuid: [u8; 16]) -> Self {
        self.class_id = Some(uuid);
        self
    }

    /// Adds any TLV to the protected area, behind those with a method of their own.
    #[must_use]
    pub fn custom_tlv(mut self, kind: TlvKind, value: impl Into<Vec<u8>>) -> Self {
        self.custom.push((kind, value.into()));
        self
    }

    /// Adds any TLV to the end of the unprotected area, for images that no tool makes.
    #[must_use]
    pub fn unprotected_tlv(mut self, kind: TlvKind, value: impl Into<Vec<u8>>) -> Self {
        self.unprotected.push((kind, value.into()));
        self
    }

    /// Fills the slot and writes a trailer (`--pad`).
    #[must_use]
    pub fn pad(mut self, padding: Padding) -> Self {
        self.padding = Some(padding);
        self
    }

    /// Fills the slot and marks the image as confirmed (`--confirm`), whatever the padding's mark is.
    #[must_use]
    pub fn confirm(self, padding: Padding) -> Self {
        self.pad(Padding {
            mark: TrailerMark::Confirmed,
            ..padding
        })
    }

    /// Makes the image. With a generator of a fixed seed the bytes are always the same.
    ///
    /// # Errors
    ///
    /// Something does not fit its field, or the key does not suit the choices.
    pub fn build(&self, rng: &mut impl CryptoRngCore) -> Result<Vec<u8>, BuildError> {
        let hash = self.hash.unwrap_or(match self.signed {
            SignedData::Hash => HashAlgorithm::Sha256,
            SignedData::Image => HashAlgorithm::Sha512,
        });
        let protected = self.protected_area(hash)?;
        let (mut image, payload_end) = self.header_and_payload(protected.len())?;
        image.extend_from_slice(&protected);
        let digest = hash.digest(&image);

        let mut area = Area::new(TlvArea::Unprotected);
        area.add(hash.tlv_kind(), digest.as_bytes())?;
        if self.signed == SignedData::Image {
            area.add(TlvKind::SIG_PURE, &[1])?;
        }
        if let Some(key) = &self.key {
            let public = key.public();
            match self.key_tlv {
                KeyTlv::Hash => area.add(TlvKind::KEYHASH, public.key_hash(hash).as_bytes())?,
                KeyTlv::Full => area.add(TlvKind::PUBKEY, &public.to_der())?,
            }
            area.add(
                key.kind().tlv_kind(),
                &self.signature(key, &digest, &image, rng)?,
            )?;
        }
        let mut key_tlv_len = 0;
        if let Some(encryption) = &self.encryption {
            let content_key = ContentKey::random(encryption.size, rng);
            let (kind, value) = encryption.key.wrap(&content_key, encryption.mac, rng)?;
            key_tlv_len = value.len();
            area.add(kind, &value)?;
            if encryption.stored == StoredPayload::AsFlagged {
                content_key.apply(0, &mut image[usize::from(self.header_size)..payload_end]);
            }
        }
        for (kind, value) in &self.unprotected {
            area.add(*kind, value)?;
        }
        image.extend_from_slice(&area.finish()?);
        if let Some(padding) = &self.padding {
            padding.apply(
                &mut image,
                self.erased,
                self.encryption.is_some().then_some(key_tlv_len),
            )?;
        }
        Ok(image)
    }

    /// Header and payload, with the zero bytes that encryption needs, and where the payload ends.
    fn header_and_payload(&self, protected_len: usize) -> Result<(Vec<u8>, usize), BuildError> {
        let header_size = usize::from(self.header_size);
        if header_size < ImageHeader::LEN {
            return Err(BuildError::HeaderSize {
                found: self.header_size,
            });
        }
        let mut end = header_size + self.payload.len();
        if self.encryption.is_some() {
            end = round_up(end, 16);
        }
        let too_large = BuildError::PayloadSize {
            found: self.payload.len(),
        };
        let image_size = u32::try_from(end - header_size).map_err(|_| too_large.clone())?;
        let header = ImageHeader {
            load_address: match self.load {
                Some(LoadAddress::Ram(address) | LoadAddress::Rom(address)) => address,
                None => 0,
            },
            header_size: self.header_size,
            protected_tlv_size: protected_len as u16,
            image_size,
            flags: self.header_flags(),
            version: self.version,
        };
        if header.tlv_offset().is_none() {
            return Err(too_large);
        }
        let mut image = vec![self.erased; header_size];
        image[..ImageHeader::LEN].copy_from_slice(&header.emit());
        image.extend_from_slice(&self.payload);
        image.resize(end, 0);
        Ok((image, end))
    }

    fn header_flags(&self) -> ImageFlags {
        let mut flags = self.flags;
        if let Some(encryption) = &self.encryption {
            flags |= encryption.size.flag();
        }
        match self.load {
            Some(LoadAddress::Ram(_)) => flags |= ImageFlags::RAM_LOAD,
            Some(LoadAddress::Rom(_)) => flags |= ImageFlags::ROM_FIXED,
            None => {}
        }
        flags
    }

    /// The protected area; empty when nothing belongs into it.
    fn protected_area(&self, hash: HashAlgorithm) -> Result<Vec<u8>, BuildError> {
        let mut area = Area::new(TlvArea::Protected);
        if let Some(counter) = self.security_counter {
            area.add(TlvKind::SEC_CNT, &counter.to_le_bytes())?;
        }
        if let Some(software_type) = &self.boot_record {
            if software_type.len() > SOFTWARE_TYPE_MOST {
                return Err(BuildError::SoftwareType {
                    found: software_type.len(),
                });
            }
            let signer = match &self.key {
                Some(key) => key.public().key_hash(hash),
                None => Digest::from_bytes(&[0; 32]),
            };
            area.add(
                TlvKind::BOOT_RECORD,
                &area::boot_record(software_type, self.version, &signer, hash),
            )?;
        }
        for dependency in &self.dependencies {
            area.add(TlvKind::DEPENDENCY, &dependency.to_bytes())?;
        }
        if let Some(uuid) = &self.vendor_id {
            area.add(TlvKind::UUID_VID, uuid)?;
        }
        if let Some(uuid) = &self.class_id {
            area.add(TlvKind::UUID_CID, uuid)?;
        }
        for (kind, value) in &self.custom {
            area.add(*kind, value)?;
        }
        if area.is_empty() {
            return Ok(Vec::new());
        }
        area.finish()
    }

    fn signature(
        &self,
        key: &PrivateKey,
        digest: &Digest,
        message: &[u8],
        rng: &mut impl CryptoRngCore,
    ) -> Result<Vec<u8>, BuildError> {
        match self.signed {
            SignedData::Hash => Ok(key.sign(digest, rng)?),
            SignedData::Image => key
                .sign_pure(message)
                .map_err(|_| BuildError::Pure { found: key.kind() }),
        }
    }
}

impl fmt::Debug for ImageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageBuilder")
            .field("version", &self.version)
            .field("payload_len", &self.payload.len())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
