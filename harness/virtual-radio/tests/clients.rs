//! Clients on the bus, through its socket.

mod client;

use client::{Client, echo};
use virtual_radio::{LinkOptions, RadioOptions, Reason, Timing, VirtualRadio};

const DEVICE: &str = "org.bluez.Device1";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";

/// The path of a board's device below an adapter, and of its SMP characteristic.
fn paths(adapter: usize, last: u8) -> (String, String, String) {
    let adapter = format!("/org/bluez/hci{adapter}");
    let device = format!("{adapter}/dev_C0_00_00_00_00_{last:02X}");
    let characteristic = format!("{device}/service0010/char0011");
    (adapter, device, characteristic)
}

/// Scans, connects, subscribes, and has `rounds` values echoed.
async fn exchange(address: &str, adapter: usize, last: u8, rounds: u8) {
    let (adapter, device, characteristic) = paths(adapter, last);
    let mut client = Client::connect(address).await;
    client.find(&adapter, &device).await;
    client.call(&device, DEVICE, "Connect", &()).await;
    client.added(&format!("{characteristic}/desc0013")).await;
    client
        .call(&characteristic, CHARACTERISTIC, "StartNotify", &())
        .await;
    for round in 0..rounds {
        let value = vec![round ^ last; 400];
        client.write(&characteristic, &value).await;
        let echoed = client.changed(&characteristic, "Value").await;
        let echoed: Vec<u8> = echoed.try_into().expect("it is bytes");
        assert_eq!(echoed, value);
    }
    client.call(&device, DEVICE, "Disconnect", &()).await;
    client.close().await;
}

#[test]
fn sixteen_boards_on_two_adapters_echo_to_sixteen_clients_at_once() {
    let options = RadioOptions {
        adapters: 2,
        ..RadioOptions::default()
    };
    let radio = VirtualRadio::start(options).expect("it starts");
    let ports: Vec<_> = (0..16)
        .map(|last| echo(&radio.air(), [0xc0, 0, 0, 0, 0, last], "same name"))
        .collect();
    let clients: Vec<_> = (0..16u8)
        .map(|last| {
            let address = radio.address().to_owned();
            std::thread::spawn(move || {
                zruntime::block_on(exchange(&address, usize::from(last % 2), last, 50));
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every client has its echoes");
    }
    drop(ports);
}

#[test]
fn a_lost_link_is_told_and_the_device_can_be_connected_to_again() {
    let radio = VirtualRadio::start(RadioOptions::default()).expect("it starts");
    let port = echo(&radio.air(), [0xc0, 0, 0, 0, 0, 1], "echo");
    let (adapter, device, characteristic) = paths(0, 1);
    zruntime::block_on(async {
        let mut client = Client::connect(radio.address()).await;
        client.find(&adapter, &device).await;
        client.call(&device, DEVICE, "Connect", &()).await;
        client.added(&format!("{characteristic}/desc0013")).await;
        port.get()
            .expect("it is attached")
            .drop_link(Reason::ConnectionTimeout);
        let connected = client.changed(&device, "ServicesResolved").await;
        assert_eq!(bool::try_from(connected), Ok(false));
        let refused = client
            .try_call(&characteristic, CHARACTERISTIC, "ReadValue", &no_options())
            .await;
        let text = refused.expect_err("it is not connected").to_string();
        assert!(text.contains("Not connected"), "{text}");
        client.call(&device, DEVICE, "Connect", &()).await;
        client.changed(&device, "ServicesResolved").await;
        client.close().await;
    });
}

fn no_options() -> std::collections::HashMap<String, zbus::OwnedVariant> {
    std::collections::HashMap::new()
}

#[test]
fn the_air_that_takes_its_time_carries_the_same_bytes() {
    let options = RadioOptions {
        link: LinkOptions {
            timing: Timing::Realistic,
            interval: std::time::Duration::from_micros(7500),
            loss: 0.1,
            seed: 3,
            ..LinkOptions::default()
        },
        ..RadioOptions::default()
    };
    let radio = VirtualRadio::start(options).expect("it starts");
    let port = echo(&radio.air(), [0xc0, 0, 0, 0, 0, 9], "slow");
    zruntime::block_on(exchange(radio.address(), 0, 9, 20));
    drop(port);
}

#[test]
fn names_on_the_bus_are_those_of_a_system_bus() {
    let radio = VirtualRadio::start(RadioOptions::default()).expect("it starts");
    zruntime::block_on(async {
        let client = Client::connect(radio.address()).await;
        let has = client.bus_call("NameHasOwner", &"org.bluez").await;
        assert_eq!(has.body().deserialize::<bool>().ok(), Some(true));
        let owner = client.bus_call("GetNameOwner", &"org.bluez").await;
        assert_eq!(
            owner.body().deserialize::<String>().ok().as_deref(),
            Some(":1.0")
        );
        let other = Client::connect(radio.address()).await;
        let requested = other
            .bus_call("RequestName", &("com.example.Agent", 4u32))
            .await;
        assert_eq!(requested.body().deserialize::<u32>().ok(), Some(1));
        let again = client
            .bus_call("RequestName", &("com.example.Agent", 4u32))
            .await;
        assert_eq!(again.body().deserialize::<u32>().ok(), Some(3));
        other.close().await;
        client.close().await;
    });
}
