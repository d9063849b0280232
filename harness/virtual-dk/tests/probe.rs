//! Stock probe-rs as the debugger of a virtual DK.

mod bench;

use bench::{
    Supply, attach, attach_stock, flash, flash_base, greeting_board, noise, open_probe,
    open_selector, program_of, proxy, releasing_target, start, try_attach, with_raw_interface,
};
use probe_rs::config::TargetSelector;
use probe_rs::flashing::{FlashProgress, erase_all};
use probe_rs::{CoreStatus, HaltReason, MemoryInterface, Permissions, RegisterId, Session};
use rstest::rstest;
use std::time::Duration;
use virtual_dk::bus::Core;
use virtual_dk::{Accelerators, ForceOffView, Preload, VirtualDkOptions};

const HALT: Duration = Duration::from_secs(10);
const PC: RegisterId = RegisterId(15);
const SP: RegisterId = RegisterId(13);

fn read(session: &mut Session, core: Core, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut core = session.core(number(core)).expect("the core is there");
    core.read(address, &mut bytes).expect("memory is read");
    bytes
}

fn number(core: Core) -> usize {
    match core {
        Core::App => 0,
        Core::Net => 1,
    }
}

fn ram(core: Core) -> u64 {
    [0x2000_0000, 0x2100_0000][number(core)]
}

fn lenient() -> VirtualDkOptions {
    VirtualDkOptions {
        force_off: ForceOffView::Lenient,
        ..VirtualDkOptions::default()
    }
}

/// A board whose UICR closes both cores' ports.
fn locked() -> VirtualDkOptions {
    let mut options = greeting_board();
    for (core, address) in [(Core::App, 0x00ff_8000), (Core::Net, 0x01ff_8000)] {
        options.preload.push(Preload {
            core,
            address,
            data: vec![0xff; 4],
        });
    }
    options
}

#[test]
fn both_cores_are_programmed_verified_and_read_back() {
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    let (app, net) = (noise(24 << 10, 1), noise(10 << 10, 2));
    flash(&mut session, &[(0x4000, &app), (0x0100_0800, &net)]).unwrap();
    assert!(read(&mut session, Core::App, 0x4000, app.len()) == app);
    assert!(read(&mut session, Core::Net, 0x0100_0800, net.len()) == net);
    assert_eq!(dk.flash_wear(Core::App).page_erases, 6);
    assert_eq!(dk.flash_wear(Core::Net).page_erases, 5);
    assert_eq!(dk.flash_wear(Core::App).writes_beyond_limit, 0);
}

#[test]
fn a_tool_that_ignores_force_off_works_on_a_lenient_board() {
    let dk = start(lenient());
    let mut session = attach_stock(&dk, Permissions::new()).unwrap();
    let data = noise(8 << 10, 3);
    flash(&mut session, &[(0, &data)]).unwrap();
    flash(&mut session, &[(0x0100_0000, &data)]).unwrap();
    flash(&mut session, &[(0, &data), (0x0100_0000, &data)]).unwrap();
    assert!(read(&mut session, Core::Net, 0x0100_0000, data.len()) == data);
}

#[test]
fn a_tool_that_ignores_force_off_takes_a_faithful_board_for_a_locked_one() {
    let dk = start(VirtualDkOptions::default());
    let error = attach_stock(&dk, Permissions::new()).err().unwrap();
    assert!(
        format!("{error:?}").contains("MissingPermissions"),
        "{error:?}"
    );
}

#[test]
fn an_application_reset_takes_the_network_port_away_until_force_off_is_released() {
    let dk = start(greeting_board());
    drop(attach(&dk));
    let device_en = |reset: bool| {
        with_raw_interface(&dk, |interface| {
            use probe_rs::architecture::arm::FullyQualifiedApAddress as Ap;
            if reset {
                let mut memory = interface.memory_interface(&Ap::v1_with_default_dp(0))?;
                memory.write_word_32(0xe000_ed0c, 0x05fa_0004)?;
                memory.flush()?;
            }
            let csw = interface.read_raw_ap_register(&Ap::v1_with_default_dp(1), 0)?;
            Ok(csw >> 6 & 1)
        })
        .unwrap()
    };
    assert_eq!(device_en(false), 1, "released when the debugger attached");
    assert_eq!(device_en(true), 0, "after a reset of the application core");
}

#[test]
fn the_chip_is_recognised_without_being_named() {
    let dk = start(lenient());
    let session = open_probe(&dk)
        .unwrap()
        .attach(TargetSelector::Auto, Permissions::new())
        .unwrap();
    assert_eq!(session.target().name, "nRF5340_xxAA");
}

#[rstest]
#[case::app(Core::App)]
#[case::net(Core::Net)]
fn a_reset_with_halt_stops_at_the_entry_of_the_flashed_program(#[case] which: Core) {
    let dk = start(greeting_board());
    let mut session = attach(&dk);
    let mut core = session.core(number(which)).unwrap();
    let information = core.reset_and_halt(HALT).unwrap();
    assert_eq!(information.pc, u64::from(flash_base(which)) + 0x200);
    let stack: u32 = core.read_core_reg(SP).unwrap();
    assert_eq!(u64::from(stack), ram(which) + 0x8000);
    core.write_core_reg(RegisterId(4), 0xdead_beefu32).unwrap();
    let r4: u32 = core.read_core_reg(RegisterId(4)).unwrap();
    assert_eq!(r4, 0xdead_beef);
    core.run().unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Running);
}

#[test]
fn blank_flash_is_a_core_in_lock_up() {
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::LockedUp);
    assert_eq!(core.halt(HALT).unwrap().pc, 0xffff_fffe);
}

#[test]
fn attaching_under_reset_stops_before_the_first_instruction() {
    let dk = start(greeting_board());
    let mut session = open_probe(&dk)
        .unwrap()
        .attach_under_reset(releasing_target(), Permissions::new())
        .unwrap();
    let mut core = session.core(0).unwrap();
    core.halt(HALT).unwrap();
    let pc: u32 = core.read_core_reg(PC).unwrap();
    assert_eq!(pc, 0x200);
    let reasons = core.read_word_32(0x5000_5400).unwrap();
    assert_eq!(reasons & 1, 1, "RESETREAS says pin reset: {reasons:#x}");
}

#[rstest]
#[case::app(Core::App)]
#[case::net(Core::Net)]
fn ram_takes_every_width_and_alignment(#[case] which: Core) {
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    let mut core = session.core(number(which)).unwrap();
    let base = ram(which);
    let data = noise(5000 + 3, 7);
    core.write_8(base + 1, &data).unwrap();
    let mut back = vec![0; data.len()];
    core.read(base + 1, &mut back).unwrap();
    assert!(back == data);
    core.write_word_32(base, 0x1234_5678).unwrap();
    core.write_word_8(base + 2, 0xaa).unwrap();
    core.write_16(base + 4, &[0xbbcc]).unwrap();
    assert_eq!(core.read_word_32(base).unwrap(), 0x12aa_5678);
    assert_eq!(core.read_word_8(base + 5).unwrap(), 0xbb);
    core.write_64(base, &[0x1122_3344_5566_7788]).unwrap();
    assert_eq!(core.read_word_64(base).unwrap(), 0x1122_3344_5566_7788);
}

#[test]
fn an_address_where_nothing_is_faults_and_the_next_access_works() {
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    assert!(core.read_word_32(0x3000_0000).is_err());
    assert!(
        core.read_word_32(0x0100_0000).is_err(),
        "the other core's flash"
    );
    assert_eq!(core.read_word_32(0x00ff_020c).unwrap(), 0x5340);
}

#[rstest]
#[case::app(Core::App)]
#[case::net(Core::Net)]
fn a_program_in_ram_is_stepped_broken_into_and_stopped(#[case] which: Core) {
    let dk = start(VirtualDkOptions::default());
    let mut session = attach(&dk);
    let mut core = session.core(number(which)).unwrap();
    core.reset_and_halt(HALT).unwrap();
    let base = ram(which);
    // movs r0,#0; loop: adds r0,#1; cmp r0,#200; bne loop; nop; bkpt; idle: nop; b idle
    let program = [
        0x2000, 0x3001, 0x28c8, 0xd1fc, 0xbf00, 0xbe00, 0xbf00, 0xe7fd,
    ];
    core.write_16(base, &program).unwrap();
    core.write_core_reg(PC, base as u32).unwrap();
    core.write_core_reg(SP, base as u32 + 0x4000).unwrap();
    assert_eq!(core.step().unwrap().pc, base + 2);
    assert_eq!(core.step().unwrap().pc, base + 4);

    core.set_hw_breakpoint(base + 8).unwrap();
    core.run().unwrap();
    core.wait_for_core_halted(HALT).unwrap();
    let r0: u32 = core.read_core_reg(RegisterId(0)).unwrap();
    let pc: u32 = core.read_core_reg(PC).unwrap();
    assert_eq!((u64::from(pc), r0), (base + 8, 200));

    core.clear_hw_breakpoint(base + 8).unwrap();
    core.run().unwrap();
    core.wait_for_core_halted(HALT).unwrap();
    let status = core.status().unwrap();
    assert!(
        matches!(status, CoreStatus::Halted(HaltReason::Breakpoint(_))),
        "{status:?}"
    );

    core.write_core_reg(PC, base as u32 + 12).unwrap();
    core.run().unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Running);
    let pc = core.halt(HALT).unwrap().pc;
    assert!((base + 12..=base + 14).contains(&pc), "{pc:#x}");
}

#[test]
fn a_locked_part_says_so_and_is_recovered_by_erasing_it() {
    let dk = start(locked());
    let error = attach_stock(&dk, Permissions::new()).err().unwrap();
    assert!(
        format!("{error:?}").contains("MissingPermissions"),
        "{error:?}"
    );

    let mut session = try_attach(&dk, Permissions::new().allow_erase_all()).unwrap();
    let blank = vec![0xff; 0x404];
    assert!(read(&mut session, Core::App, 0, 0x404) == blank);
    assert!(read(&mut session, Core::Net, 0x0100_0000, 0x404) == blank);
    let data = noise(4096, 5);
    flash(&mut session, &[(0, &data), (0x0100_0000, &data)]).unwrap();
    drop(session);

    let mut supply = Supply::connect(&dk);
    supply.ask("OUTP OFF;OUTP ON;*OPC?");
    let error = attach_stock(&dk, Permissions::new()).err().unwrap();
    assert!(
        format!("{error:?}").contains("MissingPermissions"),
        "UICR was erased too, so the part is closed again: {error:?}"
    );
}

#[test]
fn uicr_is_written_through_the_nvmc_and_closes_the_part_at_the_next_power_up() {
    let dk = start(greeting_board());
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    core.halt(HALT).unwrap();
    assert_eq!(core.read_word_32(0x00ff_8000).unwrap(), 0x50fa_50fa);
    assert!(
        core.write_word_32(0x00ff_8000, 0).is_err(),
        "write protected"
    );
    core.write_word_32(0x5003_9504, 1).unwrap();
    core.write_word_32(0x00ff_8000, 0).unwrap();
    core.write_word_32(0x5003_9504, 0).unwrap();
    assert_eq!(core.read_word_32(0x00ff_8000).unwrap(), 0);
    drop(core);
    drop(session);
    drop(attach(&dk));
    Supply::connect(&dk).ask("OUTP OFF;OUTP ON;*OPC?");
    assert!(attach_stock(&dk, Permissions::new()).is_err());
}

#[test]
fn the_uicr_algorithm_programs_uicr() {
    let mut options = VirtualDkOptions::default();
    options.preload.push(Preload {
        core: Core::App,
        address: 0x00ff_8000,
        data: vec![0xff; 0x24],
    });
    // Blank UICR closes the part; opened by ERASEALL, it is programmed before it closes again.
    let dk = start(options);
    let mut session = try_attach(&dk, Permissions::new().allow_erase_all()).unwrap();
    let open = 0x50fa_50fau32.to_le_bytes();
    flash(&mut session, &[(0x00ff_8000, &open), (0x00ff_801c, &open)]).unwrap();
    drop(session);
    Supply::connect(&dk).ask("OUTP OFF;OUTP ON;*OPC?");
    let mut session = attach(&dk);
    assert_eq!(read(&mut session, Core::App, 0x00ff_8000, 4), open);
}

#[test]
fn erasing_the_chip_leaves_both_flashes_blank_and_the_part_open() {
    let dk = start(lenient());
    let mut session = attach_stock(&dk, Permissions::new().allow_erase_all()).unwrap();
    flash(&mut session, &[(0x1000, &[0; 64]), (0x0100_1000, &[0; 64])]).unwrap();
    erase_all(&mut session, &mut FlashProgress::empty(), false).unwrap();
    assert!(read(&mut session, Core::App, 0x1000, 64) == [0xff; 64]);
    assert!(read(&mut session, Core::Net, 0x0100_1000, 64) == [0xff; 64]);
    assert_eq!(
        read(&mut session, Core::App, 0x00ff_8000, 4),
        0x50fa_50fau32.to_le_bytes()
    );
}

#[rstest]
#[case::while_connecting(200)]
#[case::while_programming(20_000)]
fn a_debugger_that_dies_leaves_a_board_that_the_next_one_can_use(#[case] bytes: usize) {
    let dk = start(greeting_board());
    let address = dk
        .endpoints()
        .probe
        .trim_start_matches("1d50:6018:")
        .to_owned();
    let port = proxy::cutting_proxy(address, bytes);
    let data = noise(32 << 10, 9);
    // On a thread of its own: probe-rs 0.32.0 panics when the connection breaks while it still moves bits.
    let doomed = data.clone();
    let died = std::thread::spawn(move || {
        let probe = open_selector(&format!("1d50:6018:127.0.0.1:{port}")).unwrap();
        let mut session = probe
            .attach(releasing_target(), Permissions::new())
            .unwrap();
        flash(&mut session, &[(0x8000, &doomed)]).unwrap();
    });
    assert!(died.join().is_err(), "the connection was cut");

    let mut session = attach(&dk);
    flash(&mut session, &[(0x8000, &data)]).unwrap();
    assert!(read(&mut session, Core::App, 0x8000, data.len()) == data);
}

#[test]
fn a_second_debugger_is_refused_at_once_and_the_first_one_stays() {
    let dk = start(greeting_board());
    let mut session = attach(&dk);
    assert!(open_probe(&dk).is_err());
    assert_eq!(read(&mut session, Core::App, 0x400, 1), [0xa1]);
    drop(session);
    drop(attach(&dk));
}

#[test]
fn without_power_the_probe_answers_and_the_target_does_not() {
    let dk = start(greeting_board());
    Supply::connect(&dk).ask("OUTP OFF;*OPC?");
    let probe = open_probe(&dk).expect("the probe has its own supply");
    assert!(
        probe
            .attach(releasing_target(), Permissions::new())
            .is_err()
    );
    Supply::connect(&dk).ask("OUTP ON;*OPC?");
    drop(attach(&dk));
}

#[test]
fn power_lost_during_a_session_makes_it_fail_and_not_hang() {
    let dk = start(greeting_board());
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    core.read_word_32(0x400).unwrap();
    Supply::connect(&dk).ask("OUTP OFF;*OPC?");
    assert!(core.read_word_32(0x400).is_err());
}

#[test]
fn bit_by_bit_the_debug_port_gives_the_same_flash() {
    let dk = start(VirtualDkOptions {
        accelerators: Accelerators::Off,
        ..greeting_board()
    });
    let mut session = attach(&dk);
    let data = noise(2048, 11);
    flash(&mut session, &[(0x0100_2000, &data)]).unwrap();
    assert!(read(&mut session, Core::Net, 0x0100_2000, data.len()) == data);
    assert_eq!(
        read(&mut session, Core::App, 0, 0x404),
        program_of(Core::App, 0xa1)
    );
}

#[test]
fn a_button_is_pressed_over_scpi_and_seen_at_its_pin_through_the_probe() {
    let dk = start(greeting_board());
    let mut supply = Supply::connect(&dk);
    let mut session = attach(&dk);
    let mut core = session.core(0).expect("the core is there");
    core.halt(HALT).expect("it halts");
    // P0.23 becomes an input with a pull-up.
    let pin_config = 0x5084_2700 + 4 * 23;
    core.write_word_32(pin_config, 0b1100)
        .expect("PIN_CNF is written");
    let mut is_low = || {
        let levels = core.read_word_32(0x5084_2510).expect("IN is read");
        levels & 1 << 23 == 0
    };
    assert!(!is_low());
    assert_eq!(supply.ask("BUTT1 ON;BUTT1?"), "1");
    assert!(is_low());
    assert_eq!(
        supply.ask("OUTP OFF;OUTP ON;BUTT1?"),
        "1",
        "it is still pressed"
    );
    assert_eq!(supply.ask("BUTT1 OFF;BUTT1?;SYST:ERR?"), "0;0,\"No error\"");
}
