//! `power_cycle`: takes the power away and gives it back.

use crate::context::Context;
use crate::trouble::Checked;
use hil_record::PowerAction;
use hil_scenario::PowerCycle;

pub(super) fn run(context: &mut Context<'_>, step: &PowerCycle) -> Checked {
    context.power_off(PowerAction::Off)?;
    context.stay_off(step.off_for)?;
    context.holding(step.holding, step.hold_for, Context::power_on)
}
