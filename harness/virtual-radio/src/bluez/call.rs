//! Method calls: finds the object, the interface and the method, and answers.

use super::Bluez;
use super::error::Error;
use super::introspect::{arguments, declared};
use super::objects::{
    ADAPTER, ADVERTISING_MANAGER, AGENT_MANAGER, CHARACTERISTIC, DESCRIPTOR, DEVICE, GATT_MANAGER,
    HEALTH_MANAGER, OBJECT_MANAGER, Object, PROFILE_MANAGER, PROPERTIES,
};
use hil_clock::Instant;
use std::collections::BTreeMap;
use zbus::Message;
use zbus::{ObjectPath, OwnedVariant, Variant};

/// A method call, taken apart.
pub(crate) struct Call<'a> {
    pub(crate) message: &'a Message,
    pub(crate) path: String,
    pub(crate) interface: String,
    pub(crate) member: String,
    pub(crate) sender: String,
}

impl<'a> Call<'a> {
    fn new(message: &'a Message) -> Option<Self> {
        let header = message.header();
        Some(Self {
            message,
            path: header.path()?.to_string(),
            interface: header
                .interface()
                .map(ToString::to_string)
                .unwrap_or_default(),
            member: header.member()?.to_string(),
            sender: header.sender().map(ToString::to_string).unwrap_or_default(),
        })
    }

    fn signature(&self) -> String {
        self.message.body().signature().to_string_no_parens()
    }
}

impl Bluez {
    /// Takes a method call; what is to be answered now or because of it is in
    /// [`take_messages`](Self::take_messages).
    pub(crate) fn call(&mut self, message: &Message, now: Instant) {
        let Some(mut call) = Call::new(message) else {
            return;
        };
        let Some(object) = self.find(&call.path) else {
            let error = Error::unknown_object(&call.member, &call.signature(), &call.interface);
            self.outbox.error(message, &error);
            return;
        };
        if call.interface.is_empty() {
            // The interface may be left out where the method says which one is meant.
            let all = object.interfaces().iter();
            let mut having = all.filter(|interface| has_method(interface, &call.member));
            if let Some(interface) = having.next() {
                call.interface = (*interface).to_owned();
            }
        }
        // A method is meant by its name and its signature (`bluez gdbus/object.c`, `generic_message`).
        let known = object.interfaces().contains(&call.interface.as_str())
            && arguments(&call.interface, &call.member) == Some(call.signature());
        if !known {
            let error = Error::unknown_method(&call.member, &call.signature(), &call.interface);
            self.outbox.error(message, &error);
            return;
        }
        match (object, call.interface.as_str()) {
            (_, PROPERTIES) => self.property_call(&call, object, now),
            (_, OBJECT_MANAGER) => self.answer_managed_objects(message),
            (_, AGENT_MANAGER) => self.outbox.reply(message, &()),
            (Object::Adapter(adapter), ADAPTER) => self.adapter_call(&call, adapter, now),
            (Object::Device(adapter, id), DEVICE) => self.device_call(&call, adapter, id, now),
            (Object::Characteristic(adapter, id, handle), CHARACTERISTIC) => {
                self.characteristic_call(&call, adapter, id, handle, now);
            }
            (Object::Descriptor(..), DESCRIPTOR)
            | (_, GATT_MANAGER | ADVERTISING_MANAGER | PROFILE_MANAGER | HEALTH_MANAGER) => {
                self.outbox.error(message, &Error::not_supported());
            }
            _ => {
                let xml = self.introspect(&call.path, object);
                self.outbox.reply(message, &xml.as_str());
            }
        }
    }

    fn answer_managed_objects(&mut self, message: &Message) {
        let objects = self.managed_objects();
        let objects: BTreeMap<ObjectPath<'_>, _> = objects
            .iter()
            .filter_map(|(path, interfaces)| {
                Some((ObjectPath::try_from(path.as_str()).ok()?, interfaces))
            })
            .collect();
        self.outbox.reply(message, &objects);
    }

    fn property_call(&mut self, call: &Call<'_>, object: Object, now: Instant) {
        let body = call.message.body();
        match call.member.as_str() {
            "GetAll" => {
                let Ok(interface) = body.deserialize::<&str>() else {
                    self.outbox.error(call.message, &Error::invalid_arguments());
                    return;
                };
                if object.interfaces().contains(&interface) {
                    let properties = self.properties(object, interface);
                    self.outbox.reply(call.message, &properties);
                } else {
                    self.outbox
                        .error(call.message, &Error::no_interface(interface));
                }
            }
            "Get" => {
                let Ok((interface, name)) = body.deserialize::<(&str, &str)>() else {
                    self.outbox.error(call.message, &Error::invalid_arguments());
                    return;
                };
                if !object.interfaces().contains(&interface) {
                    self.outbox
                        .error(call.message, &Error::no_interface(interface));
                    return;
                }
                let mut properties = self.properties(object, interface);
                match properties.remove(name) {
                    Some(value) => self.outbox.reply(call.message, &value),
                    None => self.outbox.error(call.message, &Error::no_property(name)),
                }
            }
            _ => {
                let result = match body.deserialize::<(&str, &str, Variant<'_>)>() {
                    Ok((interface, name, value)) => {
                        self.set_property(object, interface, name, &value, now)
                    }
                    Err(_) => Err(Error::invalid_arguments()),
                };
                self.outbox.answer(call.message, result);
                // BlueZ answers before it tells everybody.
                self.tell_settings();
            }
        }
    }

    fn set_property(
        &mut self,
        object: Object,
        interface: &str,
        name: &str,
        value: &Variant<'_>,
        now: Instant,
    ) -> Result<(), Error> {
        if !object.interfaces().contains(&interface) {
            return Err(Error::no_interface(interface));
        }
        // In the order of `bluez gdbus/object.c`, `properties_set`.
        let declared = declared(interface, name).ok_or_else(|| Error::unknown_property(name))?;
        if !declared.writable {
            return Err(Error::read_only(name));
        }
        if !self.properties(object, interface).contains_key(name) {
            return Err(Error::unknown_property(name));
        }
        if value.value_signature().to_string() != declared.signature {
            return Err(Error::invalid_signature(name));
        }
        match object {
            Object::Adapter(adapter) => self.set_adapter_property(adapter, name, value, now),
            Object::Device(adapter, id) => self.set_device_property(adapter, id, name, value),
            _ => Err(Error::unknown_property(name)),
        }
    }
}

fn has_method(interface: &str, member: &str) -> bool {
    arguments(interface, member).is_some()
}

/// The options of a call.
pub(crate) type Options = std::collections::HashMap<String, OwnedVariant>;

/// A value that must be of one type.
pub(crate) fn boolean(value: &Variant<'_>) -> Result<bool, Error> {
    bool::try_from(value).map_err(|_| Error::invalid_arguments())
}

/// The same for text.
pub(crate) fn text(value: &Variant<'_>) -> Result<String, Error> {
    <&str>::try_from(value)
        .map(ToOwned::to_owned)
        .map_err(|_| Error::invalid_arguments())
}
