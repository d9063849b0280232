//! Payloads: one CBOR map, read whatever form a server chose and written in the form that is asked for.
//!
//! Zephyr and MCUboot answer with maps and lists of indefinite length (`bf … ff`), because zcbor is built
//! non-canonical; desktop clients send definite lengths (`a1 …`). [`Map::decode`] takes both, in any mix, with
//! unknown keys and keys in any order; it refuses what a server refuses: a key that occurs twice, a value of the wrong
//! type. Nesting is limited, and lengths that a peer claims are not believed before the bytes are there.

use ciborium::Value;
use ciborium_ll::{Encoder, Header};
use std::fmt;

/// How deep values may nest. Real messages nest four deep; 40 levels of rubbish are skipped by real servers.
const DEPTH: usize = 64;

/// How the length of maps and lists is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lengths {
    /// In front, as desktop clients do.
    Definite,
    /// With an end mark, as Zephyr and MCUboot do.
    Indefinite,
}

/// A CBOR map with text keys (other keys are kept, and ignored).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(Value, Value)>);

impl Map {
    /// The empty map: a request without arguments, an answer that just means success.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads a payload; no bytes at all are the empty map.
    ///
    /// # Errors
    ///
    /// When the bytes are not one whole CBOR map.
    pub fn decode(payload: &[u8]) -> Result<Self, CborError> {
        if payload.is_empty() {
            return Ok(Self::new());
        }
        let mut rest = payload;
        let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH)
            .map_err(|error| CborError::from_decoder(&error, payload.len() - rest.len()))?;
        if !rest.is_empty() {
            return Err(CborError::Trailing { bytes: rest.len() });
        }
        match value {
            Value::Map(entries) => Ok(Self(entries)),
            other => Err(CborError::NotAMap {
                found: type_name(&other),
            }),
        }
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self, lengths: Lengths) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer {
            encoder: Encoder::from(&mut bytes),
            lengths,
        };
        writer.map(&self.0).expect("writing to memory cannot fail");
        bytes
    }

    /// Adds a key; its place in the map is its place on the wire.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.push((Value::from(key), value.into()));
        self
    }

    /// Adds a key if there is a value for it.
    #[must_use]
    pub fn with_some<V: Into<Value>>(self, key: &str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a list of maps.
    #[must_use]
    pub fn with_list(self, key: &str, items: impl IntoIterator<Item = Self>) -> Self {
        let items = items.into_iter().map(Value::from).collect();
        self.with(key, Value::Array(items))
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text keys and their values, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .iter()
            .filter_map(|(key, value)| key.as_text().map(|key| (key, value)))
    }

    /// The value of `key`, if it is there.
    ///
    /// # Errors
    ///
    /// When the key occurs twice, or its value is of another type.
    pub fn get<T: Field>(&self, key: &'static str) -> Result<Option<T>, CborError> {
        let mut found = self.entries().filter(|(name, _)| *name == key);
        let Some((_, value)) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            return Err(CborError::DuplicateKey { key });
        }
        T::read(value)
            .map(Some)
            .ok_or_else(|| CborError::WrongType {
                key,
                expected: T::NAME,
                found: type_name(value),
            })
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// When the key is missing, occurs twice, or its value is of another type.
    pub fn require<T: Field>(&self, key: &'static str) -> Result<T, CborError> {
        self.get(key)?.ok_or(CborError::MissingKey { key })
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map.0)
    }
}

/// A type that a value in a [`Map`] can be read as.
pub trait Field: Sized {
    /// What it is called in an error.
    const NAME: &'static str;

    /// The value as this type, if it is one.
    fn read(value: &Value) -> Option<Self>;
}

macro_rules! integer_field {
    ($($type:ty),*) => {$(
        impl Field for $type {
            const NAME: &'static str = concat!("an integer (", stringify!($type), ")");

            fn read(value: &Value) -> Option<Self> {
                value.as_integer()?.try_into().ok()
            }
        }
    )*};
}

integer_field!(u8, u16, u32, u64, i32, i64);

impl Field for bool {
    const NAME: &'static str = "true or false";

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Field for String {
    const NAME: &'static str = "text";

    fn read(value: &Value) -> Option<Self> {
        value.as_text().map(Self::from)
    }
}

impl Field for Vec<u8> {
    const NAME: &'static str = "bytes";

    fn read(value: &Value) -> Option<Self> {
        value.as_bytes().cloned()
    }
}

impl Field for Map {
    const NAME: &'static str = "a map";

    fn read(value: &Value) -> Option<Self> {
        value.as_map().cloned().map(Self)
    }
}

impl Field for Vec<Map> {
    const NAME: &'static str = "a list of maps";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(Map::read).collect()
    }
}

/// Why a payload cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CborError {
    /// Not CBOR, or cut off.
    #[error("payload is not whole CBOR: decoding stopped after {offset} bytes")]
    Syntax {
        /// Bytes that were read.
        offset: usize,
    },
    /// Nested deeper than any message is.
    #[error("payload nests deeper than {DEPTH} levels")]
    TooDeep,
    /// Something else at the top.
    #[error("payload is {found}, not a map")]
    NotAMap {
        /// What it is.
        found: &'static str,
    },
    /// More after the map.
    #[error("{bytes} bytes follow the payload's map")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A required key is not there.
    #[error("key `{key}` is missing")]
    MissingKey {
        /// Which.
        key: &'static str,
    },
    /// A key occurs twice.
    #[error("key `{key}` occurs twice")]
    DuplicateKey {
        /// Which.
        key: &'static str,
    },
    /// A value is of the wrong type, or an integer out of range.
    #[error("key `{key}` holds {found}, not {expected}")]
    WrongType {
        /// Which key.
        key: &'static str,
        /// What it must hold.
        expected: &'static str,
        /// What it holds.
        found: &'static str,
    },
}

impl CborError {
    fn from_decoder<E: fmt::Debug>(error: &ciborium::de::Error<E>, read: usize) -> Self {
        match error {
            ciborium::de::Error::RecursionLimitExceeded => Self::TooDeep,
            _ => Self::Syntax { offset: read },
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "an integer",
        Value::Bytes(_) => "bytes",
        Value::Float(_) => "a float",
        Value::Text(_) => "text",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
        Value::Tag(..) => "a tag",
        Value::Array(_) => "a list",
        Value::Map(_) => "a map",
        _ => "something else",
    }
}

struct Writer<'a> {
    encoder: Encoder<&'a mut Vec<u8>>,
    lengths: Lengths,
}

type Written = std::io::Result<()>;

impl Writer<'_> {
    fn length(&self, length: usize) -> Option<usize> {
        match self.lengths {
            Lengths::Definite => Some(length),
            Lengths::Indefinite => None,
        }
    }

    fn end(&mut self) -> Written {
        match self.lengths {
            Lengths::Definite => Ok(()),
            Lengths::Indefinite => self.encoder.push(Header::Break),
        }
    }

    fn map(&mut self, entries: &[(Value, Value)]) -> Written {
        self.encoder.push(Header::Map(self.length(entries.len())))?;
        for (key, value) in entries {
            self.value(key)?;
            self.value(value)?;
        }
        self.end()
    }

    fn value(&mut self, value: &Value) -> Written {
        match value {
            Value::Map(entries) => self.map(entries),
            Value::Array(items) => {
                self.encoder.push(Header::Array(self.length(items.len())))?;
                for item in items {
                    self.value(item)?;
                }
                self.end()
            }
            Value::Bytes(bytes) => self.encoder.bytes(bytes, None),
            Value::Text(text) => self.encoder.text(text, None),
            Value::Bool(value) => self.encoder.push(Header::Simple(if *value {
                ciborium_ll::simple::TRUE
            } else {
                ciborium_ll::simple::FALSE
            })),
            Value::Integer(integer) => {
                let wide = i128::from(*integer);
                // CBOR integers reach from -2^64 to 2^64 - 1, and so does this type: the casts lose nothing.
                let header = u64::try_from(wide)
                    .map_or_else(|_| Header::Negative((wide ^ !0) as u64), Header::Positive);
                self.encoder.push(header)
            }
            Value::Float(float) => self.encoder.push(Header::Float(*float)),
            Value::Tag(tag, inner) => {
                self.encoder.push(Header::Tag(*tag))?;
                self.value(inner)
            }
            // Null, and what a later version of the library may add.
            _ => self.encoder.push(Header::Simple(ciborium_ll::simple::NULL)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn decode(hex: &str) -> Result<Map, CborError> {
        Map::decode(&hex::decode(hex).unwrap())
    }

    #[rstest]
    #[case::definite("a1636f66661901 17".replace(' ', ""))]
    #[case::indefinite("bf636f6666190117ff".to_owned())]
    #[case::unknown_key_first("a2617a81f6636f6666190117".to_owned())]
    #[case::unknown_integer_key("a20102636f6666190117".to_owned())]
    #[case::wide_integer("a1636f66661b0000000000000117".to_owned())]
    #[case::segmented_key("a17f626f666166ff190117".to_owned())]
    fn the_same_offset_in_every_form(#[case] hex: String) {
        assert_eq!(decode(&hex).unwrap().require::<u32>("off"), Ok(279));
    }

    #[rstest]
    #[case::cut_off("a1616465", CborError::Syntax { offset: 4 })]
    #[case::text_of_4_gib("a161647affffffff6869", CborError::Syntax { offset: 10 })]
    #[case::list_of_2_64("9bffffffffffffffff", CborError::Syntax { offset: 9 })]
    #[case::top_level_list("81a0", CborError::NotAMap { found: "a list" })]
    #[case::two_maps("a0a0", CborError::Trailing { bytes: 1 })]
    #[case::nested_300_deep(&format!("a1617a{}00", "81".repeat(300)), CborError::TooDeep)]
    fn refused_payload(#[case] hex: &str, #[case] expected: CborError) {
        assert_eq!(decode(hex), Err(expected));
    }

    #[test]
    fn rubbish_of_forty_levels_under_an_unknown_key_is_skipped() {
        let map = decode(&format!("a2617a{}0061640a", "81".repeat(40))).unwrap();
        assert_eq!(map.require::<u8>("d"), Ok(10));
    }

    #[rstest]
    #[case::missing("a0", CborError::MissingKey { key: "d" })]
    #[case::twice("a2616401616402", CborError::DuplicateKey { key: "d" })]
    #[case::text("a1616461 61".replace(' ', "").leak(), CborError::WrongType { key: "d", expected: "an integer (u8)", found: "text" })]
    #[case::out_of_range("a16164190100", CborError::WrongType { key: "d", expected: "an integer (u8)", found: "an integer" })]
    #[case::negative("a1616420", CborError::WrongType { key: "d", expected: "an integer (u8)", found: "an integer" })]
    fn refused_value(#[case] hex: &str, #[case] expected: CborError) {
        assert_eq!(decode(hex).unwrap().require::<u8>("d"), Err(expected));
    }

    #[test]
    fn both_forms_are_written() {
        let map = Map::new().with_list("images", [Map::new().with("slot", 0)]);
        assert_eq!(
            hex::encode(map.encode(Lengths::Definite)),
            "a166696d6167657381a164736c6f7400"
        );
        assert_eq!(
            hex::encode(map.encode(Lengths::Indefinite)),
            "bf66696d616765739fbf64736c6f7400ffffff"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<i64>(), data in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,40}", flag in any::<bool>()) {
            let map = Map::new()
                .with("n", number)
                .with("data", data.clone())
                .with_some("t", Some(text))
                .with("inner", Map::new().with("flag", flag));
            for lengths in [Lengths::Definite, Lengths::Indefinite] {
                prop_assert_eq!(Map::decode(&map.encode(lengths)), Ok(map.clone()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Map::decode(&bytes);
        }
    }
}
