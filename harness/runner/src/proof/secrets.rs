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

#[cfg(test)]
mod tests {
    use super::*;
    use hil_scenario::Core;

    const SLOT: Region = Region {
        core: Core::App,
        address: 0x1_0000,
        size: 0x1_0000,
    };

    fn page(address: u32) -> Region {
        Region {
            address,
            size: 0x1000,
            ..SLOT
        }
    }

    fn plain() -> Vec<u8> {
        (0..=255)
            .cycle()
            .take(0x1000)
            .map(|byte: u8| byte ^ 0x5A)
            .collect()
    }

    fn secrets(all_known: bool) -> Secrets {
        let known = all_known.then(|| TellTales::new(&plain(), []));
        Secrets {
            tell_tales: known.into_iter().collect(),
            guarded: vec![SLOT],
            all_known,
        }
    }

    #[test]
    fn a_page_with_one_block_of_plain_text_is_withheld_anywhere() {
        let mut bytes = vec![0x11; 0x1000];
        assert!(!secrets(true).withholds(page(0x1_2000), &bytes, []));
        bytes[0x800..0x810].copy_from_slice(&plain()[0x20..0x30]);
        for address in [0x1_2000, 0x8_0000] {
            assert!(secrets(true).withholds(page(address), &bytes, []));
        }
    }

    #[test]
    fn where_secrets_are_not_known_a_slot_gives_only_what_was_sent() {
        let sent: Vec<u8> = (0..0x1800_u32).map(|at| (at >> 4) as u8).collect();
        let mut last = vec![0xFF; 0x1000];
        last[..0x800].copy_from_slice(&sent[0x1000..]);
        let withholds = |address, bytes: &[u8]| {
            secrets(false).withholds(page(address), bytes, [sent.as_slice()])
        };
        assert!(!withholds(0x1_0000, &sent[..0x1000]), "a page of the image");
        assert!(!withholds(0x1_1000, &last), "its end, and blank behind it");
        assert!(
            withholds(0x1_1000, &sent[..0x1000]),
            "in another place it is something else"
        );
        last[0xFF0] = 0;
        assert!(withholds(0x1_1000, &last), "something behind its end");
        assert!(withholds(0x1_8000, &[0; 0x1000]), "behind the image");
        assert!(!withholds(0x4_0000, &[0; 0x1000]), "outside the slots");
    }
}
