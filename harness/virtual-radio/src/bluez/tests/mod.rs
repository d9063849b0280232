//! BlueZ without a bus: calls in, lines out, in simulated time.

mod answers;
mod behaviour;
mod golden;

use super::{Bluez, PeripheralId};
use crate::address::Address;
use crate::gatt::{GattTable, SMP_HANDLE, SMP_SERVICE};
use crate::peripheral::{Advertisement, LinkEvent, LinkId};
use crate::radio::RadioOptions;
use hil_clock::Instant;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zbus::message::Type;
use zbus::names::MemberName;
use zbus::{Message, Structure, Variant};

const HCI: &str = "/org/bluez/hci0";
const DEVICE_PATH: &str = "/org/bluez/hci0/dev_C0_00_00_00_00_01";
/// Longer than anything takes on the air, but shorter than what is forgotten.
const A_WHILE: Duration = Duration::from_secs(25);

/// BlueZ, one board on the air, and what was said.
struct Bench {
    bluez: Bluez,
    now: Instant,
    board: PeripheralId,
    events: Arc<Mutex<Vec<LinkEvent>>>,
    calls: HashMap<u32, String>,
    /// The serial number of calls, instead of new ones: every client counts for itself.
    serial: Option<NonZeroU32>,
}

impl Bench {
    fn new(options: RadioOptions, table: GattTable) -> Self {
        let mut bluez = Bluez::new(options);
        let events: Arc<Mutex<Vec<LinkEvent>>> = Arc::default();
        let board = PeripheralId(0);
        let sink = Arc::clone(&events);
        bluez.attach(
            board,
            Address::new([0xc0, 0, 0, 0, 0, 1]),
            table,
            Box::new(move |event| sink.lock().expect("no test panics with it").push(event)),
        );
        let mut bench = Self {
            bluez,
            now: Instant::START,
            board,
            events,
            calls: HashMap::new(),
            serial: None,
        };
        bench.advertise();
        bench
    }

    fn advertise(&mut self) {
        let advertisement = Advertisement {
            name: Some("DUT-R0".to_owned()),
            services: vec![SMP_SERVICE],
        };
        self.bluez
            .advertise(self.board, Some(advertisement), self.now);
    }

    /// Calls a method and gives all that is said at once.
    fn call<B>(&mut self, client: &str, path: &str, method: &str, body: &B) -> Vec<String>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let (interface, member) = method.rsplit_once('.').expect("interface and member");
        let mut message = Message::method_call(path, member)
            .sender(client)
            .destination("org.bluez")
            .interface(interface);
        if let Some(serial) = self.serial {
            message = message.serial(serial);
        }
        let message = message.build(body).expect("the test's own call");
        let serial = message.primary_header().serial_num().get();
        self.calls.insert(serial, member.to_owned());
        self.bluez.call(&message, self.now);
        self.said()
    }

    fn adapter(&mut self, client: &str, member: &str) -> Vec<String> {
        self.call(client, HCI, &format!("org.bluez.Adapter1.{member}"), &())
    }

    fn device(&mut self, client: &str, member: &str) -> Vec<String> {
        self.call(
            client,
            DEVICE_PATH,
            &format!("org.bluez.Device1.{member}"),
            &(),
        )
    }

    fn characteristic(&mut self, client: &str, member: &str) -> Vec<String> {
        let path = format!("{DEVICE_PATH}/service0010/char0011");
        let method = format!("org.bluez.GattCharacteristic1.{member}");
        self.call(client, &path, &method, &())
    }

    fn write(&mut self, client: &str, value: &[u8]) -> Vec<String> {
        self.write_as(client, value, "command")
    }

    fn write_as(&mut self, client: &str, value: &[u8], kind: &str) -> Vec<String> {
        let path = format!("{DEVICE_PATH}/service0010/char0011");
        let options = HashMap::from([("type", Variant::from(kind))]);
        let method = "org.bluez.GattCharacteristic1.WriteValue";
        self.call(client, &path, method, &(value.to_vec(), options))
    }

    /// What was said by now.
    fn said(&mut self) -> Vec<String> {
        self.bluez.handle_timeout(self.now);
        let messages = self.bluez.take_messages();
        messages.iter().map(|message| self.line(message)).collect()
    }

    /// Lets time pass until something is said, at most a while.
    fn wait(&mut self) -> Vec<String> {
        let deadline = self.now + A_WHILE;
        loop {
            let said = self.said();
            let next = self.bluez.poll_timeout().filter(|&next| next <= deadline);
            match (said.is_empty(), next) {
                (true, Some(next)) => self.now = next.max(self.now),
                _ => return said,
            }
        }
    }

    /// Lets so much time pass, and gives what is said in it.
    fn pass(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now + duration;
        let mut said = self.said();
        while let Some(next) = self.bluez.poll_timeout().filter(|&next| next <= end) {
            self.now = next.max(self.now);
            said.extend(self.said());
        }
        self.now = end;
        said
    }

    fn events(&self) -> Vec<LinkEvent> {
        std::mem::take(&mut *self.events.lock().expect("no test panics with it"))
    }

    /// The link that the last event tells of.
    fn link(&self) -> LinkId {
        let events = self.events.lock().expect("no test panics with it");
        let mut links = events.iter().rev().filter_map(|event| match event {
            LinkEvent::Connected { link, .. } => Some(*link),
            _ => None,
        });
        links.next().expect("a central has connected")
    }

    /// Scans, connects, subscribes: as far as every client goes.
    fn subscribed(&mut self, client: &str) {
        self.adapter(client, "StartDiscovery");
        self.wait();
        self.adapter(client, "StopDiscovery");
        self.device(client, "Connect");
        self.pass(Duration::from_secs(2));
        let said = self.characteristic(client, "StartNotify");
        if said.is_empty() {
            self.wait();
        }
    }

    fn notify(&mut self, value: &[u8]) {
        let link = self.link();
        self.bluez
            .notify(link, SMP_HANDLE, value.to_vec(), self.now);
    }

    /// A message in a line, as in the recording.
    fn line(&self, message: &Message) -> String {
        let header = message.header();
        let called = header
            .reply_serial()
            .and_then(|serial| self.calls.get(&serial.get()))
            .cloned()
            .unwrap_or_default();
        let body = message.body();
        let fields: Vec<Variant<'_>> = body
            .deserialize::<Structure<'_>>()
            .map(Structure::into_fields)
            .unwrap_or_default();
        match message.message_type() {
            Type::MethodReturn => format!("{called} ok"),
            Type::Error => {
                let name = header.error_name().map(ToString::to_string);
                format!("{called} {} {}", name.unwrap_or_default(), show(&fields[0]))
            }
            Type::MethodCall => unreachable!("BlueZ calls nobody"),
            Type::Signal => match (header.member().map(MemberName::as_str), &fields[..]) {
                (Some("PropertiesChanged"), [interface, changed, Variant::Array(gone)]) => {
                    let path = short(header.path().map_or("", |path| path.as_str()));
                    let interface = show(interface).replace('"', "");
                    let interface = interface.rsplit('.').next().unwrap_or_default();
                    let mut line = format!("{path} {interface} {}", show(changed));
                    for name in gone.iter() {
                        line.push_str(" without ");
                        line.push_str(&show(name).replace('"', ""));
                    }
                    line
                }
                (Some("InterfacesAdded"), [object, Variant::Dict(interfaces)]) => {
                    let mut parts = vec![format!("added {}", show(object).replace('"', ""))];
                    for (name, properties) in interfaces.iter() {
                        parts.push(format!(
                            "{}{}",
                            show(name).replace('"', ""),
                            show(properties)
                        ));
                    }
                    parts.join(" ")
                }
                (Some("InterfacesRemoved"), [object, _]) => {
                    format!("removed {}", show(object).replace('"', ""))
                }
                other => panic!("unknown signal {other:?}"),
            },
        }
    }
}

fn short(path: &str) -> String {
    path.replace(DEVICE_PATH, "DEV").replace(HCI, "HCI")
}

fn show(value: &Variant<'_>) -> String {
    match value {
        Variant::Str(text) => format!("\"{}\"", short(text)),
        Variant::ObjectPath(path) => format!("\"{}\"", short(path.as_str())),
        Variant::Bool(value) => value.to_string(),
        Variant::I16(value) => value.to_string(),
        Variant::U16(value) => value.to_string(),
        Variant::U32(value) => value.to_string(),
        Variant::U8(value) => format!("{value:02x}"),
        Variant::Variant(inner) => show(inner),
        Variant::Array(array) => {
            let items: Vec<String> = array.iter().map(show).collect();
            if array.iter().any(|item| matches!(item, Variant::U8(_))) {
                format!("hex {}", items.concat())
            } else {
                format!("[{}]", items.join(", "))
            }
        }
        Variant::Dict(dict) => {
            let items: Vec<String> = dict
                .iter()
                .map(|(key, value)| format!("{}: {}", show(key).replace('"', ""), show(value)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        other => panic!("no such value is sent: {other:?}"),
    }
}

/// The options of a radio whose air takes no time.
fn instant() -> RadioOptions {
    RadioOptions::default()
}
