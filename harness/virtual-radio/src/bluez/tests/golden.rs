//! The recording of a real bluetoothd, replayed.

use super::{Bench, HCI, instant};
use crate::gatt::{GattTable, SMP_HANDLE, SMP_SERVICE};
use crate::peripheral::{LinkEvent, Reason};
use std::collections::HashMap;
use zbus::Variant;

const RECORDING: &str = include_str!("../../../tests/data/bluez-5.66-connect-loss.txt");
const CLIENT: &str = ":1.3";

/// The peripheral of the recording: answers with the request made a response, and drops the link at every third.
fn echo(bench: &mut Bench, writes: &mut u32) {
    for event in bench.events() {
        match event {
            LinkEvent::Written { link, value, .. } => {
                *writes += 1;
                if writes.is_multiple_of(3) {
                    bench
                        .bluez
                        .drop_link(bench.board, Reason::ConnectionTimeout, bench.now);
                } else {
                    let mut answer = value;
                    answer[0] |= 1;
                    answer[10] = b'r';
                    bench.bluez.notify(link, SMP_HANDLE, answer, bench.now);
                }
            }
            LinkEvent::Disconnected { .. } => bench.advertise(),
            LinkEvent::Connected { .. } | LinkEvent::Subscribed { .. } => {}
        }
    }
}

fn call(bench: &mut Bench, line: &str) -> Vec<String> {
    let mut words = line.split(' ');
    let (path, method) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    match method {
        "Properties.Set" => bench.call(
            CLIENT,
            HCI,
            "org.freedesktop.DBus.Properties.Set",
            &("org.bluez.Adapter1", "Powered", Variant::from(true)),
        ),
        "Adapter1.SetDiscoveryFilter" => {
            let filter = HashMap::from([
                ("DuplicateData", Variant::from(true)),
                ("Transport", Variant::from("auto")),
                ("UUIDs", Variant::from(vec![SMP_SERVICE])),
            ]);
            let method = "org.bluez.Adapter1.SetDiscoveryFilter";
            bench.call(CLIENT, HCI, method, &filter)
        }
        "GattCharacteristic1.WriteValue" => {
            let hex = words.nth(1).unwrap_or("");
            let value: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("it is hex"))
                .collect();
            bench.write(CLIENT, &value)
        }
        _ => {
            let member = method.rsplit('.').next().unwrap_or("");
            match path {
                "HCI" => bench.adapter(CLIENT, member),
                "DEV" => bench.device(CLIENT, member),
                _ => bench.characteristic(CLIENT, member),
            }
        }
    }
}

#[test]
fn the_virtual_bluez_says_what_the_real_one_said_in_the_same_order() {
    let mut bench = Bench::new(instant(), GattTable::smp_only());
    let mut writes = 0;
    let mut said: Vec<String> = Vec::new();
    for (number, line) in RECORDING.lines().enumerate() {
        let number = number + 1;
        match line.split_at(2) {
            ("> ", rest) => {
                assert!(said.is_empty(), "line {number}: it also said {said:#?}");
                said = call(&mut bench, rest);
            }
            (_, expected) => {
                while said.is_empty() {
                    if number == RECORDING.lines().count() {
                        bench.bluez.client_left(CLIENT, bench.now);
                    }
                    echo(&mut bench, &mut writes);
                    said = bench.wait();
                    assert!(!said.is_empty(), "line {number}: nothing is said");
                }
                assert_eq!(said.remove(0), expected, "line {number}");
            }
        }
    }
    assert!(said.is_empty(), "at the end it also said {said:#?}");
}
