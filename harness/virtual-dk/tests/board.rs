//! Firmware on a virtual DK: its serial ports, its supply, its resets, seen from outside.

mod bench;

use bench::{Serial, Supply, attach, flash, greeting_board, program_of, start, try_attach};
use hil_clock::{Clock as _, Instant, ReportedClock, SystemClock};
use probe_rs::{CoreStatus, MemoryInterface, Permissions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use virtual_dk::bus::{Core, CoreBus, Firmware, Stopped};
use virtual_dk::{Power, Speed, VirtualDk, VirtualDkOptions};

/// A board that is off, so that its serial ports can be opened before it says anything.
fn dark_board() -> VirtualDk {
    start(VirtualDkOptions {
        power: Power::Off,
        ..greeting_board()
    })
}

fn app_port(dk: &VirtualDk) -> Serial {
    Serial::open(&dk.endpoints().uart.app)
}

fn net_port(dk: &VirtualDk) -> Serial {
    Serial::open(&dk.endpoints().uart.net)
}

#[test]
fn firmware_speaks_on_the_port_of_its_core_and_hears_what_is_sent_there() {
    let dk = dark_board();
    let (mut app, mut net) = (app_port(&dk), net_port(&dk));
    dk.set_power(Power::On);
    assert_eq!(app.line(), "App 000000a1 reasons 0");
    app.send(b"abc\n");
    assert_eq!(app.line(), "ABC");
    app.send(b"N");
    assert_eq!(net.line(), "Net 000000b1 reasons 800000");
    net.send(b"xyz\n");
    assert_eq!(net.line(), "XYZ");
}

#[test]
fn every_byte_value_passes_unchanged_both_ways() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    // The greeter's commands and letters aside, it echoes what it hears.
    let bytes: Vec<u8> = (0..=255u8)
        .filter(|byte| !b"NRHLB".contains(byte) && !byte.is_ascii_lowercase())
        .cycle()
        .take(20_000)
        .collect();
    for piece in bytes.chunks(500) {
        app.send(piece);
        assert!(app.read_exactly(piece.len()) == piece);
    }
}

#[test]
fn a_power_cycle_starts_the_firmware_again_on_the_same_ports() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    let mut supply = Supply::connect(&dk);
    for _ in 0..3 {
        supply.ask("OUTP ON;*OPC?");
        assert_eq!(app.line(), "App 000000a1 reasons 0");
        app.send(b"still\n");
        assert_eq!(app.line(), "STILL");
        supply.ask("OUTP OFF;*OPC?");
    }
}

#[test]
fn a_reset_by_the_firmware_is_a_soft_reset_of_both_cores() {
    let dk = dark_board();
    let (mut app, mut net) = (app_port(&dk), net_port(&dk));
    dk.set_power(Power::On);
    app.line();
    app.send(b"N");
    net.line();
    app.send(b"R");
    assert_eq!(app.line(), "App 000000a1 reasons 8", "RESETREAS.SREQ");
    app.send(b"N");
    assert_eq!(net.line(), "Net 000000b1 reasons 800000");
}

#[test]
fn what_the_debugger_programs_is_what_runs_after_the_reset() {
    let dk = start(VirtualDkOptions::default());
    let (mut app, mut net) = (app_port(&dk), net_port(&dk));
    let mut session = attach(&dk);
    flash(
        &mut session,
        &[
            (0, &program_of(Core::App, 0x1111)),
            (0x0100_0000, &program_of(Core::Net, 0x2222)),
        ],
    )
    .unwrap();
    session.core(0).unwrap().reset().unwrap();
    assert!(app.line().starts_with("App 00001111"));
    assert!(net.line().starts_with("Net 00002222"));
}

#[test]
fn a_halted_core_is_silent_and_answers_when_it_is_resumed() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    let mut session = attach(&dk);
    {
        let mut core = session.core(0).unwrap();
        core.halt(Duration::from_secs(10)).unwrap();
        assert!(matches!(core.status().unwrap(), CoreStatus::Halted(_)));
        app.send(b"waiting\n");
        core.run().unwrap();
    }
    assert_eq!(app.line(), "WAITING");
}

/// Says so, and erases a page.
struct Eraser;

impl Firmware for Eraser {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        if bus.core() == Core::App && bus.uart_write(b"erasing\n").is_ok() {
            // Once the core is stopped there is nothing more to do either way.
            let _ = bus.flash_erase(0x8000, 0x1000);
        }
        bus.hang()
    }
}

#[test]
fn an_erase_that_is_under_way_ends_although_its_core_is_halted() {
    let options = VirtualDkOptions {
        power: Power::Off,
        // A page takes almost a second.
        speed: Speed::Factor(0.1),
        ..greeting_board()
    };
    let dk = VirtualDk::start(options, Arc::new(Eraser)).unwrap();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    assert_eq!(app.line(), "erasing");
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    core.halt(Duration::from_secs(10)).unwrap();
    // A probe that programs now waits for NVMC.READY.
    let clock = SystemClock::new();
    let deadline = clock.now() + bench::PATIENCE;
    while core.read_word_32(0x5003_9400).unwrap() & 1 == 0 {
        assert!(clock.now() < deadline, "the flash is busy for ever");
    }
}

/// Erases a page, and says how long that was.
struct Stopwatch;

impl Firmware for Stopwatch {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        if bus.core() == Core::Net {
            return bus.hang();
        }
        let mut erase = || -> Result<(), virtual_dk::bus::BusError> {
            let before = bus.uptime()?;
            bus.uart_write(b"erasing\n")?;
            bus.flash_erase(0x8000, 0x1000)?;
            let took = bus.uptime()?.saturating_sub(before);
            bus.uart_write(format!("{}\n", took.as_micros()).as_bytes())?;
            Ok(())
        };
        // Once the core is stopped there is nothing more to do either way.
        let _ = erase();
        bus.hang()
    }
}

#[test]
fn a_board_on_the_clock_of_a_slower_machine_is_as_slow() {
    let clock = ReportedClock::new(Duration::ZERO);
    let options = VirtualDkOptions {
        power: Power::Off,
        clock: Arc::new(clock.clone()),
        speed: Speed::Factor(1.0),
        ..greeting_board()
    };
    let dk = VirtualDk::start(options, Arc::new(Stopwatch)).unwrap();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    assert_eq!(app.line(), "erasing");
    let is_done = AtomicBool::new(false);
    let took: u64 = thread::scope(|scope| {
        scope.spawn(|| {
            let host = SystemClock::new();
            for number in 1..60_000 {
                if is_done.load(Ordering::Acquire) {
                    break;
                }
                clock.report(Instant::START + 100 * number * Duration::from_millis(1));
                host.sleep(Duration::from_millis(1));
            }
        });
        let line = app.line();
        is_done.store(true, Ordering::Release);
        line.parse().unwrap()
    });
    // 87.5 ms, on a clock that knows whole tenths of a second only.
    assert!(took > 0 && took.is_multiple_of(100_000), "{took} us");
}

#[test]
fn firmware_in_lock_up_is_seen_by_the_debugger_and_reset_gets_it_out() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    app.send(b"L");
    let mut session = attach(&dk);
    let mut core = session.core(0).unwrap();
    let clock = SystemClock::new();
    let deadline = clock.now() + bench::PATIENCE;
    while core.status().unwrap() != CoreStatus::LockedUp {
        assert!(clock.now() < deadline, "the core does not lock up");
    }
    core.reset().unwrap();
    assert_eq!(app.line(), "App 000000a1 reasons 8");
}

#[test]
fn hanging_firmware_hears_nothing_until_the_pin_resets_it() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    app.send(b"Hx");
    drop(
        bench::open_probe(&dk)
            .unwrap()
            .attach_under_reset(bench::releasing_target(), Permissions::new())
            .unwrap(),
    );
    assert_eq!(app.line(), "App 000000a1 reasons 1", "RESETREAS.RESETPIN");
}

#[test]
fn firmware_that_does_not_listen_any_more_does_not_jam_its_port_for_ever() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    app.send(b"now\nH");
    assert_eq!(app.line(), "NOW");
    // As much as the board keeps for firmware that does not read.
    app.send(&[b'.'; 4096]);
    dk.set_power(Power::Off);
    dk.set_power(Power::On);
    // Bytes still on the way when the power came are heard by the new firmware.
    while !app.line().starts_with("App 000000a1") {}
    app.send(b"again\n");
    assert!(app.line().ends_with("AGAIN"));
}

#[test]
fn nobody_has_to_read_the_ports() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    // More than all buffers on the way hold comes back, and nobody takes it.
    let flood = vec![b'.'; 4096];
    for _ in 0..100 {
        app.send(&flood);
    }
    app.send(b"R");
    let mut supply = Supply::connect(&dk);
    supply.ask("OUTP OFF;OUTP ON;*OPC?");
    let mut session = attach(&dk);
    assert_eq!(session.core(0).unwrap().read_word_32(0x400).unwrap(), 0xa1);
}

#[test]
fn power_lost_in_the_middle_of_an_erase_leaves_the_page_as_it_was() {
    let mut options = greeting_board();
    // An erase takes 87.5 s here: the power goes during the first one.
    options.speed = Speed::Factor(0.001);
    options.power = Power::Off;
    options.preload.push(virtual_dk::Preload {
        core: Core::App,
        address: 0x8_0000,
        data: vec![0x5a; 4096],
    });
    let dk = start(options);
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    app.send(b"B");
    let mut session = attach(&dk);
    let clock = SystemClock::new();
    let deadline = clock.now() + bench::PATIENCE;
    // NVMC.READY is 0 while the erase runs.
    while session.core(0).unwrap().read_word_32(0x5003_9400).unwrap() != 0 {
        assert!(clock.now() < deadline, "the erase does not begin");
    }
    drop(session);
    dk.set_power(Power::Off);
    dk.set_power(Power::On);
    let mut session = attach(&dk);
    let mut page = vec![0; 4096];
    session.core(0).unwrap().read(0x8_0000, &mut page).unwrap();
    assert!(page == [0x5a; 4096]);
    assert_eq!(dk.flash_wear(Core::App).page_erases, 0);
}

#[test]
fn a_board_in_the_middle_of_an_endless_series_of_writes_can_be_dropped() {
    let dk = dark_board();
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    app.send(b"B");
    let clock = SystemClock::new();
    let deadline = clock.now() + bench::PATIENCE;
    while dk.flash_wear(Core::App).page_erases < 3 {
        assert!(clock.now() < deadline, "nothing is erased");
    }
    drop(dk);
}

#[test]
fn a_limited_uart_is_no_faster_than_its_rate() {
    let dk = start(VirtualDkOptions {
        uart_baud: Some(9600),
        power: Power::Off,
        ..greeting_board()
    });
    let mut app = app_port(&dk);
    dk.set_power(Power::On);
    app.line();
    let clock = SystemClock::new();
    let start = clock.now();
    let sent = vec![b'-'; 500];
    app.send(&sent);
    assert!(app.read_exactly(sent.len()) == sent);
    let took = clock.now().saturating_since(start);
    // 500 bytes at 960 bytes per second, less what the buffers may hold back.
    assert!(took >= Duration::from_millis(500), "{took:?}");
}

#[test]
fn several_clients_share_one_supply() {
    let dk = start(greeting_board());
    let mut first = Supply::connect(&dk);
    let mut second = Supply::connect(&dk);
    assert!(
        first
            .ask("*idn?")
            .starts_with("dfu-hil,virtual DK supply,dk1,")
    );
    assert_eq!(second.ask("OUTPut?"), "1");
    first.tell("OUTP OFF");
    assert_eq!(first.ask("MEAS:CURR?"), "0.000000");
    assert_eq!(second.ask("outp:stat?"), "0");
    assert_eq!(second.ask("MEAS:VOLT?"), "0.0000");
    second.tell("OUTPUT ON");
    assert_eq!(second.ask("OUTP?"), "1");
    let current: f64 = first.ask("MEAS:CURR?").parse().unwrap();
    assert!(current > 0.001, "{current}");
    second.tell("FOO");
    assert_eq!(
        first.ask("SYST:ERR?"),
        "0,\"No error\"",
        "errors are the client's own"
    );
    assert_eq!(second.ask("SYST:ERR?"), "-113,\"Undefined header\"");
}

#[test]
fn sixteen_boards_have_their_own_ports_and_identities() {
    let boards: Vec<VirtualDk> = (1..=16)
        .map(|number| {
            start(VirtualDkOptions {
                name: format!("dk{number}"),
                ..greeting_board()
            })
        })
        .collect();
    let mut identities: Vec<u64> = boards
        .iter()
        .map(|dk| {
            let mut session = try_attach(dk, Permissions::new()).unwrap();
            session.core(0).unwrap().read_word_64(0x00ff_0204).unwrap()
        })
        .collect();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), 16);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let first = start(greeting_board());
    let port = first
        .endpoints()
        .power
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let error = VirtualDk::start(
        VirtualDkOptions {
            power_port: port,
            ..greeting_board()
        },
        Arc::new(bench::Greeter),
    )
    .err()
    .unwrap();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port} for the power supply of `dk1`")
    );
}
