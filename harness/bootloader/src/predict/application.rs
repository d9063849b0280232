//! What an application does to flash for its SMP server, done to every flash that a board may hold.
//!
//! It is Zephyr's server (zephyr `subsys/mgmt/mcumgr/grp/img_mgmt/src/{zephyr_img_mgmt.c,img_mgmt_state.c}`): an upload
//! erases the sectors that the image needs and those of the trailer, at once or as it goes on, and nothing between;
//! requests are words in trailers.

use hil_image::Image;

use super::forecast::{Forecast, State};
use super::unsure::{Cause, Unsure};
use super::{Action, Mark, PredictError};
use crate::config::{Config, Encryption, Mode};
use crate::flash::Area;
use crate::marks::swap_type;
use crate::outcome::SwapType;
use crate::pages::ERASED;
use crate::sim::SimFlash;

/// Bytes that a server may have acknowledged and not written yet. Ours: a page; `CONFIG_IMG_BLOCK_BUF_SIZE` is 512 unless
/// set.
const SERVER_BUFFER: u32 = 4096;

/// The part of an image that decides whom it is for: header and reset vector (SDK images have a header of 0x200 bytes).
const DECIDING: u32 = 0x400;

/// How much of an image was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// All of it, as the server has acknowledged.
    Whole,
    /// The server has acknowledged this many bytes when it ended.
    Part {
        /// In bytes.
        acknowledged: u32,
    },
}

/// What a client asks for an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// Run it once.
    Test,
    /// Keep it.
    Confirm,
}

/// What is assumed of an application whose upload lies in the first sector of a slot that is not for it.
const UNAWARE: &str = "the application was built for another mode than swap-offset";

/// A file and where in a slot an application puts it.
#[derive(Clone, Copy)]
struct Placed<'a> {
    slot: Area,
    file: &'a [u8],
    /// In bytes from the start of the slot.
    start: u32,
}

impl Forecast<'_> {
    /// The application may have confirmed itself, in whatever state it was.
    ///
    /// # Errors
    /// The model cannot read the trailers.
    pub fn may_have_confirmed_itself(&mut self) -> Result<(), PredictError> {
        self.each(|forecast, state, next| {
            if let Some(confirmed) = forecast.confirmed_by_itself(&state)? {
                next.add(confirmed);
            }
            next.add(state);
            Ok(())
        })
    }

    /// `state` after its application has confirmed itself; `None` where there is nothing to confirm.
    pub(super) fn confirmed_by_itself(
        &mut self,
        state: &State,
    ) -> Result<Option<State>, PredictError> {
        if !self.on_trial(state)? {
            return Ok(None);
        }
        let mut confirmed = state.clone();
        self.apply(&mut confirmed, &mark(0, Mark::Confirmed))?;
        confirmed
            .assumed
            .push("the application confirmed itself".to_owned());
        Ok(Some(confirmed))
    }

    /// The board's own list says that the running image is confirmed.
    ///
    /// # Errors
    /// The model cannot read the trailers.
    pub fn listed_confirmed(&mut self) -> Result<(), PredictError> {
        self.may_have_confirmed_itself()?;
        let before = self.states.clone();
        self.each(|forecast, state, next| {
            if !forecast.on_trial(&state)? {
                next.add(state);
            }
            Ok(())
        })?;
        if self.states.is_empty() {
            self.states = before;
        }
        Ok(())
    }

    /// Whether the next boot would take the running image back.
    fn on_trial(&self, state: &State) -> Result<bool, PredictError> {
        Ok(swap_type(self.config, &mut state.flash.clone(), 0)? == SwapType::Revert)
    }

    /// The application took (a part of) an image into the secondary slot of `image`.
    ///
    /// # Errors
    /// The slot does not lie in the device.
    pub fn upload(&mut self, image: usize, file: &[u8], sent: Sent) -> Result<(), PredictError> {
        if !self.config.has_secondary() {
            self.give_up("an application took an image where there is no slot for it");
            return Ok(());
        }
        // A server with one image ignores the number.
        let image = if self.config.images.len() == 1 {
            0
        } else {
            image
        };
        let Some(slot) = self.config.images.get(image).map(|slots| slots.secondary) else {
            self.give_up(format!("the bootloader has no image {image}"));
            return Ok(());
        };
        let length = u32::try_from(file.len()).unwrap_or(u32::MAX);
        let starts = self.upload_starts();
        if starts
            .iter()
            .any(|start| length > slot.size.saturating_sub(*start))
        {
            self.give_up("an image was taken that is larger than its slot");
            return Ok(());
        }
        // An application may know nothing of the keys in the trailer.
        let plain = Config {
            encryption: Encryption::None,
            ..self.config.clone()
        };
        let sector = self.config.sector_size;
        let mut trailers = vec![plain.trailer_size(), self.config.trailer_size()]
            .into_iter()
            .map(|trailer| slot.trailer_sectors(trailer, sector))
            .collect::<Vec<_>>();
        trailers.dedup();
        let words = match sent {
            Sent::Whole => format!("{length} bytes uploaded"),
            Sent::Part { acknowledged } => format!("{acknowledged} of {length} bytes uploaded"),
        };
        self.each(|forecast, state, next| {
            let mut uploaded = Vec::new();
            for (start, unaware) in starts.iter().zip([false, true]) {
                for trailer in &trailers {
                    let mut states =
                        forecast.uploaded(&state, slot, file, sent, *trailer, *start)?;
                    if unaware {
                        for state in &mut states {
                            state.assumed.push(UNAWARE.to_owned());
                        }
                    }
                    uploaded.extend(states);
                }
            }
            for mut state in uploaded {
                state.story.push(words.clone());
                next.add(state);
            }
            let holds =
                |start: &u32| contents(&state.flash, slot)[*start as usize..].starts_with(file);
            if sent == Sent::Whole && starts.iter().any(holds) {
                let mut same = state;
                same.assumed
                    .push("the server found the image in its slot and wrote nothing".to_owned());
                next.add(same);
            }
            Ok(())
        })
    }

    /// What an upload makes of a slot, with the trailer's sectors beginning at `trailer`.
    fn uploaded(
        &mut self,
        state: &State,
        slot: Area,
        file: &[u8],
        sent: Sent,
        trailer: u32,
        start: u32,
    ) -> Result<Vec<State>, PredictError> {
        let upload = Placed { slot, file, start };
        let mut states = self.uploaded_behind(state, upload, sent, trailer, 0)?;
        if start > 0 && !is_erased(&state.flash, slot, start) {
            // A server that erases as it goes on begins where the image does.
            states.extend(self.uploaded_behind(state, upload, sent, trailer, start)?);
        }
        Ok(states)
    }

    /// Where in a secondary slot an application puts an image (zephyr `subsys/dfu/boot/mcuboot.c`,
    /// `boot_get_image_start_offset`): for swap-using-offset in the second sector. It does not take one while the slot
    /// holds the way back. One that was built for another mode puts it into the first sector all the same.
    fn upload_starts(&self) -> Vec<u32> {
        match self.config.mode {
            Mode::SwapOffset => vec![self.config.sector_size, 0],
            Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => vec![0],
        }
    }

    /// The same for a server that erases from `erased_from` on.
    fn uploaded_behind(
        &mut self,
        state: &State,
        Placed { slot, file, start }: Placed<'_>,
        sent: Sent,
        trailer: u32,
        erased_from: u32,
    ) -> Result<Vec<State>, PredictError> {
        let sector = self.config.sector_size.max(1);
        let length = file.len() as u32;
        let image_end = (start + length.max(1))
            .next_multiple_of(sector)
            .min(slot.size);
        let trailer = trailer.max(image_end);
        let erase_trailer = erase(slot, trailer, slot.size - trailer);
        let mut blank = state.clone();
        let erase_image = erase(slot, erased_from, image_end - erased_from);
        self.apply(&mut blank, &erase_image)?;
        let mut erased = blank.clone();
        self.apply(&mut erased, &erase_trailer)?;
        // Of a slot that is blank nothing is erased (zephyr `zephyr_img_mgmt.c`, `img_mgmt_flash_check_empty`).
        if !is_erased(&state.flash, slot, slot.size) {
            let trailer = (trailer, slot.size - trailer);
            count_erased(&mut blank, slot, &[(erased_from, image_end - erased_from)]);
            count_erased(
                &mut erased,
                slot,
                &[(erased_from, image_end - erased_from), trailer],
            );
        }
        let Sent::Part { acknowledged } = sent else {
            self.apply(&mut erased, &program(slot, start, file))?;
            return Ok(vec![erased]);
        };
        let surely = acknowledged.saturating_sub(SERVER_BUFFER).min(length);
        let unsure_part = (start + surely) as usize..image_end as usize;
        let old = contents(&state.flash, slot)[unsure_part].to_vec();
        let mut least = file[surely as usize..].to_vec();
        least.resize(old.len(), ERASED);
        let unsure = Unsure {
            device: slot.device,
            offset: slot.offset + start + surely,
            old,
            least,
            cause: Cause::Upload,
        };
        // What decides may have been written or not; for the rest it does not matter, since it is not compared.
        let mut written = vec![acknowledged.min(length)];
        if surely < DECIDING {
            written.push(surely);
            written.push(length);
        }
        let mut states = Vec::new();
        // A server that erases as it goes on may not have come to the trailer.
        for base in [&erased, &blank] {
            for written in &written {
                let mut state = base.clone();
                self.apply(
                    &mut state,
                    &program(slot, start, &file[..*written as usize]),
                )?;
                state.unsure.push(unsure.clone());
                states.push(state);
            }
        }
        Ok(states)
    }

    /// The application carried out a request for the image with this hash.
    ///
    /// # Errors
    /// The model cannot read the trailers.
    pub fn mark(&mut self, hash: &[u8], request: Request) -> Result<(), PredictError> {
        let images = self.config.images.clone();
        let upload_starts = self.upload_starts();
        self.each(|forecast, state, next| {
            // What was swapped out lies at the start of the slot.
            let starts = match forecast.on_trial(&state)? {
                true => vec![0],
                false => upload_starts.clone(),
            };
            let holds = |area: Area, start: usize| {
                Image::parse(&contents(&state.flash, area)[start..]).is_ok_and(|image| {
                    image
                        .stored_hash()
                        .is_some_and(|(_, tlv)| tlv.value == hash)
                })
            };
            let found = images.iter().enumerate().find_map(|(image, slots)| {
                if holds(slots.primary, 0) {
                    Some((image, true))
                } else if starts
                    .iter()
                    .any(|start| holds(slots.secondary, *start as usize))
                {
                    Some((image, false))
                } else {
                    None
                }
            });
            let mut marked = state;
            let kind = match (found, request) {
                (Some((image, true)), Request::Confirm) => Some((image, Mark::Confirmed)),
                // The way back is to be kept: there is nothing to write.
                (Some((0, false)), Request::Confirm) if forecast.on_trial(&marked)? => None,
                (Some((image, false)), Request::Confirm) => Some((image, Mark::Permanent)),
                (Some((image, false)), Request::Test) => Some((image, Mark::Test)),
                (Some((_, true)), Request::Test) | (None, _) => None,
            };
            if kind == Some((0, Mark::Confirmed)) && !forecast.on_trial(&marked)? {
                // Asked for what will happen anyway: servers from Zephyr 3.5 on write nothing, older ones `image_ok`.
                let mut same = marked.clone();
                same.assumed
                    .push("the server had nothing to write to confirm the image".to_owned());
                next.add(same);
            }
            if let Some((image, kind)) = kind {
                // A board that did what the model refuses differs from it; that is for the comparison to find.
                match forecast.apply(&mut marked, &mark(image, kind)) {
                    Ok(()) | Err(PredictError::Mark(_)) => {}
                    Err(error) => return Err(error),
                }
                marked.story.push(format!("image {image} marked: {kind:?}"));
            }
            next.add(marked);
            Ok(())
        })
    }

    /// The application erased a slot.
    ///
    /// # Errors
    /// The slot does not lie in the device.
    pub fn erase_slot(&mut self, slot: Area) -> Result<(), PredictError> {
        self.each(|forecast, mut state, next| {
            let blank = is_erased(&state.flash, slot, slot.size);
            forecast.apply(&mut state, &erase(slot, 0, slot.size))?;
            if !blank {
                count_erased(&mut state, slot, &[(0, slot.size)]);
            }
            state.story.push("a slot erased over SMP".to_owned());
            next.add(state);
            Ok(())
        })
    }
}

fn contents(flash: &SimFlash, area: Area) -> Vec<u8> {
    flash.bytes_at(area.device, area.offset as usize, area.size as usize)
}

/// Whether the first bytes of a slot are erased.
fn is_erased(flash: &SimFlash, slot: Area, length: u32) -> bool {
    let bytes = flash.bytes_at(slot.device, slot.offset as usize, length as usize);
    bytes.iter().all(|byte| *byte == ERASED)
}

/// Counts what an application has erased of a slot: first byte and length of each part.
fn count_erased(state: &mut State, slot: Area, parts: &[(u32, u32)]) {
    for (offset, length) in parts {
        state
            .flash
            .count_erased(slot.device, slot.offset + offset, *length);
    }
}

fn mark(image: usize, mark: Mark) -> Action {
    Action::Mark { image, mark }
}

pub(super) fn erase(slot: Area, offset: u32, length: u32) -> Action {
    Action::Erase {
        device: slot.device,
        offset: slot.offset + offset,
        length,
    }
}

pub(super) fn program(slot: Area, offset: u32, bytes: &[u8]) -> Action {
    Action::Program {
        device: slot.device,
        offset: slot.offset + offset,
        bytes: bytes.to_vec(),
    }
}
