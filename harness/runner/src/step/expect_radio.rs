//! `expect_radio`: whether the board is on the air.
//!
//! A board whose application runs can be off the air: its network core runs no controller, or one that the application
//! cannot talk to. Only a radio tells; a console that says "ready" does not.

use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{Core, ExpectRadio, Transport};

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectRadio) -> Checked {
    let deadline = context.deadline(expect.within);
    let within = expect.within;
    if expect.alive {
        return match context.image_list_over(Some(Transport::Ble), deadline)? {
            Some(_) => Ok(()),
            None => Err(Trouble::fail(
                FailKind::Radio,
                format_args!(
                    "the board must be on the air, but did not answer over ble within {within:?}; {}",
                    context.last_line(Core::App)
                ),
            )),
        };
    }
    // A link that is still there says nothing about whether a new one could be made.
    context
        .bench
        .hang_up("to see whether the board is on the air");
    match context.bench.connect(Transport::Ble, deadline) {
        Err(Trouble::Lost(why)) => {
            context.see(Evidence::seen("radio", why));
            Ok(())
        }
        Ok(link) => {
            context.bench.hang_up("the board must be off the air");
            Err(Trouble::fail(
                FailKind::Radio,
                format_args!(
                    "the board must be off the air, but was connected: {}",
                    link.unwrap_or_default()
                ),
            ))
        }
        Err(trouble) => Err(trouble),
    }
}
