//! Stopping a board exactly behind the last thing that it does before a point.
//!
//! A core that is halted at every word would take minutes for one swap: an operation of the driver is hundreds of words. So it is
//! halted only at the last word, or page, before the point, and how often that very word is stored before is counted from the
//! operations that are foretold. A status word is stored once, a page of a slot a few times.

use super::cutter::{Aim, Cutter};
use super::foretold::Foretold;
use super::request;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{DeviceId, Operation, OperationKind};
use hil_record::{ErrorKind, Evidence};
use hil_rig::{Class, Memory, Planned, Route, route};
use hil_scenario::{CutMemory, CutPoint, Sweep};

/// Pages of the application core's flash, in bytes.
const PAGE: u32 = 0x1000;

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
        if step.during.is_some() {
            return request::running(context, step);
        }
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
        if foretold.is_of_a_request() {
            // It was carried out, and left what the model says.
            return Ok(true);
        }
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
        let route = behind(done).ok_or_else(|| {
            Trouble::error(
                ErrorKind::Cut,
                format_args!(
                    "a board cannot be stopped at {point}: a page, or a write to the external flash, is done in one go"
                ),
            )
            .with_help("choose a point before or after the operation")
        })?;
        match &step.during {
            Some(asked) if point.phase == asked.phase() => {
                request::running(context, step)?;
                let external = matches!(
                    point.class,
                    hil_scenario::Class::Operation(CutMemory::External, _)
                );
                if route == Route::Start && external {
                    // A core is halted behind a task of the external flash, never in front of it. Before the first one
                    // nothing has been done, as before the request.
                    return context.bench.halt();
                }
                request::make_and_stop(context, step, asked, &route, point)
            }
            Some(_) | None => context.let_start_and_stop(&route, step.within, point),
        }
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

/// The way to the point behind all of these operations, of which the last may be done in part.
fn behind(done: &[Operation]) -> Option<Route> {
    let planned: Vec<Planned> = done
        .iter()
        .map(|operation| Planned {
            memory: match operation.device {
                DeviceId::AppFlash | DeviceId::RamFlash => Memory::App,
                DeviceId::NetFlash => Memory::Net,
                DeviceId::External => Memory::External,
            },
            class: match operation.kind {
                OperationKind::Write => Class::Write,
                OperationKind::Erase => Class::Erase,
            },
            offset: operation.offset,
            length: operation.length,
        })
        .collect();
    route(&planned, planned.len(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_rig::{Core, Watch};

    fn write(offset: u32, length: u32) -> Operation {
        Operation {
            kind: OperationKind::Write,
            device: DeviceId::NetFlash,
            offset,
            length,
            torn: false,
        }
    }

    #[test]
    fn a_board_is_stopped_behind_the_last_word_before_the_point() {
        let done = [write(0x8800, 0x400), write(0x8c00, 8)];
        let expected = Route::Halt {
            core: Core::Net,
            watch: Watch::store_at(0x0100_8c04),
            number: 1,
        };
        assert_eq!(behind(&done), Some(expected));
    }

    #[test]
    fn before_the_first_operation_the_board_need_not_run() {
        assert_eq!(behind(&[]), Some(Route::Start));
    }
}
