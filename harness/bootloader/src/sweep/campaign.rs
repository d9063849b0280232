//! Several cuts, each in the boot that follows the one before: what a list of them leads to, and the shortest list that
//! still does.

use super::Sweep;
use std::fmt;

use crate::config::{Config, Keys};
use crate::flash::DeviceId;
use crate::predict::{Action, Board, PredictError, Step};
use crate::sim::{Cut, Operation, SimFlash};

/// A flash from which a board boots, and is cut.
#[derive(Debug)]
pub struct Campaign<'a> {
    first: Sweep<'a>,
    board: Board<'a>,
}

/// A cut, and what it leaves half done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interruption {
    /// Where the power fails. Bytes of the operation that are done count as whole: their neighbours are untouched.
    pub cut: Cut,
    /// Bytes that are neither as before nor as the operation would leave them.
    pub torn: Option<TornBytes>,
}

impl From<Cut> for Interruption {
    fn from(cut: Cut) -> Self {
        Self { cut, torn: None }
    }
}

/// What flash is given where an operation was interrupted in the middle of a word or a page.
#[derive(Clone, Eq, PartialEq)]
pub struct TornBytes {
    /// The device.
    pub device: DeviceId,
    /// First byte, from the start of the device.
    pub offset: u32,
    /// What it holds then.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for TornBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the bytes: they may be of a content key.
        let Self {
            device,
            offset,
            bytes,
        } = self;
        write!(f, "TornBytes({offset:#010x} of {device}, {})", bytes.len())
    }
}

/// What a list of cuts leads to.
#[derive(Debug)]
pub struct Followed {
    /// The flash that the last cut left.
    pub at_cut: SimFlash,
    /// What the boot after the last cut does to flash, in order: where a further cut may be.
    pub recovery: Vec<Operation>,
    /// That boot, with power to its end.
    pub step: Step,
    /// The flash after it.
    pub after: SimFlash,
    /// Whether that is the flash which a boot leaves that nobody cuts.
    pub same_end: bool,
}

impl<'a> Campaign<'a> {
    /// Boots once from `flash` without a cut.
    ///
    /// # Errors
    /// The model cannot boot from this flash.
    pub fn plan(config: &'a Config, keys: Keys, flash: &SimFlash) -> Result<Self, PredictError> {
        Ok(Self {
            first: Sweep::plan(config, keys.clone(), flash)?,
            board: Board::new(config, keys, SimFlash::new()),
        })
    }

    /// The same for what an application does after a boot that nobody cuts.
    ///
    /// # Errors
    /// As [`Sweep::plan_request`].
    pub fn plan_request(
        config: &'a Config,
        keys: Keys,
        flash: &SimFlash,
        request: &Action,
    ) -> Result<Self, PredictError> {
        Ok(Self {
            first: Sweep::plan_request(config, keys.clone(), flash, request)?,
            board: Board::new(config, keys, SimFlash::new()),
        })
    }

    /// The boot that nobody cuts, and where it can be.
    #[must_use]
    pub fn first(&self) -> &Sweep<'a> {
        &self.first
    }

    /// Cuts the first boot at the first of `cuts`, the next boot at the next, and so on; then boots with power. `None` when
    /// one of those boots is over before its cut.
    ///
    /// # Errors
    /// The model cannot boot from what a cut leaves.
    pub fn follow(
        &mut self,
        cuts: &[impl Clone + Into<Interruption>],
    ) -> Result<Option<Followed>, PredictError> {
        let Some(at_cut) = self.left(cuts)? else {
            return Ok(None);
        };
        let mut flash = at_cut.clone();
        flash.start_trace();
        self.board.load(flash);
        let step = self.board.apply(&Action::Reset)?;
        let mut after = self.board.take_flash();
        Ok(Some(Followed {
            at_cut,
            recovery: after.take_trace(),
            step,
            same_end: after.holds_same(self.first.end()),
            after,
        }))
    }

    /// The flash that the last of these cuts leaves; `None` when one of the boots is over before its cut, or there is none.
    ///
    /// # Errors
    /// The model cannot boot from what a cut leaves.
    pub fn left(
        &mut self,
        cuts: &[impl Clone + Into<Interruption>],
    ) -> Result<Option<SimFlash>, PredictError> {
        let mut cuts = cuts.iter().cloned().map(Into::into);
        let Some(first) = cuts.next() else {
            return Ok(None);
        };
        let Some(mut at_cut) = self.first.at_cut(first.cut) else {
            return Ok(None);
        };
        tear(&mut at_cut, first.torn.as_ref());
        for Interruption { cut, torn } in cuts {
            self.board.load(at_cut);
            let step = self.board.apply(&Action::ResetAndCut(cut))?;
            if !step.cut {
                return Ok(None);
            }
            at_cut = without_ram(self.board.take_flash());
            tear(&mut at_cut, torn.as_ref());
        }
        Ok(Some(at_cut))
    }
}

fn tear(flash: &mut SimFlash, torn: Option<&TornBytes>) {
    if let Some(torn) = torn {
        flash.edit(torn.device, torn.offset, &torn.bytes);
    }
}

/// What was simulated in RAM is lost with the power.
fn without_ram(flash: SimFlash) -> SimFlash {
    flash.without_device(DeviceId::RamFlash)
}

/// The shortest list that still fails, of those that come of leaving out one cut after the other. `failing` itself is taken to
/// fail; an empty list never does, and is not tried.
///
/// # Errors
/// What `fails` says.
pub fn minimise<T: Clone, E>(
    failing: &[T],
    mut fails: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut least = failing.to_vec();
    let mut index = 0;
    while least.len() > 1 && index < least.len() {
        let mut shorter = least.clone();
        shorter.remove(index);
        if fails(&shorter)? {
            // What could not be left out before may be now.
            least = shorter;
            index = 0;
        } else {
            index += 1;
        }
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_a_failure_needs_is_what_is_left(
            others in proptest::collection::vec(0..20_u8, 0..8),
            needed in proptest::collection::vec(0..20_u8, 1..3),
            at in 0..8_usize,
        ) {
            let mut list = others;
            list.splice(at.min(list.len())..at.min(list.len()), needed.iter().copied());
            let fails = |list: &[u8]| -> Result<bool, ()> {
                Ok(needed.iter().all(|needed| list.contains(needed)))
            };
            let mut least = minimise(&list, fails).unwrap();
            least.sort_unstable();
            let mut needed = needed.clone();
            needed.sort_unstable();
            needed.dedup();
            prop_assert_eq!(least, needed);
        }
    }

    #[test]
    fn trouble_while_minimising_ends_it() {
        assert_eq!(minimise(&[1, 2], |_| Err("no board")), Err("no board"));
    }
}
