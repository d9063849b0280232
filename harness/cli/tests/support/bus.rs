//! A client that lists who is on the bus of a radio.

use hil_clock::Clock;
use std::time::Duration;

const BUS: &str = "org.freedesktop.DBus";

/// Somebody on the bus who does nothing but look around.
pub(crate) struct Onlooker(zbus::Connection);

impl Onlooker {
    pub(crate) fn new(address: &str) -> Self {
        let builder = zbus::connection::Builder::address(address);
        let client = zruntime::block_on(builder.build());
        Self(client.expect("the bus takes clients"))
    }

    /// Names of everybody else, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let path = "/org/freedesktop/DBus";
        let call = self
            .0
            .call_method(Some(BUS), path, Some(BUS), "ListNames", &());
        let reply = zruntime::block_on(call).expect("the bus answers");
        let mut names: Vec<String> = reply.body().deserialize().expect("a list of names");
        let own = self.0.unique_name().map(ToString::to_string);
        names.retain(|name| Some(name) != own.as_ref());
        names.sort();
        names
    }

    /// Waits until these are the names: the bus notices in its own time that a connection was closed.
    pub(crate) fn until_names_are(&self, expected: &[String], clock: &dyn Clock) {
        let deadline = clock.now() + Duration::from_secs(60);
        loop {
            let names = self.names();
            if names == expected {
                return;
            }
            assert!(
                clock.now() < deadline,
                "on the bus are {names:?}, expected {expected:?}"
            );
            clock.sleep_until(clock.now() + Duration::from_millis(5));
        }
    }
}
