//! The points of a sweep that is judged again: each look is held against what the model makes of that cut, and what the run told
//! of the point against the look.

use super::Judged;
use super::flash::Recovered;
use super::judge::withheld;
use super::sweep::{Part, Told};
use crate::firmware::{Firmware, Region};
use crate::sweep::foretold::{Foretold, Outcome};
use crate::sweep::later::{self, Running};
use crate::sweep::recovery::{self, judge};
use crate::sweep::start::Start;
use crate::sweep::{frames, hit_later, then_not_updated, then_updated};
use crate::trouble::Trouble;
use hil_bootloader::SimFlash;
use hil_bootloader::predict::Comparison;
use hil_record::{Objects, RegionShot, SweepPlan, SweepPoint};
use hil_scenario::{Core, CutList, ImageRef, Sweep};

/// Why a later update is not judged again that did not come to its end.
const NOT_AGAIN: &str = "a later update that the board refused, or that did not boot, is told by the packets and the console";

/// Where the clock stopped the board, as its flash tells.
struct Stopped {
    held: SimFlash,
    /// It was not in the start that was to be interrupted.
    later: bool,
}

/// The points of a sweep, one after the other.
pub(super) struct Points<'f> {
    firmware: &'f Firmware,
    objects: &'f Objects,
    step: &'f Sweep,
    start: Start,
    foretold: Foretold<'f>,
    /// The flash after the start without a cut.
    uncut: Option<SimFlash>,
    /// The last stop by the clock that nothing was looked at after.
    stopped: Option<Result<Stopped, Judged>>,
    /// The last look that the run has not told of: which cut, and what it came to.
    looked: Option<(String, Result<String, Judged>)>,
    /// The flash at that look, and the hash of the image that ran.
    after_point: Option<(SimFlash, Vec<u8>)>,
    /// The later update after it: to which release, and what it came to.
    updated: Option<(String, Result<(), Judged>)>,
    /// The flash after the first later update.
    updated_to: Option<SimFlash>,
    judged: Vec<Judged>,
    count: u64,
    missed: u64,
}

impl<'f> Points<'f> {
    /// Before the first look.
    pub(super) fn new(
        firmware: &'f Firmware,
        objects: &'f Objects,
        step: &'f Sweep,
        start: Start,
        foretold: Foretold<'f>,
    ) -> Self {
        Self {
            firmware,
            objects,
            step,
            start,
            foretold,
            uncut: None,
            stopped: None,
            looked: None,
            after_point: None,
            updated: None,
            updated_to: None,
            judged: Vec::new(),
            count: 0,
            missed: 0,
        }
    }

    /// Takes a look, or what was told.
    pub(super) fn take(&mut self, part: &Part<'_>) {
        match *part {
            Part::Stopped { cut, number, found } => {
                let stopped = self.stopped_at(cut, number, found);
                self.stopped = Some(stopped);
            }
            Part::Updated {
                cut,
                release,
                was_confirmed,
                found,
            } => {
                let updated = self.later_update(release, was_confirmed, found);
                self.judged.push(match updated.clone() {
                    Ok(()) => Judged::Holds,
                    Err(problem) => problem.at(&format!(
                        "at the later update to {release} behind cut {cut}"
                    )),
                });
                self.updated = Some((release.to_owned(), updated));
            }
            Part::CameTo { cut, runs, found } => {
                self.updated = None;
                let place =
                    cut.map_or_else(|| "without a cut".to_owned(), |cut| format!("at cut {cut}"));
                let came_to = self
                    .came_to(cut, runs, found)
                    .map_err(|problem| problem.at(&place));
                self.judged.push(match &came_to {
                    Ok(_) => Judged::Holds,
                    Err(problem) => problem.clone(),
                });
                self.looked = cut.map(|cut| (cut.to_owned(), came_to));
                self.stopped = None;
            }
            Part::Told(point) => self.told(point),
        }
    }

    fn stopped_at(&self, cut: &str, number: u32, found: &[RegionShot]) -> Result<Stopped, Judged> {
        let ends = [self.foretold.uncut().after, self.start.flash.clone()];
        let held = self.recovered(&self.start.flash, found, &ends)?;
        let held = held.ok_or_else(|| withheld("the flash where the clock stopped the board"))?;
        let chunk = cut.parse().is_ok_and(|list| frames::chunk(&list).is_some());
        let later = match (&self.stopped, number) {
            // Of an upload that was at its end nothing is missed: its client was stopped there.
            (_, 0) if chunk && self.foretold.is_end(&held) => false,
            (_, 0) => self.foretold.locate(&held).is_empty(),
            (Some(Ok(before)), _) => {
                let under_way = self.foretold.was_under_way(&before.held, &held);
                before.later || !under_way.map_err(not_a_point)?
            }
            (Some(Err(problem)), _) => return Err(problem.clone()),
            (None, _) => {
                return Err(no_look("the flash where the clock stopped the board first"));
            }
        };
        Ok(Stopped { held, later })
    }

    /// What comes of a cut by the evidence, in words.
    fn came_to(
        &mut self,
        cut: Option<&str>,
        runs: Option<&str>,
        found: &[RegionShot],
    ) -> Result<String, Judged> {
        let mut later = false;
        let expected = match (cut, self.stopped.take()) {
            (None, _) => self.foretold.uncut(),
            (Some(_), Some(Err(problem))) => return Err(problem),
            (Some(_), Some(Ok(stopped))) => {
                later = stopped.later;
                self.foretold.from(&stopped.held).map_err(not_a_point)?
            }
            (Some(cut), None) => {
                let list: CutList = cut.parse().map_err(|error: hil_scenario::ParseCutError| {
                    Judged::Broken(error.to_string())
                })?;
                self.foretold.follow(&list).map_err(not_a_point)?
            }
        };
        let flash = self.after(cut, found, &expected)?;
        if cut.is_none() {
            self.uncut = Some(flash.clone());
        }
        let runs = runs.ok_or_else(|| Judged::Fails("no application answered".to_owned()))?;
        let runs = hex::decode(runs)
            .map_err(|_| Judged::Broken(format!("`{runs}` is no hash of an image")))?;
        self.after_point = Some((flash.clone(), runs.clone()));
        // What runs is what ran before a request; where the clock was late, nobody can say which image must.
        let anything = later || (cut.is_none() && self.foretold.is_of_a_request());
        let judged = judge(&recovery::Judging {
            firmware: self.firmware,
            start: &self.start,
            allowed: if anything { &[] } else { &self.step.boots },
            runs: &runs,
            found: &flash,
            expected: &expected,
            may_be_shown: false,
        });
        match judged {
            Ok(came_to) if later => Ok(hit_later(&came_to)),
            Ok(came_to) => Ok(came_to),
            Err(Trouble::Fail(_, cause)) => Err(Judged::Fails(cause)),
            Err(trouble) => Err(Judged::Open(trouble.words())),
        }
    }

    /// Whether the flash after a later update is what the model makes of it.
    fn later_update(
        &mut self,
        release: &str,
        was_confirmed: bool,
        found: &[RegionShot],
    ) -> Result<(), Judged> {
        let (flash, runs) = self
            .after_point
            .take()
            .ok_or_else(|| no_look("the flash before it"))?;
        if !self.step.later_update.iter().any(|known| known == release) {
            return Err(Judged::Broken(format!(
                "`{release}` is no later update of the step"
            )));
        }
        let open = |trouble: Trouble| Judged::Open(trouble.words());
        let image = self
            .firmware
            .image(&ImageRef::new(release, Core::App))
            .map_err(open)?;
        let running = Running {
            hash: runs,
            confirmed: was_confirmed,
        };
        let forecast = later::foretell(self.firmware, &flash, &running, &image)
            .map_err(open)?
            .ok_or_else(|| {
                Judged::Broken("the bootloader does not take it after what was there".to_owned())
            })?;
        let before = self.updated_to.as_ref().or(self.uncut.as_ref());
        let before = before.ok_or_else(|| no_look("the flash after a start without a cut"))?;
        let found = self
            .recovered(before, found, &[])?
            .ok_or_else(|| withheld("the flash after it"))?;
        let judged = match forecast.compare(&found, &[]) {
            Comparison::Same(_) => Ok(()),
            Comparison::Different(_) => Err(Judged::Fails(
                "the flash is not what the bootloader model predicts".to_owned(),
            )),
            Comparison::NotKnown(reason) => Err(Judged::Open(reason)),
        };
        self.updated_to.get_or_insert(found);
        judged
    }

    /// The flash after a start that was interrupted, or was not.
    fn after(
        &self,
        cut: Option<&str>,
        found: &[RegionShot],
        expected: &Outcome,
    ) -> Result<SimFlash, Judged> {
        let before = match cut {
            None => &self.start.flash,
            Some(_) => self
                .uncut
                .as_ref()
                .ok_or_else(|| no_look("the flash after a start without a cut"))?,
        };
        self.recovered(before, found, std::slice::from_ref(&expected.after))?
            .ok_or_else(|| {
                Judged::Fails("a page is none that the bootloader model predicts".to_owned())
            })
    }

    /// `before` with pages that were found. Those that are a secret are known by their hash, and are looked for in what may
    /// be there; none when they are not.
    fn recovered(
        &self,
        before: &SimFlash,
        found: &[RegionShot],
        may_be: &[SimFlash],
    ) -> Result<Option<SimFlash>, Judged> {
        let mut flash = before.clone();
        for shot in found {
            let bytes = |region: Region| region.bytes_of(before);
            let mut found = Recovered::since(shot, bytes, self.objects)?;
            for candidate in may_be {
                found.try_bytes(0, &found.region.bytes_of(candidate));
            }
            if !found.withheld.is_empty() {
                return Ok(None);
            }
            let area = found.region.area();
            flash.edit(area.device, area.offset, &found.bytes);
        }
        Ok(Some(flash))
    }

    /// Holds what the run told of a point against the look before it.
    fn told(&mut self, point: &SweepPoint) {
        self.count += 1;
        self.missed += u64::from(point.came_to == SweepPoint::MISSED);
        let cut = &point.cut;
        let looked = self.looked.take().filter(|(looked, _)| looked == cut);
        let came_to = match (looked, self.stopped.take()) {
            (Some((_, came_to)), _) => Some(came_to),
            (None, Some(stopped)) => {
                let came_to = self.without_a_look(stopped);
                self.judged.push(match &came_to {
                    Ok(_) => Judged::Holds,
                    Err(problem) => problem.clone().at(&format!("at cut {cut}")),
                });
                Some(came_to)
            }
            (None, None) => None,
        };
        let broken = match (came_to, &point.problem) {
            (Some(Ok(came_to)), problem) if self.updates_after(&came_to) => {
                match self.not_as_updated(&came_to, point, problem.as_deref()) {
                    None => return,
                    Some(broken) => broken,
                }
            }
            (Some(Ok(came_to)), None) if came_to == point.came_to => return,
            (Some(Ok(came_to)), _) => format!(
                "cut {cut} came to `{came_to}` by the evidence, the journal says `{}`",
                point.problem.as_ref().unwrap_or(&point.came_to)
            ),
            (Some(Err(Judged::Fails(cause))), None) => {
                format!("the journal has cut {cut} as good, but {cause}")
            }
            (None, None) => format!("the journal has no look at the flash after cut {cut}"),
            // Told as failed, and is so; or nobody can say; or a request was refused, of which the packets tell.
            (Some(Err(_)) | None, _) => return,
        };
        self.judged.push(Judged::Broken(broken));
    }

    /// What the journal says otherwise than the evidence of a point that was good and a later update behind it.
    fn not_as_updated(
        &mut self,
        came_to: &str,
        point: &SweepPoint,
        problem: Option<&str>,
    ) -> Option<String> {
        let cut = &point.cut;
        let then = match problem {
            None => point.came_to.as_str(),
            Some(problem) => problem,
        };
        match (self.updated.take(), problem) {
            (Some((release, Ok(()))), None) if then_updated(came_to, &release) == point.came_to => {
                None
            }
            (Some((release, Ok(()))), _) => Some(format!(
                "cut {cut} came to `{}` by the evidence, the journal says `{then}`",
                then_updated(came_to, &release)
            )),
            (Some((release, Err(Judged::Fails(cause)))), None) => Some(format!(
                "the journal has the later update to {release} behind cut {cut} as good, but {cause}"
            )),
            (Some((_, Err(_))), _) => None,
            (None, Some(problem)) if problem.starts_with(&then_not_updated(came_to)) => {
                self.judged.push(Judged::Open(NOT_AGAIN.to_owned()));
                None
            }
            (None, Some(_)) => Some(format!(
                "cut {cut} came to `{came_to}` by the evidence, the journal says `{then}`"
            )),
            (None, None) => Some(format!(
                "the journal has no look at the flash after a later update behind cut {cut}"
            )),
        }
    }

    /// Whether the board was updated once more after a point that came to this.
    fn updates_after(&self, came_to: &str) -> bool {
        !self.step.later_update.is_empty() && came_to != SweepPoint::MISSED
    }

    /// A point that was over when the clock had stopped the board.
    fn without_a_look(&self, stopped: Result<Stopped, Judged>) -> Result<String, Judged> {
        let stopped = stopped?;
        if self.foretold.is_end(&stopped.held) {
            Ok(SweepPoint::MISSED.to_owned())
        } else if stopped.later {
            Err(Judged::Fails(
                "the flash is what no interruption of that start can leave".to_owned(),
            ))
        } else {
            Err(no_look("the flash after it"))
        }
    }

    /// Holds the sweep as a whole against its points; all that was judged.
    pub(super) fn end(mut self, plan: Option<&SweepPlan>, told: &Told) -> Vec<Judged> {
        let mut broken = Vec::new();
        match plan {
            Some(plan) if plan.digest != self.foretold.digest() => {
                broken.push(
                    "the flash operations that are foretold from the evidence are not those of the plan"
                        .to_owned(),
                );
            }
            Some(plan) => {
                let there = self.count + u64::from(plan.visited_before);
                if told.passed
                    && let Some(points) = plan.points
                    && there != u64::from(points)
                {
                    broken.push(format!(
                        "it passed, but of {points} points {there} were visited"
                    ));
                }
            }
            None if told.passed => broken.push("it passed, but has no plan".to_owned()),
            None => {}
        }
        if told.passed && self.uncut.is_none() && broken.is_empty() {
            self.judged
                .push(no_look("the flash after a start without a cut"));
        }
        let hit = self.count.saturating_sub(self.missed);
        if let Some(count) = &told.cut_points
            && *count != hit.to_string()
        {
            broken.push(format!(
                "it says that the power was cut at {count} points, but {hit} were hit"
            ));
        }
        self.judged.extend(broken.into_iter().map(Judged::Broken));
        self.judged
    }
}

fn not_a_point(trouble: Trouble) -> Judged {
    Judged::Broken(trouble.words())
}

pub(super) fn no_look(what: &str) -> Judged {
    Judged::Broken(format!("the journal has no look at {what}"))
}
