//! What the model of the bootloaders foretells: which flash operations the start takes, and what a cut at one of them leads to.

use super::choose::Draw;
use super::points::{Numbered, cut_at, on_board, point_at};
use super::request;
use super::torn::{Middle, Torn};
use crate::firmware::Firmware;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::predict::{Action, Board, PredictError, Step};
use hil_bootloader::sweep::{Campaign, Followed, Interruption, Sweep as BootSweep};
use hil_bootloader::{Config, Cut, DeviceId, Keys, Operation, OperationKind, SimFlash};
use hil_record::ErrorKind;
use hil_scenario::{Asked, Class, CutList, CutPoint, Edge, Phase};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;

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

/// A point of a list, in the start that it is in.
#[derive(Clone)]
struct Stop {
    interruption: Interruption,
    torn: Option<Torn>,
    /// What that start does to flash.
    operations: Numbered,
}

/// How a board comes to a point.
pub(super) struct Way {
    /// What it does before: whole operations, and the last of them as far as it is done.
    pub(super) done: Vec<Operation>,
    /// What its flash is given when it stands there.
    pub(super) torn: Option<Torn>,
}

/// The flash after an interruption and the start that follows it.
pub(crate) struct Outcome {
    pub(crate) step: Step,
    pub(crate) after: SimFlash,
    /// Whether that is what comes of a start without a cut.
    pub(crate) same_end: bool,
}

impl<'a> Foretold<'a> {
    /// `asked` is what an application is asked for after the start, when that is what is interrupted.
    pub(crate) fn new(
        firmware: &'a Firmware,
        flash: &SimFlash,
        asked: Option<&Asked>,
    ) -> Checked<Self> {
        let config = &firmware.set().bootloader;
        if config.images.is_empty() {
            return Err(Trouble::NotPossible(
                "the bootloader's slots are not known, so nobody can say what a cut leads to"
                    .to_owned(),
            ));
        }
        let keys = firmware.bootloader_keys()?;
        let (phase, planned) = match asked {
            None => (Phase::Boot, Campaign::plan(config, keys.clone(), flash)),
            Some(asked) => {
                let booted = start(config, &keys, flash)?.1;
                let action = request::action(firmware, asked, &booted)?;
                let planned = Campaign::plan_request(config, keys.clone(), flash, &action);
                (asked.phase(), planned)
            }
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
        self.phase != Phase::Boot
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

    /// The point at the operation with this index. `None` inside one in front of which its core does not stand.
    pub(super) fn point(&self, index: usize, edge: Edge) -> Option<CutPoint> {
        point_at(self.phase, index, edge, &self.operations)
    }

    /// The erasures that come before the first write, and the flash behind them; `None` where there are none.
    pub(super) fn behind_erasures(&self) -> Option<(Vec<Operation>, SimFlash)> {
        let write = |operation: &Operation| operation.kind == OperationKind::Write;
        let at = self.operations().position(write).filter(|at| *at > 0)?;
        let (number, _) = *self.operations.get(at)?;
        let left = self.campaign.first().at_cut(Cut {
            ops: number,
            torn: 0,
        })?;
        Some((self.operations().take(at).copied().collect(), left))
    }

    /// Points in the start that follows these: one more, drawn from it. `None` when that start does nothing to flash.
    pub(super) fn and_one_more(
        &mut self,
        list: &CutList,
        draw: &mut Draw,
        edges: &[Edge],
    ) -> Checked<Option<CutList>> {
        let Some(followed) = self.follow_exactly(list)? else {
            return Ok(None);
        };
        let recovery = on_board(&followed.recovery);
        let Some(index) = draw.below(recovery.len()) else {
            return Ok(None);
        };
        let Some(point) = point_at(Phase::Boot, index, draw.edge(edges), &recovery) else {
            return Ok(None);
        };
        let points = list.points().iter().copied().chain([point]).collect();
        Ok(CutList::new(points))
    }

    /// Whether the names say operations that there are; trouble that says which is none.
    pub(super) fn check(&mut self, list: &CutList) -> Checked {
        self.stops(list).map(drop)
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
        let (step, after) = start(self.config, &self.keys, flash)?;
        Ok(Outcome {
            step,
            same_end: after.holds_same(self.campaign.first().end()),
            after,
        })
    }

    /// The points of the first start that may have left this flash; see [`BootSweep::may_have_left`].
    pub(crate) fn locate(&self, found: &SimFlash) -> Vec<CutPoint> {
        let may_have = self.campaign.first().may_have_left(found);
        let operations = self.operations.iter().enumerate();
        operations
            .filter(|(_, (number, _))| may_have.contains(number))
            .filter_map(|(index, _)| self.point(index, Edge::Before))
            .collect()
    }

    /// Whether flash is as it is after the start without a cut.
    pub(crate) fn is_end(&self, found: &SimFlash) -> bool {
        self.campaign.first().is_over(found)
    }

    /// Whether a start from `before` may have been interrupted when it left `found`. Where it was over, the one after it may have begun.
    pub(crate) fn was_under_way(&self, before: &SimFlash, found: &SimFlash) -> Checked<bool> {
        let recovery = BootSweep::plan(self.config, self.keys.clone(), before)
            .map_err(|error| not_modelled(&error))?;
        if recovery.is_over(found) {
            // A start that does nothing to flash is not seen to end.
            return Ok(on_board(recovery.operations()).is_empty());
        }
        Ok(!recovery.may_have_left(found).is_empty())
    }

    fn follow_exactly(&mut self, list: &CutList) -> Checked<Option<Followed>> {
        let interruptions = interruptions(&self.stops(list)?);
        self.campaign
            .follow(&interruptions)
            .map_err(|error| not_modelled(&error))
    }

    /// For each point of a list, how the board comes to it in its start.
    pub(super) fn ways(&mut self, list: &CutList) -> Checked<Vec<Way>> {
        let stops = self.stops(list)?;
        let ways = stops.into_iter().map(|stop| {
            let cut = stop.interruption.cut;
            let done = stop
                .operations
                .into_iter()
                .filter_map(|(number, operation)| match number.cmp(&cut.ops) {
                    Ordering::Less => Some(operation),
                    Ordering::Equal if cut.torn > 0 => Some(Operation {
                        length: cut.torn,
                        ..operation
                    }),
                    Ordering::Equal | Ordering::Greater => None,
                })
                .collect();
            Way {
                done,
                torn: stop.torn,
            }
        });
        Ok(ways.collect())
    }

    /// The points of a list as the model counts them, each with the operations of the start that it is in.
    fn stops(&mut self, list: &CutList) -> Checked<Vec<Stop>> {
        let mut stops: Vec<Stop> = Vec::new();
        let mut operations = self.operations.clone();
        for (number, point) in list.points().iter().enumerate() {
            let before = interruptions(&stops);
            if number > 0 {
                let followed = self
                    .campaign
                    .follow(&before)
                    .map_err(|error| not_modelled(&error))?;
                operations =
                    followed.map_or_else(Vec::new, |followed| on_board(&followed.recovery));
            }
            let phase = if number == 0 { self.phase } else { Phase::Boot };
            let (cut, operation) = cut_at(point, phase, &operations)?;
            let torn = match point.edge {
                Edge::Torn => Some(self.torn(point, &before, cut, &operation)?),
                Edge::Before | Edge::Inside(_) | Edge::After => None,
            };
            stops.push(Stop {
                interruption: Interruption {
                    cut,
                    torn: torn.as_ref().map(|torn| torn.left.clone()),
                },
                torn,
                operations: operations.clone(),
            });
        }
        Ok(stops)
    }

    /// What flash is given in the middle of an operation, of which a cut after these would leave the first half done.
    fn torn(
        &mut self,
        point: &CutPoint,
        before: &[Interruption],
        cut: Cut,
        operation: &Operation,
    ) -> Checked<Torn> {
        let Middle { done, torn } = Middle::of(operation);
        let (device, offset) = (operation.device, operation.offset + done);
        let mut bytes = |cut: Cut| -> Checked<Vec<u8>> {
            let mut cuts = before.to_vec();
            cuts.push(cut.into());
            let left = self
                .campaign
                .left(&cuts)
                .map_err(|error| not_modelled(&error))?;
            let left = left.ok_or_else(|| {
                Trouble::error(
                    ErrorKind::Harness,
                    format_args!("the model does not come to {point}"),
                )
            })?;
            Ok(left.bytes_at(device, offset as usize, torn as usize))
        };
        let here = bytes(cut)?;
        let after = bytes(Cut {
            torn: done + torn,
            ..cut
        })?;
        Ok(Torn::at(point, device, offset, &here, after))
    }
}

fn interruptions(stops: &[Stop]) -> Vec<Interruption> {
    stops.iter().map(|stop| stop.interruption.clone()).collect()
}

/// A start from this flash.
fn start(config: &Config, keys: &Keys, flash: &SimFlash) -> Checked<(Step, SimFlash)> {
    let mut board = Board::new(config, keys.clone(), SimFlash::new());
    board.load(flash.clone());
    let step = board
        .apply(&Action::Reset)
        .map_err(|error| not_modelled(&error))?;
    Ok((step, board.take_flash()))
}

fn not_modelled(error: &PredictError) -> Trouble {
    Trouble::error(
        ErrorKind::Harness,
        format_args!("the bootloader model cannot follow: {error}"),
    )
}
