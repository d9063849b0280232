//! The image corpus of `harness/image/tests/data/images`: which bootloader each image was made for, and what becomes of it
//! in the secondary slot. Shared with the tests of the virtual DK.

#![allow(dead_code, reason = "each test program uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::PathBuf;

use hil_bootloader::{
    Area, Config, ContentKeySize, DeviceId, Encryption, ImageSlots, Mode, Signature,
};
use hil_image::{AesKeySize, Image, TlvKind};
use serde::Deserialize;

pub(crate) const APP: DeviceId = DeviceId::AppFlash;
pub(crate) const SECTOR: u32 = 0x1000;
pub(crate) const PRIMARY: u32 = 0x10000;
pub(crate) const SECONDARY: u32 = 0x50000;
pub(crate) const SCRATCH: u32 = 0x90000;
/// The slot size that images were made for (`--slot-size`).
pub(crate) const SLOT: u32 = 0x40000;
/// That of the padded ones, which fill it.
pub(crate) const SMALL_SLOT: u32 = 0x6000;

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) files: Vec<Entry>,
}

#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) file: String,
    pub(crate) kind: Option<String>,
    pub(crate) check_sig_key: Option<String>,
    pub(crate) check_enc_key: Option<String>,
    pub(crate) expect: Expect,
    pub(crate) parse: Option<Parse>,
}

#[derive(Deserialize)]
pub(crate) struct Expect {
    pub(crate) bootloader: Option<String>,
    pub(crate) secondary_slot_swap_type: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Parse {
    pub(crate) image_end: Option<usize>,
    pub(crate) header: Option<Header>,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) version: Version,
}

#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) revision: u16,
    pub(crate) build: u32,
}

impl Entry {
    pub(crate) fn is_padded(&self) -> bool {
        self.file.starts_with("pad_")
    }

    pub(crate) fn slot(&self) -> u32 {
        if self.is_padded() { SMALL_SLOT } else { SLOT }
    }

    pub(crate) fn version(&self) -> Option<String> {
        let version = &self.parse.as_ref()?.header.as_ref()?.version;
        Some(match version.build {
            0 => format!("{}.{}.{}", version.major, version.minor, version.revision),
            build => format!(
                "{}.{}.{}+{build}",
                version.major, version.minor, version.revision
            ),
        })
    }

    pub(crate) fn encryption(&self, bytes: &[u8]) -> Encryption {
        match self.check_enc_key.as_deref() {
            None => Encryption::None,
            Some("enc-rsa2048") => Encryption::Rsa2048,
            Some("enc-x25519") => {
                let image = Image::parse(bytes).unwrap();
                if image.tlv(TlvKind::ENC_X25519).is_some() {
                    Encryption::X25519
                } else {
                    Encryption::X25519Sha512
                }
            }
            Some(name) if name.starts_with("enc-aeskw") => Encryption::AesKw,
            Some(_) => Encryption::Ec256,
        }
    }

    /// What a bootloader that was built for this image makes of it.
    pub(crate) fn fate(&self, mode: Mode) -> Fate {
        if mode == Mode::SwapOffset && self.file == "bad_magic.bin" {
            // A header that is none is looked for in the first sector, which is erased: recorded as
            // `offset-ec256/bad-magic`.
            return Fate::NoImage;
        }
        let text = self.expect.bootloader.as_deref().unwrap();
        let accepted_elsewhere = [
            "accept only if built without a signature type",
            "accept only with MCUBOOT_HW_KEY",
            "accept only with MCUBOOT_SHA512",
            "accept only with MCUBOOT_SIGN_PURE",
            "accept in the primary slot; in the secondary slot it is decrypted to garbage and rejected",
        ];
        let accepted = [
            "accept",
            "two-image build:",
            "hash and signature are good;",
            "shared slot:",
        ];
        let begins = |beginnings: &[&str]| beginnings.iter().any(|start| text.starts_with(start));
        if begins(&["no image (erased header)", "reject: not bootable"]) {
            Fate::NoImage
        } else if begins(&accepted_elsewhere) || text.starts_with("reject") {
            Fate::Refused
        } else {
            assert!(begins(&accepted), "{}: `{text}` is not known", self.file);
            Fate::Installed
        }
    }
}

/// What happens to an image for which an update was requested.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It boots.
    Installed,
    /// The slot is erased, the old image boots.
    Refused,
    /// There is nothing to boot: only the request is dropped, and not even that in overwrite mode.
    NoImage,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../image/tests/data/images")
}

pub(crate) fn read(file: &str) -> Vec<u8> {
    fs::read(folder().join(file)).unwrap()
}

pub(crate) fn key_text(file: &str) -> String {
    String::from_utf8(read(&format!("keys/{file}"))).unwrap()
}

pub(crate) fn entries() -> Vec<Entry> {
    let manifest: Manifest = serde_json::from_slice(&read("manifest.json")).unwrap();
    manifest
        .files
        .into_iter()
        .filter(|entry| entry.kind.as_deref() != Some("package"))
        .collect()
}

/// A bootloader that an image was made for.
pub(crate) struct Build {
    pub(crate) config: Config,
    /// The public key that it accepts, PEM.
    pub(crate) signing: String,
    /// The private key that it decrypts with, PEM or base64.
    pub(crate) decryption: Option<String>,
    /// An older image that it takes too.
    pub(crate) running: Vec<u8>,
}

impl Build {
    pub(crate) fn of(entry: &Entry, mode: Mode, bytes: &[u8]) -> Self {
        let signing = entry.check_sig_key.as_deref().unwrap_or("sig-ec256");
        let (signature, running) = match signing {
            "sig-rsa2048" => (Signature::Rsa2048, "rsa2048_v1.0.0_16k.bin"),
            "sig-ed25519" => (Signature::Ed25519, "ed25519_v1.0.0_16k.bin"),
            _ => (Signature::EcdsaP256, "ec256_v1.0.0_4k.bin"),
        };
        let area = |offset, size| Area {
            device: APP,
            offset,
            size,
        };
        let slots = ImageSlots {
            primary: area(PRIMARY, entry.slot()),
            secondary: area(SECONDARY, entry.slot()),
        };
        let mut config = Config::new(mode, signature, slots);
        config.scratch = (mode == Mode::SwapScratch).then(|| area(SCRATCH, 2 * SECTOR));
        config.encryption = entry.encryption(bytes);
        let key_size = Image::parse(bytes)
            .ok()
            .and_then(|image| image.encryption()?.key_size);
        if key_size == Some(AesKeySize::Aes256) {
            config.content_key = ContentKeySize::Aes256;
        }
        let decryption = entry.check_enc_key.as_deref().map(|name| {
            let base64 = name.starts_with("enc-aeskw");
            key_text(&format!("{name}.{}", if base64 { "b64" } else { "pem" }))
        });
        Self {
            config,
            signing: key_text(&format!("{signing}.pub.pem")),
            decryption,
            running: read(running),
        }
    }
}

impl Entry {
    /// What of a file is put into the secondary slot, and at which offset.
    pub(crate) fn placed<'a>(&self, mode: Mode, bytes: &'a [u8]) -> (u32, &'a [u8]) {
        if mode != Mode::SwapOffset {
            return (0, bytes);
        }
        // A file that fills the slot does not fit one sector further up: the image itself does.
        let end = self.parse.as_ref().and_then(|parse| parse.image_end);
        match end {
            Some(end) if self.is_padded() => (SECTOR, &bytes[..end]),
            _ => (SECTOR, bytes),
        }
    }

    /// Whether the file brings its own request for an update.
    pub(crate) fn is_requested(&self, mode: Mode) -> bool {
        self.is_padded() && mode != Mode::SwapOffset
    }
}
