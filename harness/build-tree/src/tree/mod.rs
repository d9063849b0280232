//! One build folder, recognised: which build system made it, for what, and what it left.
//!
//! Two layouts exist. Up to SDK 2.6 (and in 2.7 without sysbuild) the application's build has MCUboot, the network core
//! image and b0n as children below it, and its own outputs in `zephyr/`. Sysbuild, the default from 2.7 on, puts all images
//! side by side, and what is made of several of them at the top. Facts: sdk-nrf `cmake/sysbuild/` and
//! `modules/mcuboot/CMakeLists.txt`, and published build folders of SDK 2.1 to 3.0. Paths in these files are those of the
//! machine that built: they are never followed.

mod locate;
mod missing;
mod outputs;

use crate::finding::Finding;
use crate::folder::{Folder, FolderError};
use crate::kconfig::Kconfig;
use crate::line::Origin;
use crate::package::Package;
use crate::partitions::Partitions;
use hil_image::PublicKey;
use hil_scenario::Core;
use std::fmt;
use std::path::{Path, PathBuf};

/// The build system that made a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BuildSystem {
    /// Parent and child images: SDK up to 2.6.
    ChildImages,
    /// Sysbuild: from SDK 2.7 on.
    Sysbuild,
}

impl fmt::Display for BuildSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChildImages => "child images",
            Self::Sysbuild => "sysbuild",
        })
    }
}

/// Why a folder is no build folder that can be imported.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file or the folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nothing of the SDK's is there.
    #[error("`{}` is no build folder of the nRF Connect SDK: it has none of {markers}", path.display())]
    NoBuild {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        markers: String,
    },
    /// Several are there.
    #[error("`{}` holds several build folders: {}", path.display(), found.join(", "))]
    Several {
        /// The folder.
        path: PathBuf,
        /// Names of the build folders in it.
        found: Vec<String>,
    },
    /// For another chip.
    #[error("`{file}` says that this is a build for {found}, expected the nRF5340")]
    Chip {
        /// Where it says so.
        file: String,
        /// The chip.
        found: String,
    },
    /// No MCUboot in the build.
    #[error("`{}` is a build without MCUboot ({why}): it has nothing to update with", path.display())]
    NoBootloader {
        /// The folder.
        path: PathBuf,
        /// Which option says so.
        why: String,
    },
}

impl TreeError {
    /// What to try.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Folder(error) => error.help().to_owned(),
            Self::NoBuild { .. } => {
                "name the folder that `west build` made, usually `build`; `west build -d DIR` puts it elsewhere".to_owned()
            }
            Self::Several { found, .. } => format!("name one of them, for instance `{}`", found[0]),
            Self::Chip { .. } => "build for nrf5340dk/nrf5340/cpuapp or thingy53/nrf5340/cpuapp: the harness knows boards with an nRF5340 only".to_owned(),
            Self::NoBootloader { .. } => "set SB_CONFIG_BOOTLOADER_MCUBOOT=y in sysbuild.conf (from SDK 2.7 on), or CONFIG_BOOTLOADER_MCUBOOT=y in prj.conf (before)".to_owned(),
        }
    }
}

/// A file that a build left.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Output {
    /// As the person would name it; for a member of the zip, the zip's name with the member's behind `#`.
    pub shown: String,
    /// Its last component.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A build folder.
#[derive(Clone, Debug)]
pub struct BuildTree {
    pub(crate) folder: Folder,
    /// The build system.
    pub system: BuildSystem,
    /// Version of the SDK, such as `2.7.0`, where a header tells it.
    pub sdk: Option<String>,
    /// The board as it was built for, such as `thingy53/nrf5340/cpuapp/ns`.
    pub board: Option<String>,
    /// Name of the application's image.
    pub application: String,
    /// Name of the network core's image, if there is one.
    pub network: Option<String>,
    /// The application's options.
    pub application_options: Kconfig,
    /// Sysbuild's options; empty for child images.
    pub sysbuild_options: Kconfig,
    /// MCUboot's options, where they are there.
    pub mcuboot_options: Option<Kconfig>,
    /// b0n's options; empty where they are not there.
    pub(crate) b0n_options: Kconfig,
    /// What MCUboot's headers say of where it is from.
    pub(crate) mcuboot_origin: Origin,
    /// Partitions of the application core's domain.
    pub partitions: Option<Partitions>,
    /// The file they are in.
    pub partitions_file: String,
    /// Partitions of the network core's domain.
    pub network_partitions: Option<Partitions>,
    /// The public key that MCUboot was built with, from its generated source.
    pub signing_key: Option<PublicKey>,
    /// The signed image of the application, in clear.
    pub application_update: Option<Output>,
    /// The same encrypted, in builds whose bootloader decrypts.
    pub application_encrypted: Option<Output>,
    /// The image to send for the network core.
    pub network_update: Option<Output>,
    /// What a programmer puts on the board, application core first.
    pub program: Vec<(Core, Output)>,
    /// The DFU zip, and where it is.
    pub package: Option<(String, Package)>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

impl BuildTree {
    /// Recognises the build folder `path`, or the only one in it, and reads what can be used of it.
    ///
    /// # Errors
    ///
    /// It is no build folder, or none for an nRF5340 with MCUboot, or a file in it cannot be read.
    pub fn read(path: &Path) -> Result<Self, TreeError> {
        let mut tree = locate::recognise(path)?;
        outputs::collect(&mut tree)?;
        let missing = missing::explain(&tree);
        tree.findings.extend(missing);
        Ok(tree)
    }

    /// The folder as the person named it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the build as the person would name it.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        self.folder.shown(name)
    }

    /// The folder of the application's own build, from the build folder; empty when it is that itself.
    pub(crate) fn application_folder(&self, rest: &str) -> String {
        match self.system {
            BuildSystem::ChildImages => rest.to_owned(),
            BuildSystem::Sysbuild => format!("{}/{rest}", self.application),
        }
    }

    /// `SDK 2.7.0, sysbuild, thingy53/nrf5340/cpuapp/ns`.
    #[must_use]
    pub fn description(&self) -> String {
        let sdk = self.sdk.as_ref().map_or_else(
            || "SDK of unknown version".to_owned(),
            |sdk| format!("SDK {sdk}"),
        );
        let board = self.board.as_deref().unwrap_or("unknown board");
        format!("{sdk}, {}, {board}", self.system)
    }
}
