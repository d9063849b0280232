//! Build folders as five lines of the SDK leave them, made from nothing but a description.
//!
//! Names and contents are those of published build folders (see the crate's modules for the sources): what an update needs,
//! and what recognition reads. Code is noise behind a vector table. Images are made by [`hil_image`], or signed by the real
//! imgtool where it is named.

#![allow(dead_code, reason = "each test program uses another part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its files has failed"
)]

mod files;
mod options;

use hil_image::network::NetworkBuilder;
use hil_image::{EncryptionKey, ImageBuilder, ImageVersion, PrivateKey};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of the SDK.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Sdk {
    V2_3,
    V2_5,
    V2_7,
    V2_9,
    V3_0,
}

impl Sdk {
    pub(crate) const ALL: [Self; 5] = [Self::V2_3, Self::V2_5, Self::V2_7, Self::V2_9, Self::V3_0];

    pub(crate) fn is_sysbuild(self) -> bool {
        self >= Self::V2_7
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V2_3 => "2.3.0",
            Self::V2_5 => "2.5.2",
            Self::V2_7 => "2.7.0",
            Self::V2_9 => "2.9.1",
            Self::V3_0 => "3.0.2",
        }
    }

    /// Name of the network core's image.
    pub(crate) fn network(self) -> &'static str {
        match self {
            Self::V2_3 => "hci_rpmsg",
            Self::V2_5 => "hci_ipc",
            _ => "ipc_radio",
        }
    }
}

/// How the build updates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Update {
    /// Swap-move in internal flash, ECDSA P-256, one image; the network core's goes through the shared slot.
    Swap,
    /// The same with encryption.
    SwapEncrypted,
    /// Overwrite-only, RSA-2048, two images with secondary slots in external flash.
    Simultaneous,
    /// One slot, ECDSA P-256: updates of both cores come in through serial recovery.
    SingleSlot,
}

/// Keys of the image corpus: they protect nothing.
pub(crate) const EC: &str = include_str!("../../../image/tests/data/images/keys/sig-ec256.pem");
pub(crate) const EC_WRONG: &str =
    include_str!("../../../image/tests/data/images/keys/sig-ec256-wrong.pem");
pub(crate) const RSA: &str = include_str!("../../../image/tests/data/images/keys/sig-rsa2048.pem");
pub(crate) const ENC: &str = include_str!("../../../image/tests/data/images/keys/enc-ec256.pem");

/// A build.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) sdk: Sdk,
    pub(crate) update: Update,
    pub(crate) version: &'static str,
    /// Chooses the noise that is the code.
    pub(crate) seed: u64,
    /// PEM of the signing key.
    pub(crate) key: &'static str,
    /// Bytes of the application's payload.
    pub(crate) application_size: usize,
    /// Where the application is linked to, if not to its slot.
    pub(crate) linked_to: Option<u32>,
    /// Whether there is a network core image.
    pub(crate) network: bool,
    /// Whether the network core image has what b0n wants.
    pub(crate) network_metadata: bool,
    /// Whether b0 starts MCUboot from one of two places.
    pub(crate) second_stage: bool,
    /// imgtool, when it signs.
    pub(crate) imgtool: Option<PathBuf>,
}

impl Build {
    pub(crate) fn new(sdk: Sdk, update: Update) -> Self {
        Self {
            sdk,
            update,
            version: "1.0.0",
            seed: 1,
            key: match update {
                Update::Simultaneous => RSA,
                Update::Swap | Update::SwapEncrypted | Update::SingleSlot => EC,
            },
            application_size: 20_000,
            linked_to: None,
            network: true,
            network_metadata: true,
            second_stage: false,
            imgtool: None,
        }
    }

    /// The next build of the same sources' successor.
    pub(crate) fn successor(&self) -> Self {
        Self {
            version: "2.0.0",
            seed: self.seed + 1,
            ..self.clone()
        }
    }

    /// Where the primary slot starts.
    pub(crate) fn primary(&self) -> u32 {
        match self.update {
            _ if self.second_stage => 0x3_0000,
            Update::Simultaneous => 0x1_0000,
            Update::Swap | Update::SwapEncrypted | Update::SingleSlot => 0xC000,
        }
    }

    pub(crate) fn slot_size(&self) -> u32 {
        match self.update {
            Update::Simultaneous => 0xE_0000,
            Update::Swap | Update::SwapEncrypted | Update::SingleSlot => 0x4_0000,
        }
    }

    fn key(&self) -> PrivateKey {
        PrivateKey::from_pem(self.key).unwrap()
    }

    fn version(&self) -> ImageVersion {
        self.version.parse().unwrap()
    }

    fn noise(&self, what: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        ChaCha8Rng::seed_from_u64(self.seed * 1000 + what).fill_bytes(&mut bytes);
        bytes
    }

    /// Code with a vector table that is linked to `base`.
    fn code(&self, what: u64, base: u32, stack: u32, size: usize) -> Vec<u8> {
        let mut bytes = self.noise(what, size);
        bytes[..4].copy_from_slice(&stack.to_le_bytes());
        bytes[4..8].copy_from_slice(&(base + 0x901).to_le_bytes());
        bytes
    }

    pub(crate) fn application_payload(&self) -> Vec<u8> {
        let base = self.linked_to.unwrap_or_else(|| self.primary() + 0x200);
        self.code(1, base, 0x2004_0000, self.application_size)
    }

    /// MCUboot: the same in every build, with the public key among its bytes.
    fn mcuboot(&self) -> Vec<u8> {
        let loader = Self {
            seed: 0,
            ..self.clone()
        };
        let mut bytes = loader.code(2, 0, 0x2005_A000, 0x7001);
        let key = self.key().public().to_der();
        bytes[0x6123..0x6123 + key.len()].copy_from_slice(&key);
        bytes
    }

    /// What starts MCUboot where that is the second stage.
    fn b0(&self) -> Vec<u8> {
        let loader = Self {
            seed: 0,
            ..self.clone()
        };
        loader.code(5, 0, 0x2000_8000, 0x6000)
    }

    fn b0n(&self) -> Vec<u8> {
        let loader = Self {
            seed: 0,
            ..self.clone()
        };
        loader.code(3, 0x0100_0000, 0x2100_8000, 0x5452)
    }

    /// What b0n takes: firmware and validation info.
    fn network_payload(&self) -> Vec<u8> {
        let code = self.code(4, 0x0100_8800, 0x2100_8000, 9_000);
        if self.network_metadata {
            NetworkBuilder::new(code).build().unwrap()
        } else {
            code
        }
    }

    /// An image as `imgtool sign` makes it. Each run has randomness of its own: a salt, a content key.
    pub(crate) fn sign(&self, payload: &[u8], encrypt: bool, run: u64) -> Vec<u8> {
        if let Some(imgtool) = &self.imgtool {
            return self.sign_by_imgtool(imgtool, payload, encrypt);
        }
        let mut builder = ImageBuilder::new(payload.to_vec())
            .version(self.version())
            .key(&self.key());
        if encrypt {
            builder = builder.encrypt(&EncryptionKey::from_pem(ENC).unwrap());
        }
        builder
            .build(&mut ChaCha8Rng::seed_from_u64(self.seed * 100 + run))
            .unwrap()
    }

    /// The command line of the SDK (sdk-nrf `modules/mcuboot/CMakeLists.txt`, `cmake/sysbuild/image_signing.cmake`).
    fn sign_by_imgtool(&self, imgtool: &Path, payload: &[u8], encrypt: bool) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("key.pem"), self.key).unwrap();
        std::fs::write(path("enc.pem"), ENC).unwrap();
        std::fs::write(path("in.bin"), payload).unwrap();
        let mut command = Command::new(imgtool);
        command
            .arg("sign")
            .args(["--align", "4", "--pad-header", "--header-size", "0x200"])
            .args(["--slot-size", &format!("{:#x}", self.slot_size())])
            .args(["--version", &format!("{}+0", self.version)])
            .arg("--key")
            .arg(path("key.pem"));
        if encrypt {
            command.arg("--encrypt").arg(path("enc.pem"));
        }
        let output = command
            .args([path("in.bin"), path("out.bin")])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read(path("out.bin")).unwrap()
    }

    /// All files of the build, by their path in the build folder.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files::all(self)
    }

    /// Writes the build folder.
    pub(crate) fn write(&self, folder: &Path) {
        write_files(folder, &self.files());
    }
}

/// Intel HEX as the SDK writes it.
pub(crate) fn hex(pieces: &[(u32, Vec<u8>)]) -> Vec<u8> {
    files::hex(pieces)
}

/// Writes files below a folder.
pub(crate) fn write_files(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
