//! The middle of an operation: which part of it is done, and what is half done there.
//!
//! What a loss of power leaves in the word that is being programmed, or the page that is being erased, the product
//! specification does not say. So one such state is drawn for each point, from its number alone (a name means one state,
//! on every machine), and given to the flash through the probe while the core stands in front of the word or page. It is
//! read back; from there on nothing is unsure, and what comes of it is foretold and compared to the last byte like that of
//! every other point. Cells that read now one way and now the other are not made this way.

use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::sweep::TornBytes;
use hil_bootloader::{DeviceId, Erases, Operation, OperationKind};
use hil_record::FailKind;
use hil_rig::{Memory, Tear};
use hil_scenario::CutPoint;

/// Words of on-chip flash, pages of both cores, and pages (writing) and sectors (erasing) of the external flash, in bytes
/// (nRF5340 product specification, NVMC; MX25R6435F data sheet).
const WORD: u32 = 4;
const PAGE: u32 = 0x1000;
const NET_PAGE: u32 = 0x800;
const EXTERNAL_PAGE: u32 = 0x100;
const SECTOR: u32 = 0x1000;

/// How many of 256 bits that change have changed: about half.
const HALF: u16 = 128;

/// Where in an operation the power fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Middle {
    /// Bytes of it that are done.
    pub(super) done: u32,
    /// Bytes behind them that are half done.
    pub(super) torn: u32,
}

impl Middle {
    /// The middle of an operation: half of its words or pages are done. A core cannot be stopped within a task of the
    /// external flash, so there it is the first page or sector of it.
    pub(super) fn of(operation: &Operation) -> Self {
        let length = operation.length;
        let unit = match (operation.device, operation.kind) {
            (DeviceId::External, OperationKind::Write) => {
                EXTERNAL_PAGE - operation.offset % EXTERNAL_PAGE
            }
            (DeviceId::External, OperationKind::Erase) => SECTOR,
            (_, OperationKind::Write) => WORD,
            (DeviceId::NetFlash, OperationKind::Erase) => NET_PAGE,
            (_, OperationKind::Erase) => PAGE,
        };
        let done = match operation.device {
            DeviceId::External => 0,
            _ => length / unit / 2 * unit,
        };
        Self {
            done,
            torn: unit.min(length - done),
        }
    }
}

/// What flash is given at a point, and how.
#[derive(Clone, Debug)]
pub(super) struct Torn {
    /// What it holds then.
    pub(super) left: TornBytes,
    /// What it would hold if the operation had been done.
    after: Vec<u8>,
    tear: Tear,
    /// Sectors that are erased for it, as bits have to rise there.
    worn: Erases,
}

impl Torn {
    /// From what is there before and behind the operation.
    pub(super) fn at(
        point: &CutPoint,
        device: DeviceId,
        offset: u32,
        before: &[u8],
        after: Vec<u8>,
    ) -> Self {
        let tear = Tear {
            seed: point.index.into(),
            progress: HALF,
        };
        let bytes = tear.between(before, &after);
        Self {
            worn: worn(device, offset, before, &bytes),
            left: TornBytes {
                device,
                offset,
                bytes,
            },
            after,
            tear,
        }
    }

    /// Gives it to the flash of a board whose core stands there.
    pub(super) fn leave(&self, context: &mut Context<'_>, point: &CutPoint) -> Checked {
        let memory = match self.left.device {
            DeviceId::AppFlash | DeviceId::RamFlash => Memory::App,
            DeviceId::NetFlash => Memory::Net,
            DeviceId::External => Memory::External,
        };
        let left = context.leave_torn(memory, self.left.offset, &self.after, self.tear)?;
        context.bench.wear.firmware_did(&self.worn);
        if left == self.left.bytes {
            return Ok(());
        }
        Err(Trouble::fail(
            FailKind::StandingCheck,
            format_args!(
                "in front of {point}, {} bytes at {:#010x} of {} are not what the model has there",
                self.after.len(),
                self.left.offset,
                self.left.device
            ),
        ))
    }
}

/// Sectors in which a bit rises from `before` to `torn`.
fn worn(device: DeviceId, offset: u32, before: &[u8], torn: &[u8]) -> Erases {
    let sector = match device {
        DeviceId::NetFlash => NET_PAGE,
        DeviceId::AppFlash | DeviceId::RamFlash => PAGE,
        DeviceId::External => SECTOR,
    };
    (offset..)
        .zip(before.iter().zip(torn))
        .filter(|(_, (before, torn))| *torn & !*before != 0)
        .map(|(at, _)| ((device, at / sector * sector), 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_word(DeviceId::AppFlash, OperationKind::Write, 0, 4, (0, 4))]
    #[case::the_second_of_two_words(DeviceId::AppFlash, OperationKind::Write, 0, 8, (4, 4))]
    #[case::a_copy(DeviceId::NetFlash, OperationKind::Write, 0x800, 0x400, (0x200, 4))]
    #[case::a_page(DeviceId::AppFlash, OperationKind::Erase, 0, 0x1000, (0, 0x1000))]
    #[case::a_page_of_three(DeviceId::AppFlash, OperationKind::Erase, 0, 0x3000, (0x1000, 0x1000))]
    #[case::a_page_of_the_network_core(DeviceId::NetFlash, OperationKind::Erase, 0, 0x1000, (0x800, 0x800))]
    #[case::up_to_the_next_page(DeviceId::External, OperationKind::Write, 0x1c0, 0x400, (0, 0x40))]
    #[case::a_short_write(DeviceId::External, OperationKind::Write, 0x100, 8, (0, 8))]
    #[case::a_sector_of_many(DeviceId::External, OperationKind::Erase, 0, 0x10_000, (0, 0x1000))]
    fn half_of_an_operation_is_done_and_a_part_of_it_is_torn(
        #[case] device: DeviceId,
        #[case] kind: OperationKind,
        #[case] offset: u32,
        #[case] length: u32,
        #[case] (done, torn): (u32, u32),
    ) {
        let operation = Operation {
            kind,
            device,
            offset,
            length,
            torn: false,
        };
        assert_eq!(Middle::of(&operation), Middle { done, torn });
    }

    #[rstest]
    #[case::bits_that_fall(0xFF, 0x0F, &[])]
    #[case::bits_that_rise(0x00, 0xF0, &[0x1800, 0x2000])]
    fn pages_in_which_bits_rise_are_worn(
        #[case] before: u8,
        #[case] torn: u8,
        #[case] pages: &[u32],
    ) {
        let worn = worn(DeviceId::NetFlash, 0x1FFC, &[before; 8], &[torn; 8]);
        let found: Vec<u32> = worn.keys().map(|(_, page)| *page).collect();
        assert_eq!(found, pages);
    }

    #[test]
    fn a_point_has_one_torn_state_between_before_and_after() {
        let point: CutPoint = "boot.app-write.37.inside".parse().unwrap();
        let torn = |point: &CutPoint| {
            Torn::at(point, DeviceId::AppFlash, 8, &[0xFF; 64], vec![0; 64])
                .left
                .bytes
        };
        assert_eq!(torn(&point), torn(&point));
        assert!(torn(&point) != [0xFF; 64] && torn(&point) != [0; 64]);
        let other = CutPoint { index: 38, ..point };
        assert_ne!(torn(&point), torn(&other));
    }
}
