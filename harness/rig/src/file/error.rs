//! What is wrong with a rig file, and where.

use std::path::{Path, PathBuf};

/// Why a rig file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RigFileError {
    /// The file cannot be read.
    #[error("cannot read rig file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in the file is not as it should be.
    #[error("{path}:{line}:{column}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What was found and what is allowed.
        what: String,
        /// What to try.
        help: Option<String>,
    },
}

impl RigFileError {
    /// What a person can try next.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Read { .. } => {
                Some("give the path of a rig file; `rigs/virtual.yaml` needs no hardware".into())
            }
            Self::Content { help, .. } => help.clone(),
        }
    }

    /// A problem at an offset of the text.
    pub(super) fn at(
        path: &Path,
        text: &str,
        offset: usize,
        what: String,
        help: Option<String>,
    ) -> Self {
        let before = &text[..offset];
        Self::Content {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1,
            what,
            help,
        }
    }

    /// What serde_yaml found, in our words: its message names the field's path and what is allowed.
    pub(crate) fn from_yaml(path: &Path, error: &serde_yaml::Error) -> Self {
        let (line, column) = error
            .location()
            .map_or((1, 1), |location| (location.line(), location.column()));
        let text = error.to_string();
        // The place is said in front, in the form that editors understand.
        let what = match text.rfind(" at line ") {
            Some(end) => text[..end].to_owned(),
            None => text,
        };
        let help = nearest_name(&what).map(|name| format!("did you mean `{name}`?"));
        Self::Content {
            path: path.to_owned(),
            line,
            column,
            what,
            help,
        }
    }
}

/// The allowed name that resembles the unknown one, from serde's message ("unknown field `powr`, expected one
/// of `name`, `power`").
fn nearest_name(message: &str) -> Option<&str> {
    let start = message
        .find("unknown field `")
        .or_else(|| message.find("unknown variant `"))?;
    let mut quoted = message[start..].split('`').skip(1).step_by(2);
    let found = quoted.next()?;
    quoted
        .map(|allowed| (strsim::jaro_winkler(found, allowed), allowed))
        .filter(|&(likeness, _)| likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, allowed)| allowed)
}
