//! Files that something went wrong with: whatever is in them, the answer is a mistake with a place inside the file.

use hil_scenario::Scenario;
use proptest::prelude::*;

const SAMPLE: &str = "\
scenario: sample
summary: A sample.
requirements: [DFU-APP-1]
matrix: { transport: [uart, ble], cut: [10%, 90%] }
needs: { bootloader: { mode: swap }, board: [power] }
steps:
  - program: baseline
  - upload: { image: update.app, over: \"${transport}\", power_cut: { at: \"${cut}\", off_for: 2s } }
  - expect_slot: { slot: app.primary, holds: baseline.app }
  - power_cut:
      at: { console: 'Starting swap', core: app }
      delay: 300ms
waive: { both_cores_alive: Why not. }
";

/// Bits of text that mean something in YAML or in scenarios.
const PIECES: [&str; 16] = [
    "", " ", "\n", "\t", "- ", ": ", "{", "}", "[", "]", "\"", "${", "&a ", "*a", "!!x ", "é",
];

fn parses_or_says_where(text: &str) -> Result<(), TestCaseError> {
    let Err(error) = Scenario::parse("sample.yaml", text) else {
        return Ok(());
    };
    prop_assert!(!error.message.is_empty());
    if let Some(place) = &error.place {
        let line = text.lines().nth(place.line as usize - 1);
        prop_assert_eq!(line.map(str::trim_end), Some(place.text.as_str()));
        prop_assert!(place.column as usize <= place.text.chars().count() + 1);
    }
    prop_assert!(error.render().starts_with("sample.yaml"));
    Ok(())
}

#[test]
fn the_sample_is_a_scenario() {
    let scenario = Scenario::parse("sample.yaml", SAMPLE).unwrap();
    assert_eq!(scenario.expand().len(), 4);
}

/// Found by the property below: a tab in place of the end of a step, where the parser points at it.
#[test]
fn a_mistake_at_blanks_that_end_a_line_is_inside_the_line() {
    let text = format!("{}\t{}", &SAMPLE[..421], &SAMPLE[438..]);
    parses_or_says_where(&text).unwrap();
}

proptest! {
    #[test]
    fn a_piece_that_was_replaced(start in 0..SAMPLE.len(), length in 0..30usize, piece in prop::sample::select(&PIECES[..])) {
        let end = (start + length).min(SAMPLE.len());
        let text = format!("{}{piece}{}", &SAMPLE[..start], &SAMPLE[end..]);
        parses_or_says_where(&text)?;
    }

    #[test]
    fn any_text(text in "\\PC{0,60}(\n\\PC{0,60}){0,4}") {
        parses_or_says_where(&text)?;
    }
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from("a: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!(
            "b{level}: &a{level} [{}]\n",
            [before.as_str(); 9].join(", ")
        ));
    }
    let error = Scenario::parse("sample.yaml", &text).unwrap_err();
    assert!(
        error.message.contains("stands for more than 100000 values"),
        "{error}"
    );
}
