//! The examples for nights without a person: that their files can be read, and that the commands in them are ones.

use rstest::rstest;
use serde_yaml::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tools/nightly");
    fs::read_to_string(path.join(name)).expect("the example is there")
}

/// All texts of a YAML file.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Sequence(all) => all.iter().flat_map(texts).collect(),
        Value::Mapping(all) => all.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => Vec::new(),
    }
}

/// What a CI server puts in.
fn filled_in(command: &str) -> String {
    [
        ("${{ matrix.part }}", "1"),
        ("$CI_NODE_INDEX", "1"),
        ("$CI_NODE_TOTAL", "3"),
    ]
    .iter()
    .fold(command.to_owned(), |command, (variable, value)| {
        command.replace(variable, value)
    })
}

fn is_a_command(command: &str) {
    let command = filled_in(command);
    let mut words = command.split_whitespace();
    words.next();
    let asked = Command::new(env!("CARGO_BIN_EXE_dfu-hil"))
        .args(words)
        .arg("--help")
        .output()
        .expect("it starts");
    assert!(
        asked.status.success(),
        "{command}\n{}",
        String::from_utf8_lossy(&asked.stderr)
    );
}

#[rstest]
#[case::github("github.yml", 4)]
#[case::gitlab("gitlab.yml", 4)]
fn the_commands_of_a_ci_file_are_ones(#[case] name: &str, #[case] count: usize) {
    let value: Value = serde_yaml::from_str(&example(name)).expect("it is YAML");
    let texts = texts(&value);
    let commands: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.starts_with("dfu-hil "))
        .collect();
    assert_eq!(commands.len(), count, "{commands:?}");
    for command in commands {
        is_a_command(command);
    }
}

#[test]
fn the_command_of_the_unit_is_one_and_ends_before_the_unit_is_killed() {
    let unit = example("dfu-hil-nightly.service");
    let setting = |name: &str| {
        let mut lines = unit.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let command = setting("ExecStart").expect("it starts something");
    assert!(command.contains(" nightly "), "{command}");
    assert!(command.contains(" --wait 1h --budget 6h"), "{command}");
    assert_eq!(setting("RuntimeMaxSec"), Some("8h"));
    assert_eq!(setting("KillSignal"), Some("SIGINT"));
    is_a_command(command);
}
