//! Making flash hold an image, with proof.
//!
//! Opening the session resets the chip and halts its cores, so that what is read stays true. Then the pages that
//! differ are erased and programmed, and every page that the image concerns is read back and compared: what the
//! flash algorithm says about itself is not taken for an answer. When nothing differs, the comparison is the
//! proof. At the end the chip is reset and boots.

use super::access::Scope;
use super::context::Context;
use super::cortex::AfterReset;
use super::external::{self, Step};
use super::link::{Link, on_bus};
use super::nvmc;
use super::plan::{Change, Page, compare, pages, uicr_words};
use crate::core::{Core, Region};
use crate::error::RigError;
use crate::image::FlashImage;
use crate::silicon::Silicon;
use probe_rs::Session;
use probe_rs::architecture::arm::ArmDebugInterface;
use probe_rs::flashing::{DownloadOptions, FlashProgress, ProgressEvent, ProgressOperation};
use std::ops::Range;
use std::time::Duration;

pub use super::plan::Rest;

/// How to program.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProgramOptions {
    /// What happens to flash that the image has no bytes for.
    pub rest: Rest,
    /// Parts of the external flash, as addresses of its window, that become blank where the image has no bytes for them.
    /// Other sectors that the image does not touch keep what they hold.
    pub external: Vec<Range<u32>>,
    /// What the chip does afterwards.
    pub then: Afterwards,
    /// How long it may take; by default as long as the slowest flash within the product specification needs,
    /// and as much again.
    pub within: Option<Duration>,
}

/// What the chip does when it has been programmed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Afterwards {
    /// It boots.
    #[default]
    Boot,
    /// Its application core stands at its first instruction, as after
    /// [`ProbeSession::reset_and_halt`](super::ProbeSession::reset_and_halt): nothing of the new firmware has run.
    Hold,
}

/// What programming is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProgramPhase {
    /// Reading what flash holds.
    Comparing,
    /// Erasing pages.
    Erasing,
    /// Programming pages.
    Programming,
    /// Reading back.
    Verifying,
}

/// How far programming is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ProgramProgress {
    /// What it is doing.
    pub phase: ProgramPhase,
    /// Bytes of flash that are done in this phase.
    pub done: u64,
    /// Bytes of flash that this phase is about.
    pub total: u64,
}

/// What programming did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Programmed {
    /// Pages that the image concerns.
    pub pages: usize,
    /// Of these, pages that held something else and were changed.
    pub changed: usize,
    /// Of these, pages that had to be erased.
    pub erased: usize,
    /// The first addresses of the pages that were erased.
    pub erased_pages: Vec<u32>,
    /// Words of UICR that were programmed.
    pub uicr_words: usize,
    /// Bytes of flash that were compared with what they should be, and are.
    pub verified: u64,
}

/// How long programming may take: 89.7 ms to erase a page and 43 us to write a word at the most (product
/// specification), 384 ms and 5.4 ms for a sector and a page of the external flash (its SFDP table), doubled for the probe,
/// and half a minute to begin with.
pub(super) fn time_for(image: &FlashImage, options: &ProgramOptions) -> Duration {
    let bytes: u64 = match options.rest {
        Rest::Keep => image.len() as u64 + 0x2000,
        Rest::Erase => 0x0014_0000,
    };
    let sectors = external::sectors(image, &options.external).len() as u64;
    Duration::from_secs(30)
        + Duration::from_micros(2 * (bytes / 0x800 * 89_700 + bytes / 4 * 43))
        + Duration::from_micros(2 * sectors * (384_000 + 16 * 5_400))
}

pub(super) fn program(
    link: &mut Link,
    context: &Context,
    image: &FlashImage,
    options: &ProgramOptions,
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<Programmed, RigError> {
    let sectors = external::sectors(image, &options.external);
    if !sectors.is_empty() {
        external::check_fitted(context)?;
    }
    // The probe is needed for the session.
    link.abandon();
    let pages = pages(Silicon::Nrf5340, image, options.rest);
    let words = uicr_words(image);
    let concerns_net = pages.iter().any(|page| page.core == Core::Net)
        || words.iter().any(|word| word.0 == Core::Net);
    let scope = if concerns_net {
        Scope::Both
    } else {
        Scope::App
    };
    let (mut session, ending) = match context.open_session(scope) {
        Ok(opened) => opened,
        Err(error) => {
            // A session that failed half-way leaves the cores halted, and has nobody who lets them go.
            if matches!(
                error,
                RigError::Attach { .. } | RigError::ChipTimeout { .. }
            ) && let Err(also) = link.reset(context, Core::App, AfterReset::Run)
            {
                tracing::warn!(board = context.board(), error = %also, "the chip could not be reset either");
            }
            return Err(error);
        }
    };
    // The external flash first: when it is missing, nothing has been changed yet.
    let result = program_external(&mut session, context, &sectors, progress).and_then(|external| {
        let inner = session_program(&mut session, context, &pages, &words, progress)?;
        Ok(inner.and(&external))
    });
    // Whatever happened: the cores stand in flash algorithms or at their reset vectors.
    let holds = options.then == Afterwards::Hold && result.is_ok();
    if holds {
        ending.hold();
    } else {
        ending.reset();
    }
    drop(session);
    if holds {
        link.take_over_halted(context, Core::App)?;
    }
    result
}

impl Programmed {
    /// Both together.
    fn and(self, other: &Self) -> Self {
        Self {
            pages: self.pages + other.pages,
            changed: self.changed + other.changed,
            erased: self.erased + other.erased,
            erased_pages: [self.erased_pages, other.erased_pages.clone()].concat(),
            uicr_words: self.uicr_words + other.uicr_words,
            verified: self.verified + other.verified,
        }
    }
}

/// Makes sectors of the external flash hold what they should. The application core stands.
fn program_external(
    session: &mut Session,
    context: &Context,
    sectors: &[Page],
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<Programmed, RigError> {
    if sectors.is_empty() {
        return Ok(Programmed::default());
    }
    let interface = session
        .get_arm_interface()
        .map_err(|error| context.attach_error(error))?;
    let all = size(sectors.iter());
    let mut differences = Differences::default();
    let programmed = external::on_external(context, interface, |flash| {
        let mut meter = Meter::new(ProgramPhase::Comparing, all, progress);
        let changes = external::compare(flash, sectors, &mut |bytes| meter.add(bytes))?;
        let total = |is: fn(Change) -> bool| size(concerned(sectors, &changes, is).into_iter());
        let (erase, write) = (total(Change::erases), total(Change::programs));
        let mut done = [0, 0];
        external::change(flash, sectors, &changes, &mut |step, bytes| {
            let (phase, total, done) = match step {
                Step::Erased => (ProgramPhase::Erasing, erase, &mut done[0]),
                Step::Programmed => (ProgramPhase::Programming, write, &mut done[1]),
            };
            *done += bytes;
            let done = *done;
            progress(ProgramProgress { phase, done, total });
        })?;
        let changed = concerned(sectors, &changes, |change| change != Change::Nothing).len();
        if changed > 0 {
            let mut meter = Meter::new(ProgramPhase::Verifying, all, progress);
            external::read_runs(flash, sectors, |sector, held| {
                differences.note(Core::App, sector.address, held, &sector.wanted);
                meter.add(held.len() as u64);
            })?;
        }
        Ok(Programmed {
            pages: sectors.len(),
            changed,
            erased: concerned(sectors, &changes, Change::erases).len(),
            erased_pages: concerned(sectors, &changes, Change::erases)
                .iter()
                .map(|sector| sector.address)
                .collect(),
            uicr_words: 0,
            verified: all,
        })
    })?;
    differences.into_result(context)?;
    Ok(programmed)
}

fn session_program(
    session: &mut Session,
    context: &Context,
    pages: &[Page],
    words: &[(Core, u32, u32)],
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<Programmed, RigError> {
    let interface = session
        .get_arm_interface()
        .map_err(|error| context.attach_error(error))?;
    let missing_words = missing_uicr_words(context, interface, words)?;
    let changes = compare_all(context, interface, pages, progress)?;
    let erase: Vec<&Page> = concerned(pages, &changes, Change::erases);
    let program: Vec<&Page> = concerned(pages, &changes, Change::programs);
    let changed = changes
        .iter()
        .filter(|&&change| change != Change::Nothing)
        .count();

    erase_pages(context, interface, &erase, progress)?;
    program_pages(session, context, &program, progress)?;
    let interface = session
        .get_arm_interface()
        .map_err(|error| context.access_error(error))?;
    for core in Core::ALL {
        let words: Vec<(u32, u32)> = of_core(&missing_words, core);
        if !words.is_empty() {
            on_bus(context, interface, core, |bus| {
                nvmc::write_words(bus, core, &words)
            })?;
        }
    }
    if changed > 0 {
        verify_pages(context, interface, pages, progress)?;
    }
    if !missing_words.is_empty()
        && let Some(&(core, address, expected)) =
            missing_uicr_words(context, interface, words)?.first()
    {
        return Err(RigError::UicrNotWritten {
            board: context.board(),
            core,
            address,
            expected,
        });
    }
    Ok(Programmed {
        pages: pages.len(),
        changed,
        erased: erase.len(),
        erased_pages: erase.iter().map(|page| page.address).collect(),
        uicr_words: missing_words.len(),
        verified: size(pages.iter()),
    })
}

fn concerned<'a>(
    pages: &'a [Page],
    changes: &[Change],
    is: impl Fn(Change) -> bool,
) -> Vec<&'a Page> {
    pages
        .iter()
        .zip(changes)
        .filter(|&(_, &change)| is(change))
        .map(|(page, _)| page)
        .collect()
}

fn of_core(words: &[(Core, u32, u32)], core: Core) -> Vec<(u32, u32)> {
    words
        .iter()
        .filter(|word| word.0 == core)
        .map(|&(_, address, value)| (address, value))
        .collect()
}

fn size<'a>(pages: impl Iterator<Item = &'a Page>) -> u64 {
    pages.map(|page| page.wanted.len() as u64).sum()
}

/// The words of UICR that have to be programmed. One that holds zeros where ones are wanted is an error before
/// anything is changed.
fn missing_uicr_words(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    words: &[(Core, u32, u32)],
) -> Result<Vec<(Core, u32, u32)>, RigError> {
    let mut missing = Vec::new();
    for &(core, address, expected) in words {
        let found = on_bus(context, interface, core, |bus| {
            bus.memory.read_word_32(u64::from(address))
        })?;
        if found & expected != expected {
            return Err(RigError::UicrHeld {
                board: context.board(),
                core,
                address,
                found,
                expected,
            });
        }
        // Bytes that the image does not have are ones, and keep what is there.
        if expected != 0xFFFF_FFFF && found != expected {
            missing.push((core, address, expected));
        }
    }
    Ok(missing)
}

fn compare_all(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    pages: &[Page],
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<Vec<Change>, RigError> {
    let mut meter = Meter::new(ProgramPhase::Comparing, size(pages.iter()), progress);
    let mut changes = Vec::with_capacity(pages.len());
    for core in Core::ALL {
        let of_core: Vec<&Page> = pages.iter().filter(|page| page.core == core).collect();
        if of_core.is_empty() {
            continue;
        }
        on_bus(context, interface, core, |bus| {
            // As the page before, so probably this one.
            let mut whole = true;
            for page in of_core {
                let change = compare(page, whole, |address, buffer| {
                    bus.memory.read(u64::from(address), buffer)
                })?;
                whole = matches!(change, Change::Nothing | Change::Program);
                changes.push(change);
                meter.add(page.wanted.len() as u64);
            }
            Ok(())
        })?;
    }
    Ok(changes)
}

fn erase_pages(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    pages: &[&Page],
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<(), RigError> {
    let mut meter = Meter::new(ProgramPhase::Erasing, size(pages.iter().copied()), progress);
    for core in Core::ALL {
        let addresses: Vec<u32> = pages
            .iter()
            .filter(|page| page.core == core)
            .map(|page| page.address)
            .collect();
        if !addresses.is_empty() {
            on_bus(context, interface, core, |bus| {
                nvmc::erase_pages(bus, core, &addresses, &mut |bytes| {
                    meter.add(u64::from(bytes));
                })
            })?;
        }
    }
    Ok(())
}

fn program_pages(
    session: &mut Session,
    context: &Context,
    pages: &[&Page],
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<(), RigError> {
    if pages.is_empty() {
        return Ok(());
    }
    let mut loader = session.target().flash_loader();
    for page in pages {
        loader
            .add_data(u64::from(page.address), &page.wanted)
            .map_err(|error| context.access_error(error))?;
    }
    let mut meter = Meter::new(
        ProgramPhase::Programming,
        size(pages.iter().copied()),
        progress,
    );
    let mut options = DownloadOptions::default();
    // Erasing and verifying are ours.
    options.skip_erase = true;
    options.verify = false;
    options.progress = FlashProgress::new(|event| {
        if let ProgressEvent::Progress {
            operation: ProgressOperation::Program,
            size,
            ..
        } = event
        {
            meter.add(size);
        }
    });
    loader
        .commit(session, options)
        .map_err(|error| context.access_error(error))
}

fn verify_pages(
    context: &Context,
    interface: &mut dyn ArmDebugInterface,
    pages: &[Page],
    progress: &mut dyn FnMut(ProgramProgress),
) -> Result<(), RigError> {
    let mut meter = Meter::new(ProgramPhase::Verifying, size(pages.iter()), progress);
    let mut differences = Differences::default();
    for core in Core::ALL {
        let of_core: Vec<&Page> = pages.iter().filter(|page| page.core == core).collect();
        if of_core.is_empty() {
            continue;
        }
        on_bus(context, interface, core, |bus| {
            let mut held = Vec::new();
            for page in of_core {
                held.resize(page.wanted.len(), 0);
                bus.memory.read(u64::from(page.address), &mut held)?;
                differences.note(core, page.address, &held, &page.wanted);
                meter.add(page.wanted.len() as u64);
            }
            Ok(())
        })?;
    }
    differences.into_result(context)
}

/// Compares flash and UICR with the image, without touching a core that runs.
pub(super) fn verify(
    link: &mut Link,
    context: &Context,
    image: &FlashImage,
) -> Result<(), RigError> {
    let mut differences = Differences::default();
    for (address, data) in image.segments() {
        let core = match Region::of(address) {
            Some(Region::Flash(core) | Region::Uicr(core)) => core,
            Some(Region::External) | None => Core::App,
        };
        let held = link.read(context, core, address, data.len() as u32)?;
        differences.note(core, address, &held, data);
    }
    differences.into_result(context)
}

/// Bytes that are not what they should be.
#[derive(Default)]
pub(super) struct Differences {
    first: Option<(Core, u32, u8, u8)>,
    count: usize,
}

impl Differences {
    pub(super) fn note(&mut self, core: Core, address: u32, held: &[u8], wanted: &[u8]) {
        if held == wanted {
            return;
        }
        for (at, (&found, &expected)) in (address..).zip(held.iter().zip(wanted)) {
            if found != expected {
                self.first.get_or_insert((core, at, found, expected));
                self.count += 1;
            }
        }
    }

    pub(super) fn into_result(self, context: &Context) -> Result<(), RigError> {
        match self.first {
            None => Ok(()),
            Some((core, address, found, expected)) => Err(RigError::VerifyFailed {
                board: context.board(),
                core,
                address,
                found,
                expected,
                differing: self.count,
            }),
        }
    }
}

/// Counts the bytes of a phase.
struct Meter<'a> {
    now: ProgramProgress,
    progress: &'a mut dyn FnMut(ProgramProgress),
}

impl<'a> Meter<'a> {
    fn new(phase: ProgramPhase, total: u64, progress: &'a mut dyn FnMut(ProgramProgress)) -> Self {
        Self {
            now: ProgramProgress {
                phase,
                done: 0,
                total,
            },
            progress,
        }
    }

    fn add(&mut self, bytes: u64) {
        self.now.done = (self.now.done + bytes).min(self.now.total);
        (self.progress)(self.now);
    }
}
