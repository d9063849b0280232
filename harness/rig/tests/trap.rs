//! A trap on a virtual DK that swaps: halts and cuts where the bootloader model says.

mod bench;

use bench::staged::{PATIENCE, Staged, planned, units};
use hil_bootloader::sweep::Sweep;
use hil_bootloader::{Cut, DeviceId, Operation, OperationKind};
use hil_rig::{
    Caught, Class, Core, Edge, Halted, Memory, Planned, ProbeSession, Route, Trap, Watch, route,
};
use rstest::rstest;
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

/// Goes there, cuts the power and lets the board recover; gives the number of halts that it took.
fn cut_at(
    staged: &Staged,
    sweep: &Sweep<'_>,
    probe: &ProbeSession,
    route: &Route,
    cut: Cut,
) -> u64 {
    staged.stage(probe);
    let reached = probe.reach(route, PATIENCE).unwrap();
    assert!(reached.stands(), "{:?}", reached.caught());
    let at_cut = sweep.at_cut(cut).unwrap();
    assert_eq!(staged.differs(probe, &at_cut), None, "{cut:?} {route:?}");
    staged.cut_power();
    reached.power_lost();
    let after = sweep.explorer().visit(cut).unwrap().unwrap();
    staged.wait_for(probe, &after.after);
    match route {
        Route::Start => 0,
        Route::Halt { number, .. } => *number,
    }
}

/// Some of the points of a boot, with the way to each: the first and the last ones, and some on the way; in front of an
/// operation, and in the middle of it.
fn points(operations: &[Planned]) -> Vec<(Cut, Route)> {
    let many = operations.len();
    let mut points = Vec::new();
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
            let cut = Cut {
                ops: index as u32,
                torn: done,
            };
            points.extend(route(operations, index, done).map(|route| (cut, route)));
        }
    }
    points
}

#[rstest]
#[case::internal(Staged::new(Variant::SWAP_MOVE_SINGLE_CORE), 2)]
#[case::external(Staged::new(Variant::SWAP_MOVE_EXTERNAL), 100)]
#[case::network(Staged::for_network_core(Variant::SWAP_MOVE_ECDSA_EC256), 2)]
fn a_cut_leaves_the_flash_that_the_model_says_and_the_next_boot_recovers(
    #[case] staged: Staged,
    #[case] most_halts: u64,
) {
    let probe = staged.probe();
    let sweep = staged.sweep();
    for (cut, route) in points(&planned(sweep.operations())) {
        let halts = cut_at(&staged, &sweep, &probe, &route, cut);
        assert!(halts <= most_halts, "{route:?}");
    }
}

#[test]
fn the_network_core_copies_its_update_in_the_steps_that_the_model_says() {
    let staged = Staged::for_network_core(Variant::SWAP_MOVE_ECDSA_EC256);
    let probe = staged.probe();
    let sweep = staged.sweep();
    let of_network = |operation: &&Operation| operation.device == DeviceId::NetFlash;
    let operations: Vec<_> = sweep
        .operations()
        .iter()
        .filter(of_network)
        .copied()
        .collect();
    let pages = units(&operations, OperationKind::Erase, 0x800).len() as u64;
    assert!(pages > 1, "{operations:?}");
    for (number, stands) in [(pages, true), (pages + 1, false)] {
        staged.stage(&probe);
        let route = Route::Halt {
            core: Core::Net,
            watch: Watch::Erases,
            number,
        };
        let within = if stands {
            PATIENCE
        } else {
            Duration::from_millis(300)
        };
        let reached = probe.reach(&route, within).unwrap();
        assert_eq!(reached.stands(), stands, "{:?}", reached.caught());
        if let Some(Caught::Halted(halted)) = reached.caught() {
            assert_eq!((halted.memory, halted.number), (Memory::Net, pages));
        }
        reached.go_on().unwrap();
        staged.wait_for(&probe, sweep.end());
    }
}
