//! What a scenario needs, what a board with its bootloader has, and why the one cannot run on the other.

use crate::words::Transport;
use hil_bootloader::{
    AddressCheck, Config, DeviceId, DowngradePrevention, Encryption, Line, Mode, NetworkCore,
    SerialRecovery, Signature,
};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The `needs` of a scenario file: what cannot be read from the steps themselves.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// What the bootloader was built with.
    pub bootloader: BootloaderNeeds,
    /// What the board has.
    pub board: BTreeSet<BoardFeature>,
}

/// What the bootloader must have been built with; what is not given does not matter.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BootloaderNeeds {
    /// How an update gets into the primary slot.
    pub mode: Option<ModeNeed>,
    /// The kind of signature it accepts.
    pub signature: Option<Signature>,
    /// The kind of encryption it understands.
    pub encryption: Option<Encryption>,
    /// What an update must not be older in.
    pub downgrade_prevention: Option<DowngradePrevention>,
    /// What a candidate must have been linked for.
    pub address_check: Option<AddressCheck>,
    /// What it does with a network core image.
    pub network_core: Option<NetworkCore>,
    /// Where updates of the network core wait that have a slot of their own.
    pub network_secondary: Option<FlashNeed>,
    /// Whether it compares the versions of network firmware, or must not.
    pub network_version_check: Option<bool>,
    /// Whether the network core's own bootloader tells the version of its application, or must not.
    pub b0n_version_command: Option<bool>,
    /// Whether it has a recovery server, or must not have one.
    pub serial_recovery: Option<bool>,
    /// Whether that is entered with a button, or must not be.
    pub recovery_button: Option<bool>,
    /// Whether that can update the network core, or must not.
    pub recovery_network_core: Option<bool>,
    /// Whether that takes images for the network core and does nothing with them, or must not.
    pub recovery_ignores_network_core: Option<bool>,
    /// Whether a secondary slot is in the external flash, or none may be.
    pub external_secondary: Option<bool>,
    /// Whether `BOOT_MAX_IMG_SECTORS` is as many as its slots have, or must be less.
    pub enough_sectors: Option<bool>,
    /// Whose MCUboot it is, any of these; nothing when that does not matter.
    #[serde(deserialize_with = "one_or_several")]
    pub line: Vec<Line>,
}

/// A line, or a list of them.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Line>, D::Error> {
    struct Lines;

    impl<'de> Visitor<'de> for Lines {
        type Value = Vec<Line>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a line such as `nordic-2.9`, or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
            Line::deserialize(word.into_deserializer()).map(|line| vec![line])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(words))
        }
    }

    deserializer.deserialize_any(Lines)
}

/// A flash that the application core has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashNeed {
    /// Its own.
    Internal,
    /// The QSPI flash on the board.
    External,
}

impl FlashNeed {
    /// Where the secondary slot of the network core's image is; `None` where it has none of its own.
    fn of(has: &Config) -> Option<Self> {
        let network = (0..has.images.len()).find(|image| has.is_virtual(*image))?;
        Some(match has.images[network].secondary.device {
            DeviceId::External => Self::External,
            DeviceId::AppFlash | DeviceId::NetFlash | DeviceId::RamFlash => Self::Internal,
        })
    }
}

/// A way for an update to get into the primary slot, or a group of them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModeNeed {
    /// Any swap: there is a way back.
    Swap,
    /// Swap using move.
    SwapMove,
    /// Swap using offset.
    SwapOffset,
    /// Swap using scratch.
    SwapScratch,
    /// The update is copied over the primary.
    OverwriteOnly,
    /// There is one slot, and updates come in through serial recovery.
    SingleSlot,
}

impl ModeNeed {
    const fn is_met_by(self, mode: Mode) -> bool {
        match self {
            Self::Swap => matches!(mode, Mode::SwapMove | Mode::SwapOffset | Mode::SwapScratch),
            Self::SwapMove => matches!(mode, Mode::SwapMove),
            Self::SwapOffset => matches!(mode, Mode::SwapOffset),
            Self::SwapScratch => matches!(mode, Mode::SwapScratch),
            Self::OverwriteOnly => matches!(mode, Mode::OverwriteOnly),
            Self::SingleSlot => matches!(mode, Mode::SingleSlot),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::SwapMove => "swap-move",
            Self::SwapOffset => "swap-offset",
            Self::SwapScratch => "swap-scratch",
            Self::OverwriteOnly => "overwrite-only",
            Self::SingleSlot => "single-slot",
        }
    }
}

/// Something that one board of a bench has and another has not.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardFeature {
    /// Its power can be switched.
    Power,
    /// Its reset pin can be pulled.
    PinReset,
    /// The application core's console can be read.
    AppConsole,
    /// The network core's console can be read.
    NetConsole,
    /// Its consoles stay when its power is switched, so that the first lines of the start that follows are heard.
    ConsoleAtPowerOn,
    /// What the application core prints over RTT is read.
    AppRtt,
    /// The same of the network core.
    NetRtt,
    /// It can be reached with Bluetooth through two adapters.
    SecondAdapter,
    /// The board has an external flash.
    ExternalFlash,
    /// The button that its bootloader looks at can be pressed.
    RecoveryButton,
    /// It may be erased completely when it is closed to debuggers.
    Recover,
}

impl BoardFeature {
    /// What stands before its words in a sentence.
    pub(crate) const fn article(self) -> &'static str {
        match self {
            Self::ExternalFlash => "an",
            Self::Power
            | Self::PinReset
            | Self::AppConsole
            | Self::NetConsole
            | Self::ConsoleAtPowerOn
            | Self::AppRtt
            | Self::NetRtt
            | Self::SecondAdapter
            | Self::RecoveryButton
            | Self::Recover => "a",
        }
    }
}

impl fmt::Display for BoardFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Power => "power switch",
            Self::PinReset => "reset pin",
            Self::AppConsole => "console of the application core",
            Self::NetConsole => "console of the network core",
            Self::ConsoleAtPowerOn => {
                "power switch that leaves its debugger and serial ports on (`cuts: soc`)"
            }
            Self::AppRtt => "rig file that has RTT of the application core (`rtt: [app]`)",
            Self::NetRtt => "rig file that has RTT of the network core (`rtt: [net]`)",
            Self::SecondAdapter => "second Bluetooth adapter",
            Self::ExternalFlash => "external flash",
            Self::RecoveryButton => "recovery button",
            Self::Recover => "rig file that allows to erase it (`recover: allowed`)",
        })
    }
}

/// What a board, with the bootloader that is under test on it, can do.
#[derive(Clone, Debug)]
pub struct Capabilities<'a> {
    /// Name of the board.
    pub board: String,
    /// What it has.
    pub features: BTreeSet<BoardFeature>,
    /// The links on which it can be reached with SMP.
    pub transports: BTreeSet<Transport>,
    /// What the firmware set's bootloader was built with.
    pub bootloader: &'a Config,
}

/// Why a scenario cannot run on a board: the reason of a skip. Never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unmet(Vec<String>);

impl Unmet {
    /// The reason made of `parts`, or `None` when there is none.
    pub(crate) fn of(parts: Vec<String>) -> Option<Self> {
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// How many things are missing.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl BootloaderNeeds {
    /// What is needed, such as `mode swap`; nothing when any bootloader will do.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let needs = serde_yaml::to_value(self).unwrap_or_default();
        let Some(needs) = needs.as_mapping() else {
            return Vec::new();
        };
        needs
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?.replace('_', " "), value)))
            .filter_map(|(key, value)| match value {
                Value::Bool(true) => Some(key),
                Value::Bool(false) => Some(format!("no {key}")),
                Value::String(word) => Some(format!("{key} {word}")),
                Value::Sequence(words) => {
                    let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
                    (!words.is_empty()).then(|| format!("{key} {}", words.join(" or ")))
                }
                _ => None,
            })
            .collect()
    }

    /// What `has` does not have of this, one sentence each.
    pub(crate) fn unmet_by(&self, has: &Config) -> Vec<String> {
        let mut unmet = Vec::new();
        if let Some(mode) = self.mode.filter(|mode| !mode.is_met_by(has.mode)) {
            unmet.push(format!(
                "needs a bootloader in mode `{}`, this one is `{}`",
                mode.word(),
                has.mode
            ));
        }
        differs(
            &mut unmet,
            "signature",
            self.signature.as_ref(),
            &has.signature,
        );
        differs(
            &mut unmet,
            "encryption",
            self.encryption.as_ref(),
            &has.encryption,
        );
        differs(
            &mut unmet,
            "downgrade prevention",
            self.downgrade_prevention.as_ref(),
            &has.downgrade_prevention,
        );
        differs(
            &mut unmet,
            "check of addresses",
            self.address_check.as_ref(),
            &has.address_check,
        );
        differs(
            &mut unmet,
            "network core update",
            self.network_core.as_ref(),
            &has.network_core,
        );
        match (self.network_secondary, FlashNeed::of(has)) {
            (Some(needed), Some(has)) => differs(
                &mut unmet,
                "the network core's updates in flash",
                Some(&needed),
                &has,
            ),
            (Some(_), None) => unmet.push(
                "needs a bootloader with a slot for the network core's updates, this one has none"
                    .to_owned(),
            ),
            (None, _) => {}
        }
        let external = has
            .images
            .iter()
            .any(|slots| slots.secondary.device == DeviceId::External);
        let recovery = has.serial_recovery.as_ref();
        let reaches = |build: &SerialRecovery| build.reaches_network_core(has);
        let assigned = |build: &SerialRecovery| build.network_image >= 0;
        for (needed, has, what) in [
            (self.serial_recovery, recovery.is_some(), "serial recovery"),
            (
                self.recovery_button,
                recovery.is_some_and(|build| build.button.is_some()),
                "serial recovery by a button",
            ),
            (
                self.recovery_network_core,
                recovery.is_some_and(|build| reaches(build) && assigned(build)),
                "serial recovery of the network core",
            ),
            (
                self.recovery_ignores_network_core,
                recovery.is_some_and(|build| reaches(build) && !assigned(build)),
                "serial recovery that takes images for the network core and does nothing with them",
            ),
            (
                self.network_version_check,
                has.network_version_check,
                "comparison of the versions of network firmware",
            ),
            (
                self.b0n_version_command,
                has.b0n.version_command,
                "a b0n that tells the version of its application",
            ),
            (
                self.external_secondary,
                external,
                "a secondary slot in the external flash",
            ),
            (
                self.enough_sectors,
                has_enough_sectors(has),
                "as many sectors as its slots have",
            ),
        ] {
            match (needed, has) {
                (Some(true), false) => {
                    unmet.push(format!("needs a bootloader with {what}, this one has none"));
                }
                (Some(false), true) => unmet.push(format!(
                    "needs a bootloader without {what}, this one has it"
                )),
                _ => {}
            }
        }
        if !self.line.is_empty() && !self.line.contains(&has.line) {
            let lines: Vec<_> = self
                .line
                .iter()
                .map(|line| format!("`{}`", word(line)))
                .collect();
            unmet.push(format!(
                "needs a bootloader of line {}, this one is of `{}`",
                lines.join(" or "),
                word(&has.line)
            ));
        }
        unmet
    }
}

/// Whether the bootloader's table of sectors takes all of its slots.
fn has_enough_sectors(config: &Config) -> bool {
    let most = config.sector_size.saturating_mul(config.max_sectors);
    config
        .images
        .iter()
        .flat_map(|slots| [slots.primary, slots.secondary])
        .all(|slot| slot.size <= most)
}

/// Whether the bootloader has a slot, or its scratch area, in the external flash: then not every board will do.
#[must_use]
pub fn uses_external_flash(config: &Config) -> bool {
    config
        .images
        .iter()
        .flat_map(|slots| [slots.primary, slots.secondary])
        .chain(config.scratch)
        .any(|area| area.device == DeviceId::External)
}

fn differs<T: PartialEq + Serialize>(
    unmet: &mut Vec<String>,
    what: &str,
    needed: Option<&T>,
    has: &T,
) {
    if let Some(needed) = needed
        && needed != has
    {
        unmet.push(format!(
            "needs a bootloader with {what} `{}`, this one has `{}`",
            word(needed),
            word(has)
        ));
    }
}

/// An enum's word in files.
fn word<T: Serialize>(value: &T) -> String {
    serde_yaml::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
