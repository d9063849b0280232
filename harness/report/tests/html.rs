//! The HTML report as a file: what shows without scripts, and that nothing of a board is markup. How it behaves in a browser
//! is in `chromium.rs`.

mod support;

use hil_record::{BoardWear, Event, EventKind, Grid, GridCell, Verdict, WornPage, WornPages};
use hil_report::html;
use support::{hostile, large, record};

/// What a browser would show of the page without scripts: tags and embedded data left out.
fn shown(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        rest = &rest[open..];
        for (begin, end) in [("<script", "</script>"), ("<style", "</style>")] {
            if rest.starts_with(begin) {
                let length = rest.find(end).map_or(rest.len(), |at| at + end.len() - 1);
                rest = &rest[length..];
            }
        }
        rest = rest.find('>').map_or("", |close| &rest[close + 1..]);
        text.push('\n');
    }
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

#[test]
fn what_failed_comes_first_with_cause_help_and_evidence() {
    let events = hostile();
    insta::assert_snapshot!(shown(&html(&record(&events), &events)));
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    let events = hostile();
    let first = html(&record(&events), &events);
    assert_eq!(first, html(&record(&hostile()), &hostile()));
}

#[test]
fn nothing_that_a_board_or_a_file_says_is_markup() {
    let events = hostile();
    let page = html(&record(&events), &events);
    // A page of which all text is harmless, with as much embedded data.
    let harmless = html(&record(&events[..1]), &events[..1]);
    for tag in ["<img", "<b>", "<i>", "onerror=\""] {
        assert!(!page.contains(tag), "{tag}");
    }
    let scripts = |page: &str| page.matches("<script").count();
    assert_eq!(scripts(&page), scripts(&harmless));
    let unseen = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert_eq!(page.chars().find(|&c| unseen(c)), None);
}

#[test]
fn the_page_asks_for_nothing_and_allows_only_its_own_script() {
    let events = hostile();
    let page = html(&record(&events), &events);
    for loading in ["src=", "url(", "@import", "<link", "<iframe", "fetch("] {
        let text = page.replace("&lt;img src=x", "");
        assert!(!text.contains(loading), "{loading}");
    }
    assert!(page.contains("default-src 'none'; script-src 'sha256-"));
    assert!(!page.contains("unsafe-inline"));
}

#[test]
fn a_run_without_events_still_has_a_report() {
    let record = record(&hostile());
    let page = html(&record, []);
    assert!(shown(&page).contains("What did not pass"));
}

#[test]
fn a_large_run_tells_how_many_it_does_not_name() {
    let events = large(1000);
    let record = record(&events);
    assert_eq!(record.totals.all(), 1001);
    let page = html(&record, &events);
    let text = shown(&page);
    // 3 of 5 did not pass; 100 are told.
    assert!(
        text.contains("… and 500 more: choose a verdict"),
        "{text:.2000}"
    );
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn updates_from_release_to_release_are_a_table() {
    let cell = |from: &str, to: &str, verdict, came_to: Option<&str>| GridCell {
        from: from.to_owned(),
        to: to.to_owned(),
        verdict,
        came_to: came_to.map(str::to_owned),
    };
    let mut record = record(&hostile()[..1]);
    assert!(!html(&record, []).contains("Release to release"));
    record.grids = vec![Grid {
        scenario: "version-matrix".to_owned(),
        from: vec!["v1".to_owned(), "v<2>".to_owned()],
        to: vec!["v1".to_owned(), "v<2>".to_owned()],
        cells: vec![
            cell("v1", "v<2>", Verdict::Pass, Some("updated")),
            cell("v<2>", "v1", Verdict::Fail, None),
        ],
    }];
    let page = html(&record, []);
    let (_, section) = page
        .split_once("aria-labelledby=\"grids-title\">")
        .expect("it is there");
    let (section, _) = section.split_once("</section>").expect("it ends");
    insta::assert_snapshot!(
        shown(section).replace('\n', " | "),
        @"Updates from release to release | version-matrix: a row for what was programmed, a column for what was sent | from | v1 | v&lt;2&gt; | v1 | - | updated | v&lt;2&gt; | FAIL | -"
    );
}

#[test]
fn the_wear_of_a_board_is_beside_it_with_its_budget_and_on_the_map_of_its_scenario() {
    let mut events = hostile();
    let (at, board) = events
        .iter()
        .enumerate()
        .find_map(|(at, event)| match &event.kind {
            EventKind::ScenarioFinished {
                board: Some(board), ..
            } => Some((at, board.clone())),
            _ => None,
        })
        .expect("a scenario ends on a board");
    let wear = BoardWear {
        board: board.clone(),
        complete: true,
        erases: 12,
        pages: vec![WornPages {
            address: 0xC000,
            pages: 4,
            erases: 3,
        }],
        most: Some(WornPage {
            address: 0xC000,
            erases: 7990,
        }),
        budget: Some(8000),
    };
    events.insert(
        at,
        Event {
            kind: EventKind::Wear(wear),
            ..events[at]
        },
    );
    let record = record(&events);
    assert_eq!(record.wear.len(), 1);
    let page = shown(&html(&record, &events));
    let (_, boards) = page.split_once("most worn page").expect("it has a column");
    let (_, row) = boards.split_once(&board).expect("the board has a row");
    let row: Vec<&str> = row.lines().skip(5).take(2).collect();
    assert_eq!(
        row,
        [
            "12",
            "0x0000c000: 7990 erases of 8000 that its rig file allows"
        ]
    );
}
