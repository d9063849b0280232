//! A start that is interrupted at many points, on real virtual boards: by whatever the rig has, with a bootloader that is
//! sound and with one that is not, in one go and taken up again.

mod support;

use hil_clock::{Clock as _, SystemClock};
use hil_record::{
    ErrorKind, EventKind, Evidence, Outcome, RunDirectory, RunRecord, SweepPlan, SweepPoint,
    SweepTotals, read_journal,
};
use rstest::rstest;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use support::boards::Boards;
use support::broken::sound_board;
use support::{Desk, Ended};
use virtual_dk::{Speed, VirtualDkOptions};

/// Boards run at this many times a DK's pace.
const SPEED: u32 = 20;

const ONE_BOARD: &str = "rig: test\nboards: [{ name: dk, virtual: { speed: 20 } }]\n";

const SWEEP: &str = "\
scenario: swap
summary: A swap is finished wherever it is interrupted.
needs: { bootloader: { mode: swap-move } }
steps:
  - program: baseline
  - expect_boot: { app: baseline, within: 20s }
  - upload: { image: update.app }
  - mark: { image: update.app, as: test }
  - sweep: { cuts: { sample: 4 }, boots: [update], later_update: [hotfix], in_recovery: 1, bursts: { cuts: 3 }, within: 20s }
  - expect_boot: { app: update, state: testing, within: 20s }
";

/// A folder with the scenario and the demo firmware, whose bootloader may have a mistake that the set does not tell.
fn desk(defect: Option<&str>) -> Desk {
    desk_with(defect.map(|defect| format!("defect: {defect}")).as_deref())
}

/// The same with a bootloader that is built otherwise than the set says.
fn desk_with(built: Option<&str>) -> Desk {
    let desk = Desk::new(2, SPEED);
    let made = desk.run(&["demo-firmware", "fw"]);
    assert_eq!(made.code, Some(0), "{}", made.all());
    if let Some(built) = built {
        let changes = serde_yaml::from_str(built).expect("a map");
        let file = desk.path("fw/baseline/merged.hex");
        support::mutation::rebuild_bootloader(&file, &changes).expect("the set can be written");
    }
    desk.write("swap.yaml", SWEEP);
    desk
}

fn run(desk: &Desk, more: &[&str]) -> Ended {
    let args = [
        "run",
        "swap.yaml",
        "--rig",
        "rig.yaml",
        "--json",
        "--firmware",
        "fw/firmware.yaml",
    ];
    desk.run(&[&args[..], more].concat())
}

/// What the journal of a run has of its sweeps.
fn sweeps(run: &Path) -> (Vec<SweepPlan>, Vec<SweepPoint>) {
    let journal = read_journal(&RunDirectory::at(run).journal()).expect("the run left a journal");
    let mut found = (Vec::new(), Vec::new());
    for event in journal.events {
        match event.kind {
            EventKind::SweepPlanned(plan) => found.0.push(plan),
            EventKind::SweepPoint(point) => found.1.push(point),
            _ => {}
        }
    }
    found
}

/// What the only sweep of a run came to.
fn totals(run: &Path) -> SweepTotals {
    let journal = read_journal(&RunDirectory::at(run).journal()).expect("the run left a journal");
    let mut totals = journal
        .events
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::SweepFinished(totals) => Some(totals),
            _ => None,
        });
    totals.next().expect("the sweep has ended")
}

/// At how many points the power was cut, by the evidence of the sweep.
fn cut_points(run: &Path) -> Option<String> {
    let record = fs::read_to_string(RunDirectory::at(run).result()).expect("the run left a result");
    let record: RunRecord = serde_json::from_str(&record).expect("the result is in order");
    let steps = record.scenarios.iter().flat_map(|scenario| &scenario.steps);
    steps
        .flat_map(|step| &step.evidence)
        .find(|evidence| evidence.what == Evidence::CUT_POINTS)
        .map(|evidence| evidence.found.clone())
}

/// The rig of a board that somebody else runs and nobody can switch off.
fn without_a_switch(desk: &Desk, boards: &Boards) {
    desk.write(
        "rig.yaml",
        &format!(
            "rig: bare\nboards:\n  - name: dk\n    probe: {{ selector: \"{}\" }}\n    uart:\n      app: {{ path: \"{}\" }}\n      net: {{ path: \"{}\" }}\n",
            boards.text("/boards/0/probe"),
            boards.text("/boards/0/uart/app"),
            boards.text("/boards/0/uart/net"),
        ),
    );
}

#[rstest]
#[case::flash_operation_and_supply(SPEED, true, &[], "watchpoints; interrupted by taking its power away")]
#[case::flash_operation_and_reset(SPEED, false, &[], "watchpoints; interrupted by a reset through the probe, which is no loss of power")]
// At a DK's own pace, as a swap that takes a tenth of a second is over before a busy machine stops it.
#[case::clock_and_supply(1, true, &["--by-time"], "by the clock, near the point; interrupted by taking its power away")]
#[case::clock_and_reset(1, false, &["--by-time"], "by the clock, near the point; interrupted by a reset through the probe")]
fn the_same_file_runs_by_whatever_the_rig_has(
    #[case] speed: u32,
    #[case] switch: bool,
    #[case] more: &[&str],
    #[case] method: &str,
) {
    let desk = desk(None);
    desk.write(
        "rig.yaml",
        &ONE_BOARD.replace("speed: 20", &format!("speed: {speed}")),
    );
    let boards = (!switch).then(|| Boards::start_at(speed, &[]));
    if let Some(boards) = &boards {
        without_a_switch(&desk, boards);
    }
    let ended = run(&desk, more);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let (plans, points) = sweeps(&desk.runs()[0]);
    let [plan] = plans.as_slice() else {
        panic!("one sweep: {plans:?}");
    };
    assert!(plan.method.contains(method), "{}", plan.method);
    assert_eq!(
        plan.seen,
        more.is_empty(),
        "what the clock stops is not seen"
    );
    assert_eq!(plan.points, Some(4 + 1 + 1));
    assert_eq!(points.len(), 6, "{points:?}");
    assert!(
        points
            .iter()
            .any(|point| point.cut.matches('+').count() == 2),
        "three in a row: {points:?}"
    );
    let count = |word: &str| {
        let came_to = points.iter().map(|point| &point.came_to);
        came_to.filter(|came_to| came_to.starts_with(word)).count()
    };
    let updated = |point: &&SweepPoint| point.came_to.ends_with("; then updated to hotfix");
    assert_eq!(
        points.iter().filter(updated).count() + count("missed"),
        6,
        "{points:?}"
    );
    let (good, missed) = (
        count("boots update"),
        count("missed") + count("hit the start after it"),
    );
    assert_eq!(good + missed, 6, "{points:?}");
    // What the run is told to have come to.
    let totals = totals(&desk.runs()[0]);
    assert_eq!((totals.visited, totals.bad), (6, 0));
    assert!(
        ended.stderr.contains(&totals.to_string()),
        "{}",
        ended.all()
    );
    let hit = good + missed - count("missed");
    let told = cut_points(&desk.runs()[0]);
    assert_eq!(told, switch.then(|| hit.to_string()), "a reset is no cut");
    // The clock comes too late for some of them on a busy machine; never for all.
    assert!(good > 0 && (missed == 0 || !more.is_empty()), "{points:?}");
    is_made_again_whole(&desk, 0);
}

/// Replays a run: the evidence has all that each of its points was judged by, but for what a later update came to.
fn is_made_again_whole(desk: &Desk, run: usize) {
    let replayed = desk.run(&["replay", &desk.runs()[run].to_string_lossy()]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.all());
    let open = replayed
        .stdout
        .lines()
        .filter(|line| line.starts_with("not made again"));
    for line in open {
        assert!(line.contains("what a later update after a point"), "{line}");
    }
}

#[test]
fn a_switch_that_is_stuck_makes_a_sweep_inconclusive_and_says_how_that_is_known() {
    let desk = desk(None);
    desk.write(
        "rig.yaml",
        "rig: test\nboards: [{ name: dk, virtual: { speed: 20, supply: stuck } }]\n",
    );
    let ended = run(&desk, &["--retries", "0"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    assert!(
        matches!(outcome, Outcome::Error { kind: ErrorKind::Inconclusive, cause, .. }
            if cause.starts_with("at cut boot.")
                && cause.contains("board `dk` did not lose its power: the SCPI supply says that it is off, but")
                && cause.ends_with("and the chip answers the probe")),
        "{outcome:?}"
    );
    assert_eq!(
        totals(&desk.runs()[0]).visited,
        0,
        "a cut that was none is no point"
    );
}

/// A scenario whose sweep is another one.
fn sweep_of(before: &str, sweep: &str) -> String {
    format!(
        "scenario: swap\nsummary: Something is interrupted.\nneeds: {{ bootloader: {{ mode: swap-move }} }}\nsteps:\n  \
         - program: baseline\n  - expect_boot: {{ app: baseline, within: 20s }}\n{before}  \
         - sweep: {{ {sweep}, within: 20s }}\n"
    )
}

const WAITING: &str = "  - upload: { image: update.app }\n";
const PENDING: &str =
    "  - upload: { image: update.app }\n  - mark: { image: update.app, as: test }\n";
const OLD: &str = "  - upload: { image: never-confirms.app }\n";

#[rstest]
#[case::inside_a_start(
    true,
    PENDING,
    "cuts: { sample: 2 }, at: [inside], boots: [update], in_recovery: 1",
    &["boot.app-erase.0.inside"]
)]
#[case::upload(
    true,
    OLD,
    "during: { upload: { image: update.app } }, cuts: { sample: 2 }, at: [before, inside, after], boots: [baseline]",
    &["upload.app-erase.0.before", "upload.app-erase.0.inside", "upload.app-write.11.after"]
)]
#[case::erasure(
    true,
    OLD,
    "during: { erase: { slot: app.secondary } }, cuts: { sample: 2 }, at: [inside, after], boots: [baseline]",
    &["erase.app-erase.0.inside", "erase.app-erase.0.after"]
)]
#[case::request_for_a_test(
    true,
    WAITING,
    "during: { mark: { image: update.app, as: test } }, cuts: every, at: [inside], boots: [baseline, update]",
    &["request.app-write.0.inside"]
)]
#[case::request_to_stay(
    false,
    WAITING,
    "during: { mark: { image: update.app, as: confirmed } }, cuts: every, at: [inside], boots: [baseline, update]",
    &["confirm.app-write.0.inside", "confirm.app-write.1.inside"]
)]
#[case::confirmation_of_what_runs(
    true,
    PENDING,
    "during: { mark: { image: update.app, as: confirmed } }, cuts: every, at: [before, inside, after], boots: [baseline, update]",
    &["confirm.app-write.0.before", "confirm.app-write.0.inside", "confirm.app-write.0.after"]
)]
#[case::chunks(
    true,
    "",
    "during: { upload: { image: update.app } }, cuts: { frames: 2 }, at: [before, inside, after], boots: [baseline]",
    &["upload.frame.0.before", "upload.frame.0.inside", "upload.frame.0.after", "upload.frame.15.after"]
)]
#[case::inside_a_start_without_a_switch(
    false,
    PENDING,
    "cuts: { sample: 2 }, at: [inside], boots: [update], in_recovery: 1",
    &["boot.app-erase.0.inside"]
)]
#[case::upload_without_a_switch(
    false,
    OLD,
    "during: { upload: { image: update.app } }, cuts: { sample: 2 }, at: [before, inside, after], boots: [baseline]",
    &["upload.app-erase.0.before", "upload.app-erase.0.inside", "upload.app-write.11.after"]
)]
#[case::chunks_without_a_switch(
    false,
    "",
    "during: { upload: { image: update.app } }, cuts: { frames: 2 }, at: [before, inside, after], boots: [baseline]",
    &["upload.frame.0.before", "upload.frame.0.after", "upload.frame.15.after"]
)]
fn what_is_asked_for_is_interrupted_and_comes_to_what_is_foretold(
    #[case] switch: bool,
    #[case] before: &str,
    #[case] sweep: &str,
    #[case] among: &[&str],
) {
    let desk = desk(None);
    let boards = (!switch).then(|| Boards::start(&[]));
    if let Some(boards) = &boards {
        without_a_switch(&desk, boards);
    }
    desk.write("swap.yaml", &sweep_of(before, sweep));
    let ended = run(&desk, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let (_, points) = sweeps(&desk.runs()[0]);
    for cut in among {
        assert!(points.iter().any(|point| point.cut == *cut), "{points:?}");
    }
    let problems: Vec<_> = points
        .iter()
        .filter(|point| point.problem.is_some())
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
}

#[rstest]
#[case::inside(PENDING, "cuts: every, boots: [update]", "boot.app-write.40.inside")]
#[case::answered(
    "",
    "during: { upload: { image: update.app } }, cuts: every, boots: [baseline]",
    "upload.frame.12.after"
)]
#[case::operation_where_chunks_are_counted(
    OLD,
    "during: { upload: { image: update.app } }, cuts: { frames: 2 }, boots: [baseline]",
    "upload.app-write.75.after"
)]
fn a_point_is_visited_again_by_its_name(
    #[case] before: &str,
    #[case] sweep: &str,
    #[case] cut: &str,
) {
    let desk = desk(None);
    desk.write("swap.yaml", &sweep_of(before, sweep));
    let ended = run(&desk, &["--cut", cut]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let (_, points) = sweeps(&desk.runs()[0]);
    let cuts: Vec<_> = points.iter().map(|point| point.cut.as_str()).collect();
    assert_eq!(cuts, [cut]);
}

#[test]
fn the_clock_cannot_hit_inside_an_operation() {
    let desk = desk(None);
    desk.write(
        "swap.yaml",
        &sweep_of(PENDING, "cuts: every, boots: [update]"),
    );
    let ended = run(&desk, &["--by-time", "--cut", "boot.app-erase.0.inside"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    assert!(
        matches!(outcome, Outcome::Error { kind: ErrorKind::Cut, cause, .. }
            if cause.contains("the clock cannot stop a board at boot.app-erase.0.inside")),
        "{outcome:?}"
    );
}

#[test]
fn a_mistake_of_the_bootloader_is_found_made_short_and_shown_again_by_its_name() {
    let desk = desk(Some("status-before-copy"));
    let ended = run(&desk, &["--seed", "3"]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let record = ended.record();
    let Outcome::Fail { cause, .. } = &record.scenarios[0].outcome else {
        panic!("it must fail: {}", ended.all());
    };
    let (_, command) = cause.split_once("repeat it with `dfu-hil ").unwrap();
    let cut = command
        .split_once("--cut ")
        .unwrap()
        .1
        .trim_end_matches('`');
    assert!(!cut.contains('+'), "one cut is enough: {cut}");
    is_made_again_whole(&desk, 0);

    let again = run(&desk, &["--filter", "swap", "--cut", cut]);
    assert_eq!(again.code, Some(1), "{}", again.all());
    let (plans, points) = sweeps(&desk.runs()[1]);
    assert_eq!(plans[0].points, Some(1));
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].cut, cut);
    assert!(points[0].problem.is_some(), "{points:?}");
}

#[rstest]
#[case::behind_the_end("boot.app-write.9999.before", "behind the end")]
#[case::another_class("boot.net-erase.0.before", "is no net-erase")]
#[case::another_phase("upload.app-erase.0.before", "is in another phase")]
#[case::a_chunk_of_a_start("upload.frame.0.before", "is a chunk, and nothing is uploaded")]
#[case::more_than_a_chunk("upload.frame.0.after+boot.app-erase.0.before", "is in another phase")]
fn a_point_that_this_start_does_not_have_is_plan_drift_and_no_pass(
    #[case] cut: &str,
    #[case] says: &str,
) {
    let ended = run(&desk(None), &["--cut", cut]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    assert!(
        matches!(outcome, Outcome::Error { kind: ErrorKind::Inconclusive, cause, .. }
            if cause.contains("plan drift") && cause.contains(says)),
        "{outcome:?}"
    );
}

#[test]
fn a_sweep_whose_later_update_no_bootloader_takes_is_an_error_and_no_pass() {
    let desk = desk(None);
    // Older than what runs then, and this bootloader prevents downgrades.
    let older = SWEEP.replace("later_update: [hotfix]", "later_update: [baseline]");
    desk.write("swap.yaml", &older);
    let ended = run(&desk, &["--retries", "0"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let cause = ended.record().scenarios[0]
        .outcome
        .cause()
        .map(str::to_owned);
    let cause = cause.unwrap_or_default();
    assert!(
        cause.starts_with("none of baseline can be a later update"),
        "{cause}"
    );
    assert_eq!(sweeps(&desk.runs()[0]).1, [], "nothing is visited");
}

/// The board's bootloader is built otherwise than the set says; the one with another trailer erases the same pages as often.
#[rstest]
#[case::another_mode("mode: overwrite-only")]
#[case::another_trailer("max-sectors: 256")]
fn a_set_that_describes_another_bootloader_is_plan_drift_at_an_operation(#[case] built: &str) {
    let desk = desk_with(Some(built));
    let ended = run(&desk, &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    assert!(
        matches!(outcome, Outcome::Error { kind: ErrorKind::Inconclusive, cause, .. }
            if cause.contains("plan drift: flash operation ") && cause.contains("by the model")),
        "{outcome:?}"
    );
    let (plans, points) = sweeps(&desk.runs()[0]);
    assert!(plans.is_empty() && points.is_empty(), "nothing is visited");
}

/// Without the key nobody can say what the bootloader makes of an image, and so of a cut.
#[test]
fn a_sweep_that_nothing_can_be_foretold_of_is_an_error_and_no_pass() {
    let desk = desk(None);
    let set = desk.path("fw/firmware.yaml");
    let text = fs::read_to_string(&set).unwrap();
    let signing = text.lines().find(|line| line.contains("signing: "));
    let without = text.replace(signing.expect("the set has a key"), "");
    fs::write(&set, without).unwrap();
    let ended = run(&desk, &["--sweep", "sample:1"]);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    assert!(
        matches!(outcome, Outcome::Error { kind: ErrorKind::Inconclusive, cause, .. }
            if cause.contains("does not give the key that images are signed for")),
        "{outcome:?}"
    );
}

/// Its bootloader refuses the older release, which the set does not tell.
#[test]
fn a_board_that_cannot_be_updated_after_an_interruption_fails_at_that_point() {
    let desk = desk(None);
    let set = desk.path("fw/firmware.yaml");
    let text = fs::read_to_string(&set).unwrap();
    let prevents = "downgrade-prevention: version";
    assert!(text.contains(prevents), "{text}");
    let untold = text.replace(prevents, "downgrade-prevention: none");
    fs::write(&set, untold).unwrap();
    let older = SWEEP.replace("later_update: [hotfix]", "later_update: [baseline]");
    desk.write("swap.yaml", &older);
    let ended = run(&desk, &["--sweep", "sample:1"]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    let Outcome::Fail { cause, .. } = &ended.record().scenarios[0].outcome else {
        panic!("it must fail: {}", ended.all());
    };
    assert!(cause.contains("a later update: "), "{cause}");
    assert!(cause.contains("repeat it with `dfu-hil "), "{cause}");
}

#[test]
fn a_sweep_is_taken_up_where_it_was_and_its_parts_have_each_point_once() {
    let desk = desk(None);
    let first = run(&desk, &["--sweep", "sample:2"]);
    assert_eq!(first.code, Some(0), "{}", first.all());
    let before = desk.runs()[0].to_string_lossy().into_owned();

    let second = run(&desk, &["--sweep", "sample:2", "--skip-visited", &before]);
    assert_eq!(second.code, Some(0), "{}", second.all());
    let (plans, points) = sweeps(&desk.runs()[1]);
    assert_eq!(plans[0].visited_before, 4);
    assert_eq!(points, [], "everything was visited");

    let split = run(&desk, &["--sweep", "sample:2", "--split", "2"]);
    assert_eq!(split.code, Some(0), "{}", split.all());
    let (plans, points) = sweeps(&desk.runs()[2]);
    let names: Vec<&str> = plans.iter().map(|plan| plan.scenario.as_str()).collect();
    assert!(
        names.contains(&"swap#1/2") && names.contains(&"swap#2/2"),
        "{names:?}"
    );
    let mut cuts: Vec<_> = points.into_iter().map(|point| point.cut).collect();
    let mut all: Vec<_> = sweeps(&desk.runs()[0])
        .1
        .into_iter()
        .map(|point| point.cut)
        .collect();
    cuts.sort();
    all.sort();
    assert_eq!(cuts, all);
    for run in 0..3 {
        is_made_again_whole(&desk, run);
    }
}

/// Waits until a run has so many points in its journal.
fn wait_for_points(desk: &Desk, count: usize) {
    let clock = SystemClock::new();
    let deadline = clock.now() + Duration::from_secs(120);
    loop {
        let runs = desk.runs();
        let visited = runs
            .first()
            .filter(|run| RunDirectory::at(run).journal().exists())
            .map_or(0, |run| sweeps(run).1.len());
        if visited >= count {
            return;
        }
        assert!(clock.now() < deadline, "{visited} of {count} points");
        clock.sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_sweep_that_is_killed_goes_on_with_the_points_that_are_left() {
    let desk = desk(None);
    desk.write("rig.yaml", ONE_BOARD);
    let args = [
        "run",
        "swap.yaml",
        "--rig",
        "rig.yaml",
        "--firmware",
        "fw/firmware.yaml",
        "--sweep",
        "sample:6",
    ];
    let mut child = desk
        .command(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    wait_for_points(&desk, 2);
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    let folder = desk.runs().remove(0);
    let before = sweeps(&folder).1.len();
    assert!((2..8).contains(&before), "killed after {before} of 8");

    let id = RunDirectory::at(&folder).id().to_owned();
    let ended = desk.run(&[&args[..], &["--resume", &id]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let (plans, points) = sweeps(&folder);
    let [_, again] = plans.as_slice() else {
        panic!("planned twice: {plans:?}");
    };
    assert_eq!(again.visited_before as usize, before);
    let cuts: BTreeSet<&str> = points.iter().map(|point| point.cut.as_str()).collect();
    assert_eq!((cuts.len(), points.len()), (8, 8), "each once: {points:?}");
}

/// With a ledger of how often pages were erased.
fn ledger(desk: &Desk, budget: u64) -> PathBuf {
    let ledger = desk.path("ledger");
    let wear = format!(
        "wear: {{ ledger: \"{}\", budget: {budget} }}\n",
        ledger.display()
    );
    desk.write("rig.yaml", &format!("{ONE_BOARD}{wear}"));
    ledger
}

/// The largest count in the only file of a ledger.
fn most_erases(ledger: &Path) -> u64 {
    let files: Vec<_> = fs::read_dir(ledger).expect("it is there").collect();
    let [file] = files.as_slice() else {
        panic!("one chip: {files:?}");
    };
    let text = fs::read_to_string(file.as_ref().expect("it is there").path()).expect("a file");
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let pages = file["pages"].as_object().into_iter().flatten();
    pages
        .filter_map(|(_, count)| count.as_u64())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_board_that_comes_to_its_budget_in_a_sweep_is_stopped_there_and_stays_so() {
    let desk = desk(None);
    let ledger = ledger(&desk, 12);
    let args = ["--sweep", "every", "--retries", "0"];
    let ended = run(&desk, &args);
    assert_eq!(ended.code, Some(3), "{}", ended.all());
    let outcome = &ended.record().scenarios[0].outcome;
    assert!(
        matches!(outcome, Outcome::Error { kind: ErrorKind::Worn, cause, .. }
            if cause.contains(" points: flash of board `dk` is worn: the page at 0x")),
        "{outcome:?}"
    );
    let (_, points) = sweeps(&desk.runs()[0]);
    assert!((1..12).contains(&points.len()), "{points:?}");
    let worn = most_erases(&ledger);
    assert!(worn >= 12, "{worn}");

    let again = run(&desk, &args);
    assert_eq!(again.code, Some(3), "{}", again.all());
    assert_eq!(sweeps(&desk.runs()[1]).1, [], "nothing more is done to it");
    assert_eq!(most_erases(&ledger), worn);
}

#[test]
fn the_wear_of_a_sweep_is_that_of_the_flash() {
    let desk = desk(None);
    // Between two interruptions in a row the board runs for a moment, of which nobody knows what it has erased.
    let rows = "in_recovery: 1, bursts: { cuts: 3 }, ";
    desk.write("swap.yaml", &SWEEP.replace(rows, ""));
    let board = sound_board(VirtualDkOptions {
        speed: Speed::Factor(f64::from(SPEED)),
        ..VirtualDkOptions::default()
    });
    desk.rig_for(&board);
    let ended = run(&desk, &["--sweep", "sample:2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    let journal = read_journal(&RunDirectory::at(&desk.runs()[0]).journal()).expect("a journal");
    let worn: Vec<(bool, u64)> = journal
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Wear(wear) => Some((wear.complete, wear.erases)),
            _ => None,
        })
        .collect();
    assert_eq!(worn, [(true, board.page_erases())]);
}

#[test]
fn a_point_without_a_sweep_is_a_mistake_in_the_command() {
    let desk = desk(None);
    let text = SWEEP.lines().filter(|line| !line.contains("sweep:"));
    desk.write(
        "swap.yaml",
        &text.map(|line| format!("{line}\n")).collect::<String>(),
    );
    let ended = run(&desk, &["--cut", "boot.app-erase.0.before"]);
    assert_eq!(ended.code, Some(2), "{}", ended.all());
    assert!(
        ended
            .stderr
            .contains("no scenario that was selected has a `sweep`"),
        "{}",
        ended.stderr
    );
}
