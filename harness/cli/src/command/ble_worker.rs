//! `dfu-hil ble-worker`: the process in which Bluetooth is used. Other processes of the harness start it.

use crate::error::CliError;
use crate::exit::Exit;
use hil_runner::error_chain;

/// Serves until standard input ends.
pub(crate) fn serve() -> Result<Exit, CliError> {
    match hil_ble::worker::run() {
        Ok(()) => Ok(Exit::Passed),
        Err(error) => Err(CliError::bench(error_chain(&error))),
    }
}
