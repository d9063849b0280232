//! A small board for tests: slots of 16 sectors, images signed with MCUboot's published test keys.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use hil_bootloader::{
    Area, BootResult, Config, DeviceId, Encryption, ImageSlots, Keys, LogLine, Mode, Outcome,
    Signature, SimFlash, boot,
};
use hil_image::network::NetworkBuilder;
use hil_image::{DecryptionKey, ImageBuilder, ImageVersion, PrivateKey, PublicKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

pub(crate) const SECTOR: u32 = 0x1000;
pub(crate) const PRIMARY: u32 = 0x8000;
pub(crate) const SLOT: u32 = 16 * SECTOR;
pub(crate) const SECONDARY: u32 = PRIMARY + SLOT;
pub(crate) const SCRATCH: u32 = SECONDARY + SLOT;
pub(crate) const APP_FLASH: u32 = SCRATCH + 2 * SECTOR;

const SIGNING_PEM: &str = include_str!("../data/golden/keys/root-ec-p256.pem");
const ENCRYPTION_PEM: &str = include_str!("../data/golden/keys/enc-ec256-priv.pem");

pub(crate) fn area(offset: u32, size: u32) -> Area {
    Area {
        device: DeviceId::AppFlash,
        offset,
        size,
    }
}

/// One image, no signature: only the hash is checked, which keeps sweeps fast.
pub(crate) fn config(mode: Mode) -> Config {
    let slots = ImageSlots {
        primary: area(PRIMARY, SLOT),
        secondary: area(SECONDARY, SLOT),
    };
    let mut config = Config::new(mode, Signature::None, slots);
    config.scratch = (mode == Mode::SwapScratch).then(|| area(SCRATCH, 2 * SECTOR));
    config
}

pub(crate) fn signed(mut config: Config) -> Config {
    config.signature = Signature::EcdsaP256;
    config
}

pub(crate) fn encrypting(mut config: Config) -> Config {
    config.encryption = Encryption::Ec256;
    config
}

pub(crate) fn keys() -> Keys {
    Keys {
        signing: vec![PublicKey::from_pem(SIGNING_PEM).unwrap()],
        encryption: Some(DecryptionKey::from_pem(ENCRYPTION_PEM).unwrap()),
    }
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// An application with `size` payload bytes that depend on its version.
pub(crate) fn builder(major: u8, size: u32) -> ImageBuilder {
    let mut payload = vec![0; size as usize];
    rng(u64::from(major)).fill_bytes(&mut payload);
    ImageBuilder::new(payload)
        .version(ImageVersion::new(major, 0, 0))
        .header_size(0x200)
        .key(&PrivateKey::from_pem(SIGNING_PEM).unwrap())
}

pub(crate) fn image(major: u8, size: u32) -> Vec<u8> {
    builder(major, size)
        .build(&mut rng(u64::from(major)))
        .unwrap()
}

pub(crate) fn encrypted_builder(major: u8, size: u32) -> ImageBuilder {
    let key = DecryptionKey::from_pem(ENCRYPTION_PEM).unwrap().public();
    builder(major, size).encrypt(&key)
}

pub(crate) fn encrypted_image(major: u8, size: u32) -> Vec<u8> {
    encrypted_builder(major, size)
        // Another stream than the payload's: its first bytes would be the content key.
        .build(&mut rng(u64::from(major) + 100))
        .unwrap()
}

/// Firmware for the network core: payload with fw_info and validation info.
pub(crate) fn network_payload(version: u32, size: usize) -> Vec<u8> {
    let mut code = vec![version as u8; size];
    code[..4].copy_from_slice(&0x2100_8000_u32.to_le_bytes());
    code[4..8].copy_from_slice(&0x0100_9001_u32.to_le_bytes());
    NetworkBuilder::new(code).version(version).build().unwrap()
}

pub(crate) fn network_image(version: u32, size: usize) -> Vec<u8> {
    ImageBuilder::new(network_payload(version, size))
        .version(ImageVersion::new(version as u8, 0, 0))
        .header_size(0x200)
        .key(&PrivateKey::from_pem(SIGNING_PEM).unwrap())
        .build(&mut rng(7))
        .unwrap()
}

/// Where an upload puts an update.
pub(crate) fn upload_offset(mode: Mode) -> u32 {
    if mode == Mode::SwapOffset {
        SECONDARY + SECTOR
    } else {
        SECONDARY
    }
}

pub(crate) fn flash() -> SimFlash {
    SimFlash::new().with_device(DeviceId::AppFlash, APP_FLASH, 4, SECTOR)
}

/// Flash with a running image and an update that is not marked.
pub(crate) fn flash_with(mode: Mode, running: &[u8], update: &[u8]) -> SimFlash {
    let mut flash = flash();
    flash.edit(DeviceId::AppFlash, PRIMARY, running);
    flash.edit(DeviceId::AppFlash, upload_offset(mode), update);
    flash
}

pub(crate) fn boot_with_console(config: &Config, flash: &mut SimFlash) -> (Outcome, Vec<LogLine>) {
    let mut console = Vec::new();
    let outcome = boot(config, &keys(), flash, &mut |line| console.push(line)).unwrap();
    (outcome, console)
}

/// Boots without a cut; the major version that starts, `None` when nothing does.
pub(crate) fn booted_major(config: &Config, flash: &mut SimFlash) -> Option<u8> {
    flash.power_up();
    match boot(config, &keys(), flash, &mut |_| {}).unwrap().result {
        BootResult::Boot(image) => Some(image.version.major),
        _ => None,
    }
}

pub(crate) fn lines<T: ToString>(things: &[T]) -> String {
    things
        .iter()
        .map(|thing| thing.to_string() + "\n")
        .collect()
}
