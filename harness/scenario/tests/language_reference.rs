//! `docs/scenario-language.md` says what the language is: every step is there, and every example is right.

use hil_image::Damage;
use hil_scenario::{Scenario, Step};
use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../../../docs/scenario-language.md");

/// The YAML blocks of the reference, each with the line it begins at.
fn examples() -> Vec<(usize, String)> {
    let mut examples = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(REFERENCE.lines()) {
        match (&mut open, line) {
            (None, "```yaml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => examples.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    examples
}

/// The steps of an example: a whole scenario, or a list of steps.
fn scenario(line: usize, example: &str) -> Scenario {
    let text = if example.starts_with("scenario:") {
        example.to_owned()
    } else {
        format!("scenario: sample\nsummary: A sample.\nsteps:\n{example}")
    };
    Scenario::parse("scenario-language.md", &text)
        .unwrap_or_else(|error| panic!("example at line {line}:\n{}", error.render()))
}

#[test]
fn every_example_is_a_scenario_or_steps_of_one() {
    assert!(!examples().is_empty());
    for (line, example) in examples() {
        scenario(line, &example);
    }
}

#[test]
fn every_step_has_a_heading_and_an_example() {
    let shown: BTreeSet<&str> = examples()
        .iter()
        .flat_map(|(line, example)| scenario(*line, example).expand())
        .flat_map(|variant| variant.steps)
        .map(|planned| planned.step.name())
        .collect();
    for name in Step::NAMES {
        let heading = format!("\n### {name}\n");
        assert!(REFERENCE.contains(&heading), "step `{name}` has no heading");
        assert!(shown.contains(name), "step `{name}` has no example");
    }
}

#[test]
fn the_names_of_steps_are_those_that_the_parser_knows() {
    let error = Scenario::parse(
        "x.yaml",
        "scenario: x\nsummary: x\nsteps: [{ nothing: {} }]",
    )
    .unwrap_err();
    assert_eq!(error.allowed, Step::NAMES);
}

/// Every key of every step, taken from what the parser allows.
#[test]
fn every_key_of_every_step_is_in_its_section() {
    for name in Step::NAMES {
        let text = format!("scenario: x\nsummary: x\nsteps: [{{ {name}: {{ nothing: 1 }} }}]");
        let error = Scenario::parse("x.yaml", &text).unwrap_err();
        let section = REFERENCE
            .split("\n### ")
            .find(|section| section.starts_with(&format!("{name}\n")))
            .unwrap_or_default();
        for key in &error.allowed {
            assert!(
                section.contains(key.as_str()),
                "`{key}` of step `{name}` is not told"
            );
        }
    }
}

/// Every way to damage an image, with what it is and whether it needs the key.
#[test]
fn every_damage_is_in_the_table_in_the_words_of_the_code() {
    for damage in Damage::ALL {
        let star = if damage.signs_again() { " *" } else { "" };
        let mut summary = damage.summary().to_owned();
        summary[..1].make_ascii_uppercase();
        let row = format!("\n| `{damage}`{star} | {summary}. |\n");
        assert!(REFERENCE.contains(&row), "{row}");
    }
}
