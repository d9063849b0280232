//! A request to the application, when that is what is interrupted: a mark, which is a few words in a trailer.

use super::recovery;
use crate::context::Context;
use crate::link::Reply;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::predict::{Action, Mark};
use hil_record::FailKind;
use hil_scenario::{Core, Request, Sweep};

/// What the model does for the request of a sweep.
pub(crate) fn action(step: &Sweep) -> Option<Action> {
    let mark = step.mark()?;
    Some(Action::Mark {
        image: match mark.image.core {
            Core::App => 0,
            Core::Net => 1,
        },
        mark: match mark.request {
            Request::Test => Mark::Test,
            // Of the image that waits: one that runs on test has but one word to be written.
            Request::Confirmed => Mark::Permanent,
        },
    })
}

/// Lets the board start, which is held at its first instruction, and waits for its application.
pub(super) fn running(context: &mut Context<'_>, step: &Sweep) -> Checked {
    context.let_go()?;
    recovery::boots(context, step).map(drop)
}

/// Makes the request, and is not interrupted.
pub(super) fn make(context: &mut Context<'_>, step: &Sweep) -> Checked {
    let Some(mark) = step.mark() else {
        return Ok(());
    };
    let image = context.image(&mark.image)?;
    match context.mark(mark.over, image.hash(), mark.request == Request::Confirmed)? {
        Reply::Done(_) => Ok(()),
        Reply::Refused(refused) => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused the request that is to be interrupted: {refused}"),
        )),
    }
}
