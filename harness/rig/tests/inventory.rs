//! What is found on a bench: in a copy of the folders in which Linux tells of its devices, and in hardware maps of Twister.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use hil_rig::inventory::{System, scan, twister};
use hil_rig::{BoardKind, Core, RigFile, UartPortSpec};
use std::fs;
use std::path::Path;

/// A copy of `/sys` and `/dev` with these files in it.
fn system(files: &[(&str, &str)], adapters: &[&str]) -> (tempfile::TempDir, System) {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join("sys/bus/usb/devices").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for adapter in adapters {
        let path = root.path().join("sys/class/bluetooth").join(adapter);
        fs::create_dir_all(path).unwrap();
    }
    let system = System::at(root.path());
    (root, system)
}

/// A DK in port 3 of a hub, another J-Link in a root hub, the hub, and a mouse.
const BENCH: &[(&str, &str)] = &[
    ("usb1/idVendor", "1d6b\n"),
    ("usb1/idProduct", "0002\n"),
    ("1-1/idVendor", "2109\n"),
    ("1-1/idProduct", "2817\n"),
    ("1-1.3/idVendor", "1366\n"),
    ("1-1.3/idProduct", "1051\n"),
    ("1-1.3/serial", "001050012345\n"),
    ("1-1.3/product", "J-Link\n"),
    ("1-1.3/busnum", "1\n"),
    ("1-1.3/devnum", "7\n"),
    ("1-1.3:1.0/bInterfaceNumber", "00\n"),
    ("1-1.3:1.0/bInterfaceClass", "02\n"),
    ("1-1.3:1.0/tty/ttyACM0/dev", "166:0\n"),
    ("1-1.3:1.2/bInterfaceNumber", "02\n"),
    ("1-1.3:1.2/bInterfaceClass", "02\n"),
    ("1-1.3:1.2/tty/ttyACM1/dev", "166:1\n"),
    ("1-1.3:1.4/bInterfaceNumber", "04\n"),
    ("1-1.3:1.4/bInterfaceClass", "08\n"),
    ("1-2/idVendor", "1366\n"),
    ("1-2/idProduct", "1061\n"),
    ("1-2/serial", "000683000001\n"),
    ("1-4/idVendor", "046d\n"),
    ("1-4/idProduct", "c077\n"),
];

#[test]
fn a_scan_writes_an_entry_for_each_dk_that_reads_as_it_is() {
    let (_root, system) = system(BENCH, &["hci0", "hci0:64"]);
    let found = scan::scan(&system);
    let others: Vec<&str> = found.others.iter().map(|other| &*other.serial).collect();
    assert_eq!(others, ["000683000001"]);
    let text = found.rig_file("bench");
    insta::assert_snapshot!(text, @r#"
    rig: bench
    bluetooth: { adapters: [{ name: hci0 }] }
    boards:
      - name: dk-1
        description: nRF5340 DK 1050012345, at USB 1-1.3.
        probe: { selector: "1366:1051:001050012345" }
        # chip: the id that `dfu-hil rig check` shows
        uart:
          app: { usb-serial: "001050012345", interface: 2 }
          net: { usb-serial: "001050012345", interface: 0 }
        # ble: { adapter: hci0, address: "…" }, as the board's console says it
        power: reset-only
        # power: { usb-port: { hub: "1-1", port: 3, by: uhubctl } }, if that hub can switch its ports
        # Its debugger is a disk too, which slows it down: `MSDDisable` in J-Link Commander.
    "#);
    let file = RigFile::parse(Path::new("rig.yaml"), &text).unwrap();
    let BoardKind::Real(board) = &file.boards[0].kind else {
        panic!("{:?}", file.boards);
    };
    assert_eq!(
        board.uart(Core::App).unwrap().port,
        UartPortSpec::Usb {
            serial: "001050012345".to_owned(),
            interface: 2
        }
    );
}

#[test]
fn a_chip_that_was_asked_is_in_the_entry() {
    let (_root, system) = system(BENCH, &[]);
    let mut found = scan::scan(&system);
    found.boards[0].chip = Some("ae4f213a3d734e77".parse().unwrap());
    let file = RigFile::parse(Path::new("rig.yaml"), &found.rig_file("bench")).unwrap();
    let BoardKind::Real(board) = &file.boards[0].kind else {
        panic!("{:?}", file.boards);
    };
    assert_eq!(board.chip.unwrap().to_string(), "ae4f213a3d734e77");
}

#[test]
fn a_host_without_usb_has_nothing_and_no_error() {
    let (_root, system) = system(&[], &[]);
    assert_eq!(scan::scan(&system), scan::Scan::default());
}

#[test]
fn a_device_knows_its_hub_its_ports_and_its_file() {
    let (_root, system) = system(BENCH, &[]);
    let device = system.usb_device("1050012345").unwrap();
    let (hub, port) = device.hub().unwrap();
    assert_eq!((hub.name(), port), ("1-1", 3));
    assert_eq!(device.node, Path::new("/dev/bus/usb/001/007"));
    assert!(device.mass_storage);
    let root = system.usb_device("683000001").unwrap();
    let (hub, port) = root.hub().unwrap();
    assert_eq!((hub.name(), port), ("usb1", 2));
}

const MAP: &str = r"
- connected: true
  id: 001050012345
  platform: nrf5340dk/nrf5340/cpuapp
  product: J-Link
  runner: nrfutil
  serial: /dev/ttyACM1
- connected: true
  id: '1050077777'
  platform: nrf5340dk_nrf5340_cpuapp
  serial: /dev/ttyACM5
  baud: 1000000
- connected: true
  id: '1050077777'
  platform: nrf5340dk_nrf5340_cpunet
  serial: /dev/ttyACM4
- connected: false
  id: '1050088888'
  platform: nrf5340dk/nrf5340/cpuapp
  serial: null
- connected: true
  id: '683000001'
  platform: nrf52840dk/nrf52840
  serial: /dev/ttyACM2
  fixtures: [ble]
";

#[test]
fn a_hardware_map_becomes_entries_and_what_is_left_out_is_told() {
    let (_root, system) = system(BENCH, &[]);
    let imported = twister::import(Path::new("map.yml"), MAP, "rack", &system).unwrap();
    let text = imported.rig_file.unwrap();
    insta::assert_snapshot!(text);
    RigFile::parse(Path::new("rig.yaml"), &text).unwrap();
    assert_eq!(
        imported.left_out,
        [
            "entry 4: it is not connected",
            "entry 5: its platform is `nrf52840dk/nrf52840`, no nRF5340 DK"
        ]
    );
}

#[test]
fn a_map_without_a_dk_makes_no_rig_file() {
    let (_root, system) = system(&[], &[]);
    let imported = twister::import(Path::new("map.yml"), "[]", "rack", &system).unwrap();
    assert_eq!(imported.rig_file, None);
    let error = twister::import(Path::new("map.yml"), "boards: 3", "rack", &system).unwrap_err();
    assert!(error.to_string().starts_with("map.yml:1:"), "{error}");
}
