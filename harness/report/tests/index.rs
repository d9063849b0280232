//! The page over all runs, as text.

mod support;

use hil_report::index;
use std::path::Path;
use support::overview;

fn page() -> String {
    index(&overview(), Path::new("/bench/reports"))
}

#[test]
fn the_page_is_the_same_when_it_is_made_twice() {
    assert_eq!(page(), page());
}

#[test]
fn a_run_beneath_the_page_is_linked_and_another_is_named() {
    let page = page();
    assert!(
        page.contains(r#"<a href="runs/one/report.html">20260802T101530Z-01</a>"#),
        "{page}"
    );
    assert!(
        page.contains(r#"<th scope="row">20260803T101530Z-01</th>"#),
        "{page}"
    );
}

#[test]
fn what_needs_a_look_comes_first_and_says_why() {
    let page = page();
    let look = page.split("id=\"runs\"").next().unwrap();
    for text in [
        "bad[ble]",
        "bench[uart]",
        "good[uart]",
        "Never passed.",
        "passed only when it was tried again, 1 time",
    ] {
        assert!(look.contains(text), "{text} is not in\n{look}");
    }
    assert!(
        !look.contains("issue[uart]"),
        "what passes steadily is not there"
    );
}

#[test]
fn what_scenarios_and_boards_are_called_makes_no_markup() {
    let page = page();
    assert!(!page.contains("<b>evil"), "{page}");
    assert!(page.contains("&lt;b&gt;evil"), "{page}");
    assert!(!page.contains("<script"), "the page needs none");
}

#[test]
fn pictures_say_in_words_what_they_show() {
    let page = page();
    let pictures = page.matches("<svg").count();
    assert!(pictures > 4, "{pictures}");
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), pictures);
    assert!(page.contains("aria-label=\"verdicts: 2 fail\""), "{page}");
}
