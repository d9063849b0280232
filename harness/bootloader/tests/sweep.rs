//! A sweep is nothing but a quick way to cut every operation of a boot.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{config, encrypting, flash_with, image, keys, signed};
use hil_bootloader::predict::{Action, Board};
use hil_bootloader::sweep::Sweep;
use hil_bootloader::{Config, Cut, Mode, Pending, SimFlash, set_pending};
use rstest::rstest;

fn pending(config: &Config) -> SimFlash {
    let mut flash = flash_with(config.mode, &image(1, 9000), &image(2, 13000));
    set_pending(config, &mut flash, 0, Pending::Test).unwrap();
    flash
}

/// The same cut on a board that knows nothing of other cuts.
fn by_hand(config: &Config, flash: &SimFlash, cut: Cut) -> (SimFlash, SimFlash) {
    let mut board = Board::new(config, keys(), flash.clone());
    board.apply(&Action::ResetAndCut(cut)).unwrap();
    let at_cut = board.flash();
    board.apply(&Action::Reset).unwrap();
    (at_cut, board.flash())
}

#[rstest]
fn each_cut_of_a_sweep_is_the_cut_of_a_single_boot(
    #[values(
        Mode::SwapMove,
        Mode::SwapOffset,
        Mode::SwapScratch,
        Mode::OverwriteOnly
    )]
    mode: Mode,
    #[values(0, 4, 600, 5000)] torn: u32,
) {
    let config = encrypting(signed(config(mode)));
    let flash = pending(&config);
    let sweep = Sweep::plan(&config, keys(), &flash).unwrap();
    let mut explorer = sweep.explorer();
    let count = u32::try_from(sweep.operations().len()).unwrap();
    assert!(count > 20, "{count}");
    // Forwards and backwards: what was recalled from other cuts must not matter.
    for ops in (0..count).step_by(3).chain((0..count).rev().step_by(7)) {
        let cut = Cut { ops, torn };
        let point = explorer.visit(cut).unwrap().unwrap();
        let (at_cut, after) = by_hand(&config, &flash, cut);
        assert!(point.at_cut.holds_same(&at_cut), "{mode:?}, {cut:?}");
        assert!(point.after.holds_same(&after), "{mode:?}, {cut:?}");
        assert_eq!(point.same_end, after.holds_same(sweep.end()));
    }
}

#[test]
fn there_is_no_cut_after_the_last_operation() {
    let config = config(Mode::SwapMove);
    let sweep = Sweep::plan(&config, keys(), &pending(&config)).unwrap();
    let count = u32::try_from(sweep.operations().len()).unwrap();
    assert_eq!(sweep.clean().counts.ops(), count);
    let cut = |ops| Cut { ops, torn: 0 };
    assert!(sweep.explorer().visit(cut(count)).unwrap().is_none());
    assert!(sweep.explorer().visit(cut(count - 1)).unwrap().is_some());
}
