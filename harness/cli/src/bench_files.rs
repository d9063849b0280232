//! The rig file and the firmware set of a command: those that were named, or the defaults.

use crate::error::CliError;
use hil_rig::RigFile;
use hil_runner::{Firmware, error_chain};
use hil_scenario::FirmwareSet;
use std::path::{Path, PathBuf};

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
pub(crate) fn firmware(path: &Path) -> Result<Firmware, CliError> {
    let set = FirmwareSet::load(path).map_err(|error| CliError::usage(error.render()))?;
    Firmware::new(set).map_err(|error| CliError::usage(error_chain(&error)).with_help(error.help()))
}

/// Writes the demo firmware into `folder` and reads it as any other set.
pub(crate) fn demo_firmware(folder: &Path) -> Result<Firmware, CliError> {
    let variant = virtual_dk::demo::Variant::default();
    let file = virtual_dk::demo::write_firmware_set(folder, variant)
        .map_err(|error| CliError::usage(error_chain(&error)))?;
    firmware(&file)
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
