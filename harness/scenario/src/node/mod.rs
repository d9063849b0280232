//! Turns a YAML value into the types of this crate, and remembers which node a mistake is at.
//!
//! `serde_yaml` can do this as well, but its errors are finished sentences: the word that was found, the words
//! that are allowed and the node are gone. This deserializer keeps them apart, so that the message can name the
//! nearest word, and takes variables that were replaced after parsing.

mod error;

pub(crate) use error::NodeError;

use crate::locate::{NodePath, Part, Segment};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde_yaml::{Mapping, Value};

/// Reads a `T` from `value`, which stands at `path` of its document.
pub(crate) fn read<T: de::DeserializeOwned>(
    value: &Value,
    path: &[Segment],
) -> Result<T, NodeError> {
    T::deserialize(Node {
        value,
        path: path.to_vec(),
    })
}

/// A YAML value and where it stands.
struct Node<'a> {
    value: &'a Value,
    path: NodePath,
}

impl<'a> Node<'a> {
    fn child(&self, segment: Segment, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(segment);
        Self { value, path }
    }

    /// Where a mistake of the whole node is shown. A mapping is shown by its key: that is where a missing key is
    /// missed.
    fn part(&self) -> Part {
        match (self.value, self.path.last()) {
            (Value::Mapping(_) | Value::Null, Some(Segment::Key(_))) => Part::Key,
            _ => Part::Value,
        }
    }

    /// Reads the node; a mistake that names no place is the whole node's.
    fn read<T: de::DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, NodeError> {
        let (path, part) = (self.path.clone(), self.part());
        seed.deserialize(self)
            .map_err(|error| error.or_at(&path, part))
    }

    fn mapping<V: Visitor<'a>>(
        self,
        mapping: Option<&'a Mapping>,
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        let result = visitor.visit_map(Entries {
            node: &self,
            entries: mapping.map(Mapping::iter),
            value: None,
        });
        let part = self.part();
        result.map_err(|error| error.or_at(&self.path, part))
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = NodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        let path = self.path.clone();
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Sequence(items) => visitor.visit_seq(Items {
                node: &self,
                items: items.iter().enumerate(),
            }),
            Value::Mapping(mapping) => return self.mapping(Some(mapping), visitor),
            Value::Tagged(tagged) => Err(de::Error::custom(format_args!(
                "YAML tags such as `{}` mean nothing here",
                tagged.tag
            ))),
        }
        .map_err(|error: NodeError| error.or_at(&path, Part::Value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        visitor.visit_newtype_struct(self)
    }

    /// `power_cycle:` without anything means `power_cycle: {}`.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        match self.value {
            Value::Null => self.mapping(None, visitor),
            Value::Sequence(_) => Err(NodeError::new(
                self.path,
                Part::Value,
                "found a list, expected a mapping such as `{ key: value }`",
            )),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        let (word, content, at) = match one_entry(self.value) {
            Some((word, content)) => (word, content, Part::Key),
            None => match self.value {
                Value::String(word) => (word.as_str(), &NULL, Part::Value),
                other => {
                    let message = format!("found {}, expected a {}", kind(other), noun(name));
                    return Err(NodeError::new(self.path.clone(), Part::Value, message)
                        .allowing(variants.iter().copied()));
                }
            },
        };
        let content = self.child(Segment::Key(word.to_owned()), content);
        let path = match at {
            Part::Key => content.path.clone(),
            Part::Value => self.path.clone(),
        };
        visitor
            .visit_enum(OneOf { word, content })
            .map_err(|error| error.of_enum(name).or_at(&path, at))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

/// The entry of a mapping that has only one.
fn one_entry(value: &Value) -> Option<(&str, &Value)> {
    match value.as_mapping()?.iter().next()? {
        (Value::String(word), content) if value.as_mapping()?.len() == 1 => Some((word, content)),
        _ => None,
    }
}

/// For a word that stands alone where settings may follow.
static NULL: Value = Value::Null;

/// What the words of an enum are, in the language of the files.
fn noun(name: &str) -> &'static str {
    match name {
        "Step" => "step",
        "Slot" => "slot",
        "Core" => "core",
        "Memory" => "memory",
        "Transport" => "transport",
        "StandingCheck" => "standing check",
        "BoardFeature" => "board feature",
        _ => "word",
    }
}

/// What a value is, in words that somebody who writes YAML knows.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number `{value}`"),
        Value::String(value) => format!("`{value}`"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(mapping) => match mapping.len() {
            0 => "an empty mapping".to_owned(),
            1 => "a mapping".to_owned(),
            keys => format!("a mapping of {keys} keys"),
        },
        Value::Tagged(tagged) => format!("the tag `{}`", tagged.tag),
    }
}

/// The entries of a mapping.
struct Entries<'n, 'a> {
    node: &'n Node<'a>,
    entries: Option<serde_yaml::mapping::Iter<'a>>,
    value: Option<Node<'a>>,
}

impl<'a> MapAccess<'a> for Entries<'_, 'a> {
    type Error = NodeError;

    fn next_key_seed<K: de::DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NodeError> {
        let Some((key, value)) = self.entries.as_mut().and_then(Iterator::next) else {
            return Ok(None);
        };
        let Value::String(name) = key else {
            return Err(de::Error::custom(format_args!(
                "found {} as a key, expected a word",
                kind(key)
            )));
        };
        let value = self.node.child(Segment::Key(name.clone()), value);
        let deserializer: StrDeserializer<'_, NodeError> = name.as_str().into_deserializer();
        let key = seed
            .deserialize(deserializer)
            .map_err(|error| error.or_at(&value.path, Part::Key))?;
        self.value = Some(value);
        Ok(Some(key))
    }

    fn next_value_seed<V: de::DeserializeSeed<'a>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, NodeError> {
        let value = self
            .value
            .take()
            .ok_or_else(|| NodeError::custom("a value was asked for before its key"))?;
        value.read(seed)
    }
}

/// The items of a list.
struct Items<'n, 'a> {
    node: &'n Node<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'a> SeqAccess<'a> for Items<'_, 'a> {
    type Error = NodeError;

    fn next_element_seed<T: de::DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NodeError> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        self.node
            .child(Segment::Index(index), value)
            .read(seed)
            .map(Some)
    }
}

/// One variant of an enum, and what it is given.
struct OneOf<'a> {
    word: &'a str,
    content: Node<'a>,
}

impl<'a> EnumAccess<'a> for OneOf<'a> {
    type Error = NodeError;
    type Variant = Content<'a>;

    fn variant_seed<V: de::DeserializeSeed<'a>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'a>), NodeError> {
        let deserializer: StrDeserializer<'_, NodeError> = self.word.into_deserializer();
        Ok((seed.deserialize(deserializer)?, Content(self.content)))
    }
}

/// What a variant is given.
struct Content<'a>(Node<'a>);

impl<'a> VariantAccess<'a> for Content<'a> {
    type Error = NodeError;

    fn unit_variant(self) -> Result<(), NodeError> {
        match self.0.value {
            Value::Null => Ok(()),
            other => Err(NodeError::custom(format_args!(
                "found {}, but this word stands alone",
                kind(other)
            ))),
        }
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'a>>(
        self,
        seed: T,
    ) -> Result<T::Value, NodeError> {
        self.0.read(seed)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Result<V::Value, NodeError> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use crate::words::{Slot, Transport};
    use rstest::rstest;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the mistakes in it are looked at")]
    struct Sample {
        slot: Slot,
        #[serde(default)]
        over: Vec<Transport>,
        #[serde(default)]
        count: u8,
        #[serde(default)]
        text: String,
    }

    #[rstest]
    #[case::unknown_key(
        "slot: app.primary\nslt: x",
        "a.yaml:2:1: unknown key `slt`",
        Some("did you mean `slot`?")
    )]
    #[case::unknown_word(
        "slot: app.primry",
        "a.yaml:1:7: unknown slot `app.primry`",
        Some("did you mean `app.primary`?")
    )]
    #[case::unknown_word_in_a_list(
        "{ slot: app.primary, over: [uart, bel] }",
        "a.yaml:1:35: unknown transport `bel`",
        Some("did you mean `ble`?")
    )]
    #[case::missing_key("text: x", "a.yaml:1:1: key `slot` is missing", None)]
    #[case::wrong_type("slot: [1]", "a.yaml:1:7: found a list, expected a slot", None)]
    #[case::number_for_text(
        "slot: app.primary\ntext: 2.0",
        "a.yaml:2:7: found the number `2`, expected a text",
        Some("write it in quotes to make it a text")
    )]
    #[case::too_large(
        "slot: app.primary\ncount: 256",
        "a.yaml:2:8: found the number `256`, expected a number from 0 to 255",
        None
    )]
    #[case::key_that_is_no_word(
        "slot: app.primary\n1: 2",
        "a.yaml:1:1: found the number `1` as a key, expected a word",
        None
    )]
    #[case::tag(
        "slot: !x app.primary",
        "a.yaml:1:7: found the tag `!x`, expected a slot",
        None
    )]
    fn a_mistake_is_named_where_it_is(
        #[case] text: &str,
        #[case] message: &str,
        #[case] help: Option<&str>,
    ) {
        let value: Value = serde_yaml::from_str(text).unwrap();
        let error = read::<Sample>(&value, &[]).unwrap_err();
        let error = error.in_file(&Source::new("a.yaml", text));
        assert_eq!(error.to_string(), message);
        assert_eq!(error.help(), help);
    }
}
