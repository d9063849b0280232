//! Image versions as MCUboot stores and compares them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version in an image header or a dependency: `major.minor.revision+build`.
///
/// The derived order includes the build number, as a loader built with
/// `MCUBOOT_VERSION_CMP_USE_BUILD_NUMBER` sees it; others use [`Self::cmp_ignoring_build`]
/// (mcuboot `boot/bootutil/src/loader.c`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageVersion {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
    /// Third number.
    pub revision: u16,
    /// The number behind the plus sign.
    pub build: u32,
}

impl ImageVersion {
    /// Bytes that a version takes in a header or a dependency TLV.
    pub(crate) const LEN: usize = 8;

    /// A version with build number 0.
    #[must_use]
    pub const fn new(major: u8, minor: u8, revision: u16) -> Self {
        Self {
            major,
            minor,
            revision,
            build: 0,
        }
    }

    /// Compares as a loader does that does not look at the build number, which is the default.
    #[must_use]
    pub fn cmp_ignoring_build(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.revision).cmp(&(other.major, other.minor, other.revision))
    }

    /// The security counter that imgtool derives from a version (`--security-counter auto`).
    #[must_use]
    pub fn security_counter(&self) -> u32 {
        (u32::from(self.major) << 24) + (u32::from(self.minor) << 16) + u32::from(self.revision)
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [major, minor, revision_low, revision_high, build @ ..] = bytes;
        Self {
            major,
            minor,
            revision: u16::from_le_bytes([revision_low, revision_high]),
            build: u32::from_le_bytes(build),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.major;
        bytes[1] = self.minor;
        bytes[2..4].copy_from_slice(&self.revision.to_le_bytes());
        bytes[4..].copy_from_slice(&self.build.to_le_bytes());
        bytes
    }
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.build == 0 {
            format!("{}.{}.{}", self.major, self.minor, self.revision)
        } else {
            format!(
                "{}.{}.{}+{}",
                self.major, self.minor, self.revision, self.build
            )
        };
        f.pad(&text)
    }
}

/// Why a text is not an image version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image version: {problem}")]
pub struct VersionError {
    text: String,
    problem: String,
}

impl FromStr for ImageVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let fail = |problem: String| VersionError {
            text: text.to_owned(),
            problem,
        };
        let (numbers, build) = match text.split_once('+') {
            Some((numbers, build)) => (numbers, Some(build)),
            None => (text, None),
        };
        let mut parts = numbers.split('.');
        let mut next = |name: &str, maximum: u32| -> Result<u32, VersionError> {
            let part = parts.next().ok_or_else(|| {
                fail(format!(
                    "no {name} number, expected `major.minor.revision` or `major.minor.revision+build`"
                ))
            })?;
            number(part, name, maximum).map_err(fail)
        };
        let major = next("major", u8::MAX.into())?;
        let minor = next("minor", u8::MAX.into())?;
        let revision = next("revision", u16::MAX.into())?;
        if let Some(more) = parts.next() {
            return Err(fail(format!("`{more}` behind the revision")));
        }
        let build = build.map_or(Ok(0), |build| {
            number(build, "build", u32::MAX).map_err(fail)
        })?;
        Ok(Self {
            major: major as u8,
            minor: minor as u8,
            revision: revision as u16,
            build,
        })
    }
}

/// Decimal digits only: `u32::from_str` would also take a sign.
fn number(text: &str, name: &str, maximum: u32) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{name} is `{text}`, expected a decimal number"));
    }
    text.parse()
        .ok()
        .filter(|value| *value <= maximum)
        .ok_or_else(|| format!("{name} is {text}, expected at most {maximum}"))
}

impl Serialize for ImageVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("2.0.0", ImageVersion::new(2, 0, 0))]
    #[case::build("1.0.0+7", ImageVersion { build: 7, ..ImageVersion::new(1, 0, 0) })]
    #[case::largest(
        "255.255.65535+4294967295",
        ImageVersion { build: u32::MAX, ..ImageVersion::new(255, 255, 65535) }
    )]
    fn text_and_version_agree(#[case] text: &str, #[case] version: ImageVersion) {
        assert_eq!(text.parse(), Ok(version));
        assert_eq!(version.to_string(), text);
        assert_eq!(
            serde_json::to_string(&version).unwrap(),
            format!("\"{text}\"")
        );
        assert_eq!(
            serde_json::from_str::<ImageVersion>(&format!("\"{text}\"")).unwrap(),
            version
        );
    }

    #[rstest]
    #[case::empty(
        "",
        "`` is not an image version: major is ``, expected a decimal number"
    )]
    #[case::two_numbers(
        "1.2",
        "`1.2` is not an image version: no revision number, expected `major.minor.revision` or `major.minor.revision+build`"
    )]
    #[case::four_numbers(
        "1.2.3.4",
        "`1.2.3.4` is not an image version: `4` behind the revision"
    )]
    #[case::too_large(
        "256.0.0",
        "`256.0.0` is not an image version: major is 256, expected at most 255"
    )]
    #[case::sign(
        "1.+2.3",
        "`1.+2.3` is not an image version: minor is ``, expected a decimal number"
    )]
    #[case::build_sign(
        "1.2.3+-4",
        "`1.2.3+-4` is not an image version: build is `-4`, expected a decimal number"
    )]
    fn refusal_names_the_part(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<ImageVersion>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn build_number_counts_only_where_it_is_compared() {
        let first: ImageVersion = "1.0.0".parse().unwrap();
        let second: ImageVersion = "1.0.0+7".parse().unwrap();
        assert_eq!(first.cmp_ignoring_build(&second), Ordering::Equal);
        assert_eq!(first.cmp(&second), Ordering::Less);
        assert_eq!(
            ImageVersion::new(2, 0, 0).cmp_ignoring_build(&ImageVersion::new(1, 9, 9)),
            Ordering::Greater
        );
    }

    #[test]
    fn automatic_security_counter_is_imgtools() {
        assert_eq!(ImageVersion::new(2, 3, 4).security_counter(), 0x0203_0004);
    }

    proptest! {
        #[test]
        fn every_version_survives_text_and_bytes(bytes in any::<[u8; 8]>()) {
            let version = ImageVersion::from_bytes(bytes);
            prop_assert_eq!(version.to_bytes(), bytes);
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = text.parse::<ImageVersion>();
        }
    }
}
