//! `dfu-hil report`: the reports of a run, made again from its folder.

mod support;

use hil_record::{EventKind, FlashSnapshot, RunDirectory, RunRecord, read_journal};
use std::fs;
use std::path::PathBuf;
use support::Desk;

/// The reports of a run and the format that makes each.
const REPORTS: [(&str, &str); 5] = [
    ("report.html", "html"),
    ("ctrf.json", "ctrf"),
    ("summary.md", "markdown"),
    ("junit.xml", "junit"),
    ("result.json", "json"),
];

/// A desk on which a scenario passed and one failed, and the folder of that run.
fn run() -> (Desk, PathBuf) {
    let desk = Desk::new(1, 20);
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    let steps = "steps:\n  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n";
    desk.write(
        "mine/passes.yaml",
        &format!("scenario: passes\nsummary: Boots.\nrequirements: [DFU-1]\n{steps}"),
    );
    let fails = "  - expect_console: { text: \"no such line\", within: 1s }\n";
    desk.write(
        "mine/fails.yaml",
        &format!("scenario: fails\nsummary: Does not say it.\n{steps}{fails}"),
    );
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let folder = desk.runs().remove(0);
    (desk, folder)
}

/// Runs take a while: one for all of what can be done with it.
#[test]
fn a_run_leaves_reports_and_they_are_made_again_byte_for_byte() {
    let (desk, folder) = run();
    let name = folder.to_string_lossy().into_owned();
    let left: Vec<String> = REPORTS
        .iter()
        .map(|(file, _)| fs::read_to_string(folder.join(file)).expect("the run wrote it"))
        .collect();
    for (file, _) in REPORTS {
        fs::remove_file(folder.join(file)).expect("it is there");
    }
    let ended = desk.run(&["report", &name]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert_eq!(ended.stdout, format!("{name}/report.html\n"));
    for ((file, format), left) in REPORTS.iter().zip(&left) {
        let again = fs::read_to_string(folder.join(file)).expect("it was made again");
        assert!(again == *left, "{file} is another one");
        let printed = desk.run(&["report", &name, "--format", format]);
        assert!(printed.stdout == *left, "{format} prints another {file}");
    }
    desk.run(&["report", &name, "--format", "html", "--out", "mine.html"]);
    assert!(fs::read_to_string(desk.path("mine.html")).expect("it was written") == left[0]);

    valid(&left[4]);
    let snapshots = flash(&folder);
    let mut of: Vec<_> = snapshots.iter().map(|one| one.scenario.as_str()).collect();
    of.sort_unstable();
    assert_eq!(
        of,
        ["fails", "passes"],
        "whoever looks into a failure finds the flash as well"
    );
    let memories: Vec<_> = snapshots[0]
        .memories
        .iter()
        .map(|memory| {
            (
                memory.memory.as_str(),
                memory.page,
                memory.programmed.is_empty(),
            )
        })
        .collect();
    assert_eq!(
        memories,
        [("app core", 4096, false), ("net core", 2048, false)]
    );
    let with_trailer: Vec<_> = snapshots[0].memories[0]
        .partitions
        .iter()
        .filter(|partition| partition.trailer.is_some())
        .map(|partition| partition.name.as_str())
        .collect();
    assert_eq!(with_trailer, ["app.primary", "app.secondary"]);

    // What a kill leaves: part of the journal, and no report.
    let journal = folder.join("journal.jsonl");
    let text = fs::read_to_string(&journal).expect("the journal is text");
    fs::write(&journal, &text[..text.len() / 2]).expect("the folder is ours");
    let summary = desk.run(&["report", &name, "--format", "markdown"]).stdout;
    assert!(
        summary.contains("The run was **killed** before its end."),
        "{summary}"
    );

    // Only the record was kept.
    fs::remove_file(&journal).expect("it is there");
    let ended = desk.run(&["report", &name, "--format", "junit"]);
    assert!(ended.stdout == left[3], "{}", ended.all());
    assert!(
        ended.stderr.contains("no journal.jsonl"),
        "{}",
        ended.stderr
    );
}

fn valid(result: &str) {
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../reports/schema/result.schema.json"
    );
    let schema = fs::read_to_string(schema).expect("the schema is there");
    let schema = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let record = serde_json::from_str(result).expect("the record is JSON");
    let mistakes: Vec<_> = validator
        .iter_errors(&record)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(
        mistakes,
        Vec::<String>::new(),
        "result.json is as its schema says"
    );
}

fn flash(folder: &std::path::Path) -> Vec<FlashSnapshot> {
    let journal = read_journal(&RunDirectory::at(folder).journal()).expect("the journal is whole");
    journal
        .events
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Flash(snapshot) => Some(snapshot),
            _ => None,
        })
        .collect()
}

#[test]
fn what_is_no_run_is_refused() {
    let desk = Desk::empty();
    fs::create_dir(desk.path("empty")).expect("the folder is ours");
    let ended = desk.run(&["report", "empty"]);
    assert_eq!(ended.code, Some(2));
    insta::assert_snapshot!(ended.stderr, @r"
    error: folder `empty` is none of a run: it has neither journal.jsonl nor result.json
    help: runs are in reports/runs/, one folder each
    ");
}

#[test]
fn a_record_of_a_later_version_is_refused() {
    let desk = Desk::empty();
    fs::create_dir(desk.path("run")).expect("the folder is ours");
    let record = format!(
        r#"{{"format":{},"run":"r","started":"2026-08-02T10:15:30Z","duration_ms":1,"ending":"complete",
        "tool":{{"name":"dfu-hil","version":"9"}},"rig":{{"name":"r","boards":[]}},"firmware":[],
        "totals":{{"pass":0,"fail":0,"error":0,"skip":0}},"retries":0,"scenarios":[]}}"#,
        RunRecord::FORMAT + 1
    );
    desk.write("run/result.json", &record);
    let ended = desk.run(&["report", "run", "--format", "markdown"]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    assert!(
        ended.stderr.contains("this program knows formats up to"),
        "{}",
        ended.stderr
    );
    let known = record.replacen(
        &format!("\"format\":{}", RunRecord::FORMAT + 1),
        &format!("\"format\":{}", RunRecord::FORMAT),
        1,
    );
    desk.write("run/result.json", &known);
    let ended = desk.run(&["report", "run", "--format", "markdown"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
}
