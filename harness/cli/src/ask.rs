//! Asking the person at the bench to switch the power, for rigs without a switch.

use hil_rig::{Ask, ManualRequest};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::sync::Arc;

/// Asks on the terminal and waits for enter; nobody when this does not run on one.
pub(crate) fn person() -> Option<Ask> {
    io::stdin().is_terminal().then(|| Arc::new(ask) as Ask)
}

fn ask(request: &ManualRequest) -> Result<(), String> {
    eprint!("\n>>> {request}, then press enter: ");
    io::stderr().flush().map_err(|error| error.to_string())?;
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(0) => Err("the terminal was closed".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
