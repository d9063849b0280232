//! Which bytes of a board must not be written down: what may be the plain text of an encrypted image, or a content key.
//!
//! A page is kept unless a block of a plain payload or of a content key is found in it. Where the firmware set cannot
//! open all its encrypted images, what is secret is not known: a page of a slot or of the scratch area is then kept only
//! when it is what an image looks like that was sent, for bootloaders decrypt into slots, and their trailers may hold
//! content keys.

use crate::firmware::{Firmware, Region};
use crate::plaintext::TellTales;
use hil_bootloader::{Area, DeviceId};
use hil_scenario::Slot;

/// What is secret with a firmware set.
pub(crate) struct Secrets {
    /// Blocks of the plain payloads and content keys that are known.
    tell_tales: Vec<TellTales>,
    /// Where a bootloader writes what is secret.
    guarded: Vec<Region>,
    /// All that is secret is known.
    all_known: bool,
}

impl Secrets {
    /// The secrets of a firmware set; none when it has nothing that is encrypted.
    pub(crate) fn of(firmware: &Firmware) -> Self {
        if !firmware.has_secrets() {
            return Self {
                tell_tales: Vec::new(),
                guarded: Vec::new(),
                all_known: true,
            };
        }
        let public = firmware.public_bytes();
        let tell_tales = firmware
            .opened()
            .flat_map(|(plain, key)| {
                let plain = TellTales::new(plain, public.iter().copied());
                [plain, TellTales::of_key(key)]
            })
            .collect();
        let named = Slot::ALL.iter().map(|slot| slot.word());
        let named = named
            .chain(["app.scratch", "net.scratch"])
            .filter_map(|name| firmware.region(name));
        let bootloader = &firmware.set().bootloader;
        let configured = bootloader
            .images
            .iter()
            .flat_map(|slots| [slots.primary, slots.secondary])
            .chain(bootloader.scratch)
            .filter_map(region_of);
        Self {
            tell_tales,
            guarded: named.chain(configured).collect(),
            all_known: firmware.opens_all(),
        }
    }

    /// Whether bytes that were read from `region`, or a part of it, must not be written down. `sent` are images as
    /// they were sent or may be.
    pub(crate) fn withholds<'a>(
        &self,
        region: Region,
        bytes: &[u8],
        sent: impl IntoIterator<Item = &'a [u8]>,
    ) -> bool {
        if self.gives_away(bytes) {
            return true;
        }
        if self.all_known {
            return false;
        }
        let overlapping: Vec<&Region> = self
            .guarded
            .iter()
            .filter(|guarded| guarded.overlaps(&region))
            .collect();
        if overlapping.is_empty() {
            return false;
        }
        let is_part_of = |image: &[u8]| {
            overlapping.iter().any(|slot| {
                let Some(from) = region.address.checked_sub(slot.address) else {
                    return false;
                };
                let part = image.get(from as usize..).unwrap_or_default();
                let part = &part[..part.len().min(bytes.len())];
                let (same, rest) = bytes.split_at(part.len());
                !part.is_empty() && same == part && rest.iter().all(|byte| *byte == 0xFF)
            })
        };
        !sent.into_iter().any(is_part_of)
    }

    /// Whether a block of a plain payload or of a content key is in these bytes.
    pub(crate) fn gives_away(&self, bytes: &[u8]) -> bool {
        self.tell_tales
            .iter()
            .any(|tell_tales| tell_tales.offsets(bytes).next().is_some())
    }

    /// Slots whose images are measured, because their bytes may not be kept.
    pub(crate) fn guarded(&self) -> &[Region] {
        &self.guarded
    }
}

fn region_of(area: Area) -> Option<Region> {
    let device = area.device;
    if device == DeviceId::RamFlash {
        return None;
    }
    Some(Region::of_area(area))
}
