//! Whether the image in a slot may boot.
//!
//! Source: mcuboot `boot/bootutil/src/{loader.c,bootutil_loader.c,image_validate.c,bootutil_img_hash.c,
//! bootutil_find_key.c}`.

use std::cmp::Ordering;

use hil_image::{Digest, HashAlgorithm};

use crate::config::{DowngradePrevention, Encryption, Mode, Signature};
use crate::encrypt::KeyLoad;
use crate::header::{HEADER_LEN, Header};
use crate::io::{FlashArea, Step};
use crate::outcome::SwapType;
use crate::state::{Loader, PRIMARY, Progress, SECONDARY, reason};
use crate::tlv::{Entry, Found, Wanted};

/// How a slot was judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Validity {
    Valid,
    /// `FIH_NO_BOOTABLE_IMAGE`.
    NoImage,
    /// `FIH_FAILURE`.
    Failure,
}

/// Hash of a valid image, or why it is not valid.
pub(crate) type Checked = Result<(), String>;

const TLV_KEYHASH: u16 = 0x01;
const TLV_SHA256: u16 = 0x10;
const TLV_SHA512: u16 = 0x12;

/// The only types that may stand in the unprotected area (`allowed_unprot_tlvs`).
const UNPROTECTED_ALLOWED: [u16; 14] = [
    0x01, 0x02, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22, 0x23, 0x24, 0x30, 0x31, 0x32, 0x33,
];

/// Bytes that are hashed at a time. The loader takes 256 (`BOOT_TMPBUF_SZ`); what is read in one go changes nothing in
/// flash, and larger pieces save a tenth of the time of a sweep.
const READ_BUFFER: u32 = 4096;

/// Length of a SHA-256 digest.
const DIGEST_LEN: u16 = 32;

impl Signature {
    fn tlv_type(self) -> Option<u16> {
        match self {
            Self::Rsa2048 => Some(0x20),
            Self::EcdsaP256 => Some(0x22),
            Self::Rsa3072 => Some(0x23),
            Self::Ed25519 => Some(0x24),
            Self::None => None,
        }
    }

    /// Whether a signature of `length` bytes is read at all (`EXPECTED_SIG_LEN`, `SIG_BUF_SIZE`).
    fn takes(self, length: u16) -> bool {
        match self {
            Self::Rsa2048 => length == 256,
            Self::EcdsaP256 => length <= 128,
            Self::Rsa3072 => length == 384,
            Self::Ed25519 => length == 64,
            Self::None => false,
        }
    }
}

impl Loader<'_> {
    /// `boot_validate_slot`. A secondary slot that does not pass is erased on the way.
    pub(crate) fn validate_slot(
        &mut self,
        slot: usize,
        progress: Option<&mut Progress>,
        expected: SwapType,
    ) -> Step<Validity> {
        let area = self.area(slot);
        let header = self.header(slot);
        if header.is_erased() || !header.is_bootable() {
            let why = if header.is_erased() {
                "header is erased"
            } else {
                "image is marked as not bootable"
            };
            if slot == SECONDARY && self.mode() != Mode::OverwriteOnly {
                self.clean_up_without_image(area, progress.as_deref(), why)?;
            } else {
                self.decided(format!("no image in the {} slot", slot_name(slot)), why);
            }
            return Ok(Validity::NoImage);
        }
        let wrong_sector = match &progress {
            Some(progress) if slot == SECONDARY && self.mode() == Mode::SwapOffset => {
                let fresh = progress.is_reset(Mode::SwapOffset);
                let upgrade = matches!(expected, SwapType::Test | SwapType::Perm);
                if fresh && upgrade {
                    match self.io.read_bytes::<HEADER_LEN>(area, 0)? {
                        Ok(bytes) => Header::parse(&bytes).is_image(),
                        Err(_) => return Ok(Validity::Failure),
                    }
                } else {
                    false
                }
            }
            _ => false,
        };
        if slot == SECONDARY
            && let Some(because) = self.outdated(&header)?
        {
            self.io.error(if self.line().capitalises_complaints() {
                "Insufficient version in secondary slot"
            } else {
                "insufficient version in secondary slot"
            });
            self.decided("secondary slot erased", because);
            let _ignored_by_the_c_code = self.io.scramble_slot(area)?;
            return Ok(Validity::NoImage);
        }
        let checked = if wrong_sector {
            self.io
                .error("Secondary header magic detected in first sector, wrong upload address?");
            Err("there is a header in its first sector".to_owned())
        } else if let Some(refusal) = header.refusal(area, self.io.config) {
            if self.line().checks_header_last() {
                let _only_loads_its_key = self.check_image(slot, area, &header, progress)?;
            }
            Err(refusal)
        } else if slot == PRIMARY && self.io.config.is_virtual(self.current) {
            // `boot_image_check_hook`.
            Ok(())
        } else {
            self.check_image(slot, area, &header, progress)?
        };
        if let Err(why) = checked {
            let complaint = format!("Image in the {} slot is not valid!", slot_name(slot));
            if self.line().complains_before_erasing() {
                self.io.error(complaint.as_str());
            }
            if slot == SECONDARY {
                self.decided("secondary slot erased", why);
                let _ignored_by_the_c_code = self.io.scramble_slot(area)?;
            } else {
                self.decided("primary slot not valid", why);
            }
            if !self.line().complains_before_erasing() {
                self.io.error(complaint);
            }
            return Ok(Validity::NoImage);
        }
        if slot == SECONDARY
            && let Some(why) = self.refused_for_its_address(area, &header)?
        {
            self.decided("secondary slot not for this image", why);
            return Ok(Validity::NoImage);
        }
        Ok(Validity::Valid)
    }

    /// Why overwrite-only does not even look at the candidate: it is older than what runs. The network core's image is
    /// compared only where its version can be read.
    fn outdated(&mut self, header: &Header) -> Step<Option<String>> {
        let config = self.io.config;
        let compared = config.downgrade_prevention != DowngradePrevention::None
            && config.mode == Mode::OverwriteOnly;
        if !compared {
            return Ok(None);
        }
        if config.is_virtual(self.current) {
            return if config.network_version_check {
                self.outdated_network_image()
            } else {
                Ok(None)
            };
        }
        let primary = self.header(PRIMARY);
        let order = config.compare_versions(&header.version(), &primary.version());
        let older = order == Ordering::Less && !primary.is_erased();
        Ok(older.then(|| {
            format!(
                "its version {} is below {}",
                header.version(),
                primary.version()
            )
        }))
    }

    /// A request stands in the secondary slot, but there is no image: the trailer must go, or no new image could be
    /// uploaded. With swap-using-move a revert that waits for that image is given up too.
    fn clean_up_without_image(
        &mut self,
        area: FlashArea,
        progress: Option<&Progress>,
        why: &str,
    ) -> Step<()> {
        self.decided("secondary trailer erased", why);
        let _ignored_by_the_c_code = self.io.erase_trailer(area)?;
        if self.mode() != Mode::SwapMove || !self.line().gives_up_stuck_revert() {
            return Ok(());
        }
        let reverting = progress.is_some_and(|progress| progress.swap_type == SwapType::Revert)
            || self.decide_swap_type()?.swap_type == SwapType::Revert;
        if reverting && self.io.erase_trailer(self.area(PRIMARY))?.is_ok() {
            let image = self.current;
            self.io.info(format!(
                "Cleared image {image} primary slot trailer due to stuck revert"
            ));
            self.decided("primary trailer erased", "the image to go back to is gone");
        }
        Ok(())
    }

    /// `boot_check_image`: loads the content key of an encrypted candidate, then validates.
    pub(crate) fn check_image(
        &mut self,
        slot: usize,
        area: FlashArea,
        header: &Header,
        progress: Option<&mut Progress>,
    ) -> Step<Checked> {
        let encrypted = self.io.config.encrypts() && slot == SECONDARY && header.is_encrypted();
        if encrypted && let Some(progress) = progress {
            match self.load_content_key(SECONDARY, header, area, progress)? {
                KeyLoad::Failed(why) => return Ok(Err(why)),
                KeyLoad::Loaded => self.use_key_field(SECONDARY, progress),
                KeyLoad::Skipped => {}
            }
        }
        let digest = match self.hash_image(slot, area, header, encrypted)? {
            Ok(digest) => digest,
            Err(why) => return Ok(Err(why)),
        };
        self.check_tlvs(area, header, &digest)
    }

    /// `bootutil_img_hash`: SHA-256 over header, plain payload and protected TLVs.
    fn hash_image(
        &mut self,
        slot: usize,
        area: FlashArea,
        header: &Header,
        encrypted: bool,
    ) -> Step<Result<Digest, String>> {
        let key = self.image().content_keys[slot].clone();
        if encrypted && key.is_none() {
            return Ok(Err("its content key is not there".to_owned()));
        }
        let payload = u32::from(header.header_size);
        let tlvs = header.tlv_offset();
        let size = tlvs.wrapping_add(u32::from(header.protected_size));
        let start = self.image_start(area);
        let mut hasher = std::mem::take(&mut self.recall).hasher();
        let mut buffer = [0; READ_BUFFER as usize];
        let mut offset = 0;
        while offset < size {
            let mut length = (size - offset).min(READ_BUFFER);
            if self.io.config.encrypts() {
                // Chunks do not cross from header to payload, nor from payload to TLVs.
                for border in [payload, tlvs] {
                    if offset < border && offset + length > border {
                        length = border - offset;
                    }
                }
            }
            let chunk = &mut buffer[..length as usize];
            if let Err(error) = self.io.read(area, offset.wrapping_add(start), chunk)? {
                return Ok(Err(reason(&error)));
            }
            if encrypted
                && offset >= payload
                && offset < tlvs
                && let Some(key) = &key
            {
                key.apply(offset - payload, chunk);
            }
            hasher.update(chunk);
            offset += length;
        }
        let (digest, recall) = hasher.finish();
        self.recall = recall;
        Ok(Ok(digest))
    }

    /// `bootutil_img_validate` after the hash: all TLVs in order.
    fn check_tlvs(&mut self, area: FlashArea, header: &Header, digest: &Digest) -> Step<Checked> {
        let start = self.image_start(area);
        let mut walk = match self.io.walk_tlvs(area, header, start, Wanted::Any)? {
            Ok(walk) => walk,
            Err(why) => return Ok(Err(why)),
        };
        let counted_from = if self.line().counts_update_from_slot_start() {
            0
        } else {
            start
        };
        let size = walk.end.wrapping_sub(counted_from);
        let limit = self.max_image_size(area)?;
        if size > limit {
            return Ok(Err(format!("it has {size} bytes, the slot takes {limit}")));
        }
        let mut hash_matched = false;
        let mut verdict: Checked = Err("it has no signature".to_owned());
        let mut key: Option<usize> = None;
        loop {
            let entry = match self.io.next_tlv(&mut walk)? {
                Found::Entry(entry) => entry,
                Found::End => break,
                Found::Broken(why) => return Ok(Err(why)),
            };
            if !entry.is_protected
                && self.line().has_tlv_allow_list()
                && !self.may_stand_unprotected(entry.kind)
            {
                return Ok(Err(format!(
                    "TLV {:#06x} must not stand in the unprotected area",
                    entry.kind
                )));
            }
            if entry.kind == TLV_SHA256 {
                if let Err(why) = self.check_hash(area, entry, digest)? {
                    return Ok(Err(why));
                }
                hash_matched = true;
            } else if entry.kind == TLV_KEYHASH && self.io.config.signature != Signature::None {
                if entry.length > DIGEST_LEN {
                    return Ok(Err(format!("key hash has {} bytes", entry.length)));
                }
                let value = match self.read_value(area, entry)? {
                    Ok(value) => value,
                    Err(why) => return Ok(Err(why)),
                };
                key = self.find_key(&value);
                if key.is_none() && verdict.is_err() {
                    verdict = Err(
                        "it is signed with a key that this bootloader does not have".to_owned()
                    );
                }
            } else if Some(entry.kind) == self.io.config.signature.tlv_type() {
                let Some(known) = key.take() else { continue };
                if !self.io.config.signature.takes(entry.length) {
                    return Ok(Err(format!("signature has {} bytes", entry.length)));
                }
                let value = match self.read_value(area, entry)? {
                    Ok(value) => value,
                    Err(why) => return Ok(Err(why)),
                };
                let signing = &self.keys.signing[known];
                verdict = self.recall.verify(known, signing, digest, &value);
            }
        }
        if !hash_matched {
            return Ok(Err("it has no SHA-256 TLV".to_owned()));
        }
        Ok(if self.io.config.signature == Signature::None {
            Ok(())
        } else {
            verdict
        })
    }

    /// `allowed_unprot_tlvs`: of the two kinds of ECIES on X25519 only the one that the build understands is in it.
    fn may_stand_unprotected(&self, kind: u16) -> bool {
        let x25519 = [Encryption::X25519, Encryption::X25519Sha512].map(Encryption::tlv_type);
        if kind == TLV_SHA512 && !self.line().allows_sha512() {
            false
        } else if x25519.contains(&kind) {
            (kind == Encryption::X25519Sha512.tlv_type())
                == (self.io.config.encryption == Encryption::X25519Sha512)
        } else {
            UNPROTECTED_ALLOWED.contains(&kind)
        }
    }

    fn check_hash(&mut self, area: FlashArea, entry: Entry, digest: &Digest) -> Step<Checked> {
        if entry.length != DIGEST_LEN {
            return Ok(Err(format!("SHA-256 TLV has {} bytes", entry.length)));
        }
        Ok(self.read_value(area, entry)?.and_then(|stored| {
            if stored == digest.as_bytes() {
                Ok(())
            } else {
                Err("its SHA-256 TLV is not the hash of the image".to_owned())
            }
        }))
    }

    fn read_value(&mut self, area: FlashArea, entry: Entry) -> Step<Result<Vec<u8>, String>> {
        let mut value = vec![0; usize::from(entry.length)];
        let read = self.io.read(area, entry.offset, &mut value)?;
        Ok(read.map(|()| value).map_err(|error| reason(&error)))
    }

    /// `bootutil_find_key`: the first key whose hash begins with the TLV's bytes, be they as few as none.
    fn find_key(&self, hash: &[u8]) -> Option<usize> {
        self.keys.signing.iter().position(|key| {
            key.key_hash(HashAlgorithm::Sha256)
                .as_bytes()
                .starts_with(hash)
        })
    }
}

fn slot_name(slot: usize) -> &'static str {
    if slot == PRIMARY {
        "primary"
    } else {
        "secondary"
    }
}
