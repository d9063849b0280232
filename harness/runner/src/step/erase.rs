//! `erase`: erases a slot over SMP.

use crate::context::Context;
use crate::history::What;
use crate::link::Reply;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{Erase, EraseAnswer};

pub(super) fn run(context: &mut Context<'_>, step: &Erase) -> Checked {
    let what = format!("erase {}", step.slot);
    let reply = context.erase(step.over, step.slot)?;
    context.done(match (&reply, step.expect) {
        (Reply::Done(()), _) | (Reply::Refused(_), EraseAnswer::Misreported) => {
            What::Erased { slot: step.slot }
        }
        (Reply::Refused(_), _) => What::Answered,
    });
    match (reply, step.expect) {
        (Reply::Done(()), EraseAnswer::Accepted) => {
            context.see(Evidence::seen(what, "accepted"));
            Ok(())
        }
        (Reply::Refused(reason), EraseAnswer::Refused) => {
            context.see(Evidence::seen(what, format!("refused: {reason}")));
            Ok(())
        }
        (Reply::Refused(reason), EraseAnswer::Misreported) => {
            context.see(Evidence::seen(
                what,
                format!("reported as failed: {reason}"),
            ));
            Ok(())
        }
        (Reply::Done(()), EraseAnswer::Refused) => Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!("the board accepted `{what}`, which it must refuse"),
        )),
        (Reply::Done(()), EraseAnswer::Misreported) => Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!(
                "the board answered `{what}` without an error, which a server with the defect reports as failed"
            ),
        )),
        (Reply::Refused(reason), EraseAnswer::Accepted) => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused `{what}`: {reason}"),
        )),
    }
}
