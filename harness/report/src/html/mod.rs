//! The report for people: one HTML file that needs no network and no other file.
//!
//! What somebody must see (the verdict, what did not pass and why, requirements, known issues) is HTML from here and shows
//! without scripts. Details of scenarios and the merged log are data in the file, packed in chunks that are unpacked when
//! somebody opens one, so that ten thousand results stay usable; scripts of this file show them.
//!
//! Text from boards is made harmless three times: control characters are made visible, text is escaped or only ever set as
//! text, and the page's content security policy allows no script but the one whose hash it names.

mod bad;
mod pack;
mod page;
mod parts;
mod payload;
mod tables;

pub(crate) use parts::badge;

use crate::story::stories;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hil_record::{Event, RunRecord};
use sha2::{Digest, Sha256};

/// One after the other they are the page's script.
const SCRIPT_PARTS: [&str; 10] = [
    include_str!("assets/dom.js"),
    include_str!("assets/data.js"),
    include_str!("assets/timeline.js"),
    include_str!("assets/upload.js"),
    include_str!("assets/flash.js"),
    include_str!("assets/sweep.js"),
    include_str!("assets/log.js"),
    include_str!("assets/scenario.js"),
    include_str!("assets/list.js"),
    include_str!("assets/main.js"),
];

pub(crate) const STYLE: &str = include_str!("assets/style.css");

/// The report of a run as one HTML file. `events` are those that the record was made from; without them the report has no
/// logs, uploads and flash maps.
///
/// The same record and events give the same bytes.
#[must_use]
pub fn html<'a>(record: &RunRecord, events: impl IntoIterator<Item = &'a Event>) -> String {
    let stories = stories(record, events);
    let data = payload::data(record, &stories);
    let script = format!(
        "\"use strict\";\n(() => {{\n{}}})();\n",
        SCRIPT_PARTS.concat()
    );
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(STYLE)
    );
    page::page(record, &data, &policy, STYLE, &script)
}

/// As a content security policy names what it allows.
pub(crate) fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
