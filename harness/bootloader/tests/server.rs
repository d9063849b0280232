//! What an application's SMP server does to flash for an upload and an erasure, in its order.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{SECONDARY, SECTOR, SLOT, area, config, flash_with, image, keys};
use hil_bootloader::predict::Action;
use hil_bootloader::sweep::Sweep;
use hil_bootloader::{Area, Config, DeviceId, ERASED, Mode, OperationKind, SimFlash};
use rstest::rstest;

/// Kind, offset in the secondary slot, and length of each operation of a request.
fn operations(
    config: &Config,
    flash: &SimFlash,
    request: &Action,
) -> Vec<(OperationKind, u32, u32)> {
    let sweep = Sweep::plan_request(config, keys(), flash, request).unwrap();
    let operations = sweep.operations().iter();
    operations
        .map(|operation| {
            (
                operation.kind,
                operation.offset - SECONDARY,
                operation.length,
            )
        })
        .collect()
}

fn board(config: &Config, old: &[u8]) -> SimFlash {
    flash_with(config.mode, &image(1, 9000), old)
}

fn upload(file: &[u8]) -> Action {
    Action::Upload {
        image: 0,
        file: file.to_vec(),
    }
}

#[test]
fn the_first_chunk_erases_the_sectors_of_the_image_and_of_the_trailer_and_blocks_follow() {
    let config = config(Mode::SwapMove);
    let file = image(2, 5000);
    let operations = operations(&config, &board(&config, &image(3, 9000)), &upload(&file));
    let trailer = SLOT - config.trailer_size().next_multiple_of(SECTOR);
    assert_eq!(SLOT - trailer, SECTOR, "the trailer is in one page");
    assert_eq!(
        operations[..4],
        [
            (OperationKind::Erase, 0, SECTOR),
            (OperationKind::Erase, SECTOR, SECTOR),
            (OperationKind::Erase, trailer, SECTOR),
            (OperationKind::Write, 0, 512),
        ]
    );
    let writes = &operations[3..];
    assert!(
        writes
            .iter()
            .all(|(kind, ..)| *kind == OperationKind::Write)
    );
    assert_eq!(writes.len(), file.len().div_ceil(512));
    let (_, at, length) = *writes.last().unwrap();
    assert_eq!(at + length, (file.len() as u32).next_multiple_of(4));
}

#[test]
fn a_blank_slot_is_not_erased() {
    let config = config(Mode::SwapMove);
    let blank = board(&config, &[ERASED; 4]);
    let file = image(2, 5000);
    let for_upload = operations(&config, &blank, &upload(&file));
    assert_eq!(for_upload[0], (OperationKind::Write, 0, 512));
    let erase = Action::EraseSlot {
        slot: area(SECONDARY, SLOT),
    };
    assert_eq!(operations(&config, &blank, &erase), []);
}

#[test]
fn a_slot_is_erased_page_by_page() {
    let config = config(Mode::SwapMove);
    let erase = Action::EraseSlot {
        slot: area(SECONDARY, SLOT),
    };
    let operations = operations(&config, &board(&config, &image(3, 9000)), &erase);
    let pages = (0..SLOT).step_by(SECTOR as usize);
    let pages: Vec<_> = pages.map(|at| (OperationKind::Erase, at, SECTOR)).collect();
    assert_eq!(operations, pages);
}

/// The driver of an external flash erases in blocks and sectors as it likes.
#[test]
fn a_slot_in_the_external_flash_is_erased_in_one_go() {
    let config = config(Mode::SwapMove);
    let mut flash =
        board(&config, &image(3, 9000)).with_device(DeviceId::External, SLOT, 4, SECTOR);
    flash.edit(DeviceId::External, 0, &image(3, 9000));
    let slot = Area {
        device: DeviceId::External,
        offset: 0,
        size: SLOT,
    };
    let erase = Action::EraseSlot { slot };
    let sweep = Sweep::plan_request(&config, keys(), &flash, &erase).unwrap();
    let found = sweep.operations().iter();
    let found: Vec<_> = found
        .map(|operation| (operation.device, operation.offset, operation.length))
        .collect();
    assert_eq!(found, [(DeviceId::External, 0, SLOT)]);
}

#[rstest]
#[case::swap_move(Mode::SwapMove, 0)]
#[case::swap_offset(Mode::SwapOffset, SECTOR)]
#[case::overwrite(Mode::OverwriteOnly, 0)]
fn an_upload_leaves_the_image_where_the_bootloader_looks_for_it(
    #[case] mode: Mode,
    #[case] start: u32,
) {
    let config = config(mode);
    let file = image(2, 5000);
    let flash = board(&config, &image(3, 9000));
    let sweep = Sweep::plan_request(&config, keys(), &flash, &upload(&file)).unwrap();
    let found = sweep
        .end()
        .bytes_at(DeviceId::AppFlash, (SECONDARY + start) as usize, file.len());
    assert!(found == file);
}

#[test]
fn what_does_not_fit_is_not_taken() {
    let config = config(Mode::SwapMove);
    let flash = board(&config, &image(3, 9000));
    let large = upload(&vec![0; SLOT as usize + 1]);
    assert!(Sweep::plan_request(&config, keys(), &flash, &large).is_err());
}
