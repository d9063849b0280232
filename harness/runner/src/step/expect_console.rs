//! `expect_console`: a text on a core's console, since the board was last started.

use crate::console::Waited;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::{Evidence, FailKind};
use hil_scenario::{ExpectConsole, Presence};

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectConsole) -> Checked {
    let log = context.console(expect.core).clone();
    let mark = context.started_at(expect.core);
    let deadline = context.deadline(expect.within);
    let waited = log.wait_for(mark, deadline, &context.cancel, |line| {
        line.contains(&expect.text)
    });
    context.tell_console(
        expect.core,
        &expect.text,
        expect.presence == Presence::Absent,
    );
    match (waited, expect.presence) {
        (Waited::Cancelled, _) => Err(Trouble::Cancelled),
        (Waited::Found(line, _), Presence::Present) => {
            context.see(Evidence::seen(
                format!("{} console", expect.core),
                line.text,
            ));
            Ok(())
        }
        (Waited::Found(line, _), Presence::Absent) => Err(Trouble::fail(
            FailKind::Console,
            format_args!(
                "the {} console shows `{}`, which must not be there",
                expect.core, line.text
            ),
        )),
        (Waited::TimedOut, Presence::Absent) => Ok(()),
        (Waited::TimedOut, Presence::Present) => Err(context.line_missing(format_args!(
            "no `{}` on the {} console within {:?}; {}",
            expect.text,
            expect.core,
            expect.within,
            context.last_line(expect.core)
        ))),
    }
}
