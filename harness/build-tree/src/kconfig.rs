//! The `.config` files that Kconfig writes: one option a line.

use crate::partitions::shortened;
use std::collections::BTreeMap;

/// The longest file in bytes (ours): the largest known has 127 kB.
pub(crate) const MAX_CONFIG_BYTES: u64 = 4 * 1024 * 1024;

/// The options of one image, or of sysbuild.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Kconfig(BTreeMap<String, Setting>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Setting {
    /// `# CONFIG_X is not set`.
    Off,
    /// What stands behind `=`, without quotes.
    Value(String),
}

impl Kconfig {
    /// Reads a `.config`. Lines that are none of its two forms are comments or damage, and say nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| {
            let line = line.trim();
            if let Some(name) = line
                .strip_prefix("# ")
                .and_then(|rest| rest.strip_suffix(" is not set"))
            {
                return is_option(name).then(|| (name.to_owned(), Setting::Off));
            }
            let (name, value) = line.split_once('=')?;
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .unwrap_or(value);
            is_option(name).then(|| (name.to_owned(), Setting::Value(value.to_owned())))
        });
        Self(options.collect())
    }

    /// Whether an option is `y`.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name) == Some("y")
    }

    /// Whether the build knows an option, on or off.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text of an option, if it has one that is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Setting::Value(value)) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// The number of an option, decimal or hexadecimal.
    #[must_use]
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        number(self.text(name)?)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is that of sysbuild rather than of an image.
    #[must_use]
    pub fn is_sysbuild(&self) -> bool {
        self.0.keys().any(|name| name.starts_with("SB_CONFIG_"))
    }

    /// How an option stands, in the words of the file.
    #[must_use]
    pub fn line(&self, name: &str) -> String {
        match self.0.get(name) {
            None => format!("no {name}"),
            Some(Setting::Off) => format!("{name} is not set"),
            Some(Setting::Value(value)) => format!("{name}={}", shortened(value)),
        }
    }
}

/// A number as Kconfig and the partition manager write it.
#[must_use]
pub(crate) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn is_option(name: &str) -> bool {
    name.len() <= 200
        && (name.starts_with("CONFIG_") || name.starts_with("SB_CONFIG_"))
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_are_read_as_kconfig_writes_them() {
        let config = Kconfig::parse(
            "# comment\r\nCONFIG_A=y\r\n# CONFIG_B is not set\r\nCONFIG_C=\"x y\"\r\nCONFIG_D=0x1F\r\nCONFIG_E=\"\"\r\n",
        );
        assert!(config.is_on("CONFIG_A"));
        assert!(!config.is_on("CONFIG_B") && config.knows("CONFIG_B"));
        assert_eq!(config.text("CONFIG_C"), Some("x y"));
        assert_eq!(config.number("CONFIG_D"), Some(31));
        assert_eq!(config.text("CONFIG_E"), None);
        assert!(!config.knows("CONFIG_F"));
        assert_eq!(config.line("CONFIG_B"), "CONFIG_B is not set");
        assert!(!config.is_sysbuild());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,300}") {
            let _ = Kconfig::parse(&text).is_sysbuild();
        }
    }
}
