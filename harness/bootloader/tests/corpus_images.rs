//! Every image of the corpus (made by imgtool, some damaged by hand) in the secondary slot: what becomes of it is what its
//! manifest entry says of a bootloader.
//!
//! The corpus lies in `harness/image/tests/data/images`, with its generator. The virtual DK is asked the same in
//! `harness/cli/tests/corpus_images.rs`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use hil_bootloader::{
    Area, BootResult, Config, ContentKeySize, DeviceId, ERASED, Encryption, ImageSlots, Keys, Mode,
    Pending, Signature, SimFlash, SwapType, boot, set_pending, swap_type,
};
use hil_image::{AesKeySize, DecryptionKey, Image, PublicKey, TlvKind};
use rstest::rstest;
use serde::Deserialize;

const APP: DeviceId = DeviceId::AppFlash;
const SECTOR: u32 = 0x1000;
const PRIMARY: u32 = 0x10000;
const SECONDARY: u32 = 0x50000;
const SCRATCH: u32 = 0x90000;
/// The slot size that images were made for (`--slot-size`).
const SLOT: u32 = 0x40000;
/// That of the padded ones, which fill it.
const SMALL_SLOT: u32 = 0x6000;

#[derive(Deserialize)]
struct Manifest {
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    file: String,
    kind: Option<String>,
    check_sig_key: Option<String>,
    check_enc_key: Option<String>,
    expect: Expect,
    parse: Option<Parse>,
}

#[derive(Deserialize)]
struct Expect {
    bootloader: Option<String>,
    secondary_slot_swap_type: Option<String>,
}

#[derive(Deserialize)]
struct Parse {
    image_end: Option<usize>,
    header: Option<Header>,
}

#[derive(Deserialize)]
struct Header {
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    major: u8,
    minor: u8,
    revision: u16,
    build: u32,
}

impl Entry {
    fn is_padded(&self) -> bool {
        self.file.starts_with("pad_")
    }

    fn slot(&self) -> u32 {
        if self.is_padded() { SMALL_SLOT } else { SLOT }
    }

    fn version(&self) -> Option<String> {
        let version = &self.parse.as_ref()?.header.as_ref()?.version;
        Some(match version.build {
            0 => format!("{}.{}.{}", version.major, version.minor, version.revision),
            build => format!(
                "{}.{}.{}+{build}",
                version.major, version.minor, version.revision
            ),
        })
    }

    fn encryption(&self, bytes: &[u8]) -> Encryption {
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
    fn fate(&self, mode: Mode) -> Fate {
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
enum Fate {
    /// It boots.
    Installed,
    /// The slot is erased, the old image boots.
    Refused,
    /// There is nothing to boot: only the request is dropped, and not even that in overwrite mode.
    NoImage,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../image/tests/data/images")
}

fn read(file: &str) -> Vec<u8> {
    fs::read(folder().join(file)).unwrap()
}

fn key_text(file: &str) -> String {
    String::from_utf8(read(&format!("keys/{file}"))).unwrap()
}

fn entries() -> Vec<Entry> {
    let manifest: Manifest = serde_json::from_slice(&read("manifest.json")).unwrap();
    manifest
        .files
        .into_iter()
        .filter(|entry| entry.kind.as_deref() != Some("package"))
        .collect()
}

/// A build that the image was made for, its keys, and an older image that it takes too.
fn bootloader(entry: &Entry, mode: Mode, bytes: &[u8]) -> (Config, Keys, &'static str) {
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
    let long = Image::parse(bytes)
        .ok()
        .and_then(|image| image.encryption()?.key_size)
        == Some(AesKeySize::Aes256);
    config.content_key = if long {
        ContentKeySize::Aes256
    } else {
        ContentKeySize::Aes128
    };
    let encryption = entry.check_enc_key.as_deref().map(|name| {
        if name.starts_with("enc-aeskw") {
            DecryptionKey::from_base64(&key_text(&format!("{name}.b64"))).unwrap()
        } else {
            DecryptionKey::from_pem(&key_text(&format!("{name}.pem"))).unwrap()
        }
    });
    let signing = PublicKey::from_pem(&key_text(&format!("{signing}.pub.pem"))).unwrap();
    let keys = Keys {
        signing: vec![signing],
        encryption,
    };
    (config, keys, running)
}

/// Puts the image where an update lies, and requests it unless it carries a request itself.
fn staged(config: &Config, entry: &Entry, running: &[u8], bytes: &[u8]) -> SimFlash {
    let mut flash = SimFlash::new().with_device(APP, SCRATCH + 2 * SECTOR, 4, SECTOR);
    flash.edit(APP, PRIMARY, running);
    let padded = entry.is_padded();
    if config.mode == Mode::SwapOffset {
        // A file that fills the slot does not fit one sector further up: the image itself does.
        let end = entry.parse.as_ref().and_then(|parse| parse.image_end);
        let image = if padded {
            &bytes[..end.unwrap()]
        } else {
            bytes
        };
        flash.edit(APP, SECONDARY + SECTOR, image);
    } else {
        flash.edit(APP, SECONDARY, bytes);
    }
    if config.mode == Mode::SwapOffset || !padded {
        set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    }
    flash
}

fn boots(config: &Config, keys: &Keys, flash: &mut SimFlash) -> String {
    match boot(config, keys, flash, &mut |_| {}).unwrap().result {
        BootResult::Boot(image) => image.version.to_string(),
        other => other.to_string(),
    }
}

fn secondary(entry: &Entry, flash: &SimFlash) -> Vec<u8> {
    flash.bytes_at(APP, SECONDARY as usize, entry.slot() as usize)
}

#[rstest]
fn every_image_of_the_corpus_is_installed_or_refused_as_its_manifest_says(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
) {
    let mut fates = BTreeMap::new();
    for entry in entries() {
        let name = &entry.file;
        let bytes = read(name);
        let (config, keys, running) = bootloader(&entry, mode, &bytes);
        let mut flash = staged(&config, &entry, &read(running), &bytes);
        let before = secondary(&entry, &flash);
        let booted = boots(&config, &keys, &mut flash);
        let fate = entry.fate(mode);
        match fate {
            Fate::Installed => assert_eq!(Some(booted), entry.version(), "{name}, {mode}"),
            Fate::Refused => {
                assert_eq!(booted, "1.0.0", "{name}, {mode}");
                let erased = secondary(&entry, &flash).iter().all(|byte| *byte == ERASED);
                assert!(erased, "{name}, {mode}: the slot is erased");
            }
            Fate::NoImage => {
                assert_eq!(booted, "1.0.0", "{name}, {mode}");
                let mut expected = before;
                if mode != Mode::OverwriteOnly {
                    expected[(entry.slot() - SECTOR) as usize..].fill(ERASED);
                }
                assert!(
                    secondary(&entry, &flash) == expected,
                    "{name}, {mode}: the request goes"
                );
            }
        }
        *fates.entry(format!("{fate:?}")).or_insert(0) += 1;
    }
    let counts: Vec<String> = fates
        .iter()
        .map(|(fate, count)| format!("{count} {fate}"))
        .collect();
    let expected = if mode == Mode::SwapOffset {
        "41 Installed, 4 NoImage, 25 Refused"
    } else {
        "41 Installed, 3 NoImage, 26 Refused"
    };
    assert_eq!(counts.join(", "), expected);
}

#[test]
fn padded_images_carry_their_request() {
    for entry in entries() {
        let Some(expected) = &entry.expect.secondary_slot_swap_type else {
            continue;
        };
        let bytes = read(&entry.file);
        let mode = if expected.contains("overwrite") {
            Mode::OverwriteOnly
        } else {
            Mode::SwapMove
        };
        let (config, _, running) = bootloader(&entry, mode, &bytes);
        let mut flash = staged(&config, &entry, &read(running), &bytes);
        let found = swap_type(&config, &mut flash, 0).unwrap();
        let wanted = if expected.starts_with("perm") {
            SwapType::Perm
        } else {
            SwapType::Test
        };
        assert_eq!(found, wanted, "{}", entry.file);
    }
}

#[test]
fn encrypted_images_are_refused_by_a_build_without_encryption() {
    let mut count = 0;
    for entry in entries() {
        let text = entry.expect.bootloader.as_deref().unwrap();
        if !text.ends_with("reject in a build without encryption") {
            continue;
        }
        let bytes = read(&entry.file);
        let (mut config, keys, running) = bootloader(&entry, Mode::SwapMove, &bytes);
        config.encryption = Encryption::None;
        let mut flash = staged(&config, &entry, &read(running), &bytes);
        assert_eq!(boots(&config, &keys, &mut flash), "1.0.0", "{}", entry.file);
        count += 1;
    }
    assert_eq!(count, 10);
}

#[test]
fn an_unsigned_image_is_taken_by_a_build_that_checks_no_signature() {
    let entries = entries();
    let entry = entries
        .iter()
        .find(|entry| entry.file == "plain_v1.0.0_2k.bin")
        .unwrap();
    let bytes = read(&entry.file);
    let (mut config, _, _) = bootloader(entry, Mode::SwapMove, &bytes);
    config.signature = Signature::None;
    let mut flash = staged(&config, entry, &read("ec256_v0.9.0_4k.bin"), &bytes);
    assert_eq!(boots(&config, &Keys::default(), &mut flash), "1.0.0");
}

#[test]
fn a_clear_image_with_an_encrypted_flag_boots_from_the_primary_slot() {
    let entries = entries();
    let entry = entries
        .iter()
        .find(|entry| entry.file == "enc_ec256_clear_v1.0.0_8k.bin")
        .unwrap();
    let bytes = read(&entry.file);
    let (config, keys, _) = bootloader(entry, Mode::SwapMove, &bytes);
    let mut flash = SimFlash::new().with_device(APP, SCRATCH, 4, SECTOR);
    flash.edit(APP, PRIMARY, &bytes);
    assert_eq!(boots(&config, &keys, &mut flash), "1.0.0");
}
