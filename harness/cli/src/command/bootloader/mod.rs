//! `dfu-hil bootloader …`: the model of MCUboot on flash files, and its comparison with recordings.

mod boot;
mod explain;
mod golden;
mod input;
mod sweep;

pub(crate) use input::FlashFile;

use crate::args::BootloaderCommand;
use crate::error::CliError;
use crate::exit::Exit;

/// Does what was asked for.
pub(super) fn dispatch(command: BootloaderCommand) -> Result<Exit, CliError> {
    match command {
        BootloaderCommand::Golden(args) => golden::replay(&args),
        BootloaderCommand::Boot(args) => boot::boot(&args),
        BootloaderCommand::Sweep(args) => sweep::sweep(&args),
        BootloaderCommand::Explain(args) => explain::explain(&args),
    }
}
