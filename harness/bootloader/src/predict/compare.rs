//! Flash that was found, compared with every flash that a board may hold.

use super::Place;
use super::forecast::{Forecast, State};
use super::unsure::Cause;
use crate::config::Config;
use crate::flash::{Area, DeviceId};
use crate::sim::{Erases, SimFlash};

/// The devices that are compared.
pub(super) const DEVICES: [DeviceId; 3] =
    [DeviceId::AppFlash, DeviceId::NetFlash, DeviceId::External];

/// How many bytes a difference shows (ours): a pattern is recognised in them.
const SHOWN: usize = 8;

/// What a comparison came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// Flash is as it may be.
    Same(Match),
    /// It is not.
    Different(Box<Mismatch>),
    /// Nobody can say how it must be, for this reason.
    NotKnown(String),
}

/// Flash that is as forecast.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Match {
    /// What was not known, and what came of it.
    pub notes: Vec<String>,
    /// What had to be assumed.
    pub assumed: Vec<String>,
    /// What was only compared with a choice of values, and why.
    pub left_open: Vec<String>,
    /// How often bootloaders and applications erased each sector on the way, where the flash that it began with counts.
    pub erases: Erases,
}

/// Flash that is not as forecast: how it differs from the nearest that it may be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mismatch {
    /// Where it begins to differ.
    pub first: Difference,
    /// How many bytes differ.
    pub bytes: usize,
    /// How many possible contents it was compared with.
    pub states: usize,
    /// What happened according to the model, the last thing last.
    pub story: Vec<String>,
}

/// The first bytes that differ.
#[derive(Clone, Eq, PartialEq)]
pub struct Difference {
    /// The device.
    pub device: DeviceId,
    /// From the start of the device, in bytes.
    pub offset: u32,
    /// What lies there, where it is the bootloader's.
    pub place: Option<Place>,
    /// What was found, up to 8 bytes; none where a content key lies.
    pub found: Vec<u8>,
    /// What was expected, as many bytes.
    pub expected: Vec<u8>,
}

impl std::fmt::Debug for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the bytes: they may be of an image that is encrypted on its way.
        let place = self.place.as_ref().map(ToString::to_string);
        write!(
            f,
            "Difference({:#010x} of {}, {})",
            self.offset,
            self.device,
            place.as_deref().unwrap_or("outside the slots")
        )
    }
}

impl Forecast<'_> {
    /// Compares flash with every state that it may be in, but for the areas in `except`.
    #[must_use]
    pub fn compare(&self, found: &SimFlash, except: &[Area]) -> Comparison {
        if let Some(reason) = self.unknown() {
            return Comparison::NotKnown(reason.to_owned());
        }
        let mut nearest: Option<Mismatch> = None;
        for state in &self.states {
            if DEVICES
                .iter()
                .any(|device| state.flash.size(*device) != found.size(*device))
            {
                return Comparison::NotKnown("flash of another size was read".to_owned());
            }
            match self.compare_state(state, found, except) {
                None => {
                    return Comparison::Same(Match {
                        notes: self.notes.clone(),
                        assumed: state.assumed.clone(),
                        left_open: state.left_open(self.config),
                        erases: state.flash.erases(),
                    });
                }
                Some(mismatch) => {
                    if nearest
                        .as_ref()
                        .is_none_or(|nearest| mismatch.bytes < nearest.bytes)
                    {
                        nearest = Some(mismatch);
                    }
                }
            }
        }
        nearest.map_or_else(
            || Comparison::NotKnown("the model could not follow what was done".to_owned()),
            |mismatch| Comparison::Different(Box::new(mismatch)),
        )
    }

    fn compare_state(&self, state: &State, found: &SimFlash, except: &[Area]) -> Option<Mismatch> {
        let mut first = None;
        let mut count = 0;
        for device in DEVICES {
            let expected = state.flash.bytes(device);
            let found = found.bytes(device);
            for offset in differing(&expected, &found) {
                let at = offset as usize;
                let excused = except.iter().any(|area| area.contains(device, offset))
                    || state
                        .unsure
                        .iter()
                        .any(|part| part.allows(device, offset, found[at]));
                if excused {
                    continue;
                }
                count += 1;
                first.get_or_insert_with(|| {
                    let place = |offset| Place::of(self.config, device, offset);
                    // No key, and no part of one next to another field.
                    let length = (0..SHOWN as u32)
                        .take_while(|next| {
                            !place(offset + next).is_some_and(|place| place.is_key())
                        })
                        .count();
                    let end = (at + length).min(found.len());
                    Difference {
                        device,
                        offset,
                        place: place(offset),
                        found: found[at..end].to_vec(),
                        expected: expected[at..end].to_vec(),
                    }
                });
            }
        }
        first.map(|first| Mismatch {
            first,
            bytes: count,
            states: self.states.len(),
            story: state.story.clone(),
        })
    }
}

impl State {
    fn left_open(&self, config: &Config) -> Vec<String> {
        self.unsure
            .iter()
            .map(|part| {
                let place = Place::of(config, part.device, part.offset)
                    .map_or_else(String::new, |place| format!(" ({place})"));
                let cause = match part.cause {
                    Cause::Copy => {
                        "the network core may not have been given the time to copy all of them"
                    }
                    Cause::Upload => "an upload that was cut may have written them or not",
                    Cause::Operation => {
                        "the power may have failed while they were written or erased"
                    }
                };
                format!(
                    "{} bytes from {:#010x} of {}{place}: {cause}",
                    part.old.len(),
                    part.offset,
                    part.device
                )
            })
            .collect()
    }
}

/// Offsets of the bytes that differ.
fn differing<'a>(expected: &'a [u8], found: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    const PIECE: usize = 1024;
    expected
        .chunks(PIECE)
        .zip(found.chunks(PIECE))
        .enumerate()
        .filter(|(_, (expected, found))| expected != found)
        .flat_map(|(number, (expected, found))| {
            expected
                .iter()
                .zip(found)
                .enumerate()
                .filter(|(_, (expected, found))| expected != found)
                .map(move |(at, _)| (number * PIECE + at) as u32)
        })
}
