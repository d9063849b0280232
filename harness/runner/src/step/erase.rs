//! `erase`: erases a slot over SMP.

use crate::context::Context;
use crate::link::Reply;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{Answer, Erase};

pub(super) fn run(context: &mut Context<'_>, step: &Erase) -> Checked {
    let what = format!("erase {}", step.slot);
    match (context.erase(step.over, step.slot)?, step.expect) {
        (Reply::Done(()), Answer::Accepted) => {
            context.see(Evidence::seen(what, "accepted"));
            Ok(())
        }
        (Reply::Refused(reason), Answer::Refused) => {
            context.see(Evidence::seen(what, format!("refused: {reason}")));
            Ok(())
        }
        (Reply::Done(()), Answer::Refused) => Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!("the board accepted `{what}`, which it must refuse"),
        )),
        (Reply::Refused(reason), Answer::Accepted) => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused `{what}`: {reason}"),
        )),
    }
}
