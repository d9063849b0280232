//! What is typed of runs that are over: reports, history, replay and sign-off.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `dfu-hil report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Folder of a run, such as reports/runs/20260802T101530Z-01
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Print this report [default: write all into the run's folder]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ReportFormat>,
    /// Write it to FILE instead of printing it
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(crate) out: Option<PathBuf>,
}

/// `dfu-hil history`.
#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
    /// The history; the page over all runs, index.html, lies beside it
    #[arg(
        long,
        value_name = "FILE",
        default_value = "reports/history.db",
        global = true
    )]
    pub(crate) history: PathBuf,
    /// Only scenarios whose name contains TEXT, each with its results
    #[arg(long, value_name = "TEXT")]
    pub(crate) scenario: Option<String>,
    /// Only this board: its name, or RIG/NAME
    #[arg(long, value_name = "BOARD")]
    pub(crate) board: Option<String>,
    /// How many runs, the latest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) last: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dfu-hil history …`.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Add runs that were made elsewhere, or before there was a history
    Add(HistoryAddArgs),
}

/// `dfu-hil history add`.
#[derive(Args, Debug)]
pub(crate) struct HistoryAddArgs {
    /// Folders of runs, such as reports/runs/20260802T101530Z-01
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
}

/// The reports that can be made.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One page for people, with logs, timelines and flash maps
    Html,
    /// Common Test Report Format, JSON
    Ctrf,
    /// For the summary page of a CI job
    Markdown,
    /// JUnit XML, for Jenkins and GitLab
    Junit,
    /// The record itself: result.json
    Json,
}

/// `dfu-hil signoff`.
#[derive(Args, Debug)]
pub(crate) struct SignoffArgs {
    /// Folders of the runs, such as reports/runs/20260802T101530Z-01
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// What must have been run
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Private key to sign with, Ed25519 or ECDSA P-256 in PEM; may be given several times. Without one the runs are judged,
    /// and nothing is written
    #[arg(long, value_name = "PEM")]
    pub(crate) key: Vec<PathBuf>,
    /// Where the sign-off is written: a new folder, or an empty one
    #[arg(long, value_name = "DIR", default_value = "signoff")]
    pub(crate) out: PathBuf,
    /// Print the judgement as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dfu-hil countersign`.
#[derive(Args, Debug)]
pub(crate) struct CountersignArgs {
    /// Folder of the sign-off
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Private key to sign with
    #[arg(long, value_name = "PEM")]
    pub(crate) key: PathBuf,
    /// Public key of somebody who has signed it already: nothing else is signed
    #[arg(long, value_name = "PEM")]
    pub(crate) trusted: PathBuf,
}

/// `dfu-hil verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Folder of the sign-off
    #[arg(value_name = "DIR", default_value = "signoff")]
    pub(crate) folder: PathBuf,
    /// Public key of somebody who signs releases, PEM; may be given several times
    #[arg(long, value_name = "PEM", required = true)]
    pub(crate) key: Vec<PathBuf>,
    /// How many of these keys must have signed [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) signatures: Option<u16>,
    /// Firmware set that is to be shipped; may be given several times
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "without_firmware"
    )]
    pub(crate) firmware: Vec<PathBuf>,
    /// Do not look at the firmware files
    #[arg(long, conflicts_with = "firmware")]
    pub(crate) without_firmware: bool,
    /// Folder that the runs are in
    #[arg(long, value_name = "DIR", default_value = "reports/runs")]
    pub(crate) runs: PathBuf,
    /// Do not look at the runs
    #[arg(long)]
    pub(crate) without_runs: bool,
    /// As of which day waivers must hold, such as 2026-08-02 [default: today]
    #[arg(long, value_name = "DATE")]
    pub(crate) at: Option<jiff::civil::Date>,
}

/// `dfu-hil replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Private key (PEM) that images are encrypted for: it is never in the evidence, and without it what a bootloader
    /// decrypted is compared by its hash only
    #[arg(long, value_name = "PEM")]
    pub(crate) decryption_key: Option<PathBuf>,
}
