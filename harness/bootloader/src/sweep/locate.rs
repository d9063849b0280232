//! Where a boot was when its power failed, from the flash that is left: what a harness that stops boards by the clock has to find out.

use super::Sweep;
use crate::flash::DeviceId;
use crate::sim::{Cut, SimFlash};

impl Sweep<'_> {
    /// The operations in or before which this boot may have been cut when it left `found`, by their numbers: those where
    /// everything is as the model has it, but for the bits that the operation was about to change, of which some may have
    /// changed. Several, where neighbours differ in nothing else; none, when no cut of this boot leaves such a flash.
    #[must_use]
    pub fn may_have_left(&self, found: &SimFlash) -> Vec<u32> {
        (0..)
            .zip(&self.operations)
            .filter(|(_, operation)| operation.device != DeviceId::RamFlash)
            .filter(|(number, operation)| {
                let at = |torn| self.at_cut(Cut { ops: *number, torn });
                let (Some(mut before), Some(after)) = (at(0), at(operation.length)) else {
                    return false;
                };
                let (device, offset) = (operation.device, operation.offset);
                let bytes = |flash: &SimFlash| {
                    flash.bytes_at(device, offset as usize, operation.length as usize)
                };
                let found_bytes = bytes(found);
                if !between(&bytes(&before), &bytes(&after), &found_bytes) {
                    return false;
                }
                before.edit(device, offset, &found_bytes);
                same_on_board(&before, found)
            })
            .map(|(number, _)| number)
            .collect()
    }

    /// Whether `found` is what this boot leaves when nobody cuts it.
    #[must_use]
    pub fn is_over(&self, found: &SimFlash) -> bool {
        same_on_board(&self.end, found)
    }
}

/// Whether the memories of a board hold the same; what is simulated in RAM is none.
fn same_on_board(one: &SimFlash, other: &SimFlash) -> bool {
    let without = |flash: &SimFlash| flash.clone().without_device(DeviceId::RamFlash);
    without(one).holds_same(&without(other))
}

/// Whether bytes are on their way from what was there to what comes: no bit is changed that the two have in common.
fn between(before: &[u8], after: &[u8], found: &[u8]) -> bool {
    before
        .iter()
        .zip(after)
        .zip(found)
        .all(|((before, after), found)| (before ^ found) & !(before ^ after) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::not_begun(0xF0, 0xFF, 0xF0, true)]
    #[case::done(0xF0, 0xFF, 0xFF, true)]
    #[case::half_erased(0xF0, 0xFF, 0xF5, true)]
    #[case::half_written(0xFF, 0x0F, 0x3F, true)]
    #[case::a_bit_that_nobody_changes(0xFF, 0x0F, 0x0E, false)]
    #[case::what_is_written_after_it(0xF0, 0xFF, 0x0F, false)]
    fn an_operation_that_was_interrupted_leaves_bits_on_their_way(
        #[case] before: u8,
        #[case] after: u8,
        #[case] found: u8,
        #[case] may_be: bool,
    ) {
        assert_eq!(between(&[before], &[after], &[found]), may_be);
    }
}
