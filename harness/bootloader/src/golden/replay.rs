//! One case, replayed.

use crate::config::{Config, Keys};
use crate::flash::DeviceId;
use crate::golden::case::{self, Action, Case, CutRow, Edit, Expect, Step, Sweep, Variant};
use crate::golden::compare::{Differences, Places};
use crate::golden::corpus::{Corpus, CorpusError};
use crate::golden::summary::{CaseReport, Verdict};
use crate::loader::boot;
use crate::log::LogLine;
use crate::marks::{Pending, area_swap_state, set_confirmed, set_pending, swap_type};
use crate::outcome::{BootResult, BootedImage};
use crate::sim::{Cut, SimFlash};

/// How much of sweeps and variants is replayed. Steps are always replayed in full.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sampling {
    /// Every cut and every variant.
    #[default]
    Full,
    /// The first, the last, and every n-th between them; which ones differs from case to case but never from run to
    /// run.
    Every(u32),
}

impl Sampling {
    fn takes(self, id: &str, index: usize, count: usize) -> bool {
        match self {
            Self::Full => true,
            Self::Every(n) => {
                let n = n.max(1) as usize;
                let start: usize = id.bytes().map(usize::from).sum();
                index == 0 || index + 1 == count || (index + start).is_multiple_of(n)
            }
        }
    }
}

/// Largest flash device that is replayed, in bytes: a damaged recording must not fill the memory.
const LARGEST_DEVICE: u32 = 64 << 20;

/// What the model's MCUboot prints in the boots of a case's steps: the lines of MCUboot's library, without those that
/// Zephyr's port puts before and after them.
pub(crate) fn consoles(corpus: &Corpus, case: &Case) -> Result<Vec<Vec<String>>, CorpusError> {
    let Ok(config) = case.config() else {
        return Ok(Vec::new());
    };
    let keys = corpus.keys(&config)?;
    let mut replay = Replay {
        corpus,
        case,
        config,
        keys,
        differences: Differences::default(),
        consoles: Vec::new(),
    };
    replay.steps()?;
    Ok(replay.consoles)
}

/// A case with what all its boots share.
struct Replay<'a> {
    corpus: &'a Corpus,
    case: &'a Case,
    config: Config,
    keys: Keys,
    differences: Differences,
    /// What was printed in each boot of a step.
    consoles: Vec<Vec<String>>,
}

/// How a boot ended, as recordings write it.
struct Ended {
    result: &'static str,
    booted: Option<BootedImage>,
}

impl Ended {
    fn version(&self) -> Option<String> {
        self.booted.map(|image| recorded_version(&image))
    }
}

fn recorded_version(image: &BootedImage) -> String {
    let version = image.version;
    format!(
        "{}.{}.{}+{}",
        version.major, version.minor, version.revision, version.build
    )
}

/// Replays one case.
pub(crate) fn replay(
    corpus: &Corpus,
    case: &Case,
    sampling: Sampling,
) -> Result<CaseReport, CorpusError> {
    let report = |verdict| CaseReport {
        id: case.id.clone(),
        about: case.about.clone(),
        mode: case.config.mode.clone(),
        boots: case.steps.len(),
        cuts: 0,
        variants: 0,
        verdict,
    };
    let config = match case.config() {
        Ok(config) => config,
        Err(why) => return Ok(report(Verdict::NotReplayed(why))),
    };
    let keys = corpus.keys(&config)?;
    let mut replay = Replay {
        corpus,
        case,
        config,
        keys,
        differences: Differences::default(),
        consoles: Vec::new(),
    };
    let starts = replay.steps()?;
    let (mut cuts, mut variants) = (0, 0);
    for (number, sweep) in case.sweeps.iter().enumerate() {
        let Some(start) = starts.get(sweep.step) else {
            replay
                .differences
                .push(format!("sweep {number}: there is no step {}", sweep.step));
            continue;
        };
        for (index, row) in sweep.cuts.iter().enumerate() {
            if sampling.takes(&case.id, index, sweep.cuts.len()) {
                replay.cut(number, sweep, row, start)?;
                cuts += 1;
            }
        }
    }
    if !case.variants.is_empty() {
        let start = replay.initial_flash()?;
        for (index, variant) in case.variants.iter().enumerate() {
            if sampling.takes(&case.id, index, case.variants.len()) {
                replay.variant(variant, start.clone())?;
                variants += 1;
            }
        }
    }
    let verdict = if replay.differences.0.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed(replay.differences.0)
    };
    Ok(CaseReport {
        cuts,
        variants,
        ..report(verdict)
    })
}

impl Replay<'_> {
    fn initial_flash(&mut self) -> Result<SimFlash, CorpusError> {
        let config = &self.case.config;
        let mut flash = SimFlash::new();
        for name in ["int", "ext"] {
            let size = self.case.layout.devices.get(name);
            if let (Some(size), Some(id)) = (size, case::device(name)) {
                if *size > LARGEST_DEVICE {
                    self.differences
                        .push(format!("device `{name}` has {size} bytes"));
                    continue;
                }
                flash = flash.with_device(id, *size, config.write_size, config.sector_size);
            }
        }
        self.edit(&mut flash, &self.case.flash.edits)?;
        self.differences.expect(
            "initial flash",
            "hash",
            self.case.flash.sha256.as_str(),
            &hex::encode(flash.sha256()),
        );
        Ok(flash)
    }

    fn edit(&mut self, flash: &mut SimFlash, edits: &[Edit]) -> Result<(), CorpusError> {
        for edit in edits {
            let Some(area) = self
                .case
                .layout
                .slots
                .get(&edit.slot)
                .and_then(case::SlotPlace::area)
            else {
                self.differences
                    .push(format!("edit of unknown slot `{}`", edit.slot));
                continue;
            };
            let offset = area.offset.wrapping_add(edit.off);
            if let Some(name) = &edit.blob {
                flash.edit(area.device, offset, &self.corpus.blob(name)?);
            }
            let Some(text) = &edit.hex else { continue };
            match hex::decode(text) {
                Ok(bytes) => {
                    // No more than the slot takes: an outside recording may ask for anything.
                    let most = area.size as usize / bytes.len().max(1) + 1;
                    let repeated = bytes.repeat(edit.repeat.unwrap_or(1).min(most));
                    flash.edit(area.device, offset, &repeated);
                }
                Err(error) => self
                    .differences
                    .push(format!("edit of `{}`: {error}", edit.slot)),
            }
        }
        Ok(())
    }

    /// Replays all steps; returns the flash that each one's boot began with.
    fn steps(&mut self) -> Result<Vec<SimFlash>, CorpusError> {
        let mut flash = self.initial_flash()?;
        let mut starts = Vec::new();
        for (number, step) in self.case.steps.iter().enumerate() {
            let place = format!("step {number}");
            self.edit(&mut flash, &step.edits)?;
            for action in &step.actions {
                self.act(&place, &mut flash, action);
            }
            let hash = hex::encode(flash.sha256());
            self.differences.expect(
                &place,
                "flash before the boot",
                step.flash_before.as_str(),
                &hash,
            );
            starts.push(flash.clone());
            self.step(&place, step, &mut flash)?;
        }
        Ok(starts)
    }

    fn act(&mut self, place: &str, flash: &mut SimFlash, action: &Action) {
        let done = match action.request.as_str() {
            "test" => set_pending(&self.config, flash, action.image, Pending::Test),
            "perm" => set_pending(&self.config, flash, action.image, Pending::Permanent),
            "confirm" => set_confirmed(&self.config, flash, action.image),
            other => {
                self.differences
                    .push(format!("{place}: request `{other}` is not known"));
                return;
            }
        };
        self.differences.expect(
            place,
            &format!("`{}` done", action.request),
            &action.ok,
            &done.is_ok(),
        );
    }

    fn step(&mut self, place: &str, step: &Step, flash: &mut SimFlash) -> Result<(), CorpusError> {
        let before = self.swap_types(flash);
        self.differences
            .expect(place, "swap types before", &step.swap_types_before, &before);
        flash.power_up();
        if let Some(cut) = step.cut {
            flash.cut_at(Cut {
                ops: cut.ops,
                torn: cut.torn,
            });
        }
        if step.expect.trace.is_some() {
            flash.start_trace();
        }
        let mut console = Vec::new();
        let ended = self.boot_with_console(flash, &mut |line| console.push(line));
        // Zephyr's port prints a line before, and up to three after.
        let after = match ended.result {
            "boot" if !self.config.line.tells_version() => 2,
            "boot" => 3,
            "noboot" => 1,
            _ => 0,
        };
        console.truncate(console.len().saturating_sub(after));
        let lines = console.iter().skip(1).map(ToString::to_string);
        self.consoles.push(lines.collect());
        self.compare_step(place, &step.expect, &ended, flash)
    }

    fn compare_step(
        &mut self,
        place: &str,
        expect: &Expect,
        ended: &Ended,
        flash: &mut SimFlash,
    ) -> Result<(), CorpusError> {
        let counts = flash.counts();
        self.differences
            .expect(place, "result", expect.result.as_str(), ended.result);
        if let (Some(trace), true) = (&expect.trace, self.differences.0.is_empty()) {
            self.compare_trace(place, trace, flash);
        }
        flash.power_up();
        let started = |device: Option<DeviceId>, offset: u32, version: String| {
            let device = device.map_or_else(|| "?".to_owned(), |device| device.to_string());
            format!("{version} at {offset:#x} of {device}")
        };
        let nothing = || "none".to_owned();
        let recorded = expect.image.as_ref().map_or_else(nothing, |image| {
            started(case::device(&image.dev), image.off, image.version.clone())
        });
        let model = ended.booted.map_or_else(nothing, |image| {
            started(Some(image.device), image.offset, recorded_version(&image))
        });
        self.differences.expect(place, "image", &recorded, &model);
        self.differences
            .expect(place, "writes", &expect.writes, &counts.writes);
        self.differences
            .expect(place, "erases", &expect.erases, &counts.erases);
        self.differences
            .expect(place, "operations", &expect.ops, &counts.ops());
        self.differences.expect(
            place,
            "dirty writes",
            &expect.dirty_writes,
            &counts.dirty_writes,
        );
        self.differences.expect(
            place,
            "misaligned",
            &expect.misaligned_writes,
            &counts.misaligned_writes,
        );
        let after = self.swap_types(flash);
        self.differences
            .expect(place, "swap types after", &expect.swap_types_after, &after);
        for (slot, recorded) in &expect.trailers {
            let area = self
                .case
                .layout
                .slots
                .get(slot)
                .and_then(case::SlotPlace::area);
            let model = match area.map(|area| area_swap_state(&self.config, flash, area)) {
                Some(Ok(state)) => state.to_string(),
                Some(Err(error)) => error.to_string(),
                None => "no such slot".to_owned(),
            };
            self.differences.expect(
                place,
                &format!("trailer of {slot}"),
                recorded.as_str(),
                &model,
            );
        }
        let blob = expect.blob.then_some(expect.flash.as_str());
        self.compare_flash(place, &expect.flash, blob, flash)
    }

    fn compare_flash(
        &mut self,
        place: &str,
        recorded: &str,
        blob: Option<&str>,
        flash: &SimFlash,
    ) -> Result<(), CorpusError> {
        let model = hex::encode(flash.sha256());
        if recorded == model {
            return Ok(());
        }
        let first = match blob {
            Some(name) => {
                let bytes = self.corpus.blob(name)?;
                Places::new(self.case, &self.config).first_difference(flash, &bytes)
            }
            None => None,
        };
        let first = first.unwrap_or_else(|| "its bytes are not in the corpus".to_owned());
        self.differences
            .push(format!("{place}: flash differs, {first}"));
        Ok(())
    }

    fn compare_trace(
        &mut self,
        place: &str,
        recorded: &[Vec<serde_json::Value>],
        flash: &mut SimFlash,
    ) {
        let places = Places::new(self.case, &self.config);
        let model: Vec<String> = flash
            .take_trace()
            .iter()
            .map(|operation| places.operation(operation))
            .collect();
        let recorded: Vec<String> = recorded
            .iter()
            .map(|fields| Places::recorded_operation(fields))
            .collect();
        let first =
            (0..recorded.len().max(model.len())).find(|at| recorded.get(*at) != model.get(*at));
        if let Some(at) = first {
            let end = "the end".to_owned();
            let recorded = recorded.get(at).unwrap_or(&end);
            let model = model.get(at).unwrap_or(&end);
            self.differences.push(format!(
                "{place}: operation {at}: recorded {recorded}, model {model}"
            ));
        }
    }

    fn cut(
        &mut self,
        number: usize,
        sweep: &Sweep,
        row: &CutRow,
        start: &SimFlash,
    ) -> Result<(), CorpusError> {
        let CutRow(cut, at_cut, after, version, swap_types) = row;
        let place = format!(
            "sweep {number} of step {}, cut {cut} torn {}",
            sweep.step, sweep.torn
        );
        let in_blobs = sweep.blob_cuts.contains(cut);
        let mut flash = start.clone();
        flash.power_up();
        flash.cut_at(Cut {
            ops: *cut,
            torn: sweep.torn,
        });
        self.boot(&mut flash);
        flash.power_up();
        self.compare_flash(
            &format!("{place}, at the cut"),
            at_cut,
            in_blobs.then_some(at_cut),
            &flash,
        )?;
        let model = self.swap_types(&mut flash);
        self.differences
            .expect(&place, "swap types at the cut", swap_types, &model);
        flash.power_up();
        let ended = self.boot(&mut flash);
        self.differences.expect(
            &place,
            "version after a clean boot",
            version,
            &ended.version(),
        );
        self.compare_flash(
            &format!("{place}, after a clean boot"),
            after,
            in_blobs.then_some(after),
            &flash,
        )
    }

    fn variant(&mut self, variant: &Variant, mut flash: SimFlash) -> Result<(), CorpusError> {
        let place = format!("variant `{}`", variant.name);
        self.edit(&mut flash, &variant.edits)?;
        let before = self.swap_types(&mut flash);
        self.differences.expect(
            &place,
            "swap types before",
            &variant.swap_types_before,
            &before,
        );
        flash.power_up();
        let ended = self.boot(&mut flash);
        let ops = flash.counts().ops();
        self.differences
            .expect(&place, "result", variant.result.as_str(), ended.result);
        self.differences
            .expect(&place, "version", &variant.version, &ended.version());
        self.differences
            .expect(&place, "operations", &variant.ops, &ops);
        let after = self.swap_types(&mut flash);
        self.differences.expect(
            &place,
            "swap types after",
            &variant.swap_types_after,
            &after,
        );
        self.compare_flash(&place, &variant.flash, None, &flash)
    }

    fn boot(&self, flash: &mut SimFlash) -> Ended {
        self.boot_with_console(flash, &mut |_| {})
    }

    fn boot_with_console(&self, flash: &mut SimFlash, log: &mut dyn FnMut(LogLine)) -> Ended {
        let (result, booted) = match boot(&self.config, &self.keys, flash, log) {
            Err(_) => ("cut", None),
            Ok(outcome) => match outcome.result {
                BootResult::Boot(image) => ("boot", Some(image)),
                BootResult::NoBoot { .. } => ("noboot", None),
                BootResult::Assert { .. } => ("assert", None),
                BootResult::Hang { .. } => ("panic", None),
            },
        };
        Ended { result, booted }
    }

    fn swap_types(&self, flash: &mut SimFlash) -> Vec<String> {
        (0..self.config.images.len())
            .map(|image| match swap_type(&self.config, flash, image) {
                Ok(swap_type) => swap_type.to_string(),
                Err(error) => error.to_string(),
            })
            .collect()
    }
}
