//! What a script can tell from the exit code.

mod support;

use hil_record::Verdict;
use std::fs;
use support::Desk;

/// Boots, and says nothing wrong.
const PASSES: &str = "  - program: baseline\n  - expect_boot: { app: baseline, within: 60s }\n";
/// Expects a line that no firmware prints.
const FAILS: &str =
    "  - program: baseline\n  - expect_console: { text: \"no such line\", within: 1s }\n";
/// Cuts the power when the line that it must come before is long past.
const ERRS: &str = "  - program: baseline\n  - power_cut:\n      at: { console: \"Starting bootloader\" }\n      delay: 4s\n      \
                    before: \"Jumping to the first image slot\"\n";
/// Needs a reset pin, which a virtual board has not.
const IS_SKIPPED: &str = "  - program: baseline\n  - reset: pin\n";

/// Runs one scenario for each of these step lists; the exit code and how they ended.
fn run(scenarios: &[&str]) -> (Option<i32>, Vec<Verdict>) {
    let desk = Desk::new(1, 20);
    fs::create_dir(desk.path("mine")).expect("the folder is ours");
    for (index, steps) in scenarios.iter().enumerate() {
        let text = format!("scenario: s{index}\nsummary: Has its own end.\nsteps:\n{steps}");
        desk.write(&format!("mine/{index}.yaml"), &text);
    }
    let ended = desk.run(&["run", "mine", "--rig", "rig.yaml", "--json"]);
    let record = ended.record();
    let mut verdicts: Vec<(String, Verdict)> = record
        .scenarios
        .iter()
        .map(|scenario| (scenario.name.clone(), scenario.outcome.verdict()))
        .collect();
    verdicts.sort_by(|a, b| a.0.cmp(&b.0));
    (
        ended.code,
        verdicts.into_iter().map(|(_, verdict)| verdict).collect(),
    )
}

#[test]
fn all_passed_is_0() {
    assert_eq!(run(&[PASSES]), (Some(0), vec![Verdict::Pass]));
}

#[test]
fn a_skip_beside_a_pass_is_0_and_is_reported_as_a_skip() {
    let ended = run(&[PASSES, IS_SKIPPED]);
    assert_eq!(ended, (Some(0), vec![Verdict::Pass, Verdict::Skip]));
}

#[test]
fn a_failure_is_1_also_beside_an_error() {
    let ended = run(&[ERRS, FAILS, PASSES]);
    assert_eq!(
        ended,
        (Some(1), vec![Verdict::Error, Verdict::Fail, Verdict::Pass])
    );
}

#[test]
fn an_error_is_3_also_beside_a_pass() {
    let ended = run(&[ERRS, PASSES]);
    assert_eq!(ended, (Some(3), vec![Verdict::Error, Verdict::Pass]));
}

#[test]
fn nothing_but_skips_is_4() {
    assert_eq!(run(&[IS_SKIPPED]), (Some(4), vec![Verdict::Skip]));
}

#[test]
fn help_lists_the_exit_codes() {
    let ended = Desk::empty().run(&["--help"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stdout.contains("Exit codes:\n  0  "),
        "{}",
        ended.stdout
    );
}
