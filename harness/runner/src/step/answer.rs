//! What a board answered, held against what it must answer.

use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::{Answered, Check, Evidence, FailKind};
use hil_scenario::Answer;
use hil_smp::Refused;

/// `what` was refused: as it must be, with another error than it must be, or where it must not be.
pub(super) fn refused(
    context: &mut Context<'_>,
    what: &str,
    found: &Refused,
    expected: Answer,
) -> Checked {
    context.checked(Check::Answer {
        request: what.to_owned(),
        expected: words(expected),
        found: Answered::Refused(Some(name(found))),
    });
    match expected {
        Answer::Accepted => Err(Trouble::fail(
            FailKind::Refused,
            format_args!("the board refused `{what}`: {found}"),
        )),
        Answer::Refused(Some(code)) if !code.is(found) => Err(Trouble::fail(
            FailKind::WrongRefusal,
            format_args!("the board refused `{what}` with {found}, expected {code}"),
        )),
        Answer::Refused(_) => {
            context.see(Evidence::seen(what, format!("refused: {found}")));
            Ok(())
        }
    }
}

/// The name of an error, or what it says where it has none.
fn name(refused: &Refused) -> String {
    Refused::names()
        .find(|name| refused.is_called(name))
        .map_or_else(|| refused.to_string(), str::to_owned)
}

/// What must be answered, for the journal.
fn words(expected: Answer) -> Answered {
    match expected {
        Answer::Accepted => Answered::Done,
        Answer::Refused(code) => Answered::Refused(code.map(|code| code.name().to_owned())),
    }
}

/// `what` was done although it must be refused.
pub(super) fn not_refused(what: &str) -> Trouble {
    Trouble::fail(
        FailKind::NotRefused,
        format_args!("the board accepted `{what}`, which it must refuse"),
    )
}
