//! What was typed behind `dfu-hil rig`.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `dfu-hil rig …`.
#[derive(Debug, Subcommand)]
pub(crate) enum RigCommand {
    /// Write a rig file of the nRF5340 DKs that are plugged in
    Scan(ScanArgs),
    /// Prove what a rig file says: resets its boards and takes their power away, and programs nothing
    Check(RigCheckArgs),
    /// Tell which boards are in use, and by whom, and which are in quarantine
    Status(RigFileArgs),
    /// Take a board out of use until this command ends (Ctrl-C)
    Hold(HoldArgs),
    /// End a hold, whoever began it, or let a board out of quarantine
    Release(BoardArgs),
    /// End whatever uses a board, such as a run
    Kick(KickArgs),
    /// Write a rig file of a hardware map of Zephyr's Twister
    Import(RigImportArgs),
}

/// Which rig.
#[derive(Args, Debug)]
pub(crate) struct RigFileArgs {
    /// Rig file: the boards of this bench [default: ./rigs/virtual.yaml, or the built-in virtual rig]
    #[arg(long, value_name = "FILE")]
    pub(crate) rig: Option<PathBuf>,
}

/// `dfu-hil rig scan`.
#[derive(Args, Debug)]
pub(crate) struct ScanArgs {
    /// Name of the rig
    #[arg(long, default_value = "bench")]
    pub(crate) name: String,
    /// Ask each chip for its id, which opens the debuggers
    #[arg(long)]
    pub(crate) chips: bool,
}

/// `dfu-hil rig check`.
#[derive(Args, Debug)]
pub(crate) struct RigCheckArgs {
    #[command(flatten)]
    pub(crate) rig: RigFileArgs,
    /// Only this entry of the rig file; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) board: Vec<String>,
    /// Firmware set whose bootloaders and applications virtual boards run
    #[arg(long, value_name = "FILE")]
    pub(crate) firmware: Vec<PathBuf>,
    /// Print JSON: each fact with its status, what was found, and what to try
    #[arg(long)]
    pub(crate) json: bool,
}

/// A board of a rig.
#[derive(Args, Debug)]
pub(crate) struct BoardArgs {
    /// The board
    pub(crate) board: String,
    #[command(flatten)]
    pub(crate) rig: RigFileArgs,
    /// How long its user may take to end
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) within: Duration,
}

/// `dfu-hil rig hold`.
#[derive(Args, Debug)]
pub(crate) struct HoldArgs {
    /// The board
    pub(crate) board: String,
    #[command(flatten)]
    pub(crate) rig: RigFileArgs,
    /// What for: others are told
    #[arg(long, default_value = "no reason given")]
    pub(crate) reason: String,
    /// Give it back by itself after so long
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
}

/// `dfu-hil rig kick`.
#[derive(Args, Debug)]
pub(crate) struct KickArgs {
    #[command(flatten)]
    pub(crate) board: BoardArgs,
    /// Do not wait for it to end in good order: its board may be left without power
    #[arg(long)]
    pub(crate) now: bool,
}

/// `dfu-hil rig import`.
#[derive(Args, Debug)]
pub(crate) struct RigImportArgs {
    /// The hardware map, as `twister --generate-hardware-map` writes it
    #[arg(value_name = "MAP")]
    pub(crate) map: PathBuf,
    /// Name of the rig
    #[arg(long, default_value = "bench")]
    pub(crate) name: String,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| format!("`{text}` is no number of seconds"))
}
