//! Answers that a trace of bluetoothd showed to be others than ours were (`harness/bluez-trace`).

use super::{Bench, DEVICE_PATH, HCI, instant};
use crate::gatt::GattTable;
use rstest::rstest;
use std::collections::HashMap;
use zbus::{ObjectPath, Variant};

const CLIENT: &str = ":1.7";

fn bench() -> Bench {
    Bench::new(instant(), GattTable::smp())
}

#[test]
fn a_method_with_other_arguments_does_not_exist() {
    let mut bench = bench();
    let method = "org.bluez.Adapter1.StartDiscovery";
    assert_eq!(
        bench.call(CLIENT, HCI, method, &"too much"),
        [concat!(
            r#"StartDiscovery org.freedesktop.DBus.Error.UnknownMethod "Method "StartDiscovery" with signature "s" on "#,
            "interface \"org.bluez.Adapter1\" doesn't exist\n\""
        )]
    );
    assert_eq!(bench.wait(), <[&str; 0]>::default(), "nothing is begun");
}

#[rstest]
#[case::only_read("Address", "PropertyReadOnly \"Property 'Address' is not writable\"")]
#[case::of_another_type("Powered", "InvalidSignature \"Invalid signature for 'Powered'\"")]
#[case::unknown("Nonsense", "UnknownProperty \"No such property 'Nonsense'\"")]
fn a_property_that_cannot_be_set_so_says_why(#[case] name: &str, #[case] expected: &str) {
    let mut bench = bench();
    let arguments = ("org.bluez.Adapter1", name, Variant::from("text"));
    assert_eq!(
        bench.call(
            CLIENT,
            HCI,
            "org.freedesktop.DBus.Properties.Set",
            &arguments
        ),
        [format!("Set org.freedesktop.DBus.Error.{expected}")]
    );
}

#[test]
fn a_property_that_a_device_does_not_have_cannot_be_set() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    // Introspected, and there only where an adapter can wake its host up.
    let arguments = ("org.bluez.Device1", "WakeAllowed", Variant::from(true));
    let set = "org.freedesktop.DBus.Properties.Set";
    let said = bench.call(CLIENT, DEVICE_PATH, set, &arguments);
    assert_eq!(
        said,
        [r#"Set org.freedesktop.DBus.Error.UnknownProperty "No such property 'WakeAllowed'""#]
    );
}

#[test]
fn a_client_that_is_notified_already_may_ask_for_it_again() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    assert_eq!(
        bench.characteristic(CLIENT, "StartNotify"),
        ["StartNotify ok"]
    );
    assert_eq!(
        bench.characteristic(CLIENT, "StopNotify").last(),
        Some(&"StopNotify ok".to_owned()),
        "one session is there"
    );
}

#[test]
fn who_hangs_up_hears_of_the_services_before_the_answer_and_of_the_connection_behind_it() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    assert_eq!(
        bench.device(CLIENT, "Disconnect"),
        [
            "DEV Device1 {ServicesResolved: false}",
            "Disconnect ok",
            "DEV Device1 {Connected: false}"
        ]
    );
}

#[test]
fn a_characteristic_has_an_mtu_while_its_device_is_connected() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    let path = format!("{DEVICE_PATH}/service0010/char0011");
    let arguments = ("org.bluez.GattCharacteristic1", "MTU");
    let get = "org.freedesktop.DBus.Properties.Get";
    assert_eq!(bench.call(CLIENT, &path, get, &arguments), ["Get ok"]);
    bench.device(CLIENT, "Disconnect");
    assert_eq!(
        bench.call(CLIENT, &path, get, &arguments),
        [r#"Get org.freedesktop.DBus.Error.InvalidArgs "No such property 'MTU'""#]
    );
}

#[test]
fn a_characteristic_that_is_only_read_refuses_a_write_request() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    bench.events();
    // The database hash of the GATT service.
    let path = format!("{DEVICE_PATH}/service0001/char0007");
    let options = HashMap::from([("type", Variant::from("request"))]);
    let method = "org.bluez.GattCharacteristic1.WriteValue";
    assert_eq!(
        bench.call(CLIENT, &path, method, &(vec![1u8], options)),
        [r#"WriteValue org.bluez.Error.NotPermitted "Write not permitted""#]
    );
    assert_eq!(bench.events(), []);
}

#[test]
fn an_adapter_that_is_switched_off_forgets_who_is_not_connected() {
    let mut bench = bench();
    bench.subscribed(CLIENT);
    bench.device(CLIENT, "Disconnect");
    let set = "org.freedesktop.DBus.Properties.Set";
    let off = ("org.bluez.Adapter1", "Powered", Variant::from(false));
    let said = bench.call(CLIENT, HCI, set, &off);
    assert!(said.contains(&"removed DEV".to_owned()), "{said:?}");
    let connect = bench.device(CLIENT, "Connect");
    assert!(connect[0].contains("Error.UnknownObject"), "{connect:?}");
    let board = ObjectPath::try_from(DEVICE_PATH).expect("it is a path");
    assert_eq!(
        bench.call(CLIENT, HCI, "org.bluez.Adapter1.RemoveDevice", &board),
        [r#"RemoveDevice org.bluez.Error.DoesNotExist "Does Not Exist""#]
    );
}
