//! What several parts of the page are made of.

use crate::display::visible;
use hil_record::Verdict;
use maud::{Markup, html};

/// How many names are told in one place.
const NAMED: usize = 12;

/// A verdict in a word, with its colour.
pub(crate) fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "badge " (verdict.word()) } { (verdict.word()) } }
}

/// The first names, and how many more there are.
pub(crate) fn names_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Markup {
    let left = names.len().saturating_sub(NAMED);
    let names: Vec<_> = names.take(NAMED).map(visible).collect();
    html! {
        (names.join(", "))
        @if left > 0 { " … and " (left) " more" }
    }
}
