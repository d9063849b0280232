//! Every image of the corpus in the secondary slot of a virtual DK: the board installs or refuses it as the manifest says.

#[path = "../../../bootloader/tests/common/corpus.rs"]
mod corpus;

use corpus::{Build, Fate, PRIMARY, SECONDARY, entries, read};
use hil_bootloader::{Area, DeviceId, Mode, Pending, SimFlash, set_pending};
use rstest::rstest;

use super::sim::SimBoard;
use crate::model::{Binary, ConsoleOutput, McubootModel, Model, Secret};

/// A board with the bootloader that the image was made for, an older image, and the image with its request.
fn board(build: &Build, secondary: &[u8]) -> SimBoard {
    let model = McubootModel {
        version: "test".to_owned(),
        config: build.config.clone(),
        signing_keys: vec![build.signing.clone()],
        encryption_key: build.decryption.clone().map(Secret::new),
        console: ConsoleOutput::Log,
        undescribed: None,
    };
    let board = SimBoard::new();
    board.program(0, &Binary::new(Model::Mcuboot(model), 0, PRIMARY).build());
    board.program(PRIMARY, &build.running);
    board.program(SECONDARY, secondary);
    board
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
    for entry in entries() {
        let bytes = read(&entry.file);
        let build = Build::of(&entry, mode, &bytes);
        let mut slot = SimFlash::new().with_device(
            DeviceId::AppFlash,
            SECONDARY + entry.slot(),
            4,
            corpus::SECTOR,
        );
        let (offset, placed) = entry.placed(mode, &bytes);
        slot.edit(DeviceId::AppFlash, SECONDARY + offset, placed);
        if !entry.is_requested(mode) {
            set_pending(&build.config, &mut slot, 0, Pending::Test).expect("the slot is erased");
        }
        let Area { offset, size, .. } = build.config.images[0].secondary;
        let slot = slot.bytes_at(DeviceId::AppFlash, offset as usize, size as usize);
        let boot = board(&build, &slot).boot(&[]);
        let version = match entry.fate(mode) {
            Fate::Installed => entry.version().expect("it has a header"),
            Fate::Refused | Fate::NoImage => "1.0.0".to_owned(),
        };
        let number = version.split('+').next().unwrap_or_default();
        assert!(
            boot.shows(&format!("I: Image version: v{number}"))
                && boot.shows("I: Jumping to the first image slot"),
            "{}, {mode}: {:#?}",
            entry.file,
            boot.console
        );
    }
}
