//! What was typed. The only place that knows clap; what it means is worked out in [`command`](crate::command).

mod bootloader;
mod files;
mod results;
pub(crate) mod rig;
mod run;
mod virtual_dk;

pub(crate) use bootloader::{
    BootArgs, BootloaderCommand, GoldenArgs, ModelArgs, RequestArg, SweepArgs,
};
pub(crate) use files::{
    CheckArgs, DemoFirmwareArgs, FirmwareCheckArgs, FirmwareCommand, ImageCommand, ImportArgs,
    InspectArgs, ListArgs,
};
pub(crate) use results::{
    CountersignArgs, HistoryAddArgs, HistoryArgs, HistoryCommand, ReplayArgs, ReportArgs,
    ReportFormat, SignoffArgs, VerifyArgs,
};
pub(crate) use run::{
    CourseArgs, JobsArg, MergeArgs, NightlyArgs, RunArgs, ShardArg, SweepOptions,
};
pub(crate) use virtual_dk::{EmulatedBoardArgs, RadioArgs, VirtualDkArgs};

use crate::exit::Exit;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Runs firmware update scenarios on nRF5340 boards, or on virtual ones where none is attached.
#[derive(Debug, Parser)]
#[command(name = "dfu-hil", version, about, after_help = Exit::help(), arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios on the boards of a rig
    Run(RunArgs),
    /// Run a night: the library within a budget, then the points of sweeps that were tested least
    Nightly(NightlyArgs),
    /// Make the reports of a run again, from its folder
    Report(ReportArgs),
    /// Make one run of the parts that --shard made
    Merge(MergeArgs),
    /// Tell what came of all runs: verdicts, trends, what is flaky
    History(HistoryArgs),
    /// List the scenarios, without a board
    List(ListArgs),
    /// Check scenario, rig and firmware files, without a board
    Check(CheckArgs),
    /// Judge runs by a policy, and sign the release off
    Signoff(SignoffArgs),
    /// Add a signature to a sign-off
    Countersign(CountersignArgs),
    /// Check a sign-off without network or board: signatures, files, runs, and the judgement
    Verify(VerifyArgs),
    /// Make the verdicts of a run again from its evidence, without a board
    Replay(ReplayArgs),
    /// Look at the bench: what is plugged in, whether it is as its rig file says, who uses it
    #[command(subcommand)]
    Rig(rig::RigCommand),
    /// Look into MCUboot image files
    #[command(subcommand)]
    Image(ImageCommand),
    /// Make firmware sets of what the nRF Connect SDK built, and check them
    #[command(subcommand)]
    Firmware(FirmwareCommand),
    /// Compute what MCUboot does to flash, without a board
    #[command(subcommand)]
    Bootloader(BootloaderCommand),
    /// Start virtual nRF5340 DKs and print where their probe, UARTs and power are
    ///
    /// Runs until it gets SIGTERM or SIGINT, or its standard input closes.
    VirtualDk(VirtualDkArgs),
    /// Write the demo firmware set that the virtual rig runs by default
    DemoFirmware(DemoFirmwareArgs),
    /// Emulate an nRF51 board with QEMU, for a rig
    #[command(hide = true)]
    EmulatedBoard(EmulatedBoardArgs),
    /// Use Bluetooth for another process, through standard input and output
    #[command(hide = true)]
    BleWorker,
}

/// Which scenarios.
#[derive(Args, Clone, Debug)]
pub(crate) struct SelectionArgs {
    /// Scenario files, or folders of them [default: ./scenarios, or the built-in library]
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Only scenarios whose id contains TEXT; may be given several times, one match is enough
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Vec<String>,
}

/// Which boards and which firmware.
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    /// Rig file: the boards of this bench [default: ./rigs/virtual.yaml, or the built-in virtual rig]
    #[arg(long, value_name = "FILE", help_heading = "Bench options")]
    pub(crate) rig: Option<PathBuf>,
    /// Firmware set: what is under test; may be given several times, and each scenario runs with the first that has what
    /// it names and needs [default: the demo firmware in all its variants, generated for the run]
    #[arg(long, value_name = "FILE", help_heading = "Bench options")]
    pub(crate) firmware: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
