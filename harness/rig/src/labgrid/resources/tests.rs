//! Environment files as labgrid 26.0.1 makes them, and what is found in them.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

/// A place whose exporter is on this host, with a DK on USB.
const DK: &str = "\
targets:
  dk-07:
    resources:
    - NetworkUSBDebugger:
        host: 127.0.0.1
        busnum: 1
        devnum: 9
        path: 1-1.4
        vendor_id: 4966
        model_id: 4177
    - NetworkSerialPort:
        name: uart-net
        host: 127.0.0.1
        port: 40011
        speed: 1000000
    - NetworkSerialPort:
        name: vcom0
        host: 127.0.0.1
        port: 40012
        protocol: raw
    - NetworkService:
        name: shell
        address: 192.168.0.7
        username: root
        password: hunter2
    - NetworkUSBPowerPort:
        host: 127.0.0.1
        path: 1-1
        index: 4
";

fn parse(text: &str) -> Resources {
    Resources::parse(text, "dk-07").unwrap()
}

fn names(app: Option<&str>, net: Option<&str>) -> LabgridNames {
    LabgridNames {
        uart_app: app.map(str::to_owned),
        uart_net: net.map(str::to_owned),
        ..LabgridNames::default()
    }
}

/// Linux as it is with a DK at 1-1.4.
fn system() -> (tempfile::TempDir, System) {
    let root = tempfile::tempdir().unwrap();
    let device = root.path().join("sys/bus/usb/devices/1-1.4");
    std::fs::create_dir_all(&device).unwrap();
    for (file, text) in [
        ("idVendor", "1366"),
        ("idProduct", "1051"),
        ("serial", "001050012345"),
    ] {
        std::fs::write(device.join(file), text).unwrap();
    }
    let system = System::at(root.path());
    (root, system)
}

#[test]
fn a_debugger_on_usb_of_this_host_is_the_one_that_is_plugged_in_there() {
    let (_root, system) = system();
    let probe = parse(DK).probe(None, &system).unwrap();
    assert_eq!(probe.as_str(), "1366:1051:001050012345");
}

#[test]
fn a_debugger_on_usb_of_another_host_is_refused() {
    let (_root, system) = system();
    // TEST-NET-1 (RFC 5737) is no host's address.
    let text = DK.replacen("host: 127.0.0.1", "host: 192.0.2.7", 1);
    let problem = parse(&text).probe(None, &system).unwrap_err();
    insta::assert_snapshot!(problem, @"its debug probe `NetworkUSBDebugger` is on USB of host `192.0.2.7`, which is not this one");
}

#[test]
fn a_debugger_that_is_not_plugged_in_is_said() {
    let (_root, system) = system();
    let text = DK.replace("path: 1-1.4", "path: 1-1.3");
    let problem = parse(&text).probe(None, &system).unwrap_err();
    insta::assert_snapshot!(problem, @"resource `NetworkUSBDebugger` (NetworkUSBDebugger) is at 1-1.3 on USB, where nothing is");
    let text = DK.replace("path: 1-1.4", "path: null");
    let problem = parse(&text).probe(None, &system).unwrap_err();
    insta::assert_snapshot!(problem, @"resource `NetworkUSBDebugger` (NetworkUSBDebugger) says no path on USB: it is not plugged in");
}

#[test]
fn a_service_called_probe_speaks_the_black_magic_protocol() {
    let text = "targets: { dk-07: { resources: [{ NetworkService: { name: probe, address: 127.0.0.1, port: 3333, username: x } }] } }";
    let probe = parse(text)
        .probe(None, &System::at("/nonexistent"))
        .unwrap();
    assert_eq!(probe.as_str(), "1d50:6018:127.0.0.1:3333");
}

#[test]
fn a_place_without_a_probe_says_what_it_has() {
    let text = "targets: { dk-07: { resources: [{ NetworkService: { address: 127.0.0.1, username: x } }] } }";
    let problem = parse(text)
        .probe(None, &System::at("/nonexistent"))
        .unwrap_err();
    insta::assert_snapshot!(problem, @"nothing in it is a debug probe; it has `NetworkService (NetworkService)`");
}

#[rstest]
#[case::usual(names(None, None), Ok([Some("vcom0"), Some("uart-net")]))]
#[case::named(names(Some("uart-net"), Some("vcom0")), Ok([Some("uart-net"), Some("vcom0")]))]
#[case::missing(
    names(Some("console"), None),
    Err("it has no NetworkSerialPort `console`; it has `uart-net`, `vcom0`")
)]
fn serial_ports_are_found_by_name_and_the_one_that_is_left_is_the_applications(
    #[case] names: LabgridNames,
    #[case] expected: Result<[Option<&str>; 2], &str>,
) {
    let found = parse(DK).uarts(&names);
    match expected {
        Ok(expected) => assert_eq!(found.unwrap(), expected.map(|name| name.map(str::to_owned))),
        Err(message) => assert_eq!(found.unwrap_err().to_string(), message),
    }
}

#[test]
fn two_serial_ports_without_names_that_are_known_are_ambiguous() {
    let text = DK.replace("uart-net", "vcom1");
    let problem = parse(&text).uarts(&LabgridNames::default()).unwrap_err();
    insta::assert_snapshot!(problem, @"it has several resources for the serial port of the application core: `vcom1`, `vcom0`");
}

#[test]
fn a_port_is_where_and_how_its_exporter_says() {
    let resources = parse(DK);
    assert_eq!(
        resources.port("uart-net").unwrap(),
        NetworkPort {
            host: "127.0.0.1".to_owned(),
            port: 40011,
            protocol: Protocol::Rfc2217,
            baud: 1_000_000,
        }
    );
    assert_eq!(resources.port("vcom0").unwrap().protocol, Protocol::Raw);
    let text = DK.replace("port: 40012", "port: null");
    let problem = parse(&text).port("vcom0").unwrap_err();
    insta::assert_snapshot!(problem, @"resource `vcom0` (NetworkSerialPort) says no port: its exporter does not offer it now");
}

#[test]
fn a_hub_port_cuts_the_board_and_other_switches_the_chip() {
    let power = parse(DK).power(None).unwrap().unwrap();
    assert_eq!(power.cuts, Cuts::Board);
    let text = DK.replace("NetworkUSBPowerPort", "NetworkPowerPort");
    assert_eq!(parse(&text).power(None).unwrap().unwrap().cuts, Cuts::Soc);
    let text = DK.replace("NetworkUSBPowerPort", "NetworkLXAUSBMux");
    assert_eq!(parse(&text).power(None).unwrap(), None);
}

#[test]
fn passwords_are_in_no_message_and_no_debug_output() {
    let resources = parse(DK);
    assert!(!format!("{resources:?}").contains("hunter2"));
    let broken = DK.replace("targets:", "password: hunter2\nhosts:");
    assert!(
        !Resources::parse(&broken, "dk-07")
            .unwrap_err()
            .contains("hunter2")
    );
}

proptest! {
    #[test]
    fn any_resources_are_read_or_refused(
        text in "targets: \\{dk-07: \\{resources: \\[\\{Network(SerialPort|Service|USBDebugger|PowerPort): (null|\\{(name|host|port|path|speed|address): (null|7|-1|99999999999|x|\\[\\])\\})\\}\\]\\}\\}",
    ) {
        if let Ok(resources) = Resources::parse(&text, "dk-07") {
            let system = System::at("/nonexistent");
            let _ = resources.probe(None, &system);
            let _ = resources.power(None);
            for name in resources.uarts(&LabgridNames::default()).into_iter().flatten().flatten() {
                let _ = resources.port(&name);
            }
        }
    }
}
