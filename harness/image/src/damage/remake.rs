//! Damage that is there before an image is signed: the image is taken apart, changed, and put together again.

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::{Damage, DamageError, DamageTarget};
use crate::build::{ImageBuilder, LoadAddress};
use crate::header::{AesKeySize, ImageFlags};
use crate::image::{Dependency, Image};
use crate::keys::{EncryptionKey, PrivateKey, SignatureKind};
use crate::tlv::{TlvArea, TlvKind};
use crate::verify::{KeyTlv, SignedData};
use crate::version::ImageVersion;

/// Where a payload of firmware has its reset vector, bytes.
const RESET_VECTOR: usize = 4;

/// Bytes that an image may come out longer or shorter than the one before: DER signatures have 70 to 72 bytes, and
/// encryption fills up to 16.
const SLACK: usize = 24;

/// The parts of an image that it is made of again.
struct Parts {
    payload: Zeroizing<Vec<u8>>,
    version: ImageVersion,
    header_size: u16,
    flags: ImageFlags,
    load: Option<LoadAddress>,
    protected: Vec<(TlvKind, Vec<u8>)>,
    /// Content key and scheme of an encrypted image.
    encryption: Option<Encryption>,
    signed: SignedData,
    key_tlv: KeyTlv,
}

struct Encryption {
    size: AesKeySize,
    /// Which of the two kinds of ECIES on X25519.
    mac: crate::hash::HashAlgorithm,
    key: EncryptionKey,
}

/// The image with this damage, signed.
pub(super) fn remade(
    damage: Damage,
    image: &Image<'_>,
    target: &DamageTarget<'_>,
    rng: &mut impl CryptoRngCore,
) -> Result<Vec<u8>, DamageError> {
    if damage == Damage::Unsigned {
        // Its plain text is a secret, and an unsigned file is nothing but that.
        return match image.encryption() {
            None => Ok(image.payload().to_vec()),
            Some(_) => Err(DamageError::Unsuitable(
                "the image is encrypted: its bare payload must not leave the bench".to_owned(),
            )),
        };
    }
    if damage.signs_again() && target.signing.is_none() {
        return Err(DamageError::NoSigningKey);
    }
    let mut parts = Parts::of(image, target)?;
    let foreign;
    let mut key = target.signing;
    match damage {
        Damage::NoSignature => key = None,
        Damage::ForeignKey => {
            let kind = signature_kind(image).ok_or(DamageError::Absent("signature"))?;
            foreign = PrivateKey::generate(kind, rng);
            key = Some(&foreign);
        }
        Damage::ForeignEncryption => {
            let own = match (&parts.encryption, target.decryption) {
                (Some(encryption), _) => Some(encryption.key.clone()),
                (None, Some(key)) => Some(key.public()),
                (None, None) => None,
            };
            let own = own.ok_or(DamageError::Absent("encryption"))?;
            let (size, mac) = parts.encryption.as_ref().map_or(
                (AesKeySize::Aes128, crate::hash::HashAlgorithm::Sha256),
                |encryption| (encryption.size, encryption.mac),
            );
            parts.encryption = Some(Encryption {
                size,
                mac,
                key: own.foreign(rng),
            });
        }
        Damage::EncryptedFlag if parts.encryption.is_some() => {
            return Err(DamageError::Unsuitable(
                "the image is encrypted as its header says".to_owned(),
            ));
        }
        Damage::EncryptedFlag => parts.flags |= ImageFlags::ENCRYPTED_AES128,
        Damage::NotBootable => parts.flags |= ImageFlags::NON_BOOTABLE,
        Damage::EmptyPayload => parts.payload.clear(),
        Damage::Older => parts.version = ImageVersion::default(),
        Damage::LowCounter => {
            parts.set_protected(TlvKind::SEC_CNT, 0_u32.to_le_bytes().to_vec());
        }
        Damage::BadDependency => {
            let dependency = Dependency {
                image: target.other_image,
                minimum: ImageVersion::new(u8::MAX, u8::MAX, u16::MAX),
            };
            parts.set_protected(TlvKind::DEPENDENCY, dependency.to_bytes().to_vec());
        }
        Damage::OtherBoard => parts.move_by(target.slot_size)?,
        Damage::OtherCore => parts.link_to(target.other_core)?,
        Damage::TooLargeToSwap => {
            let wanted = target.largest as usize + 2 * SLACK;
            if wanted + SLACK > target.slot_size as usize {
                return Err(DamageError::Unsuitable(format!(
                    "every image that fits the slot of {} bytes can be swapped",
                    target.slot_size
                )));
            }
            let longer = parts.payload.len() + wanted.saturating_sub(image.len());
            parts.payload.resize(longer, 0xa5);
        }
        _ => unreachable!("`{damage}` is a matter of bytes"),
    }
    Ok(parts.build(key, rng)?)
}

impl Parts {
    fn of(image: &Image<'_>, target: &DamageTarget<'_>) -> Result<Self, DamageError> {
        let header = image.header();
        let (payload, encryption) = match image.encryption() {
            None => (image.payload().to_vec(), None),
            Some(encryption) => {
                let key = target.decryption.ok_or(DamageError::NoDecryptionKey)?;
                let tlv = image.tlvs().find(|tlv| key.opens(tlv.kind));
                let tlv = tlv.ok_or(DamageError::NoDecryptionKey)?;
                let content_key = key
                    .unwrap_content_key(tlv.kind, tlv.value)
                    .map_err(|_| DamageError::NoDecryptionKey)?;
                let mac = match tlv.kind {
                    TlvKind::ENC_X25519_SHA512 => crate::hash::HashAlgorithm::Sha512,
                    _ => crate::hash::HashAlgorithm::Sha256,
                };
                let encryption_of = Encryption {
                    size: encryption.key_size.unwrap_or(AesKeySize::Aes128),
                    mac,
                    key: key.public(),
                };
                let payload = image.plain_payload(Some(&content_key)).into_owned();
                (payload, Some(encryption_of))
            }
        };
        let flags = header.flags;
        let load = if flags.contains(ImageFlags::RAM_LOAD) {
            Some(LoadAddress::Ram(header.load_address))
        } else if flags.contains(ImageFlags::ROM_FIXED) {
            Some(LoadAddress::Rom(header.load_address))
        } else {
            None
        };
        Ok(Self {
            payload: Zeroizing::new(payload),
            version: header.version,
            header_size: header.header_size,
            flags: flags - (ImageFlags::ENCRYPTED_AES128 | ImageFlags::ENCRYPTED_AES256),
            load,
            protected: image
                .tlvs()
                .filter(|tlv| tlv.area == TlvArea::Protected)
                .map(|tlv| (tlv.kind, tlv.value.to_vec()))
                .collect(),
            encryption,
            signed: match image.tlv(TlvKind::SIG_PURE) {
                Some(_) => SignedData::Image,
                None => SignedData::Hash,
            },
            key_tlv: match image.tlv(TlvKind::PUBKEY) {
                Some(_) => KeyTlv::Full,
                None => KeyTlv::Hash,
            },
        })
    }

    /// Replaces the protected TLVs of a kind by one, at their place or at the end.
    fn set_protected(&mut self, kind: TlvKind, value: Vec<u8>) {
        let place = self.protected.iter().position(|(found, _)| *found == kind);
        let place = place.unwrap_or(self.protected.len());
        self.protected.retain(|(found, _)| *found != kind);
        let place = place.min(self.protected.len());
        self.protected.insert(place, (kind, value));
    }

    /// Links it for addresses this much further up.
    fn move_by(&mut self, bytes: u32) -> Result<(), DamageError> {
        let moved = self.reset_vector()?.wrapping_add(bytes);
        self.set_reset_vector(moved);
        self.load = self.load.map(|load| match load {
            LoadAddress::Ram(address) => LoadAddress::Ram(address.wrapping_add(bytes)),
            LoadAddress::Rom(address) => LoadAddress::Rom(address.wrapping_add(bytes)),
        });
        Ok(())
    }

    /// Links it to run from flash at `start`.
    fn link_to(&mut self, start: u32) -> Result<(), DamageError> {
        self.reset_vector()?;
        // Thumb code behind a vector table, as every reset vector of the SDK.
        self.set_reset_vector((start + 0x400) | 1);
        self.load = self.load.map(|load| match load {
            LoadAddress::Ram(_) => LoadAddress::Ram(start),
            LoadAddress::Rom(_) => LoadAddress::Rom(start),
        });
        Ok(())
    }

    fn reset_vector(&self) -> Result<u32, DamageError> {
        self.payload
            .get(RESET_VECTOR..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or(DamageError::Absent("reset vector"))
    }

    fn set_reset_vector(&mut self, vector: u32) {
        self.payload[RESET_VECTOR..RESET_VECTOR + 4].copy_from_slice(&vector.to_le_bytes());
    }

    fn build(
        &self,
        key: Option<&PrivateKey>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<Vec<u8>, crate::build::BuildError> {
        let mut builder = ImageBuilder::new(self.payload.to_vec())
            .version(self.version)
            .header_size(self.header_size)
            .flags(self.flags)
            .signed_data(self.signed)
            .key_tlv(self.key_tlv);
        if let Some(load) = self.load {
            builder = builder.load_address(load);
        }
        for (kind, value) in &self.protected {
            builder = builder.custom_tlv(*kind, value.clone());
        }
        if let Some(encryption) = &self.encryption {
            builder = builder
                .encrypt(&encryption.key)
                .content_key_size(encryption.size)
                .ecies_hash(encryption.mac);
        }
        if let Some(key) = key {
            builder = builder.key(key);
        }
        builder.build(rng)
    }
}

/// The kind of the image's first signature.
fn signature_kind(image: &Image<'_>) -> Option<SignatureKind> {
    const KINDS: [SignatureKind; 4] = [
        SignatureKind::EcdsaP256,
        SignatureKind::Rsa2048,
        SignatureKind::Rsa3072,
        SignatureKind::Ed25519,
    ];
    image.tlvs().find_map(|tlv| {
        KINDS
            .into_iter()
            .find(|kind| tlv.area == TlvArea::Unprotected && kind.tlv_kind() == tlv.kind)
    })
}
