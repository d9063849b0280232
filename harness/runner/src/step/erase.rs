//! `erase`: erases a slot over SMP.

use crate::context::Context;
use crate::history::What;
use crate::link::Reply;
use crate::step::answer;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{Answer, Erase, EraseAnswer};

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
        (Reply::Done(()), EraseAnswer::Honest(Answer::Accepted)) => {
            context.see(Evidence::seen(what, "accepted"));
            Ok(())
        }
        (Reply::Done(()), EraseAnswer::Honest(Answer::Refused(_))) => {
            Err(answer::not_refused(&what))
        }
        (Reply::Refused(found), EraseAnswer::Honest(expected)) => {
            answer::refused(context, &what, &found, expected)
        }
        (Reply::Refused(reason), EraseAnswer::Misreported) => {
            context.see(Evidence::seen(
                what,
                format!("reported as failed: {reason}"),
            ));
            Ok(())
        }
        (Reply::Done(()), EraseAnswer::Misreported) => Err(Trouble::fail(
            FailKind::NotRefused,
            format_args!(
                "the board answered `{what}` without an error, which a server with the defect reports as failed"
            ),
        )),
    }
}
