//! `mark`: requests over SMP that an image be tested or kept.

use crate::context::Context;
use crate::link::Reply;
use crate::step::answer;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{Answer, Mark, Request};

pub(super) fn run(context: &mut Context<'_>, step: &Mark) -> Checked {
    let image = context.image(&step.image)?;
    let confirm = match step.request {
        Request::Test => false,
        Request::Confirmed => true,
    };
    let word = if confirm { "confirm" } else { "test" };
    let what = format!("{word} {}", step.image);
    match (context.mark(step.over, image.hash(), confirm)?, step.expect) {
        (Reply::Done(list), Answer::Accepted) => {
            let taken = list
                .with_hash(image.hash())
                .any(|entry| entry.pending || entry.confirmed);
            if taken {
                context.see(Evidence::seen(what, "accepted"));
                Ok(())
            } else {
                Err(Trouble::fail(
                    FailKind::ImageState,
                    format_args!(
                        "the board answered `{what}` without an error, but its image list shows {} neither pending \
                         nor confirmed",
                        step.image
                    ),
                ))
            }
        }
        (Reply::Done(_), Answer::Refused(_)) => Err(answer::not_refused(&what)),
        (Reply::Refused(found), expected) => answer::refused(context, &what, &found, expected),
    }
}
