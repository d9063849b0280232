//! What a board answered, held against what it must answer.

use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::Answer;
use hil_smp::Refused;

/// `what` was refused: as it must be, with another error than it must be, or where it must not be.
pub(super) fn refused(
    context: &mut Context<'_>,
    what: &str,
    found: &Refused,
    expected: Answer,
) -> Checked {
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

/// `what` was done although it must be refused.
pub(super) fn not_refused(what: &str) -> Trouble {
    Trouble::fail(
        FailKind::NotRefused,
        format_args!("the board accepted `{what}`, which it must refuse"),
    )
}
