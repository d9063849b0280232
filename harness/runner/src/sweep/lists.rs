//! Which points a sweep visits: by its strategy, with second cuts and bursts behind them, and a part of them where a sweep is
//! split.

use super::choose::{self, Draw};
use super::cutter::Aim;
use super::{Sweeping, frames};
use crate::context::Context;
use crate::night::{self, Slice};
use crate::trouble::Checked;
use hil_scenario::{CutList, Edge, Strategy};

impl Sweeping<'_, '_> {
    /// The points to be visited by this job.
    pub(super) fn lists(
        &mut self,
        context: &Context<'_>,
        strategy: Strategy,
        seed: u64,
    ) -> Checked<Vec<CutList>> {
        if let Some(only) = &context.orders.only {
            match frames::chunk(only) {
                Some(point) => drop(frames::ends(&point, &self.ends)?),
                None => self.foretold.check(only)?,
            }
            return Ok(vec![only.clone()]);
        }
        if let Some(slice) = context.orders.night.as_ref().and_then(|night| night.slice) {
            return Ok(self.slice(context, slice));
        }
        let classes = self.foretold.classes();
        let indices = match strategy {
            Strategy::Every => (0..classes.len()).collect(),
            Strategy::Sample(count) => choose::sample(&classes, count.get(), seed),
            Strategy::Frames(count) => frames::spread(self.ends.len(), count.get() as usize),
            Strategy::Bisect => Vec::new(),
        };
        let mut lists = self.points(indices);
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

    /// All points of the sweep that stand alone.
    pub(super) fn all(&self) -> Vec<CutList> {
        let count = match self.step.counts_frames() {
            true => self.ends.len(),
            false => self.foretold.classes().len(),
        };
        self.points((0..count).collect())
    }

    /// The points at these operations, or chunks.
    fn points(&self, indices: Vec<usize>) -> Vec<CutList> {
        let point = |index, edge| match self.step.counts_frames() {
            true => frames::point(index, edge),
            false => self.foretold.point(index, edge),
        };
        let edges = self.edges();
        indices
            .into_iter()
            .flat_map(|index| edges.iter().map(move |edge| (index, *edge)))
            .filter_map(|(index, edge)| point(index, edge))
            .map(CutList::from)
            .collect()
    }

    /// The points that a night has chosen.
    fn slice(&self, context: &Context<'_>, slice: Slice) -> Vec<CutList> {
        let mut all = self.all();
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        let Some(night) = &context.orders.night else {
            return Vec::new();
        };
        let chosen =
            night
                .ledger
                .lock()
                .choose(&night::key(context), slice, &context.bench.name, &names);
        // In the order in which they were chosen.
        let mut left: Vec<Option<CutList>> = all.drain(..).map(Some).collect();
        chosen
            .into_iter()
            .filter_map(|index| left.get_mut(index).and_then(Option::take))
            .collect()
    }

    /// So many cuts, each drawn from the start after the one before; fewer where a start does nothing to flash.
    pub(super) fn row(
        &mut self,
        draw: &mut Draw,
        length: u32,
        operations: usize,
    ) -> Checked<Option<CutList>> {
        let edges = self.edges();
        let first = draw
            .below(operations)
            .and_then(|index| self.foretold.point(index, draw.edge(&edges)));
        let Some(mut list) = first.map(CutList::from) else {
            return Ok(None);
        };
        for _ in 1..length {
            match self.foretold.and_one_more(&list, draw, &edges)? {
                Some(longer) => list = longer,
                None => break,
            }
        }
        Ok(Some(list))
    }

    /// On which sides of an operation it is interrupted. The clock hits near a point, on whichever side of it.
    pub(super) fn edges(&self) -> Vec<Edge> {
        match (self.cutter.aim(), self.step.counts_frames()) {
            (Aim::Near, false) => vec![Edge::Before],
            (Aim::Near, true) | (Aim::Exact, _) => self.step.at.clone(),
        }
    }
}
