//! A client on the bus of a radio, and an echo on its air.

#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use futures_core::Stream;
use virtual_radio::gatt::{GattTable, SMP_SERVICE};
use virtual_radio::{Address, Advertisement, AirHandle, LinkEvent, Port};
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

/// Interfaces with their properties.
pub(crate) type Interfaces = HashMap<String, HashMap<String, OwnedVariant>>;

/// Puts a board on the air that answers every write with itself.
pub(crate) fn echo(air: &AirHandle, address: [u8; 6], name: &str) -> Arc<OnceLock<Port>> {
    let advertisement = Advertisement {
        name: Some(name.to_owned()),
        services: vec![SMP_SERVICE],
    };
    let port: Arc<OnceLock<Port>> = Arc::default();
    let handle = Arc::downgrade(&port);
    let again = advertisement.clone();
    let board = move |event| {
        let Some(port) = handle.upgrade() else { return };
        let Some(port) = port.get() else { return };
        match event {
            LinkEvent::Written {
                link,
                characteristic,
                value,
            } => port.notify(link, characteristic, value),
            LinkEvent::Disconnected { .. } => port.advertise(Some(again.clone())),
            LinkEvent::Connected { .. } | LinkEvent::Subscribed { .. } => {}
        }
    };
    let attached = air.attach(Address::new(address), GattTable::smp(), Box::new(board));
    attached.advertise(Some(advertisement));
    port.set(attached).expect("it is set once");
    port
}

/// A client with all signals of BlueZ.
pub(crate) struct Client {
    connection: Connection,
    stream: MessageStream,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        // A stream that is full keeps everything from being read, replies as well.
        let queue = NonZeroUsize::new(1 << 16).expect("it is not zero");
        let connection = zbus::connection::Builder::address(address)
            .max_queued(queue)
            .build()
            .await
            .expect("the bus takes clients");
        let stream = MessageStream::from(&connection);
        let client = Self { connection, stream };
        client
            .bus_call("AddMatch", &"type='signal',sender='org.bluez'")
            .await;
        client
    }

    pub(crate) async fn bus_call<B>(&self, member: &str, body: &B) -> Message
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let bus = "org.freedesktop.DBus";
        self.connection
            .call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), member, body)
            .await
            .expect("the bus answers")
    }

    pub(crate) async fn try_call<B>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Result<Message, zbus::Error>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.connection
            .call_method(Some("org.bluez"), path, Some(interface), member, body)
            .await
    }

    pub(crate) async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Message
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.try_call(path, interface, member, body)
            .await
            .unwrap_or_else(|error| panic!("{interface}.{member} of {path}: {error}"))
    }

    /// The next signal.
    pub(crate) async fn signal(&mut self) -> Message {
        loop {
            let next = poll_fn(|context| Pin::new(&mut self.stream).poll_next(context)).await;
            let message = next.expect("the bus is there").expect("it is a message");
            if message.message_type() == Type::Signal {
                return message;
            }
        }
    }

    /// Waits for an object to appear.
    pub(crate) async fn added(&mut self, path: &str) -> Interfaces {
        loop {
            let signal = self.signal().await;
            if signal
                .header()
                .member()
                .is_some_and(|name| name == "InterfacesAdded")
            {
                let body = signal.body();
                let (object, interfaces): (OwnedObjectPath, Interfaces) =
                    body.deserialize().expect("as the specification has it");
                if object.as_str() == path {
                    return interfaces;
                }
            }
        }
    }

    /// Waits until a property of an object is changed to this.
    pub(crate) async fn changed(&mut self, path: &str, property: &str) -> OwnedVariant {
        loop {
            let signal = self.signal().await;
            if signal.header().path().is_none_or(|found| found != path) {
                continue;
            }
            let body = signal.body();
            let changed: Result<(String, HashMap<String, OwnedVariant>, Vec<String>), _> =
                body.deserialize();
            if let Ok((_, mut changed, _)) = changed
                && let Some(value) = changed.remove(property)
            {
                return value;
            }
        }
    }

    async fn knows(&self, path: &str) -> bool {
        let manager = "org.freedesktop.DBus.ObjectManager";
        let reply = self.call("/", manager, "GetManagedObjects", &()).await;
        let body = reply.body();
        let objects: HashMap<OwnedObjectPath, Interfaces> =
            body.deserialize().expect("as the specification has it");
        objects.keys().any(|found| found.as_str() == path)
    }

    /// Scans until the device is there.
    pub(crate) async fn find(&mut self, adapter: &str, device: &str) {
        self.call(adapter, "org.bluez.Adapter1", "StartDiscovery", &())
            .await;
        // Another client of the adapter may have found it before: then nothing is added.
        while !self.knows(device).await {
            self.signal().await;
        }
        self.call(adapter, "org.bluez.Adapter1", "StopDiscovery", &())
            .await;
    }

    pub(crate) async fn write(&self, characteristic: &str, value: &[u8]) {
        let options = HashMap::from([("type", Variant::from("command"))]);
        self.call(
            characteristic,
            "org.bluez.GattCharacteristic1",
            "WriteValue",
            &(value.to_vec(), options),
        )
        .await;
    }

    pub(crate) async fn close(self) {
        self.connection.close().await.expect("it can be closed");
    }
}
