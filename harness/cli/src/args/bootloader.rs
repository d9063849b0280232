//! What is typed for the bootloader model.

use crate::command::FlashFile;
use clap::{Args, Subcommand};
use hil_bootloader::predict::Mark;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

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
