//! The flash that every start of a sweep begins from, and putting it back.

use crate::context::Context;
use crate::firmware::{EXTERNAL_WINDOW, Firmware, Region};
use crate::history;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{Area, DeviceId, NetworkCore, SimFlash};
use hil_record::{Check, ErrorKind, RegionShot};
use hil_rig::FlashImage;
use hil_scenario::Core;

/// Pages of the application core's flash and sectors of the external flash, in bytes (nRF5340 product specification, NVMC;
/// MX25R6435F data sheet).
const PAGE: u32 = 0x1000;
/// Pages of the network core's flash.
const NET_PAGE: u32 = 0x800;

/// The flash at the beginning.
pub(crate) struct Start {
    pub(crate) flash: SimFlash,
    /// What a start may change: this is read and put back each time, and the rest is looked at by the checks at the end of the
    /// scenario.
    areas: Vec<Region>,
}

impl Start {
    /// Stops the board, which is held at its first instruction from here on, and reads its flash.
    pub(super) fn take(context: &mut Context<'_>) -> Checked<Self> {
        if context.programmed().is_none() {
            return Err(Trouble::error(
                ErrorKind::Harness,
                "a sweep needs a step before it that programs the board",
            ));
        }
        context.hold()?;
        let app = context.read(Region::whole_flash(Core::App))?;
        let net = context.read(Region::whole_flash(Core::Net))?;
        let external = context.read_external()?;
        // What every start begins from, for whoever makes the verdicts again.
        let external_flash = Region {
            core: Core::App,
            address: EXTERNAL_WINDOW,
            size: u32::try_from(external.len()).unwrap_or(u32::MAX),
        };
        let mut found = vec![
            context.shot(Region::whole_flash(Core::App), &app),
            context.shot(Region::whole_flash(Core::Net), &net),
        ];
        if external_flash.size > 0 {
            found.push(context.shot(external_flash, &external));
        }
        context.checked(Check::SweepStart { found });
        Ok(Self::of(
            history::flash_of(context.firmware.set().chip, &app, &net, &external).counting_erases(),
            context.firmware,
        ))
    }

    /// The start from this flash.
    pub(crate) fn of(flash: SimFlash, firmware: &Firmware) -> Self {
        Self {
            flash,
            areas: areas(firmware),
        }
    }

    /// Leaves out what no operation of the start touches in any case: the network core's flash is long, and mostly nobody
    /// writes it.
    pub(crate) fn without_network(&mut self) {
        self.areas.retain(|region| region.core == Core::App);
    }

    /// The flash that the board holds now, as far as a start may have changed it.
    pub(super) fn read(&self, context: &mut Context<'_>) -> Checked<SimFlash> {
        let mut flash = self.flash.clone();
        for region in &self.areas {
            let bytes = context.read(*region)?;
            let area = region.area();
            flash.edit(area.device, area.offset, &bytes);
        }
        Ok(flash)
    }

    /// The pages in which what a start may change is not as in `before`. Regions without such a page are left out, and so is
    /// how images measure: where their bytes are a secret they are known by the hash of their pages.
    pub(super) fn shots(
        &self,
        context: &Context<'_>,
        before: &SimFlash,
        found: &SimFlash,
    ) -> Vec<RegionShot> {
        let differing = self.areas.iter().filter_map(|region| {
            let (before, found) = (region.bytes_of(before), region.bytes_of(found));
            (before != found).then(|| RegionShot {
                images: Vec::new(),
                ..context.shot_since(*region, &before, &found)
            })
        });
        differing.collect()
    }

    /// The pages in which `wanted` differs from `held`, as an image to be programmed.
    pub(super) fn difference(&self, held: &SimFlash, wanted: &SimFlash) -> Checked<FlashImage> {
        let mut image = FlashImage::new();
        for region in &self.areas {
            let Area {
                device,
                offset,
                size,
            } = region.area();
            let page = if device == DeviceId::NetFlash {
                NET_PAGE
            } else {
                PAGE
            };
            for start in (0..size).step_by(page as usize) {
                let length = page.min(size - start) as usize;
                let at = (offset + start) as usize;
                let bytes = wanted.bytes_at(device, at, length);
                if bytes != held.bytes_at(device, at, length) {
                    image
                        .add_segment(region.address + start, &bytes)
                        .map_err(|error| Trouble::error(ErrorKind::Harness, error))?;
                }
            }
        }
        Ok(image)
    }

    /// Where two flashes differ first, in what a start may change, and in how many bytes.
    pub(super) fn first_difference(
        &self,
        found: &SimFlash,
        expected: &SimFlash,
    ) -> Option<Difference> {
        let mut first: Option<Difference> = None;
        for region in &self.areas {
            let (found, expected) = (region.bytes_of(found), region.bytes_of(expected));
            if found == expected {
                continue;
            }
            let differ = (region.address..)
                .zip(found.iter().zip(&expected))
                .filter(|(_, (found, expected))| found != expected);
            for (address, (found, expected)) in differ {
                first
                    .get_or_insert(Difference {
                        core: region.core,
                        address,
                        found: *found,
                        expected: *expected,
                        count: 0,
                    })
                    .count += 1;
            }
        }
        first
    }
}

/// Bytes that are not as they should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference {
    pub(super) core: Core,
    /// Of the first, in its core's map.
    pub(super) address: u32,
    pub(super) found: u8,
    pub(super) expected: u8,
    /// How many there are.
    pub(super) count: u32,
}

/// The slots, and whatever else the bootloaders write; each part of flash once.
fn areas(firmware: &Firmware) -> Vec<Region> {
    let config = &firmware.set().bootloader;
    let mut regions: Vec<Region> = config
        .images
        .iter()
        .flat_map(|slots| [slots.primary, slots.secondary])
        .chain(config.scratch)
        .filter_map(|area| {
            let (core, start) = match area.device {
                DeviceId::AppFlash => (Core::App, 0),
                DeviceId::External => (Core::App, EXTERNAL_WINDOW),
                DeviceId::NetFlash => (Core::Net, Region::whole_flash(Core::Net).address),
                DeviceId::RamFlash => return None,
            };
            Some(Region {
                core,
                address: start + area.offset,
                size: area.size,
            })
        })
        .collect();
    if config.network_core != NetworkCore::None {
        regions.push(Region {
            core: Core::Net,
            address: config.network_slot.address,
            size: config.network_slot.size,
        });
    }
    regions.sort_by_key(|region| (region.address, region.size));
    regions.dedup();
    regions
}
