//! A trap on a virtual DK that swaps: halts and cuts where the bootloader model says.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod bench;

use bench::staged::{PATIENCE, Staged, planned, units};
use bench::{DEMCR, DHCSR, word};
use hil_bootloader::predict::{Action, Board};
use hil_bootloader::sweep::Sweep;
use hil_bootloader::{Cut, DeviceId, Operation, OperationKind, SimFlash};
use hil_rig::{
    Caught, Class, Core, Edge, Followed, Halted, Instead, Memory, Planned, ProbeSession, RigError,
    Route, Silicon, Tear, Trap, Watch, route,
};
use rstest::rstest;
use std::time::Duration;
use virtual_dk::demo::Variant;
use virtual_dk::{Preload, VirtualDkOptions};

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

#[test]
fn operations_come_in_the_order_that_the_model_says_each_with_a_halt_behind_it() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    staged.stage(&probe);
    let sweep = staged.sweep();
    // Past the first page that is moved: its erase, and its words.
    let expected: Vec<_> = sweep
        .operations()
        .iter()
        .flat_map(|operation| {
            let (class, unit) = match operation.kind {
                OperationKind::Write => (Class::Write, 4),
                OperationKind::Erase => (Class::Erase, PAGE),
            };
            vec![class; (operation.length / unit) as usize]
        })
        .flat_map(|class| [(Some(class), Edge::Before), (None, Edge::After)])
        .take(2500)
        .collect();
    assert!(expected.contains(&(Some(Class::Erase), Edge::Before)));
    let mut trap = probe.trap(Core::App, Watch::Modes);
    trap.arm().unwrap();
    let found: Vec<_> = expected
        .iter()
        .map(|_| {
            let found = halted(trap.next(PATIENCE).unwrap());
            (found.class, found.edge)
        })
        .collect();
    let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(differs, None);
}

#[test]
fn a_halt_in_an_erase_is_told_when_the_flash_has_ended_it() {
    let staged = Staged::at_pace_of_silicon(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    staged.stage(&probe);
    let sweep = staged.sweep();
    let of_pages = |operation: &Operation| operation.kind == OperationKind::Erase;
    let index = sweep.operations().iter().position(of_pages).unwrap();
    let route = route(Silicon::Nrf5340, &planned(sweep.operations()), index + 1, 0).unwrap();
    let reached = probe.reach(&route, PATIENCE).unwrap();
    assert!(reached.stands(), "{:?}", reached.caught());
    let after_erase = Cut {
        ops: index as u32 + 1,
        torn: 0,
    };
    assert_eq!(
        staged.differs(&probe, &sweep.at_cut(after_erase).unwrap()),
        None
    );
}

/// Follows a swap on a board that is prepared for it, when these operations are foretold.
fn followed(staged: &Staged, operations: &[Planned], within: Duration) -> Followed {
    let probe = staged.probe();
    staged.stage(&probe);
    let followed = probe.follow(operations, within, |_, _| Ok(false)).unwrap();
    staged.wait_for(&probe, staged.sweep().end());
    followed
}

#[rstest]
#[case::internal(Staged::new(Variant::SWAP_MOVE_SINGLE_CORE))]
#[case::external(Staged::new(Variant::SWAP_MOVE_EXTERNAL))]
fn a_swap_is_followed_through_every_operation_that_the_model_says(#[case] staged: Staged) {
    let operations = planned(staged.sweep().operations());
    let followed = followed(&staged, &operations, PATIENCE);
    assert_eq!(followed.strayed, None);
    assert_eq!((followed.seen, followed.early), (operations.len(), 0));
}

const SOON: Duration = Duration::from_secs(10);

#[rstest]
#[case::another_page(|operation: &mut Planned| operation.offset += PAGE)]
#[case::a_page_more(|operation: &mut Planned| operation.length += PAGE)]
#[case::another_class(|operation: &mut Planned| operation.class = Class::Write)]
fn a_swap_that_erases_otherwise_than_foretold_strays_there(#[case] otherwise: fn(&mut Planned)) {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let mut operations = planned(staged.sweep().operations());
    let erases = |operation: &Planned| operation.class == Class::Erase;
    let index = operations.iter().rposition(erases).unwrap();
    otherwise(&mut operations[index]);
    let followed = followed(&staged, &operations, SOON);
    // A write may be taken for the one behind it, of the same page.
    assert!((index..=index + 1).contains(&followed.seen), "{followed:?}");
    assert_eq!(followed.strayed.unwrap().index, followed.seen);
}

#[test]
fn an_erasure_that_nobody_foretold_and_an_operation_that_does_not_come_are_strayed_from() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let all = planned(staged.sweep().operations());
    let erases = |operation: &Planned| operation.class == Class::Erase;
    let mut left_out = all.clone();
    left_out.remove(all.iter().rposition(erases).unwrap());
    let strayed = followed(&staged, &left_out, SOON).strayed.unwrap();
    assert_eq!(strayed.instead, Instead::Erased(1));

    let mut in_vain = all.clone();
    in_vain.push(*all.last().unwrap());
    let followed = followed(&staged, &in_vain, SOON);
    assert_eq!(followed.seen, all.len());
    assert!(matches!(
        followed.strayed.unwrap().instead,
        Instead::Missed(_)
    ));
}

#[test]
fn what_is_done_before_its_turn_is_not_waited_for() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    let sweep = staged.sweep();
    let all = planned(sweep.operations());
    // A status word behind its copy is foretold before it.
    let erases = |operation: &Planned| operation.class == Class::Erase;
    let index = all.iter().rposition(erases).unwrap();
    let mut operations = all.clone();
    operations.swap(index, index + 1);
    staged.stage(&probe);
    let followed = probe
        .follow(&operations, PATIENCE, |_, at| Ok(at == index + 1))
        .unwrap();
    assert_eq!(followed.strayed, None);
    assert_eq!((followed.seen, followed.early), (all.len(), 1));
    staged.wait_for(&probe, sweep.end());
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
            points
                .extend(route(Silicon::Nrf5340, operations, index, done).map(|route| (cut, route)));
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

/// A board that stands in the middle of a swap, at its fifth erase.
fn in_the_middle<'a>(staged: &Staged, probe: &'a ProbeSession) -> (Trap<'a>, Halted) {
    staged.stage(probe);
    let mut trap = probe.trap(Core::App, Watch::Erases);
    trap.arm().unwrap();
    let found = halted(trap.nth(5, PATIENCE).unwrap());
    (trap, found)
}

#[test]
fn a_reset_ends_the_boot_where_it_stands_and_the_watchpoints_stay() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    let sweep = staged.sweep();
    let erases = units(sweep.operations(), OperationKind::Erase, PAGE);
    let (mut trap, _) = in_the_middle(&staged, &probe);
    trap.watch(Watch::Modes).unwrap();
    trap.reset().unwrap();
    // The next boot begins with the flash that the cut has left.
    let after = sweep.explorer().visit(erases[4]).unwrap().unwrap();
    let found = halted(trap.next(PATIENCE).unwrap());
    assert_eq!((found.number, found.edge), (1, Edge::Before));
    assert_eq!(staged.differs(&probe, &after.at_cut), None);
    trap.disarm().unwrap();
    staged.wait_for(&probe, &after.after);
}

#[test]
fn a_reset_that_is_the_cut_leaves_nothing_of_the_trap() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    let sweep = staged.sweep();
    let operations = planned(sweep.operations());
    let cut = Cut { ops: 30, torn: 0 };
    staged.stage(&probe);
    let route = route(Silicon::Nrf5340, &operations, 30, 0).unwrap();
    let reached = probe.reach(&route, PATIENCE).unwrap();
    assert!(reached.stands());
    reached.reset().unwrap();
    let after = sweep.explorer().visit(cut).unwrap().unwrap();
    staged.wait_for(&probe, &after.after);
    assert_eq!(word(&probe, Core::App, DHCSR) & 0xF, 0, "halting debug");
    assert_eq!(word(&probe, Core::App, DEMCR), 0);
}

#[test]
fn a_trap_that_is_dropped_lets_the_board_go_on() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    let (trap, _) = in_the_middle(&staged, &probe);
    drop(trap);
    staged.wait_for(&probe, staged.sweep().end());
    assert_eq!(word(&probe, Core::App, DHCSR) & 0xF, 0);
}

#[test]
fn a_trap_whose_connection_is_lost_lets_the_board_go_on_over_another_one() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    let (trap, _) = in_the_middle(&staged, &probe);
    probe.forget();
    drop(trap);
    staged.wait_for(&probe, staged.sweep().end());
}

#[test]
fn power_that_fails_while_a_halt_is_waited_for_is_an_error_long_before_the_deadline() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    let (mut trap, _) = in_the_middle(&staged, &probe);
    staged.dk.set_power(virtual_dk::Power::Off);
    let error = trap.next(Duration::from_secs(3600)).unwrap_err();
    let unreachable = matches!(error, RigError::Access { .. } | RigError::Attach { .. });
    assert!(unreachable, "{error}");
    trap.power_lost();
    staged.dk.set_power(virtual_dk::Power::On);
    staged.wait_for(&probe, staged.sweep().end());
}

#[test]
fn a_boot_that_is_over_misses_the_halt_and_says_what_the_core_does() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    staged.stage(&probe);
    let pages = units(staged.sweep().operations(), OperationKind::Erase, PAGE).len() as u64;
    let mut trap = probe.trap(Core::App, Watch::Erases);
    trap.arm().unwrap();
    halted(trap.nth(pages, PATIENCE).unwrap());
    let caught = trap.next(Duration::from_millis(300)).unwrap();
    let Caught::Missed(missed) = caught else {
        panic!("{caught:?}");
    };
    let text = missed.to_string();
    let told = format!("it has halted {pages} times");
    assert!(
        text.starts_with("the core still runs after ") && text.ends_with(&told),
        "{text}"
    );
}

#[test]
fn a_locked_core_is_an_error_before_anything_is_set() {
    let locked = Preload {
        core: virtual_dk::bus::Core::App,
        address: 0x00FF_8000,
        data: vec![0xFF; 4],
    };
    let options = VirtualDkOptions {
        preload: vec![locked],
        ..VirtualDkOptions::default()
    };
    let staged = Staged::with(Variant::SWAP_MOVE_SINGLE_CORE, options);
    let probe = staged.probe();
    let error = probe.trap(Core::App, Watch::Modes).arm().unwrap_err();
    assert!(matches!(error, RigError::Locked { .. }), "{error}");
}

#[rstest]
#[case::no_words(Core::App, Watch::Stores(0x1001..0x1005))]
#[case::other_flash(Core::Net, Watch::store_at(0x1000))]
#[case::no_qspi(Core::Net, Watch::ExternalTasks)]
#[case::held_off(Core::Net, Watch::Erases)]
fn what_a_core_does_not_have_is_refused(#[case] core: Core, #[case] watch: Watch) {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    probe.reset_and_halt(Core::App).unwrap();
    let error = probe.trap(core, watch).arm().unwrap_err();
    assert!(matches!(error, RigError::BadRequest { .. }), "{error}");
}

#[test]
fn a_second_debugger_is_kept_out_while_a_trap_is_set_and_let_in_afterwards() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let (probe, other) = (staged.probe(), staged.probe());
    let (trap, found) = in_the_middle(&staged, &probe);
    let error = other.reset().unwrap_err();
    assert!(
        matches!(error, RigError::ProbeOpen { .. } | RigError::Attach { .. }),
        "{error}"
    );
    assert_eq!(trap.number(), found.number);
    trap.disarm().unwrap();
    other.identity().unwrap();
}

/// Torn by the probe, the board must come to where the bootloader model comes to from the same flash.
#[rstest]
#[case::word(Staged::new(Variant::SWAP_MOVE_SINGLE_CORE), OperationKind::Write, 4)]
#[case::page(
    Staged::new(Variant::SWAP_MOVE_SINGLE_CORE),
    OperationKind::Erase,
    PAGE
)]
#[case::external_sector(Staged::new(Variant::SWAP_MOVE_EXTERNAL), OperationKind::Erase, PAGE)]
fn a_board_recovers_from_an_operation_that_the_probe_has_torn(
    #[case] staged: Staged,
    #[case] kind: OperationKind,
    #[case] unit: u32,
) {
    let probe = staged.probe();
    let sweep = staged.sweep();
    let device = staged.config.images[0].secondary.device;
    let operations = sweep.operations();
    let (index, operation) = operations
        .iter()
        .enumerate()
        .skip(operations.len() / 2)
        .find(|(_, operation)| operation.kind == kind && operation.device == device)
        .unwrap();
    let plan = planned(operations);
    let before = sweep
        .at_cut(Cut {
            ops: index as u32,
            torn: 0,
        })
        .unwrap();
    let done = sweep
        .at_cut(Cut {
            ops: index as u32,
            torn: unit,
        })
        .unwrap();
    let bytes = |flash: &SimFlash| flash.bytes_at(device, operation.offset as usize, unit as usize);

    staged.stage(&probe);
    let reached = probe
        .reach(&route(Silicon::Nrf5340, &plan, index, 0).unwrap(), PATIENCE)
        .unwrap();
    assert!(reached.stands());
    let tear = Tear {
        seed: 7,
        progress: 128,
    };
    let torn = probe
        .leave_torn(plan[index].memory, operation.offset, &bytes(&done), tear)
        .unwrap();
    assert!(torn != bytes(&before) && torn != bytes(&done), "{torn:x?}");
    let mut expected = before;
    expected.edit(device, operation.offset, &torn);
    assert_eq!(staged.differs(&probe, &expected), None);

    staged.cut_power();
    reached.power_lost();
    let mut board = Board::new(&staged.config, staged.keys.clone(), expected);
    board.apply(&Action::Reset).unwrap();
    staged.wait_for(&probe, &board.take_flash());
}

#[test]
fn flash_of_a_core_that_runs_is_not_torn() {
    let staged = Staged::new(Variant::SWAP_MOVE_SINGLE_CORE);
    let probe = staged.probe();
    staged.stage(&probe);
    probe.run(Core::App).unwrap();
    let tear = Tear {
        seed: 7,
        progress: 128,
    };
    let error = probe
        .leave_torn(Memory::App, 0x1000, &[0; 4], tear)
        .unwrap_err();
    assert!(matches!(error, RigError::BadRequest { .. }), "{error}");
}
