//! The scenario library of the project: it parses, and says what it is for. That it fits the demo sets and passes on them is
//! tried where those are (`harness/cli/tests/library.rs`).

mod common;

use common::SetFolder;
use hil_scenario::{
    BoardFeature, Capabilities, FileError, Scenario, SkippedVariant, Step, Transport, check,
    load_scenarios,
};
use std::collections::BTreeSet;

const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");

fn library() -> Vec<Scenario> {
    load_scenarios(&[LIBRARY]).unwrap_or_else(|errors| {
        let rendered: Vec<_> = errors.iter().map(FileError::render).collect();
        panic!("{}", rendered.join("\n\n"))
    })
}

#[test]
fn every_scenario_says_which_question_and_requirements_it_answers() {
    for scenario in library() {
        assert!(
            scenario.question.is_some(),
            "`{}` has no question",
            scenario.name
        );
        assert!(
            !scenario.requirements.is_empty(),
            "`{}` has no requirements",
            scenario.name
        );
        let stem = scenario.path().file_stem().and_then(|stem| stem.to_str());
        assert_eq!(
            stem,
            Some(scenario.name.as_str()),
            "the file is named otherwise"
        );
    }
}

#[test]
fn every_scenario_starts_from_a_programmed_board_and_ends_with_a_check() {
    for scenario in library() {
        for variant in scenario.variants() {
            let first = variant.steps.first().map(|planned| &planned.step);
            assert!(
                matches!(first, Some(Step::Program(_))),
                "`{}`",
                variant.name
            );
            let last = variant
                .steps
                .last()
                .map_or("", |planned| planned.step.name());
            assert!(
                last.starts_with("expect_"),
                "`{}` ends with `{last}`",
                variant.name
            );
        }
    }
}
