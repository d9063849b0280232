//! `dfu-hil history`, after real runs.

mod support;

use hil_record::RunDirectory;
use std::fs;
use support::Desk;

/// A desk on which a scenario passed and one failed.
fn desk() -> Desk {
    let desk = Desk::new(1, 20);
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    let steps = "steps:\n  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n";
    let scenario = |name: &str, more: &str| {
        desk.write(
            &format!("mine/{name}.yaml"),
            &format!("scenario: {name}\nsummary: Boots.\n{steps}{more}"),
        );
    };
    scenario("passes", "");
    scenario(
        "fails",
        "  - expect_console: { text: \"no such line\", within: 1s }\n",
    );
    desk
}

fn run(desk: &Desk) {
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    assert!(!ended.stderr.contains("warning"), "{}", ended.all());
}

/// Runs take a while: one desk for all of what can be asked of it.
#[test]
fn runs_are_remembered_told_lost_and_added_again() {
    let desk = desk();
    run(&desk);
    run(&desk);
    let told = desk.run(&["history"]);
    assert_eq!(told.code, Some(0), "{}", told.all());
    let rows = told
        .stdout
        .lines()
        .filter(|line| line.contains("  test  "))
        .count();
    assert_eq!(rows, 2, "{}", told.all());
    assert!(
        told.stdout.contains("scenarios to look at:\n  fails\n"),
        "{}",
        told.all()
    );
    let one = desk.run(&["history", "--scenario", "pass", "--board", "test/dk"]);
    assert!(one.stdout.contains("\npasses\n"), "{}", one.all());
    assert!(one.stdout.contains("last good run: "), "{}", one.all());
    let none = desk.run(&["history", "--scenario", "no-such"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(4), "no run\n"));

    let page = fs::read_to_string(desk.path("reports/index.html")).expect("the runs made it");
    for folder in desk.runs() {
        let link = format!("runs/{}/report.html", RunDirectory::at(folder).id());
        assert!(page.contains(&link), "{link}");
    }

    // Nothing is lost with the file.
    let before = desk.run(&["history", "--json"]).stdout;
    fs::write(desk.path("reports/history.db"), "damaged").expect("the folder is ours");
    let damaged = desk.run(&["history"]);
    assert_eq!(damaged.code, Some(2), "{}", damaged.all());
    assert!(
        damaged.stderr.contains("is damaged") && damaged.stderr.contains("help: move it away"),
        "{}",
        damaged.all()
    );
    let ended = desk.run(&["run", "mine/passes.yaml", "--rig", "rig.yaml"]);
    assert_eq!(
        ended.code,
        Some(0),
        "the run is one all the same: {}",
        ended.all()
    );
    assert!(
        ended
            .stderr
            .contains("warning: the run is not in the history"),
        "{}",
        ended.all()
    );

    fs::remove_file(desk.path("reports/history.db")).expect("it is there");
    let missing = desk.run(&["history"]);
    assert_eq!(missing.code, Some(2), "{}", missing.all());
    let runs: Vec<String> = desk
        .runs()
        .iter()
        .take(2)
        .map(|run| run.to_string_lossy().into_owned())
        .collect();
    let mut arguments = vec!["history", "add"];
    arguments.extend(runs.iter().map(String::as_str));
    let added = desk.run(&arguments);
    assert_eq!(added.code, Some(0), "{}", added.all());
    let after = desk.run(&["history", "--json"]).stdout;
    let plain = |json: &str| -> serde_json::Value {
        let mut json: serde_json::Value = serde_json::from_str(json).expect("it is JSON");
        for run in json["runs"].as_array_mut().expect("a list") {
            run["folder"] = "".into();
        }
        json
    };
    assert_eq!(plain(&before), plain(&after));
}
