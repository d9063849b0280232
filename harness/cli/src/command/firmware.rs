//! `dfu-hil firmware`: firmware sets from build folders, and checks of them without a board.

use super::bootloader::say;
use crate::args::{FirmwareCheckArgs, ImportArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::counted;
use hil_build_tree::{BuildTree, CheckedImage, Finding, ImportOptions, Report, Severity};
use hil_scenario::FirmwareSet;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// The set's file in a folder.
const FILE: &str = "firmware.yaml";

/// Makes a set of build folders, writes it, and checks what was written.
///
/// What is not fine is told on standard error; standard output has the path of the set, or JSON. A set is also written
/// when an image in it cannot work: the code says so.
pub(crate) fn import(args: &ImportArgs) -> Result<Exit, CliError> {
    let read = |path: &Path| {
        BuildTree::read(path).map_err(|error| CliError::usage(&error).with_help(Some(error.help())))
    };
    let (baseline, update) = (read(&args.baseline)?, read(&args.update)?);
    let file = set_file(&args.out);
    if file.exists() && !args.force {
        return Err(
            CliError::usage(format_args!("`{}` is there already", file.display())).with_help(Some(
                "name another place with `--out`, or write over it with `--force`",
            )),
        );
    }
    let options = ImportOptions {
        name: args
            .name
            .clone()
            .unwrap_or_else(|| baseline.application.clone()),
        signing_key: absolute(args.signing_key.as_deref())?,
        encryption_key: absolute(args.encryption_key.as_deref())?,
        releases: args
            .release
            .iter()
            .map(|(name, path)| Ok((name.clone(), read(path)?)))
            .collect::<Result<_, CliError>>()?,
    };
    let imported = match hil_build_tree::import(&baseline, &update, &options) {
        Ok(imported) => imported,
        Err(findings) => {
            show(args.json, None, &findings)?;
            return Err(
                CliError::usage("no firmware set can be made of these folders")
                    .with_help(Some("see the errors above; each says what to try")),
            );
        }
    };
    write(&file, &imported)?;
    let mut findings = imported.findings;
    // From the disk, so that what is checked is what a run will read.
    let checked = match FirmwareSet::load(&file) {
        Ok(set) => {
            hil_build_tree::check(&set)
                .map_err(|error| CliError::usage(&error).with_help(error.help()))?
                .findings
        }
        Err(error) => {
            let finding = Finding::error(file.display(), &error.message)
                .expected("a set that the harness can run");
            vec![match error.help() {
                Some(help) => finding.help(help),
                None => finding,
            }]
        }
    };
    findings.extend(checked);
    show(args.json, Some(&file), &findings)?;
    Ok(exit_of(&findings))
}

/// Checks a set and prints what became of every image.
pub(crate) fn check(args: &FirmwareCheckArgs) -> Result<Exit, CliError> {
    let set = FirmwareSet::load(&args.file).map_err(|error| CliError::usage(error.render()))?;
    let report = hil_build_tree::check(&set)
        .map_err(|error| CliError::usage(&error).with_help(error.help()))?;
    if args.json {
        print_json(&report)?;
    } else {
        say(text_of(&report))?;
    }
    Ok(exit_of(&report.findings))
}

fn exit_of(findings: &[Finding]) -> Exit {
    match hil_build_tree::worst(findings) {
        Some(Severity::Error) => Exit::Failed,
        _ => Exit::Passed,
    }
}

/// `--out` as the set's file.
fn set_file(out: &Path) -> PathBuf {
    let is_file = out
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    if is_file {
        out.to_owned()
    } else {
        out.join(FILE)
    }
}

/// A key's path, so that it can be found from the set's folder too.
fn absolute(path: Option<&Path>) -> Result<Option<PathBuf>, CliError> {
    path.map(|path| {
        fs::canonicalize(path).map_err(|error| {
            CliError::usage(format_args!(
                "key `{}` cannot be read: {error}",
                path.display()
            ))
        })
    })
    .transpose()
}

fn write(file: &Path, imported: &hil_build_tree::Imported) -> Result<(), CliError> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let put = |path: &Path, bytes: &[u8]| {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(path, bytes)).map_err(|error| {
            CliError::usage(format_args!(
                "`{}` cannot be written: {error}",
                path.display()
            ))
            .with_help(Some("name a folder that can be written to with `--out`"))
        })
    };
    for (name, bytes) in &imported.files {
        put(&folder.join(name), bytes)?;
    }
    put(file, imported.text.as_bytes())
}

/// What `import --json` prints.
#[derive(Serialize)]
struct ImportJson<'a> {
    file: Option<&'a Path>,
    findings: &'a [Finding],
}

fn show(json: bool, file: Option<&Path>, findings: &[Finding]) -> Result<(), CliError> {
    if json {
        return print_json(&ImportJson { file, findings });
    }
    for finding in findings {
        eprintln!("{finding}");
    }
    match file {
        Some(file) => say(file.display()).map(drop),
        None => Ok(()),
    }
}

fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| {
        CliError::usage(format_args!(
            "the result cannot be written as JSON: {error}"
        ))
    })?;
    say(json).map(drop)
}

/// For people: a line for each image, what is not fine, and the sum.
fn text_of(report: &Report) -> String {
    let width = |text: fn(&CheckedImage) -> &str| {
        report
            .images
            .iter()
            .map(|image| text(image).len())
            .max()
            .unwrap_or_default()
    };
    let (roles, versions) = (width(|image| &image.role), width(|image| &image.version));
    let mut lines: Vec<String> = report
        .images
        .iter()
        .map(|image| {
            format!(
                "{:roles$}  {:versions$}  {:>7} bytes  {}: {}",
                image.role, image.version, image.bytes, image.verdict, image.file
            )
        })
        .collect();
    lines.extend(report.findings.iter().map(ToString::to_string));
    let count = |severity| {
        report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    lines.push(format!(
        "{} in firmware `{}`: {}, {}; SHA-256 {}",
        counted(report.images.len(), "image"),
        report.firmware,
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
        report.digest
    ));
    lines.join("\n")
}
