//! The list of images, marking one, and what slots there are.

use hil_bootloader::{Area, Flash, FlashError, ImageSlots, MarkError, Pending, SwapType};
use hil_image::{Image, StoredPayload, Verifier};
use hil_smp::Map;

use super::{Failure, Recovery, rc};
use crate::firmware::smp::Arguments;

/// A slot with an image that may boot.
struct Listed {
    image: usize,
    slot: u32,
    /// None for a slot in RAM, of which the hooks make up a header and nothing else.
    hash: Option<Vec<u8>>,
    version: String,
}

impl Recovery<'_> {
    /// `images`: only those that a boot would accept, with only the flags that are set.
    pub(super) fn list(&self, flash: &mut dyn Flash) -> Result<Map, Failure> {
        let mut list = Vec::new();
        for listed in self.bootable(flash)? {
            let mut entry = Map::new();
            if self.config.images.len() > 1 {
                entry = entry.with("image", listed.image as u64);
            }
            if self.build.image_state {
                let swap = self.swap_type(flash, listed.image)?;
                entry = entry.with("bootable", true);
                for flag in flags(swap, listed.slot) {
                    entry = entry.with(flag, true);
                }
            }
            list.push(
                entry
                    .with("slot", listed.slot)
                    .with_some("hash", listed.hash)
                    .with("version", listed.version.as_str()),
            );
        }
        Ok(Map::new().with_list("images", list))
    }

    /// Marks an image. Whatever slot the hash was found in, it is the secondary that becomes pending.
    pub(super) fn mark(&self, payload: &[u8], flash: &mut dyn Flash) -> Result<Map, Failure> {
        const HASH: usize = 32;
        let invalid = |_| Failure::Rc(rc::INVALID);
        let arguments = Arguments::parse(payload).map_err(invalid)?;
        let confirm = arguments.boolean("confirm").map_err(invalid)?;
        let hash = arguments
            .bytes("hash")
            .map_err(invalid)?
            .unwrap_or_default();
        let image = match hash.len() {
            0 if self.config.images.len() == 1 => 0,
            HASH => self
                .bootable(flash)?
                .into_iter()
                .find(|listed| listed.hash.as_deref() == Some(hash))
                .map(|listed| listed.image)
                .ok_or(Failure::Rc(rc::NO_ENTRY))?,
            _ => return Err(Failure::Rc(rc::INVALID)),
        };
        let pending = if confirm.unwrap_or(false) {
            Pending::Permanent
        } else {
            Pending::Test
        };
        match hil_bootloader::set_pending(self.config, flash, image, pending) {
            Ok(()) => self.list(flash),
            Err(MarkError::Flash(error)) => Err(error.into()),
            Err(MarkError::BadMagic { .. } | MarkError::NoImage(_) | MarkError::NoSecondary) => {
                Err(Failure::Rc(rc::INVALID))
            }
        }
    }

    pub(super) fn slot_info(&self) -> Map {
        let images = self.config.images.iter().enumerate().map(|(image, slots)| {
            let slots = self
                .slots_of(*slots)
                .into_iter()
                .enumerate()
                .map(|(slot, area)| {
                    let entry = Map::new()
                        .with("slot", slot as u64)
                        .with("size", u64::from(area.size));
                    if !self.config.has_secondary() {
                        entry.with("upload_image_id", (image + 1) as u64)
                    } else if self.build.direct_upload {
                        entry.with("upload_image_id", (2 * image + slot + 1) as u64)
                    } else if slot == 1 {
                        // An upload goes to slot 0 all the same.
                        let id = if self.config.line.is_nordic() {
                            2 * image + 1
                        } else {
                            image
                        };
                        entry.with("upload_image_id", id as u64)
                    } else {
                        entry
                    }
                });
            Map::new()
                .with("image", image as u64)
                .with_list("slots", slots)
                .with_some("max_image_size", self.max_image_size)
        });
        Map::new().with_list("images", images)
    }

    /// The slots of an image that there are.
    fn slots_of(&self, slots: ImageSlots) -> Vec<Area> {
        if self.config.has_secondary() {
            vec![slots.primary, slots.secondary]
        } else {
            vec![slots.primary]
        }
    }

    fn bootable(&self, flash: &mut dyn Flash) -> Result<Vec<Listed>, Failure> {
        let mut found = Vec::new();
        for (image, slots) in self.config.images.iter().enumerate() {
            for (slot, area) in (0..).zip(self.slots_of(*slots)) {
                if slot == 0 && self.config.is_virtual(image) {
                    found.push(Listed {
                        image,
                        slot,
                        hash: None,
                        version: "0.0.0".to_owned(),
                    });
                    continue;
                }
                let start = if slot == 1 && self.swap_type(flash, image)? != SwapType::Revert {
                    self.first_sector()
                } else {
                    0
                };
                let mut bytes = vec![0; (area.size - start) as usize];
                flash.read(area.device, area.offset + start, &mut bytes)?;
                found.extend(
                    self.check(&bytes, area, slot)
                        .map(|(hash, version)| Listed {
                            image,
                            slot,
                            hash: Some(hash),
                            version,
                        }),
                );
            }
        }
        Ok(found)
    }

    /// Hash and version of an image that a boot would accept.
    fn check(&self, bytes: &[u8], area: Area, slot: u32) -> Option<(Vec<u8>, String)> {
        let image = Image::parse(bytes).ok()?;
        let mut verifier = match self.config.signature {
            hil_bootloader::Signature::None => Verifier::unsigned(),
            _ => Verifier::new(self.keys.signing.iter().cloned()),
        };
        if let Some(key) = &self.keys.encryption {
            verifier = verifier.decryption(key.clone());
        }
        // What is flagged as encrypted lies in clear in the primary slot, which not every release knows.
        let line = self.config.line;
        let stored = if line.lists_as_cipher_text(self.config.mode, slot != 0) {
            StoredPayload::AsFlagged
        } else {
            StoredPayload::Clear
        };
        verifier = verifier.slot_size(area.size).stored(stored);
        verifier.verify(&image).ok()?;
        let hash = image.stored_hash()?.1.value.to_vec();
        let version = image.header().version;
        let build = match version.build {
            0 => String::new(),
            build => format!(".{build}"),
        };
        let version = format!(
            "{}.{}.{}{build}",
            version.major, version.minor, version.revision
        );
        Some((hash, version))
    }

    fn swap_type(&self, flash: &mut dyn Flash, image: usize) -> Result<SwapType, FlashError> {
        match hil_bootloader::swap_type(self.config, flash, image) {
            Ok(swap) => Ok(swap),
            Err(MarkError::Flash(error)) => Err(error),
            Err(MarkError::BadMagic { .. } | MarkError::NoImage(_) | MarkError::NoSecondary) => {
                Ok(SwapType::None)
            }
        }
    }
}

/// Flags of a slot, in the order of the answer. Before a test the primary is not active: nothing runs.
fn flags(swap: SwapType, slot: u32) -> &'static [&'static str] {
    match (swap, slot) {
        (SwapType::None, 0) => &["confirmed", "active"],
        (SwapType::Test | SwapType::Perm, 0) => &["confirmed"],
        (SwapType::Test, _) => &["pending"],
        (SwapType::Perm, _) => &["pending", "permanent"],
        (SwapType::Revert, 0) => &["active"],
        (SwapType::Revert, _) => &["confirmed"],
        _ => &[],
    }
}
