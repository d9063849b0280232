//! The published JSON Schema of rig files, for editors. What it cannot say is still checked when a file is read.

use super::checked::Checked;
use super::raw;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// What editors are told of a text that is parsed while the file is read.
pub(super) trait Described {
    /// The name of the schema.
    const NAME: &'static str;
    /// What it is, with an example.
    const WHAT: &'static str;
    /// A regular expression for it.
    const PATTERN: &'static str;
    /// Whether YAML may read it as a number.
    const NUMBER: bool = false;
}

impl<T: Described> JsonSchema for Checked<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A pattern says nothing of numbers, so both can stand beside each other.
        let kinds: &[&str] = if T::NUMBER {
            &["string", "number"]
        } else {
            &["string"]
        };
        json_schema!({ "type": kinds, "pattern": T::PATTERN, "description": T::WHAT })
    }
}

impl super::RigFile {
    /// The published JSON Schema of rig files.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(raw::Rig);
        schema.insert("title".to_owned(), "rig file of dfu-hil".into());
        schema.to_value()
    }
}
