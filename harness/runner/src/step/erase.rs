//! `erase`: erases a slot over SMP.

use crate::context::Context;
use crate::link::Reply;
use crate::step::answer;
use crate::trouble::Checked;
use hil_record::Evidence;
use hil_scenario::{Answer, Erase};

pub(super) fn run(context: &mut Context<'_>, step: &Erase) -> Checked {
    let what = format!("erase {}", step.slot);
    match (context.erase(step.over, step.slot)?, step.expect) {
        (Reply::Done(()), Answer::Accepted) => {
            context.see(Evidence::seen(what, "accepted"));
            Ok(())
        }
        (Reply::Done(()), Answer::Refused(_)) => Err(answer::not_refused(&what)),
        (Reply::Refused(found), expected) => answer::refused(context, &what, &found, expected),
    }
}
