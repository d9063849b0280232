//! `reset`: restarts the board with the power staying on.

use crate::context::Context;
use crate::link::Reply;
use crate::trouble::{Checked, Trouble};
use hil_record::FailKind;
use hil_scenario::Reset;

pub(super) fn run(context: &mut Context<'_>, way: Reset) -> Checked {
    match way {
        Reset::Smp => match context.reset_over_smp()? {
            Reply::Done(()) => Ok(()),
            Reply::Refused(reason) => Err(Trouble::fail(
                FailKind::Refused,
                format_args!("the board refused the reset command: {reason}"),
            )),
        },
        Reset::Probe => context.reset_through_probe(),
        Reset::Pin => context.reset_with_pin(),
    }
}
