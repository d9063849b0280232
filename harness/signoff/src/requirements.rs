//! The requirements file: what the firmware must do, in the words of whoever asked for it.

use hil_scenario::{At, FileError, RequirementId, YamlDocument};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// One requirement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Requirement {
    /// Its name, as scenarios have it in `requirements`.
    pub id: RequirementId,
    /// What must be so, in a sentence.
    pub text: String,
    /// Where it comes from: a document, a ticket, a standard.
    pub source: String,
}

/// A requirements file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirements {
    /// The requirements in the order of the file; no id is there twice.
    pub list: Vec<Requirement>,
    /// The text of the file.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    requirements: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: RequirementId,
    text: String,
    source: String,
}

impl Requirements {
    /// Reads the requirements file at `path`.
    ///
    /// # Errors
    ///
    /// The first mistake in it, with its place.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::of(&YamlDocument::load(path, "requirements file")?)
    }

    /// Reads the text of a requirements file; `path` is only shown.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self, FileError> {
        Self::of(&YamlDocument::parse(path, "requirements file", text)?)
    }

    fn of(document: &YamlDocument) -> Result<Self, FileError> {
        let Document { requirements } = document.read()?;
        let mut ids = BTreeSet::new();
        for (index, raw) in requirements.iter().enumerate() {
            let at = |key| [At::Key("requirements"), At::Index(index), At::Key(key)];
            if !ids.insert(&raw.id) {
                return Err(document.mistake(
                    &at("id"),
                    format!("requirement `{}` is there twice", raw.id),
                    "give one of them another id, also in the scenarios that cover it",
                ));
            }
            for (key, value, help) in [
                ("text", &raw.text, "say in a sentence what must be so"),
                (
                    "source",
                    &raw.source,
                    "name the document, ticket or standard that asks for it",
                ),
            ] {
                if value.trim().is_empty() {
                    return Err(document.mistake(&at(key), format!("`{key}` is empty"), help));
                }
            }
        }
        Ok(Self {
            list: requirements
                .into_iter()
                .map(|raw| Requirement {
                    id: raw.id,
                    text: raw.text.trim().to_owned(),
                    source: raw.source.trim().to_owned(),
                })
                .collect(),
            text: document.text().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        Requirements::parse("requirements.yaml", text)
            .unwrap_err()
            .render()
    }

    #[test]
    fn a_file_of_requirements_is_read() {
        let text = "requirements:\n  - { id: DFU-APP-1, text: It updates., source: PRD 4.1 }\n";
        let requirements = Requirements::parse("requirements.yaml", text).unwrap();
        assert_eq!(requirements.list[0].id.as_str(), "DFU-APP-1");
        assert_eq!(requirements.list[0].source, "PRD 4.1");
    }

    #[test]
    fn an_id_that_is_there_twice_is_shown_in_its_line() {
        insta::assert_snapshot!(
            mistake("requirements:\n  - { id: A-1, text: x, source: y }\n  - { id: A-1, text: z, source: y }\n"),
            @"
        requirements.yaml:3:11: requirement `A-1` is there twice
          |
        3 |   - { id: A-1, text: z, source: y }
          |           ^^^
          = help: give one of them another id, also in the scenarios that cover it
        "
        );
    }

    #[test]
    fn a_requirement_without_a_source_says_what_belongs_there() {
        insta::assert_snapshot!(
            mistake("requirements:\n  - { id: A-1, text: x, source: \"\" }\n"),
            @r#"
        requirements.yaml:2:33: `source` is empty
          |
        2 |   - { id: A-1, text: x, source: "" }
          |                                 ^^
          = help: name the document, ticket or standard that asks for it
        "#
        );
    }

    #[test]
    fn a_misspelt_key_is_told_with_the_nearest_one() {
        insta::assert_snapshot!(
            mistake("requirements:\n  - { id: A-1, txt: x, source: y }\n"),
            @"
        requirements.yaml:2:16: unknown key `txt`
          |
        2 |   - { id: A-1, txt: x, source: y }
          |                ^^^
          = allowed: id, text, source
          = help: did you mean `text`?
        "
        );
    }
}
