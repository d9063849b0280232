//! Messages that BlueZ sends: replies, errors and signals, in the order in which they were decided.

use super::error::Error;
use crate::bus::{BLUEZ_UNIQUE_NAME, wants_no_reply};
use std::collections::BTreeMap;
use zbus::Message;
use zbus::Variant;

/// Properties of an interface.
pub(crate) type Properties = BTreeMap<&'static str, Variant<'static>>;
/// Interfaces of an object with their properties.
pub(crate) type Interfaces = BTreeMap<&'static str, Properties>;

/// Collects what is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    messages: Vec<Message>,
}

impl Outbox {
    pub(crate) fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    fn push(&mut self, built: zbus::Result<Message>) {
        match built {
            Ok(message) => self.messages.push(message),
            // Only a path or a name that is not one can fail, and ours are.
            Err(error) => tracing::error!(%error, "message of the virtual BlueZ could not be made"),
        }
    }

    /// Answers `call` with `body`.
    pub(crate) fn reply<B>(&mut self, call: &Message, body: &B)
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        if !wants_no_reply(call) {
            let header = call.header();
            let answer = Message::method_return(&header).sender(BLUEZ_UNIQUE_NAME);
            self.push(answer.build(body));
        }
    }

    /// Answers `call` with nothing, or an error.
    pub(crate) fn answer(&mut self, call: &Message, result: Result<(), Error>) {
        match result {
            Ok(()) => self.reply(call, &()),
            Err(error) => self.error(call, &error),
        }
    }

    pub(crate) fn error(&mut self, call: &Message, error: &Error) {
        if !wants_no_reply(call) {
            let header = call.header();
            let answer = Message::error(&header, error.name).sender(BLUEZ_UNIQUE_NAME);
            self.push(answer.build(&error.text.as_str()));
        }
    }

    /// `PropertiesChanged`.
    pub(crate) fn changed(&mut self, path: &str, interface: &str, changed: &Properties) {
        self.properties_changed(path, interface, changed, &[]);
    }

    /// `PropertiesChanged` for a property that is gone.
    pub(crate) fn invalidated(&mut self, path: &str, interface: &str, name: &str) {
        self.properties_changed(path, interface, &Properties::new(), &[name]);
    }

    fn properties_changed(
        &mut self,
        path: &str,
        interface: &str,
        changed: &Properties,
        invalidated: &[&str],
    ) {
        let signal = Message::signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged")
            .sender(BLUEZ_UNIQUE_NAME);
        self.push(signal.build(&(interface, changed, invalidated)));
    }

    pub(crate) fn interfaces_added(&mut self, path: &str, interfaces: &Interfaces) {
        self.object_manager("InterfacesAdded", path, interfaces);
    }

    pub(crate) fn interfaces_removed(&mut self, path: &str, interfaces: &[&str]) {
        self.object_manager("InterfacesRemoved", path, &interfaces);
    }

    fn object_manager<B>(&mut self, member: &str, path: &str, body: &B)
    where
        B: serde::Serialize + zbus::Type,
    {
        let Ok(object) = zbus::ObjectPath::try_from(path) else {
            tracing::error!(path, "not an object path");
            return;
        };
        let signal = Message::signal("/", "org.freedesktop.DBus.ObjectManager", member)
            .sender(BLUEZ_UNIQUE_NAME);
        self.push(signal.build(&(object, body)));
    }
}
