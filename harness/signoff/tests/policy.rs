//! Mistakes in a policy, shown with their line and what to do.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

use hil_signoff::Policy;

const GOOD: &str = "\
policy: release
release: { name: product, version: 2.1.0 }
firmware: [firmware.yaml]
requirements: requirements.yaml
library: [scenarios]
max_age: 7d
";

fn mistake(text: &str) -> String {
    Policy::parse("policy.yaml", text).unwrap_err().render()
}

#[test]
fn a_policy_without_exceptions_is_read() {
    assert_eq!(Policy::parse("policy.yaml", GOOD).unwrap().name, "release");
}

#[test]
fn an_age_that_is_no_duration() {
    insta::assert_snapshot!(mistake(&GOOD.replace("7d", "a week")), @"
    policy.yaml:6:10: `a week` is no duration
      |
    6 | max_age: a week
      |          ^^^^^^
      = help: write how old a run may be: `12h`, `7d`
    ");
}

#[test]
fn a_sign_off_of_nothing() {
    insta::assert_snapshot!(mistake(&GOOD.replace("[firmware.yaml]", "[]")), @"
    policy.yaml:3:11: `firmware` names no file
      |
    3 | firmware: []
      |           ^
      = help: a sign-off says which files of a release passed which scenarios
    ");
}

#[test]
fn a_waiver_of_two_things() {
    let waiver = "waivers:\n  - { skip: a, retry: b, reason: c, by: d, expires: 2026-08-31 }\n";
    insta::assert_snapshot!(mistake(&format!("{GOOD}{waiver}")), @"
    policy.yaml:8:5: a waiver waives one thing: `skip`, `retry` or `uncovered`
      |
    8 |   - { skip: a, retry: b, reason: c, by: d, expires: 2026-08-31 }
      |     ^
      = help: write several waivers
    ");
}

#[test]
fn a_waiver_that_nobody_answers_for() {
    let waiver = "waivers:\n  - { skip: a, reason: c, by: \" \", expires: 2026-08-31 }\n";
    insta::assert_snapshot!(mistake(&format!("{GOOD}{waiver}")), @r#"
    policy.yaml:8:31: `by` is empty
      |
    8 |   - { skip: a, reason: c, by: " ", expires: 2026-08-31 }
      |                               ^^^
      = help: say who answers for it
    "#);
}

#[test]
fn a_waiver_without_an_end() {
    let waiver = "waivers:\n  - { skip: a, reason: c, by: d }\n";
    let text = mistake(&format!("{GOOD}{waiver}"));
    assert!(text.contains("key `expires` is missing"), "{text}");
}

#[test]
fn a_waiver_until_no_day_at_all() {
    let waiver = "waivers:\n  - { skip: a, reason: c, by: d, expires: never }\n";
    let text = mistake(&format!("{GOOD}{waiver}"));
    assert!(text.starts_with("policy.yaml:8:"), "{text}");
}
