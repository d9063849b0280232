//! Data watchpoints as stock probe-rs sees them: set through memory, told as the reason of a halt.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod bench;

use bench::{Serial, attach, greeting_board, start};
use probe_rs::{CoreStatus, HaltReason, MemoryInterface as _};
use std::time::Duration;
use virtual_dk::bus::Core;
use virtual_dk::{Power, Preload, Speed, Torn, VirtualDk, VirtualDkOptions};

const HALT: Duration = Duration::from_secs(60);
const DEMCR: u64 = 0xe000_edfc;
const COMP: u64 = 0xe000_1020;
const FUNCTION: u64 = 0xe000_1028;
const CONFIG: u32 = 0x5003_9504;
const READY: u64 = 0x5003_9400;
/// Where the firmware of these tests erases and writes.
const PAGES: u64 = 0x8_0000;

/// Watches for a store to `address`.
fn watch(core: &mut probe_rs::Core<'_>, address: u32) {
    core.write_word_32(DEMCR, 1 << 24).unwrap();
    core.write_word_32(COMP, address).unwrap();
    // MATCH 5 (writes), ACTION 1 (debug event), DATAVSIZE 2 (word).
    core.write_word_32(FUNCTION, 0x815).unwrap();
}

fn wait_for_watchpoint(core: &mut probe_rs::Core<'_>) {
    core.wait_for_core_halted(HALT).unwrap();
    let status = core.status().unwrap();
    assert_eq!(status, CoreStatus::Halted(HaltReason::Watchpoint));
}

/// A board whose firmware erases a page, writes 16 words to it, and so on, once it is told to.
fn board(options: VirtualDkOptions) -> (VirtualDk, Serial) {
    let dk = start(options);
    let mut app = Serial::open(&dk.endpoints().uart.app);
    dk.set_power(Power::On);
    app.line();
    (dk, app)
}

fn dark() -> VirtualDkOptions {
    VirtualDkOptions {
        power: Power::Off,
        ..greeting_board()
    }
}

#[test]
fn firmware_halts_in_front_of_an_erase_and_goes_on_operation_by_operation() {
    let (dk, mut app) = board(dark());
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    watch(&mut core, CONFIG);
    core.run().unwrap();
    app.send(b"B");
    let wear = || {
        let wear = dk.flash_wear(Core::App);
        (wear.page_erases, wear.word_writes)
    };
    let mut seen = Vec::new();
    for _ in 0..6 {
        wait_for_watchpoint(&mut core);
        seen.push((core.read_word_32(CONFIG.into()).unwrap(), wear()));
        core.run().unwrap();
    }
    // Erase mode, read mode, and for each word write mode and read mode.
    assert_eq!(
        seen,
        [
            (2, (0, 0)),
            (0, (1, 0)),
            (1, (1, 0)),
            (0, (1, 1)),
            (1, (1, 1)),
            (0, (1, 2)),
        ]
    );
}

#[test]
fn a_core_that_halts_in_an_erase_does_not_keep_the_flash_from_ending_it() {
    let page = Preload {
        core: Core::App,
        address: PAGES as u32,
        data: vec![0x5a; 4096],
    };
    let mut options = dark();
    options.preload.push(page);
    // An erase takes a tenth of a second.
    options.speed = Speed::Factor(1.0);
    let (dk, mut app) = board(options);
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    watch(&mut core, PAGES as u32);
    core.run().unwrap();
    app.send(b"B");
    wait_for_watchpoint(&mut core);
    while core.read_word_32(READY).unwrap() == 0 {}
    assert_eq!(core.read_word_32(PAGES).unwrap(), u32::MAX);
    let wear = dk.flash_wear(Core::App);
    assert_eq!(
        (wear.page_erases, wear.word_writes),
        (1, 0),
        "and nothing else"
    );
}

#[test]
fn power_that_fails_at_a_watchpoint_in_an_erase_tears_it() {
    let mut options = dark();
    options.preload.push(Preload {
        core: Core::App,
        address: PAGES as u32,
        data: vec![0x5a; 4096],
    });
    // An erase takes 87 s: the power fails in it.
    options.speed = Speed::Factor(0.001);
    options.torn = Some(Torn {
        seed: 7,
        unstable: false,
    });
    let (dk, mut app) = board(options);
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    watch(&mut core, PAGES as u32);
    core.run().unwrap();
    app.send(b"B");
    wait_for_watchpoint(&mut core);
    drop(core);
    dk.set_power(Power::Off);
    drop(session);
    dk.set_power(Power::On);
    let mut session = attach(&dk);
    let mut page = [0; 4096];
    session.core(0).unwrap().read(PAGES, &mut page).unwrap();
    assert!(page != [0x5a; 4096] && page != [0xff; 4096]);
    assert!(
        page.iter().all(|byte| byte & 0x5a == 0x5a),
        "bits only rise"
    );
}
