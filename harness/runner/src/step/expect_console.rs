//! `expect_console`: a text on a core's console, since the board was last started.

use crate::console::Waited;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::{ErrorKind, Evidence, FailKind};
use hil_scenario::{ExpectConsole, Missing, Presence, PrintedBy};

pub(super) fn run(context: &mut Context<'_>, expect: &ExpectConsole) -> Checked {
    let log = context.printed(expect.core, expect.by).clone();
    let mark = context.printed_from(expect.core, expect.by);
    let place = match expect.by {
        PrintedBy::Uart => format!("{} console", expect.core),
        PrintedBy::Rtt => format!("RTT of the {} core", expect.core),
    };
    let deadline = context.deadline(expect.within);
    let waited = log.wait_for(mark, deadline, &context.cancel, |line| {
        line.contains(&expect.text)
    });
    context.tell_console(
        expect.core,
        expect.by,
        &expect.text,
        expect.presence == Presence::Absent,
    );
    match (waited, expect.presence) {
        (Waited::Cancelled, _) => Err(Trouble::Cancelled),
        (Waited::Found(line, _), Presence::Present) => {
            context.see(Evidence::seen(place, line.text));
            Ok(())
        }
        (Waited::Found(line, _), Presence::Absent) => Err(Trouble::fail(
            FailKind::Console,
            format_args!("the {place} shows `{}`, which must not be there", line.text),
        )),
        (Waited::TimedOut, Presence::Absent)
            if expect.by == PrintedBy::Uart && context.bench.is_deaf() =>
        {
            // The plan leaves such scenarios out where it can see it coming.
            Err(context.line_missing(format_args!(
                "whether `{}` was on the {place} cannot be told",
                expect.text
            )))
        }
        (Waited::TimedOut, Presence::Absent) => Ok(()),
        (Waited::TimedOut, Presence::Present) => {
            let sentence = format!(
                "no `{}` on the {place} within {:?}; {}",
                expect.text,
                expect.within,
                context.last_printed(expect.core, expect.by)
            );
            Err(match expect.by {
                _ if expect.missing == Missing::Inconclusive => {
                    Trouble::error(ErrorKind::Inconclusive, sentence).with_help(
                        "what went before did not come about as the scenario means it, such as a cut that came too early, so that it \
                         proves nothing; run it again",
                    )
                }
                PrintedBy::Uart => context.line_missing(sentence),
                PrintedBy::Rtt => Trouble::fail(FailKind::Console, sentence).with_help(
                    "is the firmware built with CONFIG_USE_SEGGER_RTT and CONFIG_LOG_BACKEND_RTT, and does it print into up buffer 0?",
                ),
            })
        }
    }
}
