//! The demo firmware set: model firmware to run scenarios on, made from nothing but a variant.
//!
//! Every image is what the SDK would build for the same purpose (header, TLVs, signature, network core metadata, Intel
//! HEX of the merged build), with a model binary (see [`model`](crate::model)) where the code would be. The same
//! variant always gives the same bytes: keys and content keys come from fixed seeds, so they protect nothing.

mod hex_file;
mod keys;
mod manifest;
mod metadata;
mod releases;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use hex_file::segments as hex_segments;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use hil_bootloader::{
    Area, Config, DeviceId, DowngradePrevention, Encryption, ImageSlots, Mode, NetworkCore,
    RecoveryButton, SerialRecovery, Signature,
};

/// Which bootloader the set is built for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Variant {
    /// Swap using move, ECDSA P-256 signatures, ECIES-P256 encryption, no downgrade by version, network core by PCD.
    #[default]
    SwapMoveEcdsaEc256,
    /// Overwrite only, RSA-2048 signatures, no encryption, no downgrade by version, network core by PCD.
    OverwriteRsa2048,
    /// As the first, with the secondary slot in the external flash. The network core is not updated: b0n cannot read there.
    SwapMoveExternal,
}

impl Variant {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::SwapMoveEcdsaEc256,
        Self::OverwriteRsa2048,
        Self::SwapMoveExternal,
    ];

    fn mode(self) -> Mode {
        match self {
            Self::SwapMoveEcdsaEc256 | Self::SwapMoveExternal => Mode::SwapMove,
            Self::OverwriteRsa2048 => Mode::OverwriteOnly,
        }
    }

    fn signature(self) -> Signature {
        match self {
            Self::SwapMoveEcdsaEc256 | Self::SwapMoveExternal => Signature::EcdsaP256,
            Self::OverwriteRsa2048 => Signature::Rsa2048,
        }
    }

    fn encryption(self) -> Encryption {
        match self {
            Self::SwapMoveEcdsaEc256 | Self::SwapMoveExternal => Encryption::Ec256,
            Self::OverwriteRsa2048 => Encryption::None,
        }
    }

    fn network_core(self) -> NetworkCore {
        match self {
            Self::SwapMoveEcdsaEc256 | Self::OverwriteRsa2048 => NetworkCore::Pcd,
            Self::SwapMoveExternal => NetworkCore::None,
        }
    }

    /// The build of MCUboot, with its slots.
    pub fn bootloader(self) -> Config {
        let slots = ImageSlots {
            primary: APP_PRIMARY.area(),
            secondary: self.secondary().area(),
        };
        Config {
            encryption: self.encryption(),
            downgrade_prevention: DowngradePrevention::Version,
            network_core: self.network_core(),
            serial_recovery: Some(SerialRecovery {
                on_boot_mode: true,
                button: Some(RecoveryButton::default()),
                network_core: self.network_core() == NetworkCore::Pcd,
                direct_upload: true,
                image_state: true,
                echo: true,
                params: true,
                ..SerialRecovery::default()
            }),
            ..Config::new(self.mode(), self.signature(), slots)
        }
    }

    fn secondary(self) -> Partition {
        match self {
            Self::SwapMoveEcdsaEc256 | Self::OverwriteRsa2048 => APP_SECONDARY,
            Self::SwapMoveExternal => EXTERNAL_SECONDARY,
        }
    }

    /// The partitions of a board.
    fn layout(self) -> Vec<Partition> {
        let mut layout = vec![
            APP_BOOTLOADER,
            APP_PRIMARY,
            self.secondary(),
            APP_SETTINGS,
            NET_BOOTLOADER,
            NET_PRIMARY,
        ];
        if self == Self::SwapMoveExternal {
            layout.push(EXTERNAL_STORAGE);
        }
        layout
    }
}

/// A partition, in addresses of the core that owns it.
#[derive(Clone, Copy, Debug)]
struct Partition {
    name: &'static str,
    core: &'static str,
    address: u32,
    size: u32,
}

impl Partition {
    const fn new(name: &'static str, core: &'static str, address: u32, size: u32) -> Self {
        Self {
            name,
            core,
            address,
            size,
        }
    }

    /// As the bootloader models know it. Not for partitions in the network core's flash.
    fn area(self) -> Area {
        Area {
            device: match self.core {
                "external" => DeviceId::External,
                _ => DeviceId::AppFlash,
            },
            offset: self.address,
            size: self.size,
        }
    }
}

const APP_BOOTLOADER: Partition = Partition::new("app.bootloader", "app", 0x0000_0000, 0xC000);
const APP_PRIMARY: Partition = Partition::new("app.primary", "app", 0x0000_C000, 0x40000);
const APP_SECONDARY: Partition = Partition::new("app.secondary", "app", 0x0004_C000, 0x40000);
const APP_SETTINGS: Partition = Partition::new("app.settings", "app", 0x000F_C000, 0x4000);
const NET_BOOTLOADER: Partition = Partition::new("net.bootloader", "net", 0x0100_0000, 0x8800);
const NET_PRIMARY: Partition = Partition::new("net.primary", "net", 0x0100_8800, 0x37800);
const EXTERNAL_SECONDARY: Partition =
    Partition::new("app.secondary", "external", 0x0000_0000, 0x40000);
const EXTERNAL_STORAGE: Partition =
    Partition::new("external.storage", "external", 0x0004_0000, 0x10000);

/// A firmware set in memory: file contents by path relative to the set's folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoSet {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// What a programmer puts on a board for the baseline, application core first.
const BASELINE_FILES: [&str; 2] = ["baseline/merged.hex", "baseline/merged_CPUNET.hex"];

/// The name of the file that describes the set.
pub const FIRMWARE_FILE: &str = "firmware.yaml";

impl DemoSet {
    /// Makes the set. The same variant gives the same bytes.
    pub fn generate(variant: Variant) -> Self {
        let keys = keys::Keys::of(variant);
        let releases = releases::all(variant, &keys);
        let mut files = BTreeMap::new();
        files.insert(
            PathBuf::from(FIRMWARE_FILE),
            manifest::render(variant, &releases).into_bytes(),
        );
        files.extend(keys.files());
        files.extend(releases.into_iter().flat_map(releases::Release::into_files));
        Self { files }
    }

    /// The files, in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_path(), bytes.as_slice()))
    }

    /// The contents of one file.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.files.get(path.as_ref()).map(Vec::as_slice)
    }

    /// The HEX files of the baseline as text, application core first: what a programmer puts on a board.
    pub(crate) fn baseline(&self) -> impl Iterator<Item = (&Path, &str)> {
        BASELINE_FILES.into_iter().filter_map(|path| {
            let text = std::str::from_utf8(self.file(path)?).ok()?;
            Some((Path::new(path), text))
        })
    }

    /// Writes the set into a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), DemoError> {
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            let written = match path.parent() {
                Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(&path, bytes)),
                None => fs::write(&path, bytes),
            };
            written.map_err(|source| DemoError { path, source })?;
        }
        Ok(())
    }
}

/// Writes the demo firmware set of a variant into `folder` and returns the path of its firmware file.
///
/// # Errors
///
/// When the folder or a file cannot be written.
pub fn write_firmware_set(folder: &Path, variant: Variant) -> Result<PathBuf, DemoError> {
    DemoSet::generate(variant).write(folder)?;
    Ok(folder.join(FIRMWARE_FILE))
}

/// A file of the demo firmware set could not be written.
#[derive(Debug, thiserror::Error)]
#[error("demo firmware file `{}` cannot be written", path.display())]
pub struct DemoError {
    /// The file.
    path: PathBuf,
    /// Why.
    #[source]
    source: io::Error,
}
