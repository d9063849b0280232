//! What every report says about one and the same run, and that machines read it back.

use hil_record::{
    BoardInfo, ConsoleSource, CoreName, ErrorKind, Event, EventKind, Evidence, FailKind,
    FirmwareInfo, Outcome, Reporter, RigInfo, RunDirectory, RunRecord, RunStarted, ScenarioStarted,
    SkipKind, StepInfo, Tool,
};
use hil_report::{ProgressLines, SummaryContext, json, junit, summary, write};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A run in which everything happens: a pass, a failure, trouble of the bench, a skip, a retry.
fn events() -> Vec<Event> {
    let mut kinds = vec![EventKind::RunStarted(RunStarted {
        run: "20260802T101530Z-01".to_owned(),
        started: "2026-08-02T10:15:30Z".parse().expect("the date is one"),
        tool: Tool {
            name: "dfu-hil".to_owned(),
            version: "0.1.0".to_owned(),
            commit: None,
        },
        rig: RigInfo {
            name: "virtual".to_owned(),
            boards: vec![BoardInfo {
                name: "dk1".to_owned(),
                description: "virtual nRF5340 DK".to_owned(),
                identity: None,
            }],
        },
        firmware: vec![firmware("demo")],
        planned: ["no-power", "app-update[uart]", "revert[uart]", "net[uart]"]
            .map(str::to_owned)
            .to_vec(),
    })];
    kinds.push(EventKind::ScenarioFinished {
        scenario: "no-power".to_owned(),
        board: None,
        outcome: Outcome::skip(
            SkipKind::Needs,
            "needs a power switch (step 9 `power_cycle`), board `dk1` has none",
        ),
    });
    kinds.extend(scenario(
        "app-update",
        "expect_boot",
        "boots update, on test",
        Outcome::Pass,
        vec![],
    ));
    kinds.extend(scenario(
        "revert",
        "expect_slot",
        "app.primary holds baseline.app",
        Outcome::fail(
            FailKind::SlotContents,
            "app.primary differs from baseline.app at 0x0000c200: found 0x5a & \"<b>\", expected 0x3d",
        ),
        vec![
            Evidence::compared("app.primary SHA-256", "1111", "2222"),
            Evidence::seen("first difference", "0x0000c200"),
        ],
    ));
    kinds.extend(scenario(
        "net",
        "upload",
        "upload update.net over uart",
        Outcome::error(ErrorKind::Port, "serial port `/dev/ttyACM1` went away")
            .with_help("is the USB cable in?"),
        vec![],
    ));
    kinds.push(EventKind::Note {
        board: Some("dk1".to_owned()),
        text: "nobody has run this on hardware".to_owned(),
    });
    kinds.push(EventKind::RunFinished { stopped: false });
    (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: seq * 1300,
            kind,
        })
        .collect()
}

fn firmware(name: &str) -> FirmwareInfo {
    FirmwareInfo {
        name: name.to_owned(),
        digest: "ab".repeat(32),
    }
}

fn scenario(
    name: &str,
    step: &str,
    text: &str,
    outcome: Outcome,
    evidence: Vec<Evidence>,
) -> Vec<EventKind> {
    let variant = format!("{name}[uart]");
    vec![
        EventKind::ScenarioStarted(ScenarioStarted {
            scenario: variant.clone(),
            summary: format!("Shows {name}."),
            file: format!("scenarios/{name}.yaml"),
            requirements: vec!["DFU-APP-1".to_owned(), "DFU-CONF-1".to_owned()],
            known_issue: None,
            board: "dk1".to_owned(),
            firmware: Some(firmware("demo")),
        }),
        EventKind::StepStarted {
            scenario: variant.clone(),
            step: StepInfo {
                number: 3,
                name: step.to_owned(),
                text: text.to_owned(),
                line: Some(12),
            },
        },
        EventKind::Console {
            board: "dk1".to_owned(),
            core: CoreName::App,
            source: ConsoleSource::Uart,
            text: "I: Starting bootloader \u{1b}[0m".to_owned(),
        },
        progress(12_288),
        progress(13_000),
        progress(40_000),
        EventKind::Retry {
            board: "dk1".to_owned(),
            what: "read image state".to_owned(),
            attempt: 2,
            limit: 3,
            cause: "no answer in 1 s".to_owned(),
        },
        EventKind::StepFinished {
            scenario: variant.clone(),
            number: 3,
            outcome: outcome.clone(),
            evidence,
        },
        EventKind::ScenarioFinished {
            scenario: variant,
            board: Some("dk1".to_owned()),
            outcome,
        },
    ]
}

fn progress(sent: u64) -> EventKind {
    EventKind::UploadProgress {
        board: "dk1".to_owned(),
        image: "update.app".to_owned(),
        sent,
        total: 40_000,
    }
}

fn record() -> RunRecord {
    RunRecord::from_events(&events()).expect("the events are those of a run")
}

fn shown(record: &RunRecord) -> String {
    let context = SummaryContext {
        folder: Path::new("reports/runs/20260802T101530Z-01"),
        command: "dfu-hil run",
    };
    summary(record, &context)
}

#[test]
fn junit_xml() {
    insta::assert_snapshot!(junit(&record()));
}

#[test]
fn junit_reads_back_with_every_verdict_in_its_place() {
    let report = Report::deserialize_from_str(&junit(&record())).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (4, 1, 1));
    let suite = &report.test_suites[0];
    let found: Vec<_> = suite
        .test_cases
        .iter()
        .map(|case| {
            let status = match &case.status {
                TestCaseStatus::Success { .. } => "pass",
                TestCaseStatus::NonSuccess {
                    kind: NonSuccessKind::Failure,
                    ..
                } => "fail",
                TestCaseStatus::NonSuccess {
                    kind: NonSuccessKind::Error,
                    ..
                } => "error",
                TestCaseStatus::Skipped { .. } => "skip",
            };
            (case.name.to_string(), status)
        })
        .collect();
    let expected = [
        ("no-power", "skip"),
        ("app-update[uart]", "pass"),
        ("revert[uart]", "fail"),
        ("net[uart]", "error"),
    ];
    assert_eq!(
        found,
        expected.map(|(name, status)| (name.to_owned(), status))
    );
    let TestCaseStatus::NonSuccess { message, .. } = &suite.test_cases[2].status else {
        panic!("`revert` did not fail");
    };
    assert_eq!(
        message.as_ref().map(quick_junit::XmlString::as_str),
        record().scenarios[2].outcome.cause()
    );
}

#[test]
fn terminal_summary() {
    insta::assert_snapshot!(shown(&record()), @r#"
     FAIL revert[uart] on dk1, step 3 `expect_slot` (scenarios/revert.yaml:12)
          app.primary differs from baseline.app at 0x0000c200: found 0x5a & "<b>", expected 0x3d
            app.primary SHA-256: 1111, expected 2222
            first difference: 0x0000c200
    ERROR net[uart] on dk1, step 3 `upload` (scenarios/net.yaml:12)
          serial port `/dev/ttyACM1` went away
          help: is the USB cable in?
     SKIP no-power: needs a power switch (step 9 `power_cycle`), board `dk1` has none

    1 passed, 1 failed, 1 could not be decided, 1 skipped in 39.0 s, with 3 retries; firmware set `demo` on dk1 (virtual nRF5340 DK)
    note: dk1: nobody has run this on hardware
    evidence: reports/runs/20260802T101530Z-01
    again: dfu-hil run --filter 'revert[uart]' --filter 'net[uart]'
    "#);
}

#[test]
fn terminal_summary_of_a_run_in_which_nothing_ran() {
    let record = RunRecord::from_events(&events()[..2]).unwrap();
    insta::assert_snapshot!(shown(&record), @r"
     SKIP no-power: needs a power switch (step 9 `power_cycle`), board `dk1` has none
     SKIP 3 scenarios: the run was killed before its turn
          app-update[uart], revert[uart], net[uart]

    4 skipped in 1.3 s; firmware set `demo` on dk1 (virtual nRF5340 DK)
    the run was killed before its end
    nothing ran, so nothing is shown to work
    evidence: reports/runs/20260802T101530Z-01
    ");
}

#[test]
fn terminal_summary_of_a_run_that_passed() {
    let mut record = record();
    record
        .scenarios
        .retain(|scenario| scenario.outcome == Outcome::Pass);
    record.totals = hil_record::Totals {
        pass: 1,
        ..hil_record::Totals::default()
    };
    record.retries = 1;
    record.notes.clear();
    record.scenarios[0].known_issue = Some("mcuboot#1966, fixed in SDK 3.1".to_owned());
    insta::assert_snapshot!(shown(&record), @r"
    1 passed in 39.0 s, with 1 retry; firmware set `demo` on dk1 (virtual nRF5340 DK)
    1 known issue in this firmware:
      mcuboot#1966, fixed in SDK 3.1 (app-update[uart])
    evidence: reports/runs/20260802T101530Z-01
    ");
}

#[test]
fn terminal_summary_of_a_run_with_two_firmware_sets() {
    let mut record = record();
    record.firmware.push(firmware("demo-external"));
    record
        .scenarios
        .retain(|scenario| scenario.name != "no-power");
    record.scenarios[1].firmware = Some(firmware("demo-external"));
    record.notes.clear();
    insta::assert_snapshot!(shown(&record), @r#"
     FAIL revert[uart] on dk1 with `demo-external`, step 3 `expect_slot` (scenarios/revert.yaml:12)
          app.primary differs from baseline.app at 0x0000c200: found 0x5a & "<b>", expected 0x3d
            app.primary SHA-256: 1111, expected 2222
            first difference: 0x0000c200
    ERROR net[uart] on dk1 with `demo`, step 3 `upload` (scenarios/net.yaml:12)
          serial port `/dev/ttyACM1` went away
          help: is the USB cable in?

    1 passed, 1 failed, 1 could not be decided, 1 skipped in 39.0 s, with 3 retries; 2 firmware sets on dk1 (virtual nRF5340 DK)
      demo           2 scenarios, SHA-256 abababababab…
      demo-external  1 scenario, SHA-256 abababababab…
    evidence: reports/runs/20260802T101530Z-01
    again: dfu-hil run --filter 'revert[uart]' --filter 'net[uart]'
    "#);
}

#[test]
fn progress_lines() {
    let mut lines = ProgressLines::new(Vec::new());
    for event in events() {
        lines.on_event(&event).unwrap();
    }
    let text = String::from_utf8(lines.into_inner()).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn report_files_are_written_over_older_ones_and_read_back() {
    let root = tempfile::tempdir().unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let directory = RunDirectory::create(root.path(), now).unwrap();
    std::fs::write(directory.result(), "old").unwrap();
    write(&record(), &events(), &directory).unwrap();
    let text = std::fs::read_to_string(directory.result()).unwrap();
    assert_eq!(text, json(&record()));
    assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record());
    let mut files: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "console",
            "ctrf.json",
            "junit.xml",
            "report.html",
            "result.json",
            "summary.md"
        ]
    );
}

#[test]
fn a_report_that_cannot_be_written_names_its_file() {
    let root = tempfile::tempdir().unwrap();
    let directory = RunDirectory::at(root.path().join("gone"));
    let error = write(&record(), &events(), &directory).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "report `{}` cannot be written",
            directory.result().display()
        )
    );
}
