//! `manifest.json` in a DFU zip: which image is for what.
//!
//! Facts: sdk-nrf `scripts/bootloader/generate_zip.py`, and published packages of SDK 2.1 to 3.0. Numbers may be texts:
//! the script writes only what was given as `0x…` as a number.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// The longest manifest in bytes (ours): the largest known has 1.2 kB.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 64 * 1024;

/// The most images of one package (ours): six are possible.
const MAX_FILES: usize = 16;

/// The manifest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Manifest {
    /// 0 up to SDK 2.6, 1 from 2.7 on.
    #[serde(rename = "format-version", default)]
    pub format_version: u32,
    /// Name of the application.
    #[serde(default)]
    pub name: String,
    /// The images.
    pub files: Vec<ManifestFile>,
}

/// An image in the manifest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct ManifestFile {
    /// Name of its member in the zip.
    pub file: String,
    /// Its length in bytes.
    #[serde(default, deserialize_with = "optional_number")]
    pub size: Option<u64>,
    /// `application` or `mcuboot`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What it is for.
    #[serde(default)]
    pub board: String,
    /// The chip it is for.
    #[serde(default)]
    pub soc: String,
    /// MCUboot's image number; none in packages of one image.
    #[serde(default, deserialize_with = "optional_number")]
    pub image_index: Option<u64>,
    /// Where the partition `app` starts, which is not where the image is put.
    #[serde(default, deserialize_with = "optional_number")]
    pub load_address: Option<u64>,
    /// Version in the MCUboot header of an application.
    #[serde(rename = "version_MCUBOOT")]
    pub version_mcuboot: Option<String>,
    /// `fw_info` version of a network core image.
    pub version: Option<String>,
}

impl ManifestFile {
    /// Whether it is for the network core.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.board.contains("cpunet")
            || self.soc.contains("CPUNET")
            || self
                .load_address
                .is_some_and(|address| (0x0100_0000..0x0104_0000).contains(&address))
    }

    /// Whether its chip is an nRF5340, as far as the manifest tells.
    #[must_use]
    pub fn is_nrf5340(&self) -> bool {
        self.soc.is_empty() || self.soc.to_ascii_lowercase().starts_with("nrf5340")
    }
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not this JSON.
    #[error("`manifest.json` cannot be read: {0}")]
    Json(String),
    /// More images than any package.
    #[error("`manifest.json` lists {0} files, expected at most {MAX_FILES}")]
    Many(usize),
}

impl Manifest {
    /// Reads the manifest.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::Json(format!(
                "it has {} bytes, expected at most {MAX_MANIFEST_BYTES}",
                bytes.len()
            )));
        }
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| ManifestError::Json(error.to_string()))?;
        match manifest.files.len() {
            count if count > MAX_FILES => Err(ManifestError::Many(count)),
            _ => Ok(manifest),
        }
    }
}

/// A number, or a text that is one.
fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Option::<Written>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Written::Number(number)) => Ok(Some(number)),
        Some(Written::Text(text)) => {
            let digits = text.strip_prefix("0x");
            digits
                .map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16))
                .map(Some)
                .map_err(|_| D::Error::custom("a text that should be a number is none"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_and_bare_numbers_are_read() {
        let manifest = Manifest::parse(
            br#"{ "format-version": 1, "time": 1, "name": "app", "files": [
                { "type": "application", "board": "thingy53", "soc": "nrf5340", "load_address": 114688, "image_index": "0",
                  "slot_index_primary": "1", "version_MCUBOOT": "0.1.0+0", "size": 287520, "file": "app.bin", "modtime": 1 },
                { "type": "application", "board": "thingy53/nrf5340/cpunet", "soc": "nrf5340", "image_index": "1",
                  "load_address": "0x01008800", "version": "1", "size": 5, "file": "ipc_radio.bin", "modtime": 1 } ] }"#,
        )
        .unwrap();
        let [app, net] = manifest.files.as_slice() else {
            panic!("{manifest:?}")
        };
        assert_eq!((app.image_index, app.is_network()), (Some(0), false));
        assert_eq!((net.image_index, net.is_network()), (Some(1), true));
        assert_eq!(net.load_address, Some(0x0100_8800));
    }

    #[test]
    fn a_damaged_manifest_says_where() {
        let error = Manifest::parse(br#"{ "files": [ { "file": 3 } ] }"#).unwrap_err();
        insta::assert_snapshot!(error, @"`manifest.json` cannot be read: invalid type: integer `3`, expected a string at line 1 column 24");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
