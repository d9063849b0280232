//! One boot with the power cut at every flash operation, and the clean boot after each cut.
//!
//! The boot that is to be cut runs once; the flash before each of its operations is kept, which costs little as copies
//! share their pages. Each cut is then one boot from such a moment, by an [`Explorer`]; several can explore one [`Sweep`]
//! on as many threads.

mod campaign;
mod locate;

pub use campaign::{Campaign, Followed, Interruption, TornBytes, minimise};

use crate::config::{Config, Keys};
use crate::flash::DeviceId;
use crate::predict::{Action, Board, PredictError, Step};
use crate::sim::{Cut, Operation, SimFlash};

/// A boot that is to be cut, and its every moment.
#[derive(Debug)]
pub struct Sweep<'a> {
    config: &'a Config,
    keys: Keys,
    operations: Vec<Operation>,
    /// The flash before each operation.
    moments: Vec<SimFlash>,
    clean: Step,
    end: SimFlash,
}

/// What a cut leads to.
#[derive(Debug)]
pub struct CutPoint {
    /// Where the power failed.
    pub cut: Cut,
    /// The flash that was left.
    pub at_cut: SimFlash,
    /// The boot after it, with power.
    pub step: Step,
    /// The flash after that boot.
    pub after: SimFlash,
    /// Whether it is the flash that the boot leaves when nobody cuts it.
    pub same_end: bool,
}

impl<'a> Sweep<'a> {
    /// Boots once from `flash` without a cut.
    ///
    /// # Errors
    /// The model cannot boot from this flash.
    pub fn plan(config: &'a Config, keys: Keys, flash: &SimFlash) -> Result<Self, PredictError> {
        let mut flash = flash.clone();
        flash.start_trace();
        flash.keep_moments();
        let mut board = Board::new(config, keys.clone(), SimFlash::new());
        board.load(flash);
        let clean = board.apply(&Action::Reset)?;
        let mut end = board.take_flash();
        let operations = end.take_trace();
        // What was simulated in RAM is lost with the power.
        let moments = end.take_moments().into_iter();
        let moments = moments
            .map(|flash| flash.without_device(DeviceId::RamFlash))
            .collect();
        Ok(Self {
            config,
            keys,
            operations,
            moments,
            clean,
            end,
        })
    }

    /// Boots once from `flash` without a cut, and has the application that runs then do something, which is what is to be
    /// cut.
    ///
    /// # Errors
    /// The model cannot boot from this flash, or the application cannot do that.
    pub fn plan_request(
        config: &'a Config,
        keys: Keys,
        flash: &SimFlash,
        request: &Action,
    ) -> Result<Self, PredictError> {
        let mut board = Board::new(config, keys.clone(), SimFlash::new());
        board.load(flash.clone());
        board.apply(&Action::Reset)?;
        let mut booted = board.take_flash().without_device(DeviceId::RamFlash);
        booted.start_trace();
        booted.keep_moments();
        board.load(booted);
        let clean = board.apply(request)?;
        let mut end = board.take_flash();
        let operations = end.take_trace();
        let moments = end.take_moments();
        Ok(Self {
            config,
            keys,
            operations,
            moments,
            clean,
            end,
        })
    }

    /// The operations of the boot, in order: operation `n` is the one that [`Cut::ops`] `n` prevents.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The boot that nobody cut.
    #[must_use]
    pub fn clean(&self) -> &Step {
        &self.clean
    }

    /// The flash after the boot that nobody cut.
    #[must_use]
    pub fn end(&self) -> &SimFlash {
        &self.end
    }

    /// The flash that a cut leaves; `None` when the boot is over before it.
    #[must_use]
    pub fn at_cut(&self, cut: Cut) -> Option<SimFlash> {
        let number = cut.ops as usize;
        let (operation, before) = (self.operations.get(number)?, self.moments.get(number)?);
        let mut flash = before.clone();
        if cut.torn > 0 {
            // Writing and erasing change each byte by itself, so the bytes that were done are those of the next moment.
            let next = self.moments.get(number + 1).unwrap_or(&self.end);
            let done = cut.torn.min(operation.length) as usize;
            let bytes = next.bytes_at(operation.device, operation.offset as usize, done);
            flash.edit(operation.device, operation.offset, &bytes);
        }
        Some(flash)
    }

    /// One that visits cuts, with a board of its own.
    #[must_use]
    pub fn explorer(&self) -> Explorer<'_> {
        Explorer {
            sweep: self,
            board: Board::new(self.config, self.keys.clone(), SimFlash::new()),
        }
    }
}

/// Visits the cuts of a sweep, one after the other.
#[derive(Debug)]
pub struct Explorer<'a> {
    sweep: &'a Sweep<'a>,
    board: Board<'a>,
}

impl Explorer<'_> {
    /// Boots from what this cut leaves; `None` when the boot is over before it.
    ///
    /// # Errors
    /// The model cannot boot from that flash.
    pub fn visit(&mut self, cut: Cut) -> Result<Option<CutPoint>, PredictError> {
        let Some(at_cut) = self.sweep.at_cut(cut) else {
            return Ok(None);
        };
        self.board.load(at_cut.clone());
        let step = self.board.apply(&Action::Reset)?;
        let after = self.board.take_flash();
        Ok(Some(CutPoint {
            cut,
            at_cut,
            step,
            same_end: after.holds_same(self.sweep.end()),
            after,
        }))
    }
}
