//! Where in a rig file the entry of a board is: problems that concern it as a whole are shown at its name.

use super::RigFileError;
use super::power::DEFAULT_COMMAND_SECONDS;
use std::path::Path;
use std::time::Duration;

/// Where the entry of a board is, for errors that concern it as a whole.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) name: &'a str,
}

impl Place<'_> {
    /// Checks programs with their arguments and gives the time that each may take.
    pub(super) fn commands<const N: usize>(
        &self,
        at: &str,
        lists: [(&str, &Vec<String>); N],
        within_s: Option<u64>,
        example: &str,
    ) -> Result<Duration, RigFileError> {
        for (name, list) in lists {
            if list.first().is_none_or(String::is_empty) {
                return Err(self.problem(
                    format!(
                        "{at}.{name}: found no program, expected a list of a program and its arguments"
                    ),
                    example,
                ));
            }
        }
        let seconds = within_s.unwrap_or(DEFAULT_COMMAND_SECONDS);
        if !(1..=300).contains(&seconds) {
            return Err(self.problem(
                format!("{at}.within-s: found {seconds}, expected 1 to 300"),
                "the time in seconds that the command may take",
            ));
        }
        Ok(Duration::from_secs(seconds))
    }

    /// A problem with the entry: shown at the board's name.
    pub(super) fn problem(&self, what: String, help: &str) -> RigFileError {
        RigFileError::at(
            self.path,
            self.text,
            name_offset(self.text, self.name, 0),
            what,
            Some(help.to_owned()),
        )
    }
}

/// Where a board's name stands for the `nth` time, counted from 0. The text has been parsed, so it is there.
pub(super) fn name_offset(text: &str, name: &str, nth: usize) -> usize {
    let ends = |rest: &str| {
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || "-_.".contains(next))
    };
    text.match_indices("name:")
        .filter_map(|(key, _)| {
            let value = text[key + 5..].trim_start_matches([' ', '"', '\'']);
            value
                .strip_prefix(name)
                .filter(|rest| ends(rest))
                .map(|_| text.len() - value.len())
        })
        .nth(nth)
        .unwrap_or(0)
}
