//! Which points a sweep visits: by its strategy, with second cuts and bursts behind them, and a part of them where a sweep is
//! split.

use super::choose::{self, Draw};
use super::cutter::Aim;
use super::{Sweeping, frames};
use crate::context::Context;
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
        let classes = self.foretold.classes();
        let indices = match strategy {
            Strategy::Every => (0..classes.len()).collect(),
            Strategy::Sample(count) => choose::sample(&classes, count.get(), seed),
            Strategy::Frames(count) => frames::spread(self.ends.len(), count.get() as usize),
            Strategy::Bisect => Vec::new(),
        };
        let point = |index, edge| match strategy {
            Strategy::Frames(_) => frames::point(index, edge),
            Strategy::Every | Strategy::Sample(_) | Strategy::Bisect => {
                self.foretold.point(index, edge)
            }
        };
        let edges = self.edges();
        let mut lists: Vec<CutList> = indices
            .into_iter()
            .flat_map(|index| edges.iter().map(move |edge| (index, *edge)))
            .filter_map(|(index, edge)| point(index, edge))
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
