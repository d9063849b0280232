//! Finding scenarios: the files that were named, the folder `scenarios`, or the library in the binary.

use crate::args::SelectionArgs;
use crate::error::CliError;
use hil_scenario::{FileError, Scenario, load_scenarios};
use std::path::Path;

/// The scenario library of the repository, file name and text, as it was when this was built.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Where scenarios are looked for when none are named.
const FOLDER: &str = "scenarios";

/// Scenario files, read and checked.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) scenarios: Vec<Scenario>,
}

impl Library {
    /// Reads all scenarios of a selection. The filters are not applied: a mistake in any file is an error.
    pub(crate) fn load(selection: &SelectionArgs) -> Result<Self, CliError> {
        let scenarios = if !selection.scenarios.is_empty() {
            load_scenarios(&selection.scenarios)
        } else if Path::new(FOLDER).is_dir() {
            load_scenarios(&[FOLDER])
        } else {
            built_in()
        };
        match scenarios {
            Ok(scenarios) => Ok(Self { scenarios }),
            Err(mistakes) => Err(mistakes_in_files(&mistakes)),
        }
    }
}

/// The whole library, whatever was selected.
pub(crate) fn library_of_all() -> Result<Library, CliError> {
    match built_in() {
        Ok(scenarios) => Ok(Library { scenarios }),
        Err(mistakes) => Err(mistakes_in_files(&mistakes)),
    }
}

/// Whether a scenario's own file was named, and not a folder that it is in: then it is meant to run.
pub(crate) fn is_named(selection: &SelectionArgs, scenario: &Scenario) -> bool {
    let mut paths = selection.scenarios.iter();
    paths.any(|path| path == scenario.path() && !path.is_dir())
}

/// The library in the binary.
fn built_in() -> Result<Vec<Scenario>, Vec<FileError>> {
    let (scenarios, mistakes): (Vec<_>, Vec<_>) = BUILT_IN
        .iter()
        .map(|(name, text)| Scenario::parse(Path::new("built-in").join(name), text))
        .partition(Result::is_ok);
    let mistakes: Vec<FileError> = mistakes.into_iter().filter_map(Result::err).collect();
    if mistakes.is_empty() {
        Ok(scenarios.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(mistakes)
    }
}

/// One message for all mistakes, each with its line and advice.
pub(crate) fn mistakes_in_files(mistakes: &[FileError]) -> CliError {
    let texts: Vec<String> = mistakes.iter().map(FileError::render).collect();
    CliError::usage(texts.join("\nerror: "))
}

/// Whether a name contains one of the filters; without filters all do.
pub(crate) fn selected(filters: &[String], name: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_library_has_no_mistake() {
        let mistakes: Vec<String> = built_in()
            .err()
            .unwrap_or_default()
            .iter()
            .map(FileError::render)
            .collect();
        assert_eq!(mistakes, Vec::<String>::new());
        assert!(!BUILT_IN.is_empty());
    }

    #[test]
    fn one_filter_that_matches_is_enough() {
        let filters = ["revert".to_owned(), "net".to_owned()];
        assert!(selected(&filters, "net-only[uart]"));
        assert!(!selected(&filters, "encrypted-app[uart]"));
        assert!(selected(&[], "anything"));
    }
}
