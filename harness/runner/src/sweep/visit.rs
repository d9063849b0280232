//! One point of a sweep: the flash is put back, the start is interrupted there, and what comes of it is held against the model.

use super::cutter::{self, Aim, Left};
use super::foretold::Outcome;
use super::later::Later;
use super::recovery::{self, Looked};
use super::{Sweeping, frames, told};
use crate::context::Context;
use crate::night;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::SimFlash;
use hil_bootloader::sweep::minimise;
use hil_record::{Check, ErrorKind, EventKind, SweepPoint};
use hil_scenario::{CutList, CutPoint};

impl<'a> Sweeping<'a, '_> {
    /// Visits a point, tells what came of it, and makes a failure as short as it can be. What it came to, in words.
    pub(super) fn visit_and_tell(
        &mut self,
        context: &mut Context<'a>,
        list: &CutList,
    ) -> Checked<String> {
        if context.cancel.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        let board = context.bench.name.clone();
        if let Some(worn) = context.bench.wear.over_budget(&board) {
            return Err(told(&format!("after {} points", self.visited), worn));
        }
        let began = context.clock.now();
        let seen = context.seen();
        let visited = self.visit(context, list);
        context.bench.wear.keep(&context.events, &board);
        // Each start has its own limit; how many there are is for who asked for them.
        context.does_not_count(context.clock.now().saturating_since(began));
        if matches!(visited, Err(Trouble::Error(..) | Trouble::Cancelled)) {
            return visited.map_err(|trouble| told(&format!("at cut {list}"), trouble));
        }
        self.visited += 1;
        let (came_to, problem) = match &visited {
            Ok(came_to) => (came_to.clone(), None),
            Err(trouble) => ("a failure".to_owned(), Some(trouble.clone().words())),
        };
        let point = SweepPoint {
            scenario: context.scenario.clone(),
            board: context.bench.name.clone(),
            cut: list.to_string(),
            came_to: came_to.clone(),
            problem,
            took_ms: u64::try_from(context.clock.now().saturating_since(began).as_millis())
                .unwrap_or(u64::MAX),
        };
        night::visited(context, &point);
        context.events.emit(EventKind::SweepPoint(point));
        match visited {
            Ok(came_to) => {
                context.unsee(seen);
                *self.came_to.entry(came_to.clone()).or_default() += 1;
                Ok(came_to)
            }
            Err(trouble) => {
                self.bad += 1;
                let (least, trouble) = self.least(context, list, trouble)?;
                let command = context.repeat_command(&least);
                Err(told(
                    &format!(
                        "after cut {least} ({} good points before it)",
                        self.visited - 1
                    ),
                    trouble,
                )
                .adding(&format!("repeat it with `{command}`")))
            }
        }
    }

    /// The shortest list of cuts that fails as well, and how it does.
    pub(super) fn least(
        &mut self,
        context: &mut Context<'a>,
        list: &CutList,
        trouble: Trouble,
    ) -> Checked<(CutList, Trouble)> {
        let mut last = trouble;
        let points = minimise(list.points(), |points| {
            let Some(shorter) = CutList::new(points.to_vec()) else {
                return Ok(false);
            };
            // A cut that is left out changes the starts after it: the rest may say operations that are not there any more.
            if self.foretold.check(&shorter).is_err() {
                return Ok(false);
            }
            match self.visit(context, &shorter) {
                Ok(_) => Ok(false),
                Err(trouble @ (Trouble::Error(..) | Trouble::Cancelled)) => Err(trouble),
                Err(trouble) => {
                    last = trouble;
                    Ok(true)
                }
            }
        })?;
        Ok((CutList::new(points).unwrap_or_else(|| list.clone()), last))
    }

    /// Interrupts the start at each point of the list, one after the other, and looks at what comes of it.
    pub(super) fn visit(&mut self, context: &mut Context<'a>, list: &CutList) -> Checked<String> {
        if let Some(point) = frames::chunk(list) {
            return self.visit_chunk(context, &point);
        }
        self.put_back(context)?;
        let last = list.points().len() - 1;
        let mut expected = None;
        // Where it is not known what was hit, nobody can say which image must run; the model says what the flash must hold.
        let mut anything = false;
        let ways = self.foretold.ways(list)?;
        for (number, (point, way)) in list.points().iter().zip(&ways).enumerate() {
            self.cutter.stop_at(context, point, &way.done, self.step)?;
            if let Some(torn) = &way.torn {
                torn.leave(context, point)?;
            }
            let left = cutter::interrupt(context, self.step)?;
            expected = match self.cutter.aim() {
                Aim::Exact => {
                    if left == Left::Starting && number < last {
                        // It has had power for a moment: that is undone.
                        context.hold()?;
                        self.held = self.start.read(context)?;
                        let wanted = self.foretold.left_by(list, number)?;
                        self.make_it(context, &wanted)?;
                    }
                    (number == last)
                        .then(|| self.foretold.follow(list))
                        .transpose()?
                }
                Aim::Near => {
                    if left == Left::Starting {
                        context.hold()?;
                    }
                    let before = std::mem::replace(&mut self.held, self.start.read(context)?);
                    context.checked(Check::SweepStopped {
                        cut: list.to_string(),
                        number: u32::try_from(number).unwrap_or(u32::MAX),
                        found: self.start.shots(context, &self.start.flash, &self.held),
                    });
                    if self.foretold.is_end(&self.held) {
                        return Ok(SweepPoint::MISSED.to_owned());
                    }
                    let in_time = match number {
                        0 => self.locate(context, point)?,
                        _ => self.foretold.was_under_way(&before, &self.held)?,
                    };
                    anything |= !in_time;
                    Some(self.foretold.from(&self.held)?)
                }
            };
            if number == last && !(left == Left::Starting && self.cutter.aim() == Aim::Exact) {
                context.let_go()?;
            }
        }
        let expected =
            expected.ok_or_else(|| Trouble::error(ErrorKind::Harness, "a list of no cuts"))?;
        if anything {
            let allowed = std::mem::take(&mut self.boots);
            let looked = self.look(context, Some(list), &expected);
            self.boots = allowed;
            let came_to = hit_later(&looked?);
            return self.update_later(context, list, came_to);
        }
        let came_to = self.look(context, Some(list), &expected)?;
        self.update_later(context, list, came_to)
    }

    /// Where the step wants it, brings a later update in, which must be good.
    pub(super) fn update_later(
        &mut self,
        context: &mut Context<'a>,
        list: &CutList,
        came_to: String,
    ) -> Checked<String> {
        if self.step.later_update.is_empty() {
            return Ok(came_to);
        }
        let brought_in = Later::bring_in(context, self.step, &self.held);
        match &brought_in {
            Err(Trouble::Error(..) | Trouble::Cancelled) => {}
            // What a board holds that is not as it must be is put back as well.
            Err(_) => {
                context.hold()?;
                self.held = self.start.read(context)?;
            }
            Ok(_) => self.held = self.start.read(context)?,
        }
        let updated = brought_in.and_then(|later| {
            let before = self.updated_to.as_ref().or(self.uncut.as_ref());
            context.checked(Check::SweepUpdated {
                cut: list.to_string(),
                release: later.release().to_owned(),
                was_confirmed: later.was_confirmed(),
                found: self
                    .start
                    .shots(context, before.unwrap_or(&self.start.flash), &self.held),
            });
            self.updated_to.get_or_insert_with(|| self.held.clone());
            later.check(context, &self.held)?;
            Ok(then_updated(&came_to, later.release()))
        });
        let came_to = updated.map_err(|trouble| told(&then_not_updated(&came_to), trouble))?;
        self.updated += 1;
        Ok(came_to)
    }

    /// Where the clock stopped the board, which is told. Whether it was in the start that is swept.
    pub(super) fn locate(&mut self, context: &mut Context<'_>, point: &CutPoint) -> Checked<bool> {
        let hit = self.foretold.locate(&self.held);
        let words = match hit.as_slice() {
            // A start that goes on for a moment before it is held again may be in the recovery already.
            [] if context.bench.has_power_switch() => "the start after it".to_owned(),
            [] => return Err(cutter::nowhere(point)),
            [one] => one.to_string(),
            [first, .., last] => format!("{first} to {last}"),
        };
        context.events.note(
            Some(&context.bench.name),
            format!("{}: aimed at {point}, hit {words}", context.scenario),
        );
        Ok(!hit.is_empty())
    }

    /// Looks at what came of a list of cuts, or of a start without one, and tells it.
    pub(super) fn look(
        &mut self,
        context: &mut Context<'a>,
        list: Option<&CutList>,
        expected: &Outcome,
    ) -> Checked<String> {
        let Looked {
            runs,
            flash,
            came_to,
        } = recovery::look(context, self.step, &self.boots, &self.start, expected);
        if let Some(flash) = flash {
            context.bench.wear.firmware_did(&expected.after.erases());
            let before = self.uncut.as_ref().unwrap_or(&self.start.flash);
            context.checked(Check::SweepCameTo {
                cut: list.map(ToString::to_string),
                runs: runs.map(hex::encode),
                found: self.start.shots(context, before, &flash),
            });
            if list.is_none() {
                self.uncut = Some(flash.clone());
            }
            self.held = flash;
        }
        came_to
    }

    /// Makes the flash what it was, and holds the board at its first instruction.
    pub(super) fn put_back(&mut self, context: &mut Context<'_>) -> Checked {
        let wanted = self.start.flash.clone();
        self.make_it(context, &wanted)
    }

    pub(super) fn make_it(&mut self, context: &mut Context<'_>, wanted: &SimFlash) -> Checked {
        let image = self.start.difference(&self.held, wanted)?;
        context.restore(&image)?;
        self.held = wanted.clone();
        Ok(())
    }
}

/// What a point comes to where the clock was too late for the start that was aimed at, and hit the one after it.
pub(crate) fn hit_later(came_to: &str) -> String {
    format!("hit the start after it; {came_to}")
}

/// What a point comes to that the board was updated after.
pub(crate) fn then_updated(came_to: &str, release: &str) -> String {
    format!("{came_to}; then updated to {release}")
}

/// The place of trouble with an update after a point.
pub(crate) fn then_not_updated(came_to: &str) -> String {
    format!("{came_to}; a later update")
}
