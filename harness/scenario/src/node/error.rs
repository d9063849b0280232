//! What is wrong with a node: kept in parts until the file and the place are known.

use super::noun;
use crate::locate::{NodePath, Part, Segment, locate};
use crate::source::{FileError, Source, nearest};
use serde::de;
use std::fmt;

/// What is wrong with a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NodeError {
    at: Option<(NodePath, Part)>,
    message: String,
    found: Option<Box<str>>,
    /// The word stands for one of an enum's variants, so that the enum can say what sort of word it is.
    of_enum: bool,
    allowed: Vec<String>,
    advice: Option<Box<str>>,
}

impl NodeError {
    pub(crate) fn new(path: NodePath, part: Part, message: impl Into<String>) -> Self {
        Self {
            at: Some((path, part)),
            message: message.into(),
            found: None,
            of_enum: false,
            allowed: Vec::new(),
            advice: None,
        }
    }

    /// For a word that is not among `known`.
    pub(crate) fn unknown<'a>(
        path: NodePath,
        part: Part,
        what: &str,
        found: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            found: Some(found.into()),
            allowed: known.into_iter().map(str::to_owned).collect(),
            ..Self::new(path, part, format!("unknown {what} `{found}`"))
        }
    }

    pub(super) fn allowing<'a>(mut self, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed = allowed.into_iter().map(str::to_owned).collect();
        self
    }

    pub(crate) fn advising(mut self, advice: impl Into<Box<str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Says what sort of word was not known, when the error is about the word itself.
    pub(super) fn of_enum(mut self, name: &str) -> Self {
        if std::mem::take(&mut self.of_enum)
            && let Some(found) = &self.found
        {
            self.message = format!("unknown {} `{found}`", noun(name));
        }
        self
    }

    /// The error belongs to this node, unless it already belongs to one inside it.
    pub(super) fn or_at(mut self, path: &[Segment], part: Part) -> Self {
        self.at.get_or_insert_with(|| (path.to_vec(), part));
        self
    }

    /// Says it with the line it is in.
    pub(crate) fn in_file(self, source: &Source) -> FileError {
        let place = self.at.and_then(|(path, part)| locate(source, &path, part));
        let advice = self.advice.map(String::from).or_else(|| {
            let found = self.found?;
            nearest(&found, self.allowed.iter().map(String::as_str))
        });
        FileError::new(&source.path, self.message)
            .at(place)
            .allowing(self.allowed)
            .advising(advice)
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NodeError {}

impl de::Error for NodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            at: None,
            message: message.to_string(),
            found: None,
            of_enum: false,
            allowed: Vec::new(),
            advice: None,
        }
    }

    fn unknown_field(found: &str, allowed: &'static [&'static str]) -> Self {
        Self {
            found: Some(found.into()),
            allowed: allowed.iter().map(|&word| word.to_owned()).collect(),
            ..Self::custom(format_args!("unknown key `{found}`"))
        }
    }

    fn unknown_variant(found: &str, allowed: &'static [&'static str]) -> Self {
        Self {
            of_enum: true,
            ..Self::unknown_field(found, allowed)
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("key `{field}` is missing"))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let error = Self::custom(format_args!(
            "found {}, expected {}",
            describe(found),
            in_words(expected)
        ));
        match found {
            de::Unexpected::Bool(_)
            | de::Unexpected::Unsigned(_)
            | de::Unexpected::Signed(_)
            | de::Unexpected::Float(_)
                if expected.to_string().contains("string") =>
            {
                error.advising("write it in quotes to make it a text")
            }
            _ => error,
        }
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// What was found, in words that somebody who writes YAML knows.
fn describe(found: de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Bool(value) => format!("`{value}`"),
        de::Unexpected::Unsigned(value) => format!("the number `{value}`"),
        de::Unexpected::Signed(value) => format!("the number `{value}`"),
        de::Unexpected::Float(value) => format!("the number `{value}`"),
        de::Unexpected::Str(value) => format!("`{value}`"),
        de::Unexpected::Unit | de::Unexpected::Option => "nothing".to_owned(),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// What serde expects, likewise.
fn in_words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a string" | "string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "u8" => "a number from 0 to 255".to_owned(),
        "u32" | "u64" => "a whole number, 0 or more".to_owned(),
        _ if text.starts_with("struct ") => "a mapping such as `{ key: value }`".to_owned(),
        _ => text,
    }
}
