//! Every image of the corpus (made by imgtool, some damaged by hand) in the secondary slot: what becomes of it is what its
//! manifest entry says of a bootloader. The tests of the virtual DK ask the same of a whole board.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;

use corpus::{APP, Build, Entry, Fate, PRIMARY, SCRATCH, SECONDARY, SECTOR, entries, read};
use hil_bootloader::{
    BootResult, ERASED, Encryption, Keys, Mode, Pending, Signature, SimFlash, SwapType, boot,
    set_pending, swap_type,
};
use hil_image::{DecryptionKey, PublicKey};
use rstest::rstest;

/// Puts the image where an update lies, and requests it unless it carries a request itself.
fn staged(build: &Build, entry: &Entry, bytes: &[u8]) -> SimFlash {
    let config = &build.config;
    let mut flash = SimFlash::new().with_device(APP, SCRATCH + 2 * SECTOR, 4, SECTOR);
    flash.edit(APP, PRIMARY, &build.running);
    let (offset, placed) = entry.placed(config.mode, bytes);
    flash.edit(APP, SECONDARY + offset, placed);
    if !entry.is_requested(config.mode) {
        set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    }
    flash
}

fn keys(build: &Build) -> Keys {
    let decryption = build
        .decryption
        .as_deref()
        .map(|text| DecryptionKey::from_pem(text).or_else(|_| DecryptionKey::from_base64(text)));
    Keys {
        signing: vec![PublicKey::from_pem(&build.signing).unwrap()],
        encryption: decryption.map(Result::unwrap),
    }
}

fn boots(build: &Build, flash: &mut SimFlash) -> String {
    match boot(&build.config, &keys(build), flash, &mut |_| {})
        .unwrap()
        .result
    {
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
        let build = Build::of(&entry, mode, &bytes);
        let mut flash = staged(&build, &entry, &bytes);
        let before = secondary(&entry, &flash);
        let booted = boots(&build, &mut flash);
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
        let build = Build::of(&entry, mode, &bytes);
        let mut flash = staged(&build, &entry, &bytes);
        let found = swap_type(&build.config, &mut flash, 0).unwrap();
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
        let mut build = Build::of(&entry, Mode::SwapMove, &bytes);
        build.config.encryption = Encryption::None;
        let mut flash = staged(&build, &entry, &bytes);
        assert_eq!(boots(&build, &mut flash), "1.0.0", "{}", entry.file);
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
    let mut build = Build::of(entry, Mode::SwapMove, &bytes);
    build.config.signature = Signature::None;
    build.running = read("ec256_v0.9.0_4k.bin");
    let mut flash = staged(&build, entry, &bytes);
    assert_eq!(boots(&build, &mut flash), "1.0.0");
}

#[test]
fn a_clear_image_with_an_encrypted_flag_boots_from_the_primary_slot() {
    let entries = entries();
    let entry = entries
        .iter()
        .find(|entry| entry.file == "enc_ec256_clear_v1.0.0_8k.bin")
        .unwrap();
    let bytes = read(&entry.file);
    let build = Build::of(entry, Mode::SwapMove, &bytes);
    let mut flash = SimFlash::new().with_device(APP, SCRATCH, 4, SECTOR);
    flash.edit(APP, PRIMARY, &bytes);
    assert_eq!(boots(&build, &mut flash), "1.0.0");
}
