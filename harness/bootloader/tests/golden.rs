//! The model agrees with recordings of the real MCUboot, and the replayer notices when it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use hil_bootloader::golden::{Corpus, Options, Sampling};
use serde_json::{Value, json};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden")
}

/// Every step of every case, and a part of the sweeps and variants; all of them, from the directory that it names,
/// when `DFU_HIL_GOLDEN_DIR` is set.
#[test]
fn model_does_to_flash_what_mcuboot_was_recorded_doing() {
    let (directory, sampling) = match std::env::var_os("DFU_HIL_GOLDEN_DIR") {
        Some(directory) => (PathBuf::from(directory), Sampling::Full),
        None => (recorded(), Sampling::Every(20)),
    };
    assert_agrees(&directory, sampling);
}

/// The signatures, encryptions, counters and flash geometries that the other recordings do not have: all of it.
#[test]
fn model_does_what_mcuboot_was_recorded_doing_in_rarer_builds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-extended");
    assert_agrees(&directory, Sampling::Full);
}

/// MCUboot of SDK 2.9: all of it.
#[test]
fn model_does_what_mcuboot_of_sdk_2_9_was_recorded_doing() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-nordic-2.9");
    assert_agrees(&directory, Sampling::Full);
}

/// MCUboot of SDK 2.3 to 2.7, 3.0, 3.1 and 3.4: every step, and a part of the cuts.
#[test]
fn model_does_what_mcuboot_of_other_sdks_was_recorded_doing() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-lines");
    assert_agrees(&directory, Sampling::Every(4));
}

fn assert_agrees(directory: &Path, sampling: Sampling) {
    let corpus = Corpus::load(directory).unwrap();

    let summary = corpus.replay(&Options { jobs: 2, sampling });

    println!("{summary}");
    assert!(!corpus.is_empty(), "{} has no case", directory.display());
    assert_eq!(summary.failed().count(), 0, "{summary}");
    let not_replayed: Vec<&str> = summary
        .not_replayed()
        .map(|case| case.id.as_str())
        .collect();
    assert_eq!(not_replayed, Vec::<&str>::new());
}

/// A corpus of one recorded case, after `change`.
fn with_one_case(id: &str, change: impl FnOnce(&mut Value)) -> (tempfile::TempDir, Corpus) {
    let directory = tempfile::tempdir().unwrap();
    let lines = std::fs::read_to_string(recorded().join("cases.jsonl")).unwrap();
    let quoted = format!("\"id\":\"{id}\"");
    let line = lines.lines().find(|line| line.contains(&quoted)).unwrap();
    let mut case: Value = serde_json::from_str(line).unwrap();
    change(&mut case);
    std::fs::write(
        directory.path().join("cases.jsonl"),
        case.to_string() + "\n",
    )
    .unwrap();
    for folder in ["blobs", "keys"] {
        let target = directory.path().join(folder);
        std::fs::create_dir(&target).unwrap();
        for entry in std::fs::read_dir(recorded().join(folder)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), target.join(entry.file_name())).unwrap();
        }
    }
    let corpus = Corpus::load(directory.path()).unwrap();
    (directory, corpus)
}

fn differences(id: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let (_directory, corpus) = with_one_case(id, change);
    let summary = corpus.replay(&Options::default());
    summary
        .failed()
        .flat_map(|case| case.differences().to_vec())
        .collect()
}

#[test]
fn a_changed_operation_is_named_in_words_of_the_layout() {
    let found = differences("move-ec256/test-revert", |case| {
        case["steps"][0]["expect"]["trace"][1] = json!(["W", "app.primary", 131_040, 4]);
    });
    insta::assert_snapshot!(found.join("\n"), @"step 0: operation 1: recorded W app.primary+0x1ffe0, 4 bytes, model W app.primary+0x1ffd8, 4 bytes");
}

#[test]
fn changed_counts_results_and_swap_types_are_told() {
    let found = differences("move-ec256/test-revert", |case| {
        let expect = &mut case["steps"][0]["expect"];
        expect["writes"] = json!(1);
        expect["result"] = json!("noboot");
        expect["image"] = Value::Null;
        expect["swap_types_after"] = json!(["none"]);
        expect["trailers"]["app.primary"] = json!("good/perm/set/set");
    });
    insta::assert_snapshot!(found.join("\n"), @r#"
    step 0: result: recorded "noboot", model "boot"
    step 0: image: recorded "none", model "2.0.0+0 at 0x10000 of app-flash"
    step 0: writes: recorded 1, model 79
    step 0: swap types after: recorded ["none"], model ["revert"]
    step 0: trailer of app.primary: recorded "good/perm/set/set", model "good/test/set/unset"
    "#);
}

#[test]
fn changed_flash_of_a_cut_and_of_a_variant_is_told() {
    let sweep = differences("move-ec256/sweep-test", |case| {
        case["sweeps"][0]["cuts"][9][1] = json!("00");
        case["sweeps"][0]["cuts"][9][4] = json!(["perm"]);
    });
    insta::assert_snapshot!(sweep.join("\n"), @r#"
    sweep 0 of step 0, cut 9 torn 0, at the cut: flash differs, its bytes are not in the corpus
    sweep 0 of step 0, cut 9 torn 0: swap types at the cut: recorded ["perm"], model ["none"]
    "#);
    let variant = differences("move-nosig/table-magic-ok-done", |case| {
        case["variants"][3]["ops"] = json!(2);
    });
    insta::assert_snapshot!(variant.join("\n"), @"variant `primary good/set/set secondary good/bad/set`: operations: recorded 2, model 0");
}

#[test]
fn a_mode_that_the_model_does_not_know_is_listed_as_not_replayed() {
    let (_directory, corpus) = with_one_case("move-ec256/idle", |case| {
        case["config"]["mode"] = json!("direct-xip");
    });
    let summary = corpus.replay(&Options::default());
    insta::assert_snapshot!(summary, @r"
    move-ec256/idle not replayed: mode `direct-xip` is not known
    direct-xip: 0 passed, 0 failed, 1 not replayed; 0 boots, 0 cuts, 0 variants compared
    1 cases, 0 passed, 0 failed, 1 not replayed
    ");
}

#[test]
fn swap_offset_of_a_line_that_has_none_is_listed_as_not_replayed() {
    let (_directory, corpus) = with_one_case("move-ec256/idle", |case| {
        case["config"]["mode"] = json!("offset");
        case["config"]["source"] = json!("sdk-mcuboot v2.1.0-ncs3");
    });
    let summary = corpus.replay(&Options::default());
    insta::assert_snapshot!(summary, @r"
    move-ec256/idle not replayed: mode `offset` is not in MCUboot of SDK 2.9 (`sdk-mcuboot v2.1.0-ncs3`)
    offset: 0 passed, 0 failed, 1 not replayed; 0 boots, 0 cuts, 0 variants compared
    1 cases, 0 passed, 0 failed, 1 not replayed
    ");
}

#[derive(serde::Deserialize)]
struct RecordedConsole {
    corpus: String,
    id: String,
    consoles: Vec<Option<Vec<String>>>,
}

#[test]
fn model_prints_what_mcuboot_was_recorded_printing() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let file = std::fs::File::open(data.join("golden-consoles/consoles.jsonl.gz")).unwrap();
    let recorded = std::io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap();
    let recorded: Vec<RecordedConsole> = recorded
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut boots = 0;
    for name in [
        "golden",
        "golden-extended",
        "golden-nordic-2.9",
        "golden-lines",
    ] {
        let corpus = Corpus::load(&data.join(name)).unwrap();
        let mut of_corpus = recorded.iter().filter(|case| case.corpus == name);
        for model in corpus.consoles() {
            let (id, model) = model.unwrap();
            let case = of_corpus.next().unwrap();
            assert_eq!(case.id, id, "same cases in the same order");
            assert_eq!(case.consoles.len(), model.len(), "{id}");
            for (step, (recorded, model)) in case.consoles.iter().zip(&model).enumerate() {
                let Some(recorded) = recorded else { continue };
                assert_eq!(model, recorded, "{name}, {id}, step {step}");
                boots += 1;
            }
        }
        assert!(of_corpus.next().is_none());
    }
    assert!(boots > 2500, "{boots} boots");
}
