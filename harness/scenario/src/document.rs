//! YAML files of other crates, read as scenario files are: mistakes with their line, what is allowed and advice.

use crate::locate::{NodePath, Part, Segment};
use crate::node::{self, NodeError};
use crate::source::{FileError, Source};
use serde::de::DeserializeOwned;
use std::path::Path;

/// A YAML file that was read, kept so that a mistake that is found late can still be shown in its line.
#[derive(Clone, Debug)]
pub struct YamlDocument {
    source: Source,
    value: serde_yaml::Value,
}

/// One step from a node of a YAML file to a node inside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum At<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An item of a list, from 0.
    Index(usize),
}

impl YamlDocument {
    /// Reads the file at `path`; `what` is what it should be, such as `sign-off policy`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no YAML.
    pub fn load(path: impl AsRef<Path>, what: &str) -> Result<Self, FileError> {
        Self::of(Source::read(path.as_ref())?, what)
    }

    /// Reads the text of a file; `path` is only shown.
    ///
    /// # Errors
    ///
    /// The text is no YAML.
    pub fn parse(path: impl AsRef<Path>, what: &str, text: &str) -> Result<Self, FileError> {
        Self::of(Source::new(path.as_ref(), text), what)
    }

    fn of(source: Source, what: &str) -> Result<Self, FileError> {
        let value = source.parse_yaml(what)?;
        Ok(Self { source, value })
    }

    /// What is in it, as a `T`.
    ///
    /// # Errors
    ///
    /// The first mistake, with its place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, FileError> {
        node::read(&self.value, &[]).map_err(|error| error.in_file(&self.source))
    }

    /// A mistake of the value at `at`; where `at` leads nowhere, of the last node on the way.
    #[must_use]
    pub fn mistake(&self, at: &[At<'_>], message: impl Into<String>, help: &str) -> FileError {
        let path: NodePath = at
            .iter()
            .map(|step| match step {
                At::Key(key) => Segment::Key((*key).to_owned()),
                At::Index(index) => Segment::Index(*index),
            })
            .collect();
        NodeError::new(path, Part::Value, message)
            .advising(help)
            .in_file(&self.source)
    }

    /// The file, as it was named when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.source.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_that_is_found_late_is_shown_in_its_line() {
        let document = YamlDocument::parse("p.yaml", "policy", "waivers:\n  - by: Jane\n").unwrap();
        let at = [At::Key("waivers"), At::Index(0), At::Key("by")];
        insta::assert_snapshot!(document.mistake(&at, "`Jane` has left", "ask Joe").render(), @r"
        p.yaml:2:9: `Jane` has left
          |
        2 |   - by: Jane
          |         ^^^^
          = help: ask Joe
        ");
    }
}
