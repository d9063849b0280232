//! The external flash among what is programmed, compared and read: sectors that differ, and nothing else.

use super::bus::Bus;
use super::context::Context;
use super::cortex::{DHCSR, DHCSR_C_DEBUGEN, DHCSR_KEY, DHCSR_S_HALT, halt, let_go};
use super::link::on_bus;
use super::plan::{Change, Page, held_change};
use super::qspi::{ExternalFlash, SECTOR, with_external_flash};
use crate::core::{Core, EXTERNAL_FLASH, Region};
use crate::error::RigError;
use crate::image::FlashImage;
use probe_rs::architecture::arm::{ArmDebugInterface, ArmError};
use std::collections::BTreeMap;
use std::ops::Range;

/// Whether all of `address..address + length` lies in the external flash, as the application core sees it.
pub(super) fn contains(core: Core, address: u32, length: u32) -> bool {
    core == Core::App
        && EXTERNAL_FLASH.contains(&address)
        && u64::from(address) + u64::from(length) <= u64::from(EXTERNAL_FLASH.end)
}

/// The sectors that the image concerns, and those that `blank` covers, in the order of their addresses. Bytes of a
/// sector that the image does not have become blank.
pub(super) fn sectors(image: &FlashImage, blank: &[Range<u32>]) -> Vec<Page> {
    let mut sectors: BTreeMap<u32, Page> = BTreeMap::new();
    let empty = |address: u32| Page {
        core: Core::App,
        address,
        wanted: vec![0xFF; SECTOR as usize],
    };
    for range in blank {
        let first = range.start / SECTOR * SECTOR;
        for address in (first..range.end).step_by(SECTOR as usize) {
            sectors.insert(address, empty(address));
        }
    }
    for (mut address, mut data) in image.segments() {
        if Region::of(address) != Some(Region::External) {
            continue;
        }
        while !data.is_empty() {
            let offset = address % SECTOR;
            let start = address - offset;
            let length = data.len().min((SECTOR - offset) as usize);
            let sector = sectors.entry(start).or_insert_with(|| empty(start));
            sector.wanted[offset as usize..][..length].copy_from_slice(&data[..length]);
            address += length as u32;
            data = &data[length..];
        }
    }
    sectors.into_values().collect()
}

/// An error before anything is tried on a board that has no external flash.
pub(super) fn check_fitted(context: &Context) -> Result<(), RigError> {
    if context.config.external_flash == crate::file::ExternalFlash::None {
        return Err(RigError::NoExternalFlash {
            board: context.board(),
        });
    }
    Ok(())
}

/// Runs `job` on the external flash. The application core stands meanwhile, and goes on where it was; one that a debugger
/// has halted stays halted.
pub(super) fn on_external<T>(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    job: impl FnOnce(&mut ExternalFlash<'_>) -> Result<T, ArmError>,
) -> Result<T, RigError> {
    check_fitted(context)?;
    on_bus(context, interface, Core::App, |bus| {
        let was = bus.read(DHCSR)?;
        let stands = was & DHCSR_S_HALT != 0;
        if !stands {
            halt(bus)?;
        }
        let done = with_external_flash(bus, job);
        let resumed = if stands {
            Ok(())
        } else if was & DHCSR_C_DEBUGEN != 0 {
            // A trap stays.
            bus.write(DHCSR, DHCSR_KEY | DHCSR_C_DEBUGEN)
                .and_then(|()| bus.flush())
        } else {
            let_go(bus)
        };
        done.and_then(|value| resumed.map(|()| value))
    })
}

/// Reads bytes at `address`, wherever it starts and ends.
pub(super) fn read(
    flash: &mut ExternalFlash<'_>,
    address: u32,
    length: u32,
) -> Result<Vec<u8>, ArmError> {
    let offset = address - EXTERNAL_FLASH.start;
    // The peripheral moves words.
    let front = offset % 4;
    let mut data = vec![0; (front + length).next_multiple_of(4) as usize];
    flash.read(offset - front, &mut data)?;
    data.truncate((front + length) as usize);
    data.drain(..front as usize);
    Ok(data)
}

/// What has to be done to each sector.
pub(super) fn compare(
    flash: &mut ExternalFlash<'_>,
    sectors: &[Page],
    done: &mut dyn FnMut(u64),
) -> Result<Vec<Change>, ArmError> {
    let mut changes = Vec::with_capacity(sectors.len());
    read_runs(flash, sectors, |sector, held| {
        changes.push(held_change(held, &sector.wanted));
        done(u64::from(SECTOR));
    })?;
    Ok(changes)
}

/// Erases and programs what `changes` says.
pub(super) fn change(
    flash: &mut ExternalFlash<'_>,
    sectors: &[Page],
    changes: &[Change],
    phase: &mut dyn FnMut(Step, u64),
) -> Result<(), ArmError> {
    let offset = |sector: &Page| sector.address - EXTERNAL_FLASH.start;
    let both = || sectors.iter().zip(changes);
    let erase: Vec<u32> = both()
        .filter(|(_, change)| change.erases())
        .map(|(sector, _)| offset(sector))
        .collect();
    flash.erase(&erase, &mut |bytes| phase(Step::Erased, u64::from(bytes)))?;
    for (sector, _) in both().filter(|(_, change)| change.programs()) {
        flash.program(offset(sector), &sector.wanted)?;
        phase(Step::Programmed, u64::from(SECTOR));
    }
    Ok(())
}

/// What [`change`] has done with so many bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Erased,
    Programmed,
}

/// Gives each sector with what it holds, reading neighbours together.
pub(super) fn read_runs(
    flash: &mut ExternalFlash<'_>,
    sectors: &[Page],
    mut each: impl FnMut(&Page, &[u8]),
) -> Result<(), ArmError> {
    let runs = sectors.chunk_by(|one, next| one.address + SECTOR == next.address);
    for run in runs {
        // The buffer of the driver holds so many.
        for part in run.chunks(16) {
            let Some(first) = part.first() else { continue };
            let mut held = vec![0; part.len() * SECTOR as usize];
            flash.read(first.address - EXTERNAL_FLASH.start, &mut held)?;
            for (sector, held) in part.iter().zip(held.chunks(SECTOR as usize)) {
                each(sector, held);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn image_and_ranges_to_blank_give_sectors_once() {
        let mut image = FlashImage::new();
        image.add_segment(0x1000_0FFE, &[1, 2, 3]).unwrap();
        image.add_segment(0x0000_4000, &[9]).unwrap();
        let sectors = sectors(
            &image,
            &[0x1000_1000..0x1000_2000, 0x1000_2000..0x1000_3000],
        );
        let addresses: Vec<u32> = sectors.iter().map(|sector| sector.address).collect();
        assert_eq!(addresses, [0x1000_0000, 0x1000_1000, 0x1000_2000]);
        assert_eq!(sectors[0].wanted[0xFFD..], [0xFF, 1, 2]);
        assert_eq!(sectors[1].wanted[..2], [3, 0xFF]);
        assert_eq!(sectors[2].wanted, [0xFF; 0x1000]);
    }

    #[rstest]
    #[case::all(Core::App, 0x1000_0000, 0x80_0000, true)]
    #[case::over_the_end(Core::App, 0x1000_0004, 0x80_0000, false)]
    #[case::in_front(Core::App, 0x0FFF_FFFC, 8, false)]
    #[case::network_core(Core::Net, 0x1000_0000, 4, false)]
    fn what_lies_in_the_external_flash(
        #[case] core: Core,
        #[case] address: u32,
        #[case] length: u32,
        #[case] expected: bool,
    ) {
        assert_eq!(contains(core, address, length), expected);
    }
}
