//! Hardware-in-the-loop test runner for firmware updates of nRF5340 boards.
//!
//! Three layers: what was typed ([`args`]), what it means and doing it (one file for each command in
//! [`command`]), and how it ended ([`exit`], [`error`]). Standard output carries what was asked for; progress,
//! warnings and errors go to standard error.

mod args;
mod ask;
mod bench_files;
mod canary;
mod command;
mod course;
mod error;
mod exit;
mod history;
mod inputs;
mod library;
mod night;
mod progress;
mod signals;
mod sweeps;

use crate::args::Cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A wrong command line ends in here, with exit code 2.
    let cli = Cli::parse();
    start_log();
    match command::dispatch(cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("{error}");
            error.exit().into()
        }
    }
}

/// Diagnostics of the harness itself, on standard error when `DFU_HIL_LOG` asks for them (`debug`,
/// `hil_rig=trace`).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DFU_HIL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
