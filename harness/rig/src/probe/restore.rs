//! Putting flash back to what it was, with the chip held at its first instruction before and after.
//!
//! [Programming](super::program) ends with a start of the chip, and a bootloader that finds a request changes flash at once.
//! Where the same start is to be tried again and again, nothing may run in between. As few pages differ then, they are erased
//! and written through the controller, over the connection that holds the cores; no session is made and no flash algorithm
//! loaded, which is most of the time that programming a few pages takes.

use super::bus::Bus as _;
use super::context::Context;
use super::cortex::AfterReset;
use super::external;
use super::link::{Link, on_bus};
use super::nvmc;
use super::plan::{Change, Page, Rest, held_change, pages};
use super::program::{Afterwards, Differences, ProgramOptions, Programmed};
use crate::core::Core;
use crate::error::RigError;
use crate::image::FlashImage;

/// Makes the pages that `image` concerns hold its bytes. Others keep theirs; UICR is not touched. The chip stands at the first
/// instruction of the application core afterwards, whatever happened.
pub(super) fn restore(
    link: &mut Link,
    context: &Context,
    image: &FlashImage,
) -> Result<Programmed, RigError> {
    let sectors = external::sectors(image, &[]);
    if !sectors.is_empty() {
        external::check_fitted(context)?;
    }
    link.reset(context, Core::App, AfterReset::Halt)?;
    let pages = pages(context.config.silicon, image, Rest::Keep);
    let mut done = restore_external(link, context, &sectors)?;
    for core in Core::ALL {
        let of_core: Vec<&Page> = pages.iter().filter(|page| page.core == core).collect();
        if !of_core.is_empty() {
            if core == Core::Net {
                link.reset(context, core, AfterReset::Halt)?;
            }
            restore_core(link, context, core, &of_core, &mut done)?;
        }
    }
    // As after power came, the network core is held off, and no peripheral is as the debugger left it.
    link.reset(context, Core::App, AfterReset::Halt)?;
    Ok(done)
}

/// Makes all flash of a chip hold `image` and lets it boot, or stand, through the controller alone: for a chip for which no flash
/// algorithm is used.
pub(super) fn program(
    link: &mut Link,
    context: &Context,
    image: &FlashImage,
    options: &ProgramOptions,
) -> Result<Programmed, RigError> {
    let silicon = context.config.silicon;
    for (address, data) in image.segments() {
        let flash = silicon.flash(Core::App);
        let fits = flash.contains(&address) && (flash.end - address) as usize >= data.len();
        if !fits {
            return Err(RigError::BadRequest {
                board: context.board(),
                what: format!(
                    "the image has {} bytes at {address:#010x}; an {silicon} can be programmed at {:#010x}..{:#010x}",
                    data.len(),
                    flash.start,
                    flash.end
                ),
            });
        }
    }
    link.reset(context, Core::App, AfterReset::Halt)?;
    let pages = pages(silicon, image, options.rest);
    let pages: Vec<&Page> = pages.iter().collect();
    let mut done = Programmed::default();
    let programmed = restore_core(link, context, Core::App, &pages, &mut done);
    // Whatever happened: nobody else lets the core go.
    let after = match (&programmed, options.then) {
        (Ok(()), Afterwards::Hold) => AfterReset::Halt,
        (Ok(()), Afterwards::Boot) | (Err(_), _) => AfterReset::Run,
    };
    let started = link.reset(context, Core::App, after);
    programmed.and(started).map(|()| done)
}

fn restore_external(
    link: &mut Link,
    context: &Context,
    sectors: &[Page],
) -> Result<Programmed, RigError> {
    if sectors.is_empty() {
        return Ok(Programmed::default());
    }
    let mut differences = Differences::default();
    let changes = link.with_external(context, |flash| {
        let changes = external::compare(flash, sectors, &mut |_| {})?;
        external::change(flash, sectors, &changes, &mut |_, _| {})?;
        external::read_runs(flash, sectors, |sector, held| {
            differences.note(Core::App, sector.address, held, &sector.wanted);
        })?;
        Ok(changes)
    })?;
    differences.into_result(context)?;
    let mut done = Programmed::default();
    for (sector, change) in sectors.iter().zip(changes) {
        note(&mut done, sector, change);
    }
    Ok(done)
}

fn restore_core(
    link: &mut Link,
    context: &Context,
    core: Core,
    pages: &[&Page],
    done: &mut Programmed,
) -> Result<(), RigError> {
    let mut differences = Differences::default();
    let changes = link.with(context, |interface| {
        on_bus(context, interface, core, |bus| {
            let mut changes = Vec::with_capacity(pages.len());
            for page in pages {
                let mut held = vec![0; page.wanted.len()];
                bus.read_bytes(page.address, &mut held)?;
                changes.push(held_change(&held, &page.wanted));
            }
            let erase: Vec<u32> = pages
                .iter()
                .zip(&changes)
                .filter(|(_, change)| change.erases())
                .map(|(page, _)| page.address)
                .collect();
            nvmc::erase_pages(bus, core, &erase, &mut |_| {})?;
            for (page, _) in pages
                .iter()
                .zip(&changes)
                .filter(|(_, change)| change.programs())
            {
                nvmc::write_page(bus, core, page.address, &page.wanted)?;
            }
            for (page, _) in pages
                .iter()
                .zip(&changes)
                .filter(|(_, change)| **change != Change::Nothing)
            {
                let mut held = vec![0; page.wanted.len()];
                bus.read_bytes(page.address, &mut held)?;
                differences.note(core, page.address, &held, &page.wanted);
            }
            Ok(changes)
        })
    })?;
    differences.into_result(context)?;
    for (page, change) in pages.iter().zip(changes) {
        note(done, page, change);
    }
    Ok(())
}

/// Counts a page that was put back.
fn note(done: &mut Programmed, page: &Page, change: Change) {
    done.pages += 1;
    done.verified += page.wanted.len() as u64;
    done.changed += usize::from(change != Change::Nothing);
    if change.erases() {
        done.erased += 1;
        done.erased_pages.push(page.address);
    }
}
