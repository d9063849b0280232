//! Mistakes in files, shown with the line they are in.

use crate::bounded::{MAX_YAML_BYTES, check_bounds};
use crate::locate::{Part, Segment, duplicate_key, locate};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A mistake in a file that a person wrote.
///
/// `Display` is one line, `file:line:column: message`; [`render`](Self::render) adds the source line with a caret
/// under the place, what is allowed there, and advice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileError {
    /// The file, as it was named when it was opened.
    pub file: PathBuf,
    /// Line and column; none when the whole file is meant (it cannot be read, say).
    pub place: Option<Box<Place>>,
    /// What was found and what is wrong with it: a lowercase fragment.
    pub message: String,
    /// What may stand there.
    pub allowed: Vec<String>,
    /// What to try.
    pub advice: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The whole line.
    pub text: String,
    /// How many characters are meant, at least 1.
    pub width: u32,
}

impl FileError {
    pub(crate) fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            place: None,
            message: message.into(),
            allowed: Vec::new(),
            advice: None,
        }
    }

    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place.map(Box::new);
        self
    }

    pub(crate) fn allowing<S: Into<String>>(
        mut self,
        allowed: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn advising(mut self, advice: Option<String>) -> Self {
        self.advice = advice;
        self
    }

    /// Line in the file, from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.line)
    }

    /// Column in the line, from 1.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.column)
    }

    /// What to try.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// All of it, for a terminal: several lines, the last without line end.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = self.to_string();
        let gutter = self
            .place
            .as_ref()
            .map_or(1, |place| place.line.to_string().len());
        if let Some(place) = &self.place {
            let indent = " ".repeat(place.column.saturating_sub(1) as usize);
            let caret = "^".repeat(place.width.max(1) as usize);
            out.push_str(&format!(
                "\n{:gutter$} |\n{} | {}\n{:gutter$} | {indent}{caret}",
                "", place.line, place.text, ""
            ));
        }
        if !self.allowed.is_empty() {
            out.push_str(&format!(
                "\n{:gutter$} = allowed: {}",
                "",
                self.allowed.join(", ")
            ));
        }
        if let Some(advice) = &self.advice {
            out.push_str(&format!("\n{:gutter$} = help: {advice}", ""));
        }
        out
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for FileError {}

/// A file that was read: kept, so that a mistake that is found late can still be shown in its line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let limit = MAX_YAML_BYTES as u64 + 1;
        let read = || {
            let mut text = String::new();
            std::fs::File::open(path)?
                .take(limit)
                .read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        match read() {
            Ok(text) if text.len() > MAX_YAML_BYTES => Err(FileError::new(
                path,
                format!("is longer than {MAX_YAML_BYTES} bytes: nobody wrote that by hand"),
            )),
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => Err(FileError::new(path, format!("cannot be read: {error}"))),
        }
    }

    /// The YAML in it; `what` is what the file should be.
    pub(crate) fn parse_yaml(&self, what: &str) -> Result<serde_yaml::Value, FileError> {
        // First, because everything else here assumes a text of reasonable size.
        check_bounds(&self.text).map_err(|error| self.yaml_error(&error))?;
        if let Some((key, place)) = duplicate_key(self) {
            return Err(
                FileError::new(&self.path, format!("key `{key}` is there twice")).at(Some(place)),
            );
        }
        let value = serde_yaml::from_str(&self.text).map_err(|error| self.yaml_error(&error))?;
        match value {
            serde_yaml::Value::Null => Err(FileError::new(
                &self.path,
                format!("is empty, expected a {what}"),
            )),
            value => Ok(value),
        }
    }

    fn yaml_error(&self, error: &serde_yaml::Error) -> FileError {
        let text = error.to_string();
        // The place is shown apart, so it is not wanted in the text as well.
        let message = text.split(" at line ").next().unwrap_or(&text);
        let place = error
            .location()
            .and_then(|location| self.place(location.line(), location.column()));
        let advice = match &place {
            Some(place) if place.text.contains('\t') => {
                Some("there is a tab in this line; YAML is indented with spaces".to_owned())
            }
            Some(place) if place.text.contains("${") => {
                Some("`${...}` needs quotes inside `{ }`: \"${variable}\"".to_owned())
            }
            _ => None,
        };
        FileError::new(&self.path, format!("is not YAML: {message}"))
            .at(place)
            .advising(advice)
    }

    /// The line of the node at `path`, from 1.
    pub(crate) fn line_of(&self, path: &[Segment]) -> u32 {
        locate(self, path, Part::Value).map_or(1, |place| place.line)
    }

    /// The place at `line` and `column` (both from 1), wide enough for what stands there.
    pub(crate) fn place(&self, line: usize, column: usize) -> Option<Place> {
        let text = self.text.lines().nth(line.checked_sub(1)?)?.trim_end();
        // The parser may point behind the last character, where only blanks were.
        let column = column.min(text.chars().count() + 1);
        let rest: Vec<char> = text.chars().skip(column.checked_sub(1)?).collect();
        Some(Place {
            line: u32::try_from(line).ok()?,
            column: u32::try_from(column).ok()?,
            text: text.to_owned(),
            width: u32::try_from(token_width(&rest)).ok()?,
        })
    }
}

/// How many characters the YAML scalar at the start of `rest` has; 1 for anything else.
fn token_width(rest: &[char]) -> usize {
    let width = match rest.first() {
        None => 1,
        Some('{' | '[') => 1,
        Some(quote @ ('"' | '\'')) => rest
            .iter()
            .skip(1)
            .position(|c| c == quote)
            .map_or(rest.len(), |end| end + 2),
        Some(_) => rest
            .iter()
            .enumerate()
            .position(|(at, c)| match c {
                ',' | '}' | ']' => true,
                ':' => rest.get(at + 1).is_none_or(|next| next.is_whitespace()),
                ' ' => rest.get(at + 1) == Some(&'#'),
                _ => false,
            })
            .map_or(rest.len(), |end| {
                rest[..end]
                    .iter()
                    .rposition(|c| !c.is_whitespace())
                    .map_or(0, |last| last + 1)
            }),
    };
    width.max(1)
}

/// The advice for a word that is not among `known`: the nearest one, when one is near.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let (found, score) = (found.to_lowercase(), |word: &str, found: &str| {
        // One slip in a short word costs more than its share; both limits were chosen by trying.
        match strsim::osa_distance(found, word) {
            0 | 1 => 1.0,
            _ => strsim::jaro_winkler(found, word),
        }
    });
    known
        .into_iter()
        .map(|word| (score(&word.to_lowercase(), &found), word))
        .filter(|(score, _)| *score >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::word("uplod: { image: x }", 5)]
    #[case::scalar_in_a_flow("update.ap, over: uart }", 9)]
    #[case::last_in_a_flow("20s }", 3)]
    #[case::quoted("\"a, b\", x", 6)]
    #[case::until_a_comment("baseline # the old one", 8)]
    #[case::text_with_spaces("Starting swap", 13)]
    #[case::mapping("{ a: b }", 1)]
    #[case::end_of_line("", 1)]
    fn a_token_is_as_wide_as_it_looks(#[case] rest: &str, #[case] width: usize) {
        assert_eq!(token_width(&rest.chars().collect::<Vec<_>>()), width);
    }

    #[rstest]
    #[case::typo("uplaod", Some("did you mean `upload`?"))]
    #[case::case_differs("Upload", Some("did you mean `upload`?"))]
    #[case::nothing_like_it("frobnicate", None)]
    fn the_nearest_word(#[case] found: &str, #[case] expected: Option<&str>) {
        let known = ["program", "upload", "reset"];
        assert_eq!(nearest(found, known).as_deref(), expected);
    }
}
