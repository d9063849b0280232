//! `dfu-hil bootloader boot`: boots flash files and tells what MCUboot does to them.

use super::input::{Model, device_name, image_name};
use super::say;
use crate::args::{BootArgs, RequestArg};
use crate::error::CliError;
use crate::exit::Exit;
use hil_bootloader::predict::{Action, Board, Mark, Step};
use hil_bootloader::{
    BootResult, BootedImage, Cut, Operation, OperationKind, SimFlash, swap_state, swap_type,
};
use hil_runner::error_chain;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One boot, in the words of recordings.
#[derive(Debug, Serialize)]
struct Boot {
    boot: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Requested>,
    flash_before: String,
    swap_types_before: Vec<String>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    image: Option<Value>,
    decision: Vec<String>,
    swap_types_after: Vec<String>,
    ops: u32,
    writes: u32,
    erases: u32,
    dirty_writes: u32,
    misaligned_writes: u32,
    trailers: BTreeMap<String, String>,
    console: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Vec<Value>>,
    flash: String,
}

/// What came of a request of the application. One that MCUboot's code refuses is an answer, not a mistake.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Requested {
    pub(super) action: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// Boots as often as was asked for; the power fails in the first boot.
pub(super) fn boot(args: &BootArgs) -> Result<Exit, CliError> {
    let model = Model::read(&args.model)?;
    let mut board = Board::new(&model.config, model.keys()?, model.flash.clone());
    let mut actions = request(&model, &mut board, &args.model.action)?;
    let mut seen = 0;
    if args.trace {
        let mut flash = board.flash();
        flash.start_trace();
        board.load(flash);
    }
    for number in 0..args.boots {
        let before = board.flash();
        let action = match args.cut {
            Some(ops) if number == 0 => Action::ResetAndCut(Cut {
                ops,
                torn: args.torn,
            }),
            _ => Action::Reset,
        };
        let step = reset(&mut board, &action)?;
        let after = board.flash();
        let trace = args.trace.then(|| {
            let all = after.clone().take_trace();
            let new = all.iter().skip(seen).map(|done| traced(&model, done));
            let new: Vec<Value> = new.collect();
            seen = all.len();
            new
        });
        let (result, reason) = ended(&step);
        let boot = Boot {
            boot: number,
            actions: std::mem::take(&mut actions),
            flash_before: hash(&before),
            swap_types_before: swap_types(&model, &before),
            result,
            reason,
            image: booted(&step).map(|image| {
                json!({
                    "dev": device_name(image.device),
                    "off": image.offset,
                    "version": version(image),
                })
            }),
            decision: decisions(&step),
            swap_types_after: swap_types(&model, &after),
            ops: step.counts.ops(),
            writes: step.counts.writes,
            erases: step.counts.erases,
            dirty_writes: step.counts.dirty_writes,
            misaligned_writes: step.counts.misaligned_writes,
            trailers: trailers(&model, &after),
            console: step.console.iter().map(|line| line.text.clone()).collect(),
            trace,
            flash: hash(&after),
        };
        // Nobody reading is no reason to stop: the flash is still to be written.
        say(if args.json {
            json_line(&boot)?
        } else {
            boot.text(&step)
        })?;
    }
    if let Some(folder) = &args.out {
        model.write(&board.flash(), folder)?;
    }
    Ok(Exit::Passed)
}

impl Boot {
    /// The boot for people.
    fn text(&self, step: &Step) -> String {
        let mut lines = Vec::new();
        for action in &self.actions {
            lines.push(match &action.error {
                None => format!("{}: done", action.action),
                Some(error) => format!("{}: refused, {error}", action.action),
            });
        }
        lines.push(format!("boot {}: {step}", self.boot));
        lines.push(format!(
            "  swap type {}, afterwards {}",
            self.swap_types_before.join(", "),
            self.swap_types_after.join(", ")
        ));
        lines.push(format!(
            "  {} flash operations: {} writes, {} erases",
            self.ops, self.writes, self.erases
        ));
        for (slot, trailer) in &self.trailers {
            lines.push(format!("  trailer of {slot}: {trailer}"));
        }
        for operation in self.trace.iter().flatten() {
            lines.push(format!("  {operation}"));
        }
        lines.push(format!("  flash {}", self.flash));
        lines.join("\n")
    }
}

/// Lets the application make its requests.
pub(super) fn request(
    model: &Model,
    board: &mut Board<'_>,
    requests: &[RequestArg],
) -> Result<Vec<Requested>, CliError> {
    let mut done = Vec::new();
    for RequestArg { mark, image } in requests {
        let images = model.config.images.len();
        if *image >= images {
            return Err(CliError::usage(format_args!(
                "there is no image {image} to mark, the bootloader has {images}, counted from 0"
            )));
        }
        let name = match mark {
            Mark::Test => "test",
            Mark::Permanent => "permanent",
            Mark::Confirmed => "confirm",
        };
        let outcome = board.apply(&Action::Mark {
            image: *image,
            mark: *mark,
        });
        done.push(Requested {
            action: format!("{name}:{image}"),
            ok: outcome.is_ok(),
            error: outcome.err().map(|error| error_chain(&error)),
        });
    }
    Ok(done)
}

/// One reset of the board.
pub(super) fn reset(board: &mut Board<'_>, action: &Action) -> Result<Step, CliError> {
    board
        .apply(action)
        .map_err(|error| CliError::usage(format_args!("cannot be booted: {}", error_chain(&error))))
}

/// How a boot ended, as recordings write it, and why when nothing was booted.
pub(super) fn ended(step: &Step) -> (&'static str, Option<String>) {
    match step.outcome.as_ref().map(|outcome| &outcome.result) {
        None => ("cut", None),
        Some(BootResult::Boot(_)) => ("boot", None),
        Some(BootResult::NoBoot { reason }) => ("noboot", Some(reason.clone())),
        Some(BootResult::Assert { what }) => ("assert", Some(what.clone())),
        Some(BootResult::Hang { what }) => ("panic", Some(what.clone())),
    }
}

/// The image that was started.
pub(super) fn booted(step: &Step) -> Option<&BootedImage> {
    match &step.outcome.as_ref()?.result {
        BootResult::Boot(image) => Some(image),
        BootResult::NoBoot { .. } | BootResult::Assert { .. } | BootResult::Hang { .. } => None,
    }
}

/// Why it did what it did.
pub(super) fn decisions(step: &Step) -> Vec<String> {
    let decisions = step.outcome.iter().flat_map(|outcome| &outcome.decisions);
    decisions.map(ToString::to_string).collect()
}

/// A version with its build number, as recordings write it.
pub(super) fn version(image: &BootedImage) -> String {
    let version = image.version;
    format!(
        "{}.{}.{}+{}",
        version.major, version.minor, version.revision, version.build
    )
}

/// `boot_swap_type` of each image.
pub(super) fn swap_types(model: &Model, flash: &SimFlash) -> Vec<String> {
    let mut flash = flash.clone();
    (0..model.config.images.len())
        .map(|image| match swap_type(&model.config, &mut flash, image) {
            Ok(swap_type) => swap_type.to_string(),
            Err(error) => error.to_string(),
        })
        .collect()
}

/// SHA-256 of `int`, then `ext`, then the network core's flash.
pub(super) fn hash(flash: &SimFlash) -> String {
    hex::encode(flash.sha256())
}

/// One line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(value)
        .map_err(|error| CliError::usage(format_args!("cannot be written as JSON: {error}")))
}

/// The trailers of each image's slots: `magic/swap_type/copy_done/image_ok`.
fn trailers(model: &Model, flash: &SimFlash) -> BTreeMap<String, String> {
    let mut flash = flash.clone();
    let mut trailers = BTreeMap::new();
    for image in 0..model.config.images.len() {
        let states = swap_state(&model.config, &mut flash, image);
        let (primary, secondary) = match states {
            Ok((primary, secondary)) => (primary.to_string(), secondary.to_string()),
            Err(error) => (error.to_string(), error.to_string()),
        };
        let name = image_name(image);
        trailers.insert(format!("{name}.primary"), primary);
        if model.config.has_secondary() {
            trailers.insert(format!("{name}.secondary"), secondary);
        }
    }
    trailers
}

/// An operation as recordings write it: `[kind, slot, off, len]`, and `"torn"` when it was.
fn traced(model: &Model, operation: &Operation) -> Value {
    let slot = model
        .slots()
        .into_iter()
        .find(|(_, area)| area.contains(operation.device, operation.offset));
    let (name, start) = match slot {
        Some((name, area)) => (name, area.offset),
        None => (device_name(operation.device), 0),
    };
    let kind = match operation.kind {
        OperationKind::Write => "W",
        OperationKind::Erase => "E",
    };
    let offset = operation.offset - start;
    if operation.torn {
        json!([kind, name, offset, operation.length, "torn"])
    } else {
        json!([kind, name, offset, operation.length])
    }
}
