//! The stock firmware on the virtual silicon, found and used over the air by a client of BlueZ.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hil_clock::{Clock as _, SystemClock};
use virtual_radio::gatt::{GattTable, SMP_SERVICE};
use virtual_radio::{Address, Advertisement, Port, RadioOptions, VirtualRadio};
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

use super::StockFirmware;
use super::on_chip::preload;
use crate::bus::Core;
use crate::demo::{DemoSet, Variant as DemoVariant};
use crate::model::{Binary, Model, NetworkModel};
use crate::{Power, Preload, Speed, VirtualDk, VirtualDkOptions};

/// Long enough for a machine with other things to do: a limit for what never happens.
const PATIENCE: Duration = Duration::from_secs(120);
const ADAPTER: &str = "/org/bluez/hci0";
const NET_FLASH: u32 = 0x0100_0000;

type Interfaces = HashMap<String, HashMap<String, OwnedVariant>>;

/// A radio, a board on its air, and a client of BlueZ.
struct Bench {
    board: VirtualDk,
    client: Connection,
    clock: SystemClock,
    // Behind what uses it.
    radio: VirtualRadio,
}

/// The demo's baseline.
fn baseline() -> Vec<Preload> {
    preload(&DemoSet::generate(DemoVariant::SWAP_MOVE_ECDSA_EC256))
}

impl Bench {
    fn new(preload: Vec<Preload>, power: Power) -> Self {
        let radio = VirtualRadio::start(RadioOptions::default()).expect("the radio starts");
        let options = VirtualDkOptions {
            speed: Speed::Instant,
            preload,
            power,
            air: Some(radio.air()),
            ..VirtualDkOptions::default()
        };
        let board = VirtualDk::start(options, Arc::new(StockFirmware)).expect("the board starts");
        let address = radio.address().to_owned();
        let client = zruntime::block_on(async {
            let builder = zbus::connection::Builder::address(address.as_str());
            builder.build().await.expect("the bus takes clients")
        });
        let bench = Self {
            board,
            client,
            clock: SystemClock::new(),
            radio,
        };
        bench
            .call(ADAPTER, "org.bluez.Adapter1", "StartDiscovery", &())
            .expect("it discovers");
        bench
    }

    fn call<B>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        zruntime::block_on(self.client.call_method(
            Some("org.bluez"),
            path,
            Some(interface),
            member,
            body,
        ))
    }

    fn address(&self) -> String {
        let ble = self.board.endpoints().ble.as_ref();
        ble.expect("it has a radio").address.clone()
    }

    fn device(&self) -> String {
        device_path(&self.address())
    }

    fn characteristic(&self) -> String {
        format!("{}/service0010/char0011", self.device())
    }

    /// The properties of an object's interface, if there is such an object.
    fn properties(&self, path: &str, interface: &str) -> Option<HashMap<String, OwnedVariant>> {
        let manager = "org.freedesktop.DBus.ObjectManager";
        let reply = self
            .call("/", manager, "GetManagedObjects", &())
            .expect("BlueZ is there");
        let body = reply.body();
        let objects: HashMap<OwnedObjectPath, Interfaces> =
            body.deserialize().expect("as the specification has it");
        let mut found = objects
            .into_iter()
            .find(|(found, _)| found.as_str() == path)?;
        found.1.remove(interface)
    }

    fn flag(&self, property: &str) -> Option<bool> {
        let mut properties = self.properties(&self.device(), "org.bluez.Device1")?;
        bool::try_from(properties.remove(property)?).ok()
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = self.clock.now() + PATIENCE;
        while !is_so() {
            assert!(self.clock.now() < deadline, "never: {what}");
            self.clock
                .sleep_until(self.clock.now() + Duration::from_millis(5));
        }
    }

    fn connect(&self) {
        self.until("the board is found", || self.flag("Connected").is_some());
        self.until("the board is connected to", || {
            let device = self.device();
            let _ = self.call(&device, "org.bluez.Device1", "Connect", &());
            self.flag("ServicesResolved") == Some(true)
        });
        self.call(
            &self.characteristic(),
            "org.bluez.GattCharacteristic1",
            "StartNotify",
            &(),
        )
        .expect("it can be subscribed to");
    }

    /// The last value that was notified.
    fn value(&self) -> Vec<u8> {
        let interface = "org.bluez.GattCharacteristic1";
        self.properties(&self.characteristic(), interface)
            .and_then(|mut properties| properties.remove("Value"))
            .and_then(|value| Vec::try_from(value).ok())
            .unwrap_or_default()
    }

    /// Has a text echoed, and gives the answer's payload.
    fn echo(&self, sequence: u8) -> Vec<u8> {
        let payload = [0xa1, 0x61, b'd', 0x62, b'h', b'i'];
        let mut request = vec![2, 0, 0, payload.len() as u8, 0, 0, sequence, 0];
        request.extend(payload);
        let options = HashMap::from([("type", Variant::from("command"))]);
        self.call(
            &self.characteristic(),
            "org.bluez.GattCharacteristic1",
            "WriteValue",
            &(request, options),
        )
        .expect("it can be written");
        self.until("the echo is answered", || {
            self.value().get(6) == Some(&sequence)
        });
        self.value()[8..].to_vec()
    }

    /// Waits until the adapter has heard who is on the air now. Whoever it has not heard then is silent.
    fn listen(&self, last: u8) {
        let address = Address::new([0xc0, 0, 0, 0, 0, last]);
        let port: Port = self
            .radio
            .air()
            .attach(address, GattTable::smp(), Box::new(|_| {}));
        port.advertise(Some(Advertisement {
            name: None,
            services: vec![SMP_SERVICE],
        }));
        let path = device_path(&address.to_string());
        self.until("another peripheral is found", || {
            self.properties(&path, "org.bluez.Device1").is_some()
        });
    }
}

fn device_path(address: &str) -> String {
    format!("{ADAPTER}/dev_{}", address.replace(':', "_"))
}

#[test]
fn a_board_is_found_by_the_name_of_its_application_and_answers() {
    let bench = Bench::new(baseline(), Power::On);
    bench.connect();
    let mut properties = bench
        .properties(&bench.device(), "org.bluez.Device1")
        .expect("it is found");
    let name = properties.remove("Name").map(String::try_from);
    assert_eq!(name, Some(Ok("dfu-hil demo app".to_owned())));
    assert_eq!(bench.echo(7), [0xbf, 0x61, b'r', 0x62, b'h', b'i', 0xff]);
}

#[test]
fn a_board_that_loses_its_power_loses_its_link_and_comes_back_with_it() {
    let bench = Bench::new(baseline(), Power::On);
    bench.connect();
    bench.board.set_power(Power::Off);
    bench.until("the link is lost", || {
        bench.flag("Connected") == Some(false)
    });
    bench.board.set_power(Power::On);
    // Subscribed again without being asked: sessions outlive links.
    bench.until("it is connected to again", || {
        let device = bench.device();
        let _ = bench.call(&device, "org.bluez.Device1", "Connect", &());
        bench.flag("ServicesResolved") == Some(true)
    });
    assert_eq!(bench.echo(9)[..2], [0xbf, 0x61]);
}

#[test]
fn a_board_without_power_is_silent() {
    let bench = Bench::new(baseline(), Power::Off);
    bench.listen(1);
    assert_eq!(bench.flag("Connected"), None);
}

#[test]
fn a_network_core_that_speaks_another_version_leaves_the_board_silent() {
    let network = Model::Network(NetworkModel {
        name: "net".to_owned(),
        version: "9.0.0".to_owned(),
        ipc_version: 2,
    });
    let mut preload = baseline();
    preload.retain(|piece| piece.core == Core::App);
    preload.push(Preload {
        core: Core::Net,
        address: NET_FLASH,
        data: Binary::new(network, NET_FLASH, 0x2000).build(),
    });
    let dark = Bench::new(preload, Power::On);
    // By the time that a board which can speak is found, it would have been, too.
    let air = dark.radio.air();
    let other = VirtualDk::start(
        VirtualDkOptions {
            name: "dk2".to_owned(),
            speed: Speed::Instant,
            preload: baseline(),
            air: Some(air),
            ..VirtualDkOptions::default()
        },
        Arc::new(StockFirmware),
    )
    .expect("the board starts");
    let ble = other.endpoints().ble.as_ref().expect("it has a radio");
    let path = device_path(&ble.address);
    dark.until("the other board is found", || {
        dark.properties(&path, "org.bluez.Device1").is_some()
    });
    dark.listen(1);
    assert_eq!(dark.flag("Connected"), None);
}
