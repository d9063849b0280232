//! Finds the line and column of a node in a YAML text.
//!
//! A parsed YAML value does not know where it stood. Mistakes are rare, so the text is read a second time when
//! there is one: the reader goes down the path of the node, refuses it when it gets there, and the parser says
//! where it was refused.

use crate::source::{Place, Source};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// One step from a node to a node inside it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// The way from the top of a document to a node.
pub(crate) type NodePath = Vec<Segment>;

/// Which part of a mapping's entry is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Key,
    Value,
}

/// The place of the node at `path`; where the path leads nowhere, that of the last node on the way.
pub(crate) fn locate(source: &Source, path: &[Segment], part: Part) -> Option<Place> {
    let seek = Seek { path, part };
    let error = match seek.deserialize(serde_yaml::Deserializer::from_str(&source.text)) {
        Ok(()) => return None,
        Err(error) => error,
    };
    let location = error.location()?;
    source.place(location.line(), location.column())
}

/// Goes to the end of `path` and fails there.
#[derive(Clone, Copy)]
struct Seek<'a> {
    path: &'a [Segment],
    part: Part,
}

fn here<E: Error>() -> E {
    E::custom("here")
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node")
    }

    // Whatever a scalar is, the path does not go further: every `visit_` method that is not written here fails,
    // which is what is wanted.

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.path.split_first() else {
            return Err(here());
        };
        let stop_at_key = rest.is_empty() && self.part == Part::Key;
        while let Some(found) = map.next_key_seed(SeekKey {
            wanted,
            stop_at_key,
        })? {
            if found {
                return map.next_value_seed(Self { path: rest, ..self });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(here())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.path.split_first() else {
            return Err(here());
        };
        for _ in 0..*wanted {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Err(here());
            }
        }
        seq.next_element_seed(Self { path: rest, ..self })?;
        Err(here())
    }
}

/// Says whether a key is the wanted one, or fails there.
struct SeekKey<'a> {
    wanted: &'a str,
    stop_at_key: bool,
}

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.stop_at_key => Err(here()),
            found => Ok(found),
        }
    }
}

/// The first key that its mapping has already, and the place where it is repeated.
pub(crate) fn duplicate_key(source: &Source) -> Option<(String, Place)> {
    let mut repeated = None;
    let walk = Walk {
        repeated: &mut repeated,
    };
    let error = walk
        .deserialize(serde_yaml::Deserializer::from_str(&source.text))
        .err()?;
    let location = error.location()?;
    Some((repeated?, source.place(location.line(), location.column())?))
}

/// Goes through everything, and fails at a key that is there twice.
struct Walk<'a> {
    repeated: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut known = BTreeSet::new();
        while map
            .next_key_seed(NewKey {
                known: &mut known,
                repeated: self.repeated,
            })?
            .is_some()
        {
            map.next_value_seed(Walk {
                repeated: self.repeated,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq
            .next_element_seed(Walk {
                repeated: self.repeated,
            })?
            .is_some()
        {}
        Ok(())
    }
}

/// A key that must not be among those known.
struct NewKey<'a> {
    known: &'a mut BTreeSet<String>,
    repeated: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if self.known.insert(key.to_owned()) {
            return Ok(());
        }
        *self.repeated = Some(key.to_owned());
        Err(here())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "\
# a comment
scenario: x
steps:
  - program: baseline
  - upload: { image: update.app,
              over: \"uart\" }
";

    fn key(name: &str) -> Segment {
        Segment::Key(name.to_owned())
    }

    #[rstest]
    #[case::top_key(vec![key("steps")], Part::Key, 3, 1, 5)]
    #[case::item(vec![key("steps"), Segment::Index(1)], Part::Value, 5, 5, 6)]
    #[case::item_key(vec![key("steps"), Segment::Index(1), key("upload")], Part::Key, 5, 5, 6)]
    #[case::scalar(vec![key("steps"), Segment::Index(0), key("program")], Part::Value, 4, 14, 8)]
    #[case::on_the_next_line(
        vec![key("steps"), Segment::Index(1), key("upload"), key("over")], Part::Value, 6, 21, 6
    )]
    #[case::leads_nowhere(
        vec![key("steps"), Segment::Index(1), key("upload"), key("missing")], Part::Value, 5, 13, 1
    )]
    #[case::through_a_scalar(vec![key("scenario"), key("x")], Part::Value, 2, 11, 1)]
    fn finds(
        #[case] path: NodePath,
        #[case] part: Part,
        #[case] line: u32,
        #[case] column: u32,
        #[case] width: u32,
    ) {
        let place = locate(&Source::new("x.yaml", TEXT), &path, part).unwrap();
        assert_eq!(
            (place.line, place.column, place.width),
            (line, column, width)
        );
    }

    #[rstest]
    #[case::deep("a: [{ b: 1, c: 2, b: 3 }]", Some(("b", 1, 19)))]
    #[case::same_word_elsewhere("a: { b: 1 }\nb: 2", None)]
    #[case::not_yaml("a: [", None)]
    fn a_repeated_key(#[case] text: &str, #[case] expected: Option<(&str, u32, u32)>) {
        let found = duplicate_key(&Source::new("x.yaml", text));
        let found = found
            .as_ref()
            .map(|(key, place)| (key.as_str(), place.line, place.column));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_empty_text_has_no_places() {
        assert_eq!(
            locate(&Source::new("x.yaml", ""), &[key("a")], Part::Key),
            None
        );
    }
}
