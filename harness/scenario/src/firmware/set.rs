//! The firmware set's file.

use super::file::{FirmwareFile, Sha256Hex, key_path};
use super::layout::{Chip, Layout};
use super::smp::SmpServer;
use crate::locate::{NodePath, Part, Segment};
use crate::matrix::ReleaseNames;
use crate::node::{self, NodeError};
use crate::source::{FileError, Source, nearest};
use crate::words::{Core, ImageRef, Slot};
use hil_bootloader::{Config, ImageSlots, Mode, NetworkCore, NetworkSlot};
use hil_image::{Image, ImageVersion};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is under test: the bootloader on the board, its partitions, and the releases that scenarios name.
///
/// All files are read and hashed when it is loaded: what was checked is what is programmed and sent.
#[derive(Clone, Debug)]
pub struct FirmwareSet {
    /// Its name.
    pub name: String,
    /// The chip that it is for.
    pub chip: Chip,
    /// The board's partitions.
    pub layout: Layout,
    /// What the bootloader was built with, with its slots from the layout.
    pub bootloader: Config,
    /// Where the keys are.
    pub keys: KeyFiles,
    /// What the SMP server of its applications was built with.
    pub smp: SmpServer,
    /// The releases by name.
    pub releases: BTreeMap<String, Release>,
    /// SHA-256 over the set's file and every file to program or to send that it names.
    pub digest: [u8; 32],
    /// The text of the set's file.
    pub text: String,
    /// The set's file.
    pub path: PathBuf,
}

/// The files of the keys that the bootloader was built with. They are not read here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyFiles {
    /// PEM of the public key that images are signed for.
    pub signing: Option<PathBuf>,
    /// PEM of the private half of it, which damaged images are signed with again. Few sets have it.
    pub signing_private: Option<PathBuf>,
    /// PEM of the private key that content keys are wrapped for.
    pub encryption: Option<PathBuf>,
}

/// One release.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Release {
    /// What is programmed, in this order; empty for a release that is only sent.
    pub program: Vec<ProgramFile>,
    /// What is sent, by core.
    pub images: BTreeMap<Core, ReleaseImage>,
    /// Why every bootloader must refuse its images, for a release that is there to be refused.
    pub refused: Option<String>,
}

impl Release {
    fn files(&self) -> impl Iterator<Item = &FirmwareFile> {
        let programs = self.program.iter().map(|program| &program.file);
        programs.chain(self.images.values().map(|image| &image.file))
    }
}

/// A file to program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProgramFile {
    /// On which core.
    pub core: Core,
    /// Intel HEX, ELF or raw binary.
    pub file: FirmwareFile,
}

/// An MCUboot image to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReleaseImage {
    /// The file; its bytes are an MCUboot image.
    pub file: FirmwareFile,
    /// The version in the image's header.
    pub version: ImageVersion,
    /// Whether its payload is cipher text.
    pub encrypted: bool,
}

impl ReleaseImage {
    /// The bytes that are sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.file.contents()
    }
}

/// A scenario names a release or an image that the firmware set has not.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("firmware set `{set}` has no {what} `{found}`")]
pub struct UnknownRole {
    /// Name of the firmware set.
    pub set: String,
    /// `release` or `image`.
    pub what: &'static str,
    /// What was asked for.
    pub found: String,
    /// What it has.
    pub known: Vec<String>,
}

impl UnknownRole {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        nearest(&self.found, self.known.iter().map(String::as_str))
    }
}

impl FirmwareSet {
    /// Reads the firmware set at `path`, and every file to program or to send that it names.
    ///
    /// # Errors
    ///
    /// The first mistake in it, with its place in the set's file: also for a file that is missing, lies outside the
    /// set's folder, or is no MCUboot image.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let source = Source::read(path.as_ref())?;
        let value = source.parse_yaml("firmware set")?;
        let read = || -> Result<Self, NodeError> {
            let document: Document = node::read(&value, &[])?;
            document.load(&source)
        };
        read().map_err(|error| error.in_file(&source))
    }

    /// The release with this name.
    ///
    /// # Errors
    ///
    /// There is none; the error knows the nearest name.
    pub fn release(&self, name: &str) -> Result<&Release, UnknownRole> {
        self.releases.get(name).ok_or_else(|| UnknownRole {
            set: self.name.clone(),
            what: "release",
            found: name.to_owned(),
            known: self.releases.keys().cloned().collect(),
        })
    }

    /// The image that plays this role.
    ///
    /// # Errors
    ///
    /// There is no such release, or it has no such image; the error knows the nearest name.
    pub fn image(&self, role: &ImageRef) -> Result<&ReleaseImage, UnknownRole> {
        self.release(&role.release)?;
        self.releases
            .get(&role.release)
            .and_then(|release| release.images.get(&role.core))
            .ok_or_else(|| UnknownRole {
                set: self.name.clone(),
                what: "image",
                found: role.to_string(),
                known: self.roles().map(|(role, _)| role.to_string()).collect(),
            })
    }

    /// The SMP image number of a core's images: the network core's have one of their own where both cores are updated at
    /// once, and else go into the slot of the application's.
    #[must_use]
    pub fn image_number(&self, core: Core) -> u8 {
        match (core, self.bootloader.network_core) {
            (Core::Net, NetworkCore::PcdSimultaneous) => 1,
            (Core::App | Core::Net, _) => 0,
        }
    }

    /// The slot that an update of a core waits in.
    #[must_use]
    pub fn update_slot(&self, core: Core) -> Slot {
        match self.image_number(core) {
            0 => Slot::AppSecondary,
            _ => Slot::NetSecondary,
        }
    }

    /// The releases that scenarios try one against the other.
    #[must_use]
    pub fn release_names(&self) -> ReleaseNames {
        let whole = |release: &Release| {
            !release.program.is_empty() && release.images.contains_key(&Core::App)
        };
        let names = |wanted: &dyn Fn(&str, &Release) -> bool| {
            self.releases
                .iter()
                .filter(|(name, release)| wanted(name, release))
                .map(|(name, _)| name.clone())
                .collect()
        };
        ReleaseNames {
            to_program: names(&|_, release| whole(release)),
            to_send: names(&|name, release| {
                whole(release) || (name == "update" && release.images.contains_key(&Core::App))
            }),
        }
    }

    /// All images with their roles.
    pub fn roles(&self) -> impl Iterator<Item = (ImageRef, &ReleaseImage)> {
        self.releases.iter().flat_map(|(name, release)| {
            release
                .images
                .iter()
                .map(move |(&core, image)| (ImageRef::new(name, core), image))
        })
    }

    /// All files that it programs or sends; a file with several roles comes several times.
    pub fn files(&self) -> impl Iterator<Item = &FirmwareFile> {
        self.releases.values().flat_map(Release::files)
    }

    /// The digest that the set would have if its file had this text.
    #[must_use]
    pub fn digest_with(&self, text: &str) -> [u8; 32] {
        digest(text, &self.releases)
    }

    /// The digest as hex digits.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        hex::encode(self.digest)
    }
}

/// The firmware set's file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    firmware: String,
    #[serde(default)]
    chip: Chip,
    layout: Layout,
    bootloader: Config,
    #[serde(default)]
    keys: RawKeys,
    #[serde(default)]
    smp: SmpServer,
    releases: BTreeMap<String, RawRelease>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    signing: Option<String>,
    #[serde(rename = "signing-private")]
    signing_private: Option<String>,
    encryption: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    #[serde(default)]
    program: Vec<RawProgram>,
    #[serde(default)]
    images: BTreeMap<Core, RawImage>,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProgram {
    core: Core,
    file: String,
    sha256: Option<Sha256Hex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    file: String,
    sha256: Option<Sha256Hex>,
}

impl Document {
    fn load(self, source: &Source) -> Result<FirmwareSet, NodeError> {
        let folder = match source.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let bootloader = &self.bootloader;
        if bootloader.mode == Mode::SwapOffset && !bootloader.line.has_swap_offset() {
            return Err(NodeError::new(
                path(&["bootloader", "mode"]),
                Part::Value,
                format!("MCUboot of {} has no swap-offset", bootloader.line),
            )
            .advising("`line: nordic-3.0` is the first of the SDK that has it"));
        }
        let layout = self.layout.checked(self.chip, self.bootloader.mode)?;
        let bootloader = &self.bootloader;
        if bootloader.network_core == NetworkCore::PcdSimultaneous
            && bootloader.images.is_empty()
            && layout.slot(Slot::NetSecondary).is_none()
        {
            return Err(NodeError::new(
                path(&["bootloader", "network-core"]),
                Part::Value,
                "`pcd-simultaneous` needs a partition `net.secondary` in the layout".to_owned(),
            )
            .advising("it is where updates of the network core wait"));
        }
        let key = |name: &str, file: &Option<String>| {
            file.as_ref()
                .map(|file| {
                    key_path(folder, file).map_err(|message| {
                        NodeError::new(path(&["keys", name]), Part::Value, message)
                    })
                })
                .transpose()
        };
        let keys = KeyFiles {
            signing: key("signing", &self.keys.signing)?,
            signing_private: key("signing-private", &self.keys.signing_private)?,
            encryption: key("encryption", &self.keys.encryption)?,
        };
        if self.releases.is_empty() {
            return Err(NodeError::new(
                path(&["releases"]),
                Part::Key,
                "`releases` is empty",
            ));
        }
        let releases = self
            .releases
            .into_iter()
            .map(|(name, raw)| {
                let release = raw.load(&name, folder)?;
                Ok((name, release))
            })
            .collect::<Result<BTreeMap<_, _>, NodeError>>()?;
        Ok(FirmwareSet {
            name: self.firmware,
            bootloader: with_slots(self.bootloader, &layout),
            chip: self.chip,
            layout,
            keys,
            smp: self.smp,
            digest: digest(&source.text, &releases),
            releases,
            text: source.text.clone(),
            path: source.path.clone(),
        })
    }
}

fn path(keys: &[&str]) -> NodePath {
    keys.iter()
        .map(|&key| Segment::Key(key.to_owned()))
        .collect()
}

/// The bootloader's slots are where the layout says, unless its own section says otherwise.
fn with_slots(bootloader: Config, layout: &Layout) -> Config {
    let area = |slot| layout.slot(slot).map(|region| region.area());
    let mut bootloader = bootloader;
    if bootloader.images.is_empty()
        && bootloader.mode == Mode::SingleSlot
        && let Some(slot) = area(Slot::AppPrimary)
    {
        bootloader = bootloader.with_images(vec![ImageSlots::single(slot)]);
    }
    if bootloader.images.is_empty()
        && let (Some(primary), Some(secondary)) = (area(Slot::AppPrimary), area(Slot::AppSecondary))
    {
        let mut images = vec![ImageSlots { primary, secondary }];
        if bootloader.network_core == NetworkCore::PcdSimultaneous
            && let Some(secondary) = area(Slot::NetSecondary)
        {
            images.push(ImageSlots::simulated(secondary));
        }
        bootloader = bootloader.with_images(images);
    }
    if let Some(network) = layout.slot(Slot::NetPrimary) {
        bootloader.network_slot = NetworkSlot {
            address: network.address,
            size: network.size,
        };
    }
    bootloader.scratch = bootloader
        .scratch
        .or_else(|| layout.region("app.scratch").map(|region| region.area()));
    bootloader
}

/// Over the set's own text and the names and hashes of its files, each with its length in front, so that no two
/// different sets run together to the same bytes.
fn digest(text: &str, releases: &BTreeMap<String, Release>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(text.as_bytes());
    for release in releases.values() {
        for file in release.files() {
            add(file.name().as_bytes());
            add(file.digest());
        }
    }
    hash.finalize().into()
}

impl RawRelease {
    fn load(self, name: &str, folder: &Path) -> Result<Release, NodeError> {
        if self.program.is_empty() && self.images.is_empty() {
            return Err(NodeError::new(
                path(&["releases", name]),
                Part::Key,
                format!("release `{name}` has nothing to program and nothing to send"),
            )
            .advising("give it `program` or `images`"));
        }
        let program = self
            .program
            .into_iter()
            .enumerate()
            .map(|(index, raw)| {
                let mut at = path(&["releases", name, "program"]);
                at.push(Segment::Index(index));
                at.push(Segment::Key("file".to_owned()));
                let file = FirmwareFile::read(folder, &raw.file, raw.sha256.as_ref())
                    .map_err(|message| NodeError::new(at, Part::Value, message))?;
                Ok(ProgramFile {
                    core: raw.core,
                    file,
                })
            })
            .collect::<Result<_, NodeError>>()?;
        let images = self
            .images
            .into_iter()
            .map(|(core, raw)| {
                let at = path(&["releases", name, "images", core.word(), "file"]);
                let image = raw.load(folder).map_err(|(message, help)| {
                    let error = NodeError::new(at, Part::Value, message);
                    match help {
                        Some(help) => error.advising(help),
                        None => error,
                    }
                })?;
                Ok((core, image))
            })
            .collect::<Result<_, NodeError>>()?;
        Ok(Release {
            program,
            images,
            refused: self.refused,
        })
    }
}

impl RawImage {
    fn load(&self, folder: &Path) -> Result<ReleaseImage, (String, Option<&'static str>)> {
        let file = FirmwareFile::read(folder, &self.file, self.sha256.as_ref())
            .map_err(|message| (message, None))?;
        let image = Image::parse(file.contents()).map_err(|error| {
            let message = format!("file `{}` is no MCUboot image: {error}", self.file);
            (message, error.help())
        })?;
        let (version, encrypted) = (image.header().version, image.encryption().is_some());
        Ok(ReleaseImage {
            file,
            version,
            encrypted,
        })
    }
}
