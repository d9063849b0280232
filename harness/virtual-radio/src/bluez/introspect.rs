//! Introspection: the XML that clients walk the tree with (btleplug finds services and characteristics this way).

use super::Bluez;
use super::objects::{
    ADAPTER, AGENT_MANAGER, CHARACTERISTIC, DESCRIPTOR, DEVICE, INTROSPECTABLE, OBJECT_MANAGER,
    Object, PROPERTIES, SERVICE,
};
use std::fmt::Write as _;

const DOCTYPE: &str = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n\
    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n";

impl Bluez {
    /// The XML of the object at `path`.
    pub(crate) fn introspect(&self, path: &str, object: Object) -> String {
        let mut xml = format!("{DOCTYPE}<node>");
        for &interface in object.interfaces() {
            let _ = write!(xml, "<interface name=\"{interface}\">");
            for (name, arguments) in methods(interface) {
                let _ = write!(xml, "<method name=\"{name}\">");
                for (argument, signature, direction) in *arguments {
                    let _ = write!(
                        xml,
                        "<arg name=\"{argument}\" type=\"{signature}\" direction=\"{direction}\"/>"
                    );
                }
                xml.push_str("</method>");
            }
            for (name, arguments) in signals(interface) {
                let _ = write!(xml, "<signal name=\"{name}\">");
                for (argument, signature) in *arguments {
                    let _ = write!(xml, "<arg name=\"{argument}\" type=\"{signature}\"/>");
                }
                xml.push_str("</signal>");
            }
            for (name, signature, access) in properties(interface) {
                let _ = write!(
                    xml,
                    "<property name=\"{name}\" type=\"{signature}\" access=\"{access}\"></property>"
                );
            }
            xml.push_str("</interface>");
        }
        for child in self.children(path) {
            let _ = write!(xml, "<node name=\"{child}\"/>");
        }
        xml.push_str("</node>");
        xml
    }
}

type Arguments = &'static [(&'static str, &'static str, &'static str)];

/// Methods of an interface with their arguments. A call of one that is not listed is an unknown method.
pub(crate) fn methods(interface: &str) -> &'static [(&'static str, Arguments)] {
    match interface {
        INTROSPECTABLE => &[("Introspect", &[("xml", "s", "out")])],
        PROPERTIES => &[
            (
                "Get",
                &[
                    ("interface", "s", "in"),
                    ("name", "s", "in"),
                    ("value", "v", "out"),
                ],
            ),
            (
                "Set",
                &[
                    ("interface", "s", "in"),
                    ("name", "s", "in"),
                    ("value", "v", "in"),
                ],
            ),
            (
                "GetAll",
                &[("interface", "s", "in"), ("properties", "a{sv}", "out")],
            ),
        ],
        OBJECT_MANAGER => &[("GetManagedObjects", &[("objects", "a{oa{sa{sv}}}", "out")])],
        AGENT_MANAGER => &[
            (
                "RegisterAgent",
                &[("agent", "o", "in"), ("capability", "s", "in")],
            ),
            ("UnregisterAgent", &[("agent", "o", "in")]),
            ("RequestDefaultAgent", &[("agent", "o", "in")]),
        ],
        ADAPTER => &[
            ("StartDiscovery", &[]),
            ("SetDiscoveryFilter", &[("properties", "a{sv}", "in")]),
            ("StopDiscovery", &[]),
            ("RemoveDevice", &[("device", "o", "in")]),
            ("GetDiscoveryFilters", &[("filters", "as", "out")]),
        ],
        DEVICE => &[
            ("Disconnect", &[]),
            ("Connect", &[]),
            ("ConnectProfile", &[("UUID", "s", "in")]),
            ("DisconnectProfile", &[("UUID", "s", "in")]),
            ("Pair", &[]),
            ("CancelPairing", &[]),
        ],
        CHARACTERISTIC => &[
            (
                "ReadValue",
                &[("options", "a{sv}", "in"), ("value", "ay", "out")],
            ),
            (
                "WriteValue",
                &[("value", "ay", "in"), ("options", "a{sv}", "in")],
            ),
            (
                "AcquireWrite",
                &[
                    ("options", "a{sv}", "in"),
                    ("fd", "h", "out"),
                    ("mtu", "q", "out"),
                ],
            ),
            (
                "AcquireNotify",
                &[
                    ("options", "a{sv}", "in"),
                    ("fd", "h", "out"),
                    ("mtu", "q", "out"),
                ],
            ),
            ("StartNotify", &[]),
            ("StopNotify", &[]),
        ],
        DESCRIPTOR => &[
            (
                "ReadValue",
                &[("options", "a{sv}", "in"), ("value", "ay", "out")],
            ),
            (
                "WriteValue",
                &[("value", "ay", "in"), ("options", "a{sv}", "in")],
            ),
        ],
        _ => &[],
    }
}

fn signals(interface: &str) -> &'static [(&'static str, &'static [(&'static str, &'static str)])] {
    match interface {
        PROPERTIES => &[(
            "PropertiesChanged",
            &[
                ("interface", "s"),
                ("changed_properties", "a{sv}"),
                ("invalidated_properties", "as"),
            ],
        )],
        OBJECT_MANAGER => &[
            (
                "InterfacesAdded",
                &[("object", "o"), ("interfaces", "a{sa{sv}}")],
            ),
            (
                "InterfacesRemoved",
                &[("object", "o"), ("interfaces", "as")],
            ),
        ],
        _ => &[],
    }
}

fn properties(interface: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    match interface {
        ADAPTER => &[
            ("Address", "s", "read"),
            ("AddressType", "s", "read"),
            ("Name", "s", "read"),
            ("Alias", "s", "readwrite"),
            ("Class", "u", "read"),
            ("Powered", "b", "readwrite"),
            ("Discoverable", "b", "readwrite"),
            ("DiscoverableTimeout", "u", "readwrite"),
            ("Pairable", "b", "readwrite"),
            ("PairableTimeout", "u", "readwrite"),
            ("Discovering", "b", "read"),
            ("UUIDs", "as", "read"),
            ("Modalias", "s", "read"),
            ("Roles", "as", "read"),
        ],
        DEVICE => &[
            ("Address", "s", "read"),
            ("AddressType", "s", "read"),
            ("Name", "s", "read"),
            ("Alias", "s", "readwrite"),
            ("Paired", "b", "read"),
            ("Bonded", "b", "read"),
            ("Trusted", "b", "readwrite"),
            ("Blocked", "b", "readwrite"),
            ("LegacyPairing", "b", "read"),
            ("RSSI", "n", "read"),
            ("Connected", "b", "read"),
            ("UUIDs", "as", "read"),
            ("Adapter", "o", "read"),
            ("ServicesResolved", "b", "read"),
        ],
        SERVICE => &[
            ("UUID", "s", "read"),
            ("Device", "o", "read"),
            ("Primary", "b", "read"),
            ("Includes", "ao", "read"),
        ],
        CHARACTERISTIC => &[
            ("UUID", "s", "read"),
            ("Service", "o", "read"),
            ("Value", "ay", "read"),
            ("Notifying", "b", "read"),
            ("Flags", "as", "read"),
            ("WriteAcquired", "b", "read"),
            ("NotifyAcquired", "b", "read"),
            ("MTU", "q", "read"),
        ],
        DESCRIPTOR => &[
            ("UUID", "s", "read"),
            ("Characteristic", "o", "read"),
            ("Value", "ay", "read"),
        ],
        _ => &[],
    }
}

/// Whether clients may set a property.
pub(crate) fn is_writable(interface: &str, property: &str) -> bool {
    properties(interface)
        .iter()
        .any(|&(name, _, access)| name == property && access == "readwrite")
}
