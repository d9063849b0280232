//! The bus without I/O: who is on it under which names, and where each message goes.

use super::rule::Rule;
use super::{BLUEZ_NAME, BLUEZ_UNIQUE_NAME};
use std::collections::BTreeMap;
use zbus::Message;
use zbus::Variant;
use zbus::message::{Flags, Type};
use zbus::names::UniqueName;

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// Most match rules of a client (ours; dbus-daemon has 512 for users).
const MOST_RULES: usize = 512;

/// A connection to the bus.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct ClientId(pub(crate) u64);

/// What becomes of a message.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// It goes to a client.
    Client(ClientId, Message),
    /// It is a call for BlueZ.
    Bluez(Message),
    /// A client that had used the bus is gone.
    Left(String),
}

/// The bus.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    clients: BTreeMap<ClientId, Client>,
    /// Well-known names but BlueZ's, and their owners.
    names: BTreeMap<String, ClientId>,
}

#[derive(Debug)]
struct Client {
    unique_name: String,
    greeted: bool,
    rules: Vec<Rule>,
}

/// The name and text of an error.
type BusFailure = (&'static str, String);

impl Broker {
    /// A client has connected.
    pub(crate) fn join(&mut self, id: ClientId) {
        let client = Client {
            unique_name: format!(":1.{}", id.0 + 1),
            greeted: false,
            rules: Vec::new(),
        };
        self.clients.insert(id, client);
    }

    /// A client is gone.
    pub(crate) fn leave(&mut self, id: ClientId) -> Vec<Delivery> {
        let Some(client) = self.clients.remove(&id) else {
            return Vec::new();
        };
        let mut deliveries = Vec::new();
        let (owned, others): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.names)
            .into_iter()
            .partition(|(_, owner)| *owner == id);
        self.names = others;
        for name in owned.into_keys() {
            self.owner_changed(&name, &client.unique_name, "", &mut deliveries);
        }
        if client.greeted {
            self.owner_changed(
                &client.unique_name,
                &client.unique_name,
                "",
                &mut deliveries,
            );
            deliveries.push(Delivery::Left(client.unique_name));
        }
        deliveries
    }

    /// Where a message of a client goes.
    pub(crate) fn route(&mut self, from: ClientId, message: &Message) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let Some(client) = self.clients.get(&from) else {
            return deliveries;
        };
        let Ok(name) = UniqueName::try_from(client.unique_name.as_str()) else {
            return deliveries;
        };
        let Ok(message) = message.with_sender(&name) else {
            return deliveries;
        };
        let header = message.header();
        let destination = header.destination().map(ToString::to_string);
        let is_call = message.message_type() == Type::MethodCall;
        match destination.as_deref() {
            // Without a destination a call is for the bus (or a `Ping` of whoever is there).
            Some(BUS) | None if is_call => self.call(from, &message, &mut deliveries),
            None => self.broadcast(&message, &mut deliveries),
            Some(BLUEZ_NAME | BLUEZ_UNIQUE_NAME) => {
                if is_call {
                    deliveries.push(Delivery::Bluez(message));
                }
            }
            Some(other) => match self.owner(other) {
                Some(owner) => deliveries.push(Delivery::Client(owner, message)),
                None if is_call => {
                    let text = format!("The name {other} was not provided by any .service files");
                    let error = ("org.freedesktop.DBus.Error.ServiceUnknown", text);
                    fail(from, &message, error, &mut deliveries);
                }
                None => {}
            },
        }
        deliveries
    }

    /// Where a message of BlueZ goes.
    pub(crate) fn route_from_bluez(&self, message: Message) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        let destination = message.header().destination().map(ToString::to_string);
        match destination {
            None => self.broadcast(&message, &mut deliveries),
            Some(name) => {
                if let Some(owner) = self.owner(&name) {
                    deliveries.push(Delivery::Client(owner, message));
                }
            }
        }
        deliveries
    }

    fn owner(&self, name: &str) -> Option<ClientId> {
        if let Some(&owner) = self.names.get(name) {
            return Some(owner);
        }
        let mut clients = self.clients.iter();
        clients
            .find(|(_, client)| client.greeted && client.unique_name == name)
            .map(|(&id, _)| id)
    }

    /// The unique name of a name's owner.
    fn owner_name(&self, name: &str) -> Option<String> {
        match name {
            BUS => Some(BUS.to_owned()),
            BLUEZ_NAME | BLUEZ_UNIQUE_NAME => Some(BLUEZ_UNIQUE_NAME.to_owned()),
            _ => {
                let client = self.clients.get(&self.owner(name)?)?;
                Some(client.unique_name.clone())
            }
        }
    }

    fn broadcast(&self, message: &Message, deliveries: &mut Vec<Delivery>) {
        let header = message.header();
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let mut names = vec![sender.as_str()];
        if sender == BLUEZ_UNIQUE_NAME {
            names.push(BLUEZ_NAME);
        }
        for (name, owner) in &self.names {
            if self
                .clients
                .get(owner)
                .is_some_and(|owner| owner.unique_name == sender)
            {
                names.push(name);
            }
        }
        for (&id, client) in &self.clients {
            if client
                .rules
                .iter()
                .any(|rule| rule.matches(message, &names))
            {
                deliveries.push(Delivery::Client(id, message.clone()));
            }
        }
    }

    fn owner_changed(&self, name: &str, old: &str, new: &str, deliveries: &mut Vec<Delivery>) {
        let signal = Message::signal(BUS_PATH, BUS, "NameOwnerChanged").sender(BUS);
        if let Ok(message) = signal.build(&(name, old, new)) {
            self.broadcast(&message, deliveries);
        }
    }

    /// A call of the bus itself.
    fn call(&mut self, from: ClientId, message: &Message, deliveries: &mut Vec<Delivery>) {
        let header = message.header();
        let member = header.member().map(ToString::to_string).unwrap_or_default();
        let body = message.body();
        let name = || body.deserialize::<&str>().unwrap_or_default().to_owned();
        let result: Result<(), BusFailure> = match member.as_str() {
            "Hello" => self.hello(from, message, deliveries),
            "AddMatch" => self.add_match(from, &name()).map(|()| {
                reply(from, message, &(), deliveries);
            }),
            "RemoveMatch" => self.remove_match(from, &name()).map(|()| {
                reply(from, message, &(), deliveries);
            }),
            "RequestName" => self.request_name(from, message, deliveries),
            "ReleaseName" => {
                let name = name();
                let released = self.names.get(&name) == Some(&from);
                if released {
                    self.names.remove(&name);
                }
                reply(
                    from,
                    message,
                    &(if released { 1u32 } else { 2 }),
                    deliveries,
                );
                if released && let Some(old) = self.clients.get(&from) {
                    self.owner_changed(&name, &old.unique_name, "", deliveries);
                }
                Ok(())
            }
            "GetNameOwner" => {
                let name = name();
                let owner = self.owner_name(&name).ok_or_else(|| no_owner(&name));
                owner.map(|owner| reply(from, message, &owner.as_str(), deliveries))
            }
            "NameHasOwner" => {
                let has = self.owner_name(&name()).is_some();
                reply(from, message, &has, deliveries);
                Ok(())
            }
            "ListNames" => {
                reply(from, message, &self.all_names(), deliveries);
                Ok(())
            }
            "ListActivatableNames" => {
                reply(from, message, &vec![BUS], deliveries);
                Ok(())
            }
            "ListQueuedOwners" => {
                let name = name();
                let owner = self.owner_name(&name).ok_or_else(|| no_owner(&name));
                owner.map(|owner| reply(from, message, &vec![owner], deliveries))
            }
            // It runs already.
            "StartServiceByName" => {
                let known = body
                    .deserialize::<(&str, u32)>()
                    .is_ok_and(|(name, _)| self.owner_name(name).is_some());
                if known {
                    reply(from, message, &2u32, deliveries);
                    Ok(())
                } else {
                    let text = "The name was not provided by any .service files".to_owned();
                    Err(("org.freedesktop.DBus.Error.ServiceUnknown", text))
                }
            }
            "GetId" | "GetMachineId" => {
                // The radio is a machine of its own: "dfu-hil-radio-bu".
                reply(
                    from,
                    message,
                    &"6466752d68696c2d726164696f2d6275",
                    deliveries,
                );
                Ok(())
            }
            "Ping" => {
                reply(from, message, &(), deliveries);
                Ok(())
            }
            "GetConnectionUnixUser" | "GetConnectionUnixProcessID" => {
                // All that can reach the socket belongs to the one user.
                let value = match member.as_str() {
                    "GetConnectionUnixUser" => rustix::process::getuid().as_raw(),
                    _ => std::process::id(),
                };
                reply(from, message, &value, deliveries);
                Ok(())
            }
            "GetConnectionCredentials" => {
                let user = rustix::process::getuid().as_raw();
                let credentials = BTreeMap::from([("UnixUserID", Variant::U32(user))]);
                reply(from, message, &credentials, deliveries);
                Ok(())
            }
            _ => {
                let text = format!("Unknown method {member}");
                Err(("org.freedesktop.DBus.Error.UnknownMethod", text))
            }
        };
        if let Err(failure) = result {
            fail(from, message, failure, deliveries);
        }
    }

    fn hello(
        &mut self,
        from: ClientId,
        message: &Message,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<(), BusFailure> {
        let Some(client) = self.clients.get_mut(&from) else {
            return Ok(());
        };
        if std::mem::replace(&mut client.greeted, true) {
            let text = "Already handled an Hello message".to_owned();
            return Err(("org.freedesktop.DBus.Error.Failed", text));
        }
        let name = client.unique_name.clone();
        reply(from, message, &name.as_str(), deliveries);
        tell(from, &name, "NameAcquired", &name, deliveries);
        self.owner_changed(&name, "", &name, deliveries);
        Ok(())
    }

    fn add_match(&mut self, from: ClientId, text: &str) -> Result<(), BusFailure> {
        let rule = Rule::parse(text).map_err(|error| {
            (
                "org.freedesktop.DBus.Error.MatchRuleInvalid",
                error.to_string(),
            )
        })?;
        let Some(client) = self.clients.get_mut(&from) else {
            return Ok(());
        };
        if client.rules.len() >= MOST_RULES {
            let text = format!("connection has {MOST_RULES} match rules already");
            return Err(("org.freedesktop.DBus.Error.LimitsExceeded", text));
        }
        client.rules.push(rule);
        Ok(())
    }

    fn remove_match(&mut self, from: ClientId, text: &str) -> Result<(), BusFailure> {
        let not_found = || {
            let text = "The given match rule wasn't found and can't be removed".to_owned();
            ("org.freedesktop.DBus.Error.MatchRuleNotFound", text)
        };
        let rule = Rule::parse(text).map_err(|_| not_found())?;
        let client = self.clients.get_mut(&from).ok_or_else(not_found)?;
        let at = client.rules.iter().position(|known| *known == rule);
        client.rules.remove(at.ok_or_else(not_found)?);
        Ok(())
    }

    fn request_name(
        &mut self,
        from: ClientId,
        message: &Message,
        deliveries: &mut Vec<Delivery>,
    ) -> Result<(), BusFailure> {
        /// Replies of `RequestName`: now primary owner, name is taken, is owner already.
        const PRIMARY_OWNER: u32 = 1;
        const EXISTS: u32 = 3;
        const ALREADY_OWNER: u32 = 4;
        let body = message.body();
        let Ok((name, _)) = body.deserialize::<(&str, u32)>() else {
            let text = "expected a name and flags".to_owned();
            return Err(("org.freedesktop.DBus.Error.InvalidArgs", text));
        };
        if name.starts_with(':') || !name.contains('.') {
            let text = format!("\"{name}\" is not a valid bus name");
            return Err(("org.freedesktop.DBus.Error.InvalidArgs", text));
        }
        let answer = match self.names.get(name) {
            Some(&owner) if owner == from => ALREADY_OWNER,
            Some(_) => EXISTS,
            None if self.owner_name(name).is_some() => EXISTS,
            None => PRIMARY_OWNER,
        };
        reply(from, message, &answer, deliveries);
        if answer == PRIMARY_OWNER
            && let Some(client) = self.clients.get(&from)
        {
            let unique_name = client.unique_name.clone();
            self.names.insert(name.to_owned(), from);
            tell(from, &unique_name, "NameAcquired", name, deliveries);
            self.owner_changed(name, "", &unique_name, deliveries);
        }
        Ok(())
    }

    fn all_names(&self) -> Vec<String> {
        [BUS, BLUEZ_NAME, BLUEZ_UNIQUE_NAME]
            .iter()
            .map(ToString::to_string)
            .chain(self.names.keys().cloned())
            .chain(
                self.clients
                    .values()
                    .filter(|client| client.greeted)
                    .map(|client| client.unique_name.clone()),
            )
            .collect()
    }
}

fn no_owner(name: &str) -> BusFailure {
    let text = format!("Could not get owner of name '{name}': no such name");
    ("org.freedesktop.DBus.Error.NameHasNoOwner", text)
}

fn reply<B>(to: ClientId, call: &Message, body: &B, deliveries: &mut Vec<Delivery>)
where
    B: serde::Serialize + zbus::DynamicType,
{
    if wants_no_reply(call) {
        return;
    }
    let answer = Message::method_return(&call.header()).sender(BUS);
    if let Ok(message) = answer.build(body) {
        deliveries.push(Delivery::Client(to, message));
    }
}

fn fail(to: ClientId, call: &Message, (name, text): BusFailure, deliveries: &mut Vec<Delivery>) {
    if wants_no_reply(call) {
        return;
    }
    let answer = Message::error(&call.header(), name).sender(BUS);
    if let Ok(message) = answer.build(&text.as_str()) {
        deliveries.push(Delivery::Client(to, message));
    }
}

/// A signal of the bus to one client.
fn tell(to: ClientId, unique_name: &str, member: &str, name: &str, deliveries: &mut Vec<Delivery>) {
    let signal = Message::signal(BUS_PATH, BUS, member)
        .sender(BUS)
        .destination(unique_name);
    if let Ok(message) = signal.build(&name) {
        deliveries.push(Delivery::Client(to, message));
    }
}

/// Whether a caller does not want to be answered.
pub(crate) fn wants_no_reply(call: &Message) -> bool {
    call.primary_header()
        .flags()
        .contains(Flags::NO_REPLY_EXPECTED)
}
