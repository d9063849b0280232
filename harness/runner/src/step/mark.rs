//! `mark`: requests over SMP that an image be tested or kept.

use crate::context::Context;
use crate::history::What;
use crate::link::Reply;
use crate::step::answer;
use crate::trouble::{Checked, Trouble};
use hil_bootloader::predict;
use hil_record::{Evidence, FailKind};
use hil_scenario::{Answer, Mark, MarkAnswer, Request};
use hil_smp::Refused;

pub(super) fn run(context: &mut Context<'_>, step: &Mark) -> Checked {
    let image = context.image(&step.image)?;
    let (word, request) = match step.request {
        Request::Test => ("test", predict::Request::Test),
        Request::Confirmed => ("confirm", predict::Request::Confirm),
    };
    let confirm = request == predict::Request::Confirm;
    let what = format!("{word} {}", step.image);
    let answer = context.with_faults(&step.transport_faults, 0, |context| {
        context.mark(step.over, image.hash(), confirm)
    })?;
    let made = match answer {
        Reply::Refused(reason) => Made::Refused(reason),
        Reply::Done(list) => {
            let taken = list
                .with_hash(image.hash())
                .any(|entry| entry.pending || entry.confirmed);
            if taken { Made::Mark } else { Made::Nothing }
        }
    };
    context.done(match (&made, step.expect) {
        // What the list does not show is taken for done all the same, unless that is what the step is about.
        (Made::Refused(_), _) | (Made::Nothing, MarkAnswer::Ignored) => What::Answered,
        (Made::Mark | Made::Nothing, _) => What::Marked {
            hash: image.hash().to_vec(),
            request,
        },
    });
    match (made, step.expect) {
        (Made::Refused(found), MarkAnswer::Honest(expected)) => {
            answer::refused(context, &what, &found, expected)
        }
        (Made::Refused(found), MarkAnswer::Ignored) => {
            answer::refused(context, &what, &found, Answer::Accepted)
        }
        (Made::Mark | Made::Nothing, MarkAnswer::Honest(Answer::Refused(_))) => {
            Err(answer::not_refused(&what))
        }
        (Made::Mark, MarkAnswer::Honest(Answer::Accepted)) => {
            context.see(Evidence::seen(what, "accepted"));
            Ok(())
        }
        (Made::Nothing, MarkAnswer::Honest(Answer::Accepted)) => Err(Trouble::fail(
            FailKind::ImageState,
            format_args!(
                "the board answered `{what}` without an error, but its image list shows {} neither pending nor \
                 confirmed",
                step.image
            ),
        )),
        (Made::Nothing, MarkAnswer::Ignored) => {
            context.see(Evidence::seen(what, "no error, and not marked"));
            Ok(())
        }
        (Made::Mark, MarkAnswer::Ignored) => Err(Trouble::fail(
            FailKind::ImageState,
            format_args!("the board carried out `{what}`, which it must take and ignore"),
        )),
    }
}

/// What the board made of a request.
enum Made {
    /// It is in its image list.
    Mark,
    /// No error, and nothing in its image list.
    Nothing,
    /// It answered with an error: its words.
    Refused(Refused),
}
