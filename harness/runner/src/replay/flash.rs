//! Flash as a check has read it, put together again from pages.

use super::Judged;
use crate::context::Programmed;
use crate::events::sha256;
use crate::firmware::{EXTERNAL_WINDOW, Region, memory_name};
use crate::history;
use hil_bootloader::{DeviceId, SimFlash};
use hil_record::{Objects, RegionShot};
use hil_scenario::{Chip, Core};

/// The most that is taken for a region, in bytes (ours): twice the external flash of the DK.
const MAX_REGION: u32 = 16 * 1024 * 1024;

/// A region that was read.
pub(super) struct Recovered {
    pub(super) region: Region,
    /// Blank where pages are withheld.
    pub(super) bytes: Vec<u8>,
    pub(super) withheld: Vec<Withheld>,
}

/// A page whose bytes are not in the evidence.
pub(super) struct Withheld {
    /// From the start of the region, in bytes.
    pub(super) offset: usize,
    pub(super) size: usize,
    sha256: String,
}

impl Recovered {
    /// Puts a region together: what was programmed, with the pages that were not so any more.
    pub(super) fn of(
        shot: &RegionShot,
        programmed: Option<&Programmed>,
        objects: &Objects,
    ) -> Result<Self, Judged> {
        let before = |region| match programmed {
            Some(programmed) => programmed.flash(region).to_vec(),
            None => Vec::new(),
        };
        Self::since(shot, before, objects)
    }

    /// The same, of pages that are not as they were `before`.
    pub(super) fn since(
        shot: &RegionShot,
        before: impl FnOnce(Region) -> Vec<u8>,
        objects: &Objects,
    ) -> Result<Self, Judged> {
        let region = region_of(shot)
            .ok_or_else(|| Judged::Broken(format!("there is no memory `{}`", shot.memory)))?;
        let mut bytes = before(region);
        bytes.resize(region.size as usize, 0xFF);
        let mut withheld = Vec::new();
        let page = shot.page.max(1) as usize;
        for changed in &shot.changed {
            let outside = || {
                Judged::Broken(format!(
                    "page {:#010x} does not lie in the region that it is of",
                    changed.address
                ))
            };
            let offset = changed
                .address
                .checked_sub(region.address)
                .ok_or_else(outside)? as usize;
            let end = bytes.len().min(offset.saturating_add(page));
            let place = bytes.get_mut(offset..end).ok_or_else(outside)?;
            match &changed.found {
                None => place.fill(0xFF),
                Some(digest) if changed.withheld => {
                    place.fill(0xFF);
                    withheld.push(Withheld {
                        offset,
                        size: end - offset,
                        sha256: digest.clone(),
                    });
                }
                Some(digest) => {
                    let found = objects
                        .get(digest)
                        .map_err(|error| Judged::Broken(error.to_string()))?;
                    if found.len() != place.len() {
                        return Err(outside());
                    }
                    place.copy_from_slice(&found);
                }
            }
        }
        Ok(Self {
            region,
            bytes,
            withheld,
        })
    }

    /// Puts in `bytes` at `offset` of the region wherever a withheld page has their digest.
    pub(super) fn try_bytes(&mut self, offset: usize, bytes: &[u8]) {
        let whole = &mut self.bytes;
        self.withheld.retain(|page| {
            let Some(part) = page
                .offset
                .checked_sub(offset)
                .and_then(|start| bytes.get(start..start + page.size))
            else {
                return true;
            };
            if sha256(part) != page.sha256 {
                return true;
            }
            whole[page.offset..page.offset + page.size].copy_from_slice(part);
            false
        });
    }

    /// Whether bytes from the start of the region up to `end` are withheld.
    pub(super) fn withholds_up_to(&self, end: usize) -> bool {
        self.withheld.iter().any(|page| page.offset < end)
    }
}

/// The whole of each memory.
#[derive(Default)]
pub(super) struct Memories {
    app: Vec<u8>,
    net: Vec<u8>,
    external: Vec<u8>,
}

impl Memories {
    /// Takes what was read of one.
    pub(super) fn take(&mut self, flash: Recovered) -> Result<(), Judged> {
        let external = flash.region.address >= EXTERNAL_WINDOW && flash.region.core == Core::App;
        let (memory, whole) = match (flash.region.core, external) {
            (Core::App, true) => (&mut self.external, flash.region),
            (Core::App, false) => (&mut self.app, Region::whole_flash(Core::App)),
            (Core::Net, _) => (&mut self.net, Region::whole_flash(Core::Net)),
        };
        if flash.region != whole {
            return Err(Judged::Broken(format!(
                "the {} was not read as a whole",
                flash.region.memory()
            )));
        }
        *memory = flash.bytes;
        Ok(())
    }

    /// All of them, for the model of the bootloaders.
    pub(super) fn flash(&self, chip: Chip) -> SimFlash {
        history::flash_of(chip, &self.app, &self.net, &self.external)
    }
}

/// The region that was read.
fn region_of(shot: &RegionShot) -> Option<Region> {
    let device = [DeviceId::AppFlash, DeviceId::NetFlash, DeviceId::External]
        .into_iter()
        .find(|device| memory_name(*device) == shot.memory)?;
    let (core, start, size) = match device {
        DeviceId::External => (Core::App, EXTERNAL_WINDOW, MAX_REGION),
        DeviceId::NetFlash => whole(Core::Net),
        DeviceId::AppFlash | DeviceId::RamFlash => whole(Core::App),
    };
    let inside = shot.address >= start
        && u64::from(shot.address) + u64::from(shot.size) <= u64::from(start) + u64::from(size);
    inside.then_some(Region {
        core,
        address: shot.address,
        size: shot.size,
    })
}

const fn whole(core: Core) -> (Core, u32, u32) {
    let region = Region::whole_flash(core);
    (core, region.address, region.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_record::ChangedPage;
    use rstest::rstest;

    fn shot(pages: Vec<ChangedPage>) -> RegionShot {
        RegionShot {
            memory: "app core".to_owned(),
            address: 0x1000,
            size: 0x2000,
            page: 0x1000,
            changed: pages,
            images: Vec::new(),
        }
    }

    fn page(address: u32, found: &str, withheld: bool) -> ChangedPage {
        ChangedPage {
            address,
            programmed: None,
            found: Some(found.to_owned()),
            withheld,
        }
    }

    #[test]
    fn a_region_is_what_was_programmed_with_the_pages_that_changed() {
        let run = tempfile::tempdir().unwrap();
        let objects = Objects::of_run(run.path());
        let digest = objects.put(&[7; 0x1000]).unwrap();
        let shot = shot(vec![page(0x2000, &digest, false)]);
        let found = Recovered::of(&shot, None, &objects).ok().unwrap();
        assert_eq!(found.bytes[..0x1000], [0xFF; 0x1000]);
        assert_eq!(found.bytes[0x1000..], [7; 0x1000]);
    }

    #[test]
    fn a_withheld_page_is_filled_only_by_bytes_of_its_digest() {
        let run = tempfile::tempdir().unwrap();
        let objects = Objects::of_run(run.path());
        let secret = [9; 0x1000];
        let shot = shot(vec![page(0x2000, &sha256(&secret), true)]);
        let mut found = Recovered::of(&shot, None, &objects).ok().unwrap();
        found.try_bytes(0x1000, &[8; 0x1000]);
        assert!(found.withholds_up_to(0x1001) && !found.withholds_up_to(0x1000));
        found.try_bytes(0, &[[8; 0x1000], secret].concat());
        assert!(found.withheld.is_empty());
        assert_eq!(found.bytes[0x1000..], secret);
    }

    #[rstest]
    #[case::below(0x0FFF)]
    #[case::behind(0x4000)]
    #[case::far(u32::MAX)]
    fn a_page_outside_its_region_is_no_evidence(#[case] address: u32) {
        let run = tempfile::tempdir().unwrap();
        let objects = Objects::of_run(run.path());
        let digest = objects.put(&[7; 0x1000]).unwrap();
        let shot = shot(vec![page(address, &digest, false)]);
        let found = Recovered::of(&shot, None, &objects);
        assert!(matches!(found, Err(Judged::Broken(_))));
    }

    #[test]
    fn a_region_outside_the_chip_is_no_evidence() {
        let run = tempfile::tempdir().unwrap();
        let mut shot = shot(Vec::new());
        shot.size = u32::MAX;
        let found = Recovered::of(&shot, None, &Objects::of_run(run.path()));
        assert!(matches!(found, Err(Judged::Broken(_))));
    }
}
