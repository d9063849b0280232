//! Words and numbers for people.

use hil_record::FirmwareInfo;
use std::fmt;

/// A duration in milliseconds as people say it: `350 ms`, `12.4 s`, `3 min 05 s`, `1 h 02 min`.
pub(crate) struct Took(pub(crate) u64);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        match self.0 {
            0..1000 => write!(f, "{} ms", self.0),
            1000..60_000 => write!(f, "{seconds}.{} s", self.0 % 1000 / 100),
            60_000..3_600_000 => write!(f, "{} min {:02} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

/// `1 retry`, `2 retries`.
pub(crate) fn count(number: u64, one: &str, several: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {several}"),
    }
}

/// An attempt that was followed by another: `error on dk1: the probe is silent`.
pub(crate) fn attempt(one: &hil_record::Attempt) -> String {
    let board = one.board.as_deref().unwrap_or("no board");
    let cause = one.outcome.cause().unwrap_or_default();
    format!("{} on {board}: {cause}", one.outcome.verdict())
}

/// What was under test: ``firmware set `demo` ``, or how many sets it was.
#[must_use]
pub fn firmware_sets(sets: &[FirmwareInfo]) -> String {
    match sets {
        [] => "no firmware set".to_owned(),
        [only] => format!("firmware set `{}`", only.name),
        several => format!("{} firmware sets", several.len()),
    }
}

/// `text` as one word of a shell's command line.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0 ms")]
    #[case(999, "999 ms")]
    #[case(1000, "1.0 s")]
    #[case(59_999, "59.9 s")]
    #[case(60_000, "1 min 00 s")]
    #[case(3_599_999, "59 min 59 s")]
    #[case(3_720_000, "1 h 02 min")]
    fn a_duration_in_words(#[case] milliseconds: u64, #[case] expected: &str) {
        assert_eq!(Took(milliseconds).to_string(), expected);
    }

    #[rstest]
    #[case("app-update", "app-update")]
    #[case("app-update[uart]", "'app-update[uart]'")]
    #[case("it's", r"'it'\''s'")]
    #[case("", "''")]
    fn a_word_that_a_shell_leaves_alone(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(shell_word(text), expected);
    }
}
