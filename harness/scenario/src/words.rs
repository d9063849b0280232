//! The words of the bench that scenarios and firmware sets share: cores, slots, links, image names.

use hil_image::Damage;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// One of the two cores of an nRF5340.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Core {
    /// The application core.
    App,
    /// The network core.
    Net,
}

impl Core {
    /// Both cores, the application core first.
    pub const ALL: [Self; 2] = [Self::App, Self::Net];

    /// The word for it in files: `app` or `net`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Net => "net",
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// By which way a core prints.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum PrintedBy {
    /// Its serial port.
    #[default]
    Uart,
    /// SEGGER RTT, which the debug probe reads.
    Rtt,
}

/// A place for an image in flash.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Slot {
    /// Where the application runs from.
    #[serde(rename = "app.primary")]
    AppPrimary,
    /// Where an update waits; shared with the network core's image when the bootloader has one image.
    #[serde(rename = "app.secondary")]
    AppSecondary,
    /// Where the network core runs from: the firmware as b0n holds it, without MCUboot header and TLVs.
    #[serde(rename = "net.primary")]
    NetPrimary,
    /// Where a network core update waits, in builds that give it a slot of its own.
    #[serde(rename = "net.secondary")]
    NetSecondary,
}

impl Slot {
    /// All slots.
    pub const ALL: [Self; 4] = [
        Self::AppPrimary,
        Self::AppSecondary,
        Self::NetPrimary,
        Self::NetSecondary,
    ];

    /// The word for it in files, which is also the name of its region in a firmware set's layout.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AppPrimary => "app.primary",
            Self::AppSecondary => "app.secondary",
            Self::NetPrimary => "net.primary",
            Self::NetSecondary => "net.secondary",
        }
    }

    /// Whether an image in this slot runs, rather than waits.
    #[must_use]
    pub const fn is_primary(self) -> bool {
        matches!(self, Self::AppPrimary | Self::NetPrimary)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The link that SMP goes over.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// The application core's serial port.
    Uart,
    /// Bluetooth Low Energy.
    Ble,
}

impl Transport {
    /// The word for it in files: `uart` or `ble`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Uart => "uart",
            Self::Ble => "ble",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One image of one release, such as `update.app`: what a scenario says instead of a file name. With a damage, such as
/// `update+flip-hash.app`, it is made of that image when it is needed.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImageRef {
    /// The release in the firmware set, such as `update`.
    pub release: String,
    /// How the image is damaged.
    pub damage: Option<Damage>,
    /// The core that the image is for.
    pub core: Core,
}

impl ImageRef {
    /// The image for `core` of `release`, which may have the word of a damage behind it.
    #[must_use]
    pub fn new(release: impl Into<String>, core: Core) -> Self {
        let release = release.into();
        let damaged = release
            .rsplit_once('+')
            .and_then(|(whole, word)| Some((whole.to_owned(), Damage::of_word(word)?)));
        let (release, damage) = match damaged {
            Some((whole, damage)) => (whole, Some(damage)),
            None => (release, None),
        };
        Self {
            release,
            damage,
            core,
        }
    }

    /// Release and damage, as steps that name releases say them.
    #[must_use]
    pub fn release_words(&self) -> String {
        match self.damage {
            None => self.release.clone(),
            Some(damage) => format!("{}+{damage}", self.release),
        }
    }

    /// The image that it is made of: itself when it is not damaged.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self {
            damage: None,
            ..self.clone()
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.release_words(), self.core)
    }
}

impl<'de> Deserialize<'de> for ImageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some((release, core)) = text.rsplit_once('.') else {
            return Err(D::Error::custom(format_args!(
                "`{text}` names no image; write a release and an image, such as `{text}.app`"
            )));
        };
        let core = match core {
            "app" => Core::App,
            "net" => Core::Net,
            other => {
                return Err(D::Error::custom(format_args!(
                    "unknown image `{other}` in `{text}`, expected `app` or `net`"
                )));
            }
        };
        // A release may have a `+` in its name, as versions with a build number do; no damage begins with a digit.
        if let Some((_, word)) = release.rsplit_once('+')
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && Damage::of_word(word).is_none()
        {
            let words = Damage::ALL.map(Damage::word);
            let nearest = crate::source::nearest(word, words)
                .unwrap_or_else(|| format!("expected one of `{}`", words.join("`, `")));
            return Err(D::Error::custom(format_args!(
                "unknown damage `{word}` in `{text}`: {nearest}"
            )));
        }
        Ok(Self::new(release, core))
    }
}

/// How an image lies in flash.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// Its payload can be read.
    Plain,
    /// Its payload is cipher text, as in the update file.
    Encrypted,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Encrypted => "encrypted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::app("update.app", Ok(ImageRef::new("update", Core::App)))]
    #[case::release_with_a_dash("wrong-key.net", Ok(ImageRef::new("wrong-key", Core::Net)))]
    #[case::release_with_a_dot("v2.1.app", Ok(ImageRef::new("v2.1", Core::App)))]
    #[case::damaged("update+flip-hash.app", Ok(ImageRef { release: "update".to_owned(), damage: Some(Damage::FlipHash), core: Core::App }))]
    #[case::release_with_a_build_number("v2.1.0+5.app", Ok(ImageRef::new("v2.1.0+5", Core::App)))]
    #[case::unknown_damage(
        "update+flip-hsh.app",
        Err("unknown damage `flip-hsh` in `update+flip-hsh.app`: did you mean `flip-hash`?")
    )]
    #[case::no_image(
        "update",
        Err("`update` names no image; write a release and an image, such as `update.app`")
    )]
    #[case::unknown_image(
        "update.ap",
        Err("unknown image `ap` in `update.ap`, expected `app` or `net`")
    )]
    fn image_reference(#[case] text: &str, #[case] expected: Result<ImageRef, &str>) {
        let parsed: Result<ImageRef, _> = serde_yaml::from_value(text.into());
        assert_eq!(
            parsed.map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn the_words_of_slots_are_those_that_files_use() {
        for slot in Slot::ALL {
            let parsed: Slot = serde_yaml::from_str(slot.word()).unwrap();
            assert_eq!(parsed, slot);
        }
    }
}
