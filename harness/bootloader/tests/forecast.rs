//! What a board may hold when not everything that happened to it is known, against boards to which exactly that
//! happened.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::*;
use hil_bootloader::predict::{
    Action, Board, Comparison, Forecast, Mark, Match, Mismatch, Request, Sent,
};
use hil_bootloader::{Config, Cut, DeviceId, Mode, SimFlash};
use hil_image::Image;
use rstest::rstest;

const APP: DeviceId = DeviceId::AppFlash;

fn running() -> SimFlash {
    let mut flash = flash();
    flash.edit(APP, PRIMARY, &image(1, 9000));
    flash
}

fn hash(file: &[u8]) -> Vec<u8> {
    let image = Image::parse(file).unwrap();
    image.stored_hash().unwrap().1.value.to_vec()
}

fn same(forecast: &Forecast<'_>, board: &Board<'_>) -> Match {
    match forecast.compare(&board.flash(), &[]) {
        Comparison::Same(found) => found,
        other => panic!("it must be the same: {other:?}"),
    }
}

fn different(forecast: &Forecast<'_>, flash: &SimFlash) -> Mismatch {
    match forecast.compare(flash, &[]) {
        Comparison::Different(mismatch) => *mismatch,
        other => panic!("it must differ: {other:?}"),
    }
}

/// Where in the secondary slot an update lies.
fn upload_start(config: &Config) -> u32 {
    match config.mode {
        Mode::SwapOffset => config.sector_size,
        Mode::SwapMove | Mode::SwapScratch | Mode::OverwriteOnly | Mode::SingleSlot => 0,
    }
}

/// A board with the update uploaded and marked, and its forecast.
fn updated<'a>(config: &'a Config, update: &[u8]) -> (Board<'a>, Forecast<'a>) {
    let mut board = Board::new(config, keys(), running());
    let mut forecast = Forecast::new(config, keys(), running());
    forecast.boot(Some(1..=1)).unwrap();
    forecast.upload(0, update, Sent::Whole).unwrap();
    forecast.mark(&hash(update), Request::Test).unwrap();
    board
        .apply_all(&[
            Action::Reset,
            Action::Program {
                device: APP,
                offset: SECONDARY + upload_start(config),
                bytes: update.to_vec(),
            },
            Action::Mark {
                image: 0,
                mark: Mark::Test,
            },
        ])
        .unwrap();
    (board, forecast)
}

#[rstest]
fn an_update_ends_in_the_flash_that_is_forecast(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
) {
    let config = config(mode);
    let update = image(2, 12000);
    let (mut board, mut forecast) = updated(&config, &update);
    assert_eq!(same(&forecast, &board), Match::default());
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    assert_eq!(same(&forecast, &board), Match::default());
    forecast.mark(&hash(&update), Request::Confirm).unwrap();
    board
        .apply(&Action::Mark {
            image: 0,
            mark: Mark::Confirmed,
        })
        .unwrap();
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    assert_eq!(same(&forecast, &board), Match::default());
}

/// Zephyr from 3.5 on looks first whether the running image is there to stay, which after an overwrite it always is; before,
/// it wrote `image_ok` all the same.
#[rstest]
#[case::a_server_that_looks_first(None, &["the server had nothing to write to confirm the image"])]
#[case::a_server_that_writes(Some(Mark::Confirmed), &[])]
fn a_confirmation_with_nothing_to_confirm_may_be_written_or_not(
    #[case] written: Option<Mark>,
    #[case] assumed: &[&str],
) {
    let config = config(Mode::OverwriteOnly);
    let update = image(2, 12000);
    let (mut board, mut forecast) = updated(&config, &update);
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    forecast.mark(&hash(&update), Request::Confirm).unwrap();
    if let Some(mark) = written {
        board.apply(&Action::Mark { image: 0, mark }).unwrap();
    }
    assert_eq!(same(&forecast, &board).assumed, assumed);
}

/// While the image is on trial the confirmation must be there.
#[test]
fn a_confirmation_of_an_image_on_trial_must_be_written() {
    let config = config(Mode::SwapMove);
    let update = image(2, 12000);
    let (mut board, mut forecast) = updated(&config, &update);
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    forecast.mark(&hash(&update), Request::Confirm).unwrap();
    different(&forecast, &board.flash());
}

/// What was swapped out lies where the next upload does not erase it when the server erases as it goes on.
#[test]
fn an_upload_behind_a_confirmed_swap_offset_may_leave_its_first_sector() {
    let config = config(Mode::SwapOffset);
    let (mut board, mut forecast) = updated(&config, &image(2, 12000));
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    forecast
        .mark(&hash(&image(2, 12000)), Request::Confirm)
        .unwrap();
    board
        .apply(&Action::Mark {
            image: 0,
            mark: Mark::Confirmed,
        })
        .unwrap();
    let next = image(3, 9000);
    forecast.upload(0, &next, Sent::Whole).unwrap();
    let erased_to = (config.sector_size + next.len() as u32).next_multiple_of(config.sector_size);
    for erased_from in [0, config.sector_size] {
        let mut board = Board::new(&config, keys(), board.flash());
        let erase = Action::Erase {
            device: APP,
            offset: SECONDARY + erased_from,
            length: erased_to - erased_from,
        };
        let write = Action::Program {
            device: APP,
            offset: SECONDARY + config.sector_size,
            bytes: next.clone(),
        };
        board.apply_all(&[erase, write]).unwrap();
        same(&forecast, &board);
    }
}

#[rstest]
fn wherever_the_power_failed_the_flash_after_the_next_boot_is_among_those_forecast(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
    #[values(0, 4, 512)] torn: u32,
) {
    let config = config(mode);
    let update = image(2, 12000);
    let (board, mut forecast) = updated(&config, &update);
    forecast.boot_interrupted();
    forecast.boot(Some(1..=1)).unwrap();
    let begin = board.flash();
    let mut ops = 0;
    loop {
        let mut board = Board::new(&config, keys(), begin.clone());
        let step = board
            .apply(&Action::ResetAndCut(Cut { ops, torn }))
            .unwrap();
        board.apply(&Action::Reset).unwrap();
        let found = same(&forecast, &board);
        assert_eq!(found.notes.len(), 1, "{found:?}");
        if !step.cut {
            break;
        }
        ops += 1;
    }
    assert!(ops > 20, "a swap takes more than {ops} operations");
}

#[rstest]
#[case::image(PRIMARY + 0x300, "primary slot of image 0 at 0x00000300")]
#[case::unused(SECONDARY + 0x8000, "secondary slot of image 0 at 0x00008000")]
#[case::magic(PRIMARY + SLOT - 16, "primary slot of image 0 at 0x0000fff0, trailer field magic")]
#[case::flag(PRIMARY + SLOT - 24, "primary slot of image 0 at 0x0000ffe8, trailer field image_ok")]
#[case::status(PRIMARY + SLOT - 1584 + 8, "primary slot of image 0 at 0x0000f9d8, swap status entry 2")]
fn a_flipped_bit_is_found_after_any_interruption_and_named_by_the_layout(
    #[case] offset: u32,
    #[case] place: &str,
) {
    let config = config(Mode::SwapMove);
    let (mut board, mut forecast) = updated(&config, &image(2, 12000));
    forecast.boot_interrupted();
    forecast.boot(Some(1..=1)).unwrap();
    forecast.may_have_confirmed_itself().unwrap();
    board
        .apply_all(&[Action::ResetAndCut(Cut { ops: 30, torn: 0 }), Action::Reset])
        .unwrap();
    let mut flash = board.flash();
    let byte = flash.bytes(APP)[offset as usize] ^ 0x04;
    flash.edit(APP, offset, &[byte]);
    let mismatch = different(&forecast, &flash);
    assert_eq!(mismatch.bytes, 1);
    assert_eq!(mismatch.first.offset, offset);
    assert_eq!(mismatch.first.found[0], byte);
    assert_eq!(mismatch.first.place.unwrap().to_string(), place);
}

/// What a cut upload may leave: `written` bytes, `acknowledged` of which the board had said that it took.
#[rstest]
#[case::as_acknowledged(8192, 8192, true)]
#[case::some_more(8192, 10000, true)]
#[case::all(8192, 12000, true)]
#[case::what_was_buffered_is_missing(8192, 7680, true)]
#[case::more_is_missing(8192, 2048, false)]
fn of_a_cut_upload_only_the_end_is_open(
    #[case] acknowledged: u32,
    #[case] written: usize,
    #[case] allowed: bool,
) {
    let config = config(Mode::SwapMove);
    let update = image(2, 12000);
    let mut forecast = Forecast::new(&config, keys(), running());
    forecast
        .upload(0, &update, Sent::Part { acknowledged })
        .unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    let mut flash = running();
    flash.edit(APP, SECONDARY, &update[..written]);
    match forecast.compare(&flash, &[]) {
        Comparison::Same(found) => {
            assert!(allowed);
            assert_eq!(found.left_open.len(), 1, "{found:?}");
        }
        other => assert!(!allowed, "{other:?}"),
    }
    // Not what the image does not have there either.
    flash.edit(APP, SECONDARY + 9000, &[update[9000] ^ 0xff]);
    different(&forecast, &flash);
}

#[test]
fn an_upload_forgets_the_open_end_of_the_one_before() {
    let config = config(Mode::SwapMove);
    let update = image(2, 12000);
    let mut forecast = Forecast::new(&config, keys(), running());
    forecast
        .upload(0, &update, Sent::Part { acknowledged: 6000 })
        .unwrap();
    forecast.upload(0, &update, Sent::Whole).unwrap();
    let mut flash = running();
    flash.edit(APP, SECONDARY, &update);
    assert_eq!(
        forecast.compare(&flash, &[]),
        Comparison::Same(Match::default())
    );
}

#[test]
fn nothing_is_forecast_when_a_swap_moves_the_rest_of_a_cut_upload() {
    let config = config(Mode::SwapMove);
    let small = image(3, 3000);
    let mut forecast = Forecast::new(&config, keys(), running());
    forecast
        .upload(0, &image(2, 30000), Sent::Part { acknowledged: 6000 })
        .unwrap();
    forecast.upload(0, &small, Sent::Whole).unwrap();
    forecast.mark(&hash(&small), Request::Test).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    assert!(matches!(
        forecast.compare(&running(), &[]),
        Comparison::NotKnown(_)
    ));
}

#[test]
fn a_confirmation_that_nobody_asked_for_is_an_assumption_that_is_told() {
    let config = config(Mode::SwapMove);
    let (mut board, mut forecast) = updated(&config, &image(2, 12000));
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    forecast.may_have_confirmed_itself().unwrap();
    assert_eq!(same(&forecast, &board).assumed, Vec::<String>::new());
    board
        .apply(&Action::Mark {
            image: 0,
            mark: Mark::Confirmed,
        })
        .unwrap();
    assert_eq!(
        same(&forecast, &board).assumed,
        ["the application confirmed itself"]
    );
}

#[test]
fn a_confirmation_that_the_board_listed_must_be_in_flash() {
    let config = config(Mode::SwapMove);
    let (mut board, mut forecast) = updated(&config, &image(2, 12000));
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    forecast.listed_confirmed().unwrap();
    let mismatch = different(&forecast, &board.flash());
    assert_eq!(
        mismatch.first.place.unwrap().to_string(),
        "primary slot of image 0 at 0x0000ffe8, trailer field image_ok"
    );
}

#[rstest]
#[case::once(1, "boots after the board was started: 1")]
#[case::twice(2, "boots after the board was started: 2")]
fn boots_that_nobody_counted_are_told_where_they_matter(#[case] boots: usize, #[case] told: &str) {
    let config = config(Mode::SwapMove);
    let (mut board, mut forecast) = updated(&config, &image(2, 12000));
    forecast.boot(None).unwrap();
    board.apply_all(&vec![Action::Reset; boots]).unwrap();
    assert_eq!(same(&forecast, &board).assumed, [told]);
}

#[test]
fn content_keys_in_a_trailer_are_named_and_never_shown() {
    let config = encrypting(config(Mode::SwapMove));
    let update = encrypted_image(2, 12000);
    let (mut board, mut forecast) = updated(&config, &update);
    board.apply(&Action::Reset).unwrap();
    forecast.boot(Some(1..=1)).unwrap();
    same(&forecast, &board);
    let key = PRIMARY + SLOT - 80;
    for (offset, is_key, shown) in [(key - 4, false, 4), (key, true, 0)] {
        let mut flash = board.flash();
        let byte = flash.bytes(APP)[offset as usize] ^ 1;
        flash.edit(APP, offset, &[byte]);
        let mismatch = different(&forecast, &flash);
        assert_eq!(mismatch.first.place.unwrap().is_key(), is_key);
        assert_eq!(mismatch.first.found.len(), shown);
    }
}
