//! The steps that check something: what must be so, as it is written and as the rest of the code sees it.

use crate::units;
use crate::words::{Core, ImageRef, PrintedBy, Slot, Stored, Transport};
use hil_image::ImageVersion;
use serde::Deserialize;
use std::time::Duration;

/// The board boots these releases, and the application answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExpectBoot {
    /// The release whose application image runs.
    pub app: Option<String>,
    /// The release whose network core image runs.
    pub net: Option<String>,
    /// Whether the application image is there to stay; not checked when not given.
    pub state: Option<BootState>,
    /// How long it may take, with whatever swap comes before it.
    #[serde(default = "units::boot_within", deserialize_with = "units::duration")]
    pub within: Duration,
}

/// Whether the running image is there to stay.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum BootState {
    /// It runs for a test; the next reset goes back to the old one unless it is confirmed.
    Testing,
    /// The next reset boots it again. An image that was programmed rather than swapped in counts as confirmed.
    Confirmed,
}

/// The bytes in a slot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawExpectSlot")]
pub struct ExpectSlot {
    /// Which slot.
    pub slot: Slot,
    /// What must be in it.
    pub contents: SlotContents,
}

/// What is in a slot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SlotContents {
    /// Every byte erased, trailer included.
    Erased,
    /// This image, byte for byte from its header to the end of its TLVs (`net.primary`: its payload).
    Holds {
        /// Which image.
        image: ImageRef,
        /// How it is stored; not given, as it has to be there, see [`SlotContents::stored`].
        stored: Option<Stored>,
    },
}

impl SlotContents {
    /// How the image has to be stored in `slot`: as the scenario says, otherwise an encrypted image as plain text
    /// in a primary slot and as cipher text in a secondary slot, and any other image plain.
    #[must_use]
    pub fn stored(&self, slot: Slot, image_is_encrypted: bool) -> Stored {
        match self {
            Self::Holds {
                stored: Some(stored),
                ..
            } => *stored,
            Self::Erased | Self::Holds { .. } if image_is_encrypted && !slot.is_primary() => {
                Stored::Encrypted
            }
            Self::Erased | Self::Holds { .. } => Stored::Plain,
        }
    }
}

/// [`ExpectSlot`] as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpectSlot {
    slot: Slot,
    holds: Option<ImageRef>,
    stored: Option<Stored>,
    erased: Option<bool>,
}

impl TryFrom<RawExpectSlot> for ExpectSlot {
    type Error = &'static str;

    fn try_from(raw: RawExpectSlot) -> Result<Self, Self::Error> {
        let contents = match (raw.holds, raw.stored, raw.erased) {
            (Some(image), stored, None) => SlotContents::Holds { image, stored },
            (None, None, Some(true)) => SlotContents::Erased,
            (None, _, Some(false)) | (Some(_), _, Some(_)) | (None, None, None) => {
                return Err(
                    "say what the slot has: either `holds: RELEASE.IMAGE` or `erased: true`",
                );
            }
            (None, Some(_), _) => {
                return Err("`stored` needs `holds`: an erased slot stores nothing");
            }
        };
        Ok(Self {
            slot: raw.slot,
            contents,
        })
    }
}

/// Where the plain text of an encrypted image may be found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExpectPlainText {
    /// The encrypted image.
    pub of: ImageRef,
    /// The slots that hold its plain text; the rest of the flash of both cores must not. Empty: nowhere.
    pub only_in: Vec<Slot>,
}

/// What the board's image list (SMP `image state`) says about a slot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawExpectImageState")]
pub struct ExpectImageState {
    /// Which slot.
    pub slot: Slot,
    /// What the list must say.
    pub entry: ImageEntry,
    /// The link; the variant's own when not given.
    pub over: Option<Transport>,
}

/// An entry of the image list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ImageEntry {
    /// The list has none for the slot.
    Absent,
    /// The list has one, and it agrees with everything that is given here.
    Listed {
        /// This image, by its hash.
        image: Option<ImageRef>,
        /// This version.
        version: Option<ImageVersion>,
        /// These flags.
        flags: ImageFlags,
    },
}

/// The flags of an image list's entry; `None` is not checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ImageFlags {
    /// It runs.
    pub active: Option<bool>,
    /// The next reset swaps it in.
    pub pending: Option<bool>,
    /// It was confirmed.
    pub confirmed: Option<bool>,
    /// The next reset swaps it in to stay.
    pub permanent: Option<bool>,
}

/// [`ExpectImageState`] as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpectImageState {
    slot: Slot,
    image: Option<ImageRef>,
    version: Option<ImageVersion>,
    active: Option<bool>,
    pending: Option<bool>,
    confirmed: Option<bool>,
    permanent: Option<bool>,
    absent: Option<bool>,
    over: Option<Transport>,
}

impl TryFrom<RawExpectImageState> for ExpectImageState {
    type Error = &'static str;

    fn try_from(raw: RawExpectImageState) -> Result<Self, Self::Error> {
        let flags = ImageFlags {
            active: raw.active,
            pending: raw.pending,
            confirmed: raw.confirmed,
            permanent: raw.permanent,
        };
        let says_something =
            raw.image.is_some() || raw.version.is_some() || flags != ImageFlags::default();
        let entry = match (raw.absent, says_something) {
            (Some(true), false) => ImageEntry::Absent,
            (Some(true), true) => {
                return Err("`absent: true` leaves nothing else to say about the slot");
            }
            (Some(false), _) => {
                return Err("leave `absent: false` out, and say what the list has for the slot");
            }
            (None, false) => {
                return Err(
                    "say what the list has for the slot: `image`, `version`, `active`, `pending`, `confirmed`, \
                     `permanent`, or `absent: true`",
                );
            }
            (None, true) => ImageEntry::Listed {
                image: raw.image,
                version: raw.version,
                flags,
            },
        };
        Ok(Self {
            slot: raw.slot,
            entry,
            over: raw.over,
        })
    }
}

/// A text on a console, counted from when the board was last started by a step (program, reset, power).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawExpectConsole")]
pub struct ExpectConsole {
    /// Whose console.
    pub core: Core,
    /// By which way it comes.
    pub by: PrintedBy,
    /// Part of one line.
    pub text: String,
    /// Whether it has to be there.
    pub presence: Presence,
    /// What it is when it has to be there and is not.
    pub missing: Missing,
    /// How long to wait for it, or how long it must stay away.
    pub within: Duration,
}

/// What it is when something does not come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// A failure of the firmware.
    #[default]
    Fail,
    /// No verdict: what went before did not come about as the scenario means it.
    Inconclusive,
}

/// Whether something has to be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presence {
    /// It has to come.
    Present,
    /// It must not come.
    Absent,
}

/// [`ExpectConsole`] as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpectConsole {
    #[serde(default = "units::app")]
    core: Core,
    #[serde(default)]
    by: PrintedBy,
    text: String,
    #[serde(default)]
    absent: bool,
    missing: Option<Missing>,
    #[serde(
        default = "units::console_within",
        deserialize_with = "units::duration"
    )]
    within: Duration,
}

impl TryFrom<RawExpectConsole> for ExpectConsole {
    type Error = &'static str;

    fn try_from(raw: RawExpectConsole) -> Result<Self, Self::Error> {
        if raw.text.is_empty() {
            return Err("`text` is empty, and every line has that");
        }
        if raw.absent && raw.missing.is_some() {
            return Err(
                "`missing` says what it is when the text does not come, and with `absent: true` it must not",
            );
        }
        Ok(Self {
            core: raw.core,
            by: raw.by,
            text: raw.text,
            presence: if raw.absent {
                Presence::Absent
            } else {
                Presence::Present
            },
            missing: raw.missing.unwrap_or_default(),
            within: raw.within,
        })
    }
}

/// What the network core runs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawExpectNet")]
pub struct ExpectNet {
    /// The release whose network core image is in the network core's flash.
    pub release: Option<String>,
    /// The firmware version in that image's `fw_info`.
    pub version: Option<u32>,
    /// Whether the core runs (says so on its console).
    pub alive: Option<bool>,
    /// How long it may take.
    pub within: Duration,
}

/// [`ExpectNet`] as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpectNet {
    release: Option<String>,
    version: Option<u32>,
    alive: Option<bool>,
    #[serde(default = "units::net_within", deserialize_with = "units::duration")]
    within: Duration,
}

impl TryFrom<RawExpectNet> for ExpectNet {
    type Error = &'static str;

    fn try_from(raw: RawExpectNet) -> Result<Self, Self::Error> {
        if raw.release.is_none() && raw.version.is_none() && raw.alive.is_none() {
            return Err("say what the network core has: `release`, `version` or `alive`");
        }
        Ok(Self {
            release: raw.release,
            version: raw.version,
            alive: raw.alive,
            within: raw.within,
        })
    }
}
