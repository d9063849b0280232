//! `reset`: restarts the board with the power staying on.

use crate::context::{Context, POLL_FLASH};
use crate::link::Reply;
use crate::step::answer;
use crate::trouble::Checked;
use hil_record::Evidence;
use hil_scenario::{Answer, Reset, ResetBy};
use hil_smp::{ManagementCode, Refused};
use std::time::Duration;

/// How long a server may be busy: a recovery server refuses a reset until the network core has copied its update, which
/// takes 12 s for the largest there is. We chose the rest.
const BUSY_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn run(context: &mut Context<'_>, step: &Reset) -> Checked {
    context.holding(step.holding, step.hold_for, |context| match step.by {
        ResetBy::Smp => context.with_faults(&step.transport_faults, 0, |context| {
            over_smp(context, step.expect)
        }),
        ResetBy::Probe => context.reset_through_probe(),
        ResetBy::Pin => context.reset_with_pin(),
    })
}

fn over_smp(context: &mut Context<'_>, expect: Answer) -> Checked {
    let began = context.clock.now();
    let deadline = context.deadline(BUSY_WITHIN);
    let mut refusals = 0;
    loop {
        match (context.reset_over_smp()?, expect) {
            (Reply::Done(()), Answer::Accepted) => {
                if refusals > 0 {
                    let waited = context.clock.now() - began;
                    let seen = format!(
                        "the board was busy for {:.1} s: it refused {refusals} times",
                        waited.as_secs_f64()
                    );
                    context.see(Evidence::seen("reset", seen));
                }
                return Ok(());
            }
            (Reply::Done(()), Answer::Refused(_)) => return Err(answer::not_refused("reset")),
            (Reply::Refused(refused), Answer::Accepted)
                if is_busy(&refused) && context.clock.now() < deadline =>
            {
                refusals += 1;
                context.wait_at_most(POLL_FLASH, deadline)?;
            }
            (Reply::Refused(refused), expected) => {
                return answer::refused(context, "reset", &refused, expected);
            }
        }
    }
}

/// Whether it may do it later.
const fn is_busy(refused: &Refused) -> bool {
    matches!(
        refused,
        Refused::Management {
            code: ManagementCode::BUSY,
            ..
        }
    )
}
