//! Stopping a board exactly behind the last thing that it does before a point.
//!
//! A core that is halted at every word would take minutes for one swap: an operation of the driver is hundreds of words. So it is
//! halted only at the last word, or page, before the point, and how often that very word is stored before is counted from the
//! operations that are foretold. A status word is stored once, a page of a slot a few times.

use super::cutter::{Aim, Cutter};
use super::foretold::Foretold;
use crate::bench::Stop;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{DeviceId, Operation, OperationKind};
use hil_record::{ErrorKind, Evidence};
use hil_rig::{Core, Watch};
use hil_scenario::{CutPoint, Sweep};

/// Erase units: of the application core's flash and the external flash, and of the network core's.
const PAGE: u32 = 0x1000;
const NET_PAGE: u32 = 0x800;
const WORD: u32 = 4;

/// Where the network core's flash begins in its map.
const NET_FLASH: u32 = 0x0100_0000;

/// Stops the core by its watchpoints.
#[derive(Debug, Default)]
pub(super) struct ByTrap {
    /// Erasures of pages that were seen in the start without a cut.
    erasures: u64,
}

impl Cutter for ByTrap {
    fn words(&self) -> &'static str {
        "stopped at the flash operation by the core's watchpoints"
    }

    fn aim(&self) -> Aim {
        Aim::Exact
    }

    fn dry_run(
        &mut self,
        context: &mut Context<'_>,
        foretold: &Foretold<'_>,
        step: &Sweep,
    ) -> Checked {
        let pages = erased_pages(foretold);
        context.started_by_probe();
        let within = context
            .deadline(step.within)
            .saturating_since(context.clock.now());
        self.erasures = context.bench.start_and_count_erasures(pages, within)?;
        Ok(())
    }

    fn after_dry_run(
        &mut self,
        context: &mut Context<'_>,
        foretold: &Foretold<'_>,
    ) -> Checked<bool> {
        let foretold = erased_pages(foretold);
        if self.erasures != foretold {
            return Err(Trouble::error(
                ErrorKind::Inconclusive,
                format_args!(
                    "plan drift: the board erased {} pages of the application core where the model foretells {foretold}, so \
                     that the names of points would not say what they mean",
                    self.erasures
                ),
            )
            .with_help(
                "does `bootloader` in the firmware set say how the bootloader was built? `dfu-hil bootloader sweep` lists what \
                 the model does",
            ));
        }
        context.see(Evidence::seen(
            "page erasures",
            format!("{foretold}, as foretold"),
        ));
        Ok(true)
    }

    fn stop_at(
        &mut self,
        context: &mut Context<'_>,
        point: &CutPoint,
        done: &[Operation],
        step: &Sweep,
    ) -> Checked {
        let Some(stop) = behind(done) else {
            // Nothing is done before it: the board has only to be started.
            return context.let_start_and_stop(&first(), step.within, point);
        };
        context.let_start_and_stop(&stop, step.within, point)
    }
}

/// Pages of the application core that the start erases.
fn erased_pages(foretold: &Foretold<'_>) -> u64 {
    foretold
        .operations()
        .filter(|operation| {
            operation.device == DeviceId::AppFlash && operation.kind == OperationKind::Erase
        })
        .map(|operation| u64::from(operation.length.div_ceil(PAGE)))
        .sum()
}

/// In front of whatever the application core does first to its flash.
fn first() -> Stop {
    Stop {
        core: Core::App,
        watch: Watch::Modes,
        number: 1,
    }
}

/// Behind the last of these operations; `None` when there is none.
fn behind(done: &[Operation]) -> Option<Stop> {
    let last = done.last()?;
    if last.device == DeviceId::External {
        let tasks = done
            .iter()
            .filter(|operation| operation.device == DeviceId::External);
        return Some(Stop {
            core: Core::App,
            watch: Watch::ExternalTasks,
            number: tasks.map(tasks_of).sum(),
        });
    }
    let (core, start, page) = match last.device {
        DeviceId::NetFlash => (Core::Net, NET_FLASH, NET_PAGE),
        _ => (Core::App, 0, PAGE),
    };
    let unit = match last.kind {
        OperationKind::Write => WORD,
        OperationKind::Erase => page,
    };
    let word = last.offset + (last.length.max(unit) - unit);
    let number = done
        .iter()
        .filter(|operation| operation.device == last.device && stores(operation, word, page))
        .count();
    Some(Stop {
        core,
        watch: Watch::store_at(start + word),
        number: number as u64,
    })
}

/// Whether an operation stores something at this word: a page is erased by a store to its first word.
fn stores(operation: &Operation, word: u32, page: u32) -> bool {
    let inside = word
        .checked_sub(operation.offset)
        .is_some_and(|offset| offset < operation.length);
    inside
        && match operation.kind {
            OperationKind::Write => true,
            OperationKind::Erase => word.is_multiple_of(page),
        }
}

/// Tasks of the QSPI peripheral for an operation: one for a write, one for each sector of an erasure (zephyr
/// `drivers/flash/nrf_qspi_nor.c`; blocks of 64 KiB are not erased at once by MCUboot, which goes sector by sector).
fn tasks_of(operation: &Operation) -> u64 {
    match operation.kind {
        OperationKind::Write => 1,
        OperationKind::Erase => u64::from(operation.length.div_ceil(PAGE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const APP: DeviceId = DeviceId::AppFlash;
    const NET: DeviceId = DeviceId::NetFlash;
    const EXTERNAL: DeviceId = DeviceId::External;

    fn write(device: DeviceId, offset: u32, length: u32) -> Operation {
        Operation {
            kind: OperationKind::Write,
            device,
            offset,
            length,
            torn: false,
        }
    }

    fn erase(device: DeviceId, offset: u32, length: u32) -> Operation {
        Operation {
            kind: OperationKind::Erase,
            ..write(device, offset, length)
        }
    }

    #[rstest]
    #[case::a_word_that_is_written_once(&[write(APP, 0x5000, 0x400)], Core::App, 0x53FC, 1)]
    #[case::a_page_that_was_written_before(
        &[write(APP, 0x5000, 0x1000), erase(APP, 0x5000, 0x1000)],
        Core::App,
        0x5000,
        2
    )]
    #[case::the_last_of_several_pages(&[erase(APP, 0x4000, 0x2000)], Core::App, 0x5000, 1)]
    #[case::a_word_behind_the_first_of_an_erased_page(
        &[erase(APP, 0x5000, 0x1000), write(APP, 0x5000, 8)],
        Core::App,
        0x5004,
        1
    )]
    #[case::the_first_word_of_an_erased_page(
        &[erase(APP, 0x5000, 0x1000), write(APP, 0x5000, 4)],
        Core::App,
        0x5000,
        2
    )]
    #[case::other_flash_at_the_same_offset(
        &[write(EXTERNAL, 0x5000, 4), write(APP, 0x5000, 4)],
        Core::App,
        0x5000,
        1
    )]
    #[case::the_network_core(&[erase(NET, 0x8800, 0x800)], Core::Net, 0x0100_8800, 1)]
    fn a_board_is_stopped_behind_the_last_word_before_the_point(
        #[case] done: &[Operation],
        #[case] core: Core,
        #[case] address: u32,
        #[case] number: u64,
    ) {
        let expected = Stop {
            core,
            watch: Watch::store_at(address),
            number,
        };
        assert_eq!(behind(done), Some(expected));
    }

    #[test]
    fn the_external_flash_is_followed_task_by_task() {
        let done = [
            erase(EXTERNAL, 0, 0x2000),
            write(APP, 0, 4),
            write(EXTERNAL, 0, 0x400),
        ];
        let stop = behind(&done).unwrap();
        assert_eq!((stop.watch, stop.number), (Watch::ExternalTasks, 3));
    }

    #[test]
    fn nothing_is_waited_for_before_the_first_operation() {
        assert_eq!(behind(&[]), None);
    }
}
