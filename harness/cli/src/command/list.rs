//! `dfu-hil list`: the scenarios and their variants.

use crate::args::ListArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::library::{Library, selected};
use serde::Serialize;

/// One variant in the list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    /// Name of the variant, as filters and reports have it.
    scenario: &'a str,
    /// What it shows.
    summary: &'a str,
    /// The requirements that it covers.
    requirements: Vec<&'a str>,
    /// Its file.
    file: String,
}

/// Prints the variants, one a line, or as a JSON list.
pub(crate) fn list(args: &ListArgs) -> Result<Exit, CliError> {
    let library = Library::load(&args.selection)?;
    let rows: Vec<Row<'_>> = library
        .scenarios
        .iter()
        .flat_map(|scenario| {
            scenario.variants().iter().map(|variant| Row {
                scenario: &variant.name,
                summary: scenario.summary.trim(),
                requirements: scenario
                    .requirements
                    .iter()
                    .map(hil_scenario::RequirementId::as_str)
                    .collect(),
                file: scenario.path().display().to_string(),
            })
        })
        .filter(|row| selected(&args.selection.filter, row.scenario))
        .collect();
    if rows.is_empty() {
        return Err(nothing_selected(&args.selection.filter));
    }
    if args.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|error| {
            CliError::usage(format_args!("the list cannot be written as JSON: {error}"))
        })?;
        println!("{json}");
        return Ok(Exit::Passed);
    }
    let width = rows.iter().map(|row| row.scenario.len()).max().unwrap_or(0);
    for row in &rows {
        println!("{:width$}  {}", row.scenario, row.summary);
    }
    Ok(Exit::Passed)
}

/// What is said when filters leave nothing.
pub(crate) fn nothing_selected(filters: &[String]) -> CliError {
    CliError::nothing_ran(format_args!(
        "no scenario has `{}` in its name",
        filters.join("` or `")
    ))
    .with_help(Some("`dfu-hil list` shows all names"))
}
