//! The boot itself: finish what was interrupted, decide per image, update, validate, start.
//!
//! Source: `context_boot_go` and what it calls in mcuboot `boot/bootutil/src/loader.c`; `main` in
//! `boot/zephyr/main.c` for the first and last console lines.

use std::cmp::Ordering;

use crate::config::{Config, DowngradePrevention, Keys, Mode};
use crate::dependencies::Swap;
use crate::encrypt::KeyLoad;
use crate::flash::{Flash, FlashError};
use crate::io::{Io, OrAssert, Step, Stop, insist};
use crate::log::LogLine;
use crate::outcome::{BootResult, BootedImage, Outcome, SwapType};
use crate::pcd::PcdBoard;
use crate::progress::Headers;
use crate::recall::Recall;
use crate::state::{ImageState, Loader, PRIMARY, Progress, SECONDARY};
use crate::tlv::{Found, Wanted};
use crate::trailer::Flag;
use crate::validate::Validity;

const TLV_SECURITY_COUNTER: u16 = 0x50;

/// Runs MCUboot once on `flash`, without a network core: a build that wants to update one waits for ever.
///
/// `log` is given MCUboot's console lines in MCUboot's order.
///
/// # Errors
/// [`FlashError::PowerLost`] when the power failed on the way. Other flash errors are part of the boot, as in the C
/// code: it goes on without the slot, or stops on an assertion.
pub fn boot(
    config: &Config,
    keys: &Keys,
    flash: &mut dyn Flash,
    log: &mut dyn FnMut(LogLine),
) -> Result<Outcome, FlashError> {
    boot_with_network(config, keys, flash, None, log)
}

/// Runs MCUboot once on `flash`; `network` is what it reaches of the network core.
///
/// # Errors
/// As for [`boot`].
pub fn boot_with_network<'a>(
    config: &'a Config,
    keys: &'a Keys,
    flash: &'a mut dyn Flash,
    network: Option<&'a mut dyn PcdBoard>,
    log: &'a mut dyn FnMut(LogLine),
) -> Result<Outcome, FlashError> {
    boot_recalling(config, keys, flash, network, &mut Recall::new(), log)
}

/// [`boot_with_network`] that looks in `recall` before it hashes an image or checks a signature: nothing else differs.
/// A recall belongs to one set of keys.
///
/// # Errors
/// As for [`boot`].
pub fn boot_recalling<'a>(
    config: &'a Config,
    keys: &'a Keys,
    flash: &'a mut dyn Flash,
    network: Option<&'a mut dyn PcdBoard>,
    recall: &mut Recall,
    log: &'a mut dyn FnMut(LogLine),
) -> Result<Outcome, FlashError> {
    let mut loader = Loader {
        io: Io { config, flash, log },
        keys,
        network,
        images: config.images.iter().copied().map(ImageState::new).collect(),
        current: 0,
        decisions: Vec::new(),
        status_fails: 0,
        last_sector: u32::MAX,
        recall: std::mem::take(recall),
    };
    loader.io.info("Starting bootloader");
    let ran = loader.run();
    *recall = std::mem::take(&mut loader.recall);
    let result = match ran {
        Ok(Ok(booted)) => {
            let version = booted.version;
            loader.io.info(format!(
                "Bootloader chainload address offset: {:#x}",
                booted.offset
            ));
            if config.line.tells_version() {
                loader.io.info(format!(
                    "Image version: v{}.{}.{}",
                    version.major, version.minor, version.revision
                ));
            }
            loader.io.info("Jumping to the first image slot");
            BootResult::Boot(booted)
        }
        Ok(Err(reason)) => {
            loader.io.error("Unable to find bootable image");
            BootResult::NoBoot { reason }
        }
        Err(Stop::PowerLost) => return Err(FlashError::PowerLost),
        Err(Stop::Assert(what)) => BootResult::Assert { what },
        Err(Stop::Hang(what)) => BootResult::Hang { what },
    };
    Ok(Outcome {
        result,
        decisions: loader.decisions,
    })
}

/// How reading the sectors of an image's slots came out (`boot_read_sectors`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sectors {
    Known,
    SecondaryUnknown,
    PrimaryUnknown,
}

impl Loader<'_> {
    /// `context_boot_go`.
    fn run(&mut self) -> Step<Result<BootedImage, String>> {
        if self.images.is_empty() {
            return Ok(Err("the bootloader was built without slots".to_owned()));
        }
        if self.mode() == Mode::SwapOffset && !self.line().has_swap_offset() {
            let line = self.line();
            return Ok(Err(format!("MCUboot of {line} has no swap-using-offset")));
        }
        if self.mode() == Mode::SingleSlot {
            return self.run_single();
        }
        let several = self.images.len() > 1;
        let mut progress = Progress::new(self.io.config);
        let mut has_upgrade = false;
        for image in 0..self.images.len() {
            self.current = image;
            if several {
                self.drop_content_keys();
            }
            let sectors = self.read_sectors();
            if sectors != Sectors::Known {
                let max = self.io.config.max_sectors;
                self.io.warn(format!(
                    "Failed reading sectors; BOOT_MAX_IMG_SECTORS={max} - too small?"
                ));
                self.decided("no update", format!("a slot has more than {max} sectors"));
                self.image_mut().swap_type = SwapType::None;
            }
            if sectors != Sectors::PrimaryUnknown {
                self.prepare(&mut progress)?;
            }
            has_upgrade |= self.image().swap_type.is_upgrade();
        }
        if several && has_upgrade {
            self.verify_dependencies()?;
        }
        for image in 0..self.images.len() {
            self.current = image;
            if several {
                self.drop_content_keys();
                progress = Progress::new(self.io.config);
            }
            self.update(&mut progress)?;
        }
        for image in 0..self.images.len() {
            self.current = image;
            if let Err(reason) = self.check_primary(&progress)? {
                return Ok(Err(reason));
            }
        }
        self.current = 0;
        let header = self.header(PRIMARY);
        let area = self.area(PRIMARY).area;
        Ok(Ok(BootedImage {
            device: area.device,
            offset: area.offset,
            header_size: u32::from(header.header_size),
            version: header.version(),
        }))
    }

    /// `boot_read_sectors`: a slot with more sectors than the table takes cannot be used.
    fn read_sectors(&mut self) -> Sectors {
        for (slot, unknown) in [
            (PRIMARY, Sectors::PrimaryUnknown),
            (SECONDARY, Sectors::SecondaryUnknown),
        ] {
            let count = self.io.sectors(self.area(slot));
            if count > self.io.config.max_sectors {
                return unknown;
            }
            self.image_mut().sectors[slot] = count;
        }
        if self.line().counts_scratch_sectors()
            && self.mode() == Mode::SwapScratch
            && let Some(area) = self.io.config.scratch
            && area.size / self.sector_size() > self.io.config.max_sectors
        {
            // The C code does not tell the scratch area from the primary slot.
            return Sectors::PrimaryUnknown;
        }
        Sectors::Known
    }

    /// `boot_prepare_image_for_update`: finishes an interrupted swap, or decides what is to be done.
    fn prepare(&mut self, progress: &mut Progress) -> Step<()> {
        if !self.read_headers(Headers::First, None)? {
            return self.give_up_reading_headers();
        }
        let mode = self.mode();
        let compatible = match mode {
            Mode::SwapMove => self.slots_compatible_move(),
            Mode::SwapOffset => self.slots_compatible_offset(),
            Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => {
                self.slots_compatible_scratch()?
            }
        };
        if !compatible {
            self.decided("no update", "its slots do not fit each other");
            self.image_mut().swap_type = SwapType::None;
            return Ok(());
        }
        *progress = Progress::new(self.io.config);
        if mode != Mode::OverwriteOnly {
            if !self.read_progress(progress)? {
                let image = self.current;
                self.io
                    .warn(format!("Failed reading boot status; Image={image}"));
                self.image_mut().swap_type = SwapType::None;
                return Ok(());
            }
            let need = if progress.is_reset(mode) {
                Headers::First
            } else {
                Headers::All
            };
            let again = mode != Mode::SwapScratch || self.line().finds_headers_in_scratch();
            if again && !self.read_headers(need, Some(progress))? {
                return self.give_up_reading_headers();
            }
        }
        if !progress.is_reset(mode) {
            return self.resume(progress);
        }
        let swap_type = if progress.swap_type == SwapType::None {
            self.validated_swap_type(progress)?
        } else {
            let begun = progress.swap_type;
            match self.validate_slot(SECONDARY, Some(progress), SwapType::Other(0))? {
                Validity::Valid => {
                    self.decided(
                        begun.to_string(),
                        "swap_info in the primary trailer says so, and no sector was touched yet",
                    );
                    begun
                }
                Validity::NoImage | Validity::Failure => SwapType::Fail,
            }
        };
        self.image_mut().swap_type = swap_type;
        if self.images.len() > 1 {
            self.review_swap_types(Swap::NotBegun);
        }
        Ok(())
    }

    fn give_up_reading_headers(&mut self) -> Step<()> {
        let image = self.current;
        self.io
            .warn(format!("Failed reading image headers; Image={image}"));
        self.decided("no update", "no image header where one must be");
        self.image_mut().swap_type = SwapType::None;
        Ok(())
    }

    /// `boot_complete_partial_swap`.
    fn resume(&mut self, progress: &mut Progress) -> Step<()> {
        if self.images.len() > 1 {
            self.review_swap_types(Swap::Resumed);
        }
        let (kind, at) = (progress.swap_type, progress.index);
        self.decided(
            format!("interrupted {kind} swap resumed"),
            format!(
                "the status words of the trailer end at step {at}.{}",
                progress.state
            ),
        );
        self.swap(progress)?;
        self.image_mut().swap_type = progress.swap_type;
        self.finish_swap(progress.swap_type)?;
        insist(
            self.image().swap_type != SwapType::Panic,
            "the resumed swap is finished",
        )?;
        // Older lines still go by the progress: where the headers were before the last step.
        let progress = self
            .line()
            .rereads_resumed_headers_by_progress()
            .then_some(&*progress);
        let read = self.read_headers(Headers::First, progress)?;
        insist(read, "image headers are read after a resumed swap")?;
        self.image_mut().swap_type = SwapType::None;
        Ok(())
    }

    /// `boot_validated_swap_type`: what the trailers ask for, unless the image in the secondary slot forbids it.
    fn validated_swap_type(&mut self, progress: &mut Progress) -> Step<SwapType> {
        let network_image = match self.recognise_network_image()? {
            Ok(recognised) => recognised,
            Err(why) => {
                self.decided(SwapType::Fail.to_string(), why);
                return Ok(SwapType::Fail);
            }
        };
        let decided = self.decide_swap_type()?;
        self.decided(decided.swap_type.to_string(), decided.because);
        if !decided.swap_type.is_upgrade() {
            return Ok(decided.swap_type);
        }
        match self.validate_slot(SECONDARY, Some(progress), decided.swap_type)? {
            Validity::Valid if network_image => self.update_network_core(),
            Validity::Valid => Ok(decided.swap_type),
            Validity::NoImage => Ok(SwapType::None),
            Validity::Failure => Ok(SwapType::Fail),
        }
    }

    /// What was decided for an image is done.
    fn update(&mut self, progress: &mut Progress) -> Step<()> {
        progress.swap_type = self.image().swap_type;
        match self.image().swap_type {
            SwapType::None => {}
            SwapType::Test | SwapType::Perm => {
                let exempt = self.image().swap_type == SwapType::Perm
                    && self.line().permanent_escapes_downgrade_prevention();
                if !exempt && self.downgrade_prevented()? {
                    self.image_mut().swap_type = SwapType::None;
                } else {
                    self.perform_update(progress)?;
                }
            }
            SwapType::Revert => self.perform_update(progress)?,
            SwapType::Fail => {
                if self.mode() != Mode::OverwriteOnly && self.confirm_primary()?.is_err() {
                    self.image_mut().swap_type = SwapType::Panic;
                }
            }
            SwapType::Panic | SwapType::Other(_) => self.image_mut().swap_type = SwapType::Panic,
        }
        if self.image().swap_type == SwapType::Panic {
            self.io.error("panic!");
            return Err(Stop::Assert(
                "the swap type is one that MCUboot knows".to_owned(),
            ));
        }
        Ok(())
    }

    /// `boot_perform_update`.
    fn perform_update(&mut self, progress: &mut Progress) -> Step<()> {
        if self.mode() == Mode::OverwriteOnly {
            return self.overwrite(progress);
        }
        self.swap(progress)?;
        self.finish_swap(self.image().swap_type)
    }

    /// Flags of a finished swap: `image_ok` where there is no way back, then `copy_done`.
    fn finish_swap(&mut self, swap_type: SwapType) -> Step<()> {
        if matches!(swap_type, SwapType::Revert | SwapType::Perm)
            && self.confirm_primary()?.is_err()
        {
            self.image_mut().swap_type = SwapType::Panic;
            return Ok(());
        }
        let primary = self.area(PRIMARY);
        if swap_type.is_upgrade() && self.io.write_copy_done(primary)?.is_err() {
            self.image_mut().swap_type = SwapType::Panic;
        }
        Ok(())
    }

    /// `swap_set_image_ok`.
    fn confirm_primary(&mut self) -> Step<crate::io::Driver> {
        let primary = self.area(PRIMARY);
        match self.io.swap_state(primary)? {
            Ok(state) if state.image_ok == Flag::Unset => self.io.write_image_ok(primary),
            Ok(_) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
        }
    }

    /// `boot_swap_image`.
    fn swap(&mut self, progress: &mut Progress) -> Step<()> {
        let copy_size = if progress.is_reset(self.mode()) {
            let mut largest = 0;
            for slot in [PRIMARY, SECONDARY] {
                if self.header(slot).is_image() {
                    // The header of a simulated slot is made up: no image stands there yet.
                    let measured = if self.io.config.is_virtual(self.current) {
                        SECONDARY
                    } else {
                        slot
                    };
                    match self.image_size(measured)? {
                        Ok(size) => largest = largest.max(size),
                        Err(why) => {
                            return Err(Stop::Assert(format!(
                                "the size of an image is read: {why}"
                            )));
                        }
                    }
                }
                if self.io.config.encrypts() {
                    self.key_for_swap(slot, progress)?;
                }
            }
            progress.swap_size = largest;
            largest
        } else {
            let area = match self.find_status()? {
                Some(area) if self.may_resume_from(area)? => area,
                _ => {
                    return Err(Stop::Assert(
                        "the trailer of the interrupted swap is found".to_owned(),
                    ));
                }
            };
            progress.swap_size = self
                .io
                .read_swap_size(area)?
                .or_assert("swap_size is read")?;
            if self.io.config.encrypts() {
                self.resume_content_keys(area, progress)?;
            }
            progress.swap_size
        };
        match self.mode() {
            Mode::SwapMove => self.swap_by_moving(progress, copy_size)?,
            Mode::SwapOffset => self.swap_by_offset(progress, copy_size)?,
            Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => {
                self.swap_by_scratch(progress, copy_size)?;
            }
        }
        if self.io.config.validate_primary && self.status_fails > 0 {
            let fails = self.status_fails;
            self.io
                .warn(format!("{fails} status write fails performing the swap"));
        }
        if self.io.config.is_virtual(self.current) {
            // The C code does not look at what came of it.
            let _ignored_by_the_c_code = self.hand_over_network_image()?;
        }
        Ok(())
    }

    /// The content key of one image of a new swap.
    fn key_for_swap(&mut self, slot: usize, progress: &mut Progress) -> Step<()> {
        let header = self.header(slot);
        if !header.is_encrypted() {
            progress.key_fields[slot].erase();
            return Ok(());
        }
        match self.load_content_key(slot, &header, self.area(slot), progress)? {
            KeyLoad::Loaded => self.use_key_field(slot, progress),
            KeyLoad::Skipped => {}
            KeyLoad::Failed(why) => {
                return Err(Stop::Assert(format!(
                    "the content key of slot {slot} is loaded: {why}"
                )));
            }
        }
        Ok(())
    }

    /// `check_downgrade_prevention`: only swap modes, only before a test or permanent update.
    fn downgrade_prevented(&mut self) -> Step<bool> {
        if self.mode() == Mode::OverwriteOnly || self.io.config.is_virtual(self.current) {
            return Ok(false);
        }
        let why = match self.io.config.downgrade_prevention {
            DowngradePrevention::None => return Ok(false),
            DowngradePrevention::Version => {
                let (old, new) = (self.header(PRIMARY), self.header(SECONDARY));
                let config = self.io.config;
                if config.compare_versions(&new.version(), &old.version()) != Ordering::Less {
                    return Ok(false);
                }
                format!("its version {} is below {}", new.version(), old.version())
            }
            DowngradePrevention::SecurityCounter => {
                let Some(old) = self.security_counter(PRIMARY)? else {
                    return Ok(false);
                };
                match self.security_counter(SECONDARY)? {
                    Some(new) if new >= old => return Ok(false),
                    Some(new) => format!("its security counter {new} is below {old}"),
                    None => format!("it has no security counter, the running image has {old}"),
                }
            }
        };
        let which = self.image_in_console();
        self.io.info(format!(
            "Image{which} in slot 1 erased due to downgrade prevention"
        ));
        self.decided("secondary slot erased", why);
        let _ignored_by_the_c_code = self.io.scramble_slot(self.area(SECONDARY))?;
        Ok(true)
    }

    /// `bootutil_get_img_security_cnt`.
    fn security_counter(&mut self, slot: usize) -> Step<Option<u32>> {
        let area = self.area(slot);
        let header = self.header(slot);
        if header.protected_size == 0 {
            return Ok(None);
        }
        let start = self.image_start(area);
        let wanted = Wanted::Protected(TLV_SECURITY_COUNTER);
        let Ok(mut walk) = self.io.walk_tlvs(area, &header, start, wanted)? else {
            return Ok(None);
        };
        match self.io.next_tlv(&mut walk)? {
            Found::Entry(entry) if entry.length == 4 => Ok(self
                .io
                .read_bytes::<4>(area, entry.offset)?
                .ok()
                .map(u32::from_le_bytes)),
            _ => Ok(None),
        }
    }

    /// What is in the primary slot now must be fit to start.
    ///
    /// Up to SDK 2.5 its header is looked for by the progress of the last image that was dealt with.
    fn check_primary(&mut self, progress: &Progress) -> Step<Result<(), String>> {
        let image = self.current;
        let progress = self
            .line()
            .rereads_final_headers_by_progress()
            .then_some(progress);
        if self.image().swap_type != SwapType::None
            && !self.read_headers(Headers::First, progress)?
        {
            return Ok(Err(format!("the header of image {image} cannot be read")));
        }
        if self.io.config.validate_primary {
            if self.validate_slot(PRIMARY, None, SwapType::Other(0))? != Validity::Valid {
                return Ok(Err(format!(
                    "the primary slot of image {image} holds no valid image"
                )));
            }
        } else if !self.header(PRIMARY).is_image() {
            let magic = self.header(PRIMARY).magic;
            let bad = if self.line().capitalises_complaints() {
                "Bad"
            } else {
                "bad"
            };
            self.io
                .error(format!("{bad} image magic {magic:#x}; Image={image}"));
            return Ok(Err(format!(
                "the primary slot of image {image} holds no image"
            )));
        }
        Ok(Ok(()))
    }
}
