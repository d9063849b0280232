//! `power_cut`: takes the power away at a console line, and gives it back.
//!
//! The moment is counted from when the line arrived, not from when this step saw it. Whether the cut came in
//! time can only be told from what the board has printed by then, which is what `before` is for.

use crate::console::Waited;
use crate::context::Context;
use crate::trouble::{Checked, Trouble};
use hil_record::{ErrorKind, Evidence, PowerAction};
use hil_scenario::PowerCut;
use std::time::Duration;

pub(super) fn run(context: &mut Context<'_>, step: &PowerCut) -> Checked {
    let core = step.at.core;
    let log = context.console(core).clone();
    let start = context.started_at(core);
    let waited = log.wait_for(
        start,
        context.deadline(step.within),
        &context.cancel,
        |line| line.contains(&step.at.console),
    );
    let (line, behind) = match waited {
        Waited::Found(line, behind) => (line, behind),
        Waited::Cancelled => return Err(Trouble::Cancelled),
        Waited::TimedOut => {
            return Err(context.line_missing(
                format_args!(
                    "no `{}` on the {core} console within {:?}, so there was no moment to cut the power at; {}",
                    step.at.console,
                    step.within,
                    context.last_line(core)
                ),
            ));
        }
    };
    context.wait_until(line.at + step.delay)?;
    context.power_off(PowerAction::Cut)?;
    let off = context.bench.off_since();
    let late = off.map_or(Duration::ZERO, |off| off.saturating_since(line.at));
    context.see(Evidence::seen(
        "power cut",
        format!("{} ms after `{}`", late.as_millis(), line.text),
    ));

    // What was printed before the power went may still be on its way through the port.
    context.stay_off(step.off_for)?;
    let too_late = step
        .before
        .as_ref()
        .and_then(|before| log.find(behind, |line| line.contains(before)));
    context.power_on()?;
    match too_late {
        None => Ok(()),
        Some((passed, _)) => Err(Trouble::error(
            ErrorKind::Cut,
            format_args!(
                "the power went too late: `{}` was on the {core} console before it, {} ms after `{}`",
                passed.text,
                passed.at.saturating_since(line.at).as_millis(),
                line.text
            ),
        )
        .with_help("choose an earlier line or a shorter delay; a larger image makes the swap longer")),
    }
}
