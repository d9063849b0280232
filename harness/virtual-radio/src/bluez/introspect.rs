//! Introspection: the XML that clients walk the tree with (btleplug finds services and characteristics this way).

use super::Bluez;
use super::objects::{
    ADAPTER, ADVERTISING_MANAGER, AGENT_MANAGER, CHARACTERISTIC, DESCRIPTOR, DEVICE, GATT_MANAGER,
    INTROSPECTABLE, OBJECT_MANAGER, Object, PROPERTIES, SERVICE,
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
        GATT_MANAGER => &[
            (
                "RegisterApplication",
                &[("application", "o", "in"), ("options", "a{sv}", "in")],
            ),
            ("UnregisterApplication", &[("application", "o", "in")]),
        ],
        ADVERTISING_MANAGER => &[
            (
                "RegisterAdvertisement",
                &[("advertisement", "o", "in"), ("options", "a{sv}", "in")],
            ),
            ("UnregisterAdvertisement", &[("service", "o", "in")]),
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

/// All that an interface may have, as bluetoothd 5.66 introspects it; what an object has is in `objects.rs`.
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
            ("ExperimentalFeatures", "as", "read"),
        ],
        ADVERTISING_MANAGER => &[
            ("ActiveInstances", "y", "read"),
            ("SupportedInstances", "y", "read"),
            ("SupportedIncludes", "as", "read"),
            ("SupportedSecondaryChannels", "as", "read"),
        ],
        DEVICE => &[
            ("Address", "s", "read"),
            ("AddressType", "s", "read"),
            ("Name", "s", "read"),
            ("Alias", "s", "readwrite"),
            ("Class", "u", "read"),
            ("Appearance", "q", "read"),
            ("Icon", "s", "read"),
            ("Paired", "b", "read"),
            ("Bonded", "b", "read"),
            ("Trusted", "b", "readwrite"),
            ("Blocked", "b", "readwrite"),
            ("LegacyPairing", "b", "read"),
            ("RSSI", "n", "read"),
            ("Connected", "b", "read"),
            ("UUIDs", "as", "read"),
            ("Modalias", "s", "read"),
            ("Adapter", "o", "read"),
            ("ManufacturerData", "a{qv}", "read"),
            ("ServiceData", "a{sv}", "read"),
            ("TxPower", "n", "read"),
            ("ServicesResolved", "b", "read"),
            ("WakeAllowed", "b", "readwrite"),
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

/// How a property is declared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Declared {
    /// Of its value.
    pub(crate) signature: &'static str,
    /// Whether clients may set it.
    pub(crate) writable: bool,
}

/// A property's declaration. One that is declared need not be there.
pub(crate) fn declared(interface: &str, property: &str) -> Option<Declared> {
    let mut all = properties(interface).iter();
    let &(_, signature, access) = all.find(|(name, ..)| *name == property)?;
    Some(Declared {
        signature,
        writable: access == "readwrite",
    })
}

/// The signature of a method's arguments; `None` when there is no such method.
pub(crate) fn arguments(interface: &str, member: &str) -> Option<String> {
    let mut all = methods(interface).iter();
    let (_, arguments) = all.find(|(name, _)| *name == member)?;
    let taken = arguments
        .iter()
        .filter(|(_, _, direction)| *direction == "in");
    Some(taken.map(|(_, signature, _)| *signature).collect())
}
