//! The external flash of the virtual DK through the probe, as on any board: by the registers of QSPI.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

mod bench;

use bench::{Bench, DHCSR, HEARTBEAT, image, noise, program, word};
use hil_rig::{
    Core, FlashImage, ImageFormat, ProgramOptions, ProgramPhase, RigError, RigFile, RigOptions,
    VirtualLauncher,
};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use virtual_dk::{ExternalPart, Speed, VirtualDkOptions};

const WINDOW: u32 = 0x1000_0000;
/// Where the driver's buffer lies in RAM.
const BUFFER: u32 = 0x2006_0000;
const QSPI: u32 = 0x5002_B000;

fn fast() -> Bench {
    Bench::with(VirtualDkOptions {
        speed: Speed::Instant,
        ..VirtualDkOptions::default()
    })
}

/// Intel HEX of bytes at an address.
fn hex(address: u32, data: &[u8]) -> String {
    let mut text = String::new();
    let mut record = |kind: u8, offset: u16, data: &[u8]| {
        let mut bytes = vec![data.len() as u8, (offset >> 8) as u8, offset as u8, kind];
        bytes.extend_from_slice(data);
        let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_sub(byte));
        bytes.push(sum);
        text.push(':');
        for byte in bytes {
            write!(text, "{byte:02X}").unwrap();
        }
        text.push('\n');
    };
    record(4, 0, &((address >> 16) as u16).to_be_bytes());
    for (piece, data) in data.chunks(16).enumerate() {
        record(0, (address as u16) + 16 * piece as u16, data);
    }
    record(1, 0, &[]);
    text
}

#[test]
fn a_hex_file_for_the_window_is_programmed_beside_both_cores_and_read_back() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    let (app, external) = (noise(5_000, 1), noise(9_000, 2));
    let mut image = image(&[(0xC000, &app), (0x0100_8800, &app)]);
    let text = hex(WINDOW + 0x1000, &external);
    image
        .add_bytes(Path::new("ext.hex"), text.as_bytes(), ImageFormat::Hex)
        .unwrap();
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
        (2 + 3 + 3, 8, 0)
    );
    let phase_of_each = [
        ProgramPhase::Comparing,
        ProgramPhase::Programming,
        ProgramPhase::Verifying,
    ];
    assert_eq!(phases, phase_of_each.repeat(2), "external flash first");
    assert_eq!(probe.read(Core::App, 0xC000, 5_000).unwrap(), app);
    assert_eq!(
        probe.read(Core::App, WINDOW + 0x1000, 9_000).unwrap(),
        external
    );
    assert_eq!(
        probe.read(Core::App, WINDOW + 0x1003, 5).unwrap(),
        external[3..8],
        "no multiples of four"
    );
    probe.verify(&image).unwrap();
    bench.wait_until("the heart beats again", || {
        word(&probe, Core::App, HEARTBEAT) > 0
    });
}

#[test]
fn only_sectors_that_differ_are_erased_and_programmed() {
    let bench = fast();
    let probe = bench.probe();
    let mut data = noise(0x2_0000, 3);
    program(&probe, &image(&[(WINDOW, &data)]));
    let before = bench.dk.external_wear();
    assert_eq!((before.sector_erases, before.page_programs), (0, 512));
    data[0x1_2345] ^= 0x20;
    let again = program(&probe, &image(&[(WINDOW, &data)]));
    assert_eq!((again.pages, again.changed, again.erased), (32, 1, 1));
    let after = bench.dk.external_wear();
    assert_eq!(after.sector_erases - before.sector_erases, 1);
    assert_eq!(after.page_programs - before.page_programs, 16);
    let third = program(&probe, &image(&[(WINDOW, &data)]));
    assert_eq!((third.changed, bench.dk.external_wear()), (0, after));
}

#[test]
fn what_is_to_become_blank_is_erased_and_the_rest_stays() {
    let bench = fast();
    let probe = bench.probe();
    program(&probe, &image(&[(WINDOW, &noise(0x4_0000, 4))]));
    let options = ProgramOptions {
        external: std::iter::once(WINDOW + 0x1_0000..WINDOW + 0x3_0000).collect(),
        ..ProgramOptions::default()
    };
    let kept = noise(64, 5);
    let image = image(&[(WINDOW + 0x1_8000, &kept)]);
    let programmed = probe.program(&image, &options, &mut |_| {}).unwrap();
    assert_eq!((programmed.pages, programmed.erased), (32, 32));
    let held = probe.read(Core::App, WINDOW, 0x4_0000).unwrap();
    let old = noise(0x4_0000, 4);
    assert_eq!(held[..0x1_0000], old[..0x1_0000]);
    assert_eq!(held[0x1_8000..0x1_8040], kept);
    let blank = |range: std::ops::Range<usize>| held[range].iter().all(|&byte| byte == 0xFF);
    assert!(blank(0x1_0000..0x1_8000) && blank(0x1_8040..0x3_0000));
    assert_eq!(held[0x3_0000..], old[0x3_0000..]);
}

#[test]
fn firmware_goes_on_after_a_read_with_ram_and_registers_as_they_were() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    probe.write_word(Core::App, BUFFER, 0x1234_5678).unwrap();
    let registers = probe.read(Core::App, QSPI + 0x500, 0x150).unwrap();
    let pins = probe.read(Core::App, 0x5084_2700, 0x80).unwrap();
    let clock = word(&probe, Core::App, 0x5000_55B8);
    let first = word(&probe, Core::App, HEARTBEAT);
    assert_eq!(
        probe.read(Core::App, WINDOW, 0x1_0000).unwrap(),
        [0xFF; 0x1_0000]
    );
    assert_eq!(word(&probe, Core::App, BUFFER), 0x1234_5678);
    let after = probe.read(Core::App, QSPI + 0x500, 0x150).unwrap();
    // STATUS, and the instruction that was sent last, which would be sent again.
    let differing: Vec<usize> = (0x500..0x650)
        .step_by(4)
        .filter(|offset| registers[offset - 0x500..][..4] != after[offset - 0x500..][..4])
        .collect();
    assert!(
        differing
            .iter()
            .all(|offset| [0x604, 0x634, 0x638].contains(offset)),
        "{differing:x?}"
    );
    assert_eq!(probe.read(Core::App, 0x5084_2700, 0x80).unwrap(), pins);
    assert_eq!(word(&probe, Core::App, 0x5000_55B8), clock);
    bench.wait_until("the heart beats", || {
        word(&probe, Core::App, HEARTBEAT) > first
    });
    assert_eq!(word(&probe, Core::App, DHCSR) & 0x0002_0001, 0);
    assert_eq!(bench.firmware.starts(), (1, 0));
}

#[test]
fn a_core_that_is_halted_stays_halted() {
    let bench = Bench::new();
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    probe.halt(Core::App).unwrap();
    probe.read(Core::App, WINDOW, 0x100).unwrap();
    assert_ne!(word(&probe, Core::App, DHCSR) & 0x0002_0000, 0);
    probe.detach().unwrap();
}

#[test]
fn a_flash_that_firmware_has_sent_to_sleep_is_read_all_the_same() {
    let bench = fast();
    let probe = bench.probe();
    let data = noise(0x1000, 6);
    program(&probe, &image(&[(WINDOW, &data)]));
    let write = |register: u32, value| probe.write_word(Core::App, QSPI + register, value);
    probe.write_word(Core::App, 0x5000_55B8, 0).unwrap();
    for (register, pin) in [(0x524, 17), (0x528, 18), (0x530, 13), (0x534, 14)] {
        write(register, pin).unwrap();
    }
    write(0x500, 1).unwrap();
    write(0x000, 1).unwrap();
    // Deep power-down.
    write(0x634, 0x31B9).unwrap();
    write(0x010, 1).unwrap();
    write(0x500, 0).unwrap();
    assert_eq!(probe.read(Core::App, WINDOW, 0x1000).unwrap(), data);
}

#[test]
fn a_board_on_which_none_is_fitted_is_bench_trouble_and_goes_on() {
    let bench = Bench::with(VirtualDkOptions {
        external: ExternalPart::None,
        ..VirtualDkOptions::default()
    });
    let probe = bench.probe();
    bench.wait_for_starts(1, 0);
    let error = probe.check_external_flash().unwrap_err();
    insta::assert_snapshot!(error, @"the external flash of board `dk` did not answer within 5s while asking the external flash what it is");
    assert_eq!(word(&probe, Core::App, DHCSR) & 0x0002_0001, 0);
    assert_eq!(bench.firmware.starts(), (1, 0));
}

#[test]
fn a_rig_file_that_says_so_keeps_the_board_from_being_asked() {
    let bench = Bench::new();
    let text = format!(
        "rig: bench\nboards:\n  - {{ name: left, external-flash: none, probe: {{ selector: '{}' }} }}\n",
        bench.dk.endpoints().probe
    );
    let file = RigFile::parse(Path::new("bench.yaml"), &text).unwrap();
    let launcher = VirtualLauncher::new("/nonexistent/dfu-hil");
    let mut options = RigOptions::new(Arc::clone(&bench.clock), launcher);
    let leases = tempfile::tempdir().unwrap();
    options.lease_folder = Some(leases.path().to_owned());
    let rig = hil_rig::Rig::open(&file, &options).unwrap();
    let board = rig.board("left").unwrap();
    assert!(!board.has_external_flash());
    let image = image(&[(0, &[1]), (WINDOW, &[1])]);
    let before = bench.dk.flash_wear(virtual_dk::bus::Core::App);
    let program = |image: &FlashImage| {
        board
            .probe()
            .program(image, &ProgramOptions::default(), &mut |_| {})
    };
    let error = program(&image).unwrap_err();
    assert!(matches!(error, RigError::NoExternalFlash { .. }), "{error}");
    assert_eq!(bench.dk.flash_wear(virtual_dk::bus::Core::App), before);
    board.probe().read(Core::App, WINDOW, 4).unwrap_err();
}
