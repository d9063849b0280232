//! What a judgement refuses, with its reason, and what it lets pass.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

mod support;

use hil_record::{ErrorKind, FailKind, Outcome};
use hil_signoff::{Judgement, KnownIssues, Standing, Terms, Waives, judge};
use rstest::rstest;
use support::{AT, Ran, Run, at, requirement, scenario_terms, terms, waiver};

fn judged(terms: &Terms, runs: &[Run]) -> Judgement {
    let folder = tempfile::tempdir().unwrap();
    let evidence: Vec<_> = runs.iter().map(|run| run.evidence(folder.path())).collect();
    judge(terms, &evidence, at(AT))
}

fn refusals(terms: &Terms, runs: &[Run]) -> String {
    let judgement = judged(terms, runs);
    let texts: Vec<String> = judgement.refusals.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

fn with(scenarios: Vec<Ran>) -> Run {
    Run {
        scenarios,
        ..Run::default()
    }
}

#[test]
fn a_run_as_the_policy_asks_is_signed_off() {
    let judgement = judged(&terms(), &[Run::default()]);
    assert!(judgement.is_signed_off(), "{:?}", judgement.refusals);
    assert_eq!(judgement.warnings, Vec::<String>::new());
    let standings: Vec<_> = judgement
        .scenarios
        .iter()
        .map(|found| found.standing)
        .collect();
    assert_eq!(standings, [Standing::Passed, Standing::Passed]);
}

#[test]
fn a_failure_is_refused_also_when_it_passed_elsewhere() {
    let failed = Ran {
        outcome: Outcome::fail(FailKind::WrongImage, "app core runs 2.0.0, expected 2.1.0"),
        ..Ran::passed("revert[uart]")
    };
    let second = Run {
        id: "20260803T111530Z-01",
        scenarios: vec![failed],
        ..Run::default()
    };
    insta::assert_snapshot!(refusals(&terms(), &[Run::default(), second]), @"
    refused (passed): scenario `revert[uart]` failed in `20260803T111530Z-01`: app core runs 2.0.0, expected 2.1.0
       help: the firmware does not do what it must: repair it, and run again
    ");
}

#[test]
fn a_scenario_that_was_not_run_is_refused() {
    insta::assert_snapshot!(refusals(&terms(), &[with(vec![Ran::passed("app-update[uart]")])]), @"
    refused (skipped): scenario `revert[uart]` was not run
       help: run it: `dfu-hil run --filter NAME`, and give that run as well
    refused (requirement): requirement `DFU-REVERT-1` is covered by nothing that passed; `revert[uart]` should
       help: write a scenario with `requirements: [DFU-REVERT-1]`, or waive it with `uncovered: DFU-REVERT-1`
    ");
}

fn skips() -> Run {
    with(vec![
        Ran::passed("app-update[uart]"),
        Ran::skipped("revert[uart]", "no board has a power switch"),
    ])
}

#[test]
fn a_skip_is_refused_with_the_reason_that_the_run_had() {
    let text = refusals(&terms(), &[skips()]);
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (skipped): scenario `revert[uart]` was skipped in `20260803T101530Z-01`: no board has a power switch");
}

fn waived(expires: &str) -> Terms {
    let mut terms = terms();
    let id = terms.requirements[1].id.clone();
    terms.waivers = vec![
        waiver(Waives::Skip("revert".into()), expires),
        waiver(Waives::Uncovered(id), expires),
    ];
    terms
}

#[test]
fn a_skip_that_somebody_answers_for_is_let_pass_and_is_no_pass() {
    let judgement = judged(&waived("2026-08-04"), &[skips()]);
    assert!(judgement.is_signed_off(), "{:?}", judgement.refusals);
    assert_eq!(judgement.scenarios[1].standing, Standing::Waived);
    assert_eq!(judgement.waived.len(), 2);
}

#[test]
fn a_waiver_that_has_expired_waives_nothing() {
    insta::assert_snapshot!(refusals(&waived("2026-08-03"), &[skips()]), @"
    refused (waiver): scenario `revert[uart]` was skipped in `20260803T101530Z-01`: no board has a power switch; its waiver by Jane Doe expired on 2026-08-03
       help: do what was waived, or ask for the waiver again
    refused (waiver): requirement `DFU-REVERT-1` is covered by nothing that passed; `revert[uart]` should; its waiver by Jane Doe expired on 2026-08-03
       help: do what was waived, or ask for the waiver again
    ");
}

#[test]
fn a_skip_on_one_bench_does_not_matter_when_another_ran_it() {
    let second = Run {
        id: "20260803T111530Z-01",
        scenarios: vec![Ran::passed("revert[uart]")],
        ..Run::default()
    };
    assert_eq!(refusals(&terms(), &[skips(), second]), "");
}

#[test]
fn a_waiver_that_nothing_needs_is_told() {
    let judgement = judged(&waived("2026-12-31"), &[Run::default()]);
    insta::assert_snapshot!(judgement.warnings.join("\n"), @"
    waiver `skip: revert` by Jane Doe waives nothing
    waiver `uncovered: DFU-REVERT-1` by Jane Doe waives nothing
    ");
}

fn retried() -> Run {
    let retried = Ran {
        retries: 2,
        ..Ran::passed("app-update[uart]")
    };
    with(vec![retried, Ran::passed("revert[uart]")])
}

#[test]
fn a_pass_on_retry_is_refused() {
    insta::assert_snapshot!(refusals(&terms(), &[retried()]), @"
    refused (retry): scenario `app-update[uart]` passed in `20260803T101530Z-01` on `dk-1` only after 2 retries
       help: find out what had to be tried again (`journal.jsonl`, events `retry`), and run again
    ");
}

/// A run whose first scenario was tried on another board before.
fn flaky(before: Outcome) -> Run {
    let mut run = Run::default();
    run.scenarios[0].before = Some(before);
    run
}

#[test]
fn a_pass_on_another_board_after_trouble_of_the_bench_is_refused() {
    let trouble = Outcome::error(ErrorKind::Probe, "the probe is silent");
    insta::assert_snapshot!(refusals(&terms(), &[flaky(trouble)]), @"
    refused (retry): scenario `app-update[uart]` passed in `20260803T101530Z-01` on `dk-1` only after an attempt on `dk-2` in which the bench failed: the probe is silent
       help: find out what had to be tried again (`journal.jsonl`, events `retry`), and run again
    ");
}

#[test]
fn a_pass_after_a_verdict_on_the_firmware_is_no_evidence() {
    let fail = Outcome::fail(FailKind::WrongImage, "runs 1.0.0");
    let said = refusals(&terms(), &[flaky(fail)]);
    assert!(
        said.contains("was tried again after a verdict on the firmware"),
        "{said}"
    );
}

#[test]
fn a_pass_on_retry_that_is_waived_is_a_warning() {
    let mut terms = terms();
    terms.waivers = vec![waiver(Waives::Retry("app-*".into()), "2026-12-31")];
    let judgement = judged(&terms, &[retried()]);
    assert!(judgement.is_signed_off(), "{:?}", judgement.refusals);
    assert_eq!(judgement.scenarios[0].standing, Standing::Warned);
}

#[test]
fn a_run_again_after_trouble_of_the_bench_is_a_retry() {
    let trouble = Run {
        id: "20260803T091530Z-01",
        scenarios: vec![Ran {
            outcome: Outcome::error(ErrorKind::Port, "serial port ttyACM1 is gone"),
            ..Ran::passed("revert[uart]")
        }],
        ..Run::default()
    };
    insta::assert_snapshot!(refusals(&terms(), &[trouble, Run::default()]), @"
    refused (retry): scenario `revert[uart]` passed only when it was run again: in `20260803T091530Z-01` the bench failed: serial port ttyACM1 is gone
       help: repair the bench, and run again
    ");
}

#[test]
fn a_run_of_other_firmware_is_refused_and_the_file_is_named() {
    let other = Run {
        image: "app 2.1.0, built again",
        ..Run::default()
    };
    insta::assert_snapshot!(refusals(&terms(), &[other]), @"
    refused (firmware): run `20260803T101530Z-01` ran other firmware: set `product` had the digest 05055d53…, the release's has 5f2f0707…
       help: run again with the files of the release
    refused (firmware): file `app.bin` of set `product` is another one than ran: the release has SHA-256 2bfc195d…, run `20260803T101530Z-01` had SHA-256 451e16c0…
       help: was the release built again? run its files
    ");
}

#[test]
fn a_run_that_is_too_old_is_refused() {
    let old = Run {
        started: "2026-07-01T10:15:30Z",
        ..Run::default()
    };
    insta::assert_snapshot!(refusals(&terms(), &[old]), @"
    refused (age): run `20260803T101530Z-01` began on 2026-07-01T10:15:30Z and is 34 days 1 h old, the policy allows 7 days
       help: run again
    ");
}

#[test]
fn a_run_from_the_future_is_refused() {
    let ahead = Run {
        started: "2026-08-05T10:15:30Z",
        ..Run::default()
    };
    let text = refusals(&terms(), &[ahead]);
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (age): run `20260803T101530Z-01` began on 2026-08-05T10:15:30Z, which is after 2026-08-04T12:00:00Z");
}

#[test]
fn a_run_that_was_stopped_is_refused() {
    let stopped = Run {
        stopped: true,
        ..Run::default()
    };
    let text = refusals(&terms(), &[stopped]);
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (evidence): run `20260803T101530Z-01` cannot be believed: the run was stopped before its end");
}

#[test]
fn a_virtual_board_does_not_count_unless_the_policy_says_so() {
    let run = Run {
        board: "virtual nRF5340 DK; nRF5340 QKAA ae4f213a3d734e77",
        ..Run::default()
    };
    let text = refusals(&terms(), std::slice::from_ref(&run));
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (board): scenario `app-update[uart]` passed in `20260803T101530Z-01` on `dk-1`, which is a virtual board");
    let mut lenient = terms();
    lenient.virtual_boards = hil_signoff::VirtualBoards::Allow;
    assert_eq!(refusals(&lenient, &[run]), "");
}

#[test]
fn numbers_of_passes_boards_and_cuts_are_asked_for() {
    let mut terms = terms();
    terms.scenarios[0].passes = 3;
    terms.scenarios[0].boards = 2;
    terms.scenarios[0].cut_points = 100;
    let ran = |id, board, cuts| Run {
        id,
        scenarios: vec![
            Ran {
                cut_points: Some(cuts),
                board,
                ..Ran::passed("app-update[uart]")
            },
            Ran::passed("revert[uart]"),
        ],
        ..Run::default()
    };
    let (first, second) = (ran("one", "dk-1", 0..40), ran("two", "dk-1", 30..90));
    insta::assert_snapshot!(refusals(&terms, &[first.clone(), second.clone()]), @"
    refused (passed): scenario `app-update[uart]` passed 2 times, the policy asks for 3
       help: run it more often, and give these runs as well
    refused (board): scenario `app-update[uart]` passed on 1 boards, the policy asks for 2
       help: run it on more boards
    refused (cut-points): scenario `app-update[uart]` cut the power at 90 different points, the policy asks for 100
       help: run a longer sweep
    ");
    let third = ran("three", "dk-2", 90..100);
    assert_eq!(refusals(&terms, &[first, second, third]), "");
}

#[test]
fn the_same_points_again_are_no_more_points() {
    let mut terms = terms();
    terms.scenarios[0].cut_points = 41;
    let ran = |id| Run {
        id,
        scenarios: vec![
            Ran {
                cut_points: Some(0..40),
                ..Ran::passed("app-update[uart]")
            },
            Ran::passed("revert[uart]"),
        ],
        ..Run::default()
    };
    let text = refusals(&terms, &[ran("one"), ran("two")]);
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (cut-points): scenario `app-update[uart]` cut the power at 40 different points, the policy asks for 41");
}

#[rstest]
#[case::two_chips(Some(["ae4f213a3d734e77", "625119aa2ac75d17"]), true)]
#[case::one_chip_under_two_names(Some(["ae4f213a3d734e77"; 2]), false)]
#[case::chips_that_are_not_known(None, true)]
fn boards_are_told_apart_by_their_chips(
    #[case] chips: Option<[&'static str; 2]>,
    #[case] two: bool,
) {
    let mut terms = terms();
    terms.scenarios[0].boards = 2;
    let ran = |id, board| Run {
        id,
        chips,
        scenarios: vec![
            Ran {
                board,
                ..Ran::passed("app-update[uart]")
            },
            Ran::passed("revert[uart]"),
        ],
        ..Run::default()
    };
    let text = refusals(&terms, &[ran("one", "dk-1"), ran("two", "dk-2")]);
    let refused =
        "refused (board): scenario `app-update[uart]` passed on 1 boards, the policy asks for 2";
    assert_eq!(text.starts_with(refused), !two, "{text}");
    assert_eq!(text.is_empty(), two, "{text}");
}

#[test]
fn a_merged_run_and_one_of_its_parts_are_one_run_given_twice() {
    let merged = Run {
        id: "merged",
        parts: vec!["one", "two"],
        ..Run::default()
    };
    let other = Run {
        id: "other",
        parts: vec!["two", "three"],
        ..Run::default()
    };
    let part = Run {
        id: "one",
        ..Run::default()
    };
    assert_eq!(refusals(&terms(), std::slice::from_ref(&merged)), "");
    insta::assert_snapshot!(refusals(&terms(), &[merged.clone(), part]), @"
    refused (evidence): run `one` is given twice: it is a part of `merged`
       help: give either the merged run or its parts
    ");
    insta::assert_snapshot!(refusals(&terms(), &[merged, other]), @"
    refused (evidence): run `two` is given twice: it is a part of `other`
       help: give either the merged run or its parts
    ");
}

#[test]
fn a_scenario_must_pass_on_the_boards_that_are_named() {
    let mut terms = terms();
    terms.scenarios[0].on = vec!["dk-2".to_owned()];
    let text = refusals(&terms, &[Run::default()]);
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (skipped): scenario `app-update[uart]` passed on none of the boards `dk-2`");
}

#[test]
fn a_scenario_from_another_version_of_its_file_does_not_count() {
    let other = Ran {
        file: "an easier one",
        ..Ran::passed("app-update[uart]")
    };
    let text = refusals(&terms(), &[with(vec![other, Ran::passed("revert[uart]")])]);
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (scenario-file): scenario `app-update[uart]` ran in `20260803T101530Z-01` from `scenarios/app-update.yaml`, which is not the library's any more");
}

#[test]
fn a_known_defect_is_a_warning_and_covers_nothing() {
    let known = Ran {
        known_issue: Some("mcuboot#1966, fixed in SDK 3.1"),
        ..Ran::passed("revert[uart]")
    };
    let mut terms = terms();
    terms
        .scenarios
        .push(scenario_terms("revert[ble]", "DFU-REVERT-1"));
    let run = with(vec![
        Ran::passed("app-update[uart]"),
        known,
        Ran::passed("revert[ble]"),
    ]);
    let judgement = judged(&terms, std::slice::from_ref(&run));
    assert!(judgement.is_signed_off(), "{:?}", judgement.refusals);
    insta::assert_snapshot!(judgement.warnings.join("\n"), @"scenario `revert[uart]` shows that the release has the known defect mcuboot#1966, fixed in SDK 3.1");
    terms.known_issues = KnownIssues::Refuse;
    assert!(refusals(&terms, std::slice::from_ref(&run)).starts_with("refused (known-issue)"));
    terms.known_issues = KnownIssues::Warn;
    terms.scenarios.pop();
    assert!(
        refusals(&terms, &[run]).starts_with("refused (requirement): requirement `DFU-REVERT-1`")
    );
}

#[test]
fn requirements_and_scenarios_must_meet_both_ways() {
    let mut terms = terms();
    terms
        .requirements
        .push(requirement("DFU-NET-1", "The network core can be updated."));
    terms.scenarios[0].requirements.clear();
    terms.scenarios[1] = scenario_terms("revert[uart]", "DFU-REVERT-2");
    insta::assert_snapshot!(refusals(&terms, &[Run::default()]), @"
    refused (requirement): requirement `DFU-APP-1` is in no scenario
       help: write a scenario with `requirements: [DFU-APP-1]`, or waive it with `uncovered: DFU-APP-1`
    refused (requirement): requirement `DFU-REVERT-1` is in no scenario
       help: write a scenario with `requirements: [DFU-REVERT-1]`, or waive it with `uncovered: DFU-REVERT-1`
    refused (requirement): requirement `DFU-NET-1` is in no scenario
       help: write a scenario with `requirements: [DFU-NET-1]`, or waive it with `uncovered: DFU-NET-1`
    refused (requirement): scenario `app-update[uart]` covers no requirement
       help: say in its `requirements` what it shows, or exclude it with a reason
    refused (requirement): scenario `revert[uart]` covers `DFU-REVERT-2`, which is not in the requirements file
       help: is the id misspelt? otherwise add the requirement
    ");
}

#[test]
fn a_pass_whose_steps_did_not_is_not_believed() {
    let lie = Ran {
        last_step: Some(Outcome::fail(
            FailKind::StandingCheck,
            "the network core is silent",
        )),
        ..Ran::passed("revert[uart]")
    };
    let text = refusals(
        &terms(),
        &[with(vec![Ran::passed("app-update[uart]"), lie])],
    );
    insta::assert_snapshot!(text.lines().next().unwrap(), @"refused (evidence): run `20260803T101530Z-01` cannot be believed: scenario `revert[uart]` passed, but its step 2 `both_cores_alive` is `fail`");
}

#[test]
fn a_result_file_that_says_more_than_the_journal_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let run = with(vec![
        Ran::passed("app-update[uart]"),
        Ran {
            outcome: Outcome::fail(FailKind::WrongImage, "runs 1.0.0"),
            ..Ran::passed("revert[uart]")
        },
    ]);
    let path = run.make(folder.path());
    let result = path.join("result.json");
    let text = std::fs::read_to_string(&result).unwrap();
    std::fs::write(
        &result,
        text.replace("\"verdict\": \"fail\"", "\"verdict\": \"pass\""),
    )
    .unwrap();
    let evidence = hil_signoff::Evidence::read(&path).unwrap();
    let [changed, differs] = evidence.doubts.as_slice() else {
        panic!("two doubts: {:?}", evidence.doubts);
    };
    assert_eq!(changed, "`result.json` has changed since the run ended");
    assert_eq!(
        differs,
        "`result.json` says `pass` for scenario `revert[uart]`, the journal says `fail`"
    );
}

#[test]
fn a_run_that_is_given_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = Run::default().evidence(folder.path());
    let judgement = judge(&terms(), &[evidence.clone(), evidence], at(AT));
    assert_eq!(
        judgement.refusals[0].text,
        "run `20260803T101530Z-01` is given twice"
    );
}
