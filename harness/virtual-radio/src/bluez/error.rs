//! Errors as BlueZ 5.66 gives them: name and text (`bluez src/error.c`, `src/gatt-client.c`, `gdbus/object.c`).

/// A D-Bus error: its name and its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Error {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

impl Error {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            text: text.into(),
        }
    }

    pub(crate) fn failed(text: &str) -> Self {
        Self::new("org.bluez.Error.Failed", text)
    }

    pub(crate) fn in_progress() -> Self {
        Self::new("org.bluez.Error.InProgress", "In Progress")
    }

    pub(crate) fn not_ready() -> Self {
        Self::new("org.bluez.Error.NotReady", "Resource Not Ready")
    }

    pub(crate) fn not_supported() -> Self {
        Self::new("org.bluez.Error.NotSupported", "Operation is not supported")
    }

    pub(crate) fn not_permitted(text: &str) -> Self {
        Self::new("org.bluez.Error.NotPermitted", text)
    }

    pub(crate) fn does_not_exist() -> Self {
        Self::new("org.bluez.Error.DoesNotExist", "Does Not Exist")
    }

    pub(crate) fn invalid_arguments() -> Self {
        Self::new(
            "org.bluez.Error.InvalidArguments",
            "Invalid arguments in method call",
        )
    }

    pub(crate) fn authentication_failed() -> Self {
        Self::new(
            "org.bluez.Error.AuthenticationFailed",
            "Authentication Failed",
        )
    }

    /// What an ATT error of the peer becomes.
    pub(crate) fn att(code: u8) -> Self {
        match code {
            // Insufficient authentication, key size, encryption.
            0x05 | 0x0c | 0x0f => Self::not_permitted("Not paired"),
            0x02 => Self::not_permitted("Read not permitted"),
            0x03 => Self::not_permitted("Write not permitted"),
            0x06 => Self::not_supported(),
            _ => Self::failed(&format!("Operation failed with ATT error: 0x{code:02x}")),
        }
    }

    pub(crate) fn unknown_object(member: &str, signature: &str, interface: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.UnknownObject",
            no_method(member, signature, interface),
        )
    }

    pub(crate) fn unknown_method(member: &str, signature: &str, interface: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.UnknownMethod",
            no_method(member, signature, interface),
        )
    }

    /// What is set is not there.
    pub(crate) fn unknown_property(name: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.UnknownProperty",
            format!("No such property '{name}'"),
        )
    }

    pub(crate) fn invalid_signature(name: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.InvalidSignature",
            format!("Invalid signature for '{name}'"),
        )
    }

    /// What is asked for is not there.
    pub(crate) fn no_property(name: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.InvalidArgs",
            format!("No such property '{name}'"),
        )
    }

    pub(crate) fn no_interface(name: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.InvalidArgs",
            format!("No such interface '{name}'"),
        )
    }

    pub(crate) fn read_only(name: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.PropertyReadOnly",
            format!("Property '{name}' is not writable"),
        )
    }
}

fn no_method(member: &str, signature: &str, interface: &str) -> String {
    format!(
        "Method \"{member}\" with signature \"{signature}\" on interface \"{interface}\" doesn't exist\n"
    )
}
