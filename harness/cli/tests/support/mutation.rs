//! Mutations: for every scenario of the library something that is secretly wrong, and the failure that must come of it.
//!
//! A scenario that passes shows nothing unless it fails when the firmware is wrong in the very thing that it is about. Each
//! file of the folder `mutations` names that thing for the scenario of the same name. The scenario that runs is the
//! library's own, with less patience: what is wrong here does not become right by waiting.

use super::broken::{self, Fault};
use super::{Desk, Ended, library};
use hil_record::{FailKind, Outcome};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use virtual_dk::bus::Core;
use virtual_dk::demo::hex_file;
use virtual_dk::model::{Binary, Model};

/// Boards run at this many times a DK's pace unless the mutation needs another one.
const SPEED: u32 = 20;

/// Longer waits are cut to this: far longer than any boot takes at [`SPEED`].
const PATIENCE: &str = "within: 25s";

/// What is wrong, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutation {
    /// The board does not do what its firmware says.
    board: Option<Fault>,
    /// One image of the set is secretly another one.
    image: Option<OtherImage>,
    /// What is programmed for one release is secretly what is programmed for another one.
    program: Option<OtherImage>,
    /// The bootloader is not built as the set says: these keys of its configuration have other values.
    bootloader: Option<serde_yaml::Mapping>,
    /// The variant of the demo firmware that is broken by `image` or `bootloader`.
    #[serde(default)]
    set: Option<String>,
    /// Which variant of the scenario runs; its first one over UART when this says nothing.
    variant: Option<String>,
    /// Times a DK's pace.
    #[serde(default = "speed")]
    speed: u32,
    /// What kind of failure must be found.
    fails: FailKind,
    /// Part of the cause that must be told.
    says: Option<String>,
}

const fn speed() -> u32 {
    SPEED
}

/// An image, such as `tampered.app`, that has the bytes of another one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherImage {
    replace: String,
    with: String,
}

/// The folder of the mutations.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutations")
}

/// The names of the YAML files in a folder, sorted, without their end.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder is in the repository")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

impl Mutation {
    /// The mutation of a scenario.
    pub(crate) fn of(scenario: &str) -> Result<Self, String> {
        let path = folder().join(format!("{scenario}.yaml"));
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("harness/cli/tests/mutations/{scenario}.yaml: {error}"))?;
        let mutation: Self = serde_yaml::from_str(&text)
            .map_err(|error| format!("harness/cli/tests/mutations/{scenario}.yaml: {error}"))?;
        let wrong = [
            mutation.board.is_some(),
            mutation.image.is_some(),
            mutation.program.is_some(),
            mutation.bootloader.is_some(),
        ];
        if wrong.into_iter().filter(|wrong| *wrong).count() == 1 {
            Ok(mutation)
        } else {
            Err(format!(
                "harness/cli/tests/mutations/{scenario}.yaml: one of `board`, `image`, `program` and `bootloader` says what is wrong"
            ))
        }
    }

    /// Runs the scenario on what is wrong. What it failed with; an error when it did not fail as it must.
    pub(crate) fn catch(&self, scenario: &str) -> Result<String, String> {
        let ended = self.run(scenario)?;
        if ended.code != Some(1) {
            return Err(format!("it must fail (exit code 1): {}", ended.all()));
        }
        let record = ended.record();
        let [ran] = record.scenarios.as_slice() else {
            return Err(format!("one variant must run: {}", ended.all()));
        };
        match &ran.outcome {
            Outcome::Fail { kind, cause } if *kind != self.fails => Err(format!(
                "it failed with {kind:?}, expected {:?}: {cause}",
                self.fails
            )),
            Outcome::Fail { cause, .. } => match &self.says {
                Some(part) if !cause.contains(part) => {
                    Err(format!("the cause must say `{part}`: {cause}"))
                }
                _ => Ok(cause.clone()),
            },
            other => Err(format!("it must fail: {other:?}")),
        }
    }

    fn run(&self, scenario: &str) -> Result<Ended, String> {
        let text = fs::read_to_string(library().join(format!("{scenario}.yaml")))
            .map_err(|error| format!("scenarios/{scenario}.yaml: {error}"))?;
        let variant = match &self.variant {
            Some(variant) => variant.clone(),
            None => first_variant(&text, scenario)?,
        };
        let Some(fault) = self.board else {
            let desk = Desk::new(1, self.speed);
            self.write_set(&desk)?;
            desk.write("impatient.yaml", &impatient(&text));
            return Ok(desk.run(&[
                "run",
                "impatient.yaml",
                "--rig",
                "rig.yaml",
                "--json",
                "--filter",
                &variant,
                "--firmware",
                "fw/firmware.yaml",
            ]));
        };
        let desk = Desk::empty();
        desk.write("impatient.yaml", &impatient(&text));
        let board = broken::board_at(fault, f64::from(self.speed));
        desk.rig_for(&board);
        let mut args = vec!["run", "impatient.yaml", "--rig", "rig.yaml", "--json"];
        args.extend(["--filter", &variant]);
        if self.set.is_some() {
            self.write_set(&desk)?;
            args.extend(["--firmware", "fw/firmware.yaml"]);
        }
        Ok(desk.run(&args))
    }

    /// Writes the demo set into the folder `fw`, with what is wrong in it.
    fn write_set(&self, desk: &Desk) -> Result<(), String> {
        let mut args = vec!["demo-firmware", "fw"];
        if let Some(set) = &self.set {
            args.extend(["--variant", set]);
        }
        let made = desk.run(&args);
        if made.code != Some(0) {
            return Err(made.all());
        }
        let set = desk.path("fw");
        if let Some(OtherImage { replace, with }) = &self.image {
            let (from, to) = (image_file(&set, with)?, image_file(&set, replace)?);
            fs::copy(&from, &to)
                .map_err(|error| format!("`{with}` cannot become `{replace}`: {error}"))?;
        }
        if let Some(OtherImage { replace, with }) = &self.program {
            let file = |release: &str| set.join(release).join("merged.hex");
            fs::copy(file(with), file(replace))
                .map_err(|error| format!("`{with}` cannot become `{replace}`: {error}"))?;
        }
        if let Some(changes) = &self.bootloader {
            for release in fs::read_dir(&set).map_err(|error| error.to_string())? {
                let release = release.map_err(|error| error.to_string())?.path();
                for file in ["merged.hex", "mcuboot.hex"] {
                    let file = release.join(file);
                    if file.is_file() {
                        rebuild_bootloader(&file, changes)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The file of an image in a demo set.
fn image_file(set: &Path, image: &str) -> Result<PathBuf, String> {
    let (release, file) = match image.split_once('.') {
        Some((release, "app")) => (release, "app_update.bin"),
        Some((release, "net")) => (release, "net_core_app_update.bin"),
        _ => return Err(format!("`{image}` is no image such as `update.app`")),
    };
    Ok(set.join(release).join(file))
}

/// The first variant that the library has of a scenario, over UART where there is a choice.
fn first_variant(text: &str, scenario: &str) -> Result<String, String> {
    let scenario =
        hil_scenario::Scenario::parse(Path::new(scenario), text).map_err(|error| error.render())?;
    let names = || scenario.variants().iter().map(|variant| &variant.name);
    names()
        .find(|name| name.contains("uart"))
        .or_else(|| names().next())
        .cloned()
        .ok_or_else(|| "it has no variant".to_owned())
}

/// The same scenario with less patience.
fn impatient(text: &str) -> String {
    ["within: 5m", "within: 2m", "within: 1m"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            (26..=600)
                .rev()
                .map(|seconds| format!("within: {seconds}s")),
        )
        .fold(text.to_owned(), |text, long| text.replace(&long, PATIENCE))
}

/// Changes the configuration of the bootloader in a HEX file.
pub(crate) fn rebuild_bootloader(file: &Path, changes: &serde_yaml::Mapping) -> Result<(), String> {
    let say = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| say(&error))?;
    let mut segments = hex_file::segments(&text).map_err(|error| say(&error))?;
    let Some((0, bytes)) = segments.first_mut() else {
        return Err(say(&"no bootloader at 0x00000000"));
    };
    let read = Model::read_at(Core::App, 0, |address, buffer: &mut [u8]| {
        let start = address as usize;
        let from = bytes
            .get(start..start + buffer.len())
            .ok_or("the bootloader ends early")?;
        buffer.copy_from_slice(from);
        Ok::<(), &str>(())
    });
    let Ok(Ok(Model::Mcuboot(mut model))) = read else {
        return Err(say(&format!("no model of MCUboot: {read:?}")));
    };
    let mut config = serde_yaml::to_value(&model.config).map_err(|error| say(&error))?;
    let keys = config
        .as_mapping_mut()
        .ok_or_else(|| say(&"the configuration is no mapping"))?;
    keys.extend(changes.clone());
    let changed = serde_yaml::from_value(config).map_err(|error| say(&error))?;
    if model.config == changed {
        return Err(say(&"the bootloader is built so already"));
    }
    model.config = changed;
    *bytes = Binary::new(Model::Mcuboot(model), 0, bytes.len() as u32).build();
    let segments: Vec<(u32, &[u8])> = segments
        .iter()
        .map(|(address, bytes)| (*address, bytes.as_slice()))
        .collect();
    fs::write(file, hex_file::render(&segments)).map_err(|error| say(&error))
}
