//! One comparison: what had to be, and what was found.

use super::shot::RegionShot;
use crate::event::{ConsoleSource, CoreName};
use serde::{Deserialize, Serialize};

/// A comparison that a step made, in the order in which it made them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CheckMade {
    /// Name of the board.
    pub board: String,
    /// Name of the scenario variant.
    pub scenario: String,
    /// Number of the step.
    pub step: u32,
    /// What was compared.
    #[serde(flatten)]
    pub check: Check,
}

/// What was compared. Where something is waited for, it is what was found last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "check", rename_all = "kebab-case")]
pub enum Check {
    /// A slot must hold an image.
    SlotHolds {
        /// Which slot, such as `app.primary`.
        slot: String,
        /// The role of the image, such as `update.app`.
        image: String,
        /// In what form.
        form: StoredForm,
        /// The slot.
        found: RegionShot,
    },
    /// A slot must hold nothing.
    SlotErased {
        /// Which slot.
        slot: String,
        /// The slot.
        found: RegionShot,
    },
    /// What a bootloader that refused an image must have left of it.
    SlotLeft {
        /// Which slot.
        slot: String,
        /// The role of the image.
        image: String,
        /// What must be left: `image`, `request`, `rest` or `erased`.
        leaves: String,
        /// The slot.
        found: RegionShot,
    },
    /// Flash must be as it was: two looks at one region.
    Same {
        /// At first.
        before: RegionShot,
        /// Now.
        found: RegionShot,
    },
    /// The board's image list must have this for a slot. What must be there is in the scenario's step.
    ImageList {
        /// The list as the board sent it.
        list: Vec<ListedImage>,
    },
    /// This image must run, in this state.
    Running {
        /// The role of the image.
        image: String,
        /// `testing` or `confirmed`; either when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// The last image list that the board sent; none when it sent none in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        list: Option<Vec<ListedImage>>,
    },
    /// A console must show a text, or must not.
    Console {
        /// Whose.
        core: CoreName,
        /// Of which lines of it.
        #[serde(default, skip_serializing_if = "ConsoleSource::is_uart")]
        source: ConsoleSource,
        /// Part of a line; the empty text is in any.
        text: String,
        /// It must not be there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        absent: bool,
        /// The line from which it counts, from 0, over all lines of the core by that way since the run began.
        from: u64,
        /// The line before which the look ended.
        to: u64,
    },
    /// The network core must hold firmware of this version.
    NetworkVersion {
        /// The version in its `fw_info`.
        version: u32,
        /// Its slot.
        found: RegionShot,
    },
    /// The network core must run, as registers tell that the probe has read.
    NetworkRuns {
        /// The application core's `NETWORK.FORCEOFF`.
        forceoff: u32,
        /// The network core's `DHCSR`, where it is not forced off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dhcsr: Option<u32>,
    },
    /// The application must answer.
    Answers {
        /// Whether it did.
        answered: bool,
    },
    /// What it must answer to a request, and what it did.
    Answer {
        /// The request, such as `upload update.app`.
        request: String,
        /// Whether it must do it.
        expected: Answered,
        /// Whether it did.
        found: Answered,
    },
    /// A region must be as programmed.
    Unchanged {
        /// What it is, in words.
        what: String,
        /// The region.
        found: RegionShot,
    },
    /// UICR of a core must be as it was when the board was programmed.
    UicrUnchanged {
        /// Whose.
        core: CoreName,
        /// SHA-256 of what it then held.
        programmed: String,
        /// SHA-256 of what it holds.
        found: String,
    },
    /// No block of the plain text of an encrypted image may lie outside these slots.
    NoPlainText {
        /// The role of the image.
        image: String,
        /// The slots in which it may lie.
        only_in: Vec<String>,
        /// How many blocks were looked for.
        blocks: u64,
        /// How many were found elsewhere.
        stray: u64,
        /// What was looked at.
        found: Vec<RegionShot>,
    },
    /// The content key of an encrypted image must not be in RAM, unless the bootloader is one that may leave it there. The RAM
    /// is not in the evidence.
    ContentKeyInRam {
        /// The role of the image.
        image: String,
        /// What was searched; nothing where the rig file does not allow it or no application ran.
        searched: Vec<RamRange>,
        /// Where the key was found.
        keys: Vec<RamPlace>,
    },
    /// The whole flash must be as the model of the bootloaders makes it.
    Predicted {
        /// Names of the checks that the scenario waives: what they are about is not compared.
        waived: Vec<String>,
        /// How many lines the application core had printed by then since the run began.
        app_line: u64,
        /// The flash, one region for each memory.
        found: Vec<RegionShot>,
    },
    /// The flash that every start of a sweep begins from, one region for each memory: what the model foretells of each
    /// point follows from it. Nothing is compared with it.
    SweepStart {
        /// The flash.
        found: Vec<RegionShot>,
    },
    /// Where a board was stopped that only the clock could stop: what it must come to follows from the flash there.
    SweepStopped {
        /// The point, or several in a row.
        cut: String,
        /// Which of these, from 0.
        number: u32,
        /// What a start may change, as pages that are not as in [`SweepStart`](Self::SweepStart). Regions without such
        /// a page are left out.
        found: Vec<RegionShot>,
    },
    /// What a start comes to that was interrupted, by the start after it: which image runs, and the flash.
    SweepCameTo {
        /// The point, or several in a row; none for the start without a cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut: Option<String>,
        /// The hash of the image that the application says runs, as hex digits; none when no application answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runs: Option<String>,
        /// What a start may change, as pages that are not as after the start without a cut; for that start itself, not
        /// as in [`SweepStart`](Self::SweepStart). Regions without such a page are left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        found: Vec<RegionShot>,
    },
    /// What a later update comes to that was brought in after a point, whose flash is that of the
    /// [`SweepCameTo`](Self::SweepCameTo) before.
    SweepUpdated {
        /// The point, or several in a row.
        cut: String,
        /// The release of the update.
        release: String,
        /// Whether what ran before was confirmed already; else the harness confirmed it.
        was_confirmed: bool,
        /// What a start may change, as pages that are not as after the first later update of the sweep; for that one, not as
        /// after the start without a cut. Regions without such a page are left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        found: Vec<RegionShot>,
    },
}

impl Check {
    /// What it compares, in a few words.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::SlotHolds { slot, image, .. } => format!("slot {slot} holds {image}"),
            Self::SlotErased { slot, .. } => format!("slot {slot} is erased"),
            Self::SlotLeft { slot, image, .. } => format!("what is left of {image} in slot {slot}"),
            Self::Same { found, .. } => format!("the {} is as before", found.memory),
            Self::ImageList { .. } => "the image list".to_owned(),
            Self::Running { image, .. } => format!("{image} runs"),
            Self::Console { core, text, .. } if text.is_empty() => format!("the {core} console"),
            Self::Console {
                core,
                text,
                source: ConsoleSource::Rtt,
                ..
            } => format!("`{text}` over the RTT of the {core} core"),
            Self::Console { core, text, .. } => format!("`{text}` on the {core} console"),
            Self::NetworkVersion { version, .. } => format!("network firmware version {version}"),
            Self::NetworkRuns { .. } => "the network core runs".to_owned(),
            Self::Answers { .. } => "the application answers".to_owned(),
            Self::Answer { request, .. } => format!("the answer to `{request}`"),
            Self::Unchanged { what, .. } => format!("{what} is unchanged"),
            Self::UicrUnchanged { core, .. } => format!("UICR of the {core} core is unchanged"),
            Self::NoPlainText { image, .. } => format!("no plain text of {image}"),
            Self::ContentKeyInRam { image, .. } => format!("no content key of {image} in RAM"),
            Self::Predicted { .. } => "flash as predicted".to_owned(),
            Self::SweepStart { .. } => "the flash that the sweep begins from".to_owned(),
            Self::SweepStopped { cut, .. } => format!("the flash at cut {cut}"),
            Self::SweepCameTo { cut: None, .. } => {
                "the flash after a start without a cut".to_owned()
            }
            Self::SweepCameTo { cut: Some(cut), .. } => format!("the flash after cut {cut}"),
            Self::SweepUpdated { cut, release, .. } => {
                format!("the flash after the later update to {release} behind cut {cut}")
            }
        }
    }

    /// The regions of flash that it looked at.
    pub fn shots(&self) -> impl Iterator<Item = &RegionShot> {
        let shots: Vec<&RegionShot> = match self {
            Self::SlotHolds { found, .. }
            | Self::SlotErased { found, .. }
            | Self::SlotLeft { found, .. }
            | Self::NetworkVersion { found, .. }
            | Self::Unchanged { found, .. } => vec![found],
            Self::Same { before, found } => vec![before, found],
            Self::NoPlainText { found, .. }
            | Self::Predicted { found, .. }
            | Self::SweepStart { found }
            | Self::SweepStopped { found, .. }
            | Self::SweepCameTo { found, .. }
            | Self::SweepUpdated { found, .. } => found.iter().collect(),
            Self::ImageList { .. }
            | Self::Running { .. }
            | Self::Console { .. }
            | Self::NetworkRuns { .. }
            | Self::Answers { .. }
            | Self::Answer { .. }
            | Self::UicrUnchanged { .. }
            | Self::ContentKeyInRam { .. } => Vec::new(),
        };
        shots.into_iter()
    }

    /// The digests of the objects that it rests on.
    #[must_use]
    pub fn objects(&self) -> Vec<&str> {
        self.shots()
            .flat_map(|shot| &shot.changed)
            .filter(|page| !page.withheld)
            .filter_map(|page| page.found.as_deref())
            .collect()
    }
}

/// RAM of a core that was searched.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RamRange {
    /// Whose.
    pub core: CoreName,
    /// Its first address.
    pub address: u32,
    /// Bytes.
    pub size: u32,
}

/// A place in the RAM of a core.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RamPlace {
    /// Whose.
    pub core: CoreName,
    /// In the map of that core.
    pub address: u32,
}

/// In what form an image must lie in a slot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredForm {
    /// As it was sent.
    AsSent,
    /// With its payload in clear.
    Plain,
}

/// What a board answers to a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// It does it.
    Done,
    /// It answers with an error: with this one, in its own words, where it is known or matters.
    Refused(Option<String>),
}

/// A slot in a board's image list.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ListedImage {
    /// Which image, on servers that have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<u32>,
    /// 0 is the primary slot, 1 the secondary.
    pub slot: u32,
    /// As the board writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The hash of the image as hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The flags that are set, of `bootable`, `pending`, `confirmed`, `active`, `permanent`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

impl ListedImage {
    /// Whether a flag is set.
    #[must_use]
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }
}
