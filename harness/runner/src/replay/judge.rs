//! One comparison, made again by the functions that the steps make it with.

use super::Judged;
use super::board::BoardState;
use super::flash::{Memories, Recovered};
use crate::bench::{is_not_locked_up, is_released};
use crate::context::{LoadedImage, compare_slot};
use crate::firmware::{Firmware, Region};
use crate::history::{self, What};
use crate::holding::Form;
use crate::plaintext::TellTales;
use crate::proof::{image_state, role};
use crate::step::{judge_image_list, judge_left, runs_in_state};
use crate::trouble::Trouble;
use crate::{predicted, ram, standing};
use hil_bootloader::predict::Comparison;
use hil_image::{Image, network};
use hil_record::{
    Answered, Check, CoreName, ListedImage, Objects, RamPlace, RamRange, RegionShot, StoredForm,
};
use hil_scenario::{Leaves, PlannedStep, Slot, StandingCheck, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A comparison and what it is made with.
pub(super) struct Judging<'a> {
    pub(super) check: &'a Check,
    pub(super) firmware: &'a Firmware,
    /// What the journal tells of the board up to here.
    pub(super) board: Option<&'a BoardState>,
    pub(super) objects: &'a Objects,
    /// The step of the scenario file that it belongs to; none for the checks behind the last.
    pub(super) planned: Option<&'a PlannedStep>,
}

/// Makes the comparison.
pub(super) fn judge(judging: &Judging<'_>) -> Judged {
    judging.judge().unwrap_or_else(|problem| problem)
}

/// What came of it, or why it could not be made.
type Made = Result<Judged, Judged>;

impl Judging<'_> {
    fn judge(&self) -> Made {
        match self.check {
            Check::SlotHolds {
                slot,
                image,
                form,
                found,
            } => self.slot_holds(slot_of(slot)?, image, *form, found),
            Check::SlotErased { slot, found } => {
                let bytes = self.recovered(found)?;
                let blank =
                    bytes.withheld.is_empty() && bytes.bytes.iter().all(|byte| *byte == 0xFF);
                Ok(holds(blank, || format!("slot {slot} is not erased")))
            }
            Check::SlotLeft {
                slot,
                image,
                leaves,
                found,
            } => self.slot_left(slot_of(slot)?, image, leaves, found),
            Check::Same { before, found } => Ok(holds(before.changed == found.changed, || {
                format!("the {} is not what it was before", found.memory)
            })),
            Check::ImageList { list } => self.image_list(list),
            Check::Running { image, state, list } => {
                let image = self.image(image)?;
                let list = list.as_deref().map(image_list).transpose()?;
                let runs = list.is_some_and(|list| runs_in_state(&list, &image, state.as_deref()));
                Ok(holds(runs, || {
                    format!(
                        "{} is not the image that its image list has as running, {}",
                        image.role(),
                        state.as_deref().unwrap_or("in any state")
                    )
                }))
            }
            Check::Console {
                core,
                source,
                text,
                absent,
                from,
                to,
            } => {
                let lines = self.board()?.lines(*core, *source, *from, *to);
                let shown = lines.iter().any(|line| line.text.contains(text.as_str()));
                Ok(holds(shown != *absent, || {
                    let which = if *absent { "a" } else { "no" };
                    format!("the {core} console has {which} line with `{text}`")
                }))
            }
            Check::NetworkVersion { version, found } => {
                let flash = self.recovered(found)?;
                if !flash.withheld.is_empty() {
                    return Ok(withheld("the network core's flash"));
                }
                let is = network::FirmwareInfo::find(&flash.bytes).map(|info| info.version);
                Ok(holds(is.ok() == Some(*version), || {
                    format!("the network core's flash has no firmware of version {version}")
                }))
            }
            Check::NetworkRuns { forceoff, dhcsr } => {
                let runs = is_released(*forceoff) && dhcsr.is_some_and(is_not_locked_up);
                Ok(holds(runs, || "the network core does not run".to_owned()))
            }
            Check::Answers { answered } => Ok(holds(*answered, || {
                "the application did not answer".to_owned()
            })),
            Check::Answer {
                request,
                expected,
                found,
            } => {
                let agrees = match (expected, found) {
                    (Answered::Done, Answered::Done)
                    | (Answered::Refused(None), Answered::Refused(_)) => true,
                    (Answered::Refused(wanted), Answered::Refused(found)) => wanted == found,
                    (Answered::Done, Answered::Refused(_))
                    | (Answered::Refused(_), Answered::Done) => false,
                };
                Ok(holds(agrees, || {
                    format!("the answer to `{request}` is another than it must be")
                }))
            }
            Check::Unchanged { what, found } => {
                let flash = self.recovered(found)?;
                let before = self.programmed()?.flash(flash.region);
                let same = flash.withheld.is_empty() && flash.bytes == before;
                Ok(holds(same, || format!("{what} is not as programmed")))
            }
            Check::UicrUnchanged {
                core,
                programmed,
                found,
            } => {
                let (app, net) = self.board()?.uicr.as_ref().ok_or_else(not_programmed)?;
                let was = match core {
                    CoreName::App => app,
                    CoreName::Net => net,
                };
                Ok(holds(was == programmed && programmed == found, || {
                    format!(
                        "UICR of the {core} core is not as it was when the board was programmed"
                    )
                }))
            }
            Check::NoPlainText {
                image,
                only_in,
                stray,
                found,
                ..
            } => self.no_plain_text(image, only_in, *stray, found),
            Check::ContentKeyInRam {
                image,
                searched,
                keys,
            } => self.content_key_in_ram(image, searched, keys),
            Check::Predicted {
                waived,
                app_line,
                found,
            } => self.predicted(waived, *app_line, found),
            Check::SweepStart { .. }
            | Check::SweepStopped { .. }
            | Check::SweepCameTo { .. }
            | Check::SweepUpdated { .. } => Err(Judged::Broken(format!(
                "a look at {} in a step that is no sweep",
                self.check.what()
            ))),
        }
    }

    fn board(&self) -> Result<&BoardState, Judged> {
        self.board
            .ok_or_else(|| Judged::Broken("the journal tells nothing of the board".to_owned()))
    }

    fn programmed(&self) -> Result<&crate::context::Programmed, Judged> {
        self.board()?.programmed.as_ref().ok_or_else(not_programmed)
    }

    /// Whether a bootloader may have decrypted what was sent, with a key that is not given.
    pub(super) fn decrypts(&self) -> bool {
        let history = self.board.map(|board| board.history.as_slice());
        history
            .unwrap_or_default()
            .iter()
            .any(|event| match &event.what {
                What::Uploaded { image, .. } | What::Recovered { image, .. } => {
                    image.is_encrypted() && image.plain().is_none()
                }
                _ => false,
            })
    }

    /// A region as it was read.
    pub(super) fn recovered(&self, shot: &RegionShot) -> Result<Recovered, Judged> {
        let programmed = self.board.and_then(|board| board.programmed.as_ref());
        Recovered::of(shot, programmed, self.objects)
    }

    fn image(&self, name: &str) -> Result<Arc<LoadedImage>, Judged> {
        let role =
            role(name).ok_or_else(|| Judged::Broken(format!("there is no image `{name}`")))?;
        self.firmware
            .image(&role)
            .map_err(|trouble| Judged::Open(trouble.words()))
    }

    fn slot_holds(&self, slot: Slot, name: &str, form: StoredForm, shot: &RegionShot) -> Made {
        let image = self.image(name)?;
        let mut found = self.recovered(shot)?;
        let form = match form {
            StoredForm::AsSent => Form::AsSent,
            StoredForm::Plain => Form::Plain,
        };
        let parsed = Image::parse(image.bytes())
            .map_err(|error| Judged::Open(format!("{name} is damaged: {error}")))?;
        let starts: &[usize] = if self.firmware.lies_one_sector_up(slot) {
            &[0, self.firmware.set().bootloader.sector_size as usize]
        } else {
            &[0]
        };
        for start in starts {
            let mut expected = vec![0xFF; found.bytes.len().saturating_sub(*start)];
            let whole = stored(slot, &parsed, &image, form);
            for (byte, wanted) in expected.iter_mut().zip(whole) {
                *byte = wanted;
            }
            found.try_bytes(*start, &expected);
        }
        let unopened = form == Form::Plain && image.is_encrypted() && image.plain().is_none();
        let end = starts.last().copied().unwrap_or(0) + image.bytes().len();
        if unopened || found.withholds_up_to(end) {
            return self.measured(slot, &parsed, &image, form, shot, starts);
        }
        match compare_slot(self.firmware, slot, &image, form, &found.bytes) {
            Ok(Ok(())) => Ok(Judged::Holds),
            Ok(Err(mismatch)) => Ok(Judged::Fails(format!("slot {slot} holds {mismatch}"))),
            Err(trouble) => Ok(Judged::Open(trouble.words())),
        }
    }

    /// The same where the bytes of the payload are a secret: by the hash that the bootloader itself goes by.
    fn measured(
        &self,
        slot: Slot,
        image: &Image<'_>,
        loaded: &LoadedImage,
        form: Form,
        shot: &RegionShot,
        starts: &[usize],
    ) -> Made {
        let Some((algorithm, tlv)) = image.stored_hash() else {
            return Ok(withheld(&format!("slot {slot}")));
        };
        let hashed =
            image.header_bytes().len() + image.payload().len() + image.protected_bytes().len();
        let hash = match form {
            Form::Plain => hex::encode(tlv.value),
            Form::AsSent => hex::encode(algorithm.digest(&image.as_bytes()[..hashed]).as_bytes()),
        };
        let tlvs = hex::encode(&image.as_bytes()[hashed..]);
        let mut measured = shot
            .images
            .iter()
            .filter(|measured| {
                let offset = measured.address.checked_sub(shot.address);
                offset.is_some_and(|offset| starts.contains(&(offset as usize)))
            })
            .peekable();
        if measured.peek().is_none() || slot == Slot::NetPrimary {
            return Ok(withheld(&format!("slot {slot}")));
        }
        let same = measured.any(|found| {
            found.hashed as usize == hashed && found.hash == hash && found.tlvs == tlvs
        });
        Ok(holds(same, || {
            format!(
                "the image in slot {slot} has another hash than {}",
                loaded.role()
            )
        }))
    }

    fn slot_left(&self, slot: Slot, name: &str, leaves: &str, shot: &RegionShot) -> Made {
        let image = self.image(name)?;
        let leaves = [Leaves::Erased, Leaves::Image, Leaves::Request, Leaves::Rest]
            .into_iter()
            .find(|known| known.to_string() == leaves)
            .ok_or_else(|| Judged::Broken(format!("nothing leaves `{leaves}`")))?;
        let found = self.recovered(shot)?;
        if !found.withheld.is_empty() {
            return Ok(withheld(&format!("slot {slot}")));
        }
        match judge_left(self.firmware, slot, &image, leaves, &found.bytes) {
            Ok(()) => Ok(Judged::Holds),
            Err(trouble) => Ok(Judged::Fails(trouble.words())),
        }
    }

    fn image_list(&self, list: &[ListedImage]) -> Made {
        let list = image_list(list)?;
        match self.planned.map(|planned| &planned.step) {
            Some(Step::ExpectImageState(expect)) => {
                match judge_image_list(self.firmware, expect, &list) {
                    Ok(_) => Ok(Judged::Holds),
                    Err(trouble @ Trouble::Fail(..)) => Ok(Judged::Fails(trouble.words())),
                    Err(trouble) => Ok(Judged::Open(trouble.words())),
                }
            }
            _ => Ok(Judged::Broken(
                "an image list was compared in a step that the scenario does not have".to_owned(),
            )),
        }
    }

    fn no_plain_text(
        &self,
        name: &str,
        only_in: &[String],
        stray: u64,
        shots: &[RegionShot],
    ) -> Made {
        let image = self.image(name)?;
        let slots = only_in
            .iter()
            .map(|slot| {
                self.firmware
                    .slot(slot_of(slot)?)
                    .map_err(|trouble| Judged::Broken(trouble.words()))
            })
            .collect::<Result<Vec<Region>, Judged>>()?;
        let Some(plain) = image.plain() else {
            return Ok(needs_key(&format!("looking for plain text of {name}")));
        };
        let public = self.firmware.public_bytes();
        let tell_tales = TellTales::new(plain, public.iter().copied());
        let allowed = |region: &Region, offset: usize| {
            let address = region.address + offset as u32;
            slots
                .iter()
                .any(|slot| slot.device() == region.device() && slot.contains(address))
        };
        let key = image.content_key().map(TellTales::of_key);
        let primary = self.firmware.primary_slots();
        let in_primary = |region: &Region, offset: usize| {
            let address = region.address + offset as u32;
            primary
                .iter()
                .any(|slot| slot.device() == region.device() && slot.contains(address))
        };
        let mut found = 0;
        let mut dark = 0;
        for shot in shots {
            let flash = self.recovered(shot)?;
            found += tell_tales
                .offsets(&flash.bytes)
                .filter(|offset| !allowed(&flash.region, *offset))
                .count() as u64;
            found += key
                .iter()
                .flat_map(|key| key.offsets(&flash.bytes))
                .filter(|offset| !in_primary(&flash.region, *offset))
                .count() as u64;
            dark += flash
                .withheld
                .iter()
                .filter(|page| !allowed(&flash.region, page.offset))
                .count();
        }
        if dark > 0 && stray == 0 {
            return Ok(withheld(&format!("{dark} pages that may hold plain text")));
        }
        Ok(holds(found == 0 && dark == 0, || {
            format!("plain text or the content key of {name} lies where it must not")
        }))
    }

    /// RAM is not in the evidence, only where the key was: whether it may be there follows from the firmware set and from what was done.
    fn content_key_in_ram(&self, name: &str, searched: &[RamRange], keys: &[RamPlace]) -> Made {
        let image = self.image(name)?;
        if !image.is_encrypted() {
            return Ok(Judged::Broken(format!(
                "the content key of {name} was looked for in RAM, and it is not encrypted"
            )));
        }
        for place in keys {
            let looked_at = |range: &RamRange| {
                let offset = place.address.checked_sub(range.address);
                range.core == place.core && offset.is_some_and(|offset| offset < range.size)
            };
            if !searched.iter().any(looked_at) {
                return Ok(Judged::Broken(format!(
                    "a key was found at {:#010x} of the {} core, where nothing was looked for",
                    place.address, place.core
                )));
            }
        }
        let recovered = history::was_recovered(&self.board()?.history, image.role());
        let line = self.firmware.set().bootloader.line;
        let may_be_there = ram::excuse(line, recovered).is_some();
        Ok(holds(keys.is_empty() || may_be_there, || {
            format!("the content key of {name} lies in RAM, where MCUboot must have wiped it")
        }))
    }

    fn predicted(&self, waived: &[String], app_line: u64, shots: &[RegionShot]) -> Made {
        let programmed = self.programmed()?;
        let board = self.board()?;
        let waived: BTreeMap<StandingCheck, String> = standing::CHECKS
            .into_iter()
            .filter(|check| waived.iter().any(|name| name == standing::name(*check)))
            .map(|check| (check, String::new()))
            .collect();
        if self.decrypts() {
            return Ok(needs_key(
                "the prediction of flash that a bootloader decrypts into",
            ));
        }
        let keys = self
            .firmware
            .bootloader_keys()
            .map_err(|trouble| Judged::Open(trouble.words()))?;
        let chip = self.firmware.set().chip;
        let before =
            history::flash_of(chip, &programmed.app, &programmed.net, &programmed.external);
        let (forecast, _) = history::forecast(
            self.firmware,
            keys,
            before,
            &board.history,
            &board.console(app_line),
        )
        .map_err(|error| Judged::Open(format!("the bootloader model cannot follow: {error}")))?;
        let mut memories = Memories::default();
        for shot in shots {
            let mut flash = self.recovered(shot)?;
            let pages: Vec<(usize, usize)> = flash
                .withheld
                .iter()
                .map(|page| (page.offset, page.size))
                .collect();
            for (offset, size) in pages {
                let part = Region {
                    address: flash.region.address + offset as u32,
                    size: size as u32,
                    ..flash.region
                };
                for bytes in forecast.contents(part.area()) {
                    flash.try_bytes(offset, &bytes);
                }
            }
            if !flash.withheld.is_empty() {
                return Ok(Judged::Fails(format!(
                    "{} pages of the {} are none that the bootloader model predicts",
                    flash.withheld.len(),
                    shot.memory
                )));
            }
            memories.take(flash)?;
        }
        let found = memories.flash(chip);
        let except = predicted::left_out(self.firmware, &waived);
        let except: Vec<_> = except.iter().map(Region::area).collect();
        match forecast.compare(&found, &except) {
            Comparison::Same(_) => Ok(Judged::Holds),
            Comparison::NotKnown(reason) => Ok(Judged::Open(reason)),
            Comparison::Different(mismatch) => Ok(Judged::Fails(format!(
                "flash is not as predicted: {} bytes differ, the first at {:#010x} of the {}",
                mismatch.bytes, mismatch.first.offset, mismatch.first.device
            ))),
        }
    }
}

/// What a slot must hold from its start, as far as it is known.
fn stored(slot: Slot, image: &Image<'_>, loaded: &LoadedImage, form: Form) -> Vec<u8> {
    let plain = loaded.plain().filter(|_| form == Form::Plain);
    let payload = plain.unwrap_or_else(|| image.payload());
    if slot == Slot::NetPrimary {
        return payload.to_vec();
    }
    let behind = image.header_bytes().len() + image.payload().len();
    [image.header_bytes(), payload, &image.as_bytes()[behind..]].concat()
}

fn slot_of(word: &str) -> Result<Slot, Judged> {
    Slot::ALL
        .into_iter()
        .find(|slot| slot.word() == word)
        .ok_or_else(|| Judged::Broken(format!("there is no slot `{word}`")))
}

fn image_list(list: &[ListedImage]) -> Result<hil_smp::message::ImageState, Judged> {
    image_state(list)
        .ok_or_else(|| Judged::Broken("an image list has a hash that is none".to_owned()))
}

fn holds(holds: bool, otherwise: impl FnOnce() -> String) -> Judged {
    if holds {
        Judged::Holds
    } else {
        Judged::Fails(otherwise())
    }
}

fn not_programmed() -> Judged {
    Judged::Broken("the journal does not say what the board was programmed with".to_owned())
}

pub(super) fn withheld(what: &str) -> Judged {
    Judged::Open(format!(
        "{what} may be secret and is in the evidence by its hash only"
    ))
}

pub(super) fn needs_key(what: &str) -> Judged {
    Judged::Open(format!(
        "{what} needs the key that images are encrypted for, which no evidence has"
    ))
}
