//! `dfu-hil emulated-board`: real firmware in QEMU behind the interfaces of a board. The rig starts it.

use crate::args::EmulatedBoardArgs;
use crate::error::CliError;
use crate::exit::Exit;
use hil_runner::error_chain;
use virtual_dk::EmulatedOptions;

/// Starts the board and returns when it has stopped.
pub(crate) fn serve(args: EmulatedBoardArgs) -> Result<Exit, CliError> {
    let options = EmulatedOptions {
        program: args.emulator,
        name: args.name,
    };
    virtual_dk::serve_emulated(&options)
        .map(|()| Exit::Passed)
        .map_err(|error| CliError::bench(error_chain(&error)).with_help(error.help()))
}
