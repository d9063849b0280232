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
use std::fmt;
use std::io::{self, Write as _};

/// Does what was asked for.
pub(super) fn dispatch(command: BootloaderCommand) -> Result<Exit, CliError> {
    match command {
        BootloaderCommand::Golden(args) => golden::replay(&args),
        BootloaderCommand::Boot(args) => boot::boot(&args),
        BootloaderCommand::Sweep(args) => sweep::sweep(&args),
        BootloaderCommand::Explain(args) => explain::explain(&args),
    }
}

/// Whether somebody still reads what is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::command) enum Reader {
    Reads,
    /// The pipe was closed, as `head` does when it has seen enough: no mistake of anybody.
    Gone,
}

/// Prints text and ends the line.
pub(in crate::command) fn say(text: impl fmt::Display) -> Result<Reader, CliError> {
    match writeln!(io::stdout().lock(), "{text}") {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(CliError::usage(format_args!(
            "cannot write to standard output: {error}"
        ))),
    }
}
