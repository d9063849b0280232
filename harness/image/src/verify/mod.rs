//! Judging an image as a bootloader of a given build does.
//!
//! The order of checks, and what counts, follows `bootutil_img_validate` in mcuboot
//! `boot/bootutil/src/image_validate.c`: TLVs are walked once; a key TLV chooses the key for the next
//! signature; an unknown key makes that signature be skipped; the last checked signature decides.

mod refusal;

pub use refusal::Refusal;

use crate::content_key::ContentKey;
use crate::error::ImageError;
use crate::hash::{Digest, HashAlgorithm};
use crate::header::ImageFlags;
use crate::image::Image;
use crate::keys::{DecryptionKey, PublicKey, SignatureKind};
use crate::rules::{HeaderRules, Support};
use crate::tlv::{Tlv, TlvArea, TlvKind};

/// What a signature covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedData {
    /// The image hash.
    #[default]
    Hash,
    /// The image itself (`MCUBOOT_SIGN_PURE`).
    Image,
}

/// How an image names the key that signed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyTlv {
    /// KEYHASH: the hash of the public key.
    #[default]
    Hash,
    /// PUBKEY: the public key itself (`MCUBOOT_HW_KEY`).
    Full,
}

/// What may stand in the unprotected TLV area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnprotectedTlvs {
    /// Only hash, key, signature and content key (`MCUBOOT_USE_TLV_ALLOW_LIST`, on by default in Zephyr).
    #[default]
    Listed,
    /// Anything.
    Any,
}

/// How the payload lies where the image is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredPayload {
    /// Encrypted if the header says so: a file, or a secondary slot.
    #[default]
    AsFlagged,
    /// In clear whatever the header says: a primary slot, or `imgtool --clear`.
    Clear,
}

/// A bootloader's view on images: its keys and the choices it was built with.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Option<Vec<PublicKey>>,
    decryption: Option<DecryptionKey>,
    stored: StoredPayload,
    hash: HashAlgorithm,
    signed: SignedData,
    key_tlv: KeyTlv,
    unprotected: UnprotectedTlvs,
    rules: HeaderRules,
}

/// An image that a bootloader accepts.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Hash over header, plain payload and protected TLVs.
    pub hash: Digest,
    /// The signature that decided; `None` for a build without signatures.
    pub signature: Option<CheckedSignature>,
    /// The content key, when the payload is stored encrypted.
    pub content_key: Option<ContentKey>,
}

/// A signature that was checked and matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSignature {
    /// Its kind.
    pub kind: SignatureKind,
    /// Hash of the public key that it matches.
    pub key_hash: Digest,
    /// Offset of its TLV, bytes from the start of the image.
    pub offset: u32,
}

impl Verifier {
    /// A loader that demands a signature by one of `keys`.
    ///
    /// A real build has keys of one kind; with several kinds here, any of them will do.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            keys: Some(keys.into_iter().collect()),
            ..Self::unsigned()
        }
    }

    /// A loader built without signatures: the image hash alone decides.
    #[must_use]
    pub fn unsigned() -> Self {
        Self {
            keys: None,
            decryption: None,
            stored: StoredPayload::default(),
            hash: HashAlgorithm::default(),
            signed: SignedData::default(),
            key_tlv: KeyTlv::default(),
            unprotected: UnprotectedTlvs::default(),
            rules: HeaderRules::default(),
        }
    }

    /// A loader built with encryption, and its key. Without this, encrypted images are refused.
    #[must_use]
    pub fn decryption(mut self, key: DecryptionKey) -> Self {
        self.decryption = Some(key);
        self.rules.encryption = Support::Present;
        self
    }

    /// How the payload lies. [`StoredPayload::Clear`] makes flagged images acceptable without a key.
    #[must_use]
    pub fn stored(mut self, stored: StoredPayload) -> Self {
        self.stored = stored;
        if stored == StoredPayload::Clear {
            self.rules.encryption = Support::Present;
        }
        self
    }

    /// The build's image hash; SHA-256 unless said otherwise.
    #[must_use]
    pub fn hash(mut self, algorithm: HashAlgorithm) -> Self {
        self.hash = algorithm;
        self
    }

    /// What signatures cover; the image hash unless said otherwise.
    #[must_use]
    pub fn signed_data(mut self, signed: SignedData) -> Self {
        self.signed = signed;
        self
    }

    /// How images name their key; by hash unless said otherwise.
    #[must_use]
    pub fn key_tlv(mut self, key_tlv: KeyTlv) -> Self {
        self.key_tlv = key_tlv;
        self
    }

    /// What may stand in the unprotected area.
    #[must_use]
    pub fn unprotected_tlvs(mut self, rule: UnprotectedTlvs) -> Self {
        self.unprotected = rule;
        self
    }

    /// The slot's size in bytes, which the image must not fill.
    #[must_use]
    pub fn slot_size(mut self, bytes: u32) -> Self {
        self.rules.slot_size = Some(bytes);
        self
    }

    /// Takes hash, kind of signature and key TLV from the image: the build that this image was made for.
    #[must_use]
    pub fn suited_to(mut self, image: &Image<'_>) -> Self {
        if let Some((algorithm, _)) = image.stored_hash() {
            self.hash = algorithm;
        }
        self.signed = if is_pure(image) {
            SignedData::Image
        } else {
            SignedData::Hash
        };
        self.key_tlv = if image.tlv(TlvKind::PUBKEY).is_some() {
            KeyTlv::Full
        } else {
            KeyTlv::Hash
        };
        self
    }

    /// Judges an image.
    ///
    /// # Errors
    ///
    /// The first thing that such a loader refuses the image for.
    pub fn verify(&self, image: &Image<'_>) -> Result<Verified, Refusal> {
        let flags = image.header().flags;
        if flags.contains(ImageFlags::NON_BOOTABLE) {
            return Err(Refusal::NotBootable {
                found: flags.bits(),
            });
        }
        self.rules.check(image.header())?;
        let content_key = self.content_key(image)?;
        let payload = image.plain_payload(content_key.as_ref());
        let hash = image.hash(self.hash, &payload);
        let start = first_area(image);
        let message = match self.signed {
            SignedData::Hash => None,
            SignedData::Image if is_pure(image) => Some(image.signed_bytes(&payload)),
            SignedData::Image => return Err(Refusal::NotPure { offset: start }),
        };
        let signature = self.walk(image, &hash, message.as_deref())?;
        Ok(Verified {
            hash,
            signature,
            content_key,
        })
    }

    /// Opens the content key of an image whose payload is stored encrypted; `None` when it is not.
    ///
    /// # Errors
    ///
    /// No TLV of the loader's scheme, or one that its key does not open.
    pub fn content_key(&self, image: &Image<'_>) -> Result<Option<ContentKey>, Refusal> {
        let (Some(encryption), StoredPayload::AsFlagged, Some(key)) =
            (image.encryption(), self.stored, &self.decryption)
        else {
            return Ok(None);
        };
        let Some(tlv) = image.tlvs().find(|tlv| key.opens(tlv.kind)) else {
            return Err(Refusal::NoContentKey {
                offset: image.area_offset(TlvArea::Unprotected).unwrap_or_default(),
                found: encryption.key_tlv.map(|tlv| tlv.kind),
                scheme: key.scheme(),
            });
        };
        let content_key = key
            .unwrap_content_key(tlv.kind, tlv.value)
            .map_err(|source| Refusal::ContentKey {
                kind: tlv.kind,
                offset: tlv.offset,
                source,
            })?;
        match encryption.key_size {
            Some(expected) if expected != content_key.size() => Err(Refusal::ContentKeySize {
                kind: tlv.kind,
                offset: tlv.offset,
                found: content_key.size(),
                expected,
            }),
            _ => Ok(Some(content_key)),
        }
    }

    fn walk(
        &self,
        image: &Image<'_>,
        hash: &Digest,
        message: Option<&[u8]>,
    ) -> Result<Option<CheckedSignature>, Refusal> {
        let mut walk = Walk::default();
        for tlv in image.tlvs() {
            let listed = tlv.area == TlvArea::Protected || tlv.kind.is_allowed_unprotected();
            if self.unprotected == UnprotectedTlvs::Listed && !listed {
                return Err(Refusal::NotAllowed {
                    kind: tlv.kind,
                    offset: tlv.offset,
                });
            }
            if self.signed == SignedData::Hash && tlv.kind == self.hash.tlv_kind() {
                check_hash(&tlv, hash)?;
                walk.hash_seen = true;
            }
            if let Some(keys) = &self.keys {
                if tlv.kind == self.expected_key_tlv() {
                    walk.key = self.find_key(keys, &tlv, &mut walk.skipped)?;
                }
                if let Some(kind) = SignatureKind::of_tlv(tlv.kind) {
                    self.check_signature(keys, &tlv, kind, hash, message, &mut walk)?;
                }
            }
        }
        let offset = first_area(image);
        if self.signed == SignedData::Hash && !walk.hash_seen {
            return Err(Refusal::NoHash {
                offset,
                found: image.stored_hash().map(|(_, tlv)| tlv.kind),
                expected: self.hash.tlv_kind(),
            });
        }
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        match walk.decided {
            Some(verdict) => verdict.map(Some),
            None => Err(walk.skipped.unwrap_or_else(|| Refusal::NoSignature {
                offset,
                expected: expected_kinds(keys),
            })),
        }
    }

    fn expected_key_tlv(&self) -> TlvKind {
        match self.key_tlv {
            KeyTlv::Hash => TlvKind::KEYHASH,
            KeyTlv::Full => TlvKind::PUBKEY,
        }
    }

    /// The key that a key TLV names; `None`, with the reason kept, when the loader does not have it.
    fn find_key(
        &self,
        keys: &[PublicKey],
        tlv: &Tlv<'_>,
        skipped: &mut Option<Refusal>,
    ) -> Result<Option<usize>, Refusal> {
        // Sizes of the loader's buffers (`KEY_BUF_SIZE`): a hash, or a signature buffer and 24 bytes.
        let most = match self.key_tlv {
            KeyTlv::Hash => self.hash.len(),
            KeyTlv::Full => {
                24 + keys
                    .iter()
                    .map(|key| key.kind().buffer_len())
                    .max()
                    .unwrap_or(SignatureKind::Rsa3072.buffer_len())
            }
        };
        if tlv.value.len() > most {
            return Err(Refusal::KeyLength {
                kind: tlv.kind,
                offset: tlv.offset,
                found: tlv.value.len(),
                most,
            });
        }
        let named = match self.key_tlv {
            KeyTlv::Hash => Digest::from_bytes(tlv.value),
            KeyTlv::Full => self.hash.digest(tlv.value),
        };
        let known: Vec<_> = keys.iter().map(|key| key.key_hash(self.hash)).collect();
        let found = known.iter().position(|hash| *hash == named);
        if found.is_none() {
            *skipped = Some(Refusal::UnknownKey {
                kind: tlv.kind,
                offset: tlv.offset,
                found: named,
                known,
            });
        }
        Ok(found)
    }

    fn check_signature(
        &self,
        keys: &[PublicKey],
        tlv: &Tlv<'_>,
        kind: SignatureKind,
        hash: &Digest,
        message: Option<&[u8]>,
        walk: &mut Walk,
    ) -> Result<(), Refusal> {
        if !keys.iter().any(|key| key.kind() == kind) {
            walk.skipped.get_or_insert_with(|| Refusal::SignatureKind {
                offset: tlv.offset,
                found: kind,
                expected: expected_kinds(keys),
            });
            return Ok(());
        }
        let Some(key) = walk.key.take().map(|index| &keys[index]) else {
            walk.skipped.get_or_insert_with(|| Refusal::NoKey {
                offset: tlv.offset,
                expected: self.expected_key_tlv(),
            });
            return Ok(());
        };
        let length = tlv.value.len();
        let fits = match kind {
            SignatureKind::EcdsaP256 => length <= kind.buffer_len(),
            _ => length == kind.buffer_len(),
        };
        if !fits {
            return Err(Refusal::SignatureLength {
                kind,
                offset: tlv.offset,
                found: length,
            });
        }
        let checked = match message {
            Some(message) => key.verify_pure(message, tlv.value),
            None => key.verify(hash, tlv.value),
        };
        let key_hash = key.key_hash(self.hash);
        walk.decided = Some(match checked {
            Ok(()) => Ok(CheckedSignature {
                kind,
                key_hash,
                offset: tlv.offset,
            }),
            Err(source) => Err(Refusal::Signature {
                kind,
                offset: tlv.offset,
                hash: hash.clone(),
                key_hash,
                source,
            }),
        });
        Ok(())
    }
}

/// What is known while the TLVs are walked.
#[derive(Default)]
struct Walk {
    hash_seen: bool,
    /// Index of the key that the next signature is checked with.
    key: Option<usize>,
    /// Why signatures were passed over.
    skipped: Option<Refusal>,
    /// Verdict of the last signature that was checked.
    decided: Option<Result<CheckedSignature, Refusal>>,
}

fn check_hash(tlv: &Tlv<'_>, expected: &Digest) -> Result<(), Refusal> {
    if tlv.value.len() != expected.as_bytes().len() {
        return Err(ImageError::TlvLength {
            kind: tlv.kind,
            offset: tlv.offset,
            found: tlv.value.len(),
            expected: expected.as_bytes().len(),
        }
        .into());
    }
    if tlv.value != expected.as_bytes() {
        return Err(Refusal::Hash {
            kind: tlv.kind,
            offset: tlv.offset,
            found: Digest::from_bytes(tlv.value),
            expected: expected.clone(),
        });
    }
    Ok(())
}

/// Presence with a value of 1 makes an image pure (`bootutil_check_for_pure` looks at the first such TLV).
fn is_pure(image: &Image<'_>) -> bool {
    image
        .tlv(TlvKind::SIG_PURE)
        .is_some_and(|tlv| tlv.value == [1])
}

fn first_area(image: &Image<'_>) -> u32 {
    image
        .area_offset(TlvArea::Protected)
        .or_else(|| image.area_offset(TlvArea::Unprotected))
        .unwrap_or_default()
}

fn expected_kinds(keys: &[PublicKey]) -> String {
    let mut kinds: Vec<_> = keys.iter().map(|key| key.kind().to_string()).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.is_empty() {
        "one that a key of the loader checks, which has none".to_owned()
    } else {
        kinds.join(" or ")
    }
}
