//! What is found of a run that was changed after its end, and what is not taken for a manifest.

use super::*;
use crate::event::{Event, EventKind, StepInfo};
use crate::journal::{Journal, read_journal};
use crate::objects::Objects;
use crate::outcome::Outcome;
use std::time::SystemTime;

fn run(root: &Path) -> (RunDirectory, Manifest) {
    let directory = RunDirectory::create(root, SystemTime::UNIX_EPOCH).unwrap();
    let mut journal = Journal::create(&directory.journal()).unwrap();
    let start = serde_json::json!({
        "seq": 0, "at": 0, "type": "run-started", "run": directory.id(), "started": "2026-08-02T10:15:30Z",
        "tool": { "name": "dfu-hil", "version": "0.1.0" },
        "rig": { "name": "virtual", "boards": [] },
        "firmware": { "name": "demo", "digest": "ab" },
        "planned": ["app-update"],
    });
    let start: Event = serde_json::from_value(start).unwrap();
    let step = StepInfo {
        number: 1,
        name: "program".to_owned(),
        text: "program baseline".to_owned(),
        line: Some(4),
    };
    let scenario = || "app-update".to_owned();
    let kinds = [
        start.kind,
        EventKind::StepStarted {
            scenario: scenario(),
            step,
        },
        EventKind::Note {
            board: None,
            text: "slow".to_owned(),
        },
        EventKind::StepFinished {
            scenario: scenario(),
            number: 1,
            outcome: Outcome::Pass,
            evidence: Vec::new(),
        },
        EventKind::RunFinished { stopped: false },
    ];
    for (seq, kind) in (0..).zip(kinds) {
        journal.append(&Event { seq, at: seq, kind }).unwrap();
    }
    std::fs::write(directory.path().join("console/dk-app.log"), "booting\n").unwrap();
    let events = read_journal(&directory.journal()).unwrap().events;
    let record = RunRecord::from_events(&events).unwrap();
    let manifest = Manifest::of(&directory, &record).unwrap();
    manifest.write(&directory).unwrap();
    (directory, manifest)
}

fn found(directory: &RunDirectory) -> Vec<String> {
    let (manifest, _) = Manifest::read(directory).unwrap();
    let mismatches = manifest.mismatches(directory);
    mismatches.iter().map(ToString::to_string).collect()
}

#[test]
fn a_run_that_nobody_touched_agrees_with_its_manifest() {
    let root = tempfile::tempdir().unwrap();
    let (directory, manifest) = run(root.path());
    assert_eq!(Manifest::read(&directory).unwrap().0, manifest);
    assert_eq!(found(&directory), Vec::<String>::new());
    let paths: Vec<_> = manifest
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(paths, ["console/dk-app.log", "journal.jsonl"]);
}

#[test]
fn a_changed_byte_of_the_journal_is_found_with_its_step() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = run(root.path());
    let text = std::fs::read_to_string(directory.journal()).unwrap();
    std::fs::write(directory.journal(), text.replace("slow", "fast")).unwrap();
    assert_eq!(
        found(&directory),
        [
            "`journal.jsonl` has changed since the run ended, in lines 4 to 5: step 1 of scenario `app-update`"
        ]
    );
}

#[test]
fn a_changed_object_is_named_with_what_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut manifest) = run(root.path());
    let objects = Objects::of_run(directory.path());
    let digest = objects.put(b"scenario: app-update").unwrap();
    manifest.inputs.push(InputFile {
        role: crate::event::InputRole::Scenario,
        name: "scenarios/app-update.yaml".to_owned(),
        sha256: digest.clone(),
        set: None,
    });
    let path = Objects::path_of(&digest).unwrap();
    manifest.files.push(FileDigest {
        path: path.clone(),
        bytes: 20,
        sha256: digest,
    });
    manifest.write(&directory).unwrap();
    std::fs::write(directory.path().join(&path), "scenario: app-xpdate").unwrap();
    assert_eq!(
        found(&directory),
        [format!(
            "`{path}` has changed since the run ended, it is `scenarios/app-update.yaml`, which the run was made from"
        )]
    );
}

#[test]
fn a_missing_and_a_longer_file_are_named() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _) = run(root.path());
    std::fs::write(
        directory.path().join("console/dk-app.log"),
        "booting twice\n",
    )
    .unwrap();
    std::fs::remove_file(directory.journal()).unwrap();
    assert_eq!(
        found(&directory),
        [
            "`console/dk-app.log` has 14 bytes, the manifest says 8",
            "`journal.jsonl` is missing"
        ]
    );
}

#[test]
fn a_manifest_with_absurd_line_numbers_is_read_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut manifest) = run(root.path());
    manifest.journal[0].to_line = u64::MAX;
    manifest.files[1].sha256 = String::new();
    manifest.write(&directory).unwrap();
    let found = found(&directory);
    assert!(
        found[0].contains("in lines 1 to 18446744073709551615"),
        "{found:?}"
    );
}

#[test]
fn a_manifest_that_names_a_file_elsewhere_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (directory, mut manifest) = run(root.path());
    manifest.files[0].path = "../secret".to_owned();
    manifest.write(&directory).unwrap();
    let error = Manifest::read(&directory).unwrap_err().to_string();
    assert!(
        error.ends_with("file `../secret` does not lie in the folder of the run"),
        "{error}"
    );
}

#[test]
fn a_run_that_did_not_end_has_no_manifest() {
    let root = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(root.path(), SystemTime::UNIX_EPOCH).unwrap();
    let error = Manifest::read(&directory).unwrap_err();
    assert!(matches!(error, ManifestError::Missing { .. }), "{error}");
    assert!(error.help().is_some());
}
