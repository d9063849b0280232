//! `sweep`: the same start of a board, interrupted at one point after the other.
//!
//! First the board starts once without a cut. The model of the bootloaders says which flash operations that takes, and where
//! the board can be stopped at each of them it is held against the board: another list is *plan drift*, and nothing that a
//! name of a point says would mean anything. Then for each point: the flash is put back to what it was (only the pages that
//! differ are programmed), the board starts, is stopped there and interrupted, and starts again. It must boot an allowed
//! image, and its flash must be, byte for byte, what the model predicts of that very cut; as the prediction has plain text of
//! an encrypted image in the primary slot only, so has the board. A list of cuts that fails is made as short as it can be,
//! and the sentence that tells it has the command that repeats it. Where the step says so, a later update has to go in after each
//! point.

mod choose;
mod cutter;
pub(crate) mod foretold;
mod later;
mod orders;
pub(crate) mod recovery;
pub(crate) mod request;
pub(crate) mod start;
mod trap;

pub use orders::{Share, SweepOrders, Visited};

use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use choose::Draw;
use cutter::{Aim, Cutter, Left};
use foretold::{Foretold, Outcome};
use hil_bootloader::SimFlash;
use hil_bootloader::sweep::minimise;
use hil_record::{Check, ErrorKind, EventKind, Evidence, SweepPlan, SweepPoint, SweepTotals};
use hil_scenario::{Class, CutList, Strategy, Sweep};
use later::Later;
use recovery::Looked;
use start::Start;
use std::collections::BTreeMap;

/// Carries the step out.
pub(crate) fn run(context: &mut Context<'_>, step: &Sweep) -> Checked {
    let mut start = Start::take(context)?;
    let history = context.stopped();
    let foretold = Foretold::new(
        context.firmware,
        &start.flash,
        request::action(step).as_ref(),
    )?;
    if !foretold.touches_network() {
        start.without_network();
    }
    let cutter = cutter::choose(context, step.during.is_some())?;
    let mut sweeping = Sweeping {
        held: start.flash.clone(),
        start,
        foretold,
        cutter,
        step,
        boots: step.boots.clone(),
        came_to: BTreeMap::new(),
        visited: 0,
        bad: 0,
        updated: 0,
        uncut: None,
    };
    sweeping.run(context)?;
    // At last as if nothing had been tried: the flash that the steps before left, and one start. What was done to the board
    // meanwhile is no part of what its flash is predicted from.
    sweeping.put_back(context)?;
    context.forget_since(history);
    context.let_go()
}

/// A sweep on its way.
struct Sweeping<'a, 's> {
    start: Start,
    /// What the flash holds as far as it is known.
    held: SimFlash,
    foretold: Foretold<'a>,
    cutter: Box<dyn Cutter>,
    step: &'s Sweep,
    /// The releases that may run; none: whatever runs.
    boots: Vec<String>,
    /// What points came to, and how many.
    came_to: BTreeMap<String, u32>,
    visited: u32,
    bad: u32,
    /// After how many a later update went in.
    updated: u32,
    /// What the flash held after the start without a cut: most points come to the same, and what they leave is told as what
    /// differs from it.
    uncut: Option<SimFlash>,
}

impl<'a> Sweeping<'a, '_> {
    fn run(&mut self, context: &mut Context<'a>) -> Checked {
        let seen = self.dry_run(context)?;
        let orders = context.orders.clone();
        let strategy = orders.strategy.unwrap_or(self.step.cuts);
        let seed = orders.seed.unwrap_or(self.step.seed);
        let lists = self.lists(context, strategy, seed)?;
        let digest = self.foretold.digest();
        let is_new = |list: &CutList| {
            !orders
                .visited
                .has(&context.scenario, &digest, &list.to_string())
        };
        let (new, before): (Vec<CutList>, Vec<CutList>) = lists.into_iter().partition(is_new);
        let halving = orders.only.is_none() && strategy == Strategy::Bisect;
        let began = context.clock.now();
        let plan = SweepPlan {
            scenario: context.scenario.clone(),
            board: context.bench.name.clone(),
            method: format!("{}; {}", self.cutter.words(), context.interruption()),
            operations: counted(&self.foretold.classes()),
            digest,
            seen,
            strategy: orders
                .only
                .as_ref()
                .map_or_else(|| strategy.to_string(), ToString::to_string),
            seed,
            points: (!halving).then(|| count(new.len() + before.len())),
            visited_before: count(before.len()),
        };
        let operations: u32 = plan.operations.values().sum();
        context.see(Evidence::seen(
            "flash operations",
            in_words(&plan.operations),
        ));
        context.see(Evidence::seen("interrupted by", plan.method.as_str()));
        context.events.emit(EventKind::SweepPlanned(plan));
        if operations == 0 {
            return Err(Trouble::error(
                ErrorKind::Cut,
                "the start that is to be interrupted changes no flash, so there is no point to interrupt it at",
            )
            .with_help("request an update before the sweep, or take the step out"));
        }
        Later::must_be_there(context, self.step, &self.foretold.uncut().after)?;
        let visited = self.visit_all(context, halving, &new);
        let took = context.clock.now().saturating_since(began);
        let totals = SweepTotals {
            scenario: context.scenario.clone(),
            board: context.bench.name.clone(),
            operations,
            visited: self.visited,
            bad: self.bad,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        context.see(Evidence::seen("points", totals.to_string()));
        context.events.emit(EventKind::SweepFinished(totals));
        visited?;
        if !self.step.later_update.is_empty() {
            context.see(Evidence::seen(
                "later updates",
                format!("good after {} of {} points", self.updated, self.visited),
            ));
        }
        for (came_to, count) in &self.came_to {
            context.see(Evidence::seen(came_to.as_str(), format!("{count} times")));
        }
        let missed = self
            .came_to
            .get(SweepPoint::MISSED)
            .copied()
            .unwrap_or_default();
        if context.bench.has_power_switch() {
            let hit = self.visited - missed;
            context.see(Evidence::seen(Evidence::CUT_POINTS, hit.to_string()));
        }
        if self.visited > 0 && missed == self.visited {
            return Err(Trouble::error(
                ErrorKind::Cut,
                format_args!(
                    "none of {missed} points was hit: the start was over before each of them"
                ),
            )
            .with_help(
                "a larger image makes the start longer; without `--by-time` points are hit exactly",
            ));
        }
        Ok(())
    }

    fn visit_all(
        &mut self,
        context: &mut Context<'a>,
        halving: bool,
        lists: &[CutList],
    ) -> Checked {
        if halving {
            self.halve(context)?;
        }
        lists
            .iter()
            .try_for_each(|list| self.visit_and_tell(context, list).map(drop))
    }

    /// One start without a cut. Whether the board was seen to do what the model foretells.
    fn dry_run(&mut self, context: &mut Context<'a>) -> Checked<bool> {
        self.cutter.dry_run(context, &self.foretold, self.step)?;
        let expected = self.foretold.uncut();
        if self.foretold.is_of_a_request() {
            request::make(context, self.step)?;
            // What runs is what ran before the request.
            let allowed = std::mem::take(&mut self.boots);
            let looked = self.look(context, None, &expected);
            self.boots = allowed;
            looked
        } else {
            self.look(context, None, &expected)
        }
        .map_err(|trouble| told("without a cut", trouble))?;
        self.cutter.after_dry_run(context, &self.foretold)
    }

    /// The points to be visited by this job.
    fn lists(
        &mut self,
        context: &Context<'_>,
        strategy: Strategy,
        seed: u64,
    ) -> Checked<Vec<CutList>> {
        if let Some(only) = &context.orders.only {
            self.foretold.check(only)?;
            return Ok(vec![only.clone()]);
        }
        let classes = self.foretold.classes();
        let indices = match strategy {
            Strategy::Every => (0..classes.len()).collect(),
            Strategy::Sample(count) => choose::sample(&classes, count.get(), seed),
            Strategy::Bisect => Vec::new(),
        };
        let mut lists: Vec<CutList> = indices
            .into_iter()
            .filter_map(|index| self.foretold.point(index))
            .map(CutList::from)
            .collect();
        let mut draw = Draw::new(seed);
        let rows = self.step.bursts.map_or(0, |bursts| bursts.rows.get());
        let in_a_row = self.step.bursts.map_or(0, |bursts| bursts.cuts.get());
        let lengths = std::iter::repeat_n(2, self.step.in_recovery as usize)
            .chain(std::iter::repeat_n(in_a_row, rows as usize));
        for length in lengths {
            lists.extend(self.row(&mut draw, length, classes.len())?);
        }
        Ok(match context.orders.share {
            None => lists,
            Some(share) => {
                let all = lists.into_iter().enumerate();
                all.filter(|(index, _)| share.has(*index))
                    .map(|(_, list)| list)
                    .collect()
            }
        })
    }

    /// So many cuts, each drawn from the start after the one before; fewer where a start does nothing to flash.
    fn row(&mut self, draw: &mut Draw, length: u32, operations: usize) -> Checked<Option<CutList>> {
        let first = draw
            .below(operations)
            .and_then(|index| self.foretold.point(index));
        let Some(mut list) = first.map(CutList::from) else {
            return Ok(None);
        };
        for _ in 1..length {
            match self.foretold.and_one_more(&list, draw)? {
                Some(longer) => list = longer,
                None => break,
            }
        }
        Ok(Some(list))
    }

    fn halve(&mut self, context: &mut Context<'a>) -> Checked {
        let count = self.foretold.classes().len();
        choose::bisect(count, |index| {
            let point = self.foretold.point(index);
            let point =
                point.ok_or_else(|| Trouble::error(ErrorKind::Harness, "no such operation"))?;
            self.visit_and_tell(context, &CutList::from(point))
        })
    }

    /// Visits a point, tells what came of it, and makes a failure as short as it can be. What it came to, in words.
    fn visit_and_tell(&mut self, context: &mut Context<'a>, list: &CutList) -> Checked<String> {
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
        context.events.emit(EventKind::SweepPoint(SweepPoint {
            scenario: context.scenario.clone(),
            board: context.bench.name.clone(),
            cut: list.to_string(),
            came_to: came_to.clone(),
            problem,
            took_ms: u64::try_from(context.clock.now().saturating_since(began).as_millis())
                .unwrap_or(u64::MAX),
        }));
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
    fn least(
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
    fn visit(&mut self, context: &mut Context<'a>, list: &CutList) -> Checked<String> {
        self.put_back(context)?;
        let last = list.points().len() - 1;
        let mut expected = None;
        // Where it is not known what was hit, nobody can say which image must run; the model says what the flash must hold.
        let mut anything = false;
        let done = self.foretold.done_before(list)?;
        for (number, (point, done)) in list.points().iter().zip(&done).enumerate() {
            self.cutter.stop_at(context, point, done, self.step)?;
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
                    self.held = self.start.read(context)?;
                    context.checked(Check::SweepStopped {
                        cut: list.to_string(),
                        number: u32::try_from(number).unwrap_or(u32::MAX),
                        found: self.start.shots(context, &self.start.flash, &self.held),
                    });
                    if self.foretold.is_end(&self.held) {
                        return Ok(SweepPoint::MISSED.to_owned());
                    }
                    if number == 0 && !self.locate(context, point)? {
                        anything = true;
                    }
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
            return self.update_later(context, came_to);
        }
        let came_to = self.look(context, Some(list), &expected)?;
        self.update_later(context, came_to)
    }

    /// Where the step wants it, brings a later update in, which must be good.
    fn update_later(&mut self, context: &mut Context<'a>, came_to: String) -> Checked<String> {
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
            let release = later.check(context, &self.held)?;
            Ok(format!("{}{release}", updated_after(&came_to)))
        });
        let came_to = updated.map_err(|trouble| told(&update_failed_after(&came_to), trouble))?;
        self.updated += 1;
        Ok(came_to)
    }

    /// Where the clock stopped the board, which is told. Whether it was in the start that is swept.
    fn locate(
        &mut self,
        context: &mut Context<'_>,
        point: &hil_scenario::CutPoint,
    ) -> Checked<bool> {
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
    fn look(
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
    fn put_back(&mut self, context: &mut Context<'_>) -> Checked {
        let wanted = self.start.flash.clone();
        self.make_it(context, &wanted)
    }

    fn make_it(&mut self, context: &mut Context<'_>, wanted: &SimFlash) -> Checked {
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

/// What a point comes to that was good, and after which a later update went in; the release follows.
pub(crate) fn updated_after(came_to: &str) -> String {
    format!("{came_to}; then updated to ")
}

/// What a point comes to that was good, and after which no later update went in; what went wrong follows.
pub(crate) fn update_failed_after(came_to: &str) -> String {
    format!("{came_to}; a later update")
}

/// The same trouble, and where it was met.
fn told(place: &str, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Fail(kind, sentence) => Trouble::Fail(kind, format!("{place}: {sentence}")),
        Trouble::Error(kind, sentence, help) => {
            Trouble::Error(kind, format!("{place}: {sentence}"), help)
        }
        Trouble::Lost(sentence) => Trouble::Lost(format!("{place}: {sentence}")),
        Trouble::NotPossible(reason) => Trouble::NotPossible(reason),
        Trouble::Cancelled => Trouble::Cancelled,
    }
}

fn counted(classes: &[Class]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for class in classes {
        *counts.entry(class.to_string()).or_default() += 1;
    }
    counts
}

fn in_words(operations: &BTreeMap<String, u32>) -> String {
    let parts: Vec<_> = operations
        .iter()
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    parts.join(", ")
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
