//! Texts of a rig file that are parsed while it is read, so that what is wrong with them is shown where they stand.

use super::schema::Described;
use serde::de::{Deserialize, Deserializer, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// A text that is parsed while the file is read, so that an error has the place of the text.
#[derive(Debug)]
pub(super) struct Checked<T>(pub(super) T);

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
            type Value = Checked<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Checked).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// A name of a rig or a board: it becomes part of file names and of the report.
#[derive(Debug)]
pub(super) struct Name(pub(super) String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) || text.starts_with('.')
        {
            return Err(format!(
                "`{text}` is not a name: expected 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.`"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Described for Name {
    const NAME: &'static str = "Name";
    const WHAT: &'static str = "1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.`";
    const PATTERN: &'static str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$";
    const NUMBER: bool = true;
}
