//! What the recording does not show.

use super::{A_WHILE, Bench, DEVICE_PATH, HCI, instant};
use crate::gatt::GattTable;
use crate::link::{LinkOptions, Timing};
use crate::peripheral::{LinkEvent, Reason};
use crate::radio::RadioOptions;
use rstest::rstest;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;
use zbus::{ObjectPath, Variant};

const CLIENT: &str = ":1.7";
const OTHER: &str = ":1.8";

fn bench() -> Bench {
    Bench::new(instant(), GattTable::smp())
}

fn realistic() -> RadioOptions {
    RadioOptions {
        link: LinkOptions {
            timing: Timing::Realistic,
            ..LinkOptions::default()
        },
        ..RadioOptions::default()
    }
}

fn has(said: &[String], text: &str) -> bool {
    said.iter().any(|line| line.contains(text))
}

#[test]
fn a_write_that_does_not_fit_the_mtu_is_not_initiated() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    assert_eq!(bench.write(CLIENT, &[1; 495]), ["WriteValue ok"]);
    assert_eq!(
        bench.write(CLIENT, &[1; 496]),
        [r#"WriteValue org.bluez.Error.Failed "Failed to initiate write""#]
    );
}

#[test]
fn a_write_request_is_answered_by_the_peripheral() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    assert_eq!(
        bench.write_as(CLIENT, &[1; 20], "request"),
        ["WriteValue ok"]
    );
    assert!(matches!(
        bench.events().last(),
        Some(LinkEvent::Written { value, .. }) if value[..] == [1; 20]
    ));
}

#[rstest]
#[case::insufficient_authentication(0x05)]
#[case::insufficient_encryption(0x0f)]
fn a_ccc_that_needs_pairing_says_not_paired(#[case] code: u8) {
    let mut bench = bench();
    bench
        .bluez
        .change_faults(bench.board, |faults| faults.security = Some(code));
    bench.adapter(CLIENT, "StartDiscovery");
    bench.wait();
    bench.device(CLIENT, "Connect");
    bench.wait();
    assert_eq!(
        bench.characteristic(CLIENT, "StartNotify"),
        [r#"StartNotify org.bluez.Error.NotPermitted "Not paired""#]
    );
    // A command has no answer that could say so; nothing reaches the board.
    bench.events();
    assert_eq!(bench.write(CLIENT, &[1; 20]), ["WriteValue ok"]);
    assert_eq!(bench.events(), []);
}

#[test]
fn services_that_never_resolve_leave_the_device_connected_and_unresolved() {
    let mut bench = bench();
    bench
        .bluez
        .change_faults(bench.board, |faults| faults.never_resolve = true);
    bench.adapter(CLIENT, "StartDiscovery");
    bench.wait();
    assert_eq!(
        bench.device(CLIENT, "Connect"),
        ["DEV Device1 {Connected: true}", "Connect ok"]
    );
    assert!(!has(&bench.pass(A_WHILE), "ServicesResolved"));
}

#[test]
fn a_refused_connection_flickers_and_fails() {
    let mut bench = Bench::new(realistic(), GattTable::smp());
    bench
        .bluez
        .change_faults(bench.board, |faults| faults.refuse = true);
    bench.adapter(CLIENT, "StartDiscovery");
    bench.pass(Duration::from_secs(1));
    bench.adapter(CLIENT, "StopDiscovery");
    assert_eq!(bench.device(CLIENT, "Connect"), [""; 0]);
    assert_eq!(
        bench.wait(),
        [
            "DEV Device1 {Connected: true}",
            "DEV Device1 {Connected: false}",
            r#"Connect org.bluez.Error.Failed "le-connection-abort-by-local""#
        ]
    );
    bench
        .bluez
        .change_faults(bench.board, |faults| faults.refuse = false);
    bench.device(CLIENT, "Connect");
    assert!(has(&bench.wait(), "Connect ok"));
}

#[test]
fn a_device_that_is_silent_is_connected_to_when_it_advertises_again() {
    let mut bench = bench();
    bench.adapter(CLIENT, "StartDiscovery");
    bench.wait();
    bench.adapter(CLIENT, "StopDiscovery");
    bench.bluez.advertise(bench.board, None, bench.now);
    assert_eq!(bench.device(CLIENT, "Connect"), [""; 0]);
    assert_eq!(
        bench.device(OTHER, "Connect"),
        [r#"Connect org.bluez.Error.InProgress "In Progress""#]
    );
    assert_eq!(bench.pass(Duration::from_secs(5)), [""; 0]);
    bench.advertise();
    assert!(has(&bench.wait(), "Connect ok"));
}

#[test]
fn a_device_that_stays_silent_is_given_up_after_twenty_seconds() {
    let mut bench = bench();
    bench.adapter(CLIENT, "StartDiscovery");
    bench.wait();
    bench.adapter(CLIENT, "StopDiscovery");
    bench.bluez.advertise(bench.board, None, bench.now);
    let began = bench.now;
    bench.device(CLIENT, "Connect");
    assert_eq!(
        bench.wait(),
        [r#"Connect org.bluez.Error.Failed "le-connection-abort-by-local""#]
    );
    assert_eq!(bench.now - began, Duration::from_secs(20));
}

#[test]
fn the_time_of_an_earlier_attempt_does_not_end_a_later_one() {
    let mut bench = bench();
    // A client with a new connection counts its calls from the start again.
    bench.serial = NonZeroU32::new(5);
    bench.subscribed(CLIENT);
    bench.pass(Duration::from_secs(10));
    bench.device(CLIENT, "Disconnect");
    // The board is away: this attempt has twenty seconds of its own.
    let began = bench.now;
    bench.device(CLIENT, "Connect");
    assert!(has(&bench.wait(), "le-connection-abort-by-local"));
    assert_eq!(bench.now - began, Duration::from_secs(20));
}

#[test]
fn disconnecting_gives_up_a_connection_attempt() {
    let mut bench = bench();
    bench.adapter(CLIENT, "StartDiscovery");
    bench.wait();
    bench.bluez.advertise(bench.board, None, bench.now);
    bench.device(CLIENT, "Connect");
    assert_eq!(
        bench.device(CLIENT, "Disconnect"),
        [
            r#"Connect org.bluez.Error.Failed "Cancelled""#,
            "Disconnect ok"
        ]
    );
}

#[test]
fn notify_sessions_outlive_a_link_and_begin_again_with_the_next() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    bench
        .bluez
        .drop_link(bench.board, Reason::ConnectionTimeout, bench.now);
    bench.wait();
    bench.events();
    bench.advertise();
    bench.device(CLIENT, "Connect");
    let subscribed = bench
        .events()
        .iter()
        .any(|event| matches!(event, LinkEvent::Subscribed { wanted: true, .. }));
    assert!(subscribed, "the CCC is written without a new StartNotify");
}

#[test]
fn a_client_that_leaves_unsubscribes_and_keeps_its_connection() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    bench.events();
    bench.bluez.client_left(CLIENT, bench.now);
    assert!(has(&bench.said(), "GattCharacteristic1 {Notifying: false}"));
    assert!(matches!(
        bench.events()[..],
        [LinkEvent::Subscribed { wanted: false, .. }]
    ));
    assert_eq!(bench.device(OTHER, "Connect"), ["Connect ok"]);
}

#[test]
fn two_clients_of_one_adapter_share_the_connection_and_both_hear() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    assert_eq!(bench.device(OTHER, "Connect"), ["Connect ok"]);
    assert_eq!(
        bench.characteristic(OTHER, "StartNotify"),
        ["StartNotify ok"]
    );
    assert_eq!(
        bench.characteristic(CLIENT, "StopNotify"),
        ["StopNotify ok"]
    );
    bench.notify(&[1, 2]);
    assert!(has(&bench.said(), "Value: hex 0102"));
}

#[test]
fn a_board_with_one_connection_is_out_of_reach_of_a_second_central() {
    let options = RadioOptions {
        adapters: 2,
        ..RadioOptions::default()
    };
    let mut bench = Bench::new(options, GattTable::smp());
    let second = "/org/bluez/hci1";
    let second_device = DEVICE_PATH.replace(HCI, second);
    bench.call(OTHER, second, "org.bluez.Adapter1.StartDiscovery", &());
    bench.wait();
    bench.subscribed(CLIENT);
    let connect = "org.bluez.Device1.Connect";
    assert_eq!(bench.call(OTHER, &second_device, connect, &()), [""; 0]);
    assert!(!has(&bench.pass(Duration::from_secs(3)), "Connect ok"));
    bench.device(CLIENT, "Disconnect");
    bench.advertise();
    assert!(has(&bench.wait(), "Connect ok"));
}

#[rstest]
#[case::by_service("UUIDs", Variant::from(vec!["8D53DC1D-1DB7-4CD3-868B-8A527460AA84"]), true)]
#[case::by_another_service("UUIDs", Variant::from(vec!["180a"]), false)]
#[case::by_name("Pattern", Variant::from("DUT"), true)]
#[case::by_address("Pattern", Variant::from("C0:00"), true)]
#[case::by_another_name("Pattern", Variant::from("thing"), false)]
#[case::near("RSSI", Variant::from(-60i16), true)]
#[case::nearer("RSSI", Variant::from(-40i16), false)]
#[case::classic("Transport", Variant::from("bredr"), false)]
fn a_filter_decides_who_is_found(
    #[case] key: &'static str,
    #[case] value: Variant<'static>,
    #[case] found: bool,
) {
    let mut bench = bench();
    let filter = HashMap::from([(key, value)]);
    let set = "org.bluez.Adapter1.SetDiscoveryFilter";
    assert_eq!(
        bench.call(CLIENT, HCI, set, &filter),
        ["SetDiscoveryFilter ok"]
    );
    bench.adapter(CLIENT, "StartDiscovery");
    assert_eq!(has(&bench.pass(A_WHILE), "added DEV"), found);
}

#[test]
fn without_power_nothing_is_ready_and_links_are_gone() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    let set = "org.freedesktop.DBus.Properties.Set";
    let off = ("org.bluez.Adapter1", "Powered", Variant::from(false));
    let said = bench.call(CLIENT, HCI, set, &off);
    assert!(has(&said, "Connected: false"), "{said:?}");
    assert_eq!(
        said.last().map(String::as_str),
        Some("HCI Adapter1 {Discovering: false, Powered: false}")
    );
    for said in [
        bench.adapter(CLIENT, "StartDiscovery"),
        bench.device(CLIENT, "Connect"),
    ] {
        assert!(
            has(&said, r#"org.bluez.Error.NotReady "Resource Not Ready""#),
            "{said:?}"
        );
    }
    assert!(matches!(
        bench.events().last(),
        Some(LinkEvent::Disconnected {
            reason: Reason::RemoteUser,
            ..
        })
    ));
}

#[test]
fn a_removed_device_is_gone_with_its_attributes() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    let device = ObjectPath::try_from(DEVICE_PATH).expect("it is a path");
    let said = bench.call(CLIENT, HCI, "org.bluez.Adapter1.RemoveDevice", &device);
    assert!(has(&said, "removed DEV/service0010/char0011/desc0013"));
    assert_eq!(said.last().map(String::as_str), Some("RemoveDevice ok"));
    let connect = bench.device(CLIENT, "Connect");
    assert!(
        has(&connect, "org.freedesktop.DBus.Error.UnknownObject"),
        "{connect:?}"
    );
}

#[test]
fn a_device_that_nobody_hears_is_forgotten_after_half_a_minute() {
    let mut bench = bench();
    bench.adapter(CLIENT, "StartDiscovery");
    bench.wait();
    bench.adapter(CLIENT, "StopDiscovery");
    assert!(!has(&bench.pass(Duration::from_secs(29)), "removed"));
    assert!(has(&bench.pass(Duration::from_secs(2)), "removed DEV"));
}

#[test]
fn a_lost_link_takes_the_supervision_timeout_to_notice() {
    let mut bench = Bench::new(realistic(), GattTable::smp());
    bench.subscribed(CLIENT);
    let began = bench.now;
    bench
        .bluez
        .drop_link(bench.board, Reason::ConnectionTimeout, bench.now);
    bench.advertise();
    assert!(has(&bench.wait(), "Connected: false"));
    assert_eq!(bench.now - began, Duration::from_millis(420));
}

#[test]
fn a_request_under_way_fails_with_its_link() {
    let mut bench = Bench::new(realistic(), GattTable::smp());
    bench.subscribed(CLIENT);
    assert_eq!(bench.write_as(CLIENT, &[1; 20], "request"), [""; 0]);
    bench
        .bluez
        .drop_link(bench.board, Reason::RemotePowerOff, bench.now);
    assert!(has(
        &bench.wait(),
        r#"WriteValue org.bluez.Error.Failed "Operation failed""#
    ));
}

#[test]
fn writes_beyond_what_the_air_holds_wait_for_their_answer() {
    let mut bench = Bench::new(realistic(), GattTable::smp());
    bench.subscribed(CLIENT);
    let mut answered = 0;
    for _ in 0..100 {
        answered += bench.write(CLIENT, &[1; 495]).len();
    }
    assert_eq!(answered, 64);
    let said = bench.pass(Duration::from_secs(1));
    assert_eq!(said.len(), 36);
    let written = bench.events();
    let written = written
        .iter()
        .filter(|event| matches!(event, LinkEvent::Written { .. }));
    assert_eq!(written.count(), 100);
}

#[test]
fn a_lost_fragment_is_one_that_the_board_never_sees() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    bench.events();
    bench.bluez.change_faults(bench.board, |faults| {
        faults.lose_writes = 1;
        faults.lose_notifications = 1;
    });
    bench.write(CLIENT, &[1]);
    bench.write(CLIENT, &[2]);
    assert!(matches!(
        &bench.events()[..],
        [LinkEvent::Written { value, .. }] if value[..] == [2]
    ));
}
