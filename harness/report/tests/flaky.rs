//! What every report says of a scenario that was tried again after trouble of the bench.

mod support;

use hil_record::RunRecord;
use hil_report::{SummaryContext, ctrf, html, junit, markdown, summary};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use std::path::Path;
use support::tried_again;

fn record() -> RunRecord {
    RunRecord::from_events(&tried_again()).expect("the test makes it so")
}

#[test]
fn junit_has_a_flaky_error_for_the_pass_and_a_rerun_error_for_the_other() {
    let text = junit(&record());
    assert_eq!(text.matches("<flakyError ").count(), 1, "{text}");
    assert_eq!(text.matches("<rerunError ").count(), 1, "{text}");
    assert_eq!(text.matches("<error ").count(), 1, "{text}");
    let read = Report::deserialize_from_str(&text).unwrap();
    let suite = &read.test_suites[0];
    assert_eq!((suite.tests, suite.failures, suite.errors), (2, 0, 1));
    match &suite.test_cases[0].status {
        TestCaseStatus::Success { flaky_runs } => {
            assert_eq!(flaky_runs[0].kind, NonSuccessKind::Error);
            assert_eq!(
                flaky_runs[0].message.as_ref().unwrap().as_str(),
                "probe `0501` <silent>"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ctrf_marks_the_pass_as_flaky_and_has_both_attempts() {
    let json: serde_json::Value = serde_json::from_str(&ctrf(&record())).unwrap();
    let results = &json["results"];
    assert_eq!(results["summary"]["flaky"], 1);
    let [passes, never] = [&results["tests"][0], &results["tests"][1]];
    assert_eq!(
        (&passes["flaky"], &passes["retries"]),
        (&true.into(), &1.into())
    );
    assert_eq!(passes["retryAttempts"][0]["extra"]["device"], "dk1");
    assert_eq!(passes["retryAttempts"][0]["attempt"], 1);
    assert_eq!(
        (&never["flaky"], &never["retries"]),
        (&serde_json::Value::Null, &1.into())
    );
}

#[test]
fn people_read_what_was_tried_before() {
    let context = SummaryContext {
        folder: Path::new("reports/runs/20260802T101530Z-01"),
        command: "dfu-hil run",
    };
    insta::assert_snapshot!(summary(&record(), &context), @r"
    ERROR never on dk2
          probe `0501` <silent>
          before: error on dk1: probe `0501` <silent>
          help: is it in?
    FLAKY passes, passed on dk2 only when it was tried again
          before: error on dk1: probe `0501` <silent>

    1 passed, 1 could not be decided in 1.5 s, 1 flaky, with 2 retries; no firmware set on dk1 (virtual nRF5340 DK), dk2 (virtual nRF5340 DK)
    note: dk1: passes is on dk1
    note: dk2: passes is on dk2
    note: dk1: never is on dk1
    note: dk2: never is on dk2
    evidence: reports/runs/20260802T101530Z-01
    again: dfu-hil run --filter never
    ");
    let markdown = markdown(&record());
    let flaky = markdown.split("### Passed only when tried again").nth(1);
    insta::assert_snapshot!(flaky.unwrap().split("\n>").next().unwrap().trim(), @r"
    - passes, then on dk2
      - error on dk1&#58; probe \`0501\` &lt;silent&gt;
    ");
}

#[test]
fn the_page_tells_a_flaky_pass_among_what_needs_a_look() {
    let events = tried_again();
    let page = html(&record(), &events);
    let bad = page.split("id=\"scenarios\"").next().unwrap();
    for text in [
        "flaky</span> passes",
        "Passed on dk2 only when it was tried again.",
        "Attempt 1: error on dk1: probe `0501` &lt;silent&gt;",
        "1 pass only when tried again",
    ] {
        assert!(bad.contains(text), "{text} is not in\n{bad}");
    }
    assert!(
        page.contains("<option value=\"flaky\">"),
        "and can be chosen in the list"
    );
}
