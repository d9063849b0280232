//! The rig file and the firmware sets of a command: those that were named, or the defaults.

use crate::error::CliError;
use hil_rig::RigFile;
use hil_runner::{Chosen, Firmware, SetSource, error_chain};
use hil_scenario::FirmwareSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use virtual_dk::demo::Variant;

/// The rig that needs no hardware, as it was when this was built.
const VIRTUAL_RIG: &str = include_str!("../../../rigs/virtual.yaml");

/// Where a rig file is looked for when none is named.
const DEFAULT_RIG: &str = "rigs/virtual.yaml";

/// Reads the rig file that was named, the one in the folder `rigs` here, or the one in the binary.
pub(crate) fn rig_file(named: Option<&Path>) -> Result<RigFile, CliError> {
    let read = match rig_path(named) {
        Some(path) => RigFile::load(path),
        None => RigFile::parse(&built_in_rig(), VIRTUAL_RIG),
    };
    read.map_err(|error| CliError::usage(error_chain(&error)).with_help(error.help()))
}

/// The name and the text of the same file.
pub(crate) fn rig_text(named: Option<&Path>) -> Result<(PathBuf, String), CliError> {
    match rig_path(named) {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok((path.to_owned(), text)),
            Err(error) => Err(CliError::usage(format_args!(
                "rig file `{}` cannot be read: {error}",
                path.display()
            ))),
        },
        None => Ok((built_in_rig(), VIRTUAL_RIG.to_owned())),
    }
}

/// The rig file on disk, if it is one.
fn rig_path(named: Option<&Path>) -> Option<&Path> {
    let default = Path::new(DEFAULT_RIG);
    named.or_else(|| default.is_file().then_some(default))
}

fn built_in_rig() -> PathBuf {
    Path::new("built-in").join(DEFAULT_RIG)
}

/// Reads a firmware set and every file that it names.
fn firmware(path: &Path) -> Result<Firmware, CliError> {
    let set = FirmwareSet::load(path).map_err(|error| CliError::usage(error.render()))?;
    Firmware::new(set).map_err(|error| CliError::usage(error_chain(&error)).with_help(error.help()))
}

/// The firmware sets that were named, in their order; without any, the demo firmware in all its variants, each written
/// into a folder of its own in `folder` when it is needed.
pub(crate) fn sets(named: &[PathBuf], folder: &Path) -> Result<Vec<SetSource<CliError>>, CliError> {
    if !named.is_empty() {
        return named
            .iter()
            .map(|path| firmware(path).map(SetSource::of))
            .collect();
    }
    let demo = Variant::ALL.iter().map(|&variant| {
        let folder = folder.join(variant.name());
        SetSource::when_needed(variant.set_name(), variant.bootloader(), move || {
            let file = virtual_dk::demo::write_firmware_set(&folder, variant)
                .map_err(|error| CliError::usage(error_chain(&error)))?;
            firmware(&file)
        })
    });
    Ok(demo.collect())
}

/// What reports list: the sets that scenarios may run with, and all that were named.
pub(crate) fn under_test(sets: &[SetSource<CliError>], chosen: &Chosen) -> Vec<Arc<Firmware>> {
    let used = chosen.sets();
    let listed = |firmware: &&Arc<Firmware>, source: &SetSource<CliError>| {
        !source.is_made_when_needed() || used.iter().any(|used| Arc::ptr_eq(used, firmware))
    };
    sets.iter()
        .filter_map(|source| source.loaded().filter(|firmware| listed(firmware, source)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rig_has_no_mistake() {
        let rig = RigFile::parse(Path::new(DEFAULT_RIG), VIRTUAL_RIG).unwrap();
        assert!(!rig.boards.is_empty());
    }
}
