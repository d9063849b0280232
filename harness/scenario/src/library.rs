//! Many scenario files at once.

use crate::locate::{Part, Segment, locate};
use crate::scenario::Scenario;
use crate::source::FileError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Reads scenario files, and those in folders (`*.yaml` and `*.yml`, by name, not in folders inside them).
///
/// # Errors
///
/// Everything that is wrong: the first mistake of each file, folders without scenarios, and two scenarios of one
/// name.
pub fn load_scenarios<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Scenario>, Vec<FileError>> {
    let mut errors = Vec::new();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for path in paths {
        let files = match files_at(path.as_ref()) {
            Ok(files) => files,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        for file in files {
            match Scenario::load(&file) {
                // The same file given twice, or once by itself and once with its folder.
                Ok(scenario)
                    if scenarios
                        .iter()
                        .any(|known| known.path() == scenario.path()) => {}
                Ok(scenario) => scenarios.push(scenario),
                Err(error) => errors.push(error),
            }
        }
    }
    errors.extend(duplicates(&scenarios));
    if errors.is_empty() {
        Ok(scenarios)
    } else {
        Err(errors)
    }
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable =
        |error: std::io::Error| FileError::new(path, format!("cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let is_yaml = file
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml");
        if is_yaml && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FileError::new(path, "has no scenario files")
            .advising(Some("scenario files end in `.yaml`".to_owned())));
    }
    files.sort();
    Ok(files)
}

/// Two scenarios of one name could not be told apart in a report.
fn duplicates(scenarios: &[Scenario]) -> Vec<FileError> {
    let mut first: BTreeMap<&str, &Scenario> = BTreeMap::new();
    let mut errors = Vec::new();
    for scenario in scenarios {
        match first.get(scenario.name.as_str()) {
            None => {
                first.insert(&scenario.name, scenario);
            }
            Some(other) => errors.push(
                FileError::new(
                    scenario.path(),
                    format!(
                        "scenario `{}` is in {} as well",
                        scenario.name,
                        other.path().display()
                    ),
                )
                .at(locate(
                    &scenario.source,
                    &[Segment::Key("scenario".to_owned())],
                    Part::Value,
                ))
                .advising(Some("give one of them another name".to_owned())),
            ),
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "scenario: one\nsummary: One.\nsteps: [{ program: baseline }]\n";

    #[test]
    fn files_of_a_folder_come_by_name_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("b.yaml"), ONE.replace("one", "second")).unwrap();
        std::fs::write(at("a.yaml"), ONE).unwrap();
        std::fs::write(at("notes.txt"), "not a scenario").unwrap();
        let scenarios = load_scenarios(&[folder.path().to_owned(), at("a.yaml")]).unwrap();
        let names: Vec<_> = scenarios
            .iter()
            .map(|scenario| scenario.name.as_str())
            .collect();
        assert_eq!(names, ["one", "second"]);
    }

    #[test]
    fn all_files_with_mistakes_are_told_and_not_only_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.yaml"), "scenario: a\n").unwrap();
        std::fs::write(at("b.yaml"), "nonsense").unwrap();
        let errors = load_scenarios(&[folder.path().to_owned(), at("c.yaml")]).unwrap_err();
        assert_eq!(errors.len(), 3);
    }
}
