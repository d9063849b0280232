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
pub(crate) mod frames;
pub(crate) mod later;
mod lists;
mod orders;
mod points;
pub(crate) mod recovery;
mod request;
mod sequence;
pub(crate) mod start;
mod torn;
mod trap;
mod visit;

pub use orders::{Share, SweepOrders, Visited};
pub(crate) use visit::{hit_later, then_not_updated, then_updated};

use crate::context::Context;
use crate::night;
use crate::trouble::{Checked, Trouble};
use cutter::Cutter;
use foretold::Foretold;
use hil_bootloader::SimFlash;
use hil_record::{ErrorKind, EventKind, Evidence, SweepPlan, SweepPoint, SweepTotals};
use hil_scenario::{Class, CutList, Edge, Strategy, Sweep};
use later::Later;
use start::Start;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// Carries the step out.
pub(crate) fn run(context: &mut Context<'_>, step: &Sweep) -> Checked {
    let mut step = ordered(step, &context.orders);
    if step.counts_frames() && !context.bench.has_power_switch() {
        // Such a point is refused when it is asked for by its name.
        step.at.retain(|edge| *edge != Edge::Torn);
    }
    let step = &step;
    let mut start = Start::take(context)?;
    let history = context.stopped();
    let foretold = Foretold::new(context.firmware, &start.flash, step.during.as_ref())?;
    if !foretold.touches_network() {
        start.without_network();
    }
    let cutter: Box<dyn Cutter> = if step.counts_frames() {
        frames::are_there(step, context.orders.only.as_ref())?;
        Box::new(frames::ByFrame)
    } else {
        cutter::choose(context, step.during.is_some())?
    };
    let mut sweeping = Sweeping {
        held: start.flash.clone(),
        start,
        foretold,
        cutter,
        step,
        boots: step.boots.clone(),
        ends: Vec::new(),
        came_to: BTreeMap::new(),
        visited: 0,
        uncut: None,
        updated_to: None,
        bad: 0,
        updated: 0,
    };
    sweeping.run(context)?;
    // At last as if nothing had been tried: the flash that the steps before left, and one start. What was done to the board
    // meanwhile is no part of what its flash is predicted from.
    sweeping.put_back(context)?;
    context.forget_since(history);
    context.let_go()
}

/// The sweep as the command line has it: its points, or one that is to be visited again.
fn ordered(step: &Sweep, orders: &SweepOrders) -> Sweep {
    let mut step = step.clone();
    if let Some(strategy) = orders.strategy {
        step.cuts = strategy;
    }
    match &orders.only {
        Some(only) if frames::chunk(only).is_some() => {
            step.cuts = Strategy::Frames(NonZeroU32::MIN);
        }
        Some(_) if step.counts_frames() => step.cuts = Strategy::Every,
        Some(_) | None => {}
    }
    step
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
    /// Where the chunks of an upload end, in bytes of the image.
    ends: Vec<u64>,
    /// What points came to, and how many.
    came_to: BTreeMap<String, u32>,
    visited: u32,
    /// What the flash held after the start without a cut: most points come to the same, and what they leave is told as what
    /// differs from it.
    uncut: Option<SimFlash>,
    /// What the flash held after the first later update; what comes of the others is told as what differs from it.
    updated_to: Option<SimFlash>,
    bad: u32,
    /// After how many a later update went in.
    updated: u32,
}

impl<'a> Sweeping<'a, '_> {
    fn run(&mut self, context: &mut Context<'a>) -> Checked {
        let seen = self.dry_run(context)?;
        let orders = context.orders.clone();
        let strategy = self.step.cuts;
        let seed = orders.seed.unwrap_or(self.step.seed);
        let digest = self.foretold.digest();
        let all = self.all();
        night::planned(context, &digest, &all);
        let lists = self.lists(context, strategy, seed)?;
        let is_new = |list: &CutList| {
            !orders
                .visited
                .has(&context.scenario, &digest, &list.to_string())
        };
        let (new, before): (Vec<CutList>, Vec<CutList>) = lists.into_iter().partition(is_new);
        let slice = orders.night.as_ref().and_then(|night| night.slice);
        let halving = orders.only.is_none() && slice.is_none() && strategy == Strategy::Bisect;
        let began = context.clock.now();
        let plan = SweepPlan {
            scenario: context.scenario.clone(),
            board: context.bench.name.clone(),
            method: format!("{}; {}", self.cutter.words(), context.interruption()),
            operations: counted(&self.foretold.classes()),
            digest,
            seen,
            strategy: match (&orders.only, slice) {
                (Some(only), _) => only.to_string(),
                (None, Some(slice)) => format!("least-tested:{}", slice.count),
                (None, None) => strategy.to_string(),
            },
            seed,
            points: (!halving).then(|| count(new.len() + before.len())),
            all: Some(count(all.len())),
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
        if self.step.counts_frames() {
            context.see(Evidence::seen("chunks", self.ends.len().to_string()));
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
        self.check_order(context)?;
        self.cutter.dry_run(context, &self.foretold, self.step)?;
        let expected = self.foretold.uncut();
        if let Some(asked) = &self.step.during {
            self.ends = request::make(context, self.step, asked)?;
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

    fn halve(&mut self, context: &mut Context<'a>) -> Checked {
        let count = self.foretold.classes().len();
        choose::bisect(count, |index| {
            let edge = self.edges().first().copied().unwrap_or(Edge::Before);
            let point = self.foretold.point(index, edge);
            let point =
                point.ok_or_else(|| Trouble::error(ErrorKind::Harness, "no such operation"))?;
            self.visit_and_tell(context, &CutList::from(point))
        })
    }
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
