//! What was typed. The only file that knows clap; what it means is worked out in [`command`](crate::command).

pub(crate) mod rig;

use crate::command::FlashFile;
use crate::exit::Exit;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use hil_bootloader::predict::Mark;
use hil_rig::QueueClass;
use hil_scenario::{CutList, Strategy};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use virtual_dk::demo::Variant;
use virtual_dk::model::UndescribedApplication;
use virtual_dk::{Cuts, Phy, Speed, Supply, Timing};

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

/// `dfu-hil run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) course: CourseArgs,
    /// Where the run's folder is made: journal, report.html, the same for machines, and console logs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "reports",
        help_heading = "Output options"
    )]
    pub(crate) reports: PathBuf,
    /// Print result.json on standard output, and nothing else there
    #[arg(long, help_heading = "Output options")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) sweeps: SweepOptions,
}

/// `dfu-hil nightly`.
#[derive(Args, Debug)]
pub(crate) struct NightlyArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    /// How much time there is, such as 6h: nothing begins that would, by its history, end later. What lasts longer all the same
    /// is cut a tenth of the budget later (5 to 45 minutes)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) budget: Duration,
    /// At most so many points of sweeps beyond those that the library visits; 0 for the library alone [default: as many as there
    /// is time for]
    #[arg(long, value_name = "N", help_heading = "Sweep options")]
    pub(crate) sweep_points: Option<u64>,
    /// What decides among points that were tested as often: the same history and number give the same points
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Sweep options"
    )]
    pub(crate) seed: u64,
    /// How many more turns a scenario gets, each on another board, when the bench failed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Course options"
    )]
    pub(crate) retries: u32,
    /// Run only part I of N of the library and of the points; `dfu-hil merge` makes one run of them
    #[arg(long, value_name = "I/N", help_heading = "Course options")]
    pub(crate) shard: Option<ShardArg>,
    /// Wait up to this time, such as 1h, for boards that somebody else uses, and then go without them
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Course options")]
    pub(crate) wait: Option<Duration>,
    /// Who comes first among those who wait for the same boards: sign-off, developer or nightly
    #[arg(
        long = "as",
        value_name = "CLASS",
        default_value = "nightly",
        help_heading = "Course options"
    )]
    pub(crate) class: QueueClass,
    /// History that says how long scenarios take and which points were tested [default: history.db in the folder of --reports]
    #[arg(long, value_name = "FILE", help_heading = "Course options")]
    pub(crate) durations: Option<PathBuf>,
    /// Where the run's folder is made
    #[arg(
        long,
        value_name = "DIR",
        default_value = "reports",
        help_heading = "Output options"
    )]
    pub(crate) reports: PathBuf,
    /// Print result.json on standard output, and nothing else there
    #[arg(long, help_heading = "Output options")]
    pub(crate) json: bool,
}

/// What `dfu-hil run` does with scenarios that interrupt a start at many points.
#[derive(Args, Debug, Default)]
pub(crate) struct SweepOptions {
    /// Only this cut point, or these in a row, such as boot.app-erase.37.before
    #[arg(long, value_name = "ID", help_heading = "Sweep options")]
    pub(crate) cut: Option<CutList>,
    /// Which points sweeps visit: every, sample:N or bisect [default: as the scenario says]
    #[arg(
        long,
        value_name = "STRATEGY",
        conflicts_with = "cut",
        help_heading = "Sweep options"
    )]
    pub(crate) sweep: Option<Strategy>,
    /// What sampling begins with: the same number gives the same points [default: as the scenario says]
    #[arg(long, value_name = "N", help_heading = "Sweep options")]
    pub(crate) seed: Option<u64>,
    /// Stop boards by the clock, also where they could be stopped at flash operations
    #[arg(long, help_heading = "Sweep options")]
    pub(crate) by_time: bool,
    /// Make N parts of each sweep, for as many boards at a time
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "cut",
        help_heading = "Sweep options"
    )]
    pub(crate) split: Option<NonZeroUsize>,
    /// Leave out points that an earlier run has visited and found good; RUN is its folder
    #[arg(long, value_name = "RUN", help_heading = "Sweep options")]
    pub(crate) skip_visited: Option<PathBuf>,
}

/// How a run goes about its scenarios.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Course options")]
pub(crate) struct CourseArgs {
    /// How many more turns a scenario gets, each on another board, when the bench failed. Verdicts on the firmware stand; a pass
    /// on retry is reported as flaky
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) retries: u32,
    /// End the run after this time, such as 6h or 90min, and report what was done: nothing begins that would not be ready,
    /// what still runs is stopped
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Option<Duration>,
    /// Run only part I of N, cut so that all take about as long; `dfu-hil merge` makes one run of them. All parts need the same
    /// scenarios and the same history
    #[arg(long, value_name = "I/N", conflicts_with = "resume")]
    pub(crate) shard: Option<ShardArg>,
    /// Go on with a run that was stopped or killed: its id or its folder. Give the same scenarios, rig and firmware
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<PathBuf>,
    /// Wait up to this time, such as 30min, for boards that somebody else uses
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) wait: Option<Duration>,
    /// What the run is for, which decides who comes first among those who wait for the same boards: sign-off, developer or
    /// nightly
    #[arg(long = "as", value_name = "CLASS", default_value = "developer")]
    pub(crate) class: QueueClass,
    /// History that says how long scenarios take: the longest have their turn first [default: history.db in the folder of
    /// --reports]
    #[arg(long, value_name = "FILE")]
    pub(crate) durations: Option<PathBuf>,
}

/// A part of all scenarios, as it is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ShardArg {
    pub(crate) index: u32,
    pub(crate) count: u32,
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            Some((index, count)) => Err(format!(
                "there is no part {index} of {count}: parts are counted from 1"
            )),
            None => Err(format!("`{text}` is no part, such as 2/4")),
        }
    }
}

/// `dfu-hil merge`.
#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// Folders of the runs: all parts of a run that was cut with --shard
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Where the folder of the whole is made
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(crate) reports: PathBuf,
}

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

/// `dfu-hil list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a page of Markdown: questions, scenarios with their steps, requirements
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// `dfu-hil check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
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

/// `dfu-hil image …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Print what an image file holds, and whether a bootloader with the given keys takes it
    Inspect(InspectArgs),
}

/// `dfu-hil image inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// Image file, as for an upload (`app_update.bin`), or a dump of a slot
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Public key to check the signature with, or private key to decrypt with; may be given several times
    #[arg(long, value_name = "PEM")]
    pub(crate) key: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dfu-hil firmware …`.
#[derive(Debug, Subcommand)]
pub(crate) enum FirmwareCommand {
    /// Make a firmware set of build folders of the nRF Connect SDK
    ///
    /// Child images (SDK 2.3 to 2.6) and sysbuild (2.7 on) are recognised. What a folder lacks is told with the option
    /// that it usually is for. The files are copied beside the set's file; private keys are only referred to.
    Import(ImportArgs),
    /// Check a firmware set without a board: every image against the bootloader that the set describes
    Check(FirmwareCheckArgs),
}

/// `dfu-hil firmware import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Build folder of what devices have before they are updated
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: PathBuf,
    /// Build folder of the update
    #[arg(long, value_name = "DIR")]
    pub(crate) update: PathBuf,
    /// Another release, which is programmed and sent, such as `2.3.0=builds/2.3.0`; may be given more than once
    #[arg(long, value_name = "NAME=DIR", value_parser = named_folder)]
    pub(crate) release: Vec<(String, PathBuf)>,
    /// Where the set is written: a folder, which gets firmware.yaml, or a file that ends in .yaml or .yml
    #[arg(long, value_name = "DIR|FILE", default_value = "firmware")]
    pub(crate) out: PathBuf,
    /// Name of the set [default: that of the baseline's application]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Key that images are signed for, when the build folder does not have its public half
    #[arg(long, value_name = "PEM")]
    pub(crate) signing_key: Option<PathBuf>,
    /// Private key that images are encrypted for; only its path is written down
    #[arg(long, value_name = "PEM")]
    pub(crate) encryption_key: Option<PathBuf>,
    /// Write over a set that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON: the set's file and the findings
    #[arg(long)]
    pub(crate) json: bool,
}

/// A release with its folder.
fn named_folder(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = text
        .split_once('=')
        .ok_or("expected a name and a folder, such as 2.3.0=builds/2.3.0")?;
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !good {
        return Err(format!(
            "`{name}` is no name for a release: use letters, digits, `-`, `_` and `.`"
        ));
    }
    if ["baseline", "update", "encrypted"].contains(&name) {
        return Err(format!(
            "`{name}` is the name of a release that every set has"
        ));
    }
    Ok((name.to_owned(), PathBuf::from(folder)))
}

/// `dfu-hil firmware check`.
#[derive(Args, Debug)]
pub(crate) struct FirmwareCheckArgs {
    /// Firmware set
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dfu-hil bootloader …`.
#[derive(Debug, Subcommand)]
pub(crate) enum BootloaderCommand {
    /// Replay recordings of the real MCUboot and tell every difference
    Golden(GoldenArgs),
    /// Boot flash files, and tell what MCUboot does to them
    ///
    /// That no image starts is a result, and no failure of the command: see `result`.
    Boot(BootArgs),
    /// Cut the power at every flash operation of one boot, boot once more, and print a line of JSON for each cut
    Sweep(SweepArgs),
    /// Print what stands in the slots (headers, TLVs, trailers, swap status), and what the next boot does and why
    Explain(ModelArgs),
}

/// `dfu-hil bootloader golden`.
#[derive(Args, Debug)]
pub(crate) struct GoldenArgs {
    /// Folder with cases.jsonl, blobs and keys
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// How many cases at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// A bootloader and the flash that it finds.
#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    /// How the bootloader was built and where its slots are, YAML or JSON: a bootloader as in a firmware set, with
    /// `images`; or `config` and `layout` as in a recording
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Contents of a flash device (int, ext, net-flash) from its first byte; may be given several times
    #[arg(long, value_name = "DEV=FILE", required = true)]
    pub(crate) flash: Vec<FlashFile>,
    /// Key that the bootloader was built with; may be given several times. Of several that could decrypt, the last
    /// one is taken
    #[arg(long, value_name = "PEM")]
    pub(crate) key: Vec<PathBuf>,
    /// Request of the application before the boot: test, permanent or confirm, then :IMAGE unless it is image 0; may
    /// be given several times
    #[arg(long, value_name = "ACTION[:IMAGE]")]
    pub(crate) action: Vec<RequestArg>,
}

/// A request of the application, as it is typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RequestArg {
    pub(crate) mark: Mark,
    pub(crate) image: usize,
}

impl FromStr for RequestArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (action, image) = match text.split_once(':') {
            Some((action, image)) => (
                action,
                image
                    .parse()
                    .map_err(|_| format!("image `{image}` is no number"))?,
            ),
            None => (text, 0),
        };
        let mark = match action {
            "test" => Mark::Test,
            "permanent" => Mark::Permanent,
            "confirm" => Mark::Confirmed,
            other => {
                return Err(format!(
                    "no request `{other}`; there are `test`, `permanent` and `confirm`"
                ));
            }
        };
        Ok(Self { mark, image })
    }
}

/// `dfu-hil bootloader boot`.
#[derive(Args, Debug)]
pub(crate) struct BootArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// How many times it boots
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) boots: u32,
    /// Cut the power in the first boot when flash operation N, counted from 0, is about to begin
    #[arg(long, value_name = "N")]
    pub(crate) cut: Option<u32>,
    /// Let this many bytes of the operation at the cut be done
    #[arg(long, value_name = "BYTES", default_value_t = 0, requires = "cut")]
    pub(crate) torn: u32,
    /// Tell every flash operation
    #[arg(long)]
    pub(crate) trace: bool,
    /// Write the flash after the last boot to DEV.bin in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print one line of JSON for each boot
    #[arg(long)]
    pub(crate) json: bool,
}

/// `dfu-hil bootloader sweep`.
#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Let this many bytes of the operation at each cut be done
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) torn: u32,
    /// How many cuts at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Print what all cuts come to, and the cuts that end otherwise than a boot that nobody cuts, instead of a line of
    /// JSON for each cut. Much faster, as the flash is compared and not hashed
    #[arg(long)]
    pub(crate) summary: bool,
}

/// `dfu-hil emulated-board`.
#[derive(Args, Debug)]
pub(crate) struct EmulatedBoardArgs {
    /// The board's name
    #[arg(long, default_value = "nrf51")]
    pub(crate) name: String,
    /// QEMU for Arm
    #[arg(long, value_name = "PROGRAM", default_value = "qemu-system-arm")]
    pub(crate) emulator: PathBuf,
}

/// `dfu-hil virtual-dk`.
#[derive(Args, Debug)]
pub(crate) struct VirtualDkArgs {
    /// How many boards
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) boards: u16,
    /// Print the endpoints as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the network core reachable for the probe when it is held off, which real silicon does not
    ///
    /// For tools without a reset sequence that releases FORCEOFF, such as the stock probe-rs command.
    #[arg(long)]
    pub(crate) lenient_forceoff: bool,
    /// Leave the external flash out, as on a board where none is fitted
    #[arg(long)]
    pub(crate) no_external_flash: bool,
    /// What goes with the power: soc, the chip alone; board, the debugger too, so that the probe and the serial ports are
    /// gone while the power is off and the ports have other names afterwards
    #[arg(long, value_name = "WHAT", default_value = "soc")]
    pub(crate) cuts: Cuts,
    /// What the power supplies do: works; ignores, they stay on and say so; stuck, they say off and stay on
    #[arg(long, value_name = "HOW", default_value = "works")]
    pub(crate) supply: Supply,
    /// Tear flash operations that are under way when the power fails: a word half written, a page half erased, bits that
    /// read differently after each reset. What exactly follows from this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) torn: Option<u64>,
    /// Leave no bits that read differently after each reset
    #[arg(long, requires = "torn")]
    pub(crate) torn_stable: bool,
    /// Hold a button of every board from the start: 1 to 4, as printed beside it; may be given several times
    ///
    /// `BUTT1 ON` and `BUTT1 OFF` to a board's power supply (SCPI on TCP) press and release it at any time. Button 1 is the
    /// one that MCUboot looks at for serial recovery.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) press: Vec<u8>,
    /// How fast the boards' time runs: 1 as on silicon, 20 a twentieth of the time, `instant` none at all
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    pub(crate) speed: Speed,
    /// Limit the UARTs to this many bits per second of real time
    #[arg(long, value_name = "BAUD", value_parser = clap::value_parser!(u32).range(300..))]
    pub(crate) uart_baud: Option<u32>,
    /// TCP port of the first board's probe; further boards take the ports behind it [default: free ones]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) probe_port: u16,
    /// Let debuggers move every bit of SWD themselves instead of whole memory accesses
    #[arg(long)]
    pub(crate) slow_probe: bool,
    /// Intel HEX file that is in the flash of every board from the start instead of the demo firmware; may be given
    /// several times
    #[arg(long, value_name = "HEX")]
    pub(crate) load: Vec<PathBuf>,
    /// Start with empty flash instead of the demo firmware
    #[arg(long, conflicts_with = "load")]
    pub(crate) blank: bool,
    /// Firmware set whose bootloaders are real ones: where they are in flash, a board behaves as the set describes them;
    /// may be given several times
    ///
    /// Without --blank and --load the baseline of the first is in the flash from the start.
    #[arg(long, value_name = "FILE")]
    pub(crate) firmware: Vec<PathBuf>,
    /// What the applications of those sets do, which no virtual core can execute: ordinary (an SMP server, confirmed by a
    /// client), self-confirms, no-server, crashes or hangs [default: ordinary]
    #[arg(long, value_name = "BEHAVIOUR", requires = "firmware")]
    pub(crate) application: Option<UndescribedApplication>,
    #[command(flatten)]
    pub(crate) radio: RadioArgs,
}

/// The air of virtual boards.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Bluetooth options")]
pub(crate) struct RadioArgs {
    /// How many Bluetooth adapters can hear the boards: hci0 and so on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) ble_adapters: u16,
    /// ATT MTU of links, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 498, value_parser = clap::value_parser!(u16).range(23..=517))]
    pub(crate) ble_mtu: u16,
    /// Connection interval of links, in microseconds: a multiple of 1250
    #[arg(long, value_name = "US", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(7_500..=4_000_000))]
    pub(crate) ble_interval_us: u32,
    /// Rate of the radio: 1m or 2m
    #[arg(long, value_name = "PHY", default_value = "2m")]
    pub(crate) ble_phy: Phy,
    /// Most packets in a connection event, each way, as some phones limit it [default: as many as fit]
    #[arg(long, value_name = "N")]
    pub(crate) ble_packets_per_event: Option<NonZeroU16>,
    /// How much of what is sent is lost and has to be sent again, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=99))]
    pub(crate) ble_loss: u8,
    /// Decides what is lost
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) ble_seed: u64,
    /// Whether the air takes its time: instant or realistic
    #[arg(long, value_name = "TIMING", default_value = "instant")]
    pub(crate) ble_timing: Timing,
}

/// `dfu-hil demo-firmware`.
#[derive(Args, Debug)]
pub(crate) struct DemoFirmwareArgs {
    /// Folder to write to; is made when it is not there
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Which bootloader the set is built for
    #[arg(long, value_parser = demo_variants(), default_value = Variant::default().name())]
    pub(crate) variant: Variant,
}

/// The variants by their names, with what they are in the help.
fn demo_variants() -> impl TypedValueParser<Value = Variant> {
    let names = Variant::ALL
        .iter()
        .map(|variant| PossibleValue::new(variant.name()).help(variant.summary()));
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use rstest::rstest;

    #[rstest]
    #[case("1/1", Ok((1, 1)))]
    #[case("3/4", Ok((3, 4)))]
    #[case("0/4", Err("there is no part 0 of 4: parts are counted from 1"))]
    #[case("5/4", Err("there is no part 5 of 4: parts are counted from 1"))]
    #[case("half", Err("`half` is no part, such as 2/4"))]
    fn a_part_as_it_is_typed(#[case] text: &str, #[case] expected: Result<(u32, u32), &str>) {
        let part: Result<ShardArg, String> = text.parse();
        let part = part.map(|part| (part.index, part.count));
        assert_eq!(part, expected.map_err(str::to_owned));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
