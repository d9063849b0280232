//! `dfu-hil demo-firmware`: writes the firmware set that the virtual rig runs by default.

use crate::args::DemoFirmwareArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_runner::error_chain;

/// Writes the set and prints the path of its file.
pub(crate) fn write(args: &DemoFirmwareArgs) -> Result<Exit, CliError> {
    let file = virtual_dk::demo::write_firmware_set(&args.dir, args.variant).map_err(|error| {
        CliError::usage(error_chain(&error)).with_help(Some("name a folder that can be written to"))
    })?;
    println!("{}", file.display());
    Ok(Exit::Passed)
}
