//! What is typed of files: scenarios, firmware sets, images and the demo firmware.

use super::{BenchArgs, SelectionArgs};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use virtual_dk::demo::Variant;

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
