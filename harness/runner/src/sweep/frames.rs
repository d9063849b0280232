//! Points between the chunks of an upload: before one is sent, when it has been sent and its answer has not been heard, and when it has
//! been answered.
//!
//! The client is stopped there, not the board. What the board has done by then is known from its answers alone, and it writes
//! behind them (a block at a time), so where it was is seen from its flash, which must be one of those that the upload goes
//! through. Only what it has said to be complete must be there in full.

use super::Sweeping;
use super::cutter::{self, Aim, Cutter};
use super::foretold::Foretold;
use super::request::{self, Ends};
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::Operation;
use hil_record::{Check, ErrorKind, FailKind};
use hil_scenario::{Asked, Class, CutList, CutPoint, Edge, Phase, Sweep};

/// Stops the client.
#[derive(Debug)]
pub(super) struct ByFrame;

impl Cutter for ByFrame {
    fn words(&self) -> &'static str {
        "the client stopped at a chunk"
    }

    fn aim(&self) -> Aim {
        Aim::Near
    }

    fn dry_run(
        &mut self,
        context: &mut Context<'_>,
        _foretold: &Foretold<'_>,
        step: &Sweep,
    ) -> Checked {
        request::running(context, step)
    }

    fn after_dry_run(
        &mut self,
        _context: &mut Context<'_>,
        _foretold: &Foretold<'_>,
    ) -> Checked<bool> {
        Ok(true)
    }

    fn stop_at(
        &mut self,
        _context: &mut Context<'_>,
        point: &CutPoint,
        _done: &[Operation],
        _step: &Sweep,
    ) -> Checked {
        Err(Trouble::error(
            ErrorKind::Inconclusive,
            format_args!("plan drift: cut {point} is no chunk of an upload"),
        ))
    }
}

/// The chunk that a list of points is about: it stands alone.
pub(crate) fn chunk(list: &CutList) -> Option<CutPoint> {
    match list.points() {
        [point] if point.class == Class::Frame => Some(*point),
        _ => None,
    }
}

/// Whether there are chunks to be counted; trouble where nothing is uploaded.
pub(super) fn are_there(step: &Sweep, only: Option<&CutList>) -> Checked {
    if matches!(step.during, Some(Asked::Upload(_))) {
        return Ok(());
    }
    Err(Trouble::error(
        ErrorKind::Inconclusive,
        match only {
            Some(only) => {
                format!("plan drift: cut {only} is a chunk, and nothing is uploaded here")
            }
            None => "chunks are to be counted, and nothing is uploaded here".to_owned(),
        },
    )
    .with_help(
        "count flash operations, or choose a scenario whose sweep has `during: { upload: … }`",
    ))
}

/// The point at a chunk.
pub(super) fn point(index: usize, edge: Edge) -> Option<CutPoint> {
    Some(CutPoint {
        phase: Phase::Upload,
        class: Class::Frame,
        index: u32::try_from(index).ok()?,
        edge,
    })
}

/// `count` of `all` chunks, as indices in ascending order: the first, the last, and others between them.
pub(super) fn spread(all: usize, count: usize) -> Vec<usize> {
    let count = count.min(all);
    let mut chosen: Vec<usize> = match count {
        0 => Vec::new(),
        1 => vec![0],
        _ => (0..count).map(|n| n * (all - 1) / (count - 1)).collect(),
    };
    chosen.dedup();
    chosen
}

/// Where the client stops; trouble for a chunk that there is not, or a side that it does not have.
pub(super) fn ends(point: &CutPoint, ends: &[u64]) -> Checked<Ends> {
    let index = point.index as usize;
    let wrong = |why: String| {
        Trouble::error(
            ErrorKind::Inconclusive,
            format_args!("plan drift: cut {point} {why}"),
        )
        .with_help("chunks are as large as the board's buffers; list the points anew with a sweep")
    };
    let end = *ends.get(index).ok_or_else(|| {
        wrong(format!(
            "is behind the end: there are {} chunks",
            ends.len()
        ))
    })?;
    match point.edge {
        Edge::Before => {
            let before = index.checked_sub(1).and_then(|index| ends.get(index));
            Ok(Ends::Answered(before.copied().unwrap_or(0)))
        }
        Edge::Torn => Ok(Ends::Sent(end)),
        Edge::After => Ok(Ends::Answered(end)),
        Edge::Inside(_) => Err(wrong(
            "says bytes of a chunk: a client sends whole ones".to_owned(),
        )),
    }
}

impl<'a> Sweeping<'a, '_> {
    /// Sends as much as the point says, interrupts the board, and looks at what comes of it.
    pub(super) fn visit_chunk(
        &mut self,
        context: &mut Context<'a>,
        point: &CutPoint,
    ) -> Checked<String> {
        let Some(Asked::Upload(upload)) = &self.step.during else {
            return Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!("plan drift: cut {point} is a chunk, and nothing is uploaded here"),
            ));
        };
        let ends = ends(point, &self.ends)?;
        if matches!(ends, Ends::Sent(_)) && !context.bench.has_power_switch() {
            return Err(Trouble::error(
                ErrorKind::Cut,
                format_args!(
                    "{point} needs a switch for the power: after a reset, a chunk that is still on its way reaches the \
                     application that has started again"
                ),
            )
            .with_help("choose a point before or after the chunk, or add `power` to the rig file"));
        }
        self.put_back(context)?;
        request::running(context, self.step)?;
        request::send_until(context, self.step, upload, ends)?;
        cutter::interrupt(context, self.step)?;
        // It may have had power for a moment: nothing was requested, so its bootloader changes nothing.
        context.hold()?;
        self.held = self.start.read(context)?;
        let list = CutList::from(*point);
        context.checked(Check::SweepStopped {
            cut: list.to_string(),
            number: 0,
            found: self.start.shots(context, &self.start.flash, &self.held),
        });
        let all = self.ends.last().copied();
        if !self.foretold.is_end(&self.held) {
            if matches!(ends, Ends::Answered(offset) if Some(offset) == all) {
                return Err(Trouble::fail(
                    FailKind::StandingCheck,
                    "the board has answered the last chunk, and its flash does not hold the whole upload",
                ));
            }
            if !self.locate(context, point)? {
                return Err(cutter::nowhere(point));
            }
        }
        let expected = self.foretold.from(&self.held)?;
        context.let_go()?;
        let came_to = self.look(context, Some(&list), &expected)?;
        self.update_later(context, &list, came_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::some(10, 3, &[0, 4, 9])]
    #[case::both_ends(10, 2, &[0, 9])]
    #[case::one(10, 1, &[0])]
    #[case::more_than_there_are(2, 5, &[0, 1])]
    #[case::none(0, 3, &[])]
    fn chunks_are_the_first_the_last_and_some_between(
        #[case] all: usize,
        #[case] count: usize,
        #[case] expected: &[usize],
    ) {
        assert_eq!(spread(all, count), expected);
    }

    #[rstest]
    #[case::before_the_first("upload.frame.0.before", Some((0, false)))]
    #[case::before("upload.frame.2.before", Some((700, false)))]
    #[case::without_its_answer("upload.frame.2.inside", Some((1000, true)))]
    #[case::answered("upload.frame.2.after", Some((1000, false)))]
    #[case::behind_the_end("upload.frame.3.before", None)]
    #[case::bytes("upload.frame.0.inside-4", None)]
    fn a_client_stops_at_the_end_of_a_chunk(
        #[case] name: &str,
        #[case] expected: Option<(u64, bool)>,
    ) {
        let found = ends(&name.parse().unwrap(), &[300, 700, 1000]);
        let found = found.ok().map(|ends| match ends {
            Ends::Answered(offset) => (offset, false),
            Ends::Sent(offset) => (offset, true),
        });
        assert_eq!(found, expected);
    }
}
