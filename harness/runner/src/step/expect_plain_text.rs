//! `expect_plain_text`: the plain text of an encrypted image is in these slots and nowhere else in flash.

use crate::context::Context;
use crate::holding::Form;
use crate::standing;
use crate::trouble::{Checked, Trouble};
use hil_record::{ErrorKind, Evidence, FailKind};
use hil_scenario::ExpectPlainText;

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectPlainText) -> Checked {
    let image = context.image(&expect.of)?;
    if !image.is_encrypted() {
        return Err(Trouble::error(
            ErrorKind::File,
            format_args!(
                "{} is not encrypted, so it has no plain text to look for",
                expect.of
            ),
        ));
    }
    for slot in &expect.only_in {
        context
            .slot_holds(*slot, &image, Form::Plain)?
            .map_err(|mismatch| {
                Trouble::fail(
                    FailKind::PlainText,
                    format_args!(
                        "slot {slot} must hold {} in plain text but holds {mismatch}",
                        expect.of
                    ),
                )
            })?;
    }
    let looked = standing::plain_text_only_in(context, &image, &expect.only_in)?;
    context.see(Evidence::seen(
        "plain text elsewhere",
        format!("none of {} blocks", looked.blocks),
    ));
    Ok(())
}
