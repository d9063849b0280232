//! Rigs of several kinds of boards, opened as the runner opens them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

use hil_clock::{SharedClock, SystemClock};
use hil_rig::{Core, PowerKind, PowerLoss, Rig, RigError, RigFile, RigOptions, VirtualLauncher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use virtual_dk::bus::{CoreBus, Firmware, Stopped};
use virtual_dk::{VirtualDk, VirtualDkOptions};

#[derive(Debug)]
struct Idle;

impl Firmware for Idle {
    fn run(&self, bus: &mut dyn CoreBus) -> Stopped {
        bus.hang()
    }
}

struct Bench {
    dk: VirtualDk,
    leases: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            dk: VirtualDk::start(VirtualDkOptions::default(), Arc::new(Idle)).unwrap(),
            leases: tempfile::tempdir().unwrap(),
        }
    }

    /// A rig file that names the DK's endpoints, as one for a board on a bench does.
    fn file(&self, power: &str) -> RigFile {
        let endpoints = self.dk.endpoints();
        let text = format!(
            "rig: bench\nboards:\n  - name: left\n    probe: {{ selector: '{}' }}\n    uart:\n      app: {{ path: {} }}\n    power: {power}\n",
            endpoints.probe,
            endpoints.uart.app.display(),
        );
        RigFile::parse(Path::new("bench.yaml"), &text).unwrap()
    }

    fn scpi(&self) -> RigFile {
        self.file(&format!(
            "{{ scpi: {{ address: '{}' }} }}",
            self.dk.endpoints().power
        ))
    }

    fn options(&self) -> RigOptions {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let mut options = RigOptions::new(clock, VirtualLauncher::new("/nonexistent/dfu-hil"));
        options.lease_folder = Some(self.leases.path().to_owned());
        options
    }
}

#[test]
fn a_power_cycle_through_scpi_takes_what_is_in_ram() {
    let bench = Bench::new();
    let rig = Rig::open(&bench.scpi(), &bench.options()).unwrap();
    let board = rig.board("left").unwrap();
    let power = board.power();
    assert_eq!(
        (power.kind(), power.power_loss()),
        (PowerKind::Scpi, PowerLoss::Real)
    );
    board
        .probe()
        .write_word(Core::App, 0x2000_4000, 0x600D_600D)
        .unwrap();
    power.cycle(Duration::from_millis(10)).unwrap();
    assert_ne!(
        board.probe().read(Core::App, 0x2000_4000, 4).unwrap(),
        0x600D_600Du32.to_le_bytes()
    );
}

#[test]
fn a_board_without_a_switch_is_reset_instead() {
    let bench = Bench::new();
    let rig = Rig::open(&bench.file("reset-only"), &bench.options()).unwrap();
    let board = &rig.boards()[0];
    let power = board.power();
    assert_eq!(
        (power.kind(), power.power_loss()),
        (PowerKind::ResetOnly, PowerLoss::ResetInstead)
    );
    board.probe().write_word(Core::App, 0x5000_5614, 0).unwrap();
    power.cycle(Duration::from_millis(10)).unwrap();
    let force_off = board.probe().read(Core::App, 0x5000_5614, 4).unwrap();
    assert_eq!(
        force_off,
        [1, 0, 0, 0],
        "the reset has switched the network core off"
    );
    insta::assert_snapshot!(power.off().unwrap_err(), @"board `left` has no power switch: its rig file says `reset-only`");
}

#[test]
fn a_serial_port_is_found_or_named() {
    let bench = Bench::new();
    let rig = Rig::open(&bench.scpi(), &bench.options()).unwrap();
    let board = &rig.boards()[0];
    assert_eq!(
        board.uart(Core::App).unwrap().path,
        bench.dk.endpoints().uart.app
    );
    assert!(!board.has_uart(Core::Net));
    insta::assert_snapshot!(board.uart(Core::Net).unwrap_err(), @"board `left` has no serial port for the network core in its rig file");
}

#[test]
fn a_board_is_leased_while_its_rig_is_open() {
    let bench = Bench::new();
    let rig = Rig::open(&bench.scpi(), &bench.options()).unwrap();
    let error = Rig::open(&bench.scpi(), &bench.options()).unwrap_err();
    assert!(matches!(error, RigError::BoardInUse { .. }), "{error:?}");
    drop(rig);
    Rig::open(&bench.scpi(), &bench.options()).unwrap();
}

#[test]
fn a_board_that_is_not_in_the_rig_is_answered_with_those_that_are() {
    let bench = Bench::new();
    let rig = Rig::open(&bench.scpi(), &bench.options()).unwrap();
    insta::assert_snapshot!(rig.board("right").unwrap_err(), @"rig `bench` has no board `right`; it has `left`");
}

#[test]
fn a_virtual_board_whose_program_is_missing_is_an_error() {
    let bench = Bench::new();
    let file = RigFile::parse(
        Path::new("v.yaml"),
        "rig: v\nboards:\n  - { name: dk, virtual: {} }\n",
    )
    .unwrap();
    let error = Rig::open(&file, &bench.options()).unwrap_err();
    insta::assert_snapshot!(error, @"cannot start virtual board `dk` with `/nonexistent/dfu-hil`");
}

/// A launcher that hands out the endpoints of a DK of this process, under the name of a child.
#[cfg(unix)]
fn launcher(bench: &Bench, boards: usize, then: &str) -> VirtualLauncher {
    let endpoints = bench.dk.endpoints();
    let board = format!(
        r#"{{"name":"dk1","probe":"{}","uart":{{"app":"{}","net":"{}"}},"power":"{}"}}"#,
        endpoints.probe,
        endpoints.uart.app.display(),
        endpoints.uart.net.display(),
        endpoints.power
    );
    let line = format!(r#"{{"boards":[{}]}}"#, vec![board; boards].join(","));
    let mut launcher = VirtualLauncher::new("sh");
    launcher.args = vec![
        "-c".into(),
        format!("echo '{line}'; {then}").into(),
        "virtual-dk".into(),
    ];
    launcher
}

#[cfg(unix)]
#[test]
fn a_virtual_board_is_used_like_any_other() {
    let bench = Bench::new();
    let mut options = bench.options();
    options.launcher = launcher(&bench, 2, "cat > /dev/null");
    let text = "rig: v\nboards:\n  - { name: dk, virtual: { count: 2 } }\n";
    let file = RigFile::parse(Path::new("v.yaml"), text).unwrap();
    let rig = Rig::open(&file, &options).unwrap();
    let names: Vec<&str> = rig.boards().iter().map(hil_rig::Board::name).collect();
    assert_eq!(names, ["dk-1", "dk-2"]);
    let board = rig.board("dk-1").unwrap();
    assert_eq!(board.probe().identity().unwrap().part, 0x5340);
    assert_eq!(board.power().kind(), PowerKind::Scpi);
    assert_eq!(
        board.uart(Core::Net).unwrap().path,
        bench.dk.endpoints().uart.net
    );
}

#[cfg(unix)]
#[test]
fn a_virtual_board_that_has_ended_is_the_reason_of_what_fails_on_it() {
    let bench = Bench::new();
    let mut options = bench.options();
    options.launcher = launcher(&bench, 1, "echo out of memory >&2; exit 9");
    let file = RigFile::parse(
        Path::new("v.yaml"),
        "rig: v\nboards:\n  - { name: dk, virtual: {} }\n",
    )
    .unwrap();
    let rig = Rig::open(&file, &options).unwrap();
    // Its ports are gone with it.
    let Bench { dk, .. } = bench;
    drop(dk);
    let error = rig.boards()[0].probe().identity().unwrap_err();
    insta::assert_snapshot!(error, @"virtual board `dk` has ended by itself: status 9; it wrote: out of memory");
}
