//! What reports say of a night: how much of each sweep was tested, over all nights.

mod support;

use hil_record::{FirmwareInfo, Night, RunRecord, SweepCoverage};
use hil_report::{SummaryContext, html, markdown, summary};
use std::path::Path;
use support::tried_again;

/// A run that was a night, with text of others in it.
fn record() -> RunRecord {
    let mut record = RunRecord::from_events(&tried_again()).expect("the test makes it so");
    let coverage = |scenario: &str, points, tested, new, nights: i64| SweepCoverage {
        scenario: scenario.to_owned(),
        firmware: FirmwareInfo {
            name: "demo <b>".to_owned(),
            digest: "ab".repeat(32),
        },
        points,
        tested,
        new,
        tonight: new,
        suspect: 0,
        oldest: (tested > 0).then(|| record.started - jiff::Span::new().hours(24 * nights)),
    };
    record.night = Some(Night {
        budget_ms: 6 * 3_600_000,
        coverage: vec![
            coverage("sweep-big-swap", 476, 312, 40, 3),
            coverage("sweep-revert", 0, 0, 0, 0),
            coverage("sweep-test-swap", 188, 188, 0, 1),
        ],
    });
    record
}

#[test]
fn the_terminal_tells_how_much_of_each_sweep_was_tested() {
    let context = SummaryContext {
        folder: Path::new("reports/runs/20260802T101530Z-01"),
        command: "dfu-hil nightly",
    };
    let text = summary(&record(), &context);
    let from = text.find("points of sweeps").expect("it tells it");
    let lines: Vec<&str> = text[from..].lines().take(4).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    points of sweeps, tested over all nights:
      sweep-big-swap   312 of 476 points tested, oldest 3 nights ago, 40 new
      sweep-revert     no point tested yet
      sweep-test-swap  188 of 188 points tested, oldest last night
    ");
}

#[test]
fn what_failed_in_slices_is_run_again_by_the_name_that_a_run_knows() {
    let mut record = record();
    let failed = record.scenarios.remove(1);
    record.scenarios.clear();
    for name in ["swap#slice-1", "swap#slice-2", "erase#2/4", "other[ble]"] {
        let mut slice = failed.clone();
        name.clone_into(&mut slice.name);
        record.scenarios.push(slice);
    }
    let context = SummaryContext {
        folder: Path::new("reports/runs/20260802T101530Z-01"),
        command: "dfu-hil run",
    };
    let text = summary(&record, &context);
    assert_eq!(
        text.lines().last(),
        Some("again: dfu-hil run --filter swap --filter erase --filter 'other[ble]'")
    );
}

#[test]
fn the_page_of_a_ci_job_and_the_report_tell_the_same_and_take_no_html_from_names() {
    let record = record();
    let page = markdown(&record);
    assert!(
        page.contains("- sweep-big-swap, demo &lt;b&gt;: 312 of 476 points tested, oldest 3 nights ago, 40 new"),
        "{page}"
    );
    let report = html(&record, &tried_again());
    assert!(report.contains("312 of 476 points tested, oldest 3 nights ago, 40 new"));
    assert!(report.contains("demo &lt;b&gt;") && !report.contains("demo <b>"));
}

#[test]
fn a_run_that_was_no_night_says_nothing_of_it() {
    let record = RunRecord::from_events(&tried_again()).expect("the test makes it so");
    assert!(!markdown(&record).contains("Points of sweeps"));
    assert!(!html(&record, &tried_again()).contains("Points of sweeps"));
}
