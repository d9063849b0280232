//! Stopping a board exactly behind the last thing that it does before a point.
//!
//! A core that is halted at every word would take minutes for one swap: an operation of the driver is hundreds of words. So it is
//! halted only at the last word, or page, before the point, and how often that very word is stored before is counted from the
//! operations that are foretold. A status word is stored once, a page of a slot a few times.

use super::cutter::{Aim, Cutter};
use super::foretold::Foretold;
use super::request;
use crate::context::Context;
use crate::firmware::{EXTERNAL_WINDOW, Region};
use crate::trouble::{Checked, Trouble};
use hil_bootloader::{DeviceId, Operation, OperationKind};
use hil_record::{ErrorKind, Evidence};
use hil_rig::{Class, Followed, Instead, Memory, Planned, Route, Silicon, Strayed, route};
use hil_scenario::{Core, CutMemory, CutPoint, Sweep};

/// Stops the core by its watchpoints.
#[derive(Debug, Default)]
pub(super) struct ByTrap {
    /// What was seen of the start without a cut.
    followed: Option<Followed>,
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
        context.started_by_probe();
        let within = context
            .deadline(step.within)
            .saturating_since(context.clock.now());
        let operations: Vec<_> = foretold.operations().map(planned).collect();
        let followed = context
            .bench
            .start_and_follow(&operations, within, |index| foretold.effect(index))?;
        let followed = self.followed.insert(followed);
        match &followed.strayed {
            Some(strayed) => Err(drift(context, foretold, strayed)),
            None => Ok(()),
        }
    }

    fn after_dry_run(
        &mut self,
        context: &mut Context<'_>,
        foretold: &Foretold<'_>,
    ) -> Checked<bool> {
        // A request was carried out, and left what the model says.
        let Some(followed) = &self.followed else {
            return Ok(foretold.is_of_a_request());
        };
        let all = foretold.operations().count();
        let seen = followed.seen;
        let mut what = format!("{seen} of {all}, by class, address and number as foretold");
        if seen < all {
            what.push_str("; those of the network core are seen by what they leave");
        }
        if followed.early > 0 {
            what.push_str(&format!(
                "; {} of them in another order: earlier than foretold",
                followed.early
            ));
        }
        context.see(Evidence::seen("flash operations seen", what));
        Ok(seen == all)
    }

    fn stop_at(
        &mut self,
        context: &mut Context<'_>,
        point: &CutPoint,
        done: &[Operation],
        step: &Sweep,
    ) -> Checked {
        let route = behind(context.bench.silicon(), done).ok_or_else(|| {
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

/// That the board does something else than the model foretells.
fn drift(context: &Context<'_>, foretold: &Foretold<'_>, strayed: &Strayed) -> Trouble {
    let all = foretold.operations().count();
    let expected = foretold.operations().nth(strayed.index).map_or_else(
        || "none: all came".to_owned(),
        |operation| {
            let (core, address) = place(operation);
            format!(
                "{} of {} bytes at {address:#010x}, {}",
                hil_scenario::Class::of(operation),
                operation.length,
                context.firmware.place(core, address)
            )
        },
    );
    let instead = match &strayed.instead {
        Instead::Halted(_) | Instead::Erased(_) => strayed.instead.to_string(),
        // It may have ended otherwise.
        Instead::Missed(missed) => format!("{missed}; {}", context.last_line(Core::App)),
    };
    Trouble::error(
        ErrorKind::Inconclusive,
        format_args!(
            "plan drift: flash operation {} of {all} is, by the model, {expected}; on the board: {instead}; so the names of \
             points would not say what they mean",
            strayed.index
        ),
    )
    .with_help(
        "does `bootloader` in the firmware set say how the bootloader was built? `dfu-hil bootloader sweep` lists what the \
         model does",
    )
}

/// Where an operation begins, in the map of the core that has it.
fn place(operation: &Operation) -> (Core, u32) {
    match operation.device {
        DeviceId::AppFlash | DeviceId::RamFlash => (Core::App, operation.offset),
        DeviceId::External => (Core::App, EXTERNAL_WINDOW + operation.offset),
        DeviceId::NetFlash => (
            Core::Net,
            Region::whole_flash(Core::Net).address + operation.offset,
        ),
    }
}

/// The way to the point behind all of these operations, of which the last may be done in part.
fn behind(silicon: Silicon, done: &[Operation]) -> Option<Route> {
    let planned: Vec<Planned> = done.iter().map(planned).collect();
    route(silicon, &planned, planned.len(), 0)
}

/// An operation as the rig knows it.
fn planned(operation: &Operation) -> Planned {
    Planned {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hil_rig::Watch;

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
            core: hil_rig::Core::Net,
            watch: Watch::store_at(0x0100_8c04),
            number: 1,
        };
        assert_eq!(behind(Silicon::Nrf5340, &done), Some(expected));
    }

    #[test]
    fn before_the_first_operation_the_board_need_not_run() {
        assert_eq!(behind(Silicon::Nrf5340, &[]), Some(Route::Start));
    }
}
