//! A bootloader with a mistake that only a power failure shows is found by cutting it everywhere, and the cut that shows
//! it is told.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{config, flash_with, image, keys};
use hil_bootloader::predict::{Action, Board};
use hil_bootloader::sweep::{Campaign, Followed, minimise};
use hil_bootloader::{
    BootResult, Config, Cut, Defect, Mode, OperationKind, Pending, SimFlash, set_pending,
};
use rstest::rstest;

/// A board on which an update waits to be tested.
fn to_be_tested(config: &Config) -> SimFlash {
    let mut flash = flash_with(config.mode, &image(1, 9000), &image(2, 13000));
    set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    flash
}

/// A board on which an update runs that nobody confirmed: the next boot reverts it.
fn to_be_reverted(config: &Config) -> SimFlash {
    let mut board = Board::new(config, keys(), to_be_tested(config));
    board.apply(&Action::Reset).unwrap();
    board.flash()
}

fn with(defect: Option<Defect>) -> Config {
    let mode = match defect {
        Some(Defect::RequestErasedFirst) => Mode::OverwriteOnly,
        Some(Defect::StatusBeforeCopy | Defect::RevertMagicFirst) | None => Mode::SwapMove,
    };
    let mut config = config(mode);
    config.defect = defect;
    config
}

fn before(ops: u32) -> Cut {
    Cut { ops, torn: 0 }
}

/// Whether a board that was cut is not as it would be without: it boots nothing, or has another flash.
fn wrong(followed: &Followed) -> bool {
    let boots = |result: &BootResult| matches!(result, BootResult::Boot(_));
    !followed.same_end
        || !followed
            .step
            .outcome
            .as_ref()
            .is_some_and(|outcome| boots(&outcome.result))
}

/// The cuts of one boot that end wrongly, of all there are.
fn wrong_cuts(config: &Config, flash: &SimFlash) -> (Vec<Cut>, usize) {
    let mut campaign = Campaign::plan(config, keys(), flash).unwrap();
    let count = campaign.first().operations().len();
    let wrong = (0..u32::try_from(count).unwrap())
        .map(before)
        .filter(|cut| wrong(&campaign.follow(&[*cut]).unwrap().unwrap()))
        .collect();
    (wrong, count)
}

#[rstest]
#[case::test(to_be_tested)]
#[case::revert(to_be_reverted)]
fn no_cut_of_a_bootloader_without_a_mistake_ends_wrongly(#[case] flash: fn(&Config) -> SimFlash) {
    let config = with(None);
    let (wrong, count) = wrong_cuts(&config, &flash(&config));
    assert!(count > 30, "{count}");
    assert_eq!(wrong, []);
}

#[rstest]
#[case::status_before_copy(Defect::StatusBeforeCopy, to_be_tested)]
#[case::status_before_copy_in_a_revert(Defect::StatusBeforeCopy, to_be_reverted)]
#[case::revert_magic_first(Defect::RevertMagicFirst, to_be_reverted)]
#[case::request_erased_first(Defect::RequestErasedFirst, to_be_tested)]
fn a_mistake_in_the_order_of_operations_is_found(
    #[case] defect: Defect,
    #[case] flash: fn(&Config) -> SimFlash,
) {
    let config = with(Some(defect));
    let flash = flash(&config);
    let mut board = Board::new(&config, keys(), flash.clone());
    board.apply(&Action::Reset).unwrap();
    let sound = Config {
        defect: None,
        ..config.clone()
    };
    let mut without = Board::new(&sound, keys(), flash.clone());
    without.apply(&Action::Reset).unwrap();
    assert!(
        board.flash().holds_same(&without.flash()),
        "without a cut nobody notices it"
    );

    let (wrong, count) = wrong_cuts(&config, &flash);
    assert!(!wrong.is_empty(), "none of {count}");
    assert!(wrong.len() < count, "not wherever it is cut");
}

/// The status word of a sector is there, the sector is not: the cuts are those before its erasure and before its writes.
#[test]
fn the_cuts_that_show_a_status_word_which_came_too_early_are_those_before_its_copy_is_done() {
    let config = with(Some(Defect::StatusBeforeCopy));
    let flash = to_be_tested(&config);
    let (wrong, _) = wrong_cuts(&config, &flash);
    let campaign = Campaign::plan(&config, keys(), &flash).unwrap();
    let operations = campaign.first().operations();
    let at = |cut: &Cut| operations[cut.ops as usize];
    assert!(
        wrong.iter().any(|cut| at(cut).kind == OperationKind::Erase),
        "{wrong:?}"
    );
    assert!(
        wrong.iter().all(|cut| at(cut).length >= 512),
        "never before a status word: {wrong:?}"
    );
}

#[test]
fn a_list_of_cuts_is_made_as_short_as_the_mistake_allows() {
    let config = with(Some(Defect::StatusBeforeCopy));
    let flash = to_be_tested(&config);
    let (wrong_ones, _) = wrong_cuts(&config, &flash);
    let mut campaign = Campaign::plan(&config, keys(), &flash).unwrap();
    let mut fails = |cuts: &[Cut]| -> Result<bool, hil_bootloader::predict::PredictError> {
        Ok(campaign
            .follow(cuts)?
            .is_some_and(|followed| wrong(&followed)))
    };
    // A cut before anything was done is one that changes nothing.
    let list = [before(0), before(0), wrong_ones[0]];
    assert!(fails(&list).unwrap());
    let least = minimise(&list, &mut fails).unwrap();
    assert_eq!(least, [wrong_ones[0]]);
    assert!(fails(&least).unwrap(), "and it shows it again");
}

/// The same list, one boot after the other on a board of its own.
#[rstest]
fn a_list_of_cuts_is_one_interrupted_boot_after_the_other(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
) {
    let config = config(mode);
    let flash = to_be_tested(&config);
    let cuts = [before(20), Cut { ops: 5, torn: 100 }, before(3)];
    let mut campaign = Campaign::plan(&config, keys(), &flash).unwrap();
    let followed = campaign.follow(&cuts).unwrap().unwrap();
    let mut board = Board::new(&config, keys(), flash);
    for cut in cuts {
        assert!(board.apply(&Action::ResetAndCut(cut)).unwrap().cut);
    }
    assert!(followed.at_cut.holds_same(&board.flash()));
    let step = board.apply(&Action::Reset).unwrap();
    assert!(followed.after.holds_same(&board.flash()));
    assert_eq!(followed.recovery.len() as u32, step.counts.ops());
    assert_eq!(followed.same_end, !wrong(&followed));
}

#[test]
fn a_cut_behind_the_end_of_its_boot_leads_nowhere() {
    let config = with(None);
    let flash = to_be_tested(&config);
    let mut campaign = Campaign::plan(&config, keys(), &flash).unwrap();
    let count = u32::try_from(campaign.first().operations().len()).unwrap();
    assert!(campaign.follow(&[before(count)]).unwrap().is_none());
    assert!(
        campaign
            .follow(&[before(3), before(count * 2)])
            .unwrap()
            .is_none()
    );
    assert!(campaign.follow(&[] as &[Cut]).unwrap().is_none());
}
