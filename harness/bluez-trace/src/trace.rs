//! A conversation as lines: `>` a call of the client, `<` what BlueZ sent to it.
//!
//! Left out is what differs between two runs on the same BlueZ:
//!
//! * Calls that only read, and their answers. The client looks every 300 ms what was found and every 2 s whether a link is still
//!   there, so there are more of them on a slow machine. What they would say is in the objects that the trace lists at fixed moments.
//! * Changes of nothing but the signal strength: a board is heard several times or not between the first report and the end of the
//!   scan.
//! * The order of `ServicesResolved` and the objects of services ([`in_order`]).
//! * Everything about other boards, audio, and the client's own calls to the bus.

use crate::line::{Names, brief};
use crate::relay::Record;
use dbus::arg::messageitem::MessageItem;
use dbus::{Message, MessageType};
use std::collections::HashMap;

const BUS: &str = "org.freedesktop.DBus";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const READS: [&str; 4] = ["Get", "GetAll", "GetManagedObjects", "Introspect"];

/// The lines of a conversation.
pub(crate) fn lines(records: &[Record], names: &Names) -> Vec<String> {
    let mut calls = HashMap::new();
    let mut lines = Vec::new();
    for record in records {
        match record {
            Record::Note(line) => lines.push(line.clone()),
            Record::Said(bytes) => {
                if let Ok(message) = Message::demarshal(bytes) {
                    lines.extend(said(&message, names, &mut calls));
                }
            }
            Record::Heard(bytes) => {
                if let Ok(mut message) = Message::demarshal(bytes) {
                    lines.extend(heard(&mut message, names, &calls));
                }
            }
        }
    }
    in_order(lines)
}

/// Puts `ServicesResolved` in front of the objects that come with it. bluetoothd sends what changes when it has nothing else to
/// do, the device's change last. But if it has to answer a call before, it sends in the order in which objects began to
/// change, the device first (`bluez gdbus/object.c`, `add_pending` and `g_dbus_flush`). Whether a client asks something just then is a
/// race, and both have been recorded of bluetoothd 5.66.
fn in_order(mut lines: Vec<String>) -> Vec<String> {
    let is_added = |line: &String| line.starts_with("< added DEV/");
    for at in 0..lines.len() {
        if lines[at].starts_with("< DEV Device1 {ServicesResolved: true") {
            let added = lines[..at].iter().rev().take_while(|line| is_added(line));
            let first = at - added.count();
            lines[first..=at].rotate_right(1);
        }
    }
    lines
}

/// A call, which is remembered for its answer.
fn said(message: &Message, names: &Names, calls: &mut HashMap<u32, String>) -> Option<String> {
    if message.msg_type() != MessageType::MethodCall || &*message.destination()? == BUS {
        return None;
    }
    let (path, interface, member) = (message.path()?, message.interface()?, message.member()?);
    if READS.contains(&&*member) {
        return None;
    }
    calls.insert(message.get_serial()?, member.to_string());
    Some(format!(
        "> {} {}.{member}{}",
        names.short(&path),
        brief(&interface),
        names.arguments(message)
    ))
}

fn heard(message: &mut Message, names: &Names, calls: &HashMap<u32, String>) -> Option<String> {
    match message.msg_type() {
        MessageType::MethodReturn => {
            let member = calls.get(&message.get_reply_serial()?)?;
            Some(format!("< {member} ok{}", names.arguments(message)))
        }
        MessageType::Error => {
            let member = calls.get(&message.get_reply_serial()?)?;
            Some(format!("< {member} {}", error(message, names)))
        }
        MessageType::Signal => signal(message, names),
        MessageType::MethodCall => None,
    }
}

/// An error: its name and its text.
pub(crate) fn error(message: &mut Message, names: &Names) -> String {
    let arguments = names.arguments(message);
    let error = message.as_result().err();
    let name = error.as_ref().and_then(|error| error.name());
    format!("{}{arguments}", name.unwrap_or("an error without a name"))
}

fn signal(message: &Message, names: &Names) -> Option<String> {
    let (path, member) = (message.path()?, message.member()?);
    let items = message.get_items();
    match (&*member, &items[..]) {
        (
            "PropertiesChanged",
            [
                MessageItem::Str(interface),
                changed,
                MessageItem::Array(gone),
            ],
        ) if names.concerns(&path) && *message.interface()? == *PROPERTIES => {
            let changed = names.show(changed);
            if changed == "{RSSI: n}" && gone.is_empty() {
                return None;
            }
            let mut line = format!("< {} {} {changed}", names.short(&path), brief(interface));
            if !gone.is_empty() {
                let gone: Vec<String> = gone
                    .iter()
                    .map(|one| names.show(one).replace('"', ""))
                    .collect();
                line += &format!(" without {}", gone.join(", "));
            }
            Some(line)
        }
        ("InterfacesAdded", [MessageItem::ObjectPath(object), interfaces])
            if names.concerns(object) =>
        {
            let interfaces = names.interfaces(interfaces).join(" ");
            Some(format!("< added {} {interfaces}", names.short(object)))
        }
        ("InterfacesRemoved", [MessageItem::ObjectPath(object), interfaces])
            if names.concerns(object) =>
        {
            let interfaces = names.show(interfaces);
            Some(format!("< removed {} {interfaces}", names.short(object)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn services_are_behind_the_news_of_them_in_whichever_order_they_came() {
        let resolved = "< DEV Device1 {ServicesResolved: true}";
        let [service, characteristic] = [
            "< added DEV/service0001 a",
            "< added DEV/service0001/char0002 b",
        ];
        let connected = "< DEV Device1 {Connected: true}";
        let expected = [connected, resolved, service, characteristic];
        for came in [expected, [connected, service, characteristic, resolved]] {
            assert_eq!(in_order(came.map(ToOwned::to_owned).to_vec()), expected);
        }
        let device = ["< added DEV a", resolved].map(ToOwned::to_owned);
        assert_eq!(
            in_order(device.to_vec()),
            device,
            "the device itself stays where it is"
        );
    }
}
