//! How a run goes about its scenarios: tried again on another board, in parts, with a deadline, gone on with.

mod support;

use hil_record::{Ending, EventKind, Objects, RunDirectory, RunRecord, Verdict, read_journal};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::{Desk, wait_for_line};

const BOOTS: &str = "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n";
const CYCLE: &str =
    "  - power_cycle: { off_for: 300ms }\n  - expect_boot: { app: baseline, within: 60s }\n";

/// A desk with scenarios of these names in `mine`, all of the same steps.
fn desk(rig: &str, names: &[&str], more: &str) -> Desk {
    let desk = Desk::empty();
    desk.write("rig.yaml", rig);
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    for name in names {
        desk.write(
            &format!("mine/{name}.yaml"),
            &format!("scenario: {name}\nsummary: Boots.\nsteps:\n{BOOTS}{more}"),
        );
    }
    desk
}

const ONE_BOARD: &str = "rig: test\nboards: [{ name: dk, virtual: { speed: 20 } }]\n";

fn one_board(names: &[&str]) -> Desk {
    desk(ONE_BOARD, names, "")
}

fn result_of(folder: &Path) -> RunRecord {
    let text = fs::read_to_string(RunDirectory::at(folder).result()).expect("the run wrote it");
    serde_json::from_str(&text).expect("it is a record")
}

/// Of two boards one has a supply that does not switch off, which is trouble of the bench.
#[test]
fn what_a_board_of_the_bench_could_not_decide_passes_on_another_and_is_flaky() {
    let rig = "rig: rack\nboards:\n  - { name: bad, virtual: { speed: 20, supply: stuck } }\n  - { name: good, virtual: { speed: 20 } }\n";
    let desk = desk(rig, &["one", "two"], CYCLE);
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    let totals = record.totals;
    assert_eq!(
        (totals.pass, totals.error, totals.flaky),
        (2, 0, 1),
        "{}",
        ended.all()
    );
    let flaky = record
        .scenarios
        .iter()
        .find(|one| one.is_flaky())
        .expect("one is");
    assert_eq!(flaky.board.as_deref(), Some("good"));
    assert_eq!(flaky.earlier[0].board.as_deref(), Some("bad"));
    assert_eq!(
        flaky.earlier[0].outcome.kind_word().as_deref(),
        Some("inconclusive")
    );
    let junit = fs::read_to_string(RunDirectory::at(&desk.runs()[0]).junit()).expect("it is there");
    assert!(junit.contains("<flakyError "), "{junit}");
    let history = desk.run(&["history"]);
    assert!(
        history
            .stdout
            .contains("passed only when it was tried again, 1 time"),
        "{}",
        history.all()
    );
    assert!(
        history
            .stdout
            .contains("rack/bad: trouble of the bench in 1 of 1 attempt; 1 did not pass here"),
        "{}",
        history.all()
    );

    let once = desk.run(&[
        "run",
        "mine",
        "--rig",
        "rig.yaml",
        "--retries",
        "0",
        "--json",
    ]);
    assert_eq!(once.code, Some(3), "{}", once.all());
    assert_eq!(once.record().totals.error, 1);
}

#[test]
fn a_killed_run_goes_on_with_what_is_left_and_its_report_has_all() {
    let desk = one_board(&["one", "two", "three"]);
    let mut child = desk
        .command(&["run", "mine", "--rig", "rig.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(wait_for_line(&mut child, "(1 of 3)"));
    child.kill().expect("it runs");
    child.wait().expect("it has ended");

    let folder = desk.runs().remove(0);
    let id = RunDirectory::at(&folder).id().to_owned();
    let scenario = fs::read_to_string(desk.path("mine/two.yaml")).expect("it is there");
    desk.write("mine/two.yaml", &scenario.replace("Boots.", "Boots well."));
    let other = desk.run(&["run", "mine", "--rig", "rig.yaml", "--resume", &id]);
    assert_eq!(other.code, Some(2), "{}", other.all());
    assert!(
        other
            .stderr
            .contains("scenario file `mine/two.yaml` is not the one that it began with"),
        "{}",
        other.all()
    );
    desk.write("mine/two.yaml", &scenario);

    let ended = desk.run(&[
        "run", "mine", "--rig", "rig.yaml", "--resume", &id, "--json",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let record = ended.record();
    assert_eq!(record.run, id);
    assert_eq!(record.ending, Ending::Complete);
    assert_eq!(
        (record.totals.pass, record.totals.all(), record.totals.flaky),
        (3, 3, 0)
    );
    assert_eq!(record.resumed.len(), 1);
    assert_eq!(desk.runs().len(), 1, "it is one run");
    let replayed = desk.run(&["replay", &folder.to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());

    let again = desk.run(&["run", "mine", "--rig", "rig.yaml", "--resume", &id]);
    assert_eq!(again.code, Some(2), "{}", again.all());
    assert!(
        again.stderr.contains("nothing is left of run"),
        "{}",
        again.all()
    );
}

#[test]
fn two_shards_merged_are_one_run_that_can_be_replayed_and_a_changed_shard_is_refused() {
    // Something that is not as programmed, so that the evidence has pages of flash.
    let desk = desk(
        ONE_BOARD,
        &["one", "two", "three"],
        "  - upload: { image: update.app }\n",
    );
    for part in ["1/2", "2/2"] {
        // The history of the first must not cut the second otherwise.
        let ended = desk.run(&[
            "run",
            "mine",
            "--rig",
            "rig.yaml",
            "--shard",
            part,
            "--durations",
            "none.db",
        ]);
        assert_eq!(ended.code, Some(0), "{}", ended.all());
    }
    let shards: Vec<String> = desk
        .runs()
        .iter()
        .map(|run| run.to_string_lossy().into_owned())
        .collect();
    let half = desk.run(&["merge", &shards[0]]);
    assert_eq!(half.code, Some(2), "{}", half.all());
    assert!(
        half.stderr
            .contains("only 2 of 3 scenarios are there: shards 2/2 are missing"),
        "{}",
        half.all()
    );

    let merged = desk.run(&["merge", &shards[0], &shards[1]]);
    assert_eq!(merged.code, Some(0), "{}", merged.all());
    let whole: PathBuf = desk
        .runs()
        .into_iter()
        .find(|run| !shards.contains(&run.to_string_lossy().into_owned()))
        .expect("it was made");
    let record = result_of(&whole);
    let mut names: Vec<_> = record
        .scenarios
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "three", "two"]);
    assert!(
        record
            .scenarios
            .iter()
            .all(|one| one.outcome.verdict() == Verdict::Pass)
    );
    assert_eq!((record.ending, record.parts.len()), (Ending::Complete, 2));
    let replayed = desk.run(&["replay", &whole.to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());
    assert!(
        !replayed.stdout.contains("not made again"),
        "{}",
        replayed.all()
    );
    a_flipped_byte_of_flash_is_found(&desk, &whole, "three");

    let journal = RunDirectory::at(&shards[1]).journal();
    let text = fs::read_to_string(&journal).expect("it is there");
    fs::write(&journal, text.replacen("\"app\"", "\"net\"", 1)).expect("the folder is ours");
    let changed = desk.run(&["merge", &shards[0], &shards[1]]);
    assert_eq!(changed.code, Some(2), "{}", changed.all());
    assert!(
        changed
            .stderr
            .contains("is not what it was when it ended: `journal.jsonl` has changed"),
        "{}",
        changed.all()
    );
}

/// Changes a page that a check of the scenario has read, in the store of the run, and replays.
fn a_flipped_byte_of_flash_is_found(desk: &Desk, run: &Path, scenario: &str) {
    let events = read_journal(&RunDirectory::at(run).journal()).expect("the run left a journal");
    let page = events.events.iter().find_map(|event| match &event.kind {
        EventKind::Checked(made) if made.scenario == scenario => {
            made.check.objects().first().map(|page| (*page).to_owned())
        }
        _ => None,
    });
    let page = page.expect("a check has read a page that is not as programmed");
    let path = Objects::path_of(&page).expect("the journal names it by its digest");
    let mut bytes = fs::read(run.join(&path)).expect("it is in the store");
    bytes[5] ^= 1;
    fs::write(run.join(&path), bytes).expect("the folder is ours");
    let found = desk.run(&["replay", &run.to_string_lossy()]);
    assert_eq!(found.code, Some(1), "{}", found.all());
    let file = format!("refused: `{path}` has changed since the run ended, in step ");
    assert!(found.stdout.contains(&file), "{}", found.all());
    let step = format!("of scenario `{scenario}`: object `{path}` has changed");
    assert!(found.stdout.contains(&step), "{}", found.all());
}

#[test]
fn a_run_whose_time_is_up_has_a_report_and_is_no_pass() {
    let desk = one_board(&["one", "two"]);
    let ended = desk.run(&[
        "run",
        "mine",
        "--rig",
        "rig.yaml",
        "--deadline",
        "1ms",
        "--json",
    ]);
    let record = ended.record();
    assert_eq!(record.ending, Ending::Stopped, "{}", ended.all());
    assert_eq!(record.totals.pass, 0, "{}", ended.all());
    assert_ne!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("the time for the run was up before its turn"),
        "{}",
        ended.all()
    );
    assert!(RunDirectory::at(&desk.runs()[0]).html().is_file());
}
