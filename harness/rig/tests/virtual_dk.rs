//! The probe session against the virtual DK, as the runner uses it: through probe-rs and TCP.

mod bench;

use bench::{Bench, DEMCR, DHCSR, FORCEOFF, HEARTBEAT, image, noise, program, word};
use hil_clock::{SharedClock, SimClock, SystemClock};
use hil_rig::{Core, ProbeSession, ProgramOptions, ProgramPhase, Recover, Rest, RigError};
use probe_rs::Permissions;
use probe_rs::flashing::DownloadOptions;
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, WireProtocol};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::{Power, bus};

const UICR_APPROTECT: u32 = 0x00FF_8000;

#[test]
fn both_cores_hold_the_image_and_the_chip_boots_once() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    let (app, net) = (noise(10_000, 1), noise(5_000, 2));
    let image = image(&[(0xC000, &app), (0x0100_8800, &net)]);
    let mut phases = Vec::new();
    let programmed = probe
        .program(&image, &ProgramOptions::default(), &mut |progress| {
            assert!(progress.done <= progress.total);
            if phases.last() != Some(&progress.phase) {
                phases.push(progress.phase);
            }
        })
        .unwrap();
    assert_eq!(
        (programmed.pages, programmed.changed, programmed.erased),
        (3 + 3, 6, 0)
    );
    assert_eq!(programmed.verified, 3 * 4096 + 3 * 2048);
    assert_eq!(
        phases,
        [
            ProgramPhase::Comparing,
            ProgramPhase::Programming,
            ProgramPhase::Verifying
        ]
    );
    assert_eq!(probe.read(Core::App, 0xC000, 10_000).unwrap(), app);
    assert_eq!(probe.read(Core::Net, 0x0100_8800, 5_000).unwrap(), net);
    let app_starts = bench.firmware.starts().0;
    bench.wait_until("the heart beats again", || {
        word(&probe, Core::App, HEARTBEAT) > 0
    });
    assert_eq!(
        bench.firmware.starts().0,
        app_starts,
        "reading does not start anything"
    );
    assert_eq!(
        word(&probe, Core::App, DHCSR) & 0x0002_0003,
        0,
        "the core runs without halting debug"
    );
    assert_eq!(word(&probe, Core::App, DEMCR), 0);
    assert_eq!(
        word(&probe, Core::App, FORCEOFF),
        1,
        "the network core waits for the firmware"
    );
}

#[test]
fn an_unchanged_image_is_verified_without_a_flash_operation() {
    let bench = Bench::new();
    let probe = bench.probe();
    let data = noise(20_000, 3);
    let image = image(&[(0, &data), (0x0100_0000, &data)]);
    program(&probe, &image);
    let before = bench.wears();
    let again = program(&probe, &image);
    assert_eq!((again.changed, again.erased), (0, 0));
    assert_eq!(again.verified, 5 * 4096 + 10 * 2048);
    assert_eq!(bench.wears(), before);
}

#[test]
fn only_pages_that_differ_are_erased_and_written() {
    let bench = Bench::new();
    let probe = bench.probe();
    let mut data = noise(0x8000, 4);
    program(&probe, &image(&[(0x4000, &data)]));
    let before = bench.dk.flash_wear(bus::Core::App);
    data[0x3001] ^= 0x40;
    let again = program(&probe, &image(&[(0x4000, &data)]));
    assert_eq!((again.pages, again.changed, again.erased), (8, 1, 1));
    let after = bench.dk.flash_wear(bus::Core::App);
    assert_eq!(after.page_erases - before.page_erases, 1);
    assert_eq!(after.word_writes - before.word_writes, 1024);
    assert_eq!(after.writes_beyond_limit, 0);
    assert_eq!(probe.read(Core::App, 0x4000, 0x8000).unwrap(), data);
}

#[test]
fn the_rest_of_a_page_becomes_blank_and_other_pages_keep_what_they_hold() {
    let bench = Bench::new();
    let probe = bench.probe();
    program(&probe, &image(&[(0x0100_0000, &noise(0x1800, 5))]));
    program(&probe, &image(&[(0x0100_0900, &[1, 2, 3])]));
    let held = probe.read(Core::Net, 0x0100_0000, 0x1800).unwrap();
    let old = noise(0x1800, 5);
    assert_eq!(held[..0x800], old[..0x800]);
    assert!(held[0x800..0x900].iter().all(|&byte| byte == 0xFF));
    assert_eq!(held[0x900..0x904], [1, 2, 3, 0xFF]);
    assert_eq!(held[0x1000..], old[0x1000..]);
}

#[test]
fn erasing_the_rest_leaves_only_the_image() {
    let bench = Bench::new();
    let probe = bench.probe();
    program(
        &probe,
        &image(&[
            (0x8_0000, &noise(0x3000, 6)),
            (0x0102_0000, &noise(0x1000, 7)),
        ]),
    );
    let options = ProgramOptions {
        rest: Rest::Erase,
        ..ProgramOptions::default()
    };
    let kept = noise(100, 8);
    let programmed = probe
        .program(&image(&[(0, &kept)]), &options, &mut |_| {})
        .unwrap();
    assert_eq!(
        (programmed.pages, programmed.erased, programmed.changed),
        (384, 7, 7)
    );
    let app = probe.read(Core::App, 0, 0x10_0000).unwrap();
    assert_eq!(app[..100], kept);
    assert!(app[100..].iter().all(|&byte| byte == 0xFF));
    probe.erase().unwrap();
    assert_eq!(probe.read(Core::App, 0, 100).unwrap(), [0xFF; 100]);
}

#[test]
fn reading_does_not_disturb_either_core() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    let first = word(&probe, Core::App, HEARTBEAT);
    probe.read(Core::App, 0, 0x10_0000).unwrap();
    probe.identity().unwrap();
    bench.wait_until("the heart beats", || {
        word(&probe, Core::App, HEARTBEAT) > first
    });
    assert_eq!(word(&probe, Core::App, DHCSR) & 0x0002_0001, 0);
    assert_eq!(bench.firmware.starts(), (1, 0));
}

#[test]
fn a_network_core_that_is_held_off_is_held_off_again_after_reading() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    assert_eq!(word(&probe, Core::App, FORCEOFF), 1);
    assert_eq!(probe.read(Core::Net, 0x0100_0010, 16).unwrap(), [0xFF; 16]);
    assert_eq!(word(&probe, Core::App, FORCEOFF), 1);
    assert_eq!(bench.firmware.starts().0, 1);
}

#[test]
fn a_network_core_that_runs_goes_on_while_it_is_read() {
    let bench = Bench::new();
    let probe = bench.probe();
    probe.write_word(Core::App, FORCEOFF, 0).unwrap();
    bench.wait_for_starts(1, 1);
    probe.read(Core::Net, 0x0100_0000, 0x4_0000).unwrap();
    assert_eq!(word(&probe, Core::Net, DHCSR) & 0x0002_0001, 0);
    assert_eq!(bench.firmware.starts(), (1, 1));
}

#[test]
fn a_halted_core_stands_until_it_is_let_go() {
    let bench = Bench::new();
    let probe = bench.probe();
    probe.halt(Core::App).unwrap();
    let beat = word(&probe, Core::App, HEARTBEAT);
    bench.clock.sleep(Duration::from_millis(20));
    assert_eq!(word(&probe, Core::App, HEARTBEAT), beat);
    assert_ne!(word(&probe, Core::App, DHCSR) & 0x0002_0000, 0);
    probe.run(Core::App).unwrap();
    bench.wait_until("the heart beats", || {
        word(&probe, Core::App, HEARTBEAT) > beat
    });
    probe.reset_and_halt(Core::App).unwrap();
    probe.detach().unwrap();
    assert_eq!(word(&probe, Core::App, DHCSR) & 0x0002_0001, 0);
}

#[test]
fn a_reset_starts_the_chip_and_leaves_nothing_of_a_debugger_behind() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    probe.write_word(Core::App, FORCEOFF, 0).unwrap();
    bench.wait_for_starts(1, 1);
    probe.halt(Core::App).unwrap();
    probe.reset().unwrap();
    bench.wait_for_starts(2, 1);
    assert_eq!(word(&probe, Core::App, DHCSR) & 0x0002_0001, 0);
    assert_eq!(word(&probe, Core::App, FORCEOFF), 1);
}

#[test]
fn identity_is_that_of_an_nrf5340() {
    let bench = Bench::new();
    let probe = bench.probe();
    assert_eq!(probe.firmware(), None, "nobody has asked it");
    let identity = probe.identity().unwrap();
    assert_eq!(
        probe.firmware().as_deref(),
        Some("Black Magic Probe (virtual nRF5340 DK)")
    );
    assert_eq!(identity.part, 0x5340);
    assert_eq!(identity.variant, "QKAA");
    assert_ne!(identity.device_id, 0);
}

#[test]
fn a_board_without_power_is_bench_trouble_and_works_again_with_it() {
    let bench = Bench::new();
    let probe = bench.probe();
    program(&probe, &image(&[(0, &[1, 2, 3, 4])]));
    bench.dk.set_power(Power::Off);
    let error = probe.read(Core::App, 0, 4).unwrap_err();
    assert!(matches!(error, RigError::Attach { .. }), "{error:?}");
    bench.dk.set_power(Power::On);
    assert_eq!(probe.read(Core::App, 0, 4).unwrap(), [1, 2, 3, 4]);
}

#[test]
fn uicr_is_programmed_once_and_then_refused() {
    let bench = Bench::new();
    let probe = bench.probe();
    let otp = 0x00FF_8100;
    let programmed = program(&probe, &image(&[(otp, &[0xF0, 0xFF, 0xFF, 0xFF])]));
    assert_eq!(programmed.uicr_words, 1);
    assert_eq!(program(&probe, &image(&[(otp, &[0xF0])])).uicr_words, 0);
    let before = bench.wears();
    let other = image(&[(0, &[9; 4]), (otp, &[0x0F])]);
    let error = probe
        .program(&other, &ProgramOptions::default(), &mut |_| {})
        .unwrap_err();
    insta::assert_snapshot!(error, @"board `dk`: UICR of the application core holds 0xfffffff0 at 0x00ff8100 and cannot become 0xffffff0f without erasing the chip");
    assert_eq!(bench.wears(), before, "refused before anything is changed");
}

#[test]
fn a_locked_board_is_an_error_until_it_is_recovered() {
    let bench = Bench::new();
    program(&bench.probe(), &image(&[(0x1000, &[7; 64])]));
    bench.probe().write_word(Core::App, 0x5003_9504, 1).unwrap();
    bench
        .probe()
        .write_word(Core::App, UICR_APPROTECT, 0)
        .unwrap();
    bench.dk.set_power(Power::Off);
    bench.dk.set_power(Power::On);
    let careful = bench.probe();
    let error = careful.read(Core::App, 0x1000, 4).unwrap_err();
    insta::assert_snapshot!(error, @"the application core of board `dk` is locked: access port protection is on");
    let error = careful
        .program(
            &image(&[(0, &[1; 4])]),
            &ProgramOptions::default(),
            &mut |_| {},
        )
        .unwrap_err();
    assert!(
        matches!(
            error,
            RigError::Locked {
                core: Core::App,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(matches!(
        careful.recover(),
        Err(RigError::RecoverForbidden { .. })
    ));

    let allowed = bench.probe_with(Recover::Allowed);
    allowed.recover().unwrap();
    assert_eq!(allowed.read(Core::App, 0x1000, 64).unwrap(), [0xFF; 64]);
    assert_eq!(word(&allowed, Core::App, UICR_APPROTECT), 0x50FA_50FA);
    bench.dk.set_power(Power::Off);
    bench.dk.set_power(Power::On);
    assert_eq!(careful.read(Core::App, 0x1000, 4).unwrap(), [0xFF; 4]);
}

#[test]
fn verify_names_the_first_byte_that_differs() {
    let bench = Bench::new();
    let probe = bench.probe();
    program(&probe, &image(&[(0x0100_0800, &[1, 2, 3, 4])]));
    probe
        .verify(&image(&[(0x0100_0800, &[1, 2, 3, 4])]))
        .unwrap();
    let error = probe
        .verify(&image(&[(0x0100_0800, &[1, 2, 9, 9])]))
        .unwrap_err();
    insta::assert_snapshot!(error, @"board `dk`: flash of the network core holds 0x03 at 0x01000802, the image has 0x09 (2 bytes differ)");
}

#[test]
fn an_address_where_nothing_answers_is_an_error_and_the_session_goes_on() {
    let bench = Bench::new();
    let probe = bench.probe();
    let error = probe.read(Core::App, 0x3000_0000, 4).unwrap_err();
    insta::assert_snapshot!(error, @"board `dk` failed while reading 4 bytes at 0x30000000 of the application core");
    assert_eq!(probe.read(Core::App, 0x1000, 4).unwrap(), [0xFF; 4]);
}

#[test]
fn a_probe_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let selector = format!("1d50:6018:{}", listener.local_addr().unwrap());
    let clock: SharedClock = Arc::new(SimClock::new());
    let probe =
        ProbeSession::with_probe("dk", selector.parse().unwrap(), Recover::Forbidden, clock);
    let error = probe.reset().unwrap_err();
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "ADDRESS")]}, {
        insta::assert_snapshot!(error, @"board `dk`: probe `1d50:6018:ADDRESS` has not answered for 15s while resetting the chip; the session is lost");
    });
}

#[test]
fn a_probe_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let selector = format!("1d50:6018:{}", listener.local_addr().unwrap());
    drop(listener);
    let clock: SharedClock = Arc::new(SystemClock::new());
    let probe =
        ProbeSession::with_probe("dk", selector.parse().unwrap(), Recover::Forbidden, clock);
    let error = probe.identity().unwrap_err();
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "ADDRESS")]}, {
        insta::assert_snapshot!(error, @"cannot open probe `1d50:6018:ADDRESS` of board `dk`");
    });
}

#[test]
fn a_probe_that_another_debugger_uses_is_an_error() {
    let bench = Bench::new();
    let (first, second) = (bench.probe(), bench.probe());
    first.halt(Core::App).unwrap();
    let error = second.identity().unwrap_err();
    assert!(matches!(error, RigError::ProbeOpen { .. }), "{error:?}");
    first.detach().unwrap();
    second.identity().unwrap();
}

/// A stock session lets the core go in the middle of its flash algorithm: a breakpoint is still noted, and the
/// program counter is nowhere. probe-rs reads memory there when it attaches.
#[test]
fn a_core_that_another_debugger_left_astray_can_be_programmed() {
    let bench = Bench::new();
    let selector: DebugProbeSelector = bench.dk.endpoints().probe.parse().unwrap();
    let mut stock = Lister::new().open(selector).unwrap();
    stock.select_protocol(WireProtocol::Swd).unwrap();
    let mut session = stock
        .attach("nRF5340_xxAA_APPONLY", Permissions::new())
        .unwrap();
    let mut loader = session.target().flash_loader();
    loader.add_data(0, &noise(0x2_0000, 1)).unwrap();
    loader
        .commit(&mut session, DownloadOptions::default())
        .unwrap();
    drop(session);
    let data = noise(0x1000, 9);
    program(&bench.probe(), &image(&[(0, &data)]));
    assert_eq!(bench.probe().read(Core::App, 0, 0x1000).unwrap(), data);
}
