//! Rig files as people write them, and what they are told when something is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

use hil_ble::AdapterId;
use hil_rig::{
    BluetoothSpec, BoardKind, ButtonSpec, Core, Cuts, ExternalFlash, PowerSpec, Ppk2Mode, RamScan,
    Recover, RigFile, ScpiPlace, ScpiWords, Supply, TornSpec, UartPortSpec, UsbSwitch,
};
use rstest::rstest;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

fn parse(text: &str) -> Result<RigFile, hil_rig::RigFileError> {
    RigFile::parse(Path::new("rigs/bench.yaml"), text)
}

/// What a person reads: the message, then the advice.
fn mistake(text: &str) -> String {
    let error = parse(text).unwrap_err();
    match error.help() {
        Some(help) => format!("{error}\nhelp: {help}"),
        None => error.to_string(),
    }
}

const REAL: &str = r#"
rig: bench
description: The rack by the window.
boards:
  - name: left
    description: no shield
    probe: { selector: "1366:1051:001050012345", speed-khz: 4000 }
    uart:
      app: { usb-serial: "001050012345", interface: 2 }
      net: { path: /dev/ttyACM0, baud: 1000000 }
    power: { scpi: { address: "192.168.0.20:5025" } }
    recover: allowed
  - name: right
    probe: { selector: "1366:1051:001050054321" }
    power: { command: { on: [uhubctl, -a, on], off: [uhubctl, -a, off], within-s: 3 } }
  - name: desk
    probe: { selector: "1366:1051:001050000001" }
    power: manual
  - name: bare
    probe: { selector: "1d50:6018:127.0.0.1:3333" }
  - name: simulated
    virtual: { count: 4, speed: 20 }
"#;

#[test]
fn every_kind_of_board_can_be_written() {
    let file = parse(REAL).unwrap();
    assert_eq!(file.name, "bench");
    let powers: Vec<_> = file
        .boards
        .iter()
        .map(|board| match &board.kind {
            BoardKind::Real(real) => Some(real.power.clone()),
            BoardKind::Virtual(_) | BoardKind::Labgrid(_) => None,
        })
        .collect();
    assert_eq!(
        powers,
        [
            Some(PowerSpec::Scpi {
                supply: ScpiPlace::Tcp("192.168.0.20:5025".parse().unwrap()),
                words: ScpiWords::default(),
            }),
            Some(PowerSpec::Command {
                on: vec!["uhubctl".into(), "-a".into(), "on".into()],
                off: vec!["uhubctl".into(), "-a".into(), "off".into()],
                within: Duration::from_secs(3),
            }),
            Some(PowerSpec::Manual),
            Some(PowerSpec::ResetOnly),
            None,
        ]
    );
    let BoardKind::Real(left) = &file.boards[0].kind else {
        panic!()
    };
    assert_eq!(left.probe.selector.serial(), "001050012345");
    assert_eq!(left.probe.speed_khz, Some(4000));
    let app = left.uart(Core::App).unwrap();
    assert_eq!(app.baud, 115_200);
    assert_eq!(
        app.port,
        UartPortSpec::Usb {
            serial: "001050012345".into(),
            interface: 2
        }
    );
    assert_eq!(
        left.uart(Core::Net).unwrap().port,
        UartPortSpec::Path("/dev/ttyACM0".into())
    );
    let BoardKind::Virtual(simulated) = &file.boards[4].kind else {
        panic!()
    };
    assert_eq!(
        (simulated.count, simulated.speed.as_deref()),
        (4, Some("20"))
    );
}

/// A board with this power, and what else is in its entry.
fn powered(power: &str, more: &str) -> String {
    format!(
        "rig: b\nboards:\n  - name: left\n    probe: {{ selector: '1366:1051:1' }}\n    power: {power}\n{more}"
    )
}

fn real(text: &str) -> hil_rig::RealSpec {
    match parse(text).unwrap().boards.remove(0).kind {
        BoardKind::Real(real) => *real,
        BoardKind::Virtual(_) | BoardKind::Labgrid(_) => panic!("it has a probe"),
    }
}

#[test]
fn every_power_driver_can_be_written() {
    let power = |text: &str| real(&powered(text, "")).power;
    let PowerSpec::Scpi { supply, words } = power(
        "{ scpi: { serial: { path: /dev/ttyUSB0, baud: 9600 }, on: 'OUTP CH2,ON', off: 'OUTP CH2,OFF', ask: 'OUTP? CH2', current: false } }",
    ) else {
        panic!()
    };
    assert!(matches!(supply, ScpiPlace::Serial(port) if port.baud == 9600));
    assert_eq!((words.ask.as_str(), words.current), ("OUTP? CH2", None));
    let seconds = Duration::from_secs;
    assert_eq!(
        power("{ usb-port: { hub: 1-1.4, port: 2, by: uhubctl } }"),
        PowerSpec::UsbPort {
            hub: "1-1.4".parse().unwrap(),
            port: 2,
            by: UsbSwitch::Uhubctl {
                program: "uhubctl".to_owned(),
                within: seconds(10)
            },
        }
    );
    assert_eq!(
        power("{ usb-port: { hub: 1-1, companion: 2-1, port: 2, by: sysfs } }"),
        PowerSpec::UsbPort {
            hub: "1-1".parse().unwrap(),
            port: 2,
            by: UsbSwitch::Sysfs {
                companion: Some("2-1".parse().unwrap())
            },
        }
    );
    let PowerSpec::Ppk2 { mode, .. } =
        power("{ ppk2: { usb-serial: D0A1B2C3, interface: 1, mode: ampere } }")
    else {
        panic!()
    };
    assert_eq!(mode, Ppk2Mode::Ampere { millivolts: 3000 });
    assert_eq!(
        power("{ ykush: { serial: YK00001, port: 3, model: ykush3, within-s: 2 } }"),
        PowerSpec::Ykush {
            program: "ykushcmd".to_owned(),
            model: Some("ykush3".to_owned()),
            serial: "YK00001".to_owned(),
            port: 3,
            within: seconds(2),
        }
    );
}

#[test]
fn a_usb_port_takes_the_whole_board_unless_the_file_says_otherwise() {
    let usb = "{ usb-port: { hub: 1-1, port: 2, by: sysfs } }";
    assert_eq!(real(&powered(usb, "")).cuts, Cuts::Board);
    assert_eq!(real(&powered(usb, "    cuts: soc\n")).cuts, Cuts::Soc);
    assert_eq!(real(&powered("manual", "")).cuts, Cuts::Soc);
    assert_eq!(
        real(&powered("manual", "    cuts: board\n")).cuts,
        Cuts::Board
    );
}

#[test]
fn a_virtual_board_can_lose_its_ports_and_have_a_bad_supply() {
    let file =
        parse("rig: b\nboards:\n  - name: dk\n    virtual: { cuts: board, supply: stuck, torn: { seed: 7 } }\n")
            .unwrap();
    let BoardKind::Virtual(simulated) = &file.boards[0].kind else {
        panic!()
    };
    assert_eq!(
        (simulated.cuts, simulated.supply),
        (Cuts::Board, Supply::Stuck)
    );
    assert_eq!(
        simulated.torn,
        Some(TornSpec {
            seed: 7,
            unstable: true
        })
    );
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: dk\n    virtual: {}\n    cuts: board\n"), @"
    rigs/bench.yaml:3:11: boards[0]: found `cuts` beside `virtual`, expected it in there
    help: for example `virtual: { cuts: board }`
    ");
}

#[test]
fn an_emulated_board_names_its_emulator_and_nothing_else() {
    let emulator = |text: &str| {
        let file = parse(text).unwrap();
        let BoardKind::Virtual(emulated) = &file.boards[0].kind else {
            panic!()
        };
        emulated.emulator.clone()
    };
    let board = |qemu| format!("rig: b\nboards:\n  - name: a\n    qemu: {qemu}\n");
    assert_eq!(emulator(&board("{}")), Some("qemu-system-arm".into()));
    assert_eq!(emulator(&board("{ program: /q }")), Some("/q".into()));
    assert_eq!(
        emulator("rig: b\nboards: [{ name: a, virtual: {} }]\n"),
        None
    );
    insta::assert_snapshot!(mistake(&format!("{}    recover: allowed\n", board("{}"))), @"
    rigs/bench.yaml:3:11: boards[0]: found other keys beside `qemu`, expected `name` and `description` only
    help: an emulated board says its own endpoints when it starts
    ");
}

#[rstest]
#[case::no_place("{ scpi: {} }", "found neither `address` nor `serial`")]
#[case::two_places(
    "{ scpi: { address: '1.2.3.4:5', serial: { path: /dev/x } } }",
    "found `address` and `serial`"
)]
#[case::no_question(
    "{ scpi: { address: '1.2.3.4:5', ask: OUTP } }",
    "found `OUTP` as a question"
)]
#[case::two_lines(
    "{ scpi: { address: '1.2.3.4:5', on: \"OUTP ON\\n*RST\" } }",
    "expected one line"
)]
#[case::no_hub("{ usb-port: { hub: ../x, port: 1, by: sysfs } }", "is not a USB hub")]
#[case::port_zero("{ usb-port: { hub: 1-1, port: 0, by: sysfs } }", "found 0")]
#[case::companion(
    "{ usb-port: { hub: 1-1, companion: 2-1, port: 1, by: uhubctl } }",
    "finds the other half"
)]
#[case::program(
    "{ usb-port: { hub: 1-1, port: 1, by: sysfs, program: x } }",
    "starts no program"
)]
#[case::no_port("{ ppk2: { mode: source } }", "expected `usb-serial` and `interface`")]
#[case::voltage("{ ppk2: { path: /dev/x, millivolts: 12000 } }", "found 12000")]
#[case::ykush_port("{ ykush: { serial: YK1, port: 4 } }", "found 4, expected 1 to 3")]
#[case::ykush_option("{ ykush: { serial: '-u', port: 1 } }", "expected a serial number")]
fn power_that_makes_no_sense_is_refused(#[case] power: &str, #[case] expected: &str) {
    let said = mistake(&powered(power, ""));
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_real_board_is_erased_to_unlock_it_only_when_its_file_says_so() {
    let recover: Vec<Recover> = parse(REAL)
        .unwrap()
        .boards
        .iter()
        .map(|board| board.recover)
        .collect();
    use Recover::{Allowed, Forbidden};
    assert_eq!(recover, [Allowed, Forbidden, Forbidden, Forbidden, Allowed]);
}

#[rstest]
#[case::virtual_board("virtual: {}", RamScan::Allowed)]
#[case::virtual_board_that_says_no("virtual: {}\n    ram-scan: forbidden", RamScan::Forbidden)]
#[case::real_board("probe: { selector: \"1366:1051:1\" }", RamScan::Forbidden)]
#[case::real_board_that_says_yes(
    "probe: { selector: \"1366:1051:1\" }\n    ram-scan: allowed",
    RamScan::Allowed
)]
fn the_ram_of_a_real_board_is_searched_only_when_its_file_says_so(
    #[case] keys: &str,
    #[case] expected: RamScan,
) {
    let file = parse(&format!("rig: r\nboards:\n  - name: a\n    {keys}\n")).unwrap();
    assert_eq!(file.boards[0].ram_scan, expected);
}

#[test]
fn a_board_has_the_external_flash_of_a_dk_unless_its_file_says_otherwise() {
    let external = |word: &str| {
        let text = format!("rig: r\nboards: [{{ name: a, virtual: {{}}{word} }}]\n");
        parse(&text).unwrap().boards[0].external_flash
    };
    assert_eq!(external(""), ExternalFlash::Mx25r64);
    assert_eq!(
        external(", external-flash: mx25r64"),
        ExternalFlash::Mx25r64
    );
    assert_eq!(external(", external-flash: none"), ExternalFlash::None);
    let found = mistake("rig: r\nboards: [{ name: a, virtual: {}, external-flash: w25q }]\n");
    assert!(
        found.contains("`w25q`") && found.contains("mx25r64"),
        "{found}"
    );
}

#[test]
fn the_rig_files_of_the_project_are_right() {
    let rigs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rigs");
    let kinds: Vec<(String, usize)> = ["virtual.yaml", "one-dk.yaml"]
        .into_iter()
        .map(|name| {
            let file = RigFile::load(&rigs.join(name)).unwrap();
            (file.name, file.boards.len())
        })
        .collect();
    assert_eq!(kinds, [("virtual".to_owned(), 1), ("one-dk".to_owned(), 1)]);
}

#[test]
fn an_unknown_key_is_shown_with_the_known_ones_and_the_nearest() {
    insta::assert_snapshot!(mistake("rig: bench\nboards:\n  - name: left\n    virtaul: {}\n"), @r#"
    rigs/bench.yaml:4:5: boards[0]: unknown field `virtaul`, expected one of `name`, `description`, `recover`, `external-flash`, `virtual`, `qemu`, `labgrid`, `probe`, `chip`, `uart`, `ble`, `power`, `cuts`, `buttons`, `rtt`, `ram-scan`
    help: did you mean `virtual`?
    "#);
}

#[test]
fn cores_whose_rtt_is_read_are_named() {
    let both = "rig: b\nboards:\n  - { name: left, virtual: {}, rtt: [net, app] }\n  - { name: right, virtual: {} }\n";
    let rtt: Vec<Vec<Core>> = parse(both)
        .unwrap()
        .boards
        .into_iter()
        .map(|board| board.rtt)
        .collect();
    assert_eq!(rtt, [vec![Core::Net, Core::App], vec![]]);
}

#[rstest]
#[case::unknown(
    "[application]",
    "5:11: boards[0].rtt[0]: unknown variant `application`, expected `app` or `net`\nhelp: did you mean `app`?"
)]
#[case::twice(
    "[app, app]",
    "3:11: boards[0].rtt: found the application core twice, expected each core once\nhelp: for example `rtt: [app]`, or leave it out when no firmware of the board prints over RTT"
)]
#[case::none(
    "[]",
    "3:11: boards[0].rtt: found no core, expected `app`, `net` or both\nhelp: for example `rtt: [app]`, or leave it out when no firmware of the board prints over RTT"
)]
fn a_mistake_in_rtt_has_its_place(#[case] rtt: &str, #[case] told: &str) {
    let file = format!("rig: b\nboards:\n  - name: left\n    virtual: {{}}\n    rtt: {rtt}\n");
    assert_eq!(mistake(&file), format!("rigs/bench.yaml:{told}"));
}

#[test]
fn an_unknown_kind_of_power_is_shown_with_the_known_ones() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    power: { spci: { address: '1.2.3.4:5' } }\n"),
        @r#"
    rigs/bench.yaml:5:14: boards[0].power: unknown variant `spci`, expected one of `scpi`, `usb-port`, `ppk2`, `ykush`, `command`, `manual`, `reset-only`
    help: did you mean `scpi`?
    "#
    );
}

#[test]
fn an_unknown_key_inside_of_power_has_its_place() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    power:\n      scpi:\n        adress: '1.2.3.4:5'\n"),
        @r#"
    rigs/bench.yaml:7:9: boards[0].power.scpi: unknown field `adress`, expected one of `address`, `serial`, `on`, `off`, `ask`, `current`
    help: did you mean `address`?
    "#
    );
}

#[test]
fn a_selector_without_serial_number_is_refused() {
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051' }\n"), @r#"rigs/bench.yaml:4:24: boards[0].probe.selector: `1366:1051` is not a probe selector: expected `VID:PID:SERIAL`, for example `1366:1051:001050012345` or `1d50:6018:127.0.0.1:3333`"#);
}

#[test]
fn a_selector_with_a_host_name_is_refused() {
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n    probe:\n      selector: '1d50:6018:localhost:3333'\n"), @r#"rigs/bench.yaml:5:17: boards[0].probe.selector: probe selector `1d50:6018:localhost:3333` has `localhost:3333` as its address: expected an IP address and a port, for example `127.0.0.1:3333`"#);
}

#[test]
fn a_vendor_id_that_is_not_hex_is_shown() {
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n    probe:\n      selector: 'SEGGER:1051:1'\n"), @r#"rigs/bench.yaml:5:17: boards[0].probe.selector: the vendor id of probe selector `SEGGER:1051:1` is `SEGGER`: expected four hex digits"#);
}

#[test]
fn a_supply_needs_an_address_with_a_port() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    power: { scpi: { address: 192.168.0.20 } }\n"),
        @r#"rigs/bench.yaml:5:31: boards[0].power.scpi.address: `192.168.0.20` is not an address: expected an IP address and a port, for example `192.168.0.20:5025`"#
    );
}

#[test]
fn a_board_is_either_virtual_or_real() {
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n"), @r#"
    rigs/bench.yaml:3:11: boards[0]: found neither `virtual` nor `probe` nor `labgrid`, expected one of them
    help: write `virtual: {}` for a board that needs no hardware, `probe: { selector: VID:PID:SERIAL }`, or `labgrid: { place: NAME }`
    "#);
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    virtual: {}\n    probe: { selector: '1366:1051:1' }\n"),
        @r#"
    rigs/bench.yaml:3:11: boards[0]: found `virtual` and `probe`, expected one of them
    help: `virtual` is a board that the harness starts, `probe` one on the bench
    "#
    );
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n    virtual: {}\n    power: manual\n"), @r#"
    rigs/bench.yaml:3:11: boards[0]: found `uart`, `ble`, `power`, `chip` or `buttons` beside `virtual`, expected none of them
    help: a virtual board says its own endpoints when it starts
    "#);
}

#[rstest]
#[case::manual("manual", ButtonSpec::Manual)]
#[case::scpi(
    "{ scpi: { address: '192.168.0.21:5025', press: 'ROUT:CLOS (@101)', release: 'ROUT:OPEN (@101)' } }",
    ButtonSpec::Scpi {
        address: "192.168.0.21:5025".parse().unwrap(),
        press: "ROUT:CLOS (@101)".to_owned(),
        release: "ROUT:OPEN (@101)".to_owned(),
    }
)]
#[case::command(
    "{ command: { press: [relay, on], release: [relay, off], within-s: 3 } }",
    ButtonSpec::Command {
        press: vec!["relay".to_owned(), "on".to_owned()],
        release: vec!["relay".to_owned(), "off".to_owned()],
        within: Duration::from_secs(3),
    }
)]
fn a_button_is_pressed_by_an_instrument_a_program_or_a_person(
    #[case] text: &str,
    #[case] expected: ButtonSpec,
) {
    let text = format!(
        "rig: b\nboards:\n  - name: left\n    probe: {{ selector: '1366:1051:1' }}\n    buttons: {{ recovery: {text} }}\n"
    );
    let file = RigFile::parse(Path::new("rigs/bench.yaml"), &text).unwrap();
    let BoardKind::Real(real) = &file.boards[0].kind else {
        panic!("it has a probe");
    };
    assert_eq!(real.recovery_button.as_ref(), Some(&expected));
}

#[test]
fn a_button_without_a_command_or_with_two_lines_is_refused() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    buttons: { recovery: { scpi: { address: '1.2.3.4:5', press: \"A\\nB\", release: C } } }\n"),
        @r"
    rigs/bench.yaml:3:11: boards[0].buttons.recovery.scpi.press: found no command, expected one line of SCPI
    help: for example `ROUT:CLOS (@101)` for a relay across the button
    "
    );
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    buttons: { recovery: { command: { press: [x], release: [] } } }\n"),
        @r"
    rigs/bench.yaml:3:11: boards[0].buttons.recovery.command.release: found no program, expected a list of a program and its arguments
    help: for example `[gpioset, gpiochip0, 17=1]`; no shell reads it
    "
    );
}

#[test]
fn bluetooth_can_be_written() {
    let file = parse(
        r#"
rig: bench
bluetooth:
  adapters: [{ name: hci0, max-connections: 3 }, { name: "00:1A:7D:DA:71:13" }]
  link: { mtu: 247, interval: 7.5ms, phy: 1m, packets-per-event: 6, loss: 2%, seed: 7, timing: realistic }
boards:
  - { name: left, probe: { selector: "1366:1051:1" }, ble: { adapter: hci0, address: "c0:00:00:00:00:01" } }
  - { name: right, probe: { selector: "1366:1051:2" }, ble: { adapter: hci0, name: right } }
"#,
    )
    .unwrap();
    let BluetoothSpec { adapters, link, .. } = &file.bluetooth;
    let limits: Vec<_> = adapters
        .iter()
        .map(|adapter| adapter.max_connections)
        .collect();
    assert_eq!(limits, [Some(3), None]);
    assert_eq!(
        adapters[1].adapter,
        AdapterId::Address("00:1A:7D:DA:71:13".parse().unwrap())
    );
    assert_eq!(link.interval_us, Some(7500));
    assert_eq!(
        (link.mtu, link.loss_percent, link.seed),
        (Some(247), Some(2), Some(7))
    );
    assert_eq!(link.packets_per_event, NonZeroU16::new(6));
    assert_eq!(
        (link.phy.as_deref(), link.timing.as_deref()),
        (Some("1m"), Some("realistic"))
    );
    let devices: Vec<_> = file
        .boards
        .iter()
        .map(|board| match &board.kind {
            BoardKind::Real(real) => real.ble.as_ref().unwrap().device.to_string(),
            BoardKind::Virtual(_) | BoardKind::Labgrid(_) => panic!("both are real"),
        })
        .collect();
    assert_eq!(devices, ["C0:00:00:00:00:01", "`right`"]);
}

#[test]
fn bluetooth_that_makes_no_sense_is_refused() {
    let board = |ble: &str| {
        mistake(&format!(
            "rig: b\nboards:\n  - name: left\n    probe: {{ selector: '1366:1051:1' }}\n    ble: {ble}\n"
        ))
    };
    insta::assert_snapshot!(board("{ adapter: hci0 }"), @r"
    rigs/bench.yaml:3:11: boards[0].ble: found neither `address` nor `name`, expected one of them
    help: `bluetoothctl scan le` shows both; the address tells boards with the same firmware apart
    ");
    insta::assert_snapshot!(board("{ adapter: hci0, address: C0-01 }"), @"rigs/bench.yaml:5:36: boards[0].ble.address: `C0-01` is not a Bluetooth address: expected six bytes in hex, for example `C0:00:00:00:00:01`");
    let air = |bluetooth: &str| {
        mistake(&format!(
            "rig: b\nbluetooth: {bluetooth}\nboards:\n  - {{ name: dk, virtual: {{}} }}\n"
        ))
    };
    insta::assert_snapshot!(air("{ link: { mtu: 1000 } }"), @r"
    rigs/bench.yaml:2:22: bluetooth.link.mtu: found 1000, expected 23 to 517
    help: 498 is what Nordic's settings for fast updates have
    ");
    insta::assert_snapshot!(air("{ link: { interval: 8ms } }"), @"rigs/bench.yaml:2:32: bluetooth.link.interval: `8ms` is not a connection interval: expected a multiple of 1.25 ms from `7.5ms` to `4000ms`");
    insta::assert_snapshot!(air("{ adapters: [{ name: hci0, max-connections: 0 }] }"), @r"
    rigs/bench.yaml:2:39: bluetooth.adapters[0].max-connections: found 0, expected at least 1
    help: leave the key out for an adapter without a known limit
    ");
}

#[test]
fn two_boards_of_one_name_are_refused() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - { name: left, virtual: {} }\n  - { name: left, virtual: {} }\n"),
        @r#"rigs/bench.yaml:4:13: boards[1].name: `left` is the name of another board, expected a name of its own"#
    );
}

#[test]
fn a_serial_port_is_named_in_one_way() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    uart: { app: { usb-serial: '1' } }\n"),
        @r#"
    rigs/bench.yaml:3:11: boards[0].uart.app: found `usb-serial`, expected `usb-serial` and `interface`, or `path`
    help: USB serial number and interface stay the same when the system renames its ports
    "#
    );
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    uart: { net: {} }\n"),
        @r#"
    rigs/bench.yaml:3:11: boards[0].uart.net: found nothing, expected `usb-serial` and `interface`, or `path`
    help: USB serial number and interface stay the same when the system renames its ports
    "#
    );
}

#[test]
fn a_power_command_needs_a_program() {
    insta::assert_snapshot!(
        mistake("rig: b\nboards:\n  - name: left\n    probe: { selector: '1366:1051:1' }\n    power: { command: { on: [], off: [x] } }\n"),
        @r#"
    rigs/bench.yaml:3:11: boards[0].power.command.on: found no program, expected a list of a program and its arguments
    help: for example `[uhubctl, -l, 1-1, -p, 2, -a, off]`; no shell reads it
    "#
    );
}

#[test]
fn a_speed_and_a_count_have_limits() {
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n    virtual:\n      speed: fast\n"), @r#"rigs/bench.yaml:5:14: boards[0].virtual.speed: `fast` is not a speed: expected `instant`, or how many times faster than silicon, for example `1` or `20`"#);
    insta::assert_snapshot!(mistake("rig: b\nboards:\n  - name: left\n    virtual: { count: 0 }\n"), @r#"
    rigs/bench.yaml:3:11: boards[0].virtual.count: found 0, expected 1 to 64
    help: each board of a count gets a name of its own: `dk-1`, `dk-2`, …
    "#);
}

#[test]
fn a_rig_needs_a_board_and_names_that_can_be_file_names() {
    insta::assert_snapshot!(mistake("rig: b\nboards: []\n"), @r#"
    rigs/bench.yaml:2:1: boards: found none, expected at least one
    help: `- { name: dk, virtual: {} }` is a board that needs no hardware
    "#);
    insta::assert_snapshot!(mistake("rig: ../b\nboards: []\n"), @r#"rigs/bench.yaml:1:6: rig: `../b` is not a name: expected 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.`"#);
    insta::assert_snapshot!(mistake("boards: []\n"), @r#"rigs/bench.yaml:1:1: missing field `rig`"#);
}

#[test]
fn text_that_is_not_yaml_has_its_place() {
    insta::assert_snapshot!(mistake("rig: b\nboards: [\n"), @r#"rigs/bench.yaml:3:1: did not find expected node content"#);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = RigFile::load(Path::new("rigs/nothing.yaml")).unwrap_err();
    insta::assert_snapshot!(error, @r#"cannot read rig file `rigs/nothing.yaml`"#);
}

fn labgrid(board: &str) -> String {
    format!("rig: lab\nboards:\n  - {{ name: dk, {board} }}\n")
}

#[test]
fn a_place_of_labgrid_needs_no_more_than_its_name() {
    let file = parse(&labgrid("labgrid: { place: dk-07 }")).unwrap();
    let BoardKind::Labgrid(spec) = &file.boards[0].kind else {
        panic!("it is a place");
    };
    assert_eq!(spec.client.place, "dk-07");
    assert_eq!(spec.client.program, "labgrid-client");
    assert_eq!(spec.client.within, Duration::from_secs(30));
    assert_eq!(spec.names, hil_rig::LabgridNames::default());
    assert_eq!(file.boards[0].recover, Recover::Forbidden);
}

#[test]
fn what_the_rig_file_says_of_a_board_goes_before_its_place() {
    let file = parse(&labgrid(
        "labgrid: { place: dk-07, coordinator: \"lab:20408\" }, probe: { selector: \"1366:1051:1\" }, power: manual, cuts: board",
    ))
    .unwrap();
    let BoardKind::Labgrid(spec) = &file.boards[0].kind else {
        panic!("it is a place");
    };
    assert_eq!(spec.client.coordinator_address(), "lab:20408");
    assert_eq!(
        spec.probe.as_ref().map(|probe| probe.selector.as_str()),
        Some("1366:1051:1")
    );
    assert_eq!(
        (spec.own.power.clone(), spec.own.cuts),
        (Some(PowerSpec::Manual), Some(Cuts::Board))
    );
}

#[test]
fn a_place_that_is_none_is_said() {
    insta::assert_snapshot!(mistake(&labgrid("labgrid: { place: +token }")), @r#"rigs/bench.yaml:3:35: boards[0].labgrid.place: `+token` is not the name of a place: expected one as `labgrid-client places` shows it, without blanks, not starting with `+` or `-`"#);
    insta::assert_snapshot!(mistake(&labgrid("labgrid: { place: dk, coordinator: \"lab:port\" }")), @r#"rigs/bench.yaml:3:52: boards[0].labgrid.coordinator: `lab:port` is not the address of a coordinator: expected `HOST` or `HOST:PORT`, for example `lab.example:20408`"#);
    insta::assert_snapshot!(mistake(&labgrid("labgrid: { place: dk }, virtual: {}")), @r#"
    rigs/bench.yaml:3:13: boards[0]: found `virtual` and `labgrid`, expected one of them
    help: `virtual` is a board that the harness starts, `labgrid` one in a laboratory that others share
    "#);
    insta::assert_snapshot!(mistake(&labgrid("labgrid: { place: dk, within-s: 0 }")), @r#"
    rigs/bench.yaml:3:13: boards[0].labgrid.within-s: found 0, expected 1 to 300
    help: the time in seconds that the command may take
    "#);
}
