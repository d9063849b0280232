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

#[rstest]
fn what_a_cut_left_is_found_among_the_cuts_of_its_boot_and_not_of_the_next(
    #[values(Mode::SwapMove, Mode::SwapOffset, Mode::SwapScratch)] mode: Mode,
) {
    let config = config(mode);
    let swap = Sweep::plan(&config, keys(), &pending(&config)).unwrap();
    let revert = Sweep::plan(&config, keys(), swap.end()).unwrap();
    let cuts = |sweep: &Sweep<'_>, torn| {
        let count = u32::try_from(sweep.operations().len()).unwrap();
        (0..count)
            .map(|ops| Cut { ops, torn })
            .collect::<Vec<Cut>>()
    };
    for torn in [0, 4] {
        for cut in cuts(&swap, torn) {
            let left = swap.at_cut(cut).unwrap();
            let found = swap.may_have_left(&left);
            assert!(found.contains(&cut.ops), "{mode:?}, {cut:?}: {found:?}");
            let recovery = Sweep::plan(&config, keys(), &left).unwrap();
            let middle = cuts(&recovery, torn)[recovery.operations().len() / 2];
            let later = recovery.at_cut(middle).unwrap();
            assert!(recovery.may_have_left(&later).contains(&middle.ops));
        }
        // What erases what is erased already leaves the end of the swap.
        let reverting: Vec<SimFlash> = cuts(&revert, torn)
            .into_iter()
            .filter_map(|cut| revert.at_cut(cut))
            .filter(|left| !swap.is_over(left))
            .collect();
        assert!(reverting.len() + 5 > revert.operations().len(), "{mode:?}");
        for left in reverting {
            assert_eq!(swap.may_have_left(&left), Vec::<u32>::new(), "{mode:?}");
        }
    }
    assert!(
        swap.is_over(swap.end()) && swap.is_over(&revert.at_cut(Cut { ops: 0, torn: 0 }).unwrap())
    );
}
