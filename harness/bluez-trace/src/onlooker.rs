//! A second client of BlueZ, which does what the first never does: lists objects, and makes calls that are refused.

use crate::line::{MEDIA, Names, brief};
use dbus::Message;
use dbus::arg::messageitem::MessageItem;
use dbus::arg::{AppendAll, PropMap, RefArg, Variant};
use dbus::channel::Channel;
use std::collections::BTreeMap;
use std::time::Duration;

/// The service's name.
const BLUEZ: &str = "org.bluez";
/// How long any answer may take, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Why the onlooker cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OnlookerError {
    /// No connection to the bus.
    #[error("cannot get onto the bus at {address}: {message}")]
    Connect {
        /// The bus.
        address: String,
        /// What libdbus says.
        message: String,
    },
    /// A call that has to work did not.
    #[error("{doing}: {message}")]
    Call {
        /// What was done.
        doing: String,
        /// What BlueZ, or the bus, says.
        message: String,
    },
}

/// Objects with their interfaces: by path, a line for each interface with its properties.
pub(crate) type Objects = BTreeMap<String, Vec<String>>;

/// A connection of its own to the bus.
pub(crate) struct Onlooker<'a> {
    channel: Channel,
    names: &'a Names,
}

impl<'a> Onlooker<'a> {
    pub(crate) fn new(address: &str, names: &'a Names) -> Result<Self, OnlookerError> {
        let failed = |error: dbus::Error| OnlookerError::Connect {
            address: address.to_owned(),
            message: error.to_string(),
        };
        let mut channel = Channel::open_private(address).map_err(failed)?;
        channel.register().map_err(failed)?;
        Ok(Self { channel, names })
    }

    fn ask<A: AppendAll>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        arguments: A,
    ) -> Result<Message, dbus::Error> {
        let call = Message::call_with_args(BLUEZ, path, interface, member, arguments);
        self.channel.send_with_reply_and_block(call, PATIENCE)
    }

    /// A call, and what comes of it, as lines.
    pub(crate) fn attempt<A: AppendAll>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        arguments: A,
    ) -> [String; 2] {
        let call = Message::call_with_args(BLUEZ, path, interface, member, arguments);
        let asked = format!(
            "? {} {}.{member}{}",
            self.names.short(path),
            brief(interface),
            self.names.arguments(&call)
        );
        let answered = match self.channel.send_with_reply_and_block(call, PATIENCE) {
            Ok(answer) => format!("= ok{}", self.names.arguments(&answer)),
            Err(error) => format!(
                "= {} {:?}",
                error.name().unwrap_or_default(),
                self.names.short(error.message().unwrap_or_default())
            ),
        };
        [asked, answered]
    }

    /// Switches the adapter on or off.
    pub(crate) fn set_powered(&self, powered: bool) -> Result<(), OnlookerError> {
        let arguments = ("org.bluez.Adapter1", "Powered", Variant(powered));
        self.ask(&self.names.adapter, PROPERTIES, "Set", arguments)
            .map_err(|error| failed("switching the adapter", &error))?;
        Ok(())
    }

    /// The adapter, the board and what belongs to it.
    pub(crate) fn objects(&self) -> Result<Objects, OnlookerError> {
        let manager = "org.freedesktop.DBus.ObjectManager";
        let answer = self
            .ask("/", manager, "GetManagedObjects", ())
            .map_err(|error| failed("listing the objects of BlueZ", &error))?;
        let mut objects = Objects::new();
        if let [MessageItem::Dict(all)] = &answer.get_items()[..] {
            for (path, interfaces) in all.iter() {
                if let MessageItem::ObjectPath(path) = path
                    && self.names.concerns(path)
                {
                    objects.insert(path.to_string(), self.names.interfaces(interfaces));
                }
            }
        }
        Ok(objects)
    }

    /// An object's interfaces and children in its own words: a line for each, with what it has.
    pub(crate) fn introspection(&self, path: &str) -> Result<Vec<String>, OnlookerError> {
        let introspectable = "org.freedesktop.DBus.Introspectable";
        let answer = self
            .ask(path, introspectable, "Introspect", ())
            .map_err(|error| failed(path, &error))?;
        let xml: &str = answer.read1().map_err(|error| OnlookerError::Call {
            doing: path.to_owned(),
            message: error.to_string(),
        })?;
        Ok(introspected(&self.names.short(xml)))
    }
}

/// Options of a call that has any.
pub(crate) fn options(entries: &[(&str, &str)]) -> PropMap {
    let entries = entries.iter().map(|&(key, value)| {
        let value: Box<dyn RefArg> = Box::new(value.to_owned());
        (key.to_owned(), Variant(value))
    });
    entries.collect()
}

fn failed(doing: &str, error: &dbus::Error) -> OnlookerError {
    OnlookerError::Call {
        doing: doing.to_owned(),
        message: error.to_string(),
    }
}

/// A line for each interface and each child of an introspection, sorted, with methods, signals and properties in it.
///
/// This is no parser of XML: gdbus writes one element a line, and what it does not write so is seen in the trace.
fn introspected(xml: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for element in xml.split('<') {
        let inside = element.trim().trim_end_matches(['>', '/']);
        let words = inside
            .replace(['"'], "")
            .replace("name=", "")
            .replace("type=", "");
        match inside.split(' ').next() {
            Some("interface" | "node") if inside.contains("name=") => lines.push(words),
            Some("method" | "signal" | "property" | "arg" | "annotation") => {
                if let Some(line) = lines.last_mut() {
                    *line += if inside.starts_with("arg") {
                        " ("
                    } else {
                        "; "
                    };
                    *line += words.trim_start_matches("arg ");
                    if inside.starts_with("arg") {
                        *line += ")";
                    }
                }
            }
            _ => {}
        }
    }
    let media = format!("interface {MEDIA};");
    lines.retain(|line| !line.starts_with(&media));
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::introspected;

    #[test]
    fn an_introspection_is_one_line_for_each_interface_and_child() {
        let xml = r#"<!DOCTYPE node PUBLIC "a" "b">
            <node><interface name="a.B"><method name="C"><arg name="d" type="a{sv}" direction="in"/></method>
            <property name="E" type="q" access="read"></property></interface><node name="f"/></node>"#;
        assert_eq!(
            introspected(xml),
            [
                "interface a.B; method C (d a{sv} direction=in); property E q access=read",
                "node f"
            ]
        );
    }
}
