//! Whether a server erases and writes in the order in which the model has it.

use super::Sweeping;
use super::cutter::Aim;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::ErrorKind;
use hil_scenario::{Asked, Edge};

impl<'a> Sweeping<'a, '_> {
    /// An upload ends in the same flash in whatever order its server erases and writes. So the board is stopped once where the model
    /// has all erasures done and nothing written.
    pub(super) fn check_order(&mut self, context: &mut Context<'a>) -> Checked {
        if !matches!(self.step.during, Some(Asked::Upload(_))) {
            return Ok(());
        }
        let Some((erasures, erased)) = self.foretold.behind_erasures() else {
            return Ok(());
        };
        if self.cutter.aim() == Aim::Near {
            // Nothing is said of an operation.
            return Ok(());
        }
        let Some(point) = self.foretold.point(erasures.len(), Edge::Before) else {
            return Ok(());
        };
        self.cutter.stop_at(context, &point, &erasures, self.step)?;
        self.held = self.start.read(context)?;
        if let Some(first) = self.start.first_difference(&self.held, &erased) {
            return Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!(
                    "plan drift: when the server had erased the last sector of the upload, {} bytes were not as the model has \
                     them, the first at {:#010x}, so that the names of points would not say what they mean",
                    first.count, first.address
                ),
            )
            .with_help(
                "a server that erases as it goes on (`CONFIG_IMG_ERASE_PROGRESSIVELY`) is not modelled in its order; \
                 `cuts: { frames: 3 }` interrupts its uploads all the same",
            ));
        }
        self.put_back(context)
    }
}
