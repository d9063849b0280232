//! What the model of the bootloaders foretells: which flash operations the start takes, and what a cut at one of them leads to.
//!
//! The model counts all operations, also those on flash that a bootloader only simulates in RAM; names of points count those
//! that a board does. Both numbers are kept side by side here and nowhere else.

use super::choose::Draw;
use crate::firmware::Firmware;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::predict::{Action, Board, PredictError, Step};
use hil_bootloader::sweep::{Campaign, Followed};
use hil_bootloader::{Config, Cut, DeviceId, Keys, Operation, SimFlash};
use hil_record::ErrorKind;
use hil_scenario::{Class, CutList, CutPoint, Edge, Phase};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;

/// Operations that a board does, with their numbers among all that the model does.
type Numbered = Vec<(u32, Operation)>;

/// The start, as the model has it.
pub(crate) struct Foretold<'a> {
    campaign: Campaign<'a>,
    config: &'a Config,
    keys: Keys,
    /// What is interrupted first.
    phase: Phase,
    /// Operations that the board does, with their numbers among all that the model does.
    operations: Numbered,
}

/// The flash after an interruption and the start that follows it.
pub(crate) struct Outcome {
    pub(crate) step: Step,
    pub(crate) after: SimFlash,
    /// Whether that is what comes of a start without a cut.
    pub(crate) same_end: bool,
}

impl<'a> Foretold<'a> {
    /// `request` is what an application is asked for after the start, when that is what is interrupted.
    pub(crate) fn new(
        firmware: &'a Firmware,
        flash: &SimFlash,
        request: Option<&Action>,
    ) -> Checked<Self> {
        let config = &firmware.set().bootloader;
        if config.images.is_empty() {
            return Err(Trouble::NotPossible(
                "the bootloader's slots are not known, so nobody can say what a cut leads to"
                    .to_owned(),
            ));
        }
        let keys = firmware.bootloader_keys()?;
        let (phase, planned) = match request {
            None => (Phase::Boot, Campaign::plan(config, keys.clone(), flash)),
            Some(request) => (
                Phase::Request,
                Campaign::plan_request(config, keys.clone(), flash, request),
            ),
        };
        let campaign = planned.map_err(|error| not_modelled(&error))?;
        let operations = on_board(campaign.first().operations());
        Ok(Self {
            campaign,
            config,
            keys,
            phase,
            operations,
        })
    }

    /// Whether what is interrupted is a request and not a start.
    pub(crate) fn is_of_a_request(&self) -> bool {
        self.phase == Phase::Request
    }

    /// The operations of the start, in order.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().map(|(_, operation)| operation)
    }

    /// What the operation with this index leaves in its place, where that is not there before it.
    pub(super) fn effect(&self, index: usize) -> Option<Vec<u8>> {
        let (number, operation) = self.operations.get(index)?;
        let first = self.campaign.first();
        let at = |ops| first.at_cut(Cut { ops, torn: 0 });
        let (before, after) = (at(*number)?, at(number + 1));
        let bytes = |flash: &SimFlash| {
            flash.bytes_at(
                operation.device,
                operation.offset as usize,
                operation.length as usize,
            )
        };
        let after = bytes(after.as_ref().unwrap_or_else(|| first.end()));
        (after != bytes(&before)).then_some(after)
    }

    /// Whether the network core's flash is written.
    pub(crate) fn touches_network(&self) -> bool {
        self.operations()
            .any(|operation| operation.device == DeviceId::NetFlash)
    }

    /// Their classes.
    pub(super) fn classes(&self) -> Vec<Class> {
        self.operations().map(Class::of).collect()
    }

    /// SHA-256 over the list of operations.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for operation in self.operations() {
            let place = (operation.offset, operation.length);
            hash.update(format!("{} {place:x?}\n", Class::of(operation)));
        }
        hex::encode(hash.finalize())
    }

    /// The flash after a start without a cut, and that start.
    pub(crate) fn uncut(&self) -> Outcome {
        Outcome {
            step: self.campaign.first().clean().clone(),
            after: self.campaign.first().end().clone(),
            same_end: true,
        }
    }

    /// The point before the operation with this index.
    pub(super) fn point(&self, index: usize) -> Option<CutPoint> {
        let (_, operation) = self.operations.get(index)?;
        point_before(self.phase, index, operation)
    }

    /// Points in the start that follows these: one more, drawn from it. `None` when that start does nothing to flash.
    pub(super) fn and_one_more(
        &mut self,
        list: &CutList,
        draw: &mut Draw,
    ) -> Checked<Option<CutList>> {
        let Some(followed) = self.follow_exactly(list)? else {
            return Ok(None);
        };
        let recovery = on_board(&followed.recovery);
        let Some(index) = draw.below(recovery.len()) else {
            return Ok(None);
        };
        let Some(point) = recovery
            .get(index)
            .and_then(|(_, operation)| point_before(Phase::Boot, index, operation))
        else {
            return Ok(None);
        };
        let points = list.points().iter().copied().chain([point]).collect();
        Ok(CutList::new(points))
    }

    /// Whether the names say operations that there are; trouble that says which is none.
    pub(super) fn check(&mut self, list: &CutList) -> Checked {
        self.cuts(list).map(drop)
    }

    /// What these cuts lead to.
    pub(crate) fn follow(&mut self, list: &CutList) -> Checked<Outcome> {
        let followed = self.follow_exactly(list)?;
        let followed = followed.ok_or_else(|| {
            Trouble::error(
                ErrorKind::Harness,
                format_args!("the model does not come to the last point of {list}"),
            )
        })?;
        Ok(Outcome {
            step: followed.step,
            after: followed.after,
            same_end: followed.same_end,
        })
    }

    /// The flash that the first points of a list leave, up to the one with index `last`.
    pub(super) fn left_by(&mut self, list: &CutList, last: usize) -> Checked<SimFlash> {
        let points = list.points().iter().copied().take(last + 1).collect();
        let Some(begin) = CutList::new(points) else {
            return Err(Trouble::error(ErrorKind::Harness, "a list of no cuts"));
        };
        let followed = self.follow_exactly(&begin)?;
        followed.map(|followed| followed.at_cut).ok_or_else(|| {
            Trouble::error(
                ErrorKind::Harness,
                format_args!("no flash is left by {begin}"),
            )
        })
    }

    /// What a start from this flash comes to.
    pub(crate) fn from(&self, flash: &SimFlash) -> Checked<Outcome> {
        let mut board = Board::new(self.config, self.keys.clone(), SimFlash::new());
        board.load(flash.clone());
        let step = board
            .apply(&Action::Reset)
            .map_err(|error| not_modelled(&error))?;
        let after = board.take_flash();
        Ok(Outcome {
            step,
            same_end: after.holds_same(self.campaign.first().end()),
            after,
        })
    }

    /// The points of the first start that may have left this flash: those where everything but the bytes of the operation
    /// that was interrupted is as the model has it. Several, where neighbours differ in nothing else.
    pub(crate) fn locate(&self, found: &SimFlash) -> Vec<CutPoint> {
        let first = self.campaign.first();
        let points = self.operations.iter().enumerate();
        points
            .filter(|(_, (number, operation))| {
                let at_cut = first.at_cut(Cut {
                    ops: *number,
                    torn: 0,
                });
                at_cut.is_some_and(|mut at_cut| {
                    let (device, offset) = (operation.device, operation.offset);
                    let bytes = found.bytes_at(device, offset as usize, operation.length as usize);
                    at_cut.edit(device, offset, &bytes);
                    same_devices(&at_cut, found)
                })
            })
            .filter_map(|(index, (_, operation))| point_before(self.phase, index, operation))
            .collect()
    }

    /// Whether flash is as it is after the start without a cut.
    pub(crate) fn is_end(&self, found: &SimFlash) -> bool {
        same_devices(self.campaign.first().end(), found)
    }

    fn follow_exactly(&mut self, list: &CutList) -> Checked<Option<Followed>> {
        let cuts = self.cuts(list)?;
        self.campaign
            .follow(&cuts)
            .map_err(|error| not_modelled(&error))
    }

    /// The points of a list as the model counts them.
    fn cuts(&mut self, list: &CutList) -> Checked<Vec<Cut>> {
        Ok(self.starts(list)?.into_iter().map(|(cut, _)| cut).collect())
    }

    /// For each point of a list, what the start does before it: whole operations, and the last of them as far as it is done.
    pub(super) fn done_before(&mut self, list: &CutList) -> Checked<Vec<Vec<Operation>>> {
        let starts = self.starts(list)?;
        let done = starts.into_iter().map(|(cut, operations)| {
            operations
                .into_iter()
                .filter_map(|(number, operation)| match number.cmp(&cut.ops) {
                    Ordering::Less => Some(operation),
                    Ordering::Equal if cut.torn > 0 => Some(Operation {
                        length: cut.torn,
                        ..operation
                    }),
                    Ordering::Equal | Ordering::Greater => None,
                })
                .collect()
        });
        Ok(done.collect())
    }

    /// The points of a list as the model counts them, each with the operations of the start that it is in.
    fn starts(&mut self, list: &CutList) -> Checked<Vec<(Cut, Numbered)>> {
        let mut starts = Vec::new();
        let mut cuts: Vec<Cut> = Vec::new();
        let mut operations = self.operations.clone();
        for (number, point) in list.points().iter().enumerate() {
            if number > 0 {
                let followed = self
                    .campaign
                    .follow(&cuts)
                    .map_err(|error| not_modelled(&error))?;
                operations =
                    followed.map_or_else(Vec::new, |followed| on_board(&followed.recovery));
            }
            let phase = if number == 0 { self.phase } else { Phase::Boot };
            let cut = cut_at(point, phase, &operations)?;
            cuts.push(cut);
            starts.push((cut, operations.clone()));
        }
        Ok(starts)
    }
}

/// A point as the model counts, in what does these operations.
fn cut_at(point: &CutPoint, phase: Phase, operations: &[(u32, Operation)]) -> Checked<Cut> {
    let wrong = |why: String| {
        Err(
            Trouble::error(ErrorKind::Inconclusive, format_args!("plan drift: cut {point} {why}")).with_help(
                "the name is of another firmware set, another image or another version of the model; list the points anew \
                 with a sweep",
            ),
        )
    };
    if point.phase != phase {
        let here = match phase {
            Phase::Boot => "a start",
            Phase::Upload => "an upload",
            Phase::Request => "a request",
        };
        return wrong(format!(
            "is in another phase: what is interrupted there is {here}"
        ));
    }
    let Some((number, operation)) = operations.get(point.index as usize) else {
        return wrong(format!(
            "is behind the end: there are {} operations",
            operations.len()
        ));
    };
    if Class::of(operation) != point.class {
        return wrong(format!(
            "is no {}: operation {} is {}",
            point.class,
            point.index,
            Class::of(operation)
        ));
    }
    let (ops, torn) = match point.edge {
        Edge::Before => (*number, 0),
        Edge::Inside(bytes) if bytes < operation.length => (*number, bytes),
        Edge::Inside(_) => {
            return wrong(format!(
                "is not inside: the operation has {} bytes",
                operation.length
            ));
        }
        Edge::After => (number + 1, 0),
    };
    Ok(Cut { ops, torn })
}

/// Operations on flash that a board has, with their numbers among all.
fn on_board(operations: &[Operation]) -> Numbered {
    (0..)
        .zip(operations)
        .filter(|(_, operation)| operation.device != DeviceId::RamFlash)
        .map(|(number, operation)| (number, *operation))
        .collect()
}

fn point_before(phase: Phase, index: usize, operation: &Operation) -> Option<CutPoint> {
    let index = u32::try_from(index).ok()?;
    Some(CutPoint::before(phase, index, operation))
}

/// Whether the memories of a board hold the same; what is simulated in RAM is none.
pub(super) fn same_devices(one: &SimFlash, other: &SimFlash) -> bool {
    let without = |flash: &SimFlash| flash.clone().without_device(DeviceId::RamFlash);
    without(one).holds_same(&without(other))
}

fn not_modelled(error: &PredictError) -> Trouble {
    Trouble::error(
        ErrorKind::Harness,
        format_args!("the bootloader model cannot follow: {error}"),
    )
}
