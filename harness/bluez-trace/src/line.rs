//! D-Bus messages as lines of text, in the form of `virtual-radio/tests/data`.

use dbus::Message;
use dbus::arg::messageitem::MessageItem;

const ADAPTER: &str = "org.bluez.Adapter1";
/// Audio: there if bluetoothd was built with it.
pub(crate) const MEDIA: &str = "org.bluez.Media1";

/// Which adapter and board a trace is about. Everything that is named after them gets a name that does not change.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The adapter's object.
    pub(crate) adapter: String,
    /// The board's object below it.
    pub(crate) device: String,
    /// The board's address.
    pub(crate) address: String,
}

impl Names {
    /// Of the board with this address, on the adapter with this name.
    pub(crate) fn of(adapter: &str, address: &str) -> Self {
        let adapter = format!("/org/bluez/{adapter}");
        Self {
            device: format!("{adapter}/dev_{}", address.replace(':', "_")),
            adapter,
            address: address.to_owned(),
        }
    }

    /// A path or another text with `HCI`, `DEV` and `ADDRESS` in it.
    pub(crate) fn short(&self, text: &str) -> String {
        text.replace(&self.device, "DEV")
            .replace(&self.adapter, "HCI")
            .replace(&self.address, "ADDRESS")
    }

    /// Whether an object is the adapter or the board, or belongs to the board.
    pub(crate) fn concerns(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.device);
        path == self.adapter || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// A value. Keys of a dictionary are sorted: they come in no order.
    pub(crate) fn show(&self, value: &MessageItem) -> String {
        match value {
            MessageItem::Str(text) => format!("\"{}\"", self.short(text)),
            MessageItem::ObjectPath(path) => format!("\"{}\"", self.short(path)),
            MessageItem::Bool(value) => value.to_string(),
            MessageItem::Byte(value) => format!("{value:02x}"),
            MessageItem::Int16(value) => value.to_string(),
            MessageItem::UInt16(value) => value.to_string(),
            MessageItem::Int32(value) => value.to_string(),
            MessageItem::UInt32(value) => value.to_string(),
            MessageItem::Variant(inner) => self.show(inner),
            MessageItem::Array(items) => {
                let shown: Vec<String> = items.iter().map(|item| self.show(item)).collect();
                if matches!(items.first(), Some(MessageItem::Byte(_))) {
                    format!("hex {}", shown.concat())
                } else {
                    format!("[{}]", shown.join(", "))
                }
            }
            MessageItem::Dict(entries) => {
                let mut shown: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| match key {
                        MessageItem::Str(key) => self.property(key, value),
                        key => format!("{}: {}", self.show(key), self.show(value)),
                    })
                    .collect();
                shown.sort();
                format!("{{{}}}", shown.join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    fn property(&self, name: &str, value: &MessageItem) -> String {
        // How strong a radio is heard is another number each time.
        if name == "RSSI" {
            "RSSI: n".to_owned()
        } else {
            format!("{name}: {}", self.show(value))
        }
    }

    /// The arguments of a message, each behind a blank.
    pub(crate) fn arguments(&self, message: &Message) -> String {
        let items = message.get_items();
        items
            .iter()
            .map(|item| format!(" {}", self.show(item)))
            .collect()
    }

    /// The interfaces of an object as in `InterfacesAdded`, one line for each, sorted: they come in no order.
    pub(crate) fn interfaces(&self, interfaces: &MessageItem) -> Vec<String> {
        let MessageItem::Dict(interfaces) = interfaces else {
            return vec![format!("{interfaces:?}")];
        };
        let mut lines: Vec<String> = interfaces
            .iter()
            .filter_map(|(name, properties)| match name {
                MessageItem::Str(name) if name == MEDIA => None,
                MessageItem::Str(name) if name == ADAPTER => {
                    Some(format!("{name}{}", self.adapter_properties(properties)))
                }
                MessageItem::Str(name) => Some(format!("{name}{}", self.show(properties))),
                other => Some(format!("{other:?}")),
            })
            .collect();
        lines.sort();
        lines
    }

    /// An adapter's own address and name are not the same on two hosts.
    fn adapter_properties(&self, properties: &MessageItem) -> String {
        let mut shown = self.show(properties);
        if let MessageItem::Dict(properties) = properties {
            for (name, value) in properties.iter() {
                if let MessageItem::Str(name) = name
                    && ["Address", "Alias", "Name"].contains(&name.as_str())
                {
                    let (named, value) = (format!("{name}: "), self.show(value));
                    shown = shown.replace(&(named.clone() + &value), &(named + "its own"));
                }
            }
        }
        shown
    }
}

/// An interface without what all of BlueZ's begin with.
pub(crate) fn brief(interface: &str) -> &str {
    interface.rsplit('.').next().unwrap_or(interface)
}
