//! The scenario library of the project: it parses, fits the roles that it names, and says what it is for.

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
fn every_scenario_fits_a_firmware_set_with_the_roles_and_a_whole_dk() {
    let mut folder = SetFolder::new();
    // What only the library needs.
    folder.text = folder.text.replace(
        "network-core: pcd\n",
        "network-core: pcd\n  serial-recovery: { button: {}, network-core: true, direct-upload: true }\n",
    ) + "  no-app:\n    program: [{ core: app, file: merged.hex }]\n  \
         self-confirms:\n    images: { app: { file: update.bin } }\n  \
         net-large:\n    images: { net: { file: update-net.bin } }\n  \
         net-broken:\n    images: { net: { file: net-other-ipc.bin } }\n";
    let set = folder.load().unwrap();
    let dk = Capabilities {
        board: "dk".to_owned(),
        features: BTreeSet::from([
            BoardFeature::Power,
            BoardFeature::AppConsole,
            BoardFeature::NetConsole,
            BoardFeature::SecondAdapter,
            BoardFeature::RecoveryButton,
        ]),
        transports: BTreeSet::from([Transport::Uart, Transport::Ble]),
        bootloader: &set.bootloader,
    };
    let report = check(&library(), &set, &[dk]);
    assert_eq!(report.errors, []);
    // Scenarios for another bootloader are for another set.
    let skipped: Vec<_> = report
        .skips
        .iter()
        .filter(|skip| {
            let mut reasons = skip.reasons.iter().map(ToString::to_string);
            !reasons.any(|reason| reason.starts_with("needs a bootloader"))
        })
        .collect();
    assert_eq!(skipped, [] as [&SkippedVariant; 0]);
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
