//! A sweep, judged from what the journal has of each of its points.
//!
//! The flash that every start begins from is in the evidence, and with it the model foretells each point, as it did in the
//! run. What a point left is told as pages that differ from what the start without a cut left; for most points there are
//! none. All of a sweep is judged at its end, because the model is made once for it.

use super::Judged;
use super::flash::Memories;
use super::judge::{Judging, needs_key, withheld};
use super::points::{Points, no_look};
use crate::firmware::Firmware;
use crate::sweep::foretold::Foretold;
use crate::sweep::start::Start;
use hil_bootloader::SimFlash;
use hil_record::{Check, Objects, RegionShot, SweepPlan, SweepPoint};
use hil_scenario::Sweep;

/// What the journal has of a sweep, in its order.
#[derive(Default)]
pub(super) struct Story<'a> {
    start: Option<Result<SimFlash, Judged>>,
    plan: Option<&'a SweepPlan>,
    parts: Vec<Part<'a>>,
}

/// Something that was looked at, or told.
pub(super) enum Part<'a> {
    Stopped {
        cut: &'a str,
        number: u32,
        found: &'a [RegionShot],
    },
    CameTo {
        cut: Option<&'a str>,
        runs: Option<&'a str>,
        found: &'a [RegionShot],
    },
    Updated {
        cut: &'a str,
        release: &'a str,
        was_confirmed: bool,
        found: &'a [RegionShot],
    },
    Told(&'a SweepPoint),
}

/// What the journal says of the sweep as a whole.
pub(super) struct Told {
    /// The step passed.
    pub(super) passed: bool,
    /// At how many points the power was cut, where it was: a sign-off counts it.
    pub(super) cut_points: Option<String>,
}

impl<'a> Story<'a> {
    /// Takes a look, if it is one of a sweep.
    pub(super) fn take(&mut self, check: &'a Check, judging: &Judging<'_>) -> bool {
        match check {
            Check::SweepStart { found } => self.start = Some(start(judging, found)),
            Check::SweepStopped { cut, number, found } => self.parts.push(Part::Stopped {
                cut,
                number: *number,
                found,
            }),
            Check::SweepCameTo { cut, runs, found } => self.parts.push(Part::CameTo {
                cut: cut.as_deref(),
                runs: runs.as_deref(),
                found,
            }),
            Check::SweepUpdated {
                cut,
                release,
                was_confirmed,
                found,
            } => self.parts.push(Part::Updated {
                cut,
                release,
                was_confirmed: *was_confirmed,
                found,
            }),
            _ => return false,
        }
        true
    }

    /// Takes the plan.
    pub(super) fn planned(&mut self, plan: &'a SweepPlan) {
        self.plan = Some(plan);
    }

    /// Takes what a point came to in the run.
    pub(super) fn told(&mut self, point: &'a SweepPoint) {
        self.parts.push(Part::Told(point));
    }

    /// Judges all points.
    pub(super) fn judge(
        self,
        firmware: &Firmware,
        objects: &Objects,
        step: &Sweep,
        told: &Told,
    ) -> Vec<Judged> {
        let flash = match self.start {
            Some(Ok(flash)) => flash,
            Some(Err(problem @ Judged::Open(_))) => {
                let looks = |part: &&Part<'_>| matches!(part, Part::CameTo { .. });
                let count = self.parts.iter().filter(looks).count();
                return vec![problem; count.max(1)];
            }
            Some(Err(problem)) => return vec![problem],
            None if told.passed || !self.parts.is_empty() => {
                return vec![no_look("the flash that the sweep begins from")];
            }
            None => return Vec::new(),
        };
        let foretold = match Foretold::new(firmware, &flash, step.during.as_ref()) {
            Ok(foretold) => foretold,
            Err(trouble) => return vec![Judged::Open(trouble.words())],
        };
        let mut start = Start::of(flash, firmware);
        if !foretold.touches_network() {
            start.without_network();
        }
        let mut points = Points::new(firmware, objects, step, start, foretold);
        for part in &self.parts {
            points.take(part);
        }
        points.end(self.plan, told)
    }
}

/// The flash that every start begins from.
fn start(judging: &Judging<'_>, found: &[RegionShot]) -> Result<SimFlash, Judged> {
    if judging.decrypts() {
        return Err(needs_key(
            "what a cut leads to where a bootloader decrypts into flash",
        ));
    }
    let mut memories = Memories::default();
    for shot in found {
        let flash = judging.recovered(shot)?;
        if !flash.withheld.is_empty() {
            return Err(withheld("the flash that the sweep begins from"));
        }
        memories.take(flash)?;
    }
    Ok(memories.flash(judging.firmware.set().chip))
}
