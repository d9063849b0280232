//! What `labgrid-client show` says of a place.
//!
//! The lines are those of `labgrid/remote/common.py`, `Place.show`. It has no form for machines; these lines have been as they are
//! since labgrid 0.1.

/// A place and who has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Shown {
    /// Its whole name.
    pub(super) name: String,
    /// `HOST/USER` of who has acquired it.
    pub(super) acquired: Option<String>,
    /// When it was last acquired, released, or changed otherwise: local time, as Python writes it.
    pub(super) changed: String,
}

impl Shown {
    /// Reads what the client wrote.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let name = lines
            .find_map(|line| line.strip_prefix("Place '")?.strip_suffix("':"))
            .ok_or("it names no place")?;
        // The place's own lines are indented; the next one that is not begins a resource.
        let own: Vec<&str> = lines.take_while(|line| line.starts_with(' ')).collect();
        // The last one: a comment, which comes first, can have any lines.
        let value = |key: &str| {
            own.iter()
                .rev()
                .find_map(|line| line.strip_prefix("  ")?.strip_prefix(key))
                .map(str::trim)
        };
        let acquired = value("acquired:").ok_or("it does not say by whom the place is acquired")?;
        Ok(Self {
            name: name.to_owned(),
            acquired: (acquired != "None").then(|| acquired.to_owned()),
            changed: value("changed:").unwrap_or_default().to_owned(),
        })
    }

    /// Since when, to the second.
    pub(super) fn since(&self) -> &str {
        match self.changed.split_once('.') {
            _ if self.changed.is_empty() => "some time",
            Some((seconds, _)) => seconds,
            None => &self.changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// labgrid 26.0.1's, shortened.
    const ACQUIRED: &str = "\
Place 'dk-07':
  aliases: left
  comment: two lines, of which this one lies:
  acquired: lab9/nobody
  matches:
    here/dk/*
  acquired: lab2/ada
  acquired resources:
    here/dk/NetworkSerialPort/net
  created: 2026-11-27 19:52:47.577017
  changed: 2026-11-27 19:52:53.383882
Acquired resource 'net' (here/dk/NetworkSerialPort/net):
  {'acquired': 'dk-07',
   'avail': True}
";

    #[test]
    fn who_has_a_place_and_since_when_is_read() {
        let shown = Shown::parse(ACQUIRED).unwrap();
        assert_eq!(
            (
                shown.name.as_str(),
                shown.acquired.as_deref(),
                shown.since()
            ),
            ("dk-07", Some("lab2/ada"), "2026-11-27 19:52:53")
        );
    }

    #[test]
    fn a_place_that_nobody_has_is_free() {
        let free = ACQUIRED.replace("  acquired: lab2/ada", "  acquired: None");
        assert_eq!(Shown::parse(&free).unwrap().acquired, None);
    }

    #[test]
    fn something_else_is_no_place() {
        assert_eq!(Shown::parse("no place").unwrap_err(), "it names no place");
        assert!(Shown::parse("Place 'dk':\nacquired: x/y").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(Place 'a':\n)?([ a-z:'\n]|acquired: )*") {
            let _ = Shown::parse(&text).map(|shown| shown.since().to_owned());
        }
    }
}
