//! Match rules: which broadcast messages a client wants (D-Bus specification, "Match Rules").

use std::collections::BTreeMap;
use zbus::Message;
use zbus::message::Type;
use zbus::names::{BusName, InterfaceName, MemberName};
use zbus::{ObjectPath, Structure, Variant};

/// The largest number of an argument that a rule can name.
const LAST_ARGUMENT: u8 = 63;

/// How an argument must look.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Argument {
    /// A string that is this one.
    Equal(String),
    /// A string or a path, below which or above which this one is.
    Path(String),
    /// A name in this namespace.
    Namespace(String),
}

/// A match rule.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rule {
    kind: Option<String>,
    sender: Option<String>,
    interface: Option<String>,
    member: Option<String>,
    path: Option<String>,
    path_namespace: Option<String>,
    destination: Option<String>,
    arguments: BTreeMap<u8, Argument>,
}

/// A rule was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("match rule is not valid at `{at}`")]
pub(crate) struct RuleError {
    at: String,
}

impl Rule {
    /// A rule as `AddMatch` takes it: `type='signal',member='PropertiesChanged'`.
    pub(crate) fn parse(text: &str) -> Result<Self, RuleError> {
        let mut rule = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let wrong = || RuleError {
                at: rest.to_owned(),
            };
            let (key, value) = rest.split_once('=').ok_or_else(wrong)?;
            let (value, behind) = unquote(value).ok_or_else(wrong)?;
            rule.set(key.trim(), value).ok_or_else(wrong)?;
            rest = behind.trim_start();
            if let Some(more) = rest.strip_prefix(',') {
                rest = more.trim_start();
            } else if !rest.is_empty() {
                return Err(wrong());
            }
        }
        Ok(rule)
    }

    fn set(&mut self, key: &str, value: String) -> Option<()> {
        let place = match key {
            "type" => {
                let known = ["signal", "method_call", "method_return", "error"];
                known.contains(&value.as_str()).then_some(&mut self.kind)?
            }
            "sender" => &mut self.sender,
            "interface" => &mut self.interface,
            "member" => &mut self.member,
            "path" => &mut self.path,
            "path_namespace" => &mut self.path_namespace,
            "destination" => &mut self.destination,
            // Obsolete, and of no effect without monitors.
            "eavesdrop" => return Some(()),
            _ => return self.set_argument(key.strip_prefix("arg")?, value),
        };
        *place = Some(value);
        Some(())
    }

    fn set_argument(&mut self, key: &str, value: String) -> Option<()> {
        let digits = key.len() - key.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, kind) = key.split_at(digits);
        let number: u8 = number.parse().ok()?;
        let argument = match kind {
            "" => Argument::Equal(value),
            "path" => Argument::Path(value),
            "namespace" if number == 0 => Argument::Namespace(value),
            _ => return None,
        };
        (number <= LAST_ARGUMENT).then(|| self.arguments.insert(number, argument));
        (number <= LAST_ARGUMENT).then_some(())
    }

    /// Whether `message`, from the owner of the names in `sender_names`, is wanted.
    pub(crate) fn matches(&self, message: &Message, sender_names: &[&str]) -> bool {
        let header = message.header();
        let kind = match message.message_type() {
            Type::Signal => "signal",
            Type::MethodCall => "method_call",
            Type::MethodReturn => "method_return",
            Type::Error => "error",
        };
        let path = header.path().map(ObjectPath::as_str);
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.kind, Some(kind))
            && is(
                &self.interface,
                header.interface().map(InterfaceName::as_str),
            )
            && is(&self.member, header.member().map(MemberName::as_str))
            && is(&self.path, path)
            && is(&self.destination, header.destination().map(BusName::as_str))
            && self
                .sender
                .as_deref()
                .is_none_or(|sender| sender_names.contains(&sender))
            && self
                .path_namespace
                .as_deref()
                .is_none_or(|namespace| path.is_some_and(|path| is_within(path, namespace)))
            && self.arguments_match(message)
    }

    fn arguments_match(&self, message: &Message) -> bool {
        if self.arguments.is_empty() {
            return true;
        }
        let body = message.body();
        let Ok(values) = body.deserialize::<Structure<'_>>() else {
            return false;
        };
        self.arguments.iter().all(|(&number, wanted)| {
            let found = values.fields().get(usize::from(number));
            let (text, is_path) = match found {
                Some(Variant::Str(text)) => (text.as_str(), false),
                Some(Variant::ObjectPath(path)) => (path.as_str(), true),
                _ => return false,
            };
            match wanted {
                Argument::Equal(wanted) => !is_path && text == wanted,
                Argument::Path(wanted) => {
                    text == wanted
                        || wanted.ends_with('/') && text.starts_with(wanted.as_str())
                        || text.ends_with('/') && wanted.starts_with(text)
                }
                Argument::Namespace(wanted) => {
                    let below = text.strip_prefix(wanted.as_str());
                    !is_path && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                }
            }
        })
    }
}

fn is_within(path: &str, namespace: &str) -> bool {
    namespace == "/"
        || path
            .strip_prefix(namespace)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A value in front of a comma: between apostrophes all is itself, outside a backslash quotes an apostrophe.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut quoted = false;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => quoted = !quoted,
            '\\' if !quoted && characters.peek().is_some_and(|&(_, next)| next == '\'') => {
                characters.next();
                value.push('\'');
            }
            ',' if !quoted => return Some((value, &text[at..])),
            _ => value.push(character),
        }
    }
    (!quoted).then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn added(path: &str) -> Message {
        let object = ObjectPath::try_from(path).expect("it is a path");
        Message::signal("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded")
            .expect_build(&(object, "x"))
    }

    trait ExpectBuild {
        fn expect_build<B: serde::Serialize + zbus::DynamicType>(self, body: &B) -> Message;
    }

    impl ExpectBuild for zbus::message::Builder<'_> {
        fn expect_build<B: serde::Serialize + zbus::DynamicType>(self, body: &B) -> Message {
            self.build(body).expect("it can be built")
        }
    }

    #[rstest]
    #[case::everything("", true)]
    #[case::bleak_devices(
        "type='signal',interface='org.freedesktop.DBus.ObjectManager',member='InterfacesAdded',arg0path='/org/bluez/'",
        true
    )]
    #[case::other_tree("arg0path='/org/other/'", false)]
    #[case::same_path("arg0path='/org/bluez/hci0/dev_1'", true)]
    #[case::path_is_no_string("arg0='/org/bluez/hci0/dev_1'", false)]
    #[case::second("arg1='x'", true)]
    #[case::third("arg2='x'", false)]
    #[case::sender("sender='org.bluez'", true)]
    #[case::unique_sender("sender=':1.0'", true)]
    #[case::other_sender("sender=':1.1'", false)]
    #[case::namespace("path_namespace='/org'", false)]
    #[case::root("path_namespace='/'", true)]
    #[case::calls("type='method_call'", false)]
    #[case::unquoted("type=signal, member=InterfacesAdded", true)]
    fn a_rule_and_an_added_device(#[case] rule: &str, #[case] wanted: bool) {
        let rule = Rule::parse(rule).expect("it is a rule");
        let signal = added("/org/bluez/hci0/dev_1");
        assert_eq!(rule.matches(&signal, &[":1.0", "org.bluez"]), wanted);
    }

    #[rstest]
    #[case::child("/org/bluez/hci1", true)]
    #[case::itself("/org/bluez", true)]
    #[case::neighbour("/org/bluezoo", false)]
    fn a_namespace_ends_at_a_slash(#[case] path: &str, #[case] wanted: bool) {
        let rule = Rule::parse("path_namespace='/org/bluez'").expect("it is a rule");
        let signal = Message::signal(path, "a.b", "C").expect_build(&());
        assert_eq!(rule.matches(&signal, &[]), wanted);
    }

    #[rstest]
    #[case::no_value("type")]
    #[case::open_quote("type='signal")]
    #[case::unknown_key("colour='red'")]
    #[case::unknown_type("type='letter'")]
    #[case::too_many("arg64='x'")]
    #[case::namespace_of_another("arg1namespace='x'")]
    fn what_is_no_rule_is_refused(#[case] rule: &str) {
        assert!(Rule::parse(rule).is_err());
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in "\\PC{0,60}") {
            let _ = Rule::parse(&text);
        }
    }
}
