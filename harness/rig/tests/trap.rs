//! A trap on a virtual DK that swaps: halts and cuts where the bootloader model says.

mod bench;

use bench::staged::{PATIENCE, Staged, planned, units};
use hil_bootloader::{Cut, OperationKind};
use hil_rig::{Caught, Class, Core, Edge, Halted, Memory, Route, Trap, Watch, route};
use std::time::Duration;
use virtual_dk::demo::Variant;

const PAGE: u32 = 0x1000;

fn halted(caught: Caught) -> Halted {
    match caught {
        Caught::Halted(halted) => halted,
        Caught::Missed(missed) => panic!("{missed}"),
    }
}

fn is_over(trap: &mut Trap<'_>) -> bool {
    matches!(
        trap.next(Duration::from_millis(300)).unwrap(),
        Caught::Missed(_)
    )
}

#[test]
fn a_swap_halts_in_front_of_each_page_that_the_model_says_it_erases() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    staged.stage(&probe);
    let sweep = staged.sweep();
    let erases = units(sweep.operations(), OperationKind::Erase, PAGE);
    let mut trap = probe.trap(Core::App, Watch::Erases);
    trap.arm().unwrap();
    for (number, &cut) in (1..).zip(&erases) {
        let found = halted(trap.next(PATIENCE).unwrap());
        assert_eq!(
            (found.number, found.memory, found.class, found.edge),
            (number, Memory::App, Some(Class::Erase), Edge::Before)
        );
        let expected = sweep.at_cut(cut).unwrap();
        assert_eq!(staged.differs(&probe, &expected), None, "halt {number}");
    }
    assert!(is_over(&mut trap), "{} pages", erases.len());
    trap.disarm().unwrap();
    staged.wait_for(&probe, sweep.end());
}

#[test]
fn a_swap_programs_as_many_words_as_the_model_says() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    staged.stage(&probe);
    let sweep = staged.sweep();
    let words = units(sweep.operations(), OperationKind::Write, 4);
    let mut trap = probe.trap(Core::App, Watch::Words);
    trap.arm().unwrap();
    let all = words.len() as u64;
    let started = staged.clock.now();
    let last = halted(trap.nth(all, PATIENCE).unwrap());
    let took = staged.clock.now() - started;
    println!("{all} halts in {took:?}: {:?} each", took / all as u32);
    assert_eq!(
        (last.number, last.class, last.edge),
        (all, Some(Class::Write), Edge::Before)
    );
    let expected = sweep.at_cut(*words.last().unwrap()).unwrap();
    assert_eq!(staged.differs(&probe, &expected), None);
    assert!(is_over(&mut trap));
}

/// Goes there and cuts the power; gives the number of halts that it took.
fn cut_at(staged: &Staged, probe: &hil_rig::ProbeSession, route: &Route, expected: &Cut) -> u64 {
    let sweep = staged.sweep();
    staged.stage(probe);
    let at_cut = sweep.at_cut(*expected).unwrap();
    let number = match route {
        Route::Start => 0,
        Route::Halt {
            core,
            watch,
            number,
        } => {
            let mut trap = probe.trap(*core, watch.clone());
            trap.arm().unwrap();
            let found = halted(trap.nth(*number, PATIENCE).unwrap());
            assert_eq!(
                staged.differs(probe, &at_cut),
                None,
                "{expected:?} {found:?}"
            );
            staged.cut_power();
            trap.power_lost();
            *number
        }
    };
    if *route == Route::Start {
        staged.cut_power();
        probe.forget();
    }
    let after = sweep.explorer().visit(*expected).unwrap().unwrap();
    staged.wait_for(probe, &after.after);
    number
}

#[rstest::rstest]
#[case::internal(Variant::SWAP_MOVE_SINGLE_CORE)]
#[case::external(Variant::SWAP_MOVE_EXTERNAL)]
fn a_cut_leaves_the_flash_that_the_model_says_and_the_next_boot_recovers(#[case] variant: Variant) {
    let staged = Staged::new(variant);
    let probe = staged.probe();
    let sweep = staged.sweep();
    let operations = planned(sweep.operations());
    let many = operations.len();
    let mut most = 0;
    for index in [
        0,
        1,
        2,
        many / 4,
        many / 2,
        many / 2 + 1,
        many - 2,
        many - 1,
    ] {
        for done in [0, operations[index].length / 2 / 4 * 4] {
            let Some(route) = route(&operations, index, done) else {
                continue;
            };
            let cut = Cut {
                ops: index as u32,
                torn: done,
            };
            most = most.max(cut_at(&staged, &probe, &route, &cut));
        }
    }
    println!("at most {most} halts to one of {many} operations");
}
