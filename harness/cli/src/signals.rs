//! Ctrl-C and SIGTERM: the first asks the run to end in good order, the second ends it at once.

use hil_runner::CancelToken;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use std::io;
use std::sync::Arc;

/// What a shell reports for a program that Ctrl-C has ended: 128 and the signal's number.
const ENDED_BY_SIGINT: i32 = 130;

/// Cancels `cancel` at the first signal. At the second the process exits, which also ends the virtual boards.
pub(crate) fn cancel_on(cancel: &CancelToken) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the shutdown looks at the flag before this signal has set it.
        flag::register_conditional_shutdown(signal, ENDED_BY_SIGINT, cancel.flag())?;
        flag::register(signal, cancel.flag())?;
    }
    // A file that reaches the limit of the shell (`ulimit -f`) would end the process on the spot. So the write fails instead,
    // and is told like a disk that is full.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}
